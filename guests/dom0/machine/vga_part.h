/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the VGA. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/dom0/machine/vga.h"
#include "guests/dom0/vm/memory.h"
#include "guests/dom0/vm/vm.h"

#define VGA_PLANE        65536u /* bytes of each of the four planes */
#define VGA_PLANAR_BYTES (4 * VGA_PLANE)
#define VGA_TEXT_ROWS    128u /* that are looked at one by one */
#define VGA_WINDOW       VM_WINDOW
#define VGA_WINDOW_BYTES (VM_WINDOW_END - VM_WINDOW)

/* Registers by their index. */
#define SEQ_CLOCK          1u /* bit 0: characters of 8 pixels, not 9; bit 5: screen off */
#define SEQ_MAP_MASK       2u
#define SEQ_FONT           3u
#define SEQ_MODE           4u
#define GRAPHICS_SET_RESET 0u
#define GRAPHICS_ENABLE_SR 1u
#define GRAPHICS_COMPARE   2u
#define GRAPHICS_ROTATE    3u
#define GRAPHICS_READ_MAP  4u
#define GRAPHICS_MODE      5u
#define GRAPHICS_MISC      6u
#define GRAPHICS_DONT_CARE 7u
#define GRAPHICS_BIT_MASK  8u

#define SEQ_OFF            0x20u
#define SEQ_NOT_ODD_EVEN   0x04u
#define SEQ_CHAIN_4        0x08u
#define GRAPHICS_ODD_EVEN  0x10u /* of GRAPHICS_MODE */
#define GRAPHICS_READ_1    0x08u
#define GRAPHICS_IS_ON     0x01u /* of GRAPHICS_MISC: no text */
#define ATTR_PALETTE_OWNED 0x20u /* of the index: the screen shows something */

/* The Bochs VBE registers. */
enum vga_vbe {
	VBE_ID,
	VBE_XRES,
	VBE_YRES,
	VBE_BPP,
	VBE_ENABLE,
	VBE_BANK,
	VBE_VIRT_WIDTH,
	VBE_VIRT_HEIGHT,
	VBE_X_OFFSET,
	VBE_Y_OFFSET,
	VBE_MEMORY
};
#define VBE_ID_LATEST    0xb0c5u
#define VBE_ENABLED      0x01u
#define VBE_GET_MOST     0x02u
#define VBE_DAC_8BIT     0x20u
#define VBE_NO_CLEARING  0x80u
#define VBE_ENABLE_KNOWN (VBE_ENABLED | VBE_GET_MOST | VBE_DAC_8BIT | 0x40u | VBE_NO_CLEARING)
#define VBE_BANK_BYTES   65536u

/* A place where the guest reaches memory of the VGA by itself. */
struct vga_place {
	uint64_t at, size, offset; /* offset: in the memory; size 0: nowhere */
	const struct vm_memory *memory;
};

/* vm->vga: all of it can be made anew. */
struct vga {
	struct vm *vm;
	struct vm_memory linear, planar;
	struct vga_place frame, frame_wanted;   /* BAR 0 */
	struct vga_place window, window_wanted; /* at 0xa0000 to 0xbffff */
	unsigned lookers;
	bool frame_tracked, window_tracked;
	bool touched;          /* all rows may have changed */
	uint64_t planar_print; /* of the planar memory that the guest writes by itself */
	uint64_t text_print[VGA_TEXT_ROWS]; /* of the rows of a text mode */
	uint32_t cursor;                    /* the cell that had it then */
};

/* The place of a byte of a plane in the planar memory: bytes at even offsets of planes 0 and 1, of
 * which text consists, lie side by side as the CPU sees them in text modes. */
static inline uint32_t vga_planar(unsigned plane, uint32_t offset)
{
	offset &= VGA_PLANE - 1;
	if (plane > 1)
		return plane * VGA_PLANE + offset;
	return (offset & 1) * VGA_PLANE + (offset & ~1u) + plane;
}

static inline bool vga_vbe_on(const struct vga_state *s)
{
	return s->vbe[VBE_ENABLE] & VBE_ENABLED;
}

/* vga_registers.c: the ports, and BAR 2. */
int vga_registers_attach(struct vm *vm);
extern const struct io_ops vga_bar2_ops;
/* As after power on, and as the BIOS of a PC leaves it: text of 80 columns and 25 rows. */
void vga_registers_reset(struct vm *vm);

/* vga_window.c: 0xa0000 to 0xbffff. Registers that say what is there have changed. */
int vga_window_attach(struct vm *vm);
void vga_window_update(struct vm *vm);
/* Maps what is wanted, as far as the kernel has room. Returns false if it is to be tried again. */
void vga_place_update(struct vga *vga, struct vga_place *place, const struct vga_place *wanted);
/* Both places, to be called now and then until both are there. */
void vga_places_retry(struct vga *vga);
/* vga_changes.c: the guest's writes at a place are tracked as long as somebody looks. */
void vga_track(struct vga *vga);
/* The place moves: the tracking there has ended. */
void vga_untrack(struct vga *vga, const struct vga_place *place);

/* vga_mode.c: what the registers say about the screen. */
enum vga_kind { VGA_BLANK, VGA_TEXT, VGA_PLANAR, VGA_CGA, VGA_UNCHAINED, VGA_LINEAR };
struct vga_mode {
	enum vga_kind kind;
	unsigned width, height; /* pixels */
	unsigned repeat;        /* lines of the display for each row */
	uint32_t start, pitch;  /* bytes of the linear memory, or of a plane */
	unsigned split;         /* the first row that begins at byte 0 again */
	unsigned bits;          /* LINEAR: of a pixel */
	unsigned columns, cell_width, cell_height;
};
struct vga_mode vga_mode(const struct vga_state *s);

/* vga_rom.c: the option ROM, and the font of 8x16 pixels in it, 16 bytes for each character. */
extern const struct io_ops vga_rom_ops;
#define VGA_ROM_BYTES 65536u
const uint8_t *vga_font(void);
