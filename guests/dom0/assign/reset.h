/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reset of a PCI function, by the best way that it has. It takes a tenth of a second, and up to
 * a minute until the function answers again; dom0 does other things meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/pci.h"
#include "drivers/timer.h"

enum reset_way {
	RESET_NONE,
	RESET_FUNCTION, /* FLR of PCI Express */
	RESET_ADVANCED, /* FLR of the advanced features */
	RESET_BUS,      /* the bus behind its bridge, on which it is alone */
	RESET_POWER,    /* to D3hot and back */
};

struct assign_reset {
	struct pci_device *dev;
	enum reset_way way;
	unsigned step;
	uint64_t deadline; /* clock_ns */
	struct timer timer;
	uint16_t saved[3]; /* registers that a reset changes */
	/* Called from the event loop. failure: NULL, or what is wrong with the function now. */
	void (*done)(struct assign_reset *reset, const char *failure);
	void *context;
};

/* Which way there is. RESET_NONE, and why, if there is none. */
enum reset_way assign_reset_way(struct pci_device *dev, const char **why);
/* The function is no master of its bus from now on. dev and way must be set. */
void assign_reset_begin(struct assign_reset *reset,
			void (*done)(struct assign_reset *reset, const char *failure),
			void *context);
