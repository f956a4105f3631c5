/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the firmware's ACPI tables that the kernel needs (ACPI 6.5, chapter 5).
 * Tables are read through phys_map() only, every length is checked, and entries beyond the arrays
 * are dropped: broken tables cost facts, not the boot.
 */
#pragma once

#include "kernel/base/types.h"

#define ACPI_CPUS     256
#define ACPI_IOAPICS  64
#define ACPI_ISA_IRQS 16

struct acpi_ioapic {
	uint32_t id;
	uint32_t address;
	uint32_t gsi_base;
};

/* How an interrupt is wired. */
struct ioapic_line {
	uint32_t gsi;
	bool active_low, level;
};

/* A whole table with its header, or a structure in one; bytes 0: there is none. */
struct acpi_table {
	const uint8_t *data;
	uint32_t bytes;
};

/* Returns a little-endian field, or 0 if the table is too short to have it. */
static inline uint64_t acpi_field(struct acpi_table t, uint32_t offset, unsigned bytes)
{
	uint64_t value = 0;

	if (offset > t.bytes || bytes > t.bytes - offset)
		return 0;
	for (unsigned i = bytes; i--;)
		value = value << 8 | t.data[offset + i];
	return value;
}

struct acpi_info {
	struct acpi_table dmar, ivrs; /* of the IOMMUs: arch/iommu/ */
	uint64_t mcfg;       /* where PCI's first segment is in memory, its bus 0; 0: nowhere */
	uint8_t mcfg_last;   /* ... and its last bus that is there */
	uint8_t acpi_enable; /* to smi_command, unless already enabled */
	uint16_t smi_command, pm1a_control, pm1b_control, pm_timer, reset; /* ports, 0: none */
	uint32_t cpus, ioapics;  /* cpus: all that there are; cpu has the first ACPI_CPUS of them */
	uint32_t cpu[ACPI_CPUS]; /* local APIC IDs */
	struct acpi_ioapic ioapic[ACPI_IOAPICS];
	struct ioapic_line isa[ACPI_ISA_IRQS]; /* overrides included */
};

/* Reads the tables. rsdp is a copy of the RSDP that the boot loader gave. False: it is none. */
bool acpi_parse(struct acpi_info *info, const uint8_t rsdp[36]);

extern struct acpi_info acpi; /* of this machine, filled at boot: arch/platform.c */
