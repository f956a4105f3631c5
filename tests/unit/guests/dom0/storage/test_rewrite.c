/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/image.c guests/dom0/storage/qcow2_format.c guests/dom0/storage/qcow2_io.c */
/* sources: guests/dom0/storage/qcow2_cache.c guests/dom0/storage/qcow2_map.c guests/dom0/storage/qcow2_alloc.c */
/* sources: guests/dom0/storage/qcow2_commit.c guests/dom0/storage/qcow2_write.c guests/dom0/storage/qcow2_inflate.c */
/* sources: guests/dom0/storage/qcow2_rewrite.c guests/dom0/storage/qcow2_replace.c guests/dom0/storage/qcow2_snapshot.c */
/* sources: guests/dom0/storage/transfer.c drivers/block/block.c drivers/block/claim.c drivers/block/request.c */
/* sources: drivers/block/scan.c drivers/block/gpt.c drivers/block/mbr.c */
/* libs: zlib */
/*
 * Images whose metadata are written anew: those that were left dirty, and those with snapshots.
 * QEMU's tools make them, check what has become of them, and read each snapshot; the power goes at
 * any write.
 */
#include "tests/unit/guests/dom0/storage/image_disk.h"

#define SIZE   (1u << 20)
#define DEVICE (4u << 20)

bool image_can_grow(const struct blkdev *dev)
{
	(void)dev;
	return false;
}

void image_grow(struct qcow2 *qcow2, uint64_t bytes)
{
	(void)qcow2;
	(void)bytes;
}

void image_grow_stop(struct image *image)
{
	(void)image;
}

static const char *const options[] = {
	"cluster_size=65536,lazy_refcounts=on",
	"cluster_size=4096,lazy_refcounts=on",
	"cluster_size=512,lazy_refcounts=on",
	"cluster_size=2048,refcount_bits=64,lazy_refcounts=on",
	"cluster_size=16384,refcount_bits=8,lazy_refcounts=on",
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

/* The content of the file as QEMU sees it; `snapshot` may be NULL. */
static void qemu_reads(const char *name, const char *snapshot, uint8_t *to)
{
	FILE *f;

	if (snapshot)
		must("qemu-img convert -f qcow2 -l snapshot.name=%s -O raw %s out.raw", snapshot,
		     name);
	else
		must("qemu-img convert -f qcow2 -O raw %s out.raw", name);
	f = fopen(file("out.raw"), "rb");
	assert_non_null(f);
	assert_int_equal(fread(to, 1, SIZE, f), SIZE);
	fclose(f);
}

static void put_disk(const char *name)
{
	add_disk(0, name, DEVICE);
	load_disk(&disks[0], name);
}

/* The disk as a cut before entry `cut` may leave it; `keep` of 256 later sectors last. */
static void cut_at(unsigned cut, unsigned keep)
{
	unsigned flushed = 0;

	for (unsigned i = entries; i-- > 0;)
		if (!journal[i].flush)
			memcpy(disks[0].media + journal[i].sector * BLK_SECTOR, journal[i].before,
			       BLK_SECTOR);
	for (unsigned i = 0; i < cut; i++)
		if (journal[i].flush)
			flushed = i;
	for (unsigned i = 0; i < cut; i++)
		if (!journal[i].flush && (i < flushed || random_below(256) < keep))
			memcpy(disks[0].media + journal[i].sector * BLK_SECTOR, journal[i].after,
			       BLK_SECTOR);
}

static bool is_dirty(void)
{
	return disks[0].media[QCOW2_AT_INCOMPAT + 7] & 1;
}

/* QEMU ends without a word in the middle of its writes. */
static void make_dirty(const char *option)
{
	must("qemu-img create -f qcow2 -o %s a.qcow2 %u", option, SIZE);
	must("qemu-io -c 'write -P 1 0 300k' -c 'write -P 2 500k 64k' a.qcow2");
	must("qemu-img snapshot -c one a.qcow2");
	run("qemu-io -c 'write -P 3 100k 100k' -c 'write -P 4 700k 200k' -c 'discard 512k 64k' "
	    "-c 'write -P 5 513k 3k' -c flush -c abort a.qcow2");
}

static void test_dirty(void **state)
{
	static uint8_t expected[SIZE], snapshot[SIZE], got[SIZE];

	(void)state;
	for (unsigned i = 0; i < OPTIONS; i++) {
		struct image *image;

		make_dirty(options[i]);
		assert_int_not_equal(run("qemu-img check -f qcow2 a.qcow2"), 0);
		must("cp a.qcow2 right.qcow2; qemu-img check -r all -f qcow2 right.qcow2 || true");
		qemu_reads("right.qcow2", NULL, expected);
		qemu_reads("right.qcow2", "one", snapshot);
		put_disk("a.qcow2");
		assert_true(is_dirty());
		/* A reader needs no counts. */
		at_once = true;
		image = open_on(&disks[0].dev, false);
		assert_int_equal(image->state, IMAGE_OPEN);
		close_image(image);
		assert_int_equal(disks[0].writes, 0);
		at_once = i % 2;
		entries = 0;
		recorded = &disks[0];
		image = open_on(&disks[0].dev, true);
		recorded = NULL;
		assert_int_equal(image->state, IMAGE_OPEN);
		assert_int_equal(request(image->dev, BLK_READ, 0, 256, got), BLK_OK);
		assert_memory_equal(got, expected, 256 * BLK_SECTOR);
		close_image(image);
		for (unsigned c = 0; c <= entries; c += 1 + entries / 12) {
			cut_at(c, c % 2 ? 128 : 256);
			save_disk(&disks[0], "b.qcow2");
			if (is_dirty())
				run("qemu-img check -r all -f qcow2 b.qcow2");
			must("qemu-img check -f qcow2 b.qcow2");
			qemu_reads("b.qcow2", NULL, got);
			assert_memory_equal(got, expected, SIZE);
		}
		cut_at(entries, 256);
		image = open_on(&disks[0].dev, true);
		/* What it writes then, lands on clusters that nobody has. */
		memset(got, 0x99, 65536);
		assert_int_equal(request(image->dev, BLK_WRITE, 1, 100, got), BLK_OK);
		close_image(image);
		save_disk(&disks[0], "b.qcow2");
		must("qemu-img check -f qcow2 b.qcow2");
		qemu_reads("b.qcow2", NULL, got);
		assert_memory_equal(got + 101 * BLK_SECTOR, expected + 101 * BLK_SECTOR,
				    SIZE - 101 * BLK_SECTOR);
		qemu_reads("b.qcow2", "one", got);
		assert_memory_equal(got, snapshot, SIZE);
		remove_disks();
	}
}

/* Clusters and blocks that lie nowhere, and an end in the middle of the work. */
static void test_damaged(void **state)
{
	struct image *image;
	struct stat status;
	const char *wrong;
	bool is_open;
	uint64_t l1;

	(void)state;
	make_dirty(options[1]);
	put_disk("a.qcow2");
	l1 = qcow2_get(disks[0].media + 40, 8);
	qcow2_put(disks[0].media + l1, 8, QCOW2_COPIED | (1ull << 40));
	image = open_on(&disks[0].dev, true);
	assert_int_equal(image->state, IMAGE_FAILED);
	assert_non_null(strstr(image->why, "qemu-img check -r all"));
	close_image(image);
	remove_disks();
	put_disk("a.qcow2");
	at_once = false;
	image = image_open(&disks[0].dev, "guest", true, opened, &is_open, &wrong);
	for (unsigned i = 0; i < 20; i++)
		assert_true(turn());
	close_image(image);
	assert_null(disks[0].dev.user);
	save_disk(&disks[0], "b.qcow2");
	must("qemu-img check -r all -f qcow2 b.qcow2 || true; qemu-img check -f qcow2 b.qcow2");
	remove_disks();
	/* No room: the image stays as it is. */
	must("qemu-img create -f qcow2 -o %s a.qcow2 2M", options[1]);
	run("qemu-io -c 'write 0 1500k' -c flush -c abort a.qcow2");
	must("truncate -s %%4096 a.qcow2");
	assert_int_equal(stat(file("a.qcow2"), &status), 0);
	add_disk(0, "a.qcow2", (uint64_t)status.st_size);
	load_disk(&disks[0], "a.qcow2");
	at_once = true;
	image = open_on(&disks[0].dev, true);
	assert_int_equal(image->state, IMAGE_FAILED);
	assert_non_null(strstr(image->why, "no room"));
	close_image(image);
	assert_true(is_dirty());
	remove_disks();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dirty),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
