/* SPDX-License-Identifier: BSD-2-Clause */
/* A small machine's ACPI tables, built in memory, for tests to break. */
#pragma once

#include "tests/unit/unit.h"

#define RSDP 0xf0040u
#define RSDT 0x100000u
#define XSDT 0x101000u
#define MADT 0x102000u
#define FADT 0x103000u
#define DSDT 0x104000u
#define MCFG 0x105000u
#define HPET 0x106000u
#define SIZE 0x108000u

static uint8_t memory[SIZE];
/* Reading of it: NULL outside, and where no firmware keeps tables. */
static inline const void *firmware_at(uint64_t pa, uint64_t bytes)
{
	if (pa < 4096 || pa >= SIZE || bytes > SIZE - pa)
		return NULL;
	return memory + pa;
}

static inline void put(uint32_t at, uint64_t value, unsigned bytes)
{
	memcpy(memory + at, &value, bytes);
}

static inline void sum(uint32_t at, uint32_t bytes, uint32_t where)
{
	uint8_t total = 0;

	memory[at + where] = 0;
	for (uint32_t i = 0; i < bytes; i++)
		total = (uint8_t)(total + memory[at + i]);
	memory[at + where] = (uint8_t)-total;
}

static inline void table(uint32_t at, const char *name, uint32_t bytes)
{
	memcpy(memory + at, name, 4);
	put(at + 4, bytes, 4);
	sum(at, bytes, 9);
}

static inline uint32_t entry(uint32_t at, const uint8_t *data)
{
	memcpy(memory + at, data, data[1]);
	return at + data[1];
}

static inline void build_madt(void)
{
	uint32_t at = MADT + 44;

	put(MADT + 36, 0xfee00000, 4);
	at = entry(at, (uint8_t[]){0, 8, 0, 0, 1, 0, 0, 0});
	at = entry(at, (uint8_t[]){0, 8, 1, 4, 1, 0, 0, 0});
	at = entry(at, (uint8_t[]){0, 8, 2, 6, 0, 0, 0, 0}); /* not there */
	at = entry(at, (uint8_t[]){1, 12, 7, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0});
	at = entry(at, (uint8_t[]){1, 12, 8, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0});
	at = entry(at, (uint8_t[]){2, 10, 0, 0, 2, 0, 0, 0, 0, 0});
	at = entry(at, (uint8_t[]){2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0});
	at = entry(at, (uint8_t[]){2, 10, 0, 10, 20, 0, 0, 0, 0x0f, 0});
	at = entry(at, (uint8_t[]){4, 6, 0xff, 0, 0, 1});
	at = entry(at, (uint8_t[]){9, 16, 0, 0, 0x34, 0x12, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0});
	table(MADT, "APIC", at - MADT);
}

static inline void build_fadt(void)
{
	put(FADT + 40, DSDT, 4);
	put(FADT + 46, 9, 2);
	put(FADT + 48, 0xb2, 4);
	put(FADT + 52, 2, 1);
	put(FADT + 56, 0x600, 4);
	put(FADT + 64, 0x604, 4);
	put(FADT + 76, 0x608, 4);
	put(FADT + 80, 0x620, 4);
	put(FADT + 88, 4, 1);
	put(FADT + 92, 16, 1);
	put(FADT + 112, 1 << 8 | 1 << 10, 4);
	put(FADT + 116, 0x0801, 2);
	put(FADT + 120, 0xcf9, 8);
	put(FADT + 128, 0x0f, 1);
	table(FADT, "FACP", 244);
}

static inline void build_dsdt(const uint8_t *aml, uint32_t bytes)
{
	memset(memory + DSDT, 0, 0x1000);
	memcpy(memory + DSDT + 100, aml, bytes);
	table(DSDT, "DSDT", 100 + bytes + 8);
}

static const uint8_t s5[] = {0x08, '_',  'S',  '5',  '_',  0x12, 0x08,
			     0x04, 0x0a, 0x05, 0x0a, 0x07, 0,    0};

static inline void build(void)
{
	memset(memory, 0, SIZE);
	build_madt();
	build_fadt();
	build_dsdt(s5, sizeof(s5));
	put(MCFG + 44, 0xb0000000, 8);
	put(MCFG + 55, 0xff, 1);
	table(MCFG, "MCFG", 60);
	put(HPET + 44, 0xfed00000, 8);
	table(HPET, "HPET", 56);
	put(RSDT + 36, FADT, 4);
	put(RSDT + 40, MADT, 4);
	put(RSDT + 44, 0, 4);
	put(RSDT + 48, 0xfffffff0, 4);
	put(RSDT + 52, MCFG, 4);
	table(RSDT, "RSDT", 56);
	put(XSDT + 36, HPET, 8);
	put(XSDT + 44, MADT, 8);
	table(XSDT, "XSDT", 52); /* without a FADT, to tell it from the RSDT */
	memcpy(memory + RSDP, "RSD PTR ", 8);
	put(RSDP + 15, 0, 1);
	put(RSDP + 16, RSDT, 4);
	sum(RSDP, 20, 8);
}

static inline void make_rsdp_2(void)
{
	put(RSDP + 15, 2, 1);
	put(RSDP + 20, 36, 4);
	put(RSDP + 24, XSDT, 8);
	sum(RSDP, 20, 8);
	sum(RSDP, 36, 32);
}
