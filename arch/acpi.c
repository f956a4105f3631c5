/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/acpi.h"

#include "arch/paging.h"
#include "kernel/base/log.h"

#define HEADER       36u /* of every table: ACPI 6.5 table 5.4 */
#define TABLE_MAX    (4u << 20)
#define ENTRIES_MAX  256u
#define RSDP_1_BYTES 20u
#define RSDP_2_BYTES 36u
#define SPACE_IO     1u
#define CPU_ENABLED  1u /* ACPI 6.5 table 5.23 */

static bool same(const uint8_t *at, const char *text, size_t bytes)
{
	return !__builtin_memcmp(at, text, bytes);
}

static bool checksum(const uint8_t *data, size_t bytes)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + data[i]);
	return sum == 0;
}

/* A whole table, or one of 0 bytes. */
static struct acpi_table table_at(uint64_t pa)
{
	struct acpi_table t = {.data = pa ? phys_map(pa, HEADER, PTAB_R) : NULL, .bytes = HEADER};

	if (!t.data)
		return (struct acpi_table){0};
	t.bytes = (uint32_t)acpi_field(t, 4, 4);
	if (t.bytes < HEADER || t.bytes > TABLE_MAX)
		return (struct acpi_table){0};
	t.data = phys_map(pa, t.bytes, PTAB_R);
	if (!t.data)
		return (struct acpi_table){0};
	if (checksum(t.data, t.bytes))
		return t;
	log_print(LOG_WARNING "acpi: the table at %lx has a wrong checksum, ignored\n", pa);
	return (struct acpi_table){0};
}

static void add_cpu(struct acpi_info *info, uint64_t apic_id, uint64_t flags)
{
	if (!(flags & CPU_ENABLED))
		return;
	if (info->cpus < ACPI_CPUS)
		info->cpu[info->cpus] = (uint32_t)apic_id;
	info->cpus++;
}

static void add_ioapic(struct acpi_info *info, struct acpi_table e)
{
	if (info->ioapics < ACPI_IOAPICS)
		info->ioapic[info->ioapics++] = (struct acpi_ioapic){
			.id = (uint32_t)acpi_field(e, 2, 1),
			.address = (uint32_t)acpi_field(e, 4, 4),
			.gsi_base = (uint32_t)acpi_field(e, 8, 4),
		};
}

static void add_override(struct acpi_info *info, struct acpi_table e)
{
	uint64_t irq = acpi_field(e, 3, 1), flags = acpi_field(e, 8, 2);

	if (e.bytes >= 10 && irq < ACPI_ISA_IRQS)
		info->isa[irq] = (struct ioapic_line){
			.gsi = (uint32_t)acpi_field(e, 4, 4),
			.active_low = (flags & 3) == 3,
			.level = (flags >> 2 & 3) == 3,
		};
}

/* ACPI 6.5, 5.2.12: local APICs, I/O APICs, overrides, x2APICs. */
static void parse_madt(struct acpi_info *info, struct acpi_table t)
{
	struct acpi_table e;

	for (uint32_t at = 44; at + 2 <= t.bytes; at += e.bytes) {
		e = (struct acpi_table){t.data + at, t.data[at + 1]};
		if (e.bytes < 2 || e.bytes > t.bytes - at)
			return;
		if (e.data[0] == 0)
			add_cpu(info, acpi_field(e, 3, 1), acpi_field(e, 4, 4));
		else if (e.data[0] == 1)
			add_ioapic(info, e);
		else if (e.data[0] == 2)
			add_override(info, e);
		else if (e.data[0] == 9)
			add_cpu(info, acpi_field(e, 4, 4), acpi_field(e, 8, 4));
	}
}

/* A port from the old field, or from the newer generic address. */
static uint16_t fadt_port(struct acpi_table t, uint32_t old, uint32_t new)
{
	uint64_t port = acpi_field(t, old, 4);

	if (!port && acpi_field(t, new, 1) == SPACE_IO)
		port = acpi_field(t, new + 4, 8);
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* ACPI 6.5, 5.2.9 */
static void parse_fadt(struct acpi_info *info, struct acpi_table t)
{
	info->smi_command = (uint16_t)acpi_field(t, 48, 4);
	info->acpi_enable = (uint8_t)acpi_field(t, 52, 1);
	info->pm1a_control = fadt_port(t, 64, 172);
	info->pm1b_control = fadt_port(t, 68, 184);
	info->pm_timer = fadt_port(t, 76, 208);
	info->reset = fadt_port(t, t.bytes, 116); /* never had an old field */
}

/* PCI Firmware 3.2, 4.1.2: the first entry of segment 0 whose buses begin with 0. */
static void parse_mcfg(struct acpi_info *info, struct acpi_table t)
{
	for (uint32_t at = 44; at + 16 <= t.bytes && !info->mcfg; at += 16) {
		if (acpi_field(t, at + 8, 2) || acpi_field(t, at + 10, 1))
			continue;
		info->mcfg = acpi_field(t, at, 8);
		info->mcfg_last = (uint8_t)acpi_field(t, at + 11, 1);
	}
}

/*
 * RSDT and XSDT (ACPI 6.5, 5.2.7 and 5.2.8) are arrays of pointers to tables, of 4 or 8 bytes.
 * Tables with other names are passed by.
 */
static bool parse_root(struct acpi_info *info, uint64_t pa, const char *name, unsigned pointer)
{
	struct acpi_table root = table_at(pa);

	if (!root.bytes || !same(root.data, name, 4))
		return false;
	for (uint32_t i = 0; i < ENTRIES_MAX && HEADER + (i + 1) * pointer <= root.bytes; i++) {
		struct acpi_table t = table_at(acpi_field(root, HEADER + i * pointer, pointer));

		if (t.bytes && same(t.data, "APIC", 4))
			parse_madt(info, t);
		else if (t.bytes && same(t.data, "FACP", 4))
			parse_fadt(info, t);
		else if (t.bytes && same(t.data, "MCFG", 4))
			parse_mcfg(info, t);
		else if (t.bytes && same(t.data, "DMAR", 4))
			info->dmar = t;
		else if (t.bytes && same(t.data, "IVRS", 4))
			info->ivrs = t;
	}
	return true;
}

/* ACPI 6.5, 5.2.5.3 */
bool acpi_parse(struct acpi_info *info, const uint8_t rsdp[RSDP_2_BYTES])
{
	struct acpi_table t = {rsdp, RSDP_2_BYTES};

	*info = (struct acpi_info){0};
	for (uint32_t irq = 0; irq < ACPI_ISA_IRQS; irq++)
		info->isa[irq].gsi = irq;
	if (!same(rsdp, "RSD PTR ", 8) || !checksum(rsdp, RSDP_1_BYTES))
		return false;
	if (rsdp[15] < 2 || !checksum(rsdp, RSDP_2_BYTES) ||
	    !parse_root(info, acpi_field(t, 24, 8), "XSDT", 8))
		parse_root(info, acpi_field(t, 16, 4), "RSDT", 4);
	return true;
}
