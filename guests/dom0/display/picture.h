/* SPDX-License-Identifier: BSD-2-Clause */
/* A picture of a guest's screen as a file: a portable pixmap (PPM), row by row. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/machine/vga.h"

struct vm;

#define PICTURE_TYPE "image/x-portable-pixmap"
#define PICTURE_ROW  (3u * VGA_WIDTH) /* the longest piece */

struct picture {
	struct vm *vm;
	struct vga_size size;
	unsigned row; /* 0: the head is next */
};

/* Begins one, of a guest that has a screen. Rows are those of the moment when they are taken. */
struct picture picture_begin(struct vm *vm);
/* Writes the next piece, of at most PICTURE_ROW bytes. Returns its bytes, 0 at the end. */
size_t picture_next(struct picture *picture, uint8_t *to);
