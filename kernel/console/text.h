/* SPDX-License-Identifier: BSD-2-Clause */
/* A text console on the screen: VGA text memory or a linear framebuffer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_MAX_COLUMNS 160u
#define TEXT_MAX_ROWS    64u

struct text {
	volatile uint8_t *memory; /* mapped, at least pitch * height bytes */
	uint32_t pitch;           /* bytes from one line to the next */
	uint32_t columns, rows;   /* in characters; 0: no screen */
	uint32_t bytes;           /* of a pixel: 3 or 4; 0: VGA text */
	uint32_t column, row;     /* of the cursor */
	uint32_t escape;          /* state of an escape sequence */
	uint32_t number;          /* its last parameter */
	/* The screen's cells: scrolling does not read from the screen, and draws
	 * only what has changed. */
	char cell[TEXT_MAX_ROWS][TEXT_MAX_COLUMNS];
};

/* Both clear the screen, or, called again for the same geometry (the memory may
 * be mapped elsewhere now), draw it again. VGA: 2 * columns bytes in a line. */
void text_init_vga(struct text *text, volatile void *memory, uint32_t columns, uint32_t rows);
/* 24 or 32 bits per pixel; false: another depth, or too small a screen. */
bool text_init_framebuffer(struct text *text, volatile void *memory, uint32_t pitch, uint32_t width,
			   uint32_t height, uint32_t bpp);
/* Understands \n \r \b \t and the escape sequences C, D (cursor), H (home), J and
 * K (erase to the end, or with 2 all of it); other ones and control characters
 * are dropped. Other bytes than ASCII are shown as '?'. */
void text_write(struct text *text, const char *string, size_t bytes);

/* The cursor that VGA hardware shows; ours is a cell in inverse. */
void vga_cursor_off(void);
