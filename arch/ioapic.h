/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's I/O APICs, and the 8259 PICs, which stay off. */
#pragma once

#include "arch/acpi.h"

/* The PICs' vectors if one fires all the same (spurious): 16 of them. */
#define PIC_VECTOR 0x20u

void pic_disable(void);
/* Finds the I/O APICs of `acpi` and masks every pin. */
void ioapic_setup(void);

/* Route a line to `vector` of the CPU with this APIC ID; it starts masked.
 * False: no I/O APIC has this line. */
bool ioapic_route(const struct ioapic_line *line, uint8_t vector, uint32_t apic_id);
void ioapic_mask(uint32_t gsi, bool masked);
