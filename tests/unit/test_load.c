/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/load/load.c guests/dom0/load/elf.c guests/dom0/load/bzimage.c */
/* sources: guests/dom0/load/pvh.c guests/dom0/load/multiboot1.c guests/dom0/load/multiboot2.c */
/* sources: guests/dom0/load/real.c guests/dom0/load/place.c guests/dom0/load/registers.c */
/* sources: guests/dom0/vm_memory.c */
/* The loaders, with files made by hand: right ones and broken ones. */
#include "tests/unit/unit.h"

#include "guests/lib/guest.h"
#include "tests/unit/load_mock.h"

#define MOCK_RAM_BYTES (16u << 20)

static uint8_t file[65536];
static uint64_t file_size;

static int start(void **state)
{
	uint8_t *memory = malloc(MOCK_RAM_BYTES);

	(void)state;
	/* A pattern, so that what was cleared can be seen. */
	memset(memory, 0xa5, MOCK_RAM_BYTES);
	load_prepare(memory, MOCK_RAM_BYTES);
	memset(file, 0, sizeof(file));
	file_size = sizeof(file);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free(load_vm.ram);
	memset(mock_files, 0, sizeof(mock_files));
	return 0;
}

static void put16(uint8_t *p, uint16_t value)
{
	memcpy(p, &value, 2);
}

static const char *run(void)
{
	mock_files[0] = (struct mock_file){"kernel", file, file_size};
	return load_guest(&load);
}

static void loads(void)
{
	const char *error = run();

	if (error)
		fail_msg("%s", error);
}

static void refused(const char *words)
{
	const char *error = run();

	assert_non_null(error);
	if (!strstr(error, words))
		fail_msg("'%s' is not in '%s'", words, error);
}

static uint8_t *ram(uint64_t address)
{
	return load_vm.ram + address;
}

static void add_initrd(const char *name, const char *arguments, const void *data, uint64_t size)
{
	uint32_t n = load_config.initrds++;

	strcpy(load_config.initrd[n], name);
	strcpy(load_config.initrd_args[n], arguments);
	mock_files[n + 1] = (struct mock_file){name, data, size};
}

/* --- ELF files --- */

#define TEXT_AT 0x1000u

/* A header and one segment with 16 bytes "0123456789abcdef" and 16 of bss. */
static void make_elf32(uint32_t address, uint32_t entry)
{
	memcpy(file, "\177ELF\1\1\1", 7);
	put16(file + 16, 2);
	put16(file + 18, 3);
	put32(file + 24, entry);
	put32(file + 28, 52);
	put16(file + 42, 32);
	put16(file + 44, 1);
	put32(file + 52, 1);
	put32(file + 56, TEXT_AT);
	put32(file + 60, 0xc0000000); /* virtual: not what counts */
	put32(file + 64, address);
	put32(file + 68, 16);
	put32(file + 72, 32);
	memcpy(file + TEXT_AT, "0123456789abcdef", 16);
	file_size = TEXT_AT + 16;
}

static void make_elf64(uint64_t address, uint64_t entry, unsigned segments)
{
	memcpy(file, "\177ELF\2\1\1", 7);
	put16(file + 16, 2);
	put16(file + 18, 62);
	put64(file + 24, entry);
	put64(file + 32, 64);
	put16(file + 54, 56);
	put16(file + 56, (uint16_t)segments);
	put32(file + 64, 1);
	put64(file + 72, TEXT_AT);
	put64(file + 88, address);
	put64(file + 96, 16);
	put64(file + 104, 32);
	memcpy(file + TEXT_AT, "0123456789abcdef", 16);
	file_size = TEXT_AT + 16;
}

static void add_pvh_note(uint32_t entry)
{
	uint8_t *header = file + 64 + 56, *note = file + 0x800;

	put32(header, 4);
	put64(header + 8, 0x800);
	put64(header + 32, 40);
	/* another note first, with a name that needs padding */
	put32(note, 3);
	put32(note + 4, 1);
	put32(note + 8, 18);
	memcpy(note + 12, "GN", 3);
	put32(note + 20, 4);
	put32(note + 24, 4);
	put32(note + 28, 18);
	memcpy(note + 32, "Xen", 4);
	put32(note + 36, entry);
}

static void check_image(uint64_t address)
{
	static const uint8_t zeros[16];

	assert_memory_equal(ram(address), "0123456789abcdef", 16);
	assert_memory_equal(ram(address + 16), zeros, 16);
	assert_int_equal(*ram(address + 32), 0xa5);
}

static void check_protected(uint64_t entry)
{
	assert_int_equal(load_regs.rip, entry);
	assert_int_equal(load_regs.cr0, 0x11);
	assert_int_equal(load_regs.efer, 0);
	assert_int_equal(load_regs.rflags, 2);
	assert_int_equal(load_regs.seg[SAMPO_CS].attrib, 0xc9b);
	assert_int_equal(load_regs.seg[SAMPO_SS].limit, 0xffffffff);
}

static void test_pvh(void **state)
{
	const struct hvm_start_info *info;
	const struct hvm_module *module;
	const struct hvm_memmap_entry *map;

	(void)state;
	make_elf64(0x200000, 0x1234, 2);
	add_pvh_note(0x200010);
	strcpy(load_config.cmdline, "one two");
	add_initrd("i", "", "initrd!", 7);
	loads();
	check_image(0x200000);
	check_protected(0x200010);
	info = (const void *)ram(load_regs.gpr[SAMPO_RBX]);
	assert_int_equal(info->magic, HVM_START_MAGIC);
	assert_int_equal(info->version, 1);
	assert_int_equal(info->rsdp, 0xe0000);
	assert_string_equal((char *)ram(info->cmdline), "one two");
	assert_int_equal(info->modules, 1);
	module = (const void *)ram(info->module_list);
	assert_int_equal(module->size, 7);
	assert_int_equal(module->address % 4096, 0);
	assert_memory_equal(ram(module->address), "initrd!", 7);
	assert_int_equal(info->memmap_entries, 3);
	map = (const void *)ram(info->memmap);
	assert_int_equal(map[0].size, LOW_MEMORY_END);
	assert_int_equal(map[1].type, E820_RESERVED);
	assert_int_equal(map[2].address, 0x100000);
	assert_int_equal(map[2].size, MOCK_RAM_BYTES - 0x100000);
}

static void test_elf_hostile(void **state)
{
	(void)state;
	make_elf64(0x200000, 0x200000, 2);
	add_pvh_note(0x200000);
	put64(file + 88, MOCK_RAM_BYTES - 31);
	refused("not in the guest's memory");
	put64(file + 88, 0xa0000);
	refused("not in the guest's memory");
	put64(file + 88, ~15ull);
	refused("not in the guest's memory");
	put64(file + 88, 0x200000);
	put64(file + 104, ~0ull);
	refused("not in the guest's memory");
	put64(file + 104, 8);
	refused("more in the file than in memory");
	put64(file + 104, 32);
	put64(file + 72, file_size - 15);
	refused("not in the file");
	put64(file + 72, ~0ull);
	refused("not in the file");
	put64(file + 72, TEXT_AT);
	put16(file + 18, 40);
	refused("another CPU");
	put16(file + 18, 62);
	put16(file + 56, 65535);
	refused("segments");
	put16(file + 56, 2);
	put64(file + 32, file_size);
	refused("program header 0 is not in the file");
	put64(file + 32, 64);
	put32(file + 64, 0);
	refused("nothing to load");
}

static void test_no_memory_for_initrd(void **state)
{
	static uint8_t big[MOCK_RAM_BYTES - 0x300000];

	(void)state;
	make_elf64(0x400000, 0, 2);
	add_pvh_note(0x400000);
	add_initrd("i", "", big, sizeof(big));
	refused("no room in memory for the <initrd> files");
}

static void test_missing_files(void **state)
{
	(void)state;
	make_elf64(0x200000, 0x200000, 2);
	add_pvh_note(0x200000);
	add_initrd("there", "", "x", 1);
	strcpy(load_config.initrd[0], "not-there");
	refused("the initrd 'not-there' was not loaded at boot");
	strcpy(load_config.kernel, "other");
	refused("the kernel 'other' was not loaded at boot");
}

/* --- Multiboot --- */

static void add_mb1(uint32_t at, uint32_t flags)
{
	put32(file + at, 0x1badb002);
	put32(file + at + 4, flags);
	put32(file + at + 8, -(0x1badb002 + flags));
}

static void test_multiboot1(void **state)
{
	const uint32_t *info, *module;

	(void)state;
	make_elf32(0x100000, 0x100004);
	add_mb1(0x100, 3);
	strcpy(load_config.cmdline, "a b c");
	add_initrd("first", "x=1", "11", 2);
	add_initrd("second", "", "222", 3);
	loads();
	check_image(0x100000);
	check_protected(0x100004);
	assert_int_equal(load_regs.gpr[SAMPO_RAX], 0x2badb002);
	info = (const void *)ram(load_regs.gpr[SAMPO_RBX]);
	assert_int_equal(info[0], 0x24d);
	assert_int_equal(info[1], 639);
	assert_int_equal(info[2], (MOCK_RAM_BYTES - 0x100000) >> 10);
	assert_string_equal((char *)ram(info[4]), "a b c");
	assert_int_equal(info[5], 2);
	module = (const void *)ram(info[6]);
	assert_int_equal(module[1] - module[0], 2);
	assert_int_equal(module[0] % 4096, 0);
	assert_memory_equal(ram(module[0]), "11", 2);
	assert_string_equal((char *)ram(module[2]), "first x=1");
	assert_int_equal(module[5] - module[4], 3);
	assert_string_equal((char *)ram(module[6]), "second");
	assert_int_equal(info[11], 3 * 24);
	assert_int_equal(*(const uint32_t *)ram(info[12]), 20);
}

/* A load address in low memory, where we would put the information. */
static void test_multiboot1_low(void **state)
{
	(void)state;
	make_elf32(LOW_PLACE + 8, LOW_PLACE + 8);
	add_mb1(0x100, 0);
	loads();
	check_image(LOW_PLACE + 8);
	assert_true(load_regs.gpr[SAMPO_RBX] >= LOW_PLACE + 40);
}

static void test_multiboot1_addresses(void **state)
{
	(void)state;
	memset(file, 0x11, 0x3000);
	file_size = 0x3000;
	add_mb1(0x1000, 0x10000);
	put32(file + 0x100c, 0x150000); /* header */
	put32(file + 0x1010, 0x14ff00); /* load: 256 bytes before it */
	put32(file + 0x1014, 0x150f00); /* load end */
	put32(file + 0x1018, 0x151000); /* bss end */
	put32(file + 0x101c, 0x150020); /* entry */
	loads();
	check_protected(0x150020);
	assert_int_equal(*ram(0x14feff), 0xa5);
	assert_int_equal(*ram(0x14ff00), 0x11);
	assert_int_equal(get32(ram(0x150000)), 0x1badb002);
	assert_int_equal(*ram(0x150eff), 0x11);
	assert_int_equal(*ram(0x150f00), 0);
	assert_int_equal(*ram(0x150fff), 0);
	assert_int_equal(*ram(0x151000), 0xa5);

	put32(file + 0x1010, 0x14e000); /* before the file begins */
	refused("not in the file");
	put32(file + 0x1010, 0x150004); /* after the header */
	refused("not in the file");
	put32(file + 0x1010, 0x14ff00);
	put32(file + 0x1014, 0x159000);
	refused("more than the file has");
	put32(file + 0x1014, 0x100000);
	refused("more than the file has");
	put32(file + 0x1014, 0); /* all of the file */
	put32(file + 0x1018, 0);
	loads();
	put32(file + 0x1018, 0xffffffff);
	refused("not in the guest's memory");
}

static void test_multiboot1_refused(void **state)
{
	(void)state;
	make_elf32(0x100000, 0x100004);
	add_mb1(0x100, 4);
	refused("video mode");
	add_mb1(0x100, 0x80);
	refused("unknown features");
	memset(file, 0, 0x100);
	add_mb1(0x100, 0);
	refused("neither ELF nor");
}

static uint8_t *add_mb2(uint32_t at, uint32_t length)
{
	put32(file + at, 0xe85250d6);
	put32(file + at + 4, 0);
	put32(file + at + 8, length);
	put32(file + at + 12, -(0xe85250d6 + length));
	return file + at + 16;
}

/* The tag of a type in the information that was left in memory. */
static const uint8_t *mb2_tag(uint32_t type)
{
	const uint8_t *info = ram(load_regs.gpr[SAMPO_RBX]);
	uint32_t size = get32(info), at = 8;

	while (at < size && get32(info + at) != type)
		at += (get32(info + at + 4) + 7) & ~7u;
	return at < size ? info + at : NULL;
}

static void test_multiboot2(void **state)
{
	const uint8_t *tag;
	uint8_t *p;

	(void)state;
	make_elf32(0x100000, 0x100004);
	p = add_mb2(0x200, 16 + 16 + 16 + 8);
	put16(p, 1); /* information request: mmap, ACPI */
	put32(p + 4, 16);
	put32(p + 8, 6);
	put32(p + 12, 15);
	put16(p + 16, 3); /* entry */
	put32(p + 20, 12);
	put32(p + 24, 0x10000c);
	put32(p + 36, 8); /* end */
	strcpy(load_config.cmdline, "x y");
	add_initrd("m", "arg", "mod", 3);
	loads();
	check_image(0x100000);
	check_protected(0x10000c);
	assert_int_equal(load_regs.gpr[SAMPO_RAX], 0x36d76289);
	assert_int_equal(load_regs.gpr[SAMPO_RBX] % 8, 0);
	assert_string_equal((const char *)mb2_tag(1) + 8, "x y");
	tag = mb2_tag(3);
	assert_memory_equal(ram(get32(tag + 8)), "mod", 3);
	assert_int_equal(get32(tag + 12) - get32(tag + 8), 3);
	assert_string_equal((const char *)tag + 16, "m arg");
	assert_int_equal(get32(mb2_tag(4) + 12), (MOCK_RAM_BYTES >> 10) - 1024);
	assert_int_equal(get32(mb2_tag(6) + 4), 16 + 3 * 24);
	assert_memory_equal(mb2_tag(14) + 8, "RSD PTR ", 8);
	assert_memory_equal(mb2_tag(15) + 8, "RSD PTR ", 8);
	assert_int_equal(get32(mb2_tag(0) + 4), 8);

	put32(p + 12, 99);
	refused("information 99");
	put16(p + 2, 1); /* optional */
	loads();
	put16(p + 16, 5); /* framebuffer */
	refused("feature 5");
	put16(p + 18, 1);
	loads();
	put32(p + 20, 7);
	refused("tag of 7 bytes");
	put32(p + 20, 0);
	refused("tag of 0 bytes");
	put32(p + 20, 4000);
	refused("tag of 4000 bytes");
	add_mb2(0x200, (uint32_t)file_size);
	refused("cut off");
}

/* --- Linux --- */

static void make_bzimage(uint32_t payload)
{
	file[0x1f1] = 2; /* sectors of set-up */
	put16(file + 0x1fe, 0xaa55);
	file[0x200] = 0xeb;
	file[0x201] = 0x66;
	memcpy(file + 0x202, "HdrS", 4);
	put16(file + 0x206, 0x20f);
	file[0x211] = 1;
	put32(file + 0x22c, 0x7fffffff);
	put32(file + 0x230, 0x200000);
	file[0x234] = 1;
	put32(file + 0x238, 2047);
	put64(file + 0x258, 0x800000);
	put32(file + 0x260, 0x100000);
	memcpy(file + 0x600, "KERNEL", 6);
	file_size = 0x600 + payload;
}

static void test_bzimage(void **state)
{
	const uint8_t *zero_page;
	uint32_t initrd;

	(void)state;
	make_bzimage(0x4000);
	strcpy(load_config.cmdline, "console=ttyS0");
	add_initrd("a", "", "12345", 5);
	add_initrd("b", "", "abc", 3);
	loads();
	check_protected(0x800000);
	assert_memory_equal(ram(0x800000), "KERNEL", 6);
	assert_int_equal(*ram(0x800000 + 0x4000), 0xa5);
	zero_page = ram(load_regs.gpr[SAMPO_RSI]);
	assert_memory_equal(zero_page + 0x202, "HdrS", 4);
	assert_int_equal(zero_page[0x210], 0xff);
	assert_int_equal(get64(zero_page + 0x70), 0xe0000);
	assert_string_equal((char *)ram(get32(zero_page + 0x228)), "console=ttyS0");
	initrd = get32(zero_page + 0x218);
	assert_int_equal(get32(zero_page + 0x21c), 11);
	assert_memory_equal(ram(initrd), "12345\0\0\0abc", 11);
	assert_true(initrd >= 0x900000);
	assert_int_equal(zero_page[0x1e8], 3);
	assert_int_equal(get64(zero_page + 0x2d0 + 40), 0x100000);
	assert_int_equal(load_regs.seg[SAMPO_GDTR].limit, 31);
}

static void test_bzimage_placement(void **state)
{
	(void)state;
	make_bzimage(0x4000);
	put64(file + 0x258, 0x1000000); /* where there is no memory */
	put32(file + 0x260, 0x600000);
	loads();
	check_protected(0x200000); /* its alignment */
	put32(file + 0x260, 0x2000000);
	refused("needs 33 MiB");
	put32(file + 0x260, 0x100000);
	file[0x234] = 0; /* must be where it wants */
	refused("at 1000000");
	put64(file + 0x258, ~0ull);
	refused("at ffffffffffffffff");
}

static void test_bzimage_refused(void **state)
{
	static uint8_t big[8 << 20];

	(void)state;
	make_bzimage(0x4000);
	put16(file + 0x206, 0x200);
	refused("older");
	put16(file + 0x206, 0x20f);
	file[0x211] = 0;
	refused("zImage");
	file[0x211] = 1;
	put32(file + 0x238, 3);
	strcpy(load_config.cmdline, "longer");
	refused("command line of 3 bytes");
	put32(file + 0x238, 2047);
	file[0x1f1] = 255;
	refused("ends in its set-up part");
	file[0x1f1] = 2;
	add_initrd("a", "", big, sizeof(big));
	refused("no room in memory for 8192 KiB");
	load_config.initrds = 0;
	put32(file + 0x22c, 0x8fffff); /* no initrd above */
	load_config.initrds = 1;
	refused("no room");
}

/* --- Real mode --- */

static void test_real_mode(void **state)
{
	(void)state;
	memcpy(file, "\xba\xf8\x03", 3);
	file_size = 100;
	loads();
	assert_int_equal(load_regs.rip, 0x1000);
	assert_int_equal(load_regs.seg[SAMPO_CS].base, 0);
	assert_int_equal(load_regs.cr0 & 1, 0);
	assert_memory_equal(ram(0x1000), "\xba\xf8\x03", 3);

	make_elf32(0x27c10, 0x27c14);
	loads();
	check_image(0x27c10);
	assert_int_equal(load_regs.seg[SAMPO_CS].selector, 0x2000);
	assert_int_equal(load_regs.seg[SAMPO_CS].base, 0x20000);
	assert_int_equal(load_regs.rip, 0x7c14);

	make_elf32(0x100000, 0x100000);
	refused("above 1 MiB");
	memcpy(file, "\x1f\x8b", 2);
	refused("gzip");
}

static void test_raw_too_large(void **state)
{
	static uint8_t big[LOW_MEMORY_END];

	(void)state;
	mock_files[0] = (struct mock_file){"kernel", big, sizeof(big)};
	assert_non_null(strstr(load_guest(&load), "no known format"));
}

/* --- A guest with RAM above 4 GiB --- */

static void test_memory_map_above_4g(void **state)
{
	struct e820 map[E820_ENTRIES];
	struct vm big = {.ram_bytes = 5ull << 30};

	(void)state;
	assert_int_equal(load_memory_map(&big, map), 4);
	assert_int_equal(map[2].address + map[2].size, VM_RAM_BELOW_4G);
	assert_int_equal(map[3].address, 4ull << 30);
	assert_int_equal(map[3].size, 2ull << 30);
	assert_null(vm_mem(&big, VM_RAM_BELOW_4G, 1));
	assert_null(vm_mem(&big, VM_RAM_BELOW_4G - 1, 2));
	assert_ptr_equal(vm_mem(&big, 4ull << 30, 2ull << 30), (void *)VM_RAM_BELOW_4G);
	assert_null(vm_mem(&big, 4ull << 30, (2ull << 30) + 1));
	assert_null(vm_mem(&big, ~0ull, 2));
	assert_null(vm_mem(&big, 0x1000, ~0ull));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pvh),
		TEST(test_elf_hostile),
		TEST(test_no_memory_for_initrd),
		TEST(test_missing_files),
		TEST(test_multiboot1),
		TEST(test_multiboot1_low),
		TEST(test_multiboot1_addresses),
		TEST(test_multiboot1_refused),
		TEST(test_multiboot2),
		TEST(test_bzimage),
		TEST(test_bzimage_placement),
		TEST(test_bzimage_refused),
		TEST(test_real_mode),
		TEST(test_raw_too_large),
		TEST(test_memory_map_above_4g),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
