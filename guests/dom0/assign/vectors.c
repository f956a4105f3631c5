/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts by message. The guest writes what its own local APIC understands; the function is told
 * what the kernel wants for an event that sends the guest's message to the guest: so an interrupt
 * reaches the guest without dom0. Masks are the function's own, whose pending bits the guest sees.
 */
#include <string.h>

#include "guests/dom0/assign/function.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

#define CONTROL          2u
#define MSI_ADDRESS      4u
#define MSI_ENABLE       1u
#define MSIX_ENABLE      0x8000u
#define MSIX_MASK_ALL    0x4000u
#define MSIX_TABLE       4u
#define MSIX_PENDING     8u
#define MSIX_BAR         7u
#define ENTRY_BYTES      16u
#define ENTRY_MASKED     1u
#define PENDING_VECTORS  64u
#define PENDING_BYTES(n) (((n) + PENDING_VECTORS - 1) / PENDING_VECTORS * 8)

struct entry {
	uint32_t address_low, address_high, data, control;
};

static uint32_t own(const struct assign_function *f, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	memcpy(&value, pci_config(f->vm, f->state->slot) + offset, bytes);
	return value;
}

/* --- binding --- */

static void release(struct assign_vector *v)
{
	if (!v->event)
		return;
	sampo_irq(v->event, SAMPO_IRQ_UNBIND, 0, 0, NULL);
	sampo_handle_close(v->event);
	*v = (struct assign_vector){0};
}

static int64_t make(struct assign_function *f, struct assign_vector *v)
{
	int64_t status =
		sampo_event_create(f->vm->domain, SAMPO_EVENT_MSI, v->address, v->data, &v->event);

	if (!status)
		status = sampo_irq(v->event, SAMPO_IRQ_BIND, f->device, 0, &v->message);
	if (status && v->event)
		sampo_handle_close(v->event);
	if (status)
		v->event = 0;
	return status;
}

static void complain(struct assign_function *f, unsigned number, int64_t status)
{
	if (!f->complained)
		vm_log(f->vm, "PCI %s: interrupt %u cannot be bound: %s", f->dev->name, number,
		       sampo_strerror(status));
	f->complained = true;
}

/* The vector is bound to the guest's message; v->message has what the function must send. Returns
 * false if that fails. *lost: another message was in force, and one of these may be on its way. */
static bool bind(struct assign_function *f, unsigned number, uint64_t address, uint32_t data,
		 bool *lost)
{
	struct assign_vector *v = &f->vector[number], old = *v;
	int64_t status;

	*lost = false;
	if (v->event && v->address == address && v->data == data)
		return true;
	*v = (struct assign_vector){.address = address, .data = data};
	status = make(f, v);
	*lost = old.event != 0;
	release(&old);
	if (status && *lost) /* there is room again */
		status = make(f, v);
	if (status)
		complain(f, number, status);
	return !status;
}

/* --- MSI-X --- */

bool assign_find_table(struct assign_function *f)
{
	struct pci_device *dev = f->dev;
	uint32_t pending;
	const struct pci_bar *bar;

	if (!dev->msix)
		return true;
	pending = pci_read(dev, dev->msix_cap + MSIX_PENDING, 4);
	f->table_bar = dev->msix_bar;
	f->table_offset = dev->msix_offset;
	f->pending_bar = pending & MSIX_BAR;
	f->pending_offset = pending & ~MSIX_BAR;
	if (f->pending_bar >= PCI_BARS)
		return false;
	bar = &dev->bar[f->pending_bar];
	return !bar->io && f->pending_offset <= bar->size &&
	       PENDING_BYTES(dev->msix) <= bar->size - f->pending_offset;
}

bool assign_is_table(const struct assign_function *f, unsigned bar, uint64_t offset, unsigned size)
{
	uint64_t end = f->table_offset + (uint64_t)f->dev->msix * ENTRY_BYTES;

	return f->dev->msix && bar == f->table_bar && offset + size > f->table_offset &&
	       offset < end;
}

static bool msix_is_on(const struct assign_function *f)
{
	return f->space.msix && own(f, f->space.msix + CONTROL, 2) & MSIX_ENABLE;
}

static bool msi_is_on(const struct assign_function *f)
{
	return f->space.msi && own(f, f->space.msi + CONTROL, 2) & MSI_ENABLE;
}

static volatile struct entry *entry_of(struct assign_function *f, unsigned number)
{
	return (volatile struct entry *)assign_registers(
		f, f->table_bar, f->table_offset + number * ENTRY_BYTES, ENTRY_BYTES);
}

/* Brings an entry of the function in line with the guest's: masked while it changes. */
static void program(struct assign_function *f, unsigned number)
{
	const struct assign_entry *wanted = &f->state->entry[number];
	volatile struct entry *entry = entry_of(f, number);
	const struct assign_vector *v = &f->vector[number];
	bool lost;

	if (!entry)
		return;
	entry->control = ENTRY_MASKED;
	if (!msix_is_on(f) || wanted->control & ENTRY_MASKED ||
	    !bind(f, number, wanted->address, wanted->data, &lost))
		return;
	entry->address_low = (uint32_t)(v->message >> 32);
	entry->address_high = 0;
	entry->data = (uint32_t)v->message;
	entry->control = 0;
	if (lost)
		sampo_event_raise(v->event);
}

void assign_msix_written(struct assign_function *f)
{
	unsigned at = f->dev->msix_cap + CONTROL;
	uint32_t control = own(f, f->space.msix + CONTROL, 2);

	if (!(control & MSIX_ENABLE)) {
		pci_change(f->dev, at, MSIX_ENABLE, 0);
		for (unsigned i = msi_is_on(f) ? 1 : 0; i < ASSIGN_VECTORS; i++)
			release(&f->vector[i]);
		return;
	}
	if (!(pci_read(f->dev, at, 2) & MSIX_ENABLE)) {
		pci_change(f->dev, at, 0, MSIX_ENABLE | MSIX_MASK_ALL);
		for (unsigned i = 0; i < f->dev->msix; i++)
			if (i < f->space.vectors)
				program(f, i);
			else if (entry_of(f, i))
				entry_of(f, i)->control = ENTRY_MASKED;
	}
	if (!(control & MSIX_MASK_ALL))
		pci_change(f->dev, at, MSIX_MASK_ALL, 0);
	else
		pci_change(f->dev, at, 0, MSIX_MASK_ALL);
}

static uint32_t read_dword(const struct assign_function *f, uint64_t offset)
{
	uint64_t number = offset / ENTRY_BYTES;
	uint32_t dword;

	if (number >= f->space.vectors)
		return 0;
	memcpy(&dword, (const uint8_t *)&f->state->entry[number] + offset % ENTRY_BYTES, 4);
	return dword;
}

static void write_dword(struct assign_function *f, uint64_t offset, uint32_t dword)
{
	uint64_t number = offset / ENTRY_BYTES;
	struct assign_entry *entry = &f->state->entry[number];

	if (number >= f->space.vectors)
		return;
	switch (offset % ENTRY_BYTES) {
	case 0:
		entry->address = (entry->address & ~0xffffffffull) | (dword & ~3u);
		break;
	case 4:
		entry->address = (entry->address & 0xffffffffull) | (uint64_t)dword << 32;
		break;
	case 8:
		entry->data = dword;
		break;
	default:
		entry->control = dword & ENTRY_MASKED;
		program(f, (unsigned)number);
		break;
	}
}

uint64_t assign_table_read(struct assign_function *f, uint64_t offset, unsigned size)
{
	uint64_t aligned = offset & ~3ull, value = read_dword(f, aligned);

	if (offset % 4 + size > 4)
		value |= (uint64_t)read_dword(f, aligned + 4) << 32;
	return value >> 8 * (offset % 4);
}

/* Only aligned dwords and qwords are defined. An entry that changes while it is not masked is the
 * guest's fault: it counts from the next write of its mask on. */
void assign_table_write(struct assign_function *f, uint64_t offset, unsigned size, uint64_t value)
{
	if (size < 4 || offset % size != 0)
		return;
	write_dword(f, offset, (uint32_t)value);
	if (size == 8)
		write_dword(f, offset + 4, (uint32_t)(value >> 32));
}

/* --- MSI --- */

/* Off while it changes, as a function without masks needs it. */
void assign_msi_written(struct assign_function *f)
{
	const struct assign_space *space = &f->space;
	unsigned at = space->msi, data = at + assign_space_msi_data(space);
	uint64_t address = own(f, at + MSI_ADDRESS, 4);
	struct assign_vector *v = &f->vector[0];
	bool lost;

	if (space->msi_wide)
		address |= (uint64_t)own(f, at + MSI_ADDRESS + 4, 4) << 32;
	pci_change(f->dev, at + CONTROL, MSI_ENABLE, 0);
	if (!msi_is_on(f)) {
		if (!msix_is_on(f))
			release(v);
		return;
	}
	if (msix_is_on(f) || !bind(f, 0, address, own(f, data, 2), &lost))
		return;
	pci_write(f->dev, at + MSI_ADDRESS, 4, (uint32_t)(v->message >> 32));
	if (space->msi_wide)
		pci_write(f->dev, at + MSI_ADDRESS + 4, 4, 0);
	pci_write(f->dev, data, 2, (uint32_t)v->message & 0xffff);
	pci_change(f->dev, at + CONTROL, 0, MSI_ENABLE);
	if (lost)
		sampo_event_raise(v->event);
}

/* --- both --- */

bool assign_has_messages(const struct assign_function *f)
{
	return msix_is_on(f) || msi_is_on(f);
}

void assign_vectors_off(struct assign_function *f)
{
	pci_messages_off(f->dev);
	for (unsigned i = 0; i < ASSIGN_VECTORS; i++)
		release(&f->vector[i]);
}
