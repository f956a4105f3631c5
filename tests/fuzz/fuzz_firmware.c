/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/host/acpi.c */
/*
 * Firmware tables of any content, as dom0 reads them. The input is memory from
 * 0xe0000 on; each mapping is a copy of exactly the bytes asked for, so that
 * reading one byte more is seen. All of them are given back.
 */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/host/firmware.h"

#define BASE 0xe0000u
#define FADT (3 * 512) /* where the seed has them */
#define DSDT (5 * 512)
#define MCFG (7 * 512)
#define MAPS 4096

static uint8_t input[0x20000];
static unsigned maps, open;
static int fix;

const void *firmware_map(uint64_t base, uint64_t bytes)
{
	uint8_t *copy, total = 0;

	if (maps == MAPS || !bytes || bytes > sizeof(input))
		return NULL;
	if (base < BASE || base - BASE > sizeof(input) - bytes)
		return NULL;
	maps++;
	open++;
	copy = memcpy(malloc(bytes), input + (base - BASE), bytes);
	for (size_t i = 0; fix && bytes > 36 && i < bytes; i++)
		total = (uint8_t)(total + copy[i]);
	if (fix && bytes > 36)
		copy[9] = (uint8_t)(copy[9] - total);
	return copy;
}

void firmware_unmap(const void *memory, uint64_t bytes)
{
	(void)bytes;
	open--;
	free((void *)memory);
}

/* A valid way to the DSDT; what the tables hold stays the input's. */
static void make_skeleton(uint8_t *rsdp)
{
	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[15] = 0;
	memcpy(rsdp + 16, &(uint32_t){BASE}, 4);
	memcpy(input, "RSDT\x38\0\0", 8);
	memcpy(input + MCFG, "MCFG", 4);
	input[MCFG + 6] = input[MCFG + 7] = 0;
	memcpy(input + 40, &(uint32_t){BASE + MCFG}, 4);
	memcpy(input + FADT, "FACP", 4);
	memcpy(input + DSDT, "DSDT", 4);
	input[FADT + 6] = input[FADT + 7] = input[DSDT + 6] = input[DSDT + 7] = 0;
	memcpy(input + 36, &(uint32_t){BASE + FADT}, 4);
	memcpy(input + FADT + 40, &(uint32_t){BASE + DSDT}, 4);
	memset(input + FADT + 140, 0, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t rsdp[36] = {0};

	if (bytes < 64)
		return 0;
	fix = data[0] & 1;
	maps = 0;
	memset(input, 0, sizeof(input));
	memcpy(input, data + 1, bytes - 1 < sizeof(input) ? bytes - 1 : sizeof(input));
	memcpy(rsdp, input, sizeof(rsdp));
	if (data[0] & 2)
		make_skeleton(rsdp);
	firmware_power(rsdp);
	firmware_ecam(rsdp);
	if (open)
		abort();
	return 0;
}
