/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VGA's ports (IBM's VGA, as the programmer's references of Super VGA chips tell of it), the
 * Bochs VBE registers at ports 0x1ce and 0x1cf, and both again in BAR 2, as QEMU's
 * docs/specs/standard-vga.rst lays them out.
 */
#include <string.h>

#include "guests/dom0/machine/vga_part.h"
#include "guests/dom0/vm/bus.h"
#include "guests/dom0/vm/state.h"

#define PORT_MONO        0x3b0u /* CRTC and status of a monochrome screen */
#define PORT_FIRST       0x3c0u
#define PORT_COLOUR      0x3d0u
#define PORTS_CRTC       0x10u
#define PORTS_REST       0x10u
#define PORT_VBE_INDEX   0x1ceu
#define PORT_VBE_DATA    0x1cfu /* also at 0x1d0, where a word is aligned */
#define VBE_PORTS        3u
#define CRTC_INDEX       0x4u /* from 0x3b0 or 0x3d0 on */
#define CRTC_DATA        0x5u
#define CRTC_STATUS      0xau
#define MISC_COLOUR      0x01u /* the CRTC is at 0x3d0 */
#define CRTC_PROTECT     0x11u
#define CRTC_PROTECTED   0x80u
#define CRTC_OVERFLOW    0x07u
#define CRTC_CURSOR_HIGH 0x0eu /* where the cursor is: the rows of text are looked at anyway */
#define CRTC_CURSOR_LOW  0x0fu
#define SENSE_COLOUR     0x10u
#define STATUS_DISPLAY   0x01u
#define STATUS_VERTICAL  0x08u
#define ATTR_INDEX       0x1fu

#define BAR2_PORTS      0x400u
#define BAR2_PORTS_END  0x420u
#define BAR2_VBE        0x500u
#define BAR2_QEMU       0x600u /* how long it is, and the byte order: little */
#define BAR2_QEMU_BYTES 8u
#define BYTE_ORDER      0x1e1e1e1eu

static struct vga_state *state(struct vm *vm)
{
	return &vm->state->vga;
}

/* What is shown, or what the guest reaches, is another than before. */
static void changed(struct vm *vm)
{
	struct vga *vga = vm->vga;

	vga->touched = true;
}

static void remapped(struct vm *vm)
{
	changed(vm);
	vga_window_update(vm);
}

/* --- VBE --- */

static bool known_depth(uint16_t bits)
{
	return bits == 4 || bits == 8 || bits == 15 || bits == 16 || bits == 24 || bits == 32;
}

/* Bytes of a line of so many pixels. */
static uint32_t line_bytes(const struct vga_state *s, uint32_t pixels)
{
	uint16_t bits = s->vbe[VBE_BPP];

	return bits == 4 ? pixels / 8 : pixels * ((bits + 7u) / 8);
}

static uint32_t vbe_memory(const struct vga_state *s)
{
	return s->vbe[VBE_BPP] == 4 ? VGA_PLANE : s->memory;
}

/* The virtual screen is as high as the memory allows, and the visible one lies within it. */
static void fit(struct vga_state *s)
{
	uint32_t line, height;

	if (s->vbe[VBE_VIRT_WIDTH] < s->vbe[VBE_XRES])
		s->vbe[VBE_VIRT_WIDTH] = s->vbe[VBE_XRES];
	line = line_bytes(s, s->vbe[VBE_VIRT_WIDTH]);
	height = line ? vbe_memory(s) / line : 0;
	if (height < s->vbe[VBE_YRES]) {
		s->vbe[VBE_VIRT_WIDTH] = s->vbe[VBE_XRES];
		line = line_bytes(s, s->vbe[VBE_XRES]);
		height = line ? vbe_memory(s) / line : 0;
	}
	if (height < s->vbe[VBE_YRES])
		s->vbe[VBE_YRES] = (uint16_t)height;
	s->vbe[VBE_VIRT_HEIGHT] = (uint16_t)(height < UINT16_MAX ? height : UINT16_MAX);
	if (s->vbe[VBE_X_OFFSET] > s->vbe[VBE_VIRT_WIDTH] - s->vbe[VBE_XRES])
		s->vbe[VBE_X_OFFSET] = (uint16_t)(s->vbe[VBE_VIRT_WIDTH] - s->vbe[VBE_XRES]);
	if (s->vbe[VBE_Y_OFFSET] > s->vbe[VBE_VIRT_HEIGHT] - s->vbe[VBE_YRES])
		s->vbe[VBE_Y_OFFSET] = (uint16_t)(s->vbe[VBE_VIRT_HEIGHT] - s->vbe[VBE_YRES]);
}

/* The mode of a register set that the VBE registers replace. */
static void vbe_enter(struct vm *vm, uint16_t value)
{
	struct vga_state *s = state(vm);
	struct vga *vga = vm->vga;
	uint64_t bytes;

	s->vbe[VBE_VIRT_WIDTH] = s->vbe[VBE_XRES];
	s->vbe[VBE_X_OFFSET] = s->vbe[VBE_Y_OFFSET] = 0;
	s->vbe[VBE_BANK] = 0;
	fit(s);
	s->graphics[GRAPHICS_MISC] =
		(uint8_t)((s->graphics[GRAPHICS_MISC] & ~0x0cu) | GRAPHICS_IS_ON | 0x04);
	s->crtc[0x17] |= 3;
	s->crtc[0x18] = 0xff;
	s->crtc[CRTC_OVERFLOW] |= 0x10;
	s->crtc[0x09] = 0x40; /* no line is doubled, and there is no split */
	if (s->vbe[VBE_BPP] == 4)
		s->seq[SEQ_MODE] = SEQ_NOT_ODD_EVEN | 0x02; /* all of the memory, plane by plane */
	else
		s->seq[SEQ_MODE] |= SEQ_CHAIN_4;
	s->seq[SEQ_MAP_MASK] |= 0x0f;
	bytes = (uint64_t)line_bytes(s, s->vbe[VBE_XRES]) * s->vbe[VBE_YRES];
	if (value & VBE_NO_CLEARING)
		return;
	if (s->vbe[VBE_BPP] == 4)
		memset(vga->planar.bytes, 0, VGA_PLANAR_BYTES);
	else
		memset(vga->linear.bytes, 0, bytes);
}

static void vbe_enable(struct vm *vm, uint16_t value)
{
	struct vga_state *s = state(vm);
	uint16_t old = s->vbe[VBE_ENABLE];

	s->vbe[VBE_ENABLE] = value & VBE_ENABLE_KNOWN;
	if (value & ~old & VBE_ENABLED)
		vbe_enter(vm, value);
	else if (old & ~value & VBE_ENABLED)
		s->vbe[VBE_BANK] = 0;
	remapped(vm);
}

static void vbe_write(struct vm *vm, uint16_t index, uint16_t value)
{
	struct vga_state *s = state(vm);

	switch (index) {
	case VBE_ID:
		if (value >= 0xb0c0 && value <= VBE_ID_LATEST)
			s->vbe[VBE_ID] = value;
		return;
	case VBE_XRES:
		if (value <= VGA_WIDTH && value % 8 == 0)
			s->vbe[VBE_XRES] = value;
		break;
	case VBE_YRES:
		if (value <= VGA_HEIGHT)
			s->vbe[VBE_YRES] = value;
		break;
	case VBE_BPP:
		value = value ? value : 8;
		if (known_depth(value))
			s->vbe[VBE_BPP] = value;
		break;
	case VBE_ENABLE:
		vbe_enable(vm, value);
		return;
	case VBE_BANK:
		if ((uint64_t)value * VBE_BANK_BYTES < s->memory)
			s->vbe[VBE_BANK] = value;
		remapped(vm);
		return;
	case VBE_VIRT_WIDTH:
	case VBE_X_OFFSET:
	case VBE_Y_OFFSET:
		s->vbe[index] = value;
		break;
	default:
		return;
	}
	fit(s);
	changed(vm);
}

static uint16_t vbe_read(const struct vga_state *s, uint16_t index)
{
	if (s->vbe[VBE_ENABLE] & VBE_GET_MOST) {
		if (index == VBE_XRES)
			return VGA_WIDTH;
		if (index == VBE_YRES)
			return VGA_HEIGHT;
		if (index == VBE_BPP)
			return 32;
	}
	if (index == VBE_MEMORY)
		return (uint16_t)(s->memory / VBE_BANK_BYTES);
	return index < VGA_VBE ? s->vbe[index] : 0;
}

/* --- the attribute controller --- */

static void attr_write(struct vm *vm, uint8_t value)
{
	struct vga_state *s = state(vm);

	if (!s->attr_is_data)
		s->attr_index = value & (ATTR_PALETTE_OWNED | ATTR_INDEX);
	else
		s->attr[s->attr_index & ATTR_INDEX] = value;
	s->attr_is_data = !s->attr_is_data;
	changed(vm);
}

/* --- the colours --- */

static void dac_write(struct vm *vm, uint8_t value)
{
	struct vga_state *s = state(vm);

	s->palette[s->dac_write][s->dac_part] =
		s->vbe[VBE_ENABLE] & VBE_DAC_8BIT ? value : value & 0x3f;
	if (++s->dac_part == 3) {
		s->dac_part = 0;
		s->dac_write++;
		changed(vm);
	}
}

static uint8_t dac_read(struct vga_state *s)
{
	uint8_t value = s->palette[s->dac_read][s->dac_part];

	if (++s->dac_part == 3) {
		s->dac_part = 0;
		s->dac_read++;
	}
	return value;
}

/* --- ports 0x3c0 to 0x3cf --- */

static void seq_write(struct vm *vm, uint8_t value)
{
	static const uint8_t bits[VGA_SEQ] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
	struct vga_state *s = state(vm);

	s->seq[s->seq_index] = value & bits[s->seq_index];
	remapped(vm);
}

static void graphics_write(struct vm *vm, uint8_t value)
{
	static const uint8_t bits[VGA_GRAPHICS] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03,
						   0x7b, 0x0f, 0x0f, 0xff};
	struct vga_state *s = state(vm);
	uint8_t *at = &s->graphics[s->graphics_index];

	value &= bits[s->graphics_index];
	if (*at == value)
		return;
	*at = value;
	/* Those that a driver of planes writes for each byte change only how it writes. */
	if (s->graphics_index == GRAPHICS_MODE || s->graphics_index == GRAPHICS_MISC)
		changed(vm);
	vga_window_update(vm);
}

static void rest_write(struct vm *vm, unsigned offset, uint8_t value)
{
	struct vga_state *s = state(vm);

	switch (offset) {
	case 0x0:
		attr_write(vm, value);
		break;
	case 0x2:
		s->misc = value & 0xefu;
		changed(vm);
		break;
	case 0x4:
		s->seq_index = value % VGA_SEQ;
		break;
	case 0x5:
		seq_write(vm, value);
		break;
	case 0x6:
		s->dac_mask = value;
		changed(vm);
		break;
	case 0x7:
		s->dac_read = value;
		s->dac_part = 0;
		s->dac_reads = 3;
		break;
	case 0x8:
		s->dac_write = value;
		s->dac_part = 0;
		s->dac_reads = 0;
		break;
	case 0x9:
		dac_write(vm, value);
		break;
	case 0xe:
		s->graphics_index = value % VGA_GRAPHICS;
		break;
	case 0xf:
		graphics_write(vm, value);
		break;
	default:
		break;
	}
}

static uint8_t rest_read(struct vga_state *s, unsigned offset)
{
	switch (offset) {
	case 0x0:
		return s->attr_is_data ? 0 : s->attr_index;
	case 0x1:
		return s->attr[s->attr_index & ATTR_INDEX];
	case 0x2:
		return SENSE_COLOUR;
	case 0x4:
		return s->seq_index;
	case 0x5:
		return s->seq[s->seq_index];
	case 0x6:
		return s->dac_mask;
	case 0x7:
		return s->dac_reads;
	case 0x8:
		return s->dac_write;
	case 0x9:
		return dac_read(s);
	case 0xc:
		return s->misc;
	case 0xe:
		return s->graphics_index;
	case 0xf:
		return s->graphics[s->graphics_index];
	default:
		return 0xff;
	}
}

/* --- ports 0x3b0 to 0x3bf, 0x3d0 to 0x3df --- */

static void crtc_write(struct vm *vm, uint8_t value)
{
	struct vga_state *s = state(vm);
	unsigned index = s->crtc_index;

	if (index <= CRTC_OVERFLOW && s->crtc[CRTC_PROTECT] & CRTC_PROTECTED) {
		if (index == CRTC_OVERFLOW) /* all but one bit, of the split */
			s->crtc[index] = (uint8_t)((s->crtc[index] & 0xefu) | (value & 0x10u));
	} else {
		s->crtc[index] = value;
	}
	if (index != CRTC_CURSOR_HIGH && index != CRTC_CURSOR_LOW)
		changed(vm);
}

/* The beam moves on with each read: there is nothing else by which a guest could see it. */
static uint8_t status_read(struct vga_state *s)
{
	s->attr_is_data = 0;
	s->retrace ^= STATUS_DISPLAY | STATUS_VERTICAL;
	return s->retrace;
}

static bool is_here(const struct vga_state *s, uint32_t ports)
{
	return (s->misc & MISC_COLOUR) == (ports == PORT_COLOUR);
}

static void crtc_ports_write(struct vm *vm, unsigned offset, uint8_t value)
{
	struct vga_state *s = state(vm);

	if (offset == CRTC_INDEX)
		s->crtc_index = value % VGA_CRTC;
	else if (offset == CRTC_DATA)
		crtc_write(vm, value);
}

static uint8_t crtc_ports_read(struct vga_state *s, unsigned offset)
{
	switch (offset) {
	case CRTC_INDEX:
		return s->crtc_index;
	case CRTC_DATA:
		return s->crtc[s->crtc_index];
	case CRTC_STATUS:
		return status_read(s);
	default:
		return 0xff;
	}
}

/* A word is a byte for each of two ports: the index and its value, often. */
static void ports_write(struct vm *vm, uint32_t ports, uint64_t offset, unsigned size,
			uint64_t value)
{
	for (unsigned i = 0; i < size; i++, value >>= 8) {
		unsigned at = (unsigned)offset + i;

		if (ports == PORT_FIRST)
			rest_write(vm, at, (uint8_t)value);
		else if (is_here(state(vm), ports))
			crtc_ports_write(vm, at, (uint8_t)value);
	}
}

static uint64_t ports_read(struct vm *vm, uint32_t ports, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++) {
		unsigned at = (unsigned)offset + i;
		uint8_t byte = 0xff;

		if (ports == PORT_FIRST)
			byte = rest_read(state(vm), at);
		else if (is_here(state(vm), ports))
			byte = crtc_ports_read(state(vm), at);
		value |= (uint64_t)byte << 8 * i;
	}
	return value;
}

static const struct io_ops ports_ops = {ports_read, ports_write};

/* --- ports 0x1ce to 0x1d0: words --- */

static uint64_t vbe_ports_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	const struct vga_state *s = state(vm);

	(void)instance;
	(void)size;
	return offset ? vbe_read(s, s->vbe_index) : s->vbe_index;
}

static void vbe_ports_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
			    uint64_t value)
{
	(void)instance;
	if (size != 2)
		return;
	if (offset)
		vbe_write(vm, state(vm)->vbe_index, (uint16_t)value);
	else
		state(vm)->vbe_index = (uint16_t)value;
}

static const struct io_ops vbe_ops = {vbe_ports_read, vbe_ports_write};

/* --- BAR 2 --- */

static uint64_t bar2_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	static const uint32_t qemu[] = {BAR2_QEMU_BYTES, BYTE_ORDER};
	uint64_t value = 0;

	(void)instance;
	if (offset >= BAR2_PORTS && offset + size <= BAR2_PORTS_END && size <= 2) {
		offset -= BAR2_PORTS;
		return ports_read(vm, offset < PORTS_REST ? PORT_FIRST : PORT_COLOUR,
				  offset % PORTS_REST, size);
	}
	if (offset >= BAR2_VBE && offset + size <= BAR2_VBE + 2 * VGA_VBE && size == 2)
		return vbe_read(state(vm), (uint16_t)((offset - BAR2_VBE) / 2));
	if (offset >= BAR2_QEMU && offset + size <= BAR2_QEMU + BAR2_QEMU_BYTES)
		memcpy(&value, (const uint8_t *)qemu + (offset - BAR2_QEMU), size);
	return value;
}

static void bar2_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
		       uint64_t value)
{
	(void)instance;
	if (offset >= BAR2_PORTS && offset + size <= BAR2_PORTS_END && size <= 2) {
		offset -= BAR2_PORTS;
		ports_write(vm, offset < PORTS_REST ? PORT_FIRST : PORT_COLOUR, offset % PORTS_REST,
			    size, value);
	} else if (offset >= BAR2_VBE && offset + size <= BAR2_VBE + 2 * VGA_VBE && size == 2) {
		vbe_write(vm, (uint16_t)((offset - BAR2_VBE) / 2), (uint16_t)value);
	}
}

const struct io_ops vga_bar2_ops = {bar2_read, bar2_write};

/* --- start --- */

int vga_registers_attach(struct vm *vm)
{
	if (bus_add(vm, BUS_PIO, PORT_MONO, PORTS_CRTC, &ports_ops, PORT_MONO) != 0 ||
	    bus_add(vm, BUS_PIO, PORT_FIRST, PORTS_REST, &ports_ops, PORT_FIRST) != 0 ||
	    bus_add(vm, BUS_PIO, PORT_COLOUR, PORTS_CRTC, &ports_ops, PORT_COLOUR) != 0)
		return -1;
	return bus_add(vm, BUS_PIO, PORT_VBE_INDEX, VBE_PORTS, &vbe_ops, 0);
}

/* The first 64 colours: two bits of each part, as on an EGA. */
static void default_colours(struct vga_state *s)
{
	for (unsigned i = 0; i < 64; i++) {
		s->palette[i][0] = (uint8_t)((i & 4 ? 0x2a : 0) + (i & 0x20 ? 0x15 : 0));
		s->palette[i][1] = (uint8_t)((i & 2 ? 0x2a : 0) + (i & 0x10 ? 0x15 : 0));
		s->palette[i][2] = (uint8_t)((i & 1 ? 0x2a : 0) + (i & 0x08 ? 0x15 : 0));
	}
}

/* Mode 3 of a PC's BIOS. */
void vga_registers_reset(struct vm *vm)
{
	static const uint8_t seq[] = {0x03, 0x00, 0x03, 0x00, 0x02};
	static const uint8_t graphics[] = {0, 0, 0, 0, 0, 0x10, 0x0e, 0x0f, 0xff};
	static const uint8_t crtc[] = {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0,
				       0x4f, 0x0d, 0x0e, 0,    0,    0,    0,    0x9c, 0x8e,
				       0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff};
	static const uint8_t attr[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14,
				       0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d,
				       0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00};
	struct vga_state *s = state(vm);
	uint32_t memory = s->memory;
	uint8_t slot = s->slot;

	*s = (struct vga_state){
		.slot = slot,
		.memory = memory,
		.misc = 0x67,
		.attr_index = ATTR_PALETTE_OWNED,
		.dac_mask = 0xff,
		.vbe = {[VBE_ID] = VBE_ID_LATEST, [VBE_BPP] = 8},
	};
	memcpy(s->seq, seq, sizeof(seq));
	memcpy(s->graphics, graphics, sizeof(graphics));
	memcpy(s->crtc, crtc, sizeof(crtc));
	memcpy(s->attr, attr, sizeof(attr));
	default_colours(s);
	fit(s);
	changed(vm);
}
