/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/first_pool.c */
/* The pool of the first start: from which partition it is built, and when it is not. */
#include "guests/dom0/storage/first_pool.h"

#include "guests/dom0/storage/change.h"
#include "tests/unit/unit.h"

static struct blkdev disk = {.name = "sda"};
static struct blkdev boot = {.name = "sda1", .parent = &disk, .part_label = "sampo-boot"};
static struct blkdev data = {.name = "sda2", .parent = &disk, .part_label = "sampo-data"};
static struct blkdev twin = {.name = "sdb1", .parent = &disk, .part_label = "twin"};
static struct blkdev other = {.name = "sdc1", .parent = &disk, .part_label = "twin"};
static struct pool there;
static const struct blkdev *built_of;
static const char *refusal;
static unsigned ends;

struct blkdev *blk_first(void)
{
	disk.next = &boot;
	boot.next = &data;
	data.next = &twin;
	twin.next = &other;
	return &disk;
}

struct pool *pool_named(const char *name)
{
	return strcmp(name, "there") ? NULL : &there;
}

const char *change_build(const char *name, struct blkdev *const *dev, unsigned devices,
			 bool overwrite, change_done *done)
{
	assert_string_equal(name, "data");
	assert_int_equal(devices, 1);
	assert_false(overwrite);
	if (refusal)
		return refusal;
	built_of = dev[0];
	done(NULL, "");
	return NULL;
}

static void ended(void)
{
	ends++;
}

static const struct blkdev *run(const char *cmdline)
{
	unsigned before = ends;

	built_of = NULL;
	first_pool(cmdline, ended);
	assert_int_equal(ends, before + 1);
	return built_of;
}

static void test_built(void **state)
{
	(void)state;
	assert_ptr_equal(run("pool=data:sampo-data"), &data);
	assert_ptr_equal(run(" ip=dhcp  pool=data:sampo-boot uplink=eth0"), &boot);
}

static void test_not_built(void **state)
{
	static const char *const words[] = {
		"",
		"ip=dhcp",
		"xpool=data:sampo-data",
		"pool=",
		"pool=data",
		"pool=data:",
		"pool=:sampo-data",
		"pool=there:sampo-data",
		"pool=data:missing",
		"pool=data:twin",
		"pool=data:a-name-that-is-longer-than-the-36-characters-of-gpt",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_null(run(words[i]));
	refusal = "sda2 has a file system (ext)";
	assert_null(run("pool=data:sampo-data"));
	refusal = NULL;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_built),
		cmocka_unit_test(test_not_built),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
