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
 * The power goes while a guest writes to an image. What the disk keeps is all that its last flush
 * covers and any of the later sectors. After each cut qemu-img finds leaks at worst, and a sector
 * has what it had at the guest's last flush or something that the guest has written since.
 */
#include "tests/unit/guests/dom0/storage/image_disk.h"

#define SIZE    (512u << 10)
#define DEVICE  (3u << 20)
#define SECTORS (SIZE / BLK_SECTOR)
#define OPS     70u
#define CUTS    20u

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

/* What the guest has asked for, and where the journal began and ended then. */
static struct op {
	enum blk_op op;
	uint32_t sector, sectors;
	unsigned begin, end;
	uint8_t data[64 * BLK_SECTOR];
} ops[OPS];

static uint8_t base[SIZE], durable[SIZE], found[SIZE];

static void write_file(const char *name, const void *bytes, size_t n)
{
	FILE *f = fopen(file(name), "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static void apply(uint8_t *content, const struct op *op)
{
	size_t bytes = (size_t)op->sectors * BLK_SECTOR;

	if (op->op == BLK_WRITE)
		memcpy(content + op->sector * BLK_SECTOR, op->data, bytes);
	else if (op->op != BLK_FLUSH)
		memset(content + op->sector * BLK_SECTOR, 0, bytes);
}

static void record_ops(struct blkdev *dev, uint32_t cluster)
{
	entries = 0;
	recorded = &disks[0];
	for (unsigned i = 0; i < OPS; i++) {
		struct op *op = &ops[i];
		unsigned what = (unsigned)random_below(10);

		op->op = what < 2    ? BLK_FLUSH
			 : what == 2 ? BLK_WRITE_ZEROES
			 : what == 3 ? BLK_DISCARD
				     : BLK_WRITE;
		op->sectors = 1 + (uint32_t)random_below(64);
		op->sector = (uint32_t)random_below(SECTORS - op->sectors);
		/* A discard does whole clusters. */
		if (op->op == BLK_DISCARD) {
			op->sector -= op->sector % cluster;
			op->sectors = cluster <= 64 ? 64 / cluster * cluster : cluster;
			if (op->sector + op->sectors > SECTORS)
				op->sector = SECTORS - op->sectors;
		}
		if (op->op == BLK_FLUSH)
			op->sector = op->sectors = 0;
		for (size_t b = 0; b < sizeof(op->data); b += 8) {
			uint64_t value = random64();

			memcpy(op->data + b, &value, 8);
		}
		op->begin = entries;
		assert_int_equal(request(dev, op->op, op->sector, op->sectors, op->data), BLK_OK);
		op->end = entries;
	}
	recorded = NULL;
}

static void put_sector(const struct journal_entry *e, const uint8_t *bytes)
{
	if (!e->flush)
		memcpy(disks[0].media + e->sector * BLK_SECTOR, bytes, BLK_SECTOR);
}

/* The disk as a cut before entry `cut` may leave it; `keep` of 256 later sectors last. */
static void cut_at(unsigned cut, unsigned keep)
{
	unsigned flushed = 0;

	for (unsigned i = entries; i-- > 0;)
		put_sector(&journal[i], journal[i].before);
	for (unsigned i = 0; i < cut; i++)
		if (journal[i].flush)
			flushed = i;
	for (unsigned i = 0; i < cut; i++)
		if (i < flushed || random_below(256) < keep)
			put_sector(&journal[i], journal[i].after);
}

static bool may_be(unsigned first, unsigned cut, uint32_t sector)
{
	static uint8_t content[SIZE];

	for (unsigned i = first; i < OPS && ops[i].begin < cut; i++) {
		if (sector < ops[i].sector || sector >= ops[i].sector + ops[i].sectors)
			continue;
		apply(content, &ops[i]);
		if (!memcmp(content + sector * BLK_SECTOR, found + sector * BLK_SECTOR, BLK_SECTOR))
			return true;
	}
	return false;
}

static void check_content(unsigned cut)
{
	unsigned next = 0;

	memcpy(durable, base, SIZE);
	for (unsigned i = 0; i < OPS; i++)
		if (ops[i].op == BLK_FLUSH && ops[i].end <= cut)
			next = i + 1;
	for (unsigned i = 0; i < next; i++)
		apply(durable, &ops[i]);
	for (uint32_t s = 0; s < SECTORS; s++)
		if (memcmp(durable + s * BLK_SECTOR, found + s * BLK_SECTOR, BLK_SECTOR) != 0 &&
		    !may_be(next, cut, s))
			fail_msg("cut %u of %u: sector %u", cut, entries, s);
}

static unsigned leaks;

static void check_cut(unsigned cut)
{
	FILE *f;
	int status;

	save_disk(&disks[0], "cut.qcow2");
	status = run("qemu-img check -f qcow2 cut.qcow2");
	if (status != 0 && status != 3) {
		must("cat log; true");
		fail_msg("cut %u of %u: qemu-img check ends with %d", cut, entries, status);
	}
	leaks += status == 3;
	must("qemu-img convert -f qcow2 -O raw cut.qcow2 cut.raw");
	f = fopen(file("cut.raw"), "rb");
	assert_non_null(f);
	assert_int_equal(fread(found, 1, SIZE, f), SIZE);
	fclose(f);
	check_content(cut);
}

static void test_cuts(void **state)
{
	static const char *const made[] = {
		"create -f qcow2 -o cluster_size=4096 -b base.raw -F raw a.qcow2 512k",
		"create -f qcow2 -o cluster_size=512 -b base.raw -F raw a.qcow2 512k",
		"convert -c -f raw -O qcow2 -o cluster_size=4096,refcount_bits=8 base.raw a.qcow2",
		"convert -f raw -O qcow2 -o cluster_size=16384 base.raw a.qcow2; "
		"qemu-img snapshot -c s a.qcow2",
	};
	static const uint32_t clusters[] = {8, 1, 8, 32};
	static const unsigned keeps[] = {256, 0, 128};

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		base[i] = (uint8_t)(random64() >> (i / 65536 % 2 ? 60 : 0));
	write_file("base.raw", base, SIZE);
	for (unsigned i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		struct image *image;

		must("qemu-img %s", made[i]);
		add_disk(0, "a.qcow2", DEVICE);
		load_disk(&disks[0], "a.qcow2");
		add_disk(1, "base.raw", SIZE);
		load_disk(&disks[1], "base.raw");
		image = open_on(&disks[0].dev, true);
		assert_int_equal(image->state, IMAGE_OPEN);
		record_ops(image->dev, clusters[i]);
		recorded = &disks[0];
		close_image(image);
		recorded = NULL;
		for (unsigned c = 0; c <= CUTS; c += stride(7)) {
			cut_at(entries * c / CUTS, keeps[c % 3]);
			check_cut(entries * c / CUTS);
		}
		/* Just before a flush the most is at stake. */
		for (unsigned e = 0; e < entries; e++) {
			if (!journal[e].flush || e % stride(4))
				continue;
			cut_at(e, 64 + (unsigned)random_below(128));
			check_cut(e);
		}
		cut_at(entries, 256);
		save_disk(&disks[0], "cut.qcow2");
		must("qemu-img check -f qcow2 cut.qcow2");
		remove_disks();
	}
	assert_true(leaks);
	free(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
