/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/boot_mark.c */
/* The mark for GRUB, on a device that is an array. */
#include "guests/dom0/storage/boot_mark.h"

#include "guests/dom0/storage/transfer.h"
#include "tests/unit/unit.h"

#define SECTORS 16u

static uint8_t media[SECTORS * BLK_SECTOR];
static struct blkdev device = {.name = "sda1", .sectors = SECTORS};
static unsigned writes, flushes, ends;
static enum transfer_kind failing;
static bool fails;

struct blkdev *blk_find(const char *path)
{
	return strcmp(path, "/dev/sda1") ? NULL : &device;
}

const char *blk_claim(struct blkdev *dev, const char *user)
{
	if (dev->user)
		return "sda1 is in use by a guest";
	dev->user = user;
	return NULL;
}

void blk_unclaim(struct blkdev *dev)
{
	dev->user = NULL;
}

void transfer_start(struct transfer *t)
{
	if (fails && t->kind == failing) {
		t->done(t, false);
		return;
	}
	assert_true(t->offset + t->bytes <= sizeof(media));
	if (t->kind == TRANSFER_READ)
		memcpy(t->data, media + t->offset, t->bytes);
	if (t->kind == TRANSFER_WRITE)
		memcpy(media + t->offset, t->data, t->bytes);
	writes += t->kind == TRANSFER_WRITE;
	flushes += t->kind == TRANSFER_FLUSH;
	t->done(t, true);
}

static void ended(void)
{
	ends++;
}

/* The block as GRUB pads it, at sector 3. */
static void put(const char *text)
{
	memset(media, 0xaa, sizeof(media));
	memset(media + 3 * BLK_SECTOR, '#', BOOT_MARK_BYTES);
	memcpy(media + 3 * BLK_SECTOR, text, strlen(text));
	writes = flushes = 0;
	device.user = NULL;
}

static void run(const char *cmdline)
{
	unsigned before = ends;

	boot_mark(cmdline, ended);
	assert_int_equal(ends, before + 1);
}

#define TRIED "# GRUB Environment Block\nsampo_state=try\nother=1\n"

static void test_marks(void **state)
{
	static uint8_t expected[sizeof(media)];

	(void)state;
	put("# GRUB Environment Block\nsampo_state=ran\nother=1\n");
	memcpy(expected, media, sizeof(media));
	put(TRIED);
	run("ip=off boot-mark=/dev/sda1,3");
	assert_memory_equal(media, expected, sizeof(media));
	assert_int_equal(writes, 1);
	assert_int_equal(flushes, 1);
	assert_null(device.user);
}

static void test_leaves_all_else(void **state)
{
	static const char *const blocks[] = {
		"# GRUB Environment Block\nsampo_state=new\n",
		"# GRUB Environment Block\nxsampo_state=try\n",
		"# GRUB Environment Block\nsampo_state=try",
		"#!GRUB Environment Block\nsampo_state=try\n",
		"",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		put(blocks[i]);
		run("boot-mark=/dev/sda1,3");
		assert_int_equal(writes, 0);
		assert_null(device.user);
	}
}

static void test_words(void **state)
{
	static const char *const words[] = {
		"",
		"xboot-mark=/dev/sda1,3",
		"boot-mark=",
		"boot-mark=/dev/sda1",
		"boot-mark=/dev/sda1,",
		"boot-mark=,3",
		"boot-mark=/dev/sda1,3x",
		"boot-mark=/dev/sda1,-3",
		"boot-mark=/dev/sda2,3",
		"boot-mark=/dev/sda1,15",
		"boot-mark=/dev/sda1,4",
		"boot-mark=/dev/sda1,36028797018963971",
		"boot-mark=/dev/sda1,18446744073709551619",
		"boot-mark=/dev/disk/by-partuuid/0123456789012345678901234567890123456789/longer,3",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		put(TRIED);
		run(words[i]);
		assert_int_equal(writes, 0);
	}
}

static void test_users_and_errors(void **state)
{
	(void)state;
	put(TRIED);
	device.user = "a guest";
	run("boot-mark=/dev/sda1,3");
	assert_int_equal(writes, 0);
	assert_string_equal(device.user, "a guest");
	fails = true;
	for (failing = TRANSFER_READ; failing <= TRANSFER_FLUSH; failing++) {
		put(TRIED);
		run("boot-mark=/dev/sda1,3");
		assert_int_equal(writes, failing == TRANSFER_FLUSH);
		assert_null(device.user);
	}
	fails = false;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_leaves_all_else),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_users_and_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
