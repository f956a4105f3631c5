/* SPDX-License-Identifier: BSD-2-Clause */
/* What the firmware's tables say about turning the machine off (ACPI 6.5, chapter 5), and where
 * PCI's configuration space is (PCI Firmware 3.0, 4.1.2). */
#include "guests/dom0/host/firmware.h"

#include <string.h>

#include "guests/dom0/base/env.h"

#define HEADER      36u /* of every table: ACPI 6.5 table 5.4 */
#define TABLE_MAX   (4u << 20)
#define ENTRIES_MAX 256u
#define RSDP_BYTES  36u
#define SPACE_IO    1u

/* MCFG: PCI Firmware 3.0, table 4-2. */
#define MCFG_ENTRIES 44u
#define MCFG_ENTRY   16u
#define ECAM_ALIGN   (1u << 20) /* a bus */

/* Flags of the FADT, ACPI 6.5 table 5.10. */
#define FADT_BUTTON_IN_AML   0x10u
#define FADT_RESET_SUPPORTED 0x400u

struct table {
	const uint8_t *data; /* NULL: there is none */
	uint32_t bytes;
};

/* A little-endian field; 0 if the table is too short to have it. */
static uint64_t field(struct table t, uint32_t offset, unsigned bytes)
{
	uint64_t value = 0;

	if (offset > t.bytes || bytes > t.bytes - offset)
		return 0;
	memcpy(&value, t.data + offset, bytes);
	return value;
}

static bool checksum(const uint8_t *data, size_t bytes)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + data[i]);
	return sum == 0;
}

static void table_close(struct table t)
{
	if (t.data)
		firmware_unmap(t.data, t.bytes);
}

/* The table of this name at an address, whole, or none. */
static struct table table_open(uint64_t address, const char *name)
{
	const struct table none = {NULL, 0};
	struct table t = {address ? firmware_map(address, HEADER) : NULL, HEADER};
	uint32_t bytes;

	if (!t.data)
		return none;
	bytes = memcmp(t.data, name, 4) ? 0 : (uint32_t)field(t, 4, 4);
	table_close(t);
	if (bytes < HEADER || bytes > TABLE_MAX)
		return none;
	t = (struct table){firmware_map(address, bytes), bytes};
	if (t.data && checksum(t.data, bytes))
		return t;
	table_close(t);
	return none;
}

/* A small integer as AML encodes it (ACPI 6.5, 20.2.3); moves *at behind it. */
static bool aml_byte(struct table t, uint32_t *at, uint8_t *value)
{
	uint64_t op = field(t, *at, 1);

	if (op == 0 || op == 1) {
		*value = (uint8_t)op;
		*at += 1;
		return true;
	}
	if (op < 0x0a || op > 0x0c) /* Byte-, Word- and DWordPrefix */
		return false;
	*value = (uint8_t)field(t, *at + 1, 1);
	*at += 1 + (1u << (op - 0x0a));
	return true;
}

/*
 * Name(_S5_, Package(){a, b, ...}): found by its bytes, for there is no AML
 * interpreter. NameOp, maybe a root prefix, the name, PackageOp, a length of
 * one to four bytes, the number of elements, the elements.
 */
static bool parse_s5(struct firmware_power *power, struct table t, uint32_t at)
{
	uint32_t name = t.data[at - 1] == '\\' ? at - 1 : at;

	if (memcmp(t.data + at, "_S5_\x12", 5) || t.data[name - 1] != 0x08)
		return false;
	at += 6 + ((uint32_t)field(t, at + 5, 1) >> 6);
	if (field(t, at++, 1) < 1 || !aml_byte(t, &at, &power->sleep_type[0]))
		return false;
	if (!aml_byte(t, &at, &power->sleep_type[1]))
		power->sleep_type[1] = 0;
	return true;
}

static void parse_dsdt(struct firmware_power *power, struct table t)
{
	for (uint32_t at = HEADER + 2; at + 8 <= t.bytes && !power->sleeps; at++)
		power->sleeps = parse_s5(power, t, at);
}

/* A port from the old field, or from the newer generic address. */
static uint16_t fadt_port(struct table t, uint32_t old, uint32_t new)
{
	uint64_t port = field(t, old, 4);

	if (!port && field(t, new, 1) == SPACE_IO)
		port = field(t, new + 4, 8);
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* ACPI 6.5, 5.2.9 */
static void parse_fadt(struct firmware_power *power, struct table t)
{
	uint64_t dsdt = field(t, 140, 8);
	struct table d = table_open(dsdt ? dsdt : field(t, 40, 4), "DSDT");

	power->sci = (uint16_t)field(t, 46, 2);
	power->pm1_event[0] = fadt_port(t, 56, 148);
	power->pm1_event[1] = fadt_port(t, 60, 160);
	power->pm1_event_bytes = (uint8_t)field(t, 88, 1);
	power->gpe[0] = fadt_port(t, 80, 220);
	power->gpe[1] = fadt_port(t, 84, 232);
	power->gpe_bytes[0] = (uint8_t)field(t, 92, 1);
	power->gpe_bytes[1] = (uint8_t)field(t, 93, 1);
	power->has_button = power->pm1_event[0] && !(field(t, 112, 4) & FADT_BUTTON_IN_AML);
	power->pm1_control[0] = fadt_port(t, 64, 172);
	power->pm1_control[1] = fadt_port(t, 68, 184);
	if (field(t, 112, 4) & FADT_RESET_SUPPORTED) {
		power->reset_space = (uint8_t)field(t, 116, 1);
		power->reset = field(t, 120, 8);
		power->reset_value = (uint8_t)field(t, 128, 1);
	}
	parse_dsdt(power, d);
	table_close(d);
}

/* The first table of that name which a root table has; *is_root: there is such a root table. */
static struct table find_in_root(uint64_t at, const char *root_name, unsigned pointer,
				 const char *name, bool *is_root)
{
	struct table root = table_open(at, root_name), found = {NULL, 0};

	*is_root = root.data;
	for (uint32_t i = 0;
	     i < ENTRIES_MAX && HEADER + (i + 1) * pointer <= root.bytes && !found.data; i++)
		found = table_open(field(root, HEADER + i * pointer, pointer), name);
	table_close(root);
	return found;
}

/* The first one of that name. The RSDT has tables that a broken XSDT hides. */
static struct table find_table(const uint8_t rsdp[36], const char *name)
{
	struct table t = {rsdp, RSDP_BYTES}, found = {NULL, 0};
	bool is_root = false;

	if (memcmp(rsdp, "RSD PTR ", 8))
		return found;
	if (rsdp[15] >= 2 && checksum(rsdp, RSDP_BYTES))
		found = find_in_root(field(t, 24, 8), "XSDT", 8, name, &is_root);
	if (!is_root)
		found = find_in_root(field(t, 16, 4), "RSDT", 4, name, &is_root);
	return found;
}

struct firmware_power firmware_power(const uint8_t rsdp[36])
{
	struct firmware_power power = {.sleeps = false};
	struct table fadt = find_table(rsdp, "FACP");

	if (fadt.data)
		parse_fadt(&power, fadt);
	table_close(fadt);
	return power;
}

struct firmware_ecam firmware_ecam(const uint8_t rsdp[36])
{
	struct firmware_ecam ecam = {.base = 0};
	struct table t = find_table(rsdp, "MCFG");

	for (uint32_t at = MCFG_ENTRIES; at + MCFG_ENTRY <= t.bytes && !ecam.base;
	     at += MCFG_ENTRY) {
		uint64_t base = field(t, at, 8);

		if (field(t, at + 8, 2) || base % ECAM_ALIGN)
			continue;
		ecam = (struct firmware_ecam){
			.base = base,
			.first = (uint8_t)field(t, at + 10, 1),
			.last = (uint8_t)field(t, at + 11, 1),
		};
	}
	table_close(t);
	return ecam;
}
