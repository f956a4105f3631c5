/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which rows of the screen may have changed. The kernel knows which pages of the linear memory the
 * guest has written (dirty bits): a page is some rows. Of the planar memory, which is small, a
 * print of what the guest reaches by itself tells. Everything else goes through dom0, which
 * remembers it.
 */
#include <string.h>

#include "guests/dom0/machine/vga_part.h"
#include "guests/dom0/vm/state.h"

#define PAGE       4096ull
#define PAGES      4096u /* at a time: 16 MiB */
#define WORD_PAGES 64u

static bool start(const struct vga *vga, const struct vga_place *place)
{
	return place->size && place->memory == &vga->linear &&
	       vm_memory_track(vga->vm, place->at, place->size);
}

void vga_track(struct vga *vga)
{
	if (!vga->lookers)
		return;
	if (!vga->frame_tracked)
		vga->frame_tracked = start(vga, &vga->frame);
	if (!vga->window_tracked)
		vga->window_tracked = start(vga, &vga->window);
}

void vga_untrack(struct vga *vga, const struct vga_place *place)
{
	bool *tracked = place == &vga->frame ? &vga->frame_tracked : &vga->window_tracked;

	if (*tracked)
		vm_memory_untrack(vga->vm, place->at, place->size);
	*tracked = false;
}

void vga_look(struct vm *vm, bool look)
{
	struct vga *vga = vm->vga;

	if (!vga)
		return;
	vga->lookers += look ? 1u : -1u;
	if (look) {
		vga->touched = true;
		vga_track(vga);
	} else if (!vga->lookers) {
		vga_untrack(vga, &vga->frame);
		vga_untrack(vga, &vga->window);
	}
}

static void set_rows(uint64_t rows[VGA_ROWS], uint64_t first, uint64_t end)
{
	if (end > VGA_HEIGHT)
		end = VGA_HEIGHT;
	for (uint64_t row = first; row < end; row++)
		rows[row / 64] |= 1ull << row % 64;
}

/* The rows that have bytes from `from` to `to` of the linear memory. */
static void bytes_changed(const struct vga_mode *m, uint64_t from, uint64_t to,
			  uint64_t rows[VGA_ROWS])
{
	if (!m->pitch || m->split < m->height) {
		set_rows(rows, 0, m->height);
		return;
	}
	if (to <= m->start)
		return;
	from = from > m->start ? from - m->start : 0;
	set_rows(rows, from / m->pitch, (to - m->start - 1) / m->pitch + 1);
}

/* Of the pages of a place between two offsets of the linear memory. */
static void pages_changed(const struct vga *vga, const struct vga_place *place,
			  const struct vga_mode *m, uint64_t from, uint64_t to,
			  uint64_t rows[VGA_ROWS])
{
	static uint64_t bitmap[PAGES / WORD_PAGES];
	uint64_t first, count;

	from = from > place->offset ? (from - place->offset) / PAGE : 0;
	to = to > place->offset ? (to - place->offset + PAGE - 1) / PAGE : 0;
	if (to > place->size / PAGE)
		to = place->size / PAGE;
	for (first = from; first < to; first += count) {
		count = to - first < PAGES ? to - first : PAGES;
		if (!vm_memory_written(vga->vm, place->at + first * PAGE, count, bitmap)) {
			set_rows(rows, 0, m->height);
			return;
		}
		for (uint64_t i = 0; i < count; i++) {
			uint64_t at = place->offset + (first + i) * PAGE;

			if (bitmap[i / WORD_PAGES] >> i % WORD_PAGES & 1)
				bytes_changed(m, at, at + PAGE, rows);
		}
	}
}

static void linear_changed(struct vga *vga, const struct vga_mode *m, uint64_t rows[VGA_ROWS])
{
	uint64_t end = m->start + (uint64_t)m->pitch * m->height;
	bool window = vga->window.size && vga->window.memory == &vga->linear;

	if ((vga->frame.size && !vga->frame_tracked) || (window && !vga->window_tracked)) {
		set_rows(rows, 0, m->height);
		return;
	}
	if (vga->frame.size)
		pages_changed(vga, &vga->frame, m, m->split < m->height ? 0 : m->start, end, rows);
	if (window)
		pages_changed(vga, &vga->window, m, m->split < m->height ? 0 : m->start, end, rows);
}

/* Not a hash that withstands an attack: a guest that finds two contents with the same print
 * deceives those who look at its own screen. */
static uint64_t print(const uint8_t *bytes, size_t n)
{
	uint64_t sum = 0xcbf29ce484222325ull, word;

	for (size_t i = 0; i + sizeof(word) <= n; i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		sum = (sum ^ word) * 0x100000001b3ull;
		sum ^= sum >> 29;
	}
	return sum;
}

/* The row of text that has the cell, or one that there is not. */
static unsigned row_of_cell(const struct vga_mode *m, uint32_t cell)
{
	return m->pitch ? (2 * cell - m->start) % VGA_PLANE / m->pitch : 0;
}

/* A text is some thousand bytes: the rows that differ from what they were are found one by one. */
static void text_changed(struct vm *vm, const struct vga_mode *m, uint64_t rows[VGA_ROWS])
{
	static uint8_t text[2 * VGA_WIDTH / 8];
	const struct vga_state *s = &vm->state->vga;
	struct vga *vga = vm->vga;
	uint32_t cursor = (uint32_t)s->crtc[0x0e] << 8 | s->crtc[0x0f];
	unsigned cells = m->columns < VGA_WIDTH / 8 ? m->columns : VGA_WIDTH / 8;

	memset(text, 0, sizeof(text));
	for (unsigned row = 0; row < m->height / m->cell_height; row++) {
		uint32_t at = m->start + row * m->pitch;
		bool moved = cursor != vga->cursor &&
			     (row == row_of_cell(m, cursor) || row == row_of_cell(m, vga->cursor));
		uint64_t now;

		for (unsigned i = 0; i < 2 * cells; i += 2) {
			text[i] = vga->planar.bytes[vga_planar(0, at + i)];
			text[i + 1] = vga->planar.bytes[vga_planar(1, at + i)];
		}
		now = print(text, (2 * cells + 7) & ~7u);
		if (moved || row >= VGA_TEXT_ROWS || now != vga->text_print[row])
			set_rows(rows, row * m->cell_height, (row + 1) * m->cell_height);
		if (row < VGA_TEXT_ROWS)
			vga->text_print[row] = now;
	}
	vga->cursor = cursor;
}

void vga_changes(struct vm *vm, uint64_t rows[VGA_ROWS])
{
	struct vga *vga = vm->vga;
	struct vga_mode m = vga_mode(&vm->state->vga);
	uint64_t now;

	memset(rows, 0, VGA_ROWS * sizeof(rows[0]));
	vga_places_retry(vga);
	if (m.kind == VGA_TEXT) {
		text_changed(vm, &m, rows);
	} else if (vga->window.size && vga->window.memory == &vga->planar) {
		now = print(vga->planar.bytes, vga->window.size);
		vga->touched |= now != vga->planar_print;
		vga->planar_print = now;
	}
	if (vga->touched)
		set_rows(rows, 0, m.height);
	else if (m.kind == VGA_LINEAR)
		linear_changed(vga, &m, rows);
	vga->touched = false;
}
