/* SPDX-License-Identifier: BSD-2-Clause */

#include "kernel/elf.h"

/* ELF-64 Object File Format 1.5, sections 3 and 6. */
struct elf_header {
	uint64_t ident, ident_rest;
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
} __attribute__((packed));

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
} __attribute__((packed));

#define ELF_IDENT 0x00010102464c457full /* magic, 64 bits, little endian, version 1 */
#define ET_EXEC   2
#define EM_X86_64 62
#define PT_LOAD   1

static bool inside(uint64_t start, uint64_t length, uint64_t size)
{
	return start <= size && length <= size - start;
}

static const char *load_segment(const uint8_t *image, size_t size, const struct elf_segment *s,
				const struct elf_target *target, struct elf_loaded *loaded)
{
	uint8_t *to;

	if (s->type != PT_LOAD || !s->memsz)
		return NULL;
	if (s->filesz > s->memsz || !inside(s->offset, s->filesz, size))
		return "a segment lies beyond the end of the file";
	if (s->paddr < target->base || !inside(s->paddr - target->base, s->memsz, target->size))
		return "a segment lies outside the memory for it";
	to = (uint8_t *)target->memory + (s->paddr - target->base);
	__builtin_memcpy(to, image + s->offset, s->filesz);
	__builtin_memset(to + s->filesz, 0, s->memsz - s->filesz);
	if (s->paddr < loaded->low)
		loaded->low = s->paddr;
	if (s->paddr + s->memsz > loaded->high)
		loaded->high = s->paddr + s->memsz;
	return NULL;
}

const char *elf_load(const void *image, size_t size, const struct elf_target *target,
		     struct elf_loaded *loaded)
{
	const struct elf_header *header = image;
	const struct elf_segment *segment;
	const char *why = NULL;

	if (size < sizeof(*header))
		return "shorter than an ELF header";
	if ((header->ident & 0x00ffffffffffffffull) != ELF_IDENT)
		return "not a 64-bit ELF file";
	if (header->type != ET_EXEC || header->machine != EM_X86_64)
		return "not an executable for x86-64";
	if (header->phentsize != sizeof(*segment) ||
	    !inside(header->phoff, header->phnum * sizeof(*segment), size))
		return "broken program headers";
	*loaded = (struct elf_loaded){header->entry, ~0ull, 0};
	segment = (const void *)((const uint8_t *)image + header->phoff);
	for (unsigned i = 0; i < header->phnum && !why; i++)
		why = load_segment(image, size, &segment[i], target, loaded);
	if (!why && (header->entry < loaded->low || header->entry >= loaded->high))
		why = "the entry point is not in a segment";
	return why;
}
