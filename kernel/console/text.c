/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/console/text.h"

#define CELL_WIDTH  8u
#define CELL_HEIGHT 16u
#define COLOUR      0xc8c8c8u

/* 5 columns in 8 rows for each character from the space on: bit 5 * row + column.
 * On the screen each row takes two lines. */
/* clang-format off */
static const uint64_t font[] = {
	0x0000000000, 0x0100421084, 0x000000014a, 0x0295f57d4a, 0x011f4717c4, 0x0672222273,
	0x0593511526, 0x0000000084, 0x0208210888, 0x0088842082, 0x002aefbaa0, 0x00084f9080,
	0x1118000000, 0x00000f8000, 0x018c000000, 0x0042222210, 0x03a33ae62e, 0x07c84214c4,
	0x07c226422e, 0x03e107420f, 0x0421f8ca98, 0x03a3083c3f, 0x03a317842e, 0x010844423f,
	0x03a317462e, 0x03a10f462e, 0x000c6018c0, 0x00886018c0, 0x0418208990, 0x0001f07c00,
	0x004c8820c1, 0x010046422e, 0x0783daf62e, 0x04631fc62e, 0x03e317c62f, 0x078210843e,
	0x01d318c527, 0x07c217843f, 0x004217843f, 0x07a31c843e, 0x04631fc631, 0x038842108e,
	0x03a308421c, 0x0452519531, 0x07c2108421, 0x04631ad771, 0x04739ace71, 0x03a318c62e,
	0x004217c62f, 0x059358c62e, 0x045257c62f, 0x03e107043e, 0x010842109f, 0x03a318c631,
	0x0114a8c631, 0x04775ac631, 0x0462a22a31, 0x0108422a31, 0x07c222221f, 0x038421084e,
	0x0420820821, 0x039084210e, 0x0000004544, 0xf800000000, 0x0000000082, 0x07a3e83800,
	0x03e318bc21, 0x078210f800, 0x07a318fa10, 0x0783f8b800, 0x0084278a4c, 0x743d18f800,
	0x046318bc21, 0x0388421804, 0x3250843008, 0x024a32a421, 0x0388421086, 0x056b5aac00,
	0x046318bc00, 0x03a318b800, 0x085f18bc00, 0x843d18f800, 0x004219b400, 0x03e0e0f800,
	0x0324213c42, 0x07a318c400, 0x0114a8c400, 0x02ab5ac400, 0x0454454400, 0x743d18c400,
	0x07c4447c00, 0x0608411098, 0x0108421084, 0x00c8441083, 0x00008a8800,
};
/* clang-format on */

static void draw_pixels(const struct text *text, uint64_t glyph, volatile uint8_t *to, bool inverse)
{
	for (unsigned y = 0; y < CELL_HEIGHT; y++, to += text->pitch) {
		uint64_t bits = (glyph >> y / 2 * 5 & 0x1f) << 1;

		bits = inverse ? ~bits : bits;
		for (unsigned x = 0; x < CELL_WIDTH; x++) {
			uint32_t pixel = bits >> x & 1 ? COLOUR : 0;
			volatile uint8_t *at = to + x * text->bytes;

			if (text->bytes == 4) {
				*(volatile uint32_t *)at = pixel;
				continue;
			}
			at[0] = (uint8_t)pixel;
			at[1] = (uint8_t)(pixel >> 8);
			at[2] = (uint8_t)(pixel >> 16);
		}
	}
}

static void draw(const struct text *text, uint32_t row, uint32_t column, bool inverse)
{
	uint8_t c = (uint8_t)text->cell[row][column];
	volatile uint8_t *to = text->memory;

	if (!text->bytes) {
		to += row * text->pitch + column * 2;
		*(volatile uint16_t *)to = (uint16_t)(c | (inverse ? 0x7000 : 0x0700));
		return;
	}
	to += row * CELL_HEIGHT * text->pitch + column * CELL_WIDTH * text->bytes;
	draw_pixels(text, font[c - ' '], to, inverse);
}

static void set(struct text *text, uint32_t row, uint32_t column, char c)
{
	if (text->cell[row][column] == c)
		return;
	text->cell[row][column] = c;
	draw(text, row, column, false);
}

static void erase(struct text *text, uint32_t row, uint32_t column)
{
	for (; column < text->columns; column++)
		set(text, row, column, ' ');
}

static void begin(struct text *text, volatile void *memory, uint32_t columns, uint32_t rows)
{
	columns = columns < TEXT_MAX_COLUMNS ? columns : TEXT_MAX_COLUMNS;
	rows = rows < TEXT_MAX_ROWS ? rows : TEXT_MAX_ROWS;
	text->memory = memory;
	if (columns != text->columns || rows != text->rows) {
		__builtin_memset(text->cell, ' ', sizeof(text->cell));
		text->row = text->column = 0;
	}
	text->columns = columns;
	text->rows = rows;
	for (uint32_t row = 0; row < rows; row++)
		for (uint32_t column = 0; column < columns; column++)
			if (!text->bytes || text->cell[row][column] != ' ')
				draw(text, row, column, false);
}

void text_init_vga(struct text *text, volatile void *memory, uint32_t columns, uint32_t rows)
{
	text->bytes = 0;
	text->pitch = columns * 2;
	begin(text, memory, columns, rows);
	vga_cursor_off();
}

bool text_init_framebuffer(struct text *text, volatile void *memory, uint32_t pitch, uint32_t width,
			   uint32_t height, uint32_t bpp)
{
	if ((bpp != 24 && bpp != 32) || width < 20 * CELL_WIDTH || height < 2 * CELL_HEIGHT)
		return false;
	__builtin_memset((void *)memory, 0, (uint64_t)pitch * height);
	text->bytes = bpp / 8;
	text->pitch = pitch;
	begin(text, memory, width / CELL_WIDTH, height / CELL_HEIGHT);
	return true;
}

/*
 * Scrolling sets each cell to the one below it. Only cells that differ are drawn, since a write to
 * a framebuffer costs far more than a look at memory, and a read from one still more.
 */
static void new_line(struct text *text)
{
	text->column = 0;
	if (++text->row < text->rows)
		return;
	text->row--;
	for (uint32_t row = 0; row < text->row; row++)
		for (uint32_t column = 0; column < text->columns; column++)
			set(text, row, column, text->cell[row + 1][column]);
	erase(text, text->row, 0);
}

static void put(struct text *text, char c)
{
	if (text->column == text->columns)
		new_line(text);
	set(text, text->row, text->column++, c);
}

/* ECMA-48: CUF, CUB, CUP without parameters, ED, EL. */
static void act(struct text *text, char c)
{
	uint32_t n = text->number ? text->number : 1, column = text->column;

	switch (c) {
	case 'C':
		text->column = n < text->columns - column ? column + n : text->columns - 1;
		break;
	case 'D':
		text->column = n < column ? column - n : 0;
		break;
	case 'H':
		text->row = text->column = 0;
		break;
	case 'J':
	case 'K':
		erase(text, text->row, text->number == 2 ? 0 : column);
		for (uint32_t row = 0; c == 'J' && row < text->rows; row++)
			if (row > text->row || text->number == 2)
				erase(text, row, 0);
		break;
	default:
		break;
	}
}

enum { PLAIN, ESCAPE, SEQUENCE };

/* True if the character belongs to an escape sequence. */
static bool in_sequence(struct text *text, char c)
{
	if (text->escape == PLAIN) {
		text->escape = c == 27 ? ESCAPE : PLAIN;
		return c == 27;
	}
	if (text->escape == ESCAPE) {
		text->escape = c == '[' ? SEQUENCE : PLAIN;
		text->number = 0;
		return true;
	}
	if (c >= '0' && c <= '9')
		text->number = (text->number * 10 + (uint32_t)(c - '0')) % 1000;
	else if (c == ';')
		text->number = 0;
	if (c < '@')
		return true;
	text->escape = PLAIN;
	act(text, c);
	return true;
}

static void take(struct text *text, char c)
{
	if (in_sequence(text, c))
		return;
	if (c == '\n') {
		new_line(text);
	} else if (c == '\r') {
		text->column = 0;
	} else if (c == '\b') {
		text->column -= text->column > 0;
	} else if (c == '\t') {
		do
			put(text, ' ');
		while (text->column % 8);
	} else if (c < 0 || c > '~') {
		put(text, '?');
	} else if (c >= ' ') {
		put(text, c);
	}
}

static void show_cursor(const struct text *text, bool on)
{
	if (text->column < text->columns)
		draw(text, text->row, text->column, on);
}

void text_write(struct text *text, const char *string, size_t bytes)
{
	if (!text->columns)
		return;
	show_cursor(text, false);
	for (size_t i = 0; i < bytes; i++)
		take(text, string[i]);
	show_cursor(text, true);
}
