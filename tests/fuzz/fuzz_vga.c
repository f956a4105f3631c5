/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
/* fuzz: -max_len=600 -len_control=0 */
/*
 * A hostile guest at the registers and windows of its VGA, at the BARs' registers, and at the
 * keyboard controller, while somebody looks at the screen, draws rows of it and types. The kernel
 * of the test says when a mapping overlaps another, or is tracked where there is none.
 */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/machine/i8042.h"
#include "guests/dom0/machine/vga_part.h"
#include "tests/unit/mock_vm.h"

#define MEMORY (2u << 20)

struct step {
	uint8_t what, where, size, flags;
	uint32_t value;
};

static unsigned lookers;

static void io(const struct step *s)
{
	static const uint16_t ports[] = {0x3b4, 0x3b5, 0x3ba, 0x3c0, 0x3c1, 0x3c2, 0x3c4, 0x3c5,
					 0x3c6, 0x3c7, 0x3c8, 0x3c9, 0x3cc, 0x3ce, 0x3cf, 0x3d4,
					 0x3d5, 0x3da, 0x1ce, 0x1cf, 0x1d0, 0x60,  0x64};
	uint16_t port = ports[s->where % (sizeof(ports) / sizeof(ports[0]))];
	unsigned size = 1u << (s->size % 3);

	if (s->flags & 1)
		bus_write(&mock_vm, BUS_PIO, port, size, s->value);
	else
		bus_read(&mock_vm, BUS_PIO, port, size);
}

/* A VBE register in one step: modes are reached often. */
static void vbe(const struct step *s)
{
	out16(0x1ce, s->where % 12);
	out16(0x1cf, (uint16_t)s->value);
}

static void memory(const struct step *s)
{
	const struct pci_function *f = &mock_state.pci.function[mock_state.vga.slot];
	uint64_t base[] = {0xa0000, f->bar_base[0], f->bar_base[2], f->bar_base[PCI_ROM]};
	static const uint64_t bytes[] = {0x20000, MEMORY, 4096, VGA_ROM_BYTES};
	uint64_t offset = s->value % bytes[s->where & 3], address = base[s->where & 3] + offset;
	unsigned size = 1u << (s->size & 3);
	uint8_t *there;

	if (base[s->where & 3] == PCI_NO_BASE)
		return;
	there = mock_reach(address);
	if (there && s->flags & 2)
		*there = (uint8_t)s->value;
	else if (s->flags & 1)
		bus_write(&mock_vm, BUS_MMIO, address, size, s->value | (uint64_t)s->value << 32);
	else
		bus_read(&mock_vm, BUS_MMIO, address, size);
}

static void config(const struct step *s)
{
	static const uint8_t registers[] = {0x04, 0x10, 0x14, 0x18, 0x30};

	out32(0xcf8, 0x80000000u | (uint32_t)mock_state.vga.slot << 11 | registers[s->where % 5]);
	if (s->flags & 1)
		out32(0xcfc, s->value);
	else
		in32(0xcfc);
}

static void look(const struct step *s)
{
	static uint32_t pixels[VGA_WIDTH + 1];
	static char text[VGA_WIDTH / 8 + 1];
	uint64_t rows[VGA_ROWS];
	struct vga_size size = vga_size(&mock_vm);

	if (size.width > VGA_WIDTH || size.height > VGA_HEIGHT)
		abort();
	switch (s->where & 7) {
	case 0:
		vga_look(&mock_vm, true);
		lookers++;
		break;
	case 1:
		if (lookers) {
			vga_look(&mock_vm, false);
			lookers--;
		}
		break;
	case 2:
		if (lookers)
			vga_changes(&mock_vm, rows);
		break;
	case 3:
		pixels[VGA_WIDTH] = 0x5a5a5a5a;
		vga_row(&mock_vm, s->value % (VGA_HEIGHT + 2), pixels);
		for (unsigned x = 0; x < size.width; x++)
			if (pixels[x] >> 24)
				abort();
		if (pixels[VGA_WIDTH] != 0x5a5a5a5a)
			abort();
		break;
	case 4:
		vga_text(&mock_vm, s->value % 200, text);
		break;
	case 5:
		i8042_key(&mock_vm, s->size, s->flags & 1);
		i8042_mouse(&mock_vm, (int8_t)s->size, (int8_t)s->flags, 0, s->value);
		break;
	case 6:
		mock_seen.no_room = s->flags & 1;
		break;
	default:
		if (s->flags == 0) {
			platform_part.reset(&mock_vm);
			vga_part.reset(&mock_vm);
		}
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static void (*const act[])(const struct step *) = {io, vbe, memory, config, look};
	struct step s;

	mock_config.video = true;
	mock_config.video_memory = MEMORY;
	lookers = 0;
	mock_power_on();
	for (; bytes >= sizeof(s); data += sizeof(s), bytes -= sizeof(s)) {
		memcpy(&s, data, sizeof(s));
		act[s.what % 5](&s);
	}
	mock_power_off();
	return 0;
}
