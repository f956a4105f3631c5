/* SPDX-License-Identifier: BSD-2-Clause */
/* The other CPUs of a small guest, and messages between local APICs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SMP_CPUS 64 /* local APIC ids */

/*
 * INIT and SIPI for the CPU with that local APIC id, by the caller's local APIC
 * in the mode that it is in. The CPU calls entry(id) with interrupts off, its
 * local APIC as INIT has left it, on a stack of its own; when that returns it
 * halts for ever. True: it has come there within two seconds.
 */
bool smp_start(unsigned id, void (*entry)(uint64_t id));

/* The interrupt command register: ICR_* and a vector. */
void ipi_send(uint32_t destination, uint32_t command);
