/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/elf.c */
#include <stdlib.h>
#include <string.h>

#include "kernel/elf.h"

#define BASE 0x100000ull
#define ROOM 0x4000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A header good enough to come to the segments, which are the input. */
	static const uint8_t header[64] = {
		0x7f, 'E',      'L',       'F',         2,         1,
		1,    [16] = 2, [18] = 62, [26] = 0x10, [32] = 64, [54] = 56};
	uint8_t *image = malloc(size + 64), *room = malloc(ROOM);
	struct elf_target target = {room, BASE, ROOM};
	struct elf_loaded loaded;

	elf_load(data, size, &target, &loaded);
	memcpy(image, header, 64);
	if (size)
		memcpy(image + 64, data, size);
	image[56] = (uint8_t)(size / 56);
	if (!elf_load(image, size + 64, &target, &loaded) &&
	    (loaded.low < BASE || loaded.high > BASE + ROOM || loaded.entry < loaded.low ||
	     loaded.entry >= loaded.high))
		abort();
	free(image);
	free(room);
	return 0;
}
