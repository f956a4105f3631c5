/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of a guest's VGA: what it would miss of the device beside the pixels, which lie in
 * memory of the guest's own. */
#pragma once

#include <stdint.h>

#define VGA_SEQ      8u
#define VGA_GRAPHICS 16u
#define VGA_CRTC     32u
#define VGA_ATTR     32u
#define VGA_COLOURS  256u
#define VGA_VBE      11u

struct vga_state {
	uint8_t slot; /* of its PCI function; 0: there is no VGA */
	uint8_t misc;
	uint8_t seq_index, graphics_index, crtc_index, attr_index;
	uint8_t attr_is_data; /* the next write to port 0x3c0 is the value */
	uint8_t retrace;      /* bits of the status register, which change with each read */
	uint8_t seq[VGA_SEQ], graphics[VGA_GRAPHICS], crtc[VGA_CRTC], attr[VGA_ATTR];
	uint8_t dac_mask, dac_read, dac_write, dac_part, dac_reads;
	uint8_t pad[3];
	uint8_t latch[4];                /* of the planes */
	uint8_t palette[VGA_COLOURS][3]; /* red, green, blue */
	uint16_t vbe_index, vbe[VGA_VBE];
	uint32_t memory; /* bytes of the linear memory */
};
