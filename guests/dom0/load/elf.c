/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF files of 32 and 64 bits (System V ABI, chapter 4 and 5). */
#include <string.h>

#include "guests/dom0/load/load.h"

#define PT_LOAD           1u
#define PT_NOTE           4u
#define ET_EXEC           2u
#define EM_386            3u
#define EM_X86_64         62u
#define MAX_SEGMENTS      64u
#define NOTE_PHYS32_ENTRY 18u /* Xen's xen/include/public/elfnote.h */

/* A program header of either class. */
struct segment {
	uint32_t type;
	uint64_t offset, virtual, physical, file_size, memory_size;
};

static bool in_file(const struct load_file *file, uint64_t offset, uint64_t size)
{
	return offset <= file->size && size <= file->size - offset;
}

bool is_elf(const struct load_file *file)
{
	/* Magic, class 1 or 2, little-endian, and room for the header. */
	return file->size >= 64 && !memcmp(file->data, "\177ELF", 4) &&
	       (file->data[4] == 1 || file->data[4] == 2) && file->data[5] == 1;
}

static bool is_64(const struct load_file *file)
{
	return file->data[4] == 2;
}

static unsigned segment_count(const struct load_file *file)
{
	return get16(file->data + (is_64(file) ? 56 : 44));
}

static bool read_segment(const struct load_file *file, unsigned index, struct segment *s)
{
	bool wide = is_64(file);
	uint64_t table = wide ? get64(file->data + 32) : get32(file->data + 28);
	uint64_t size = get16(file->data + (wide ? 54 : 42));
	const uint8_t *p;

	if (size < (wide ? 56u : 32u) || table > file->size ||
	    !in_file(file, table + index * size, size))
		return false;
	p = file->data + table + index * size;
	s->type = get32(p);
	s->offset = wide ? get64(p + 8) : get32(p + 4);
	s->virtual = wide ? get64(p + 16) : get32(p + 8);
	s->physical = wide ? get64(p + 24) : get32(p + 12);
	s->file_size = wide ? get64(p + 32) : get32(p + 16);
	s->memory_size = wide ? get64(p + 40) : get32(p + 20);
	return true;
}

static const char *load_segment(struct load *load, const struct segment *s, unsigned index)
{
	const struct load_file *file = &load->kernel;

	if (s->file_size > s->memory_size)
		return load_fail(load, "ELF segment %u has more in the file than in memory", index);
	if (!in_file(file, s->offset, s->file_size))
		return load_fail(load, "ELF segment %u is not in the file", index);
	if (load_room(load, s->physical, s->memory_size) &&
	    load_copy(load, s->physical, file->data + s->offset, s->file_size) &&
	    load_clear(load, s->physical + s->file_size, s->memory_size - s->file_size))
		return NULL;
	return load_fail(load, "ELF segment %u (%llx, %llu KiB) is not in the guest's memory",
			 index, (unsigned long long)s->physical,
			 (unsigned long long)s->memory_size / 1024);
}

static bool inside(uint64_t address, uint64_t start, uint64_t size)
{
	return address >= start && address - start < size;
}

/* The entry is an address of either kind; the virtual one counts if both are in a segment. */
static void find_entry(struct elf_image *image, const struct segment *s, uint64_t entry,
		       bool *found)
{
	if (inside(entry, s->virtual, s->memory_size) && !*found) {
		image->entry = s->physical + (entry - s->virtual);
		*found = true;
	}
}

bool elf_entry_loaded(const struct load_file *file, uint64_t entry)
{
	struct segment s;

	for (unsigned i = 0; i < segment_count(file); i++)
		if (read_segment(file, i, &s) && s.type == PT_LOAD &&
		    inside(entry, s.physical, s.memory_size))
			return true;
	return false;
}

const char *elf_load(struct load *load, struct elf_image *image)
{
	const struct load_file *file = &load->kernel;
	unsigned count = segment_count(file);
	bool found = false;
	struct segment s;

	image->is_64 = is_64(file);
	image->executable = get16(file->data + 16) == ET_EXEC;
	image->machine = get16(file->data + 18);
	image->entry = image->is_64 ? get64(file->data + 24) : get32(file->data + 24);
	image->low = UINT64_MAX;
	image->high = 0;
	if (image->machine != EM_386 && image->machine != EM_X86_64)
		return load_fail(load, "an ELF file for another CPU (%u)", image->machine);
	if (count > MAX_SEGMENTS)
		return load_fail(load, "an ELF file with %u segments", count);
	for (unsigned i = 0; i < count; i++) {
		const char *error;

		if (!read_segment(file, i, &s))
			return load_fail(load, "ELF program header %u is not in the file", i);
		if (s.type != PT_LOAD || !s.memory_size)
			continue;
		error = load_segment(load, &s, i);
		if (error)
			return error;
		find_entry(image, &s, image->entry, &found);
		if (s.physical < image->low)
			image->low = s.physical;
		if (s.physical + s.memory_size > image->high)
			image->high = s.physical + s.memory_size;
	}
	return image->high ? NULL : load_fail(load, "an ELF file with nothing to load");
}

bool elf_sections(const struct load_file *file, struct elf_sections *sections)
{
	bool wide = is_64(file);

	sections->offset = wide ? get64(file->data + 40) : get32(file->data + 32);
	sections->entry_size = get16(file->data + (wide ? 58 : 46));
	sections->count = get16(file->data + (wide ? 60 : 48));
	sections->names = get16(file->data + (wide ? 62 : 50));
	return sections->count && sections->entry_size == (wide ? 64u : 40u) &&
	       in_file(file, sections->offset, (uint64_t)sections->count * sections->entry_size);
}

/* One note segment: name size, descriptor size, type; both padded to 4. */
static bool search_notes(const uint8_t *p, uint64_t size, uint32_t *entry)
{
	while (size >= 12) {
		uint64_t name = get32(p), value = get32(p + 4);
		uint64_t name_room = (name + 3) & ~3ull;
		uint64_t value_room = (value + 3) & ~3ull;
		const uint8_t *at;

		if (name_room + value > size - 12)
			return false;
		at = p + 12 + name_room;
		if (get32(p + 8) == NOTE_PHYS32_ENTRY && name == 4 && !memcmp(p + 12, "Xen", 4) &&
		    (value == 4 || value == 8)) {
			*entry = get32(at);
			return value == 4 || !get32(at + 4);
		}
		if (name_room + value_room > size - 12)
			return false;
		p += 12 + name_room + value_room;
		size -= 12 + name_room + value_room;
	}
	return false;
}

bool pvh_entry(const struct load_file *file, uint32_t *entry)
{
	struct segment s;

	if (!is_elf(file))
		return false;
	for (unsigned i = 0; i < segment_count(file) && i < MAX_SEGMENTS; i++)
		if (read_segment(file, i, &s) && s.type == PT_NOTE &&
		    in_file(file, s.offset, s.file_size) &&
		    search_notes(file->data + s.offset, s.file_size, entry))
			return true;
	return false;
}
