/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the guest reaches the VGA's memories: BAR 0, and the window of 128 KiB at 0xa0000.
 *
 * The window means something else in each mode. In two of its meanings a byte of it is a byte of a
 * memory, and there the memory's pages are mapped: pixels of 256 colours and banks of the linear
 * memory (chain 4), characters and their colours (odd and even bytes to planes 0 and 1). In all
 * others a write goes through latches and masks to four planes, and dom0 does each access. dom0
 * does the accesses of the former too, when the kernel has no room for a mapping yet.
 */
#include <string.h>

#include "guests/dom0/machine/vga_part.h"
#include "guests/dom0/vm/bus.h"
#include "guests/dom0/vm/state.h"

#define MISC_MAP(s)   ((s)->graphics[GRAPHICS_MISC] >> 2 & 3)
#define WINDOW_64K    0x10000u
#define WINDOW_32K    0x8000u
#define PLANES_TEXT   0x3u
#define WRITE_MODE(s) ((s)->graphics[GRAPHICS_MODE] & 3)

static struct vga_state *state(struct vm *vm)
{
	return &vm->state->vga;
}

static struct vga *runtime(struct vm *vm)
{
	return vm->vga;
}

/* --- mappings --- */

static bool same(const struct vga_place *a, const struct vga_place *b)
{
	return a->size == b->size &&
	       (!a->size || (a->at == b->at && a->offset == b->offset && a->memory == b->memory));
}

void vga_place_update(struct vga *vga, struct vga_place *place, const struct vga_place *wanted)
{
	if (same(place, wanted))
		return;
	if (place->size) {
		vga_untrack(vga, place);
		vm_memory_hide(vga->vm, place->at, place->size);
		place->size = 0;
	}
	if (!wanted->size ||
	    !vm_memory_show(vga->vm, wanted->memory, wanted->at, wanted->offset, wanted->size))
		return;
	*place = *wanted;
	vga->touched = true;
	vga_track(vga);
}

void vga_places_retry(struct vga *vga)
{
	vga_place_update(vga, &vga->frame, &vga->frame_wanted);
	vga_place_update(vga, &vga->window, &vga->window_wanted);
}

/* The part of the window that the mode uses. */
static void extent(const struct vga_state *s, uint64_t *base, uint64_t *bytes)
{
	static const uint32_t offset[] = {0, 0, 0x10000, 0x18000};
	static const uint32_t size[] = {VGA_WINDOW_BYTES, WINDOW_64K, WINDOW_32K, WINDOW_32K};

	*base = VGA_WINDOW + offset[MISC_MAP(s)];
	*bytes = size[MISC_MAP(s)];
}

static bool is_chained(const struct vga_state *s)
{
	return s->seq[SEQ_MODE] & SEQ_CHAIN_4;
}

/* Both sides of the odd and even addressing are on, and nothing stands between the CPU and planes 0
 * and 1. */
static bool is_text(const struct vga_state *s)
{
	return !is_chained(s) && !(s->seq[SEQ_MODE] & SEQ_NOT_ODD_EVEN) &&
	       s->graphics[GRAPHICS_MODE] & GRAPHICS_ODD_EVEN &&
	       !(s->graphics[GRAPHICS_MODE] & GRAPHICS_READ_1) && WRITE_MODE(s) == 0 &&
	       s->seq[SEQ_MAP_MASK] == PLANES_TEXT && s->graphics[GRAPHICS_ROTATE] == 0 &&
	       !(s->graphics[GRAPHICS_ENABLE_SR] & PLANES_TEXT) &&
	       !(s->graphics[GRAPHICS_READ_MAP] & 2) && s->graphics[GRAPHICS_BIT_MASK] == 0xff;
}

void vga_window_update(struct vm *vm)
{
	const struct vga_state *s = state(vm);
	struct vga *vga = runtime(vm);
	struct vga_place wanted = {0};
	uint64_t base, bytes;

	extent(s, &base, &bytes);
	if (is_chained(s) && s->seq[SEQ_MAP_MASK] == 0x0f && MISC_MAP(s) <= 1)
		wanted = (struct vga_place){base, WINDOW_64K,
					    s->vbe[VBE_BANK] * (uint64_t)VBE_BANK_BYTES,
					    &vga->linear};
	else if (is_text(s) && bytes == WINDOW_32K)
		wanted = (struct vga_place){base, bytes, 0, &vga->planar};
	vga->window_wanted = wanted;
	vga_place_update(vga, &vga->window, &wanted);
}

/* --- accesses that dom0 does --- */

static uint8_t plane_read(struct vm *vm, uint32_t offset)
{
	struct vga_state *s = state(vm);
	const uint8_t *planar = runtime(vm)->planar.bytes;
	uint8_t differs = 0;

	if (s->graphics[GRAPHICS_MODE] & GRAPHICS_ODD_EVEN) {
		unsigned plane = (s->graphics[GRAPHICS_READ_MAP] & 2u) | (offset & 1);

		return planar[vga_planar(plane, offset & ~1u)];
	}
	for (unsigned p = 0; p < 4; p++)
		s->latch[p] = planar[vga_planar(p, offset)];
	if (!(s->graphics[GRAPHICS_MODE] & GRAPHICS_READ_1))
		return s->latch[s->graphics[GRAPHICS_READ_MAP] & 3];
	for (unsigned p = 0; p < 4; p++)
		if (s->graphics[GRAPHICS_DONT_CARE] >> p & 1)
			differs |=
				s->latch[p] ^ (s->graphics[GRAPHICS_COMPARE] >> p & 1 ? 0xff : 0);
	return (uint8_t)~differs;
}

static uint8_t logic(const struct vga_state *s, uint8_t value, uint8_t latch)
{
	switch (s->graphics[GRAPHICS_ROTATE] >> 3) {
	case 1:
		return value & latch;
	case 2:
		return value | latch;
	case 3:
		return value ^ latch;
	default:
		return value;
	}
}

/* What write mode 0 to 3 makes of the CPU's byte for one plane. */
static uint8_t plane_value(const struct vga_state *s, unsigned p, uint8_t value)
{
	unsigned rotate = s->graphics[GRAPHICS_ROTATE] & 7, mode = WRITE_MODE(s);
	uint8_t rotated = (uint8_t)(value >> rotate | value << (8 - rotate));
	uint8_t set = s->graphics[GRAPHICS_SET_RESET] >> p & 1 ? 0xff : 0;
	uint8_t mask = s->graphics[GRAPHICS_BIT_MASK], latch = s->latch[p];

	if (mode == 1)
		return latch;
	if (mode == 0) {
		value = s->graphics[GRAPHICS_ENABLE_SR] >> p & 1 ? set : rotated;
	} else if (mode == 2) {
		value = value >> p & 1 ? 0xff : 0;
	} else {
		mask &= rotated;
		value = set;
	}
	return (uint8_t)((logic(s, value, latch) & mask) | (latch & ~mask));
}

static void plane_write(struct vm *vm, uint32_t offset, uint8_t value)
{
	const struct vga_state *s = state(vm);
	uint8_t *planar = runtime(vm)->planar.bytes;

	if (!(s->seq[SEQ_MODE] & SEQ_NOT_ODD_EVEN)) {
		for (unsigned p = offset & 1; p < 4; p += 2)
			if (s->seq[SEQ_MAP_MASK] >> p & 1)
				planar[vga_planar(p, offset & ~1u)] = plane_value(s, p, value);
		return;
	}
	for (unsigned p = 0; p < 4; p++)
		if (s->seq[SEQ_MAP_MASK] >> p & 1)
			planar[vga_planar(p, offset)] = plane_value(s, p, value);
}

/* The byte of the linear memory that the window has there, NULL: none. */
static uint8_t *chained_byte(struct vm *vm, uint32_t offset)
{
	const struct vga_state *s = state(vm);
	uint64_t at = s->vbe[VBE_BANK] * (uint64_t)VBE_BANK_BYTES + offset;

	return at < s->memory ? runtime(vm)->linear.bytes + at : NULL;
}

static uint8_t byte_read(struct vm *vm, uint64_t address)
{
	const struct vga_state *s = state(vm);
	uint64_t base, bytes;
	const uint8_t *at;

	extent(s, &base, &bytes);
	if (address - base >= bytes)
		return 0xff;
	if (!is_chained(s))
		return plane_read(vm, (uint32_t)(address - base));
	at = chained_byte(vm, (uint32_t)(address - base));
	return at ? *at : 0xff;
}

static void byte_write(struct vm *vm, uint64_t address, uint8_t value)
{
	const struct vga_state *s = state(vm);
	uint64_t base, bytes;
	uint8_t *at;

	extent(s, &base, &bytes);
	if (address - base >= bytes)
		return;
	runtime(vm)->touched = true;
	if (!is_chained(s)) {
		plane_write(vm, (uint32_t)(address - base), value);
		return;
	}
	at = chained_byte(vm, (uint32_t)(address - base));
	if (at && s->seq[SEQ_MAP_MASK] >> (address & 3) & 1)
		*at = value;
}

static uint64_t window_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	(void)instance;
	vga_places_retry(runtime(vm));
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)byte_read(vm, VGA_WINDOW + offset + i) << 8 * i;
	return value;
}

static void window_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
			 uint64_t value)
{
	(void)instance;
	vga_places_retry(runtime(vm));
	for (unsigned i = 0; i < size; i++)
		byte_write(vm, VGA_WINDOW + offset + i, (uint8_t)(value >> 8 * i));
}

static const struct io_ops window_ops = {window_read, window_write};

int vga_window_attach(struct vm *vm)
{
	return bus_add(vm, BUS_MMIO, VGA_WINDOW, VGA_WINDOW_BYTES, &window_ops, 0);
}
