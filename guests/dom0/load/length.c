/* SPDX-License-Identifier: BSD-2-Clause */
/* A volume is larger than the kernel in it; the kernel's own headers say where the kernel ends. */
#include "guests/dom0/load/stage.h"

/* Linux's Documentation/arch/x86/boot.rst: sectors of the set-up part, 16-byte units of the rest.
 */
#define SETUP_SECTS 0x1f1u
#define SYSSIZE     0x1f4u

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The end of a range of the file, UINT64_MAX if there cannot be such a file. */
static uint64_t end_of(uint64_t offset, uint64_t bytes)
{
	return offset + bytes < offset ? UINT64_MAX : offset + bytes;
}

static uint64_t bzimage_length(const struct load_file *file)
{
	uint64_t sectors = file->data[SETUP_SECTS] ? file->data[SETUP_SECTS] : 4;

	return (sectors + 1) * 512 + get32(file->data + SYSSIZE) * 16ull;
}

/* The end of all that the program headers name; the sections, which nothing but a debugger reads,
 * have their table at the end of the file as a rule. */
static uint64_t elf_length(const struct load_file *file)
{
	const uint8_t *d = file->data;
	bool wide = d[4] == 2;
	uint64_t table = wide ? get64(d + 32) : get32(d + 28);
	uint64_t sections = wide ? get64(d + 40) : get32(d + 32);
	uint64_t entry = get16(d + (wide ? 54 : 42)), count = get16(d + (wide ? 56 : 44));
	uint64_t section = get16(d + (wide ? 58 : 46)), more = get16(d + (wide ? 60 : 48));
	uint64_t end = end_of(sections, section * more);

	if (entry < (wide ? 56u : 32u) || table > file->size || count * entry > file->size - table)
		return 0;
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *p = d + table + i * entry;

		end = larger(end, wide ? end_of(get64(p + 8), get64(p + 32))
				       : end_of(get32(p + 4), get32(p + 16)));
	}
	return end;
}

uint64_t load_length(const struct load_file *file)
{
	if (is_bzimage(file))
		return bzimage_length(file);
	return is_elf(file) ? elf_length(file) : 0;
}
