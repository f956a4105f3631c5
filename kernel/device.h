/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices: PCI endpoints that a domain may drive. The domain gets the
 * registers; what decides where a device answers and whom it interrupts
 * (BARs, MSI and MSI-X) stays with the kernel.
 */
#pragma once

#include "arch/pci.h"
#include "kernel/object.h"

struct irq;

struct device {
	struct object object;
	struct pci_function pci;
	uint8_t pm_cap; /* offset of the power management capability, 0: none */
	struct irq *irqs;
};

extern struct device device_table[SAMPO_BOOT_DEVICES];
extern unsigned device_count;

/* Finds all devices and quiets them: no DMA, no interrupts. */
void device_setup(void);

/*
 * Configuration access; SAMPO_EINVAL for a bad offset or size. Writes to what
 * is not the domain's are dropped.
 */
int64_t device_config_read(struct device *device, uint64_t offset, uint64_t bytes, uint32_t *value);
int64_t device_config_write(struct device *device, uint64_t offset, uint64_t bytes, uint32_t value);

/* May the page at physical address pa, in a BAR, be mapped? Not if the MSI-X table is in it. */
bool device_bar_allowed(const struct device *device, uint64_t pa);
