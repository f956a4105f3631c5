/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI fixed hardware (PM1 event and control blocks, PM timer, GPE0), the
 * reset control register at port 0xcf9, and the ACPI tables.
 */
#pragma once

#include <stdint.h>

struct vm;

#define ACPI_PM1_EVT  0x600u
#define ACPI_PM1_CNT  0x604u
#define ACPI_PM_TMR   0x608u
#define ACPI_GPE0     0x620u
#define ACPI_GPE0_LEN 4u /* two status and two enable bytes */
#define ACPI_SCI      9u
#define ACPI_TABLES   0xf0000u /* where acpi_build puts the RSDP */

struct acpi_state {
	uint64_t epoch;     /* clock_epoch_ns, for resume */
	uint64_t pm_origin; /* clock_ns when the PM timer was 0 */
	uint16_t pm1_status, pm1_enable, pm1_control;
	uint8_t gpe_status[2], gpe_enable[2];
	uint8_t sci;           /* level of the line */
	uint8_t reset_control; /* port 0xcf9 */
	uint8_t pad[4];
};

int acpi_init(struct vm *vm); /* platform.h says what these do */
void acpi_reset(struct vm *vm);
int acpi_resume(struct vm *vm);

/* The power button is pressed: the guest is asked to shut down. */
void acpi_power_button(struct vm *vm);

/* A general-purpose event, by the number of its bit. */
void acpi_event(struct vm *vm, unsigned number);

/* A write to the reset control register, which lies among PCI's ports. */
void acpi_reset_control(struct vm *vm, uint8_t value);

/* Writes the tables into the guest's RAM; returns the address of the RSDP
 * (ACPI_TABLES), or 0 if the guest's RAM ends below them. */
uint64_t acpi_build(struct vm *vm);

/*
 * The tables for firmware: as they would be at address 0, with the RSDP apart. To each pointer
 * firmware adds the address where it puts the tables, and then it corrects the checksums of all.
 */
#define ACPI_BYTES    0xb000u /* all tables of the largest guest */
#define ACPI_POINTERS 20u
#define ACPI_ALL      10u

#define ACPI_RSDP_BYTES   36u
#define ACPI_RSDP_OLD     20u /* bytes of revision 0, which have a checksum of their own */
#define ACPI_RSDP_SUM     8u
#define ACPI_RSDP_RSDT    16u /* 4 bytes */
#define ACPI_RSDP_XSDT    24u /* 8 bytes */
#define ACPI_RSDP_SUM_ALL 32u
#define ACPI_HEADER_SUM   9u /* in every other table */

struct acpi_pointer {
	uint32_t offset;
	uint8_t size;
};
struct acpi_table {
	uint32_t offset, bytes;
};
struct acpi_blob {
	uint32_t bytes;
	unsigned pointers, tables;
	struct acpi_pointer pointer[ACPI_POINTERS];
	struct acpi_table table[ACPI_ALL];
	uint8_t rsdp[ACPI_RSDP_BYTES];
};

/* room: ACPI_BYTES, zeroed. */
void acpi_build_blob(const struct vm *vm, uint8_t *room, struct acpi_blob *blob);
