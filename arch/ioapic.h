/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's I/O APICs, and the 8259 PICs, which stay off. */
#pragma once

#include "arch/acpi.h"

/* The PICs' vectors if one fires all the same (spurious): 16 of them. */
#define PIC_VECTOR 0x20u

void pic_disable(void);
/* Finds the I/O APICs of `acpi` and masks every pin. */
void ioapic_setup(void);

/* The I/O APIC's ID as the MADT has it. False: no I/O APIC has this line. */
bool ioapic_id(uint32_t gsi, uint32_t *id);
/* Route a line, which starts masked, by the 64 bits of an entry: destination, vector, or what an
 * IOMMU wants there. False: no I/O APIC has this line. */
bool ioapic_route(const struct ioapic_line *line, uint64_t entry);
void ioapic_mask(uint32_t gsi, bool masked);
