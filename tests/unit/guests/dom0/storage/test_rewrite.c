/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/image.c guests/dom0/storage/qcow2_format.c guests/dom0/storage/qcow2_io.c */
/* sources: guests/dom0/storage/qcow2_cache.c guests/dom0/storage/qcow2_map.c guests/dom0/storage/qcow2_alloc.c */
/* sources: guests/dom0/storage/qcow2_commit.c guests/dom0/storage/qcow2_write.c guests/dom0/storage/qcow2_inflate.c */
/* sources: guests/dom0/storage/qcow2_rewrite.c guests/dom0/storage/qcow2_replace.c guests/dom0/storage/qcow2_snapshot.c */
/* sources: guests/dom0/storage/transfer.c drivers/block/block.c drivers/block/claim.c drivers/block/request.c */
/* sources: drivers/block/scan.c drivers/block/gpt.c drivers/block/mbr.c */
/* sources: guests/dom0/storage/qcow2_unpack.c guests/dom0/storage/qcow2_zstd.c */
/* libs: zlib zstd */
/*
 * Images whose metadata are written anew: those that were left dirty, and those with snapshots.
 * QEMU's tools make them, check what has become of them, and read each snapshot; the power goes at
 * any write.
 */
#include "tests/unit/guests/dom0/storage/image_disk.h"

#define SIZE   (1u << 20)
#define DEVICE (8u << 20)

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
	for (unsigned i = 0; i < OPTIONS; i += stride(3)) {
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
		for (unsigned c = 0; c <= entries; c += 1 + stride(4) * entries / 12) {
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

/* --- snapshots ----------------------------------------------------------------------------------
 */

#define KEPT 4u

/* Snapshots by name, and what each of them has. */
static struct kept {
	char name[16];
	uint8_t content[SIZE];
} kept[KEPT + 1];
static unsigned kepts;
static uint8_t content[SIZE]; /* of the disk */
static const char *failure;
static bool ended;

static void rewritten(struct qcow2_rewrite *rewrite, const char *wrong)
{
	(void)rewrite;
	failure = wrong;
	ended = true;
}

/* Returns the reason why it has failed, or NULL. */
static const char *change(enum qcow2_rewrite_kind kind, const char *name,
			  struct qcow2_rewrite *rewrite)
{
	*rewrite = (struct qcow2_rewrite){
		.below = &disks[0].dev,
		.kind = kind,
		.unix_ns = 1790000000123456789ull,
		.done = rewritten,
	};
	snprintf(rewrite->name, sizeof(rewrite->name), "%s", name);
	ended = false;
	qcow2_rewrite_start(rewrite);
	run_loop();
	assert_true(ended);
	return failure;
}

static void change_well(enum qcow2_rewrite_kind kind, const char *name)
{
	struct qcow2_rewrite rewrite;

	if (change(kind, name, &rewrite))
		fail_msg("%s: %s", name, failure);
	qcow2_rewrite_free(&rewrite);
}

/* QEMU lists these snapshots and no others, on lines behind two of headings in the log, if there
 * are any. */
static bool lists_kept(void)
{
	static char list[16384];
	unsigned lines = 0;
	FILE *f;

	must("qemu-img snapshot -l b.qcow2");
	f = fopen(file("log"), "r");
	assert_non_null(f);
	list[fread(list, 1, sizeof(list) - 1, f)] = 0;
	fclose(f);
	for (const char *at = list; (at = strchr(at, '\n')); at++)
		lines++;
	for (unsigned i = 0; i < kepts; i++) {
		char word[sizeof(kept[0].name) + 3];

		snprintf(word, sizeof(word), " %s ", kept[i].name);
		if (!strstr(list, word))
			return false;
	}
	return lines == (kepts ? kepts + 2 : 0);
}

/* QEMU reads the disk and all snapshots, and finds nothing wrong. */
static bool is_right(void)
{
	static uint8_t got[SIZE];

	save_disk(&disks[0], "b.qcow2");
	must("qemu-img check -f qcow2 b.qcow2");
	qemu_reads("b.qcow2", NULL, got);
	if (memcmp(got, content, SIZE) != 0 || !lists_kept())
		return false;
	for (unsigned i = 0; i < kepts; i++) {
		qemu_reads("b.qcow2", kept[i].name, got);
		if (memcmp(got, kept[i].content, SIZE) != 0)
			return false;
	}
	return true;
}

static void guest_writes(void)
{
	static uint8_t data[200 * BLK_SECTOR];
	struct image *image = open_on(&disks[0].dev, true);

	assert_int_equal(image->state, IMAGE_OPEN);
	for (unsigned i = 0; i < 12; i++) {
		uint32_t n = 1 + (uint32_t)random_below(200);
		uint32_t at = (uint32_t)random_below(SIZE / BLK_SECTOR - n);
		bool zeros = !random_below(4);

		memset(data, zeros ? 0 : (int)(1 + random_below(255)), sizeof(data));
		memcpy(content + at * BLK_SECTOR, data, n * BLK_SECTOR);
		assert_int_equal(
			request(image->dev, zeros ? BLK_WRITE_ZEROES : BLK_WRITE, at, n, data),
			BLK_OK);
	}
	close_image(image);
}

/* After a cut anywhere in the change there is what was or what is to be. */
static void check_cuts(const uint8_t *old_content, const struct kept *old_kept, unsigned old_kepts)
{
	static struct kept new_kept[KEPT + 1];
	static uint8_t new_content[SIZE];
	unsigned new_kepts = kepts, olds = 0, news = 0;

	memcpy(new_kept, kept, sizeof(kept));
	memcpy(new_content, content, SIZE);
	for (unsigned i = 1; i <= 4; i++) {
		unsigned cut = i < 4 ? entries * i / 4 : entries - 1;

		cut_at(cut, i % 2 ? 128 : 256);
		memcpy(kept, old_kept, sizeof(kept));
		memcpy(content, old_content, SIZE);
		kepts = old_kepts;
		if (is_right()) {
			olds++;
			continue;
		}
		memcpy(kept, new_kept, sizeof(kept));
		memcpy(content, new_content, SIZE);
		kepts = new_kepts;
		assert_true(is_right());
		news++;
	}
	assert_true(olds == 3 && news);
	cut_at(entries, 256);
	memcpy(kept, new_kept, sizeof(kept));
	memcpy(content, new_content, SIZE);
	kepts = new_kepts;
}

static void change_with_cuts(enum qcow2_rewrite_kind kind, unsigned which, bool cuts)
{
	static struct kept old_kept[KEPT + 1];
	static uint8_t old_content[SIZE];
	unsigned old_kepts = kepts;

	memcpy(old_kept, kept, sizeof(kept));
	memcpy(old_content, content, SIZE);
	entries = 0;
	recorded = &disks[0];
	change_well(kind, kept[which].name);
	recorded = NULL;
	if (kind == QCOW2_CREATE) {
		memcpy(kept[kepts++].content, content, SIZE);
	} else if (kind == QCOW2_REVERT) {
		memcpy(content, kept[which].content, SIZE);
	} else {
		memmove(&kept[which], &kept[which + 1], (KEPT - which) * sizeof(kept[0]));
		kepts--;
	}
	if (cuts)
		check_cuts(old_content, old_kept, old_kepts);
	assert_true(is_right());
}

/* The same by QEMU. */
static void qemu_changes(const char *option, const char *name)
{
	save_disk(&disks[0], "b.qcow2");
	must("qemu-img snapshot %s %s b.qcow2", option, name);
	load_disk(&disks[0], "b.qcow2");
}

static void test_snapshots(void **state)
{
	static const char *const made[] = {
		"create -f qcow2 -o cluster_size=4096 a.qcow2 1M",
		"create -f qcow2 -o cluster_size=65536,compat=0.10 a.qcow2 1M",
		"convert -c -f raw -O qcow2 -o cluster_size=512 noise a.qcow2",
	};
	unsigned number = 0;
	FILE *f;

	(void)state;
	f = fopen(file("noise"), "wb");
	for (unsigned i = 0; i < SIZE / 8; i++) {
		uint64_t value = random64() & (i / 1024 % 2 ? 0xff : UINT64_MAX);

		assert_int_equal(fwrite(&value, 1, 8, f), 8);
	}
	fclose(f);
	for (unsigned m = 0; m < 3; m += stride(3)) {
		must("qemu-img %s", made[m]);
		qemu_reads("a.qcow2", NULL, content);
		put_disk("a.qcow2");
		kepts = 0;
		at_once = m % 2;
		for (unsigned round = 0; round < 9 / stride(2); round++) {
			unsigned which = kepts ? (unsigned)random_below(kepts) : 0;
			bool cuts = round % 3 == m;

			guest_writes();
			if (round < 2 || !kepts || (kepts < KEPT && !random_below(3))) {
				snprintf(kept[kepts].name, sizeof(kept[0].name), "s%u", number++);
				if (round == 1) {
					qemu_changes("-c", kept[kepts].name);
					memcpy(kept[kepts++].content, content, SIZE);
					assert_true(is_right());
				} else {
					change_with_cuts(QCOW2_CREATE, kepts, cuts);
				}
			} else if (round == 5) {
				qemu_changes("-a", kept[which].name);
				memcpy(content, kept[which].content, SIZE);
				assert_true(is_right());
			} else {
				change_with_cuts(random_below(2) ? QCOW2_REVERT : QCOW2_DELETE,
						 which, cuts);
			}
		}
		while (kepts) {
			if (kepts % 2) {
				change_with_cuts(QCOW2_DELETE, kepts - 1, false);
				continue;
			}
			qemu_changes("-d", kept[kepts - 1].name);
			kepts--;
			assert_true(is_right());
		}
		remove_disks();
	}
}

static void refuses(enum qcow2_rewrite_kind kind, const char *name, const char *why)
{
	struct qcow2_rewrite rewrite;

	assert_non_null(change(kind, name, &rewrite));
	if (!strstr(failure, why))
		fail_msg("\"%s\", not \"%s\"", failure, why);
	qcow2_rewrite_free(&rewrite);
	assert_int_equal(disks[0].writes, 0);
}

/* Names that are there already, or often; tables that are no tables. */
static void test_hostile(void **state)
{
	struct qcow2_rewrite rewrite;
	uint64_t table, l1;

	(void)state;
	at_once = true;
	must("qemu-img create -f qcow2 -o cluster_size=4096 a.qcow2 1M; "
	     "qemu-io -c 'write 0 64k' a.qcow2; "
	     "for i in $(seq 64); do qemu-img snapshot -c same a.qcow2; done; "
	     "qemu-img snapshot -c other a.qcow2");
	put_disk("a.qcow2");
	assert_null(change(QCOW2_LIST, "", &rewrite));
	assert_int_equal(rewrite.snapshots.count, 65);
	assert_int_equal(rewrite.snapshots.one[64].name_bytes, 5);
	assert_memory_equal(rewrite.snapshots.one[64].name, "other", 5);
	qcow2_rewrite_free(&rewrite);
	refuses(QCOW2_CREATE, "same", "there is a snapshot of this name");
	refuses(QCOW2_REVERT, "same", "several snapshots have this name");
	refuses(QCOW2_DELETE, "same", "several snapshots have this name");
	refuses(QCOW2_DELETE, "none", "there is no snapshot of this name");
	table = qcow2_get(disks[0].media + QCOW2_AT_SNAPSHOTS + 4, 8);
	l1 = qcow2_get(disks[0].media + table, 8);
	/* An L1 table that lies nowhere; L2 tables likewise; a count that its width cannot hold. */
	qcow2_put(disks[0].media + table, 8, 1ull << 40);
	refuses(QCOW2_CREATE, "new", "damaged");
	qcow2_put(disks[0].media + table, 8, l1 + 8);
	refuses(QCOW2_CREATE, "new", "snapshot table is broken");
	qcow2_put(disks[0].media + table, 8, l1);
	qcow2_put(disks[0].media + l1, 8, (1ull << 50) | QCOW2_COPIED);
	refuses(QCOW2_CREATE, "new", "damaged");
	/* Entries without an end; more of them than there are. */
	qcow2_put(disks[0].media + table + 36, 4, UINT32_MAX);
	refuses(QCOW2_LIST, "", "snapshot table");
	qcow2_put(disks[0].media + table + 36, 4, 16);
	qcow2_put(disks[0].media + QCOW2_AT_SNAPSHOTS, 4, 1024);
	refuses(QCOW2_LIST, "", "snapshot table");
	qcow2_put(disks[0].media + QCOW2_AT_SNAPSHOTS, 4, 1025);
	refuses(QCOW2_LIST, "", "more than 1024 snapshots");
	remove_disks();
	must("qemu-img create -f qcow2 -o cluster_size=4096,refcount_bits=1 a.qcow2 1M; "
	     "qemu-io -c 'write 0 64k' a.qcow2");
	put_disk("a.qcow2");
	refuses(QCOW2_CREATE, "new", "more references than its counts can hold");
	remove_disks();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dirty),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_snapshots),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
