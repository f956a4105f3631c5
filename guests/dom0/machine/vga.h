/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The standard VGA (QEMU's `stdvga`, PCI 1234:1111) and what looks at it.
 *
 * There are two memories, both regions of the guest's domain. The linear one is BAR 0, and also
 * what the guest sees at 0xa0000 in the modes of 256 colours whose bytes are pixels and in the
 * banked ones. The planar one has the four planes of text and of 16 colours. The guest reaches the
 * linear memory without dom0, and the planar one in text modes (vga_window.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/dom0/machine/vga_state.h"
#include "guests/dom0/vm/part.h"

struct vm;

#define VGA_WIDTH  2560u /* at most, pixels */
#define VGA_HEIGHT 1600u
#define VGA_ROWS   (VGA_HEIGHT / 64u) /* words of a bitmap of rows */

extern const struct vm_part vga_part;

/* The screen's size in pixels; 0, 0: the guest has no screen. */
struct vga_size {
	unsigned width, height;
};
struct vga_size vga_size(const struct vm *vm);

/* Draws row `y` of the screen as pixels 0x00RRGGBB. There is room for VGA_WIDTH. A row that the
 * screen does not have is black. */
void vga_row(const struct vm *vm, unsigned y, uint32_t *pixels);

/*
 * Somebody looks at the screen from now on, or nobody does any more. Only while somebody looks the
 * guest's writes are tracked. Calls are counted.
 */
void vga_look(struct vm *vm, bool look);

/*
 * Sets the bits of rows that may have changed since the last call; those of all rows after a change
 * of the mode. The size stays vga_size's until the next call of the guest's code. Only while
 * somebody looks.
 */
void vga_changes(struct vm *vm, uint64_t rows[VGA_ROWS]);

/* The text of a row of a text mode, without its colours, as the bytes of the guest's code page, and
 * with zero behind it. Returns the number of columns, 0: there is no such row, or no text mode. */
unsigned vga_text(const struct vm *vm, unsigned row, char text[VGA_WIDTH / 8 + 1]);
