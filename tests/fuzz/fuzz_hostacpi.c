/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/acpi.c */
/*
 * Firmware tables of any content. The input is memory from 0xe0000 on; each
 * mapping is a copy of exactly the bytes asked for, so that reading one byte
 * more is seen. Checksums are made right half of the time by the first byte.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/acpi.h"
#include "arch/paging.h"
#include "kernel/base/log.h"

#define BASE 0xe0000u
#define MAPS 4096

static uint8_t input[0x20000];
static size_t input_bytes;
static void *maps[MAPS];
static unsigned map_count;
static int fix;

void *phys_map(uint64_t pa, size_t bytes, uint32_t flags)
{
	uint8_t *copy, total = 0;

	if (flags != PTAB_R)
		abort();
	if (map_count == MAPS || !bytes || bytes > sizeof(input))
		return NULL;
	if (pa < BASE || pa - BASE > sizeof(input) - bytes)
		return NULL;
	copy = maps[map_count++] = malloc(bytes);
	memcpy(copy, input + (pa - BASE), bytes);
	if (fix && bytes > 36) {
		for (size_t i = 0; i < bytes; i++)
			total = (uint8_t)(total + copy[i]);
		copy[9] = (uint8_t)(copy[9] - total);
	}
	return copy;
}

void log_print(const char *format, ...)
{
	(void)format;
}

/* A valid way to one table of each kind; what they hold stays the input's. */
static void make_skeleton(uint8_t *rsdp)
{
	static const char names[][5] = {"XSDT", "APIC", "FACP", "MCFG", "HPET", "DSDT"};
	uint8_t total = 0;

	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[15] = 0;
	memcpy(rsdp + 16, &(uint32_t){BASE}, 4);
	rsdp[8] = 0;
	for (unsigned i = 0; i < 20; i++)
		total = (uint8_t)(total + rsdp[i]);
	rsdp[8] = (uint8_t)-total;
	memcpy(input, "RSDT\x38\0\0", 8);
	for (uint32_t i = 1; i < 6; i++) {
		memcpy(input + i * 512, names[i], 4);
		input[i * 512 + 6] = input[i * 512 + 7] = 0;
		memcpy(input + 32 + 4 * i, &(uint32_t){BASE + i * 512}, 4);
	}
	memcpy(input + 2 * 512 + 40, &(uint32_t){BASE + 5 * 512}, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct acpi_info info;
	uint8_t rsdp[36] = {0};

	if (bytes < 64)
		return 0;
	fix = data[0] & 1;
	input_bytes = bytes - 1 < sizeof(input) ? bytes - 1 : sizeof(input);
	memset(input, 0, sizeof(input));
	memcpy(input, data + 1, input_bytes);
	memcpy(rsdp, input, sizeof(rsdp));
	if (data[0] & 2)
		make_skeleton(rsdp);
	acpi_parse(&info, rsdp);
	if (info.ioapics > ACPI_IOAPICS)
		abort();
	while (map_count)
		free(maps[--map_count]);
	return 0;
}
