/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/display/picture.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/vm/vm.h"

#define HEAD_BYTES 32

struct picture picture_begin(struct vm *vm)
{
	return (struct picture){.vm = vm, .size = vga_size(vm)};
}

size_t picture_next(struct picture *p, uint8_t *to)
{
	static uint32_t pixels[VGA_WIDTH];
	unsigned width = vga_size(p->vm).width;

	if (p->row == 0) {
		p->row = 1;
		return (size_t)snprintf((char *)to, HEAD_BYTES, "P6\n%u %u\n255\n", p->size.width,
					p->size.height);
	}
	if (p->row > p->size.height)
		return 0;
	vga_row(p->vm, p->row - 1, pixels);
	if (width < p->size.width)
		memset(pixels + width, 0, (p->size.width - width) * sizeof(pixels[0]));
	p->row++;
	for (unsigned x = 0; x < p->size.width; x++) {
		to[3 * x] = (uint8_t)(pixels[x] >> 16);
		to[3 * x + 1] = (uint8_t)(pixels[x] >> 8);
		to[3 * x + 2] = (uint8_t)pixels[x];
	}
	return 3 * (size_t)p->size.width;
}
