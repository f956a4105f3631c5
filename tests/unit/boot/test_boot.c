/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: boot/multiboot.c */
/* What boot loaders leave in memory, good and bad. */
#include "boot/multiboot.h"
#include "tests/unit/unit.h"

/* "Physical memory": addresses are offsets from BASE. Its end is the end of
 * what can be read. */
#define BASE 0x10000u
#define SIZE 0x40000u

static uint8_t *memory;
static uint32_t used;
static struct boot_info info;

static void *at(uint64_t addr, uint64_t size)
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
	used = 8; /* the size of all, and nothing */
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

static void module(uint32_t start_at, uint32_t end, const char *string)
{
	begin_tag(3);
	put32(start_at);
	put32(end);
	put_string(string);
	end_tag();
}

static const char *finish(void)
{
	begin_tag(0);
	end_tag();
	memcpy(memory, &used, 4);
	return multiboot_parse(MULTIBOOT2_MAGIC, BASE, at, &info);
}

/* All that a walk finds, which ends. */
#define MANY 3000u

static struct boot_range range[2 * MANY];
static struct boot_module loaded[MANY];
static unsigned ranges, modules;

static void look(void)
{
	struct boot_place place = {0};

	for (ranges = 0; boot_next_range(&info, &place, &range[ranges]); ranges++)
		assert_true(ranges + 1 < 2 * MANY);
	place = (struct boot_place){0};
	for (modules = 0; boot_next_module(&info, &place, &loaded[modules]); modules++)
		assert_true(modules + 1 < MANY);
}

static void test_multiboot2(void **state)
{
	(void)state;
	start();
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
	module(0x200000, 0x234567, "dom0.elf ip=dhcp  x=\"y z\"");
	module(0x300000, 0x300000, "");
	module(0x400000, 0x400001, " guests.xml");
	begin_tag(8);
	put64(0xe0000000);
	put32(4096);
	put32(1024);
	put32(768);
	put("\x20\x01\0\0", 4);
	end_tag();
	assert_null(finish());
	assert_string_equal(info.cmdline, "console=serial  quiet");
	assert_string_equal(info.loader, "GRUB 2.06");
	look();
	assert_int_equal(ranges, 8 + BOOT_OWN + 3);
	assert_int_equal(range[2].base, 0x100000);
	assert_int_equal(range[2].size, 0x1000000);
	assert_int_equal(range[5].type, 3);
	assert_int_equal(range[6].size, 0); /* it wraps around */
	assert_int_equal(range[7].size, 1ull << 33);
	/* In use: the information itself, the modules. */
	assert_int_equal(range[8 + BOOT_TOLD].base, BASE);
	assert_int_equal(range[8 + BOOT_TOLD].size, used);
	assert_int_equal(range[8 + BOOT_OWN].base, 0x200000);
	assert_int_equal(range[8 + BOOT_OWN].size, 0x34567);
	for (unsigned i = 8; i < ranges; i++)
		assert_int_equal(range[i].type, i == 8 + BOOT_IMAGE ? 0 : BOOT_RESERVED);
	assert_int_equal(modules, 3);
	assert_string_equal(loaded[0].name, "dom0.elf");
	assert_string_equal(loaded[0].cmdline, "ip=dhcp  x=\"y z\"");
	assert_int_equal(loaded[0].base, 0x200000);
	assert_int_equal(loaded[0].size, 0x34567);
	assert_string_equal(loaded[1].name, "");
	assert_string_equal(loaded[1].cmdline, "");
	assert_int_equal(loaded[1].size, 0);
	assert_string_equal(loaded[2].name, "guests.xml");
	assert_int_equal(info.fb.addr, 0xe0000000);
	assert_int_equal(info.fb.pitch, 4096);
	assert_int_equal(info.fb.width, 1024);
	assert_int_equal(info.fb.height, 768);
	assert_int_equal(info.fb.bpp, 32);
	assert_int_equal(info.rsdp[0], 0);
}

static void rsdp(uint32_t type, const char *data, size_t bytes)
{
	begin_tag(type);
	put(data, bytes);
	end_tag();
}

static void test_rsdp(void **state)
{
	static const char one[36] = "RSD PTR 111111111111";
	static const char two[] = "RSD PTR 2222222222222222222222222222";

	(void)state;
	start();
	rsdp(14, one, 20);
	assert_null(finish());
	assert_memory_equal(info.rsdp, one, 36);
	start();
	rsdp(14, one, 20);
	rsdp(15, two, 36);
	assert_null(finish());
	assert_memory_equal(info.rsdp, two, 36);
	start();
	rsdp(15, two, 37); /* a later version could be longer */
	rsdp(14, one, 20);
	assert_null(finish());
	assert_memory_equal(info.rsdp, two, 36);
	assert_string_equal(info.cmdline, "");
	start();
	rsdp(15, two, 0);
	assert_null(finish());
	assert_int_equal(info.rsdp[0], 0);
}

static void bad(const char *why)
{
	const char *said = finish();

	assert_non_null(said);
	assert_string_equal(said, why);
}

static void test_multiboot2_bad(void **state)
{
	uint32_t size;

	(void)state;
	static const uint32_t bad_sizes[] = {0, 1, 7, 0x7fffffff, 0xffffffff, 0xfffffff8, SIZE};
	for (unsigned i = 0; i < 7; i++) {
		start();
		begin_tag(1);
		put_string("x");
		memcpy(memory + tag_at + 4, &bad_sizes[i], 4);
		bad("a tag of impossible size");
	}
	/* No end tag; total sizes that lie. */
	static const uint32_t totals[] = {0, 8, 15, 16 + 7, 24};
	for (unsigned i = 0; i < 5; i++) {
		start();
		begin_tag(1);
		put_string("abcdefg");
		end_tag();
		memcpy(memory, &totals[i], 4);
		assert_string_equal(multiboot_parse(MULTIBOOT2_MAGIC, BASE, at, &info),
				    totals[i] == 23 ? "a tag of impossible size" : "no end tag");
	}
	start();
	size = 0xffffffff;
	memcpy(memory, &size, 4);
	assert_string_equal(multiboot_parse(MULTIBOOT2_MAGIC, BASE, at, &info),
			    "unbelievably long");
	size = SIZE + 1;
	memcpy(memory, &size, 4);
	assert_string_equal(multiboot_parse(MULTIBOOT2_MAGIC, BASE, at, &info), "unreadable");
	assert_string_equal(multiboot_parse(MULTIBOOT2_MAGIC, 0, at, &info), "unreadable");
	assert_string_equal(multiboot_parse(0, BASE, at, &info),
			    "not started by a Multiboot 2 loader");

	/* Strings that do not end with their tags. */
	for (unsigned length = 0; length < 4; length += 3) {
		start();
		begin_tag(1);
		put("abc", length);
		end_tag();
		bad("a command line without an end");
		start();
		begin_tag(2);
		put("abc", length);
		end_tag();
		bad("a loader's name without an end");
		start();
		begin_tag(3);
		put32(1);
		put32(2);
		put("abc", length);
		end_tag();
		bad("broken module");
	}

	/* What follows the end of the name is the command line, and nothing of another tag. */
	start();
	begin_tag(3);
	put32(1);
	put32(2);
	put("abc\0de\0", 7);
	end_tag();
	module(3, 4, "abc ");
	assert_null(finish());
	look();
	assert_int_equal(modules, 2);
	assert_string_equal(loaded[0].name, "abc");
	assert_string_equal(loaded[0].cmdline, "de");
	assert_string_equal(loaded[1].name, "abc");
	assert_string_equal(loaded[1].cmdline, "");

	start();
	begin_tag(3);
	put32(1);
	end_tag();
	bad("broken module");
	start();
	module(5, 4, "x");
	bad("a module ends before it begins");
	for (uint32_t entry = 0; entry < 24; entry++) {
		start();
		begin_tag(6);
		put32(entry);
		put32(0);
		put64(1);
		put64(1);
		put64(1);
		end_tag();
		bad("broken memory map");
	}
	start();
	begin_tag(6);
	put32(0xffffffff);
	put32(0);
	put64(1);
	end_tag();
	assert_null(finish());
	assert_int_equal(info.ranges, 0);

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
		start();
		begin_tag(8);
		put64(fbs[i].addr);
		put32(fbs[i].pitch);
		put32(fbs[i].width);
		put32(fbs[i].height);
		put(&fbs[i].bpp, 1);
		put(&fbs[i].type, 1);
		end_tag();
		assert_null(finish());
		assert_int_equal(info.fb.addr, 0);
	}
}

/* Memory alone bounds both: 1,000 guests have as many modules. */
static void test_many(void **state)
{
	char string[32];

	(void)state;
	start();
	begin_tag(6);
	put32(24);
	put32(0);
	for (unsigned i = 0; i < MANY / 2; i++) {
		put64(i * 0x1000);
		put64(0x800);
		put64(i % 2 + 1);
	}
	end_tag();
	for (unsigned i = 0; i < MANY - 1; i++) {
		snprintf(string, sizeof(string), "guest-%u.xml word=%u", i, i);
		module(i * 0x1000, i * 0x1000 + i, string);
	}
	assert_null(finish());
	look();
	assert_int_equal(ranges, MANY / 2 + BOOT_OWN + MANY - 1);
	assert_int_equal(range[MANY / 2 - 1].base, (MANY / 2 - 1) * 0x1000);
	assert_int_equal(modules, MANY - 1);
	for (unsigned i = 0; i < modules; i++) {
		snprintf(string, sizeof(string), "guest-%u.xml", i);
		assert_string_equal(loaded[i].name, string);
		snprintf(string, sizeof(string), "word=%u", i);
		assert_string_equal(loaded[i].cmdline, string);
		assert_int_equal(loaded[i].size, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_multiboot2),
		cmocka_unit_test(test_rsdp),
		cmocka_unit_test(test_multiboot2_bad),
		cmocka_unit_test(test_many),
	};
	int failed = cmocka_run_group_tests_name("boot", tests, NULL, NULL);

	free(memory);
	return failed;
}
