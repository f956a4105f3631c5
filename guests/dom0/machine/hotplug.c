/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/machine/hotplug.h"

#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

/* Registers of 32 bits. */
#define UP    0u /* read: a device has come */
#define DOWN  4u /* read: the guest shall give the device up */
#define EJECT 8u /* write: the guest has given it up */
#define BYTES 12u

#define EVENT 1u /* _E01 in the DSDT */

static struct hotplug_state *hotplug(struct vm *vm)
{
	return &vm->state->hotplug;
}

static uint64_t read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	struct hotplug_state *s = hotplug(vm);
	uint32_t value;

	(void)instance;
	if (size != 4)
		return 0;
	switch (offset) {
	case UP:
		value = s->up;
		s->up = 0;
		return value;
	case DOWN:
		return s->down;
	default:
		return 0;
	}
}

/* A guest may switch off any of its slots; the device stays where it is unless the operator has
 * asked for it. */
static void eject(struct vm *vm, unsigned slot)
{
	const struct platform *platform = vm->platform;
	const struct pci_ops *ops = platform->pci_ops[slot];

	if (hotplug_is_asked(vm, slot) && ops && ops->eject)
		ops->eject(vm, platform->pci_instance[slot]);
}

static void write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size, uint64_t value)
{
	(void)instance;
	if (offset != EJECT || size != 4)
		return;
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		if (value >> slot & 1)
			eject(vm, slot);
}

static const struct io_ops ops = {read, write};

void hotplug_added(struct vm *vm, unsigned slot)
{
	hotplug(vm)->up |= 1u << slot;
	acpi_event(vm, EVENT);
}

void hotplug_ask(struct vm *vm, unsigned slot)
{
	hotplug(vm)->down |= 1u << slot;
	acpi_event(vm, EVENT);
}

bool hotplug_is_asked(const struct vm *vm, unsigned slot)
{
	return vm->state->hotplug.down >> slot & 1;
}

void hotplug_removed(struct vm *vm, unsigned slot)
{
	hotplug(vm)->up &= ~(1u << slot);
	hotplug(vm)->down &= ~(1u << slot);
}

/* The operator's requests hold: the devices go with the reset, by their own reset. */
void hotplug_reset(struct vm *vm)
{
	hotplug(vm)->up = 0;
}

int hotplug_resume(struct vm *vm)
{
	return bus_add(vm, BUS_PIO, HOTPLUG_PORT, BYTES, &ops, 0);
}

int hotplug_init(struct vm *vm)
{
	*hotplug(vm) = (struct hotplug_state){0};
	return hotplug_resume(vm);
}
