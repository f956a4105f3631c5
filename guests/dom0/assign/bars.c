/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BARs of functions that guests have. The guest's BAR lies where the guest puts it; there its pages
 * are mapped to the function's registers. Pages with the table or the pending bits of MSI-X are
 * not, nor are BARs that are smaller than a page, which others may share: accesses there come to
 * dom0, which does them.
 */
#include <stdlib.h>

#include "drivers/env.h"
#include "guests/dom0/assign/function.h"
#include "guests/dom0/base/env.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

#define PAGE         4096ull
#define MSIX_ENTRY   16u
#define MSIX_PENDING 8u /* bytes, for each 64 vectors */

/* --- access by dom0 --- */

volatile uint8_t *assign_registers(struct assign_function *f, unsigned bar, uint64_t offset,
				   unsigned size)
{
	const struct assign_bar *b = &f->bar[bar];

	for (unsigned i = 0; i < b->windows; i++) {
		const struct assign_window *w = &b->window[i];

		if (w->registers && offset >= w->offset && offset + size <= w->offset + w->size)
			return w->registers + (offset - w->offset);
	}
	return NULL;
}

static uint64_t port_bar_read(struct assign_function *f, unsigned bar, uint64_t offset,
			      unsigned size)
{
	return pci_port_read(f->dev, bar, (unsigned)offset, size);
}

static uint64_t registers_read(volatile uint8_t *at, unsigned size)
{
	switch (size) {
	case 1:
		return *at;
	case 2:
		return *(volatile uint16_t *)at;
	case 4:
		return *(volatile uint32_t *)at;
	default:
		return *(volatile uint64_t *)at;
	}
}

static void registers_write(volatile uint8_t *at, unsigned size, uint64_t value)
{
	switch (size) {
	case 1:
		*at = (uint8_t)value;
		break;
	case 2:
		*(volatile uint16_t *)at = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)at = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)at = value;
		break;
	}
}

static uint64_t bar_read(struct vm *vm, uint32_t instance, unsigned bar, uint64_t offset,
			 unsigned size)
{
	struct assign_function *f = assign_by_instance(vm, instance);
	volatile uint8_t *at;

	if (!f || f->resetting)
		return UINT64_MAX;
	if (f->dev->bar[bar].io)
		return port_bar_read(f, bar, offset, size);
	if (assign_is_table(f, bar, offset, size))
		return assign_table_read(f, offset - f->table_offset, size);
	at = assign_registers(f, bar, offset, size);
	return at ? registers_read(at, size) : UINT64_MAX;
}

static void bar_write(struct vm *vm, uint32_t instance, unsigned bar, uint64_t offset,
		      unsigned size, uint64_t value)
{
	struct assign_function *f = assign_by_instance(vm, instance);
	volatile uint8_t *at;

	if (!f || f->resetting)
		return;
	if (f->dev->bar[bar].io) {
		pci_port_write(f->dev, bar, (unsigned)offset, size, (uint32_t)value);
		return;
	}
	if (assign_is_table(f, bar, offset, size)) {
		assign_table_write(f, offset - f->table_offset, size, value);
		return;
	}
	at = assign_registers(f, bar, offset, size);
	if (at)
		registers_write(at, size, value);
}

/* A handler does not hear which BAR it is: each BAR has its own. */
#define BAR_OPS(n)                                                                                \
	static uint64_t read##n(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size) \
	{                                                                                         \
		return bar_read(vm, instance, n, offset, size);                                   \
	}                                                                                         \
	static void write##n(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,    \
			     uint64_t value)                                                      \
	{                                                                                         \
		bar_write(vm, instance, n, offset, size, value);                                  \
	}
BAR_OPS(0)
BAR_OPS(1)
BAR_OPS(2)
BAR_OPS(3)
BAR_OPS(4)
BAR_OPS(5)

const struct io_ops assign_bar_ops[PCI_BARS] = {
	{read0, write0}, {read1, write1}, {read2, write2},
	{read3, write3}, {read4, write4}, {read5, write5},
};

/* --- what the guest reaches by itself --- */

static void map_piece(struct assign_function *f, unsigned bar, struct assign_piece *piece,
		      uint64_t at)
{
	int64_t status = sampo_region_map(piece->region, f->vm->domain, at + piece->offset, 0,
					  SAMPO_MAP_R | SAMPO_MAP_W, piece->size);

	piece->mapped = !status;
	if (status)
		vm_log(f->vm, "PCI %s: BAR %u cannot be mapped at %llx: %s", f->dev->name, bar,
		       (unsigned long long)at, sampo_strerror(status));
}

void assign_bar_moved(struct assign_function *f, unsigned bar, uint64_t from, uint64_t to)
{
	struct assign_bar *b = &f->bar[bar];

	for (unsigned i = 0; i < b->pieces; i++) {
		struct assign_piece *piece = &b->piece[i];

		if (piece->mapped)
			sampo_region_unmap(f->vm->domain, from + piece->offset, piece->size);
		piece->mapped = false;
		if (to != PCI_NO_BASE)
			map_piece(f, bar, piece, to);
	}
}

/* --- making them --- */

static const char *add_piece(struct assign_function *f, unsigned bar, uint64_t offset, uint64_t end)
{
	struct assign_bar *b = &f->bar[bar];
	struct assign_piece *piece = &b->piece[b->pieces];
	int64_t status;

	if (offset == end)
		return NULL;
	*piece = (struct assign_piece){.offset = offset, .size = end - offset};
	status = sampo_region_of_machine(boot->machine, SAMPO_REGION_PHYSICAL,
					 f->dev->bar[bar].base + offset, piece->size,
					 &piece->region);
	if (status)
		return "the kernel keeps its registers";
	b->pieces++;
	return NULL;
}

static const char *add_window(struct assign_function *f, unsigned bar, uint64_t offset,
			      uint64_t size)
{
	struct assign_bar *b = &f->bar[bar];
	struct assign_window *w = &b->window[b->windows++];

	*w = (struct assign_window){.offset = offset, .size = size};
	w->registers = registers_map(f->dev->bar[bar].base + offset, size);
	return w->registers ? NULL : "dom0 cannot map its registers";
}

/* The pages that hold `bytes` from an offset on. */
struct pages {
	uint64_t first, end;
};

static struct pages pages_of(uint64_t offset, uint64_t bytes)
{
	return (struct pages){offset & ~(PAGE - 1), (offset + bytes + PAGE - 1) & ~(PAGE - 1)};
}

/* The pages of MSI-X in a BAR, in the order of their addresses, one range if they touch. */
static unsigned table_pages(const struct assign_function *f, unsigned bar,
			    struct pages pages[WINDOWS])
{
	unsigned vectors = f->dev->msix, count = 0;

	if (!vectors)
		return 0;
	if (f->table_bar == bar)
		pages[count++] = pages_of(f->table_offset, vectors * MSIX_ENTRY);
	if (f->pending_bar == bar)
		pages[count++] = pages_of(f->pending_offset, (vectors + 63) / 64 * MSIX_PENDING);
	if (count == 2 && pages[1].first < pages[0].first) {
		struct pages swap = pages[0];

		pages[0] = pages[1];
		pages[1] = swap;
	}
	if (count == 2 && pages[1].first <= pages[0].end) {
		if (pages[0].end < pages[1].end)
			pages[0].end = pages[1].end;
		count = 1;
	}
	return count;
}

static const char *add_memory(struct assign_function *f, unsigned bar)
{
	const struct pci_bar *real = &f->dev->bar[bar];
	struct pages pages[WINDOWS];
	unsigned count = table_pages(f, bar, pages);
	const char *wrong = NULL;
	uint64_t at = 0;

	if (real->size < PAGE)
		return add_window(f, bar, 0, real->size);
	for (unsigned i = 0; i < count && !wrong; i++) {
		wrong = add_piece(f, bar, at, pages[i].first);
		if (!wrong)
			wrong = add_window(f, bar, pages[i].first, pages[i].end - pages[i].first);
		at = pages[i].end;
	}
	return wrong ? wrong : add_piece(f, bar, at, real->size);
}

static const char *add(struct assign_function *f, unsigned bar)
{
	const struct pci_bar *real = &f->dev->bar[bar];
	unsigned slot = f->state->slot;
	uint32_t kind = f->dev->bar_value[bar] & (PCI_BAR_KIND | PCI_BAR_PREFETCH);
	int failed;

	if (!real->size)
		return NULL;
	if (real->io)
		failed = real->size > 256 ||
			 pci_add_bar(f->vm, slot, bar, BUS_PIO, (uint32_t)real->size);
	else
		failed = pci_add_large_bar(f->vm, slot, bar, real->size,
					   kind & (PCI_BAR_WIDE | PCI_BAR_PREFETCH));
	if (failed)
		return "there is no room for its registers in the guest's addresses";
	return real->io ? NULL : add_memory(f, bar);
}

const char *assign_bars_add(struct assign_function *f)
{
	const char *wrong = NULL;

	for (unsigned bar = 0; bar < PCI_BARS && !wrong; bar++)
		wrong = add(f, bar);
	return wrong;
}

void assign_bars_remove(struct assign_function *f)
{
	for (unsigned bar = 0; bar < PCI_BARS; bar++) {
		struct assign_bar *b = &f->bar[bar];

		for (unsigned i = 0; i < b->pieces; i++)
			sampo_handle_close(b->piece[i].region);
		for (unsigned i = 0; i < b->windows; i++)
			if (b->window[i].registers)
				registers_unmap(b->window[i].registers, b->window[i].size);
		b->pieces = b->windows = 0;
	}
}
