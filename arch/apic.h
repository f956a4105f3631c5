/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC of the CPU that runs this, xAPIC or x2APIC (SDM volume 3,
 * chapter 11; APM volume 2, chapter 16).
 */
#pragma once

#include "kernel/base/types.h"

#define APIC_NMI     0x0400u
#define APIC_INIT    0x0500u
#define APIC_STARTUP 0x0600u /* and the number of the page below 1 MiB where it begins */

/*
 * Once, on the boot CPU: finds out what there is and how fast its timer
 * counts. Needs acpi and tsc_khz. False: this CPU has no local APIC.
 */
bool apic_setup(void);
/* On each CPU: enable it; interrupts come at these vectors. */
void apic_enable(uint8_t timer_vector, uint8_t error_vector, uint8_t spurious_vector);

uint32_t apic_id(void);
void apic_eoi(void);
/* Offers the CPU its pending interrupts again, before it halts. */
void apic_offer(void);
/* One timer interrupt when the TSC reaches tsc (at once if it has). */
void apic_timer_set(uint64_t tsc);
/* To the CPU with this APIC ID: the interrupt of a vector, or one of APIC_*. */
void apic_send(uint32_t dest, uint32_t command);
uint32_t apic_error(void); /* read and clear the ESR */
