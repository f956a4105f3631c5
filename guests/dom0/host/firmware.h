/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's firmware and what dom0 does with it: tables, clock, power. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the machine is turned off and reset, and tells of its power button (ACPI 6.5, 4.8.3
 * and 7.4.2). */
struct firmware_power {
	uint16_t pm1_control[2]; /* ports, 0: none */
	uint16_t pm1_event[2];   /* ports: status, and enable in the second half */
	uint8_t pm1_event_bytes; /* of each */
	uint16_t gpe[2];         /* the same of general-purpose events */
	uint8_t gpe_bytes[2];
	uint16_t sci;          /* the ISA interrupt or GSI of all these events */
	bool has_button;       /* the power button is an event of PM1 */
	uint8_t sleep_type[2]; /* SLP_TYPx of S5 */
	bool sleeps;           /* these are known */
	uint8_t reset_space;   /* 0: memory, 1: ports */
	uint8_t reset_value;
	uint64_t reset; /* address, 0: there is none */
};

/* Reads the tables that a copy of the RSDP leads to. Every length is checked: a broken table counts
 * as absent. */
struct firmware_power firmware_power(const uint8_t rsdp[36]);

/* Where configuration space of PCI's first segment is in memory: bus 0 at base, for the buses first
 * to last. base 0: nowhere. */
struct firmware_ecam {
	uint64_t base;
	uint8_t first, last;
};
struct firmware_ecam firmware_ecam(const uint8_t rsdp[36]);

/* Unix time in seconds from the CMOS clock (taken as UTC); 0 if it makes no sense. */
uint64_t rtc_read(void);

/*
 * Listens to the power button: `pressed` runs from the event loop at each press. All other events
 * of the firmware are masked. The log says so if the machine has no button that can be heard.
 */
void host_button(void (*pressed)(void));

/* Both return only if the machine goes on, with the reason. */
const char *host_poweroff(void);
const char *host_reset(void);
