/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/elf.c */
/* The loader of dom0's image. */
#include <elf.h>

#include "kernel/elf.h"
#include "tests/unit/unit.h"

#define BASE 0x100000ull
#define ROOM 0x10000ull

struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segment[3];
	uint8_t code[256], data[64];
};

static struct image good;
static uint8_t *room;

static void start(void)
{
	memset(&good, 0, sizeof(good));
	memcpy(good.header.e_ident,
	       "\x7f"
	       "ELF\2\1\1",
	       7);
	good.header.e_type = ET_EXEC;
	good.header.e_machine = EM_X86_64;
	good.header.e_phentsize = sizeof(Elf64_Phdr);
	good.header.e_phoff = offsetof(struct image, segment);
	good.header.e_phnum = 3;
	good.header.e_entry = BASE + 0x1010;
	good.segment[0] = (Elf64_Phdr){PT_LOAD,   PF_R | PF_X,   offsetof(struct image, code),
				       0xffff000, BASE + 0x1000, 256,
				       256,       4096};
	good.segment[1] = (Elf64_Phdr){PT_NOTE, 0, ~0ull, 0, 0, ~0ull, 5, 0};
	good.segment[2] = (Elf64_Phdr){PT_LOAD, PF_R | PF_W,   offsetof(struct image, data),
				       0,       BASE + 0x2000, 64,
				       0x1000,  4096};
	memset(good.code, 0xc0, sizeof(good.code));
	memset(good.data, 0xda, sizeof(good.data));
}

static const char *load(size_t size, struct elf_loaded *loaded)
{
	/* Exact allocations: what is touched outside is noticed. Not aligned. */
	uint8_t *copy = malloc(size + 1);
	const char *why;

	memcpy(copy + 1, &good, size < sizeof(good) ? size : sizeof(good));
	free(room);
	room = malloc(ROOM);
	memset(room, 0x55, ROOM);
	why = elf_load(copy + 1, size, &(struct elf_target){room, BASE, ROOM}, loaded);
	free(copy);
	return why;
}

static void test_good(void **state)
{
	struct elf_loaded loaded;

	(void)state;
	start();
	assert_null(load(sizeof(good), &loaded));
	assert_int_equal(loaded.entry, BASE + 0x1010);
	assert_int_equal(loaded.low, BASE + 0x1000);
	assert_int_equal(loaded.high, BASE + 0x3000);
	assert_int_equal(room[0xfff], 0x55);
	assert_int_equal(room[0x1000], 0xc0);
	assert_int_equal(room[0x10ff], 0xc0);
	assert_int_equal(room[0x1100], 0x55);
	assert_int_equal(room[0x203f], 0xda);
	for (unsigned i = 0x2040; i < 0x3000; i++)
		assert_int_equal(room[i], 0);
	assert_int_equal(room[0x3000], 0x55);
	/* To the last byte. */
	good.segment[2].p_paddr = BASE + ROOM - 0x1000;
	assert_null(load(sizeof(good), &loaded));
	assert_int_equal(loaded.high, BASE + ROOM);
	/* From the first one, which is the entry. */
	good.segment[0].p_paddr = good.header.e_entry = BASE;
	assert_null(load(sizeof(good), &loaded));
	assert_int_equal(loaded.low, BASE);
	assert_int_equal(room[0], 0xc0);
}

static void refused(const char *why)
{
	struct elf_loaded loaded;
	const char *said = load(sizeof(good), &loaded);

	assert_non_null(said);
	assert_string_equal(said, why);
	start();
}

static void test_refusals(void **state)
{
	struct elf_loaded loaded;

	(void)state;
	start();
	for (size_t size = 0; size < offsetof(struct image, code); size++)
		assert_non_null(load(size, &loaded));
	for (unsigned i = 0; i < 7; i++) {
		good.header.e_ident[i] ^= 1;
		refused("not a 64-bit ELF file");
	}
	good.header.e_type = ET_DYN;
	refused("not an executable for x86-64");
	good.header.e_machine = EM_386;
	refused("not an executable for x86-64");
	good.header.e_phentsize = 57;
	refused("broken program headers");
	good.header.e_phoff = ~0ull;
	refused("broken program headers");
	good.header.e_phoff = sizeof(good) - 3 * 56 + 1;
	refused("broken program headers");
	good.header.e_phnum = 0xffff;
	refused("broken program headers");
	good.header.e_phnum = 0;
	refused("the entry point is not in a segment");
	good.header.e_entry = BASE + 0x3000;
	refused("the entry point is not in a segment");
	good.header.e_entry = BASE + 0xfff;
	refused("the entry point is not in a segment");
	good.segment[0].p_filesz = 257;
	refused("a segment lies beyond the end of the file");
	good.segment[0].p_offset = sizeof(good) - 255;
	refused("a segment lies beyond the end of the file");
	good.segment[0].p_offset = ~0ull - 10;
	refused("a segment lies beyond the end of the file");
	good.segment[2].p_paddr = BASE + ROOM - 0xfff;
	refused("a segment lies outside the memory for it");
	good.segment[2].p_paddr = BASE - 1;
	refused("a segment lies outside the memory for it");
	good.segment[2].p_memsz = ~0ull;
	refused("a segment lies outside the memory for it");
	good.segment[2].p_paddr = ~0ull - 0xff;
	refused("a segment lies outside the memory for it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_refusals),
	};
	int failed = cmocka_run_group_tests_name("elf", tests, NULL, NULL);

	free(room);
	return failed;
}
