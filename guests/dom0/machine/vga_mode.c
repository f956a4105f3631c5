/* SPDX-License-Identifier: BSD-2-Clause */
/* What the VGA's registers say about the screen: its size, and where its pixels are. */
#include "guests/dom0/machine/vga_part.h"
#include "guests/dom0/vm/state.h"

#define CRTC_WIDTH      0x01u
#define CRTC_OVERFLOW   0x07u
#define CRTC_ROW_HEIGHT 0x09u
#define CRTC_START_HIGH 0x0cu
#define CRTC_START_LOW  0x0du
#define CRTC_HEIGHT     0x12u
#define CRTC_PITCH      0x13u
#define CRTC_MODE       0x17u
#define CRTC_SPLIT      0x18u

#define ROW_HEIGHT 0x1fu
#define ROW_DOUBLE 0x80u

static bool is_off(const struct vga_state *s)
{
	return !(s->attr_index & ATTR_PALETTE_OWNED) || s->seq[SEQ_CLOCK] & SEQ_OFF;
}

static unsigned lines_of(const struct vga_state *s)
{
	unsigned more = s->crtc[CRTC_OVERFLOW];

	return (s->crtc[CRTC_HEIGHT] | (more & 0x02) << 7 | (more & 0x40) << 3) + 1u;
}

/* The line behind which the display begins anew at byte 0. */
static unsigned split_of(const struct vga_state *s)
{
	unsigned line = s->crtc[CRTC_SPLIT] | (s->crtc[CRTC_OVERFLOW] & 0x10u) << 4 |
			(s->crtc[CRTC_ROW_HEIGHT] & 0x40u) << 3;

	return line + 1;
}

static uint32_t start_of(const struct vga_state *s)
{
	return (uint32_t)s->crtc[CRTC_START_HIGH] << 8 | s->crtc[CRTC_START_LOW];
}

static struct vga_mode text_mode(const struct vga_state *s, struct vga_mode m)
{
	m.kind = VGA_TEXT;
	m.columns = s->crtc[CRTC_WIDTH] + 1u;
	m.cell_width = s->seq[SEQ_CLOCK] & 1 ? 8 : 9;
	m.cell_height = (s->crtc[CRTC_ROW_HEIGHT] & ROW_HEIGHT) + 1u;
	m.width = m.columns * m.cell_width;
	m.start = start_of(s) * 2; /* a cell is a character and its colours */
	m.pitch = s->crtc[CRTC_PITCH] * 4u;
	return m;
}

static struct vga_mode graphics_mode(const struct vga_state *s, struct vga_mode m)
{
	unsigned shift = s->graphics[GRAPHICS_MODE] >> 5 & 3;

	m.width = (s->crtc[CRTC_WIDTH] + 1u) * 8;
	m.repeat = (s->crtc[CRTC_ROW_HEIGHT] & ROW_HEIGHT) + 1u;
	if (s->crtc[CRTC_ROW_HEIGHT] & ROW_DOUBLE)
		m.repeat *= 2;
	m.start = start_of(s);
	m.pitch = s->crtc[CRTC_PITCH] * 2u;
	if (shift >= 2 && s->seq[SEQ_MODE] & SEQ_CHAIN_4) {
		m.kind = VGA_LINEAR;
		m.bits = 8;
		m.width /= 2;
		m.start *= 4;
		m.pitch *= 4;
	} else if (shift >= 2) {
		m.kind = VGA_UNCHAINED;
		m.width /= 2;
	} else if (shift == 1 || !(s->crtc[CRTC_MODE] & 1)) {
		/* Rows of even and odd numbers in two halves, as on a CGA. */
		m.kind = VGA_CGA;
		m.bits = shift == 1 ? 2 : 1;
		m.width = m.bits == 2 && m.width == 640 ? 320 : m.width;
		m.repeat = 2;
	} else {
		m.kind = VGA_PLANAR;
	}
	m.height /= m.repeat;
	m.split /= m.repeat;
	return m;
}

static struct vga_mode vbe_mode(const struct vga_state *s)
{
	struct vga_mode m = {
		.width = s->vbe[VBE_XRES],
		.height = s->vbe[VBE_YRES],
		.repeat = 1,
		.split = UINT32_MAX,
		.bits = s->vbe[VBE_BPP],
	};
	unsigned bytes = (m.bits + 7) / 8;

	if (m.bits == 4) {
		m.kind = VGA_PLANAR;
		m.pitch = s->vbe[VBE_VIRT_WIDTH] / 8u;
		m.start = s->vbe[VBE_Y_OFFSET] * m.pitch + s->vbe[VBE_X_OFFSET] / 8u;
		return m;
	}
	m.kind = VGA_LINEAR;
	m.pitch = s->vbe[VBE_VIRT_WIDTH] * bytes;
	m.start = s->vbe[VBE_Y_OFFSET] * m.pitch + s->vbe[VBE_X_OFFSET] * bytes;
	return m;
}

struct vga_mode vga_mode(const struct vga_state *s)
{
	struct vga_mode m = {.height = lines_of(s), .repeat = 1, .split = split_of(s)};

	if (vga_vbe_on(s))
		m = vbe_mode(s);
	else if (s->graphics[GRAPHICS_MISC] & GRAPHICS_IS_ON)
		m = graphics_mode(s, m);
	else
		m = text_mode(s, m);
	if (m.width > VGA_WIDTH)
		m.width = VGA_WIDTH;
	if (m.height > VGA_HEIGHT)
		m.height = VGA_HEIGHT;
	if (m.height == 0)
		m.height = 1;
	if (!vga_vbe_on(s) && is_off(s))
		m.kind = VGA_BLANK;
	return m;
}

struct vga_size vga_size(const struct vm *vm)
{
	struct vga_mode m;

	if (!vm->vga)
		return (struct vga_size){0, 0};
	m = vga_mode(&vm->state->vga);
	return (struct vga_size){m.width, m.height};
}
