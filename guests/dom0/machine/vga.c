/* SPDX-License-Identifier: BSD-2-Clause */
/* The VGA as a PCI function and as a part of the guest's machine. */
#include "guests/dom0/machine/vga.h"

#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/pci.h"
#include "guests/dom0/machine/vga_part.h"
#include "guests/dom0/vm/state.h"

#define PAGE        4096ull
#define BLOCK       (1ull << VM_BLOCK_SHIFT)
#define BAR_FRAME   0u
#define BAR_CONTROL 2u
#define BAR2_BYTES  4096u

/* Of the kernel for a VGA beside the pages of its planar memory: tables for the pages of the window
 * and of the blocks around it. */
#define TABLE_PAGES 24u

#define GLYPH      16u
#define FONT_STEP  32u
#define TEXT_CELLS (80u * 25u)
#define BLANK      0x0720u

static struct vga *runtime(const struct vm *vm)
{
	return vm->vga;
}

/* --- BAR 0, where it is not mapped --- */

static uint64_t frame_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	uint64_t value = UINT64_MAX;

	(void)instance;
	if (offset + size <= vm->state->vga.memory)
		memcpy(&value, runtime(vm)->linear.bytes + offset, size);
	return value;
}

static void frame_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
			uint64_t value)
{
	(void)instance;
	vga_places_retry(runtime(vm));
	if (offset + size > vm->state->vga.memory)
		return;
	memcpy(runtime(vm)->linear.bytes + offset, &value, size);
	runtime(vm)->touched = true;
}

static const struct io_ops frame_ops = {frame_read, frame_write};

static void bar_moved(struct vm *vm, uint32_t instance, unsigned bar, uint64_t from, uint64_t to)
{
	struct vga *vga = runtime(vm);

	(void)instance;
	(void)from;
	if (bar != BAR_FRAME)
		return;
	vga->frame_wanted = (struct vga_place){
		.at = to,
		.size = to == PCI_NO_BASE ? 0 : vm->state->vga.memory,
		.memory = &vga->linear,
	};
	vga_place_update(vga, &vga->frame, &vga->frame_wanted);
}

static const struct pci_ops function_ops = {
	.bar = {[BAR_FRAME] = &frame_ops, [BAR_CONTROL] = &vga_bar2_ops, [PCI_ROM] = &vga_rom_ops},
	.bar_moved = bar_moved,
};

/* --- the part --- */

static uint64_t kernel_pages(const struct vm_config *config)
{
	return config->video ? VGA_PLANAR_BYTES / PAGE + config->video_memory / BLOCK + TABLE_PAGES
			     : 0;
}

static uint64_t memory(const struct vm_config *config)
{
	return config->video ? VGA_PLANAR_BYTES + config->video_memory : 0;
}

static void release(struct vm *vm)
{
	struct vga *vga = runtime(vm);

	if (!vga)
		return;
	vm_memory_free(&vga->linear);
	vm_memory_free(&vga->planar);
	free(vga);
	vm->vga = NULL;
}

static const char *make_memory(struct vm *vm)
{
	struct vga *vga = runtime(vm);
	uint64_t bytes = vm->config->video_memory;

	vm->state->vga.memory = (uint32_t)bytes;
	return vm_memory_make(vm, &vga->linear, bytes) &&
			       vm_memory_make(vm, &vga->planar, VGA_PLANAR_BYTES)
		       ? NULL
		       : "there is no memory for the screen";
}

static bool make_function(struct vm *vm)
{
	static const struct pci_ids ids = {
		.vendor = 0x1234, /* Technical Corp.'s, which Bochs has taken */
		.device = 0x1111,
		.subvendor = 0x1af4,
		.subdevice = 0x1100,
		.class_code = 0x030000,
		.revision = 2,
	};
	unsigned slot = pci_free_slot(vm);

	if (pci_add_function(vm, slot, &ids, &function_ops, 0) != 0 ||
	    pci_add_large_bar(vm, slot, BAR_FRAME, vm->state->vga.memory, PCI_BAR_PREFETCH) != 0 ||
	    pci_add_bar(vm, slot, BAR_CONTROL, BUS_MMIO, BAR2_BYTES) != 0 ||
	    pci_add_rom(vm, slot, VGA_ROM_BYTES) != 0)
		return false;
	vm->state->vga.slot = (uint8_t)slot;
	return true;
}

/* As the BIOS leaves it, for guests that have none: a font, and an empty screen of text. */
static void reset(struct vm *vm)
{
	struct vga *vga = runtime(vm);
	const uint8_t *font = vga_font();

	if (!vga)
		return;
	vga_registers_reset(vm);
	memset(vga->planar.bytes, 0, VGA_PLANAR_BYTES);
	for (unsigned i = 0; i < 2 * TEXT_CELLS; i += 2) {
		vga->planar.bytes[vga_planar(0, i)] = BLANK & 0xff;
		vga->planar.bytes[vga_planar(1, i)] = BLANK >> 8;
	}
	for (unsigned i = 0; font && i < 256; i++)
		memcpy(vga->planar.bytes + vga_planar(2, i * FONT_STEP), font + i * GLYPH, GLYPH);
	vga_window_update(vm);
}

static const char *attach(struct vm *vm)
{
	const char *wrong;

	vm->state->vga.slot = 0;
	if (!vm->config->video)
		return NULL;
	vm->vga = calloc(1, sizeof(struct vga));
	if (!vm->vga)
		return "dom0 is out of memory";
	runtime(vm)->vm = vm;
	wrong = make_memory(vm);
	if (!wrong && (vga_registers_attach(vm) || vga_window_attach(vm)))
		wrong = "no room on the bus for the screen";
	if (!wrong && !make_function(vm))
		wrong = "the guest's PCI bus has no free slot for the screen";
	if (wrong) {
		release(vm);
		return wrong;
	}
	reset(vm);
	pci_enable_bars(vm, vm->state->vga.slot);
	return NULL;
}

const struct vm_part vga_part = {
	.attach = attach,
	.kernel_pages = kernel_pages,
	.memory = memory,
	.reset = reset,
	.free = release,
};
