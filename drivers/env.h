/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a driver needs of the world around it. drivers/ knows nothing of
 * virtualization; dom0 implements this file on the kernel's interface.
 */
#ifndef DRIVERS_ENV_H
#define DRIVERS_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/timer.h"

/* Memory that a device can reach: zeroed, physically contiguous, aligned to
 * the next power of two of its size (at least 64 bytes). NULL: none left. */
void *dma_alloc(size_t bytes, uint64_t *bus);
void dma_free(void *memory, size_t bytes); /* NULL: nothing */

struct pci_bar {
	uint64_t base, size; /* size 0: none */
	bool io;
};

/* A PCI function found at boot. */
struct pci_device {
	uint16_t bdf, vendor, device, subvendor, subdevice;
	uint32_t class_code; /* class << 16 | subclass << 8 | interface */
	uint16_t msi, msix;  /* vectors offered */
	uint8_t irq_pin;     /* 0: none */
	struct pci_bar bar[6];
	char name[16];   /* "00:1f.2" */
	uint32_t handle; /* the environment's */
};

uint32_t pci_read(struct pci_device *dev, unsigned offset, unsigned bytes);
void pci_write(struct pci_device *dev, unsigned offset, unsigned bytes, uint32_t value);
/* A register in a BAR of I/O ports: 1, 2 or 4 bytes. All ones: there is none. */
uint32_t pci_port_read(struct pci_device *dev, unsigned bar, unsigned offset, unsigned bytes);
void pci_port_write(struct pci_device *dev, unsigned bar, unsigned offset, unsigned bytes,
		    uint32_t value);
/* Memory BAR as a pointer (uncached), NULL on failure. */
volatile void *pci_map(struct pci_device *dev, unsigned bar);
/*
 * Between accesses to memory that a device reads or has written and accesses
 * to its registers. The CPU keeps their order (registers are uncached), the
 * compiler must too.
 */
static inline void dma_barrier(void)
{
	__asm__ volatile("" ::: "memory");
}

/* Set memory, I/O and bus-master enable in the command register. */
void pci_enable(struct pci_device *dev);

/*
 * Interrupts. pci_irq_setup asks for up to `wanted` vectors and returns how
 * many it got (MSI-X, else one MSI, else the legacy pin; 0: none, then poll).
 * An IDE controller at its old ports has one for each channel.
 * The handler runs from the event loop, not in interrupt context. For a
 * legacy pin the environment unmasks it after the handler has returned, so
 * the handler must have quieted the device.
 */
unsigned pci_irq_setup(struct pci_device *dev, unsigned wanted,
		       void (*handler)(void *context, unsigned vector), void *context);

uint64_t clock_ns(void);
void clock_delay_ns(uint64_t ns); /* busy wait, microseconds only */

void driver_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Drivers are tried in this order on every function; probe returns true when
 * it has taken the device. The table is in drivers/drivers.c. */
struct pci_driver {
	const char *name;
	bool (*probe)(struct pci_device *dev);
};
extern const struct pci_driver *const pci_drivers[];

#endif
