/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices of a guest's main board together, and what of them can be
 * rebuilt from struct machine_state and therefore is not in it. Each device X
 * has X_init (power-on state, ranges added to the bus), X_reset (power-on
 * state) and X_resume (ranges and timers made from the state).
 */
#ifndef DOM0_MACHINE_PLATFORM_H
#define DOM0_MACHINE_PLATFORM_H

#include "guests/dom0/machine/pci.h"
#include "guests/dom0/base/loop.h"

struct vm;

/* vm->platform. */
struct platform {
	struct vm *vm;
	struct timer pit, rtc, ioapic;
	const struct pci_ops *pci_ops[PCI_SLOTS];
	uint32_t pci_instance[PCI_SLOTS];
};

/*
 * Power-on: allocates vm->platform, resets all device state and adds the
 * devices to the bus. 0, or -1 if memory or bus ranges are exhausted. The
 * virtio devices come after it.
 */
int platform_init(struct vm *vm);
/* A machine reset: as after platform_init, with the bus ranges and the PCI
 * functions that are there. Before virtio_reset. */
void platform_reset(struct vm *vm);
/* dom0 was restarted and took the guest over with its state. 0 or -1. */
int platform_resume(struct vm *vm);
/* The guest is gone: cancels timers, frees vm->platform. */
void platform_free(struct vm *vm);

#endif
