/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VGA's option ROM: Debian's vgabios of SeaBIOS, as a file of the package, which the build puts
 * into dom0's image. A guest without firmware has its font from there.
 */
#include <string.h>

#include "guests/dom0/machine/vga_part.h"
#include "guests/dom0/vm/bus.h"
#include "vgabios_rom.h"

#define GLYPH 16u

static uint64_t rom_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	uint64_t value = UINT64_MAX;

	(void)vm;
	(void)instance;
	if (offset + size <= sizeof(vgabios_rom))
		memcpy(&value, vgabios_rom + offset, size);
	return value;
}

const struct io_ops vga_rom_ops = {rom_read, bus_ignore};

/* The font is where its second character is, the face of code page 437, behind an empty first. */
const uint8_t *vga_font(void)
{
	static const uint8_t face[GLYPH] = {0,    0,    0x7e, 0x81, 0xa5, 0x81, 0x81, 0xbd,
					    0x99, 0x81, 0x81, 0x7e, 0,    0,    0,    0};

	for (size_t at = GLYPH; at + 255 * GLYPH <= sizeof(vgabios_rom); at++)
		if (!memcmp(vgabios_rom + at, face, GLYPH))
			return vgabios_rom + at - GLYPH;
	return NULL;
}
