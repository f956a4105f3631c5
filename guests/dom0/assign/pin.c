/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt pin of a function that a guest has. The machine's pin is shared: the function
 * itself says whether it interrupts (PCI 2.3: a bit of the status register), and is kept quiet (a
 * bit of the command register) from then on until the guest has ended the interrupt of its own pin.
 */
#include "guests/dom0/assign/function.h"

#define STATUS_INTERRUPT 0x0008u

/* A function of the time before PCI 2.3 has no such bits. */
bool assign_pin_usable(struct pci_device *dev)
{
	uint32_t command = pci_read(dev, PCI_COMMAND, 2);
	bool sticks;

	if (!dev->irq_pin)
		return false;
	pci_write(dev, PCI_COMMAND, 2, command ^ PCI_COMMAND_INTX_OFF);
	sticks = (pci_read(dev, PCI_COMMAND, 2) ^ command) & PCI_COMMAND_INTX_OFF;
	pci_write(dev, PCI_COMMAND, 2, command);
	return sticks;
}

static bool is_wanted(const struct assign_function *f)
{
	const uint8_t *config = pci_config(f->vm, f->state->slot);

	return f->pin_bound && !f->resetting && f->device && !assign_has_messages(f) &&
	       !(config[PCI_COMMAND + 1] & PCI_COMMAND_INTX_OFF >> 8);
}

static void raised(void *context, unsigned number)
{
	struct assign_function *f = context;

	(void)number;
	if (f->pin_up || pci_read(f->dev, PCI_COMMAND, 2) & PCI_COMMAND_INTX_OFF ||
	    !(pci_read(f->dev, PCI_STATUS, 2) & STATUS_INTERRUPT))
		return;
	pci_change(f->dev, PCI_COMMAND, 0, PCI_COMMAND_INTX_OFF);
	f->pin_up = true;
	pci_intx(f->vm, f->state->slot, true);
}

static void lower(struct assign_function *f)
{
	if (f->pin_up)
		pci_intx(f->vm, f->state->slot, false);
	f->pin_up = false;
}

bool assign_pin_bind(struct assign_function *f)
{
	f->pin_bound = irq_pin_bind(f->dev->irq_line, IRQ_LEVEL_LOW, raised, f, 0);
	return f->pin_bound;
}

void assign_pin_unbind(struct assign_function *f)
{
	if (f->pin_bound)
		irq_pin_unbind(f->dev->irq_line, raised, f);
	f->pin_bound = false;
	lower(f);
}

void assign_pin_update(struct assign_function *f)
{
	if (!is_wanted(f)) {
		pci_change(f->dev, PCI_COMMAND, 0, PCI_COMMAND_INTX_OFF);
		lower(f);
	} else if (!f->pin_up) {
		pci_change(f->dev, PCI_COMMAND, PCI_COMMAND_INTX_OFF, 0);
	}
}

void assign_pin_ended(struct assign_function *f)
{
	lower(f);
	assign_pin_update(f);
}
