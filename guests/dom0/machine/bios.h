/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The remains of a PC's firmware in memory below 1 MiB: interrupt vectors, the BIOS data area, the
 * extended one, and in the segment 0xf000 the ACPI tables (acpi.h), SMBIOS, the table of the
 * MultiProcessor Specification and the code at the reset vector.
 */
#pragma once

struct vm;

#define BIOS_EBDA    0x9fc00u /* the extended BIOS data area, up to 0xa0000 */
#define BIOS_SEGMENT 0xf0000u
#define BIOS_MP      0xfb000u /* what lies before it is ACPI's */
#define BIOS_SMBIOS  0xfd800u
#define BIOS_CODE    0xfe05bu /* where a PC's power-on code begins */
#define BIOS_IRET    0xfff53u
#define BIOS_VECTOR  0xffff0u

/* Writes all but the ACPI tables into the guest's RAM. Called before a kernel is loaded. */
void bios_build(struct vm *vm);
