/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/load/load.c guests/dom0/load/length.c guests/dom0/load/elf.c guests/dom0/load/bzimage.c */
/* sources: guests/dom0/load/pvh.c guests/dom0/load/multiboot1.c guests/dom0/load/multiboot2.c */
/* sources: guests/dom0/load/firmware.c guests/dom0/load/real.c guests/dom0/load/place.c guests/dom0/load/registers.c */
/* sources: guests/dom0/vm/ram.c */
/* The loaders, with files made by hand: right ones and broken ones. */
#include "tests/unit/unit.h"

#include "guests/dom0/machine/pci.h"
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
	assert_int_equal(info->memmap_entries, 5);
	map = (const void *)ram(info->memmap);
	assert_int_equal(map[0].size, LOW_MEMORY_END);
	assert_int_equal(map[1].type, E820_RESERVED);
	assert_int_equal(map[1].address + map[1].size, 0xa0000);
	assert_int_equal(map[2].type, E820_RESERVED);
	assert_int_equal(map[2].address, 0xf0000);
	assert_int_equal(map[3].address, 0x100000);
	assert_int_equal(map[3].size, MOCK_RAM_BYTES - 0x100000);
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
	assert_string_equal((char *)ram(info[4]), "kernel a b c");
	assert_int_equal(info[5], 2);
	module = (const void *)ram(info[6]);
	assert_int_equal(module[1] - module[0], 2);
	assert_int_equal(module[0] % 4096, 0);
	assert_memory_equal(ram(module[0]), "11", 2);
	assert_string_equal((char *)ram(module[2]), "first x=1");
	assert_int_equal(module[5] - module[4], 3);
	assert_string_equal((char *)ram(module[6]), "second");
	assert_int_equal(info[11], 5 * 24);
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
	assert_int_equal(get32(mb2_tag(6) + 4), 16 + 5 * 24);
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
	put32(file + 0x214, 0x100000);
	put32(file + 0x22c, 0x7fffffff);
	put32(file + 0x230, 0x200000);
	file[0x234] = 1;
	put32(file + 0x238, 2047);
	put64(file + 0x258, 0x800000);
	put32(file + 0x260, 0x100000);
	memcpy(file + 0x600, "KERNEL", 6);
	file_size = 0x600 + payload;
}

/* How long a kernel is that lies in a volume. */
static void test_length(void **state)
{
	struct load_file beginning = {file, 4096};

	(void)state;
	make_bzimage(0);
	put32(file + 0x1f4, 1000);
	assert_int_equal(load_length(&beginning), 0x600 + 16000);
	file[0x1f1] = 0; /* stands for 4 */
	assert_int_equal(load_length(&beginning), 5 * 512 + 16000);
	memset(file, 0, 4096);
	assert_int_equal(load_length(&beginning), 0);
	make_elf32(0x100000, 0x100000);
	assert_int_equal(load_length(&beginning), TEXT_AT + 16);
	put32(file + 32, 0x100000); /* sections */
	put16(file + 46, 40);
	put16(file + 48, 10);
	assert_int_equal(load_length(&beginning), 0x100000 + 400);
	put32(file + 28, 5000); /* the program headers are not in the beginning */
	assert_int_equal(load_length(&beginning), 0);
	memset(file, 0, 4096);
	make_elf64(0x100000, 0x100000, 1);
	put64(file + 72, 1 << 20);
	assert_int_equal(load_length(&beginning), (1 << 20) + 16);
	put64(file + 96, UINT64_MAX);
	assert_true(load_length(&beginning) == UINT64_MAX);
	put16(file + 56, 0xffff);
	assert_int_equal(load_length(&beginning), 0);
	memset(file, 0, 4096);
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
	assert_int_equal(zero_page[0x1e8], 5);
	assert_int_equal(get64(zero_page + 0x2d0 + 60), 0x100000);
	assert_int_equal(load_regs.seg[SAMPO_GDTR].limit, 31);
}

static void test_bzimage_placement(void **state)
{
	(void)state;
	make_bzimage(0x4000);
	put64(file + 0x258, 0x1000000); /* where there is no memory */
	put32(file + 0x260, 0x600000);
	refused("a guest with 22 MiB");
	put64(file + 0x258, 0xb00000); /* to the next multiple of its alignment */
	put32(file + 0x260, 0x400000);
	loads();
	check_protected(0xc00000);
	put32(file + 0x260, 0x400001);
	refused("a guest with 17 MiB");
	put64(file + 0x258, 0); /* anywhere */
	loads();
	check_protected(0x200000);
	put32(file + 0x230, 3);
	refused("an alignment of 3");
	file[0x234] = 0; /* must be where it wants */
	refused("runs at 0");
	put64(file + 0x258, 0xffffff);
	refused("runs at ffffff");
	put64(file + 0x258, ~0ull);
	refused("at ffffffffffffffff");
	put16(file + 0x206, 0x209); /* a protocol with neither address nor size */
	loads();
	check_protected(0x100000);
}

static void test_bzimage_refused(void **state)
{
	static uint8_t big[8 << 20];

	(void)state;
	make_bzimage(0x4000);
	put16(file + 0x206, 0x205);
	refused("boot protocol 2.05");
	put16(file + 0x206, 0x20f);
	file[0x211] = 0;
	refused("zImage");
	file[0x211] = 1;
	put32(file + 0x238, 3);
	strcpy(load_config.cmdline, "longer");
	refused("command line of 3 bytes");
	put32(file + 0x238, 2047);
	put32(file + 0x214, 0);
	refused("real mode needs a BIOS");
	put32(file + 0x214, 0x100000);
	put32(file + 0x1f4, 0x401);
	refused("cut off: 17920 of 17936 bytes");
	put32(file + 0x1f4, 0x400);
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
	make_elf32(0x27c10, 0x27c14);
	loads();
	check_image(0x27c10);
	assert_int_equal(load_regs.rip, 0x7c14);
	assert_int_equal(load_regs.seg[SAMPO_CS].selector, 0x2000);
	assert_int_equal(load_regs.seg[SAMPO_CS].base, 0x20000);
	assert_int_equal(load_regs.cr0 & 1, 0);
	put16(file + 16, 3); /* a program that any address suits */
	refused("no kernel");
	make_elf32(0x27c10, 0x27c40);
	refused("begins at 27c40");
	make_elf32(0x100000, 0x100000);
	refused("no kernel");
	make_elf64(0x27c10, 0x27c14, 1);
	refused("no kernel");
}

/* What is no kernel is refused with what it is. */
static void test_unknown(void **state)
{
	static const struct {
		const char *bytes;
		unsigned count, at;
		uint64_t size;
		const char *words;
	} files[] = {
		{"", 0, 0, 0, "it is empty"},
		{"\x1f\x8b", 2, 0, 1000, "gzip"},
		{"MZ", 2, 0, 1000, "an EFI program"},
		{"\xea\x5b\xe0\x00\xf0", 5, 0xfff0, 0x10000, "a firmware image"},
		{"\x90\x90\xe9", 3, 0xfff0, 0x10000, "a firmware image"},
		{"\x55\xaa", 2, 510, 512, "a boot sector"},
		{"\xba\xf8\x03", 3, 0, 100, "none of their headers"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		memset(file, 0, sizeof(file));
		memcpy(file + files[i].at, files[i].bytes, files[i].count);
		file_size = files[i].size;
		refused(files[i].words);
	}
	memset(file, 'x', 100);
	strcpy((char *)file, "<domain type='kvm'>\n");
	file[20] = '\n';
	file_size = 100;
	refused("a text");
}

static const char *run_firmware(uint64_t size)
{
	load_config.kernel[0] = 0;
	strcpy(load_config.firmware, "bios");
	mock_files[0] = (struct mock_file){"bios", file, size};
	return load_guest(&load);
}

/* Firmware is ROM, with a copy of its end below 1 MiB; the CPU begins as after a reset. */
static void test_firmware(void **state)
{
	(void)state;
	memset(file, 'f', sizeof(file));
	memcpy(file + 0xfff0, "\xea\x5b\xe0\x00\xf0", 5);
	assert_null(run_firmware(sizeof(file)));
	assert_ptr_equal(mock_rom, file);
	assert_int_equal(mock_rom_bytes, sizeof(file));
	assert_memory_equal(ram(0xf0000), file, sizeof(file));
	assert_int_equal(*ram(0xeffff), 0xa5);
	assert_int_equal(load_regs.rip, 0xfff0);
	assert_int_equal(load_regs.seg[SAMPO_CS].base, 0xffff0000);
	/* Software that goes on behind a reset finds the memory as it has left it. */
	load_state.cmos.reg[0x0f] = 5;
	*ram(0xf0000) = 'g';
	assert_null(run_firmware(sizeof(file)));
	assert_int_equal(*ram(0xf0000), 'g');
}

static void test_no_firmware(void **state)
{
	(void)state;
	memset(file, 0, sizeof(file));
	assert_non_null(strstr(run_firmware(sizeof(file)), "no jump"));
	assert_non_null(strstr(run_firmware(0), "it has 0 bytes"));
	assert_non_null(strstr(run_firmware(4096), "it has 4096 bytes"));
	assert_non_null(strstr(run_firmware(sizeof(file) - 1), "it has 65535 bytes"));
	assert_non_null(strstr(run_firmware(17 << 20), "more than 16"));
	memset(mock_files, 0, sizeof(mock_files));
	assert_non_null(strstr(load_guest(&load), "the firmware 'bios' was not loaded"));
}

/* An empty file is a module like others. */
static void test_empty_module(void **state)
{
	const uint32_t *info, *module;

	(void)state;
	make_elf32(0x100000, 0x100004);
	add_mb1(0x100, 0);
	add_initrd("first", "", "11", 2);
	add_initrd("nothing", "", "", 0);
	loads();
	info = (const void *)ram(load_regs.gpr[SAMPO_RBX]);
	module = (const void *)ram(info[6]);
	assert_int_equal(info[5], 2);
	assert_int_equal(module[1] - module[0], 2);
	assert_int_equal(module[5], module[4]);
	assert_string_equal((char *)ram(module[6]), "nothing");
	make_bzimage(0x4000);
	load_config.initrds = 2;
	loads();
	assert_int_equal(get32(ram(load_regs.gpr[SAMPO_RSI]) + 0x21c), 4);
}

/* --- Refused, or it runs: over sizes of memory, truncations and fields of the headers --- */

static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % below;
}

/* A number of the kind that breaks arithmetic, or a likely one. */
static uint64_t strange(void)
{
	static const uint64_t list[] = {0,          1,          0xf,        0x1000,
					0x9fc00,    0xa0000,    0xfffff,    0x100000,
					0x200000,   0x1000000,  0x7fffffff, 0xffffffff,
					1ull << 32, 1ull << 63, ~0ull,      0xfff000};

	return any(3) ? list[any(16)] : (uint64_t)any(1u << 25);
}

static bool disjoint(uint64_t a, uint64_t size_a, uint64_t b, uint64_t size_b)
{
	return a + size_a <= b || b + size_b <= a;
}

/* The kernel finds itself whole where it runs, memory for all of itself, and its initrd beside it.
 */
static void check_linux(const uint8_t *data, uint64_t bytes)
{
	const uint8_t *zero_page = ram(load_regs.gpr[SAMPO_RSI]);
	uint64_t setup = ((data[0x1f1] ? data[0x1f1] : 4) + 1) * 512u, at = load_regs.rip, run = at;
	uint64_t size = bytes - setup, align = get32(data + 0x230), need = get32(data + 0x260);
	uint64_t initrd = get32(zero_page + 0x218), initrd_bytes = get32(zero_page + 0x21c);

	assert_true(get16(data + 0x206) >= 0x206 && data[0x211] & 1 && get32(data + 0x214));
	assert_true(bytes >= setup + get32(data + 0x1f4) * 16ull);
	if (get16(data + 0x206) < 0x20a)
		need = size;
	else if (run < get64(data + 0x258) || !data[0x234])
		run = get64(data + 0x258);
	if (data[0x234])
		assert_int_equal(at % align, 0);
	assert_true(at >= 0x100000 && at + size <= load_vm.ram_bytes);
	assert_true(run >= 0x100000 && run + need <= load_vm.ram_bytes);
	assert_memory_equal(ram(at), data + setup, size);
	assert_int_equal(initrd_bytes, load_config.initrds ? 5000 : 0);
	assert_true(initrd + initrd_bytes <= load_vm.ram_bytes);
	assert_true(!initrd_bytes || initrd + initrd_bytes - 1 <= get32(data + 0x22c));
	assert_true(!initrd_bytes || disjoint(initrd, initrd_bytes, run, need));
	assert_true(!initrd_bytes || disjoint(initrd, initrd_bytes, at, size));
}

static void mutate_linux(void)
{
	static const uint16_t fields[] = {0x1f1, 0x1f4, 0x206, 0x211, 0x214,
					  0x22c, 0x230, 0x234, 0x258, 0x260};
	uint32_t n = any(4);

	make_bzimage(0x800 + any(0x4000));
	put32(file + 0x1f4, (uint32_t)((file_size - 0x600) / 16));
	for (uint32_t i = 0; i < n; i++) {
		uint16_t field = fields[any(10)];
		uint64_t value = strange();

		memcpy(file + field, &value,
		       field == 0x258                     ? 8
		       : field >= 0x214 && field != 0x234 ? 4
							  : 1);
	}
	if (!any(3))
		file_size -= any((uint32_t)file_size);
}

static void test_linux_refused_or_runs(void **state)
{
	unsigned ran = 0;

	(void)state;
	add_initrd("initrd", "", file, 5000);
	for (unsigned i = 0; i < 20000; i++) {
		load_vm.ram_bytes = (1 + any(8)) << 21;
		load_config.initrds = any(2);
		mutate_linux();
		if (run())
			continue;
		if (is_bzimage(&load.kernel)) {
			check_linux(file, file_size);
			ran++;
		}
	}
	assert_true(ran > 1000);
	load_vm.ram_bytes = MOCK_RAM_BYTES;
}

/* The entry and all that a segment has in the file are there, and nothing lies on it. */
static void check_elf(uint64_t entry, uint64_t info)
{
	uint64_t physical = get32(file + 52 + 12), bytes = get32(file + 52 + 16);

	assert_true(entry >= physical && entry < physical + get32(file + 52 + 20));
	assert_true(physical + get32(file + 52 + 20) <= load_vm.ram_bytes);
	assert_memory_equal(ram(physical), file + get32(file + 52 + 4), bytes);
	assert_true(disjoint(info, 64, physical, get32(file + 52 + 20)));
	assert_true(info + 64 <= load_vm.ram_bytes);
}

static void test_elf_refused_or_runs(void **state)
{
	static const uint16_t fields[] = {16, 18, 24, 28, 42, 44, 52, 56, 60, 64, 68, 72};
	unsigned ran = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t n = any(3), kind = any(3);

		load_vm.ram_bytes = (1 + any(8)) << 21;
		memset(file, 0, 0x1000);
		make_elf32(0x100000 * (1 + any(4)), 0x100000 + any(64));
		if (kind == 1)
			add_mb1(0x100, any(2) * 3);
		else if (kind == 2)
			put32(add_mb2(0x200, 24) + 4, 8);
		for (uint32_t k = 0; k < n; k++) {
			uint32_t value = (uint32_t)strange();

			memcpy(file + fields[any(12)], &value, any(2) ? 2 : 4);
		}
		if (!any(3))
			file_size -= any((uint32_t)file_size);
		if (run() || kind == 0 || load_regs.gpr[SAMPO_RAX] == 0)
			continue;
		/* one segment alone, as it was made: where it says */
		if (get32(file + 28) != 52 || get16(file + 44) != 1 || get16(file + 42) != 32)
			continue;
		check_elf(load_regs.rip, load_regs.gpr[SAMPO_RBX]);
		ran++;
	}
	assert_true(ran > 500);
	load_vm.ram_bytes = MOCK_RAM_BYTES;
}

/* --- A guest with RAM above 4 GiB --- */

static void test_memory_map_above_4g(void **state)
{
	struct e820 map[E820_ENTRIES];
	struct vm big = {.ram_bytes = 5ull << 30};

	(void)state;
	assert_int_equal(load_memory_map(&big, map), 6);
	assert_int_equal(map[3].address + map[3].size, VM_RAM_BELOW_4G);
	assert_int_equal(map[4].address, PCI_ECAM_BASE);
	assert_int_equal(map[4].size, PCI_ECAM_SIZE);
	assert_int_equal(map[4].type, E820_RESERVED);
	assert_int_equal(map[5].address, 4ull << 30);
	assert_int_equal(map[5].size, 2ull << 30);
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
		TEST(test_length),
		TEST(test_bzimage),
		TEST(test_bzimage_placement),
		TEST(test_bzimage_refused),
		TEST(test_real_mode),
		TEST(test_unknown),
		TEST(test_empty_module),
		TEST(test_firmware),
		TEST(test_no_firmware),
		TEST(test_linux_refused_or_runs),
		TEST(test_elf_refused_or_runs),
		TEST(test_memory_map_above_4g),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
