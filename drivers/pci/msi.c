/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts of PCI functions: MSI-X, MSI, the pin, and the ISA ones of old IDE channels. */
#include "drivers/pci.h"

#define MSI_CONTROL 2u
#define MSI_ADDRESS 4u
#define MSI_ENABLE  0x01u
#define MSI_COUNT   0x70u /* vectors enabled, as a power of two */
#define MSI_64      0x80u
#define MSI_MASKING 0x100u

#define MSIX_CONTROL  2u
#define MSIX_ENABLE   0x8000u
#define MSIX_MASK_ALL 0x4000u
#define MSIX_MASKED   1u

#define IDE_IRQ     14u
#define MAX_VECTORS 16u

struct msix_entry {
	uint32_t address_low, address_high, data, control;
};

void pci_messages_off(struct pci_device *dev)
{
	if (dev->msi_cap)
		pci_change(dev, dev->msi_cap + MSI_CONTROL, MSI_ENABLE, 0);
	if (dev->msix_cap)
		pci_change(dev, dev->msix_cap + MSIX_CONTROL, MSIX_ENABLE, 0);
}

static bool message(struct pci_device *dev, unsigned vector, irq_handler *handler, void *context,
		    irq_program *program)
{
	uint32_t handle = pci_handle(dev);

	return handle && irq_message_bind(handle, handler, context, vector, program, dev);
}

static void log_lost(const struct pci_device *dev, unsigned vector)
{
	driver_log("pci: %s has lost its interrupt %u: it will be slow, if it works at all\n",
		   dev->name, vector);
}

/* PCI 3.0, 6.8.1. Off while it changes: not every function can mask it. INTx stays off. */
static void msi_program(void *function, unsigned vector, const struct irq_message *m)
{
	struct pci_device *dev = function;
	unsigned at = dev->msi_cap;
	uint32_t control = pci_read(dev, at + MSI_CONTROL, 2) & ~(MSI_ENABLE | MSI_COUNT);
	unsigned data_at = at + (control & MSI_64 ? 12 : 8);

	pci_write(dev, at + MSI_CONTROL, 2, control);
	if (!m) {
		log_lost(dev, vector);
		return;
	}
	pci_write(dev, at + MSI_ADDRESS, 4, (uint32_t)m->address);
	if (control & MSI_64)
		pci_write(dev, at + MSI_ADDRESS + 4, 4, (uint32_t)(m->address >> 32));
	pci_write(dev, data_at, 2, m->data);
	if (control & MSI_MASKING)
		pci_write(dev, data_at + 4, 4, 0);
	pci_write(dev, at + MSI_CONTROL, 2, control | MSI_ENABLE);
}

static volatile struct msix_entry *msix_entries(struct pci_device *dev)
{
	volatile uint8_t *registers = pci_map(dev, dev->msix_bar);

	return registers ? (volatile struct msix_entry *)(registers + dev->msix_offset) : NULL;
}

/* PCI 3.0, 6.8.2: what happens while it is masked is sent afterwards. */
static void msix_program(void *function, unsigned vector, const struct irq_message *m)
{
	struct pci_device *dev = function;
	volatile struct msix_entry *entry = msix_entries(dev) + vector;

	entry->control = MSIX_MASKED;
	if (!m) {
		log_lost(dev, vector);
		return;
	}
	entry->address_low = (uint32_t)m->address;
	entry->address_high = (uint32_t)(m->address >> 32);
	entry->data = m->data;
	entry->control = 0;
}

/* The first time every entry is masked: firmware may have left anything. */
static bool msix_on(struct pci_device *dev)
{
	volatile struct msix_entry *table = msix_entries(dev);
	unsigned at = dev->msix_cap + MSIX_CONTROL;

	if (!table)
		return false;
	if (pci_read(dev, at, 2) & MSIX_ENABLE)
		return true;
	pci_change(dev, PCI_COMMAND, 0, PCI_COMMAND_MEMORY);
	pci_change(dev, at, 0, MSIX_ENABLE | MSIX_MASK_ALL);
	for (unsigned i = 0; i < dev->msix; i++)
		table[i].control = MSIX_MASKED;
	pci_change(dev, at, MSIX_MASK_ALL, 0);
	return true;
}

static unsigned msix_bind(struct pci_device *dev, unsigned wanted, irq_handler *handler,
			  void *context)
{
	unsigned got = 0;

	if (!msix_on(dev))
		return 0;
	while (got < wanted && got < dev->msix && message(dev, got, handler, context, msix_program))
		got++;
	if (!got)
		pci_messages_off(dev);
	return got;
}

static unsigned ide_bind(unsigned wanted, irq_handler *handler, void *context)
{
	unsigned got = 0;

	while (got < wanted && got < 2 &&
	       irq_pin_bind(IDE_IRQ + got, IRQ_EDGE_HIGH, handler, context, got))
		got++;
	return got;
}

static bool pin_bind(struct pci_device *dev, irq_handler *handler, void *context)
{
	if (!dev->irq_pin || !irq_pin_bind(dev->irq_line, IRQ_LEVEL_LOW, handler, context, 0))
		return false;
	pci_change(dev, PCI_COMMAND, PCI_COMMAND_INTX_OFF, 0);
	return true;
}

unsigned pci_irq_setup(struct pci_device *dev, unsigned wanted, irq_handler *handler, void *context)
{
	unsigned got = 0;

	if (!wanted)
		return 0;
	if (wanted > MAX_VECTORS)
		wanted = MAX_VECTORS;
	if (dev->msix)
		got = msix_bind(dev, wanted, handler, context);
	if (!got && dev->msi && message(dev, 0, handler, context, msi_program))
		got = 1;
	if (!got && pci_legacy_ide(dev, 0) && pci_legacy_ide(dev, 1))
		got = ide_bind(wanted, handler, context);
	if (!got && pin_bind(dev, handler, context))
		got = 1;
	return got;
}
