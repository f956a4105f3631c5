/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices of a guest's main board together, and what of them can be
 * rebuilt from struct machine_state and therefore is not in it. Each device X
 * has X_init (power-on state, ranges added to the bus), X_reset (power-on
 * state) and X_resume (ranges and timers made from the state).
 */
#pragma once

#include "guests/dom0/base/loop.h"
#include "guests/dom0/machine/pci.h"
#include "guests/dom0/vm/part.h"

struct vm;

/* vm->platform. */
struct platform {
	struct vm *vm;
	struct timer pit, rtc, ioapic;
	const struct pci_ops *pci_ops[PCI_SLOTS];
	uint32_t pci_instance[PCI_SLOTS];
	struct fwcfg *fwcfg; /* NULL: the guest has no firmware */
	char debug_line[128];
	unsigned debug_used;
};

/*
 * The main board as a part of the machine. attach allocates vm->platform, resets all device state
 * and adds the devices to the bus. After reset the bus ranges and PCI functions are those that were
 * there before. free cancels timers and frees vm->platform.
 */
extern const struct vm_part platform_part;
/* The wall clock has been set: the clocks of all guests follow. */
void platform_wall_set(void);
/* dom0 was restarted and took the guest over with its state. 0 or -1. */
int platform_resume(struct vm *vm);
