/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI-X (PCI 3.0, section 6.8.2). */
#include "guests/dom0/machine/msix.h"

#include <string.h>

#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define CONTROL          2u    /* offset in the capability */
#define CONTROL_ENABLE   0x80u /* in its high byte */
#define CONTROL_MASK_ALL 0x40u

#define ENTRY_BYTES  16u
#define ENTRY_MASKED 1u

#define TABLE_OFFSET 0u
#define PBA_OFFSET   0x800u

bool msix_is_enabled(const struct pci_function *f)
{
	return f->msix_cap && f->config[f->msix_cap + CONTROL + 1] & CONTROL_ENABLE;
}

static bool is_masked(const struct pci_function *f, unsigned vector)
{
	return f->config[f->msix_cap + CONTROL + 1] & CONTROL_MASK_ALL ||
	       f->msix[vector].control & ENTRY_MASKED;
}

static void send_pending(struct vm *vm, struct pci_function *f, unsigned vector)
{
	if (!(f->msix_pending >> vector & 1) || !msix_is_enabled(f) || is_masked(f, vector))
		return;
	f->msix_pending &= ~(1u << vector);
	vm_msi(vm, f->msix[vector].address, f->msix[vector].data);
}

bool pci_msix_enabled(struct vm *vm, unsigned slot)
{
	const struct pci_function *f = pci_slot(vm, slot);

	return f && msix_is_enabled(f);
}

void pci_msix_raise(struct vm *vm, unsigned slot, unsigned vector)
{
	struct pci_function *f = pci_slot(vm, slot);

	if (!f || vector >= f->msix_vectors || !msix_is_enabled(f))
		return;
	if (is_masked(f, vector))
		f->msix_pending |= 1u << vector;
	else
		vm_msi(vm, f->msix[vector].address, f->msix[vector].data);
}

void msix_control_written(struct vm *vm, unsigned slot)
{
	struct pci_function *f = pci_slot(vm, slot);

	if (!msix_is_enabled(f))
		f->msix_pending = 0;
	for (unsigned vector = 0; vector < f->msix_vectors; vector++)
		send_pending(vm, f, vector);
}

static uint32_t read_dword(const struct pci_function *f, uint64_t offset)
{
	uint32_t dword;
	uint64_t vector = (offset - TABLE_OFFSET) / ENTRY_BYTES;

	if (offset == PBA_OFFSET)
		return f->msix_pending;
	if (vector >= f->msix_vectors)
		return 0;
	memcpy(&dword, (const uint8_t *)&f->msix[vector] + offset % ENTRY_BYTES, 4);
	return dword;
}

static void write_dword(struct vm *vm, struct pci_function *f, uint64_t offset, uint32_t dword)
{
	uint64_t vector = (offset - TABLE_OFFSET) / ENTRY_BYTES;
	struct pci_msix_entry *entry;

	if (vector >= f->msix_vectors)
		return;
	entry = &f->msix[vector];
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
		send_pending(vm, f, (unsigned)vector);
		break;
	}
}

static uint64_t msix_read(struct vm *vm, uint32_t slot, uint64_t offset, unsigned size)
{
	const struct pci_function *f = pci_slot(vm, slot);
	uint64_t aligned = offset & ~3ull, value;

	value = read_dword(f, aligned);
	if (offset % 4 + size > 4)
		value |= (uint64_t)read_dword(f, aligned + 4) << 32;
	return value >> (8 * (offset % 4));
}

/* Only aligned dwords and qwords are defined. */
static void msix_write(struct vm *vm, uint32_t slot, uint64_t offset, unsigned size, uint64_t value)
{
	struct pci_function *f = pci_slot(vm, slot);

	if (size < 4 || offset % size != 0)
		return;
	write_dword(vm, f, offset, (uint32_t)value);
	if (size == 8)
		write_dword(vm, f, offset + 4, (uint32_t)(value >> 32));
}

const struct io_ops msix_ops = {msix_read, msix_write};

void msix_reset(struct pci_function *f)
{
	f->msix_pending = 0;
	memset(f->msix, 0, sizeof(f->msix));
	for (unsigned vector = 0; vector < PCI_MSIX_VECTORS; vector++)
		f->msix[vector].control = ENTRY_MASKED;
}

int pci_add_msix(struct vm *vm, unsigned slot, unsigned bar, unsigned vectors)
{
	struct pci_function *f = pci_slot(vm, slot);
	uint8_t body[10] = {0};
	uint32_t table = TABLE_OFFSET | bar, pba = PBA_OFFSET | bar;
	unsigned cap;

	if (!f || f->msix_cap || bar >= PCI_BARS || f->bar_size[bar] < 4096 || vectors == 0 ||
	    vectors > PCI_MSIX_VECTORS)
		return -1;
	body[0] = (uint8_t)(vectors - 1);
	memcpy(body + 2, &table, 4);
	memcpy(body + 6, &pba, 4);
	cap = pci_add_capability(vm, slot, PCI_CAP_MSIX, body, sizeof(body));
	if (cap == 0)
		return -1;
	f->writable[cap + CONTROL + 1] = CONTROL_ENABLE | CONTROL_MASK_ALL;
	f->msix_cap = (uint8_t)cap;
	f->msix_bar = (uint8_t)bar;
	f->msix_vectors = vectors;
	msix_reset(f);
	return 0;
}
