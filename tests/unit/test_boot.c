/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: boot/multiboot.c */
/* What boot loaders leave in memory, of both multiboot versions, good and bad. */
#include "boot/multiboot.h"
#include "tests/unit/unit.h"

/* "Physical memory": addresses are offsets from BASE. Its end is the end of
 * what can be read. */
#define BASE 0x10000u
#define SIZE 0x8000u

static uint8_t *memory;
static uint32_t used;
static struct boot_info info;

static const void *at(uint64_t addr, uint64_t size)
{
	if (addr < BASE || addr - BASE > SIZE || size > SIZE - (addr - BASE))
		return NULL;
	return memory + (addr - BASE);
}

static void start(void)
{
	/* Its own allocation: reads beyond it are noticed. */
	free(memory);
	memory = calloc(1, SIZE);
	used = 0;
}

static void put(const void *data, size_t bytes)
{
	memcpy(memory + used, data, bytes);
	used += (uint32_t)bytes;
}

static void put32(uint32_t value)
{
	put(&value, 4);
}

static void put64(uint64_t value)
{
	put(&value, 8);
}

/* Begins a tag; end_tag fills in its size. */
static uint32_t tag_at;

static void begin_tag(uint32_t type)
{
	used = (used + 7) & ~7u;
	tag_at = used;
	put32(type);
	put32(0);
}

static void end_tag(void)
{
	uint32_t size = used - tag_at;

	memcpy(memory + tag_at + 4, &size, 4);
}

static void put_string(const char *string)
{
	put(string, strlen(string) + 1);
}

static void module2(uint32_t start_at, uint32_t end, const char *string)
{
	begin_tag(3);
	put32(start_at);
	put32(end);
	put_string(string);
	end_tag();
}

static void start2(void)
{
	start();
	put32(0);
	put32(0);
}

static const char *finish2(void)
{
	begin_tag(0);
	end_tag();
	memcpy(memory, &used, 4);
	return multiboot_parse(MULTIBOOT2_MAGIC, BASE, at, &info);
}

static void test_multiboot2(void **state)
{
	(void)state;
	start2();
	begin_tag(1);
	put_string("console=serial  quiet");
	end_tag();
	begin_tag(2);
	put_string("GRUB 2.06");
	end_tag();
	begin_tag(77); /* unknown */
	put("xyz", 3);
	end_tag();
	begin_tag(6);
	put32(24);
	put32(0);
	static const uint64_t map[][3] = {{0, 0x9fc00, 1},          {0xf0000, 0x10000, 2},
					  {0x100000, 0x1000000, 1}, {0x1100000, 0x1000000, 1},
					  {0x2100000, 0, 1},        {0x2100000, 0x1000, 3},
					  {~0ull - 5, 100, 1},      {1ull << 32, 1ull << 33, 1}};
	for (unsigned i = 0; i < 8; i++) {
		put64(map[i][0]);
		put64(map[i][1]);
		put64(map[i][2]);
	}
	end_tag();
	module2(0x200000, 0x234567, "dom0.elf ip=dhcp  x=\"y z\"");
	module2(0x300000, 0x300000, "");
	module2(0x400000, 0x400001, " guests.xml");
	begin_tag(8);
	put64(0xe0000000);
	put32(4096);
	put32(1024);
	put32(768);
	put("\x20\x01\0\0", 4);
	end_tag();
	begin_tag(15);
	put("RSD PTR 123456789012345678901234567890", 36);
	end_tag();
	begin_tag(14);
	put("RSD PTR !!!!!!!!!!!!!!!", 20);
	end_tag();
	assert_null(finish2());
	assert_string_equal(info.cmdline, "console=serial  quiet");
	assert_string_equal(info.loader, "GRUB 2.06");
	/* Neighbours of one type are one range; empty and wrapping ones are none. */
	assert_int_equal(info.ranges, 5);
	assert_int_equal(info.range[2].base, 0x100000);
	assert_int_equal(info.range[2].size, 0x2000000);
	assert_int_equal(info.range[3].type, 3);
	assert_int_equal(info.range[4].size, 1ull << 33);
	assert_int_equal(info.modules, 3);
	assert_string_equal(info.module[0].name, "dom0.elf");
	assert_string_equal(info.module[0].cmdline, "ip=dhcp  x=\"y z\"");
	assert_int_equal(info.module[0].base, 0x200000);
	assert_int_equal(info.module[0].size, 0x34567);
	assert_string_equal(info.module[1].name, "");
	assert_string_equal(info.module[1].cmdline, "");
	assert_int_equal(info.module[1].size, 0);
	assert_string_equal(info.module[2].name, "guests.xml");
	assert_int_equal(info.fb.addr, 0xe0000000);
	assert_int_equal(info.fb.pitch, 4096);
	assert_int_equal(info.fb.width, 1024);
	assert_int_equal(info.fb.height, 768);
	assert_int_equal(info.fb.bpp, 32);
	assert_int_equal(info.rsdp_size, 36);
	assert_memory_equal(info.rsdp, "RSD PTR 1234", 12);
}

static void bad2(const char *why)
{
	const char *said = finish2();

	assert_non_null(said);
	assert_string_equal(said, why);
}

static void test_multiboot2_bad(void **state)
{
	uint32_t size;

	(void)state;
	static const uint32_t bad_sizes[] = {0, 1, 7, 0x7fffffff, 0xffffffff, 0xfffffff8, SIZE};
	for (unsigned i = 0; i < 7; i++) {
		start2();
		begin_tag(1);
		put_string("x");
		memcpy(memory + tag_at + 4, &bad_sizes[i], 4);
		bad2("a tag of impossible size");
	}
	/* No end tag; total sizes that lie. */
	static const uint32_t totals[] = {0, 8, 15, 16 + 7, 24};
	for (unsigned i = 0; i < 5; i++) {
		start2();
		begin_tag(1);
		put_string("abcdefg");
		end_tag();
		memcpy(memory, &totals[i], 4);
		assert_string_equal(multiboot_parse(MULTIBOOT2_MAGIC, BASE, at, &info),
				    totals[i] == 23 ? "a tag of impossible size" : "no end tag");
	}
	start2();
	size = 0xffffffff;
	memcpy(memory, &size, 4);
	assert_string_equal(multiboot_parse(MULTIBOOT2_MAGIC, BASE, at, &info),
			    "unbelievably long");
	size = SIZE + 1;
	memcpy(memory, &size, 4);
	assert_string_equal(multiboot_parse(MULTIBOOT2_MAGIC, BASE, at, &info), "unreadable");
	assert_string_equal(multiboot_parse(MULTIBOOT2_MAGIC, 0, at, &info), "unreadable");
	assert_string_equal(multiboot_parse(0, BASE, at, &info),
			    "not started by a multiboot loader");

	/* Strings need no end; the tag's is enough. */
	start2();
	begin_tag(2);
	put("abc", 3);
	end_tag();
	assert_null(finish2());
	assert_string_equal(info.loader, "abc");

	/* A name that ends with its tag; a string that just fits. */
	start2();
	begin_tag(3);
	put32(1);
	put32(2);
	put("abc", 3);
	end_tag();
	memory[used] = 'x'; /* padding */
	assert_null(finish2());
	assert_string_equal(info.module[0].name, "abc");
	for (unsigned length = BOOT_TEXT - 1; length <= BOOT_TEXT; length++) {
		start2();
		begin_tag(2);
		for (unsigned i = 0; i < length; i++)
			put("z", 1);
		end_tag();
		assert_int_equal(!finish2(), length < BOOT_TEXT);
	}

	start2();
	begin_tag(3);
	put32(1);
	end_tag();
	bad2("broken module");
	start2();
	module2(5, 4, "x");
	bad2("a module ends before it begins");
	start2();
	for (unsigned i = 0; i < BOOT_MODULES + 1; i++)
		module2(i, i, "m");
	bad2("too many modules");
	start2();
	for (unsigned i = 0; i < 3; i++) {
		begin_tag(2);
		for (unsigned j = 0; j < 4000; j++)
			put("y", 1);
		end_tag();
	}
	bad2("the boot loader's strings are too long");
	for (uint32_t entry = 0; entry < 24; entry++) {
		start2();
		begin_tag(6);
		put32(entry);
		put32(0);
		put64(1);
		put64(1);
		put64(1);
		end_tag();
		bad2("broken memory map");
	}
	start2();
	begin_tag(6);
	put32(0xffffffff);
	put32(0);
	put64(1);
	end_tag();
	assert_null(finish2());
	assert_int_equal(info.ranges, 0);
	start2();
	begin_tag(6);
	put32(24);
	put32(0);
	for (unsigned i = 0; i <= BOOT_RANGES; i++) {
		put64(i * 2);
		put64(1);
		put64(1);
	}
	end_tag();
	bad2("the memory map has too many entries");

	/* Framebuffers that are none. */
	static const struct {
		uint64_t addr;
		uint32_t pitch, width, height;
		uint8_t bpp, type;
	} fbs[] = {
		{0xe0000000, 4096, 1024, 768, 32, 0},   {0xe0000000, 4096, 1024, 768, 32, 7},
		{0xe0000000, 4095, 1024, 768, 32, 1},   {0xe0000000, 4096, ~0u, 768, 32, 1},
		{~0ull - 4096, 4096, 1024, 768, 32, 1}, {0, 4096, 1024, 768, 32, 1},
	};
	for (unsigned i = 0; i < 6; i++) {
		start2();
		begin_tag(8);
		put64(fbs[i].addr);
		put32(fbs[i].pitch);
		put32(fbs[i].width);
		put32(fbs[i].height);
		put(&fbs[i].bpp, 1);
		put(&fbs[i].type, 1);
		end_tag();
		assert_null(finish2());
		assert_int_equal(info.fb.addr, 0);
	}
}

/* Multiboot 1: the information first, strings and lists where they fall. */
static uint32_t info1[29];

static uint32_t string1(const char *string)
{
	uint32_t addr = BASE + used;

	put_string(string);
	return addr;
}

static const char *finish1(void)
{
	uint32_t addr = BASE + used;

	put(info1, sizeof(info1));
	return multiboot_parse(MULTIBOOT1_MAGIC, addr, at, &info);
}

static void modules1(const char *const *strings, unsigned n)
{
	uint32_t module[64][4];

	for (unsigned i = 0; i < n; i++) {
		module[i][0] = 0x100000 * (i + 1);
		module[i][1] = module[i][0] + 0x1234;
		module[i][2] = strings[i] ? string1(strings[i]) : 0;
		module[i][3] = 0;
	}
	info1[0] |= 1 << 3;
	info1[5] = n;
	info1[6] = BASE + used;
	put(module, n * 16);
}

static void start1(const char *loader, const char *cmdline)
{
	start();
	memset(info1, 0, sizeof(info1));
	info1[0] = 1 << 9 | 1 << 2;
	info1[16] = string1(loader);
	info1[4] = string1(cmdline);
}

static void test_multiboot1(void **state)
{
	static const char *const qemu[] = {"build/dom0.elf", "a/b/x.bin name arg1 arg2", "plain",
					   NULL, "dir/"};
	static const char *const grub[] = {"dom0.elf ip=dhcp", "x/y"};

	(void)state;
	start1("qemu", "build/sampo.elf32 one two");
	modules1(qemu, 5);
	info1[0] |= 1 << 6;
	info1[12] = BASE + used;
	info1[11] = 2 * 24 + 28;
	put32(20);
	put64(0x100000);
	put64(0x7f00000);
	put32(1);
	put32(24); /* a longer entry */
	put64(0x8000000);
	put64(0x1000);
	put32(2);
	put32(0xdddddddd);
	put32(20);
	put64(1ull << 32);
	put64(1ull << 30);
	put32(1);
	assert_null(finish1());
	assert_string_equal(info.loader, "qemu");
	assert_string_equal(info.cmdline, "one two");
	assert_int_equal(info.modules, 5);
	assert_string_equal(info.module[0].name, "dom0.elf");
	assert_string_equal(info.module[0].cmdline, "");
	assert_string_equal(info.module[1].name, "name");
	assert_string_equal(info.module[1].cmdline, "arg1 arg2");
	assert_int_equal(info.module[1].base, 0x200000);
	assert_int_equal(info.module[1].size, 0x1234);
	assert_string_equal(info.module[2].name, "plain");
	assert_string_equal(info.module[3].name, "");
	assert_string_equal(info.module[4].name, "");
	assert_int_equal(info.ranges, 3);
	assert_int_equal(info.range[1].type, BOOT_RESERVED);
	assert_int_equal(info.range[2].base, 1ull << 32);
	assert_int_equal(info.fb.addr, 0);
	assert_int_equal(info.rsdp_size, 0);

	start1("GRUB 2.06", "one two");
	modules1(grub, 2);
	assert_null(finish1());
	assert_string_equal(info.cmdline, "one two");
	assert_string_equal(info.module[0].name, "dom0.elf");
	assert_string_equal(info.module[0].cmdline, "ip=dhcp");
	assert_string_equal(info.module[1].name, "x/y");
	assert_int_equal(info.ranges, 0);
}

static void test_multiboot1_bad(void **state)
{
	static const char *const one[] = {"m"};
	static const uint32_t sizes[] = {0, 19, 21, 0xffffffff, 0xfffffffc};

	(void)state;
	start1("qemu", "x");
	info1[16] = 3;
	assert_string_equal(finish1(), "the boot loader's strings are too long");
	start1("qemu", "x");
	modules1(one, 1);
	info1[5] = 0xffffffff;
	assert_string_equal(finish1(), "broken list of modules");
	start1("qemu", "x");
	info1[0] |= 1 << 6;
	info1[11] = SIZE * 2;
	info1[12] = BASE;
	assert_string_equal(finish1(), "unreadable memory map");
	for (unsigned i = 0; i < 5; i++) {
		start1("qemu", "x");
		info1[0] |= 1 << 6;
		info1[11] = 24;
		info1[12] = BASE + used;
		put32(sizes[i]);
		put64(0);
		put64(1);
		put32(1);
		assert_string_equal(finish1(), "broken memory map");
	}
	assert_string_equal(multiboot_parse(MULTIBOOT1_MAGIC, BASE + SIZE - 100, at, &info),
			    "unreadable");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_multiboot2),
		cmocka_unit_test(test_multiboot2_bad),
		cmocka_unit_test(test_multiboot1),
		cmocka_unit_test(test_multiboot1_bad),
	};
	int failed = cmocka_run_group_tests_name("boot", tests, NULL, NULL);

	free(memory);
	return failed;
}
