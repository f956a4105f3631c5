/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of the screen as pixels. All that it reads is the guest's: each offset is brought into the
 * memory's bounds. */
#include <string.h>

#include "guests/dom0/machine/vga_part.h"
#include "guests/dom0/vm/state.h"

#define CRTC_CURSOR_START 0x0au
#define CRTC_CURSOR_END   0x0bu
#define CRTC_CURSOR_HIGH  0x0eu
#define CRTC_CURSOR_LOW   0x0fu
#define CURSOR_OFF        0x20u
#define CURSOR_LINE       0x1fu

#define ATTR_MODE         0x10u
#define ATTR_PLANES       0x12u
#define ATTR_COLOURS      0x14u
#define ATTR_MODE_LINES   0x04u /* the 9th column of line characters is the 8th */
#define ATTR_MODE_BLINK   0x08u
#define ATTR_MODE_COLOURS 0x80u

#define FONT_STEP 32u /* bytes of a character in plane 2 */

/* A part of a colour with 6 bits, or 8. */
static uint32_t part(const struct vga_state *s, uint8_t value)
{
	if (s->vbe[VBE_ENABLE] & VBE_DAC_8BIT)
		return value;
	return (uint32_t)(value << 2 | (value >> 4 & 3)) & 0xff;
}

static uint32_t colour(const struct vga_state *s, uint8_t index)
{
	const uint8_t *c = s->palette[index & s->dac_mask];

	return part(s, c[0]) << 16 | part(s, c[1]) << 8 | part(s, c[2]);
}

/* Of one of the 16 colours, which go through the attribute controller's palette. */
static uint32_t colour16(const struct vga_state *s, unsigned index)
{
	uint8_t c = s->attr[index & 15] & 0x3f, more = s->attr[ATTR_COLOURS];

	if (s->attr[ATTR_MODE] & ATTR_MODE_COLOURS)
		c = (uint8_t)((c & 0x0f) | (more & 3) << 4);
	return colour(s, (uint8_t)(c | (more & 0x0c) << 4));
}

static const struct vga *runtime(const struct vm *vm)
{
	return vm->vga;
}

/* The offset in a plane, or in the linear memory, at which a row begins. */
static uint32_t row_start(const struct vga_mode *m, unsigned y)
{
	return y >= m->split ? (y - m->split) * m->pitch : m->start + y * m->pitch;
}

/* --- text --- */

/* Eight pixels of a character's row. Without a font in plane 2 it is the ROM's. */
static uint8_t glyph(const struct vm *vm, uint8_t character, uint8_t colours, unsigned line)
{
	const struct vga_state *s = &vm->state->vga;
	uint8_t fonts = s->seq[SEQ_FONT];
	/* Font A and B: 3 bits each, of which the highest is apart (IBM's VGA, sequencer 3). */
	unsigned a = (fonts >> 2 & 3) | (fonts >> 3 & 4), b = (fonts & 3) | (fonts >> 2 & 4);
	unsigned n = colours & 8 ? a : b;
	uint32_t base = (n & 3) * 0x4000u + (n & 4 ? 0x2000u : 0);

	return runtime(vm)->planar.bytes[vga_planar(2, base + character * FONT_STEP + line)];
}

static bool is_cursor(const struct vga_state *s, uint32_t cell, unsigned line)
{
	unsigned first = s->crtc[CRTC_CURSOR_START] & CURSOR_LINE;
	unsigned last = s->crtc[CRTC_CURSOR_END] & CURSOR_LINE;
	uint32_t at = (uint32_t)s->crtc[CRTC_CURSOR_HIGH] << 8 | s->crtc[CRTC_CURSOR_LOW];

	return cell == at && !(s->crtc[CRTC_CURSOR_START] & CURSOR_OFF) && line >= first &&
	       line <= last;
}

static void text_row(const struct vm *vm, const struct vga_mode *m, unsigned y, uint32_t *to)
{
	const struct vga_state *s = &vm->state->vga;
	unsigned line = y % m->cell_height, mode = s->attr[ATTR_MODE];
	unsigned split = m->split / m->cell_height, row = y / m->cell_height;
	uint32_t at = row >= split ? (row - split) * m->pitch : m->start + row * m->pitch;
	const uint8_t *planar = runtime(vm)->planar.bytes;

	for (unsigned x = 0; x + m->cell_width <= m->width; x += m->cell_width, at += 2) {
		uint8_t character = planar[vga_planar(0, at)], c = planar[vga_planar(1, at)];
		uint32_t bits = (uint32_t)glyph(vm, character, c, line) << 1;
		uint32_t front = colour16(s, c & 15);
		uint32_t back = colour16(s, c >> 4 & (mode & ATTR_MODE_BLINK ? 7 : 15));

		if (character >= 0xc0 && character < 0xe0 && mode & ATTR_MODE_LINES)
			bits |= bits >> 1 & 1;
		if (is_cursor(s, (at & (VGA_PLANE - 1)) / 2, line))
			bits = 0x1ff;
		for (unsigned i = 0; i < m->cell_width; i++)
			to[x + i] = bits & 0x100 >> i ? front : back;
	}
}

unsigned vga_text(const struct vm *vm, unsigned row, char text[VGA_WIDTH / 8 + 1])
{
	struct vga_mode m;

	if (!vm->vga)
		return 0;
	m = vga_mode(&vm->state->vga);
	if (m.kind != VGA_TEXT || row >= m.height / m.cell_height)
		return 0;
	if (m.columns > VGA_WIDTH / 8)
		m.columns = VGA_WIDTH / 8;
	for (unsigned i = 0; i < m.columns; i++)
		text[i] = (char)runtime(vm)
				  ->planar.bytes[vga_planar(0, m.start + row * m.pitch + 2 * i)];
	text[m.columns] = 0;
	return m.columns;
}

/* --- planes --- */

static void planar_row(const struct vm *vm, const struct vga_mode *m, unsigned y, uint32_t *to)
{
	const struct vga_state *s = &vm->state->vga;
	const uint8_t *planar = runtime(vm)->planar.bytes;
	uint32_t palette[16], at = row_start(m, y);

	for (unsigned i = 0; i < 16; i++)
		palette[i] = colour16(s, i & s->attr[ATTR_PLANES]);
	for (unsigned x = 0; x < m->width; x += 8, at++) {
		uint8_t p[4];

		for (unsigned plane = 0; plane < 4; plane++)
			p[plane] = planar[vga_planar(plane, at)];
		for (unsigned i = 0; i < 8 && x + i < m->width; i++) {
			unsigned bit = 7 - i;

			to[x + i] = palette[(p[0] >> bit & 1) | (p[1] >> bit & 1) << 1 |
					    (p[2] >> bit & 1) << 2 | (p[3] >> bit & 1) << 3];
		}
	}
}

/* Pixels of 1 or 2 bits, of which bytes are in planes 0 and 1 in turn where there are 2. */
static void cga_row(const struct vm *vm, const struct vga_mode *m, unsigned y, uint32_t *to)
{
	const struct vga_state *s = &vm->state->vga;
	const uint8_t *planar = runtime(vm)->planar.bytes;
	uint32_t base = m->start + y / 2 * m->pitch + (y & 1) * 0x2000u;
	unsigned per_byte = 8 / m->bits;

	for (unsigned x = 0; x < m->width; x++) {
		unsigned byte = x / per_byte;
		unsigned shift = 8 - m->bits * (x % per_byte + 1);
		uint8_t value;

		if (m->bits == 2)
			value = planar[vga_planar(byte & 1, base + (byte & ~1u))];
		else
			value = planar[vga_planar(0, base + byte)];
		to[x] = colour16(s, value >> shift & ((1u << m->bits) - 1));
	}
}

static void unchained_row(const struct vm *vm, const struct vga_mode *m, unsigned y, uint32_t *to)
{
	uint32_t at = row_start(m, y);

	for (unsigned x = 0; x < m->width; x++)
		to[x] = colour(&vm->state->vga,
			       runtime(vm)->planar.bytes[vga_planar(x & 3, at + x / 4)]);
}

/* --- linear --- */

static uint32_t pixel(const struct vga_state *s, const uint8_t *from, unsigned bits)
{
	uint32_t p = 0;

	memcpy(&p, from, (bits + 7) / 8);
	switch (bits) {
	case 8:
		return colour(s, (uint8_t)p);
	case 15:
		return (p & 0x7c00) << 9 | (p & 0x3e0) << 6 | (p & 0x1f) << 3;
	case 16:
		return (p & 0xf800) << 8 | (p & 0x7e0) << 5 | (p & 0x1f) << 3;
	default:
		return p & 0xffffff;
	}
}

static void linear_row(const struct vm *vm, const struct vga_mode *m, unsigned y, uint32_t *to)
{
	const struct vga_state *s = &vm->state->vga;
	const uint8_t *linear = runtime(vm)->linear.bytes;
	uint64_t at = y >= m->split ? (uint64_t)(y - m->split) * m->pitch
				    : m->start + (uint64_t)y * m->pitch;
	unsigned bytes = (m->bits + 7) / 8;

	for (unsigned x = 0; x < m->width; x++, at += bytes)
		to[x] = at + bytes <= s->memory ? pixel(s, linear + at, m->bits) : 0;
}

void vga_row(const struct vm *vm, unsigned y, uint32_t *pixels)
{
	static void (*const draw[])(const struct vm *, const struct vga_mode *, unsigned,
				    uint32_t *) = {
		[VGA_TEXT] = text_row,           [VGA_PLANAR] = planar_row, [VGA_CGA] = cga_row,
		[VGA_UNCHAINED] = unchained_row, [VGA_LINEAR] = linear_row,
	};
	struct vga_mode m = vga_mode(&vm->state->vga);

	memset(pixels, 0, m.width * sizeof(pixels[0]));
	if (m.kind != VGA_BLANK && y < m.height)
		draw[m.kind](vm, &m, y, pixels);
}
