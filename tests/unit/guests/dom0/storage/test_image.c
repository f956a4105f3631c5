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
 * Images that QEMU's tools make are read and written here, and the tools read and check what has
 * become of them. Requests overlap, and end in any order.
 */
#include "tests/unit/guests/dom0/storage/image_disk.h"

#define SIZE    (6u << 20)
#define DEVICE  (32u << 20)
#define SECTORS (SIZE / BLK_SECTOR)

static uint8_t expected[SIZE], got[SIZE];

static bool can_grow;
static uint64_t room; /* bytes that the device may have */

bool image_can_grow(const struct blkdev *dev)
{
	(void)dev;
	return can_grow;
}

void image_grow(struct qcow2 *qcow2, uint64_t bytes)
{
	struct disk *d = qcow2->below->driver;
	uint64_t old = d->dev.sectors * BLK_SECTOR;

	bytes += 65536;
	if (bytes > room) {
		qcow2_grown(qcow2, "the pool has 0 MiB left");
		return;
	}
	d->media = realloc(d->media, bytes);
	memset(d->media + old, 0xee, bytes - old);
	d->dev.sectors = bytes / BLK_SECTOR;
	qcow2_grown(qcow2, NULL);
}

void image_grow_stop(struct image *image)
{
	(void)image;
}

static void fill(uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t value = random64();

		memcpy(at + i, &value, 8);
	}
}

/* What the guest has, as QEMU sees it. */
static void qemu_reads(const char *name, uint8_t *to)
{
	FILE *f;

	must("qemu-img convert -f qcow2 -O raw %s out.raw", name);
	f = fopen(file("out.raw"), "rb");
	assert_non_null(f);
	assert_int_equal(fread(to, 1, SIZE, f), SIZE);
	fclose(f);
}

static void read_all(struct blkdev *dev)
{
	memset(got, 0x55, sizeof(got));
	for (uint32_t at = 0; at < SECTORS;) {
		uint32_t n = 1 + (uint32_t)random_below(200);

		if (n > SECTORS - at)
			n = SECTORS - at;
		assert_int_equal(request(dev, BLK_READ, at, n, got + at * BLK_SECTOR), BLK_OK);
		at += n;
	}
}

static void check_content(struct blkdev *dev)
{
	read_all(dev);
	for (uint32_t s = 0; s < SECTORS; s++)
		if (memcmp(expected + s * BLK_SECTOR, got + s * BLK_SECTOR, BLK_SECTOR) != 0)
			fail_msg("sector %u differs", s);
}

/* A raw file of noise with holes. */
static void make_noise(const char *name, size_t bytes)
{
	uint8_t *noise = calloc(1, bytes);
	FILE *f = fopen(file(name), "wb");

	for (size_t at = 0; at < bytes; at += 65536)
		if (random_below(4))
			fill(noise + at, at + 65536 <= bytes ? 65536 : bytes - at);
	/* Some of it can be compressed, more or less well. */
	memset(noise + bytes / 3, 'x', bytes / 6);
	for (size_t at = bytes / 2; at < bytes / 3 * 2; at++)
		noise[at] = (uint8_t)(random_below(12) ? noise[at - 1 - random_below(40)] : at);
	assert_int_equal(fwrite(noise, 1, bytes, f), bytes);
	fclose(f);
	free(noise);
}

/* Loads a file that QEMU has made onto disk 0 and opens it. */
static struct image *open_file(const char *name, bool writable)
{
	add_disk(0, name, DEVICE);
	load_disk(&disks[0], name);
	return open_on(&disks[0].dev, writable);
}

static const char *const options[] = {
	"cluster_size=65536",
	"cluster_size=65536,compat=0.10",
	"cluster_size=512",
	"cluster_size=2048,refcount_bits=1",
	"cluster_size=4096,refcount_bits=64",
	"cluster_size=2M,lazy_refcounts=on",
	"cluster_size=65536,preallocation=metadata",
	"cluster_size=16384,refcount_bits=8",
	"cluster_size=65536,compression_type=zstd",
	"cluster_size=2M,compression_type=zstd",
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static void test_read(void **state)
{
	(void)state;
	make_noise("noise", SIZE);
	for (unsigned i = 0; i < OPTIONS; i += stride(3))
		for (unsigned packed = 0; packed < 2; packed++) {
			struct image *image;

			if (packed && strstr(options[i], "prealloc"))
				continue;
			must("qemu-img convert -f raw -O qcow2 %s -o %s noise a.qcow2",
			     packed ? "-c" : "", options[i]);
			qemu_reads("a.qcow2", expected);
			for (at_once = false;; at_once = true) {
				image = open_file("a.qcow2", false);
				assert_int_equal(image->state, IMAGE_OPEN);
				check_content(image->dev);
				assert_int_equal(disks[0].writes, 0);
				close_image(image);
				remove_disks();
				if (at_once)
					break;
			}
		}
}

/* Random writes, zeros and discards, eight at a time, on ranges of their own. */
static void change_some(struct blkdev *dev, unsigned rounds)
{
	enum { AT_ONCE = 8 };
	static uint8_t data[AT_ONCE][200 * BLK_SECTOR];
	struct request r[AT_ONCE];
	const uint32_t part = SECTORS / AT_ONCE;

	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < AT_ONCE; i++) {
			uint32_t n = 1 + (uint32_t)random_below(random_below(3) ? 16 : 200);
			uint32_t at = part * i + (uint32_t)random_below(part - n);
			unsigned what = (unsigned)random_below(10);

			if (what == 0) {
				start(&r[i], dev, BLK_FLUSH, 0, 0, NULL);
			} else if (what == 1) {
				start(&r[i], dev, BLK_WRITE_ZEROES, at, n, NULL);
				memset(expected + at * BLK_SECTOR, 0, n * BLK_SECTOR);
			} else if (what == 2) {
				start(&r[i], dev, BLK_READ, at, n, data[i]);
			} else {
				fill(data[i], n * BLK_SECTOR);
				memcpy(expected + at * BLK_SECTOR, data[i], n * BLK_SECTOR);
				start(&r[i], dev, BLK_WRITE, at, n, data[i]);
			}
		}
		run_loop();
		for (unsigned i = 0; i < AT_ONCE; i++) {
			assert_true(r[i].done);
			assert_int_equal(r[i].status, BLK_OK);
		}
	}
}

static void check_file(const char *name)
{
	static uint8_t theirs[SIZE];

	save_disk(&disks[0], name);
	must("qemu-img check -f qcow2 %s", name);
	qemu_reads(name, theirs);
	for (uint32_t s = 0; s < SECTORS; s++)
		if (memcmp(expected + s * BLK_SECTOR, theirs + s * BLK_SECTOR, BLK_SECTOR) != 0)
			fail_msg("%s: QEMU reads sector %u otherwise", name, s);
}

static void test_write(void **state)
{
	(void)state;
	for (unsigned i = 0; i < OPTIONS; i += stride(3))
		for (unsigned filled = 0; filled < 3; filled++) {
			struct image *image;

			if (filled && (strstr(options[i], "prealloc") || (i + filled) % 2))
				continue;
			if (filled)
				must("qemu-img convert -f raw -O qcow2 %s -o %s noise a.qcow2",
				     filled == 2 ? "-c" : "", options[i]);
			else
				must("qemu-img create -f qcow2 -o %s a.qcow2 %u", options[i], SIZE);
			qemu_reads("a.qcow2", expected);
			at_once = random_below(2);
			image = open_file("a.qcow2", true);
			assert_int_equal(image->state, IMAGE_OPEN);
			change_some(image->dev, 40);
			check_content(image->dev);
			close_image(image);
			check_file("b.qcow2");
			image = open_on(&disks[0].dev, true);
			check_content(image->dev);
			change_some(image->dev, 20);
			close_image(image);
			check_file("b.qcow2");
			remove_disks();
		}
}

/* --- chains and refusals ------------------------------------------------------------------------
 */

static void add_file(unsigned n, const char *name, uint64_t bytes)
{
	add_disk(n, name, bytes);
	load_disk(&disks[n], name);
}

static void test_chain(void **state)
{
	struct image *image, *other;

	(void)state;
	/* The raw file is shorter than the images on it, and ends within a cluster. */
	make_noise("base.raw", 5 * 65536 + 1024);
	must("qemu-img create -f qcow2 -b base.raw -F raw middle.qcow2 3M");
	must("qemu-io -c 'write -P 7 100000 70000' -c 'write -z 0 65536' middle.qcow2");
	must("qemu-img create -f qcow2 -o cluster_size=4096 -b middle.qcow2 -F qcow2 a.qcow2 %u",
	     SIZE);
	must("qemu-io -c 'write -P 9 5000 1000' a.qcow2");
	must("qemu-img create -f qcow2 -b middle.qcow2 -F qcow2 other.qcow2 %u", SIZE);
	qemu_reads("a.qcow2", expected);
	for (unsigned i = 0; i < 2; i++) {
		at_once = i;
		add_file(1, "middle.qcow2", DEVICE);
		add_file(2, "base.raw", 5 * 65536 + 1024);
		add_file(3, "other.qcow2", DEVICE);
		image = open_file("a.qcow2", true);
		assert_int_equal(image->state, IMAGE_OPEN);
		other = open_on(&disks[3].dev, true);
		assert_int_equal(other->state, IMAGE_OPEN);
		assert_ptr_equal(other->backing, image->backing);
		check_content(image->dev);
		change_some(image->dev, 40);
		check_content(image->dev);
		close_image(image);
		assert_non_null(disks[1].dev.user);
		close_image(other);
		assert_null(disks[1].dev.user);
		assert_null(disks[2].dev.user);
		assert_int_equal(disks[1].writes + disks[2].writes, 0);
		check_file("a.qcow2");
		remove_disks();
	}
}

static void refuses(const char *name, bool writable, const char *why)
{
	struct image *image;

	add_file(0, name, DEVICE);
	image = open_on(&disks[0].dev, writable);
	assert_int_equal(image->state, IMAGE_FAILED);
	if (!strstr(image->why, why))
		fail_msg("not \"%s\"", why);
	close_image(image);
	assert_null(disks[0].dev.user);
	free(disks[0].media);
	disks[0].media = NULL;
}

static void patch(const char *name, long at, unsigned bytes, uint64_t value)
{
	uint8_t field[8];
	FILE *f = fopen(file(name), "r+b");

	qcow2_put(field, bytes, value);
	assert_non_null(f);
	fseek(f, at, SEEK_SET);
	assert_int_equal(fwrite(field, 1, bytes, f), bytes);
	fclose(f);
}

/* Two images read their compressed clusters at once: they share a decoder. */
static void test_shared_decoder(void **state)
{
	static uint8_t bytes[2][SIZE];
	struct image *image[2];
	struct request r[2];

	(void)state;
	at_once = false;
	make_noise("noise", SIZE);
	must("qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd noise a.qcow2");
	qemu_reads("a.qcow2", expected);
	for (unsigned i = 0; i < 2; i++) {
		add_file(i, "a.qcow2", DEVICE);
		image[i] = open_on(&disks[i].dev, false);
	}
	for (uint32_t at = 0; at < SECTORS; at += 64) {
		for (unsigned i = 0; i < 2; i++)
			start(&r[i], image[i]->dev, BLK_READ, at, 64, bytes[i] + at * BLK_SECTOR);
		run_loop();
		assert_true(r[0].done && r[1].done);
		assert_int_equal(r[0].status | r[1].status, BLK_OK);
	}
	assert_memory_equal(bytes[0], expected, SIZE);
	assert_memory_equal(bytes[1], expected, SIZE);
	close_image(image[0]);
	close_image(image[1]);
	remove_disks();
}

/* The bytes of compressed clusters are anything: reads end, well or not, and the decoder is free
 * for the next one. */
static void test_broken_clusters(void **state)
{
	static uint8_t data[BLK_SECTOR];
	struct image *image;
	unsigned failed = 0;

	(void)state;
	at_once = true;
	make_noise("noise", SIZE);
	for (unsigned kind = 0; kind < 2; kind++) {
		must("qemu-img convert -f raw -O qcow2 -c -o compression_type=%s noise a.qcow2",
		     kind ? "zstd" : "zlib");
		add_file(0, "a.qcow2", DEVICE);
		/* The clusters of the tables are the first ones. */
		for (unsigned i = 0; i < 2000; i++)
			disks[0].media[4 * 65536 + random_below(2u << 20)] ^=
				(uint8_t)(1u << random_below(8));
		image = open_on(&disks[0].dev, false);
		for (uint32_t at = 0; at < SECTORS; at += 128)
			failed += request(image->dev, BLK_READ, at, 1, data) != BLK_OK;
		close_image(image);
		remove_disks();
		assert_true(failed);
		failed = 0;
	}
}

static void test_refusals(void **state)
{
	(void)state;
	at_once = true;
	make_noise("base.raw", 65536);
	must("qemu-img create -f qcow2 -o extended_l2=on,cluster_size=128k a.qcow2 1M");
	refuses("a.qcow2", false, "subclusters");
	must("qemu-img create -f qcow2 -o data_file=d.raw a.qcow2 1M");
	refuses("a.qcow2", false, "external data file");
	must("qemu-img create -f qcow2 -o compression_type=zstd a.qcow2 1M");
	patch("a.qcow2", 104, 1, 2);
	refuses("a.qcow2", false, "neither of zlib's nor of zstd's kind");
	patch("a.qcow2", 104, 1, 0);
	refuses("a.qcow2", false, "neither of zlib's nor of zstd's kind");
	patch("a.qcow2", 100, 4, 104);
	refuses("a.qcow2", false, "too short for the kind");
	must("qemu-img create -f qcow2 a.qcow2 1M");
	patch("a.qcow2", QCOW2_AT_INCOMPAT, 8, 1ull << 40);
	refuses("a.qcow2", false, "0x10000000000");
	patch("a.qcow2", QCOW2_AT_INCOMPAT, 8, 2);
	refuses("a.qcow2", true, "corrupt");
	patch("a.qcow2", QCOW2_AT_INCOMPAT, 8, 0);
	patch("a.qcow2", 24, 8, 1ull << 63);
	refuses("a.qcow2", false, "size");
	patch("a.qcow2", 24, 8, 1ull << 50);
	refuses("a.qcow2", false, "L1 table");
	refuses("base.raw", false, "no qcow2 image");
	must("qemu-img create -f qcow2 -b base.raw -F raw a.qcow2 1M");
	refuses("a.qcow2", false, "there is no base.raw");
	must("qemu-img rebase -u -b '' a.qcow2; qemu-img create -f qcow2 -u -b a.qcow2 -F qcow2 "
	     "b.qcow2 1M; qemu-img rebase -u -b b.qcow2 -F qcow2 a.qcow2");
	add_file(1, "b.qcow2", DEVICE);
	refuses("a.qcow2", false, "circle");
	for (unsigned i = 1; i < 18; i++) {
		char name[32];

		must("qemu-img create -f qcow2 -u -b c%u.qcow2 -F qcow2 c%u.qcow2 1M", i - 1, i);
		snprintf(name, sizeof(name), "c%u.qcow2", i);
		free(disks[i].media);
		add_file(i, name, 1 << 20);
	}
	refuses("c17.qcow2", false, "more than 16");
	remove_disks();
}

/* --- bad days -----------------------------------------------------------------------------------
 */

/* Whichever write is the first that fails, nothing worse than a leak comes of it. */
static void test_errors(void **state)
{
	static uint8_t data[100 * BLK_SECTOR];

	(void)state;
	at_once = true;
	for (unsigned n = 0; n < 60; n += 2 * stride(6)) {
		struct image *image;
		int status;

		must("qemu-img convert -f raw -O qcow2 -o cluster_size=4096 noise a.qcow2");
		image = open_file("a.qcow2", true);
		failing = (int)n;
		for (unsigned i = 0; i < 12; i++) {
			fill(data, sizeof(data));
			request(image->dev, BLK_DISCARD, 1000 * i, 64, NULL);
			request(image->dev, BLK_WRITE, 700 * i, 100, data);
			request(image->dev, BLK_FLUSH, 0, 0, NULL);
		}
		close_image(image);
		failing = -1;
		assert_null(disks[0].dev.user);
		save_disk(&disks[0], "b.qcow2");
		status = run("qemu-img check -f qcow2 b.qcow2");
		assert_true(status == 0 || status == 3);
		remove_disks();
	}
}

/* A flush that waits behind one that has failed fails, too: what the first one lost is not there.
 */
static void test_flush_behind_error(void **state)
{
	static uint8_t data[8 * BLK_SECTOR];
	struct request first, second;
	struct image *image;

	(void)state;
	at_once = false;
	must("qemu-img create -f qcow2 -o cluster_size=4096 a.qcow2 %u", SIZE);
	image = open_file("a.qcow2", true);
	fill(data, sizeof(data));
	assert_int_equal(request(image->dev, BLK_WRITE, 0, 8, data), BLK_OK);
	failing = 0;
	start(&first, image->dev, BLK_FLUSH, 0, 0, NULL);
	start(&second, image->dev, BLK_FLUSH, 0, 0, NULL);
	while (!first.done)
		assert_true(turn());
	failing = -1;
	run_loop();
	assert_true(second.done);
	assert_int_equal(first.status, BLK_IOERR);
	assert_int_equal(second.status, BLK_IOERR);
	close_image(image);
	remove_disks();
}

/* A write may have as many clusters as a table's slice, and more than the list of those that a
 * commit frees. */
static void test_large_write(void **state)
{
	static uint8_t data[4 << 20];
	struct request r;
	struct image *image;

	(void)state;
	must("qemu-img create -f qcow2 -o cluster_size=4096 a.qcow2 %u", SIZE);
	for (at_once = false;; at_once = true) {
		unsigned turns = 0;

		image = open_file("a.qcow2", true);
		image->dev->max_sectors = disks[0].dev.max_sectors = 16384;
		memset(expected, 0, sizeof(expected));
		fill(data, sizeof(data));
		memcpy(expected, data, sizeof(data));
		start(&r, image->dev, BLK_WRITE, 0, sizeof(data) / BLK_SECTOR, data);
		while (turns++ < 10000 && turn())
			;
		assert_true(r.done);
		assert_int_equal(r.status, BLK_OK);
		close_image(image);
		check_file("b.qcow2");
		remove_disks();
		if (at_once)
			break;
	}
}

/* Work on many clusters has breaks, in which the others of dom0's loop have their turn. */
static void test_breaks(void **state)
{
	static uint8_t data[100 * BLK_SECTOR];
	struct image *image;
	struct request r;

	(void)state;
	at_once = true;
	must("qemu-img create -f qcow2 -o cluster_size=512,preallocation=falloc a.qcow2 %u", SIZE);
	image = open_file("a.qcow2", true);
	start(&r, image->dev, BLK_DISCARD, 0, SECTORS, NULL);
	assert_false(r.done);
	run_loop();
	assert_true(r.done);
	assert_int_equal(r.status, BLK_OK);
	memset(expected, 0, sizeof(expected));
	assert_int_equal(request(image->dev, BLK_WRITE, 0, 100, data), BLK_OK);
	close_image(image);
	check_file("b.qcow2");
	remove_disks();
	/* Their counts are lowered in a go of their own: large clusters are one run of the list. */
	must("qemu-img create -f qcow2 -o cluster_size=4096,preallocation=falloc a.qcow2 16M");
	image = open_file("a.qcow2", true);
	assert_int_equal(request(image->dev, BLK_DISCARD, 0, 32768, NULL), BLK_OK);
	start(&r, image->dev, BLK_FLUSH, 0, 0, NULL);
	assert_false(r.done);
	run_loop();
	assert_true(r.done);
	assert_int_equal(r.status, BLK_OK);
	close_image(image);
	save_disk(&disks[0], "b.qcow2");
	must("qemu-img check -f qcow2 b.qcow2");
	remove_disks();
}

/* Two images that are being opened, each of which has the other as its backing file. */
static void test_circle_of_two(void **state)
{
	struct image *image[2];
	bool is_open[2] = {false};
	const char *wrong;

	(void)state;
	at_once = false;
	must("qemu-img create -f qcow2 a.qcow2 1M; qemu-img create -f qcow2 -u -b a.qcow2 -F qcow2 "
	     "b.qcow2 1M; qemu-img rebase -u -b b.qcow2 -F qcow2 a.qcow2");
	add_file(0, "a.qcow2", DEVICE);
	add_file(1, "b.qcow2", DEVICE);
	for (unsigned i = 0; i < 2; i++) {
		image[i] = image_open(&disks[i].dev, "guest", false, opened, &is_open[i], &wrong);
		assert_non_null(image[i]);
	}
	run_loop();
	assert_true(is_open[0] && is_open[1]);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(image[i]->state, IMAGE_FAILED);
		assert_non_null(strstr(image[i]->why, "circle"));
		close_image(image[i]);
		assert_null(disks[i].dev.user);
	}
	remove_disks();
}

static unsigned stalls;

static bool wait_for_room(struct image *image, const char *why)
{
	(void)image;
	assert_string_equal(why, "the pool has 0 MiB left");
	stalls++;
	return true;
}

/* The device grows; when it cannot, the write waits, and goes on when there is room. */
static void test_room(void **state)
{
	static uint8_t data[64 * BLK_SECTOR];
	struct request r;
	struct image *image;

	(void)state;
	can_grow = true;
	must("qemu-img create -f qcow2 -o cluster_size=4096 a.qcow2 %u", SIZE);
	for (at_once = false;; at_once = true) {
		room = 2 << 20;
		stalls = 0;
		add_file(0, "a.qcow2", 262144);
		image = open_on(&disks[0].dev, true);
		image->full = wait_for_room;
		memset(expected, 0, sizeof(expected));
		for (unsigned i = 0; i < SECTORS / 64; i++) {
			fill(data, sizeof(data));
			memcpy(expected + i * sizeof(data), data, sizeof(data));
			start(&r, image->dev, BLK_WRITE, i * 64, 64, data);
			run_loop();
			while (!r.done) {
				assert_true(image->qcow2->stalled);
				room += 1 << 20;
				qcow2_retry(image->qcow2);
				run_loop();
			}
			assert_int_equal(r.status, BLK_OK);
		}
		assert_true(stalls >= 3);
		check_content(image->dev);
		/* No room, and nobody waits for it: the write fails, and the image goes on. */
		image->full = NULL;
		room = 0;
		close_image(image);
		check_file("b.qcow2");
		remove_disks();
		if (at_once)
			break;
	}
	room = 300000;
	add_file(0, "a.qcow2", 262144);
	image = open_on(&disks[0].dev, true);
	memset(expected, 0, sizeof(expected));
	for (unsigned i = 0; i < 20 && stalls < 100; i++) {
		uint8_t *to = expected + i * sizeof(data);

		if (request(image->dev, BLK_WRITE, i * 64, 64, data) != BLK_OK)
			stalls = 100 + i;
		/* A part of the one that failed may be there. */
		assert_int_equal(request(image->dev, BLK_READ, i * 64, 64, to), BLK_OK);
		if (stalls < 100)
			assert_memory_equal(to, data, sizeof(data));
	}
	assert_true(stalls > 100);
	check_content(image->dev);
	close_image(image);
	save_disk(&disks[0], "b.qcow2");
	must("qemu-img check -f qcow2 b.qcow2");
	remove_disks();
	can_grow = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_shared_decoder),
		cmocka_unit_test(test_broken_clusters),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_flush_behind_error),
		cmocka_unit_test(test_large_write),
		cmocka_unit_test(test_breaks),
		cmocka_unit_test(test_circle_of_two),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
