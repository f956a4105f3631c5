/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/intake.c guests/dom0/storage/foreign.c guests/dom0/storage/foreign_vmdk.c */
/* sources: guests/dom0/storage/foreign_vhd.c guests/dom0/storage/foreign_vdi.c guests/dom0/storage/image.c */
/* sources: guests/dom0/storage/qcow2_format.c guests/dom0/storage/qcow2_io.c guests/dom0/storage/qcow2_cache.c */
/* sources: guests/dom0/storage/qcow2_map.c guests/dom0/storage/qcow2_alloc.c guests/dom0/storage/qcow2_commit.c */
/* sources: guests/dom0/storage/qcow2_write.c guests/dom0/storage/qcow2_inflate.c guests/dom0/storage/qcow2_unpack.c */
/* sources: guests/dom0/storage/qcow2_zstd.c guests/dom0/storage/qcow2_rewrite.c guests/dom0/storage/qcow2_replace.c */
/* sources: guests/dom0/storage/qcow2_snapshot.c guests/dom0/storage/transfer.c drivers/block/block.c */
/* sources: drivers/block/claim.c drivers/block/request.c drivers/block/scan.c drivers/block/gpt.c drivers/block/mbr.c */
/* libs: zlib zstd */
/*
 * Images of other formats that QEMU's tools have made come in as the same bytes that these tools
 * read, and broken ones are refused.
 */
#include <zlib.h>

#include "guests/dom0/storage/intake.h"
#include "tests/unit/guests/dom0/storage/image_disk.h"

#define SIZE   (9u << 20)
#define DEVICE (24u << 20)
#define GRAIN  65536u

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

static struct intake intake;
static unsigned ends;
static char why[200];

static void ended(struct intake *in, const char *wrong)
{
	assert_ptr_equal(in, &intake);
	ends++;
	snprintf(why, sizeof(why), "%s", wrong ? wrong : "");
}

/* Opens the image in the first bytes of disk 0. Returns false after a refusal. */
static bool open_image(const char *format, uint64_t bytes)
{
	memset(&intake, 0, sizeof(intake));
	intake.source = &disks[0].dev;
	intake.format = foreign_named(format);
	intake.bytes = bytes;
	intake.done = ended;
	assert_non_null(intake.format);
	ends = 0;
	intake_open(&intake);
	run_loop();
	assert_int_equal(ends, 1);
	return !*why;
}

static bool take_in(struct blkdev *to, bool sparse)
{
	intake.to = to;
	intake.sparse = sparse;
	ends = 0;
	intake_run(&intake);
	run_loop();
	assert_int_equal(ends, 1);
	return !*why;
}

static uint8_t *read_file(const char *name, size_t *bytes)
{
	FILE *f = fopen(file(name), "rb");
	uint8_t *content = calloc(1, DEVICE);

	assert_non_null(f);
	*bytes = fread(content, 1, DEVICE, f);
	fclose(f);
	return content;
}

static void write_file(const char *name, const uint8_t *content, size_t bytes)
{
	FILE *f = fopen(file(name), "wb");

	assert_int_equal(fwrite(content, 1, bytes, f), bytes);
	fclose(f);
}

/* Noise, holes, and what can be compressed; it ends within a grain. */
static size_t make_noise(void)
{
	size_t bytes = SIZE - 7 * 512;
	uint8_t *noise = calloc(1, bytes);

	for (size_t at = 0; at < bytes; at++) {
		unsigned kind = (unsigned)(at / 100000 % 4);

		noise[at] = kind == 0 ? (uint8_t)random64() : kind == 1 ? 0 : (uint8_t)(at / 600);
	}
	write_file("noise", noise, bytes);
	free(noise);
	return bytes;
}

/* The image "a" comes in as what QEMU has written to "out.raw", both ways. */
static void check_intake(const char *format, uint64_t image_bytes)
{
	size_t bytes, theirs_bytes;
	uint8_t *content = read_file("out.raw", &bytes), *theirs;
	struct image *image;

	add_disk(0, "source", DEVICE);
	load_disk(&disks[0], "a");
	assert_true(open_image(format, image_bytes));
	assert_int_equal(intake.foreign.size, bytes);
	add_disk(1, "raw", DEVICE);
	memset(disks[1].media, 0xee, DEVICE);
	assert_true(take_in(&disks[1].dev, false));
	assert_memory_equal(disks[1].media, content, bytes);
	for (size_t i = bytes; i < DEVICE; i++)
		assert_int_equal(disks[1].media[i], 0xee);
	assert_int_equal(disks[1].flushes, 1);
	intake_free(&intake);

	must("qemu-img create -f qcow2 b.qcow2 %zu", bytes);
	add_disk(2, "b.qcow2", DEVICE);
	load_disk(&disks[2], "b.qcow2");
	image = open_on(&disks[2].dev, true);
	assert_true(open_image(format, image_bytes));
	assert_true(take_in(image->dev, true));
	intake_free(&intake);
	close_image(image);
	save_disk(&disks[2], "b.qcow2");
	must("qemu-img check -f qcow2 b.qcow2");
	must("qemu-img convert -f qcow2 -O raw b.qcow2 back.raw");
	theirs = read_file("back.raw", &theirs_bytes);
	assert_int_equal(theirs_bytes, bytes);
	assert_memory_equal(theirs, content, bytes);
	free(theirs);
	free(content);
	remove_disks();
}

static void test_formats(void **state)
{
	static const struct {
		const char *format, *options;
	} kind[] = {
		{"vmdk", "subformat=monolithicSparse"},
		{"vmdk", "subformat=monolithicSparse,zeroed_grain=on"},
		{"vmdk", "subformat=streamOptimized"},
		{"vpc", "subformat=dynamic"},
		{"vpc", "subformat=fixed"},
		{"vpc", "subformat=fixed,force_size=on"},
		{"vdi", "static=off"},
		{"vdi", "static=on"},
	};

	(void)state;
	make_noise();
	for (unsigned i = 0; i < sizeof(kind) / sizeof(kind[0]); i++) {
		struct stat facts;

		at_once = i % 2;
		must("rm -f a; qemu-img convert -f raw -O %s -o %s noise a", kind[i].format,
		     kind[i].options);
		must("qemu-img convert -f %s -O raw a out.raw", kind[i].format);
		assert_int_equal(stat(file("a"), &facts), 0);
		check_intake(kind[i].format, (uint64_t)facts.st_size);
		/* A volume is longer than the file. */
		check_intake(kind[i].format, (uint64_t)facts.st_size + (3u << 20));
	}
}

/* Sectors of a block of a VHD that its bitmap does not have were never written. */
static void test_bitmap(void **state)
{
	uint64_t table, block;

	(void)state;
	at_once = true;
	make_noise();
	must("rm -f a; qemu-img convert -f raw -O vpc -o subformat=dynamic noise a");
	add_disk(0, "source", DEVICE);
	add_disk(1, "raw", DEVICE);
	load_disk(&disks[0], "a");
	memset(disks[1].media, 0xee, DEVICE);
	table = foreign_big(disks[0].media + 512 + 16, 8);
	block = foreign_big(disks[0].media + table, 4) * 512;
	assert_int_equal(disks[0].media[block], 0xff);
	/* Sectors 2 to 6, and 16 to 31. */
	disks[0].media[block] = 0xc1;
	disks[0].media[block + 2] = disks[0].media[block + 3] = 0;
	assert_true(open_image("vpc", DEVICE));
	assert_true(take_in(&disks[1].dev, false));
	for (uint32_t i = 0; i < 40 * 512; i++) {
		bool gone = (i >= 2 * 512 && i < 7 * 512) || (i >= 16 * 512 && i < 32 * 512);

		assert_int_equal(disks[1].media[i], gone ? 0 : disks[0].media[block + 512 + i]);
	}
	intake_free(&intake);
	remove_disks();
}

/* --- a stream whose directory is behind it ------------------------------------------------------
 */

static void put(uint8_t *at, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++, value >>= 8)
		at[i] = (uint8_t)value;
}

/* Bytes as zlib's format has them without compression. Returns how many these are. */
static uint32_t store(uint8_t *to, const uint8_t *bytes, uint32_t n)
{
	uint32_t sum = (uint32_t)adler32(1, bytes, n), at = 2;

	to[0] = 0x78;
	to[1] = 0x01;
	for (uint32_t done = 0; done < n;) {
		uint32_t part = n - done < 30000 ? n - done : 30000;

		to[at] = done + part == n;
		put(to + at + 1, 2, part);
		put(to + at + 3, 2, ~part);
		memcpy(to + at + 5, bytes + done, part);
		at += 5 + part;
		done += part;
	}
	for (unsigned i = 0; i < 4; i++)
		to[at++] = (uint8_t)(sum >> (24 - 8 * i));
	return at;
}

#define STREAM_DESCRIPTION \
	"# Disk DescriptorFile\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n"

/* Writes "a", as VMware's tools export a disk. Returns its size. */
static size_t make_stream(void)
{
	uint8_t *out = calloc(1, DEVICE), *noise;
	size_t bytes, at = 128 * 512;

	noise = read_file("noise", &bytes);
	put(out, 4, 0x564d444b);
	put(out + 4, 4, 3);
	put(out + 8, 4, 1 | 3u << 16);
	put(out + 12, 8, bytes / 512);
	put(out + 20, 8, GRAIN / 512);
	put(out + 28, 8, 1);
	put(out + 36, 8, 20);
	put(out + 44, 4, 512);
	put(out + 56, 8, UINT64_MAX);
	put(out + 64, 8, 128);
	memcpy(out + 73, "\n \r\n", 4);
	put(out + 77, 2, 1);
	strcpy((char *)out + 512, STREAM_DESCRIPTION);
	for (size_t from = 0; from < bytes; from += GRAIN) {
		if (from / GRAIN % 5 == 3) {
			/* A hole in the disk, and a table in the stream. */
			memset(noise + from, 0, bytes - from < GRAIN ? bytes - from : GRAIN);
			put(out + at, 8, 4);
			put(out + at + 12, 4, 1);
			memset(out + at + 512, 0x77, 4 * 512);
			at += 5 * 512;
			continue;
		}
		put(out + at, 8, from / 512);
		put(out + at + 8, 4, store(out + at + 12, noise + from, GRAIN));
		at += (12 + foreign_little(out + at + 8, 4) + 511) / 512 * 512;
	}
	write_file("out.raw", noise, bytes);
	write_file("a", out, at + 512);
	free(noise);
	free(out);
	return at + 512;
}

static void test_stream(void **state)
{
	size_t bytes;

	(void)state;
	make_noise();
	bytes = make_stream();
	for (unsigned i = 0; i < 2; i++) {
		at_once = i;
		check_intake("vmdk", bytes);
	}
	/* Without its end it is refused, and so are grains in another order. */
	add_disk(0, "source", DEVICE);
	add_disk(1, "raw", DEVICE);
	load_disk(&disks[0], "a");
	assert_true(open_image("vmdk", bytes - 512));
	assert_false(take_in(&disks[1].dev, false));
	assert_non_null(strstr(why, "beyond its end (at byte"));
	intake_free(&intake);
	put(disks[0].media + 128 * 512, 8, GRAIN / 512 * 2);
	assert_true(open_image("vmdk", bytes));
	assert_false(take_in(&disks[1].dev, false));
	assert_non_null(strstr(why, "not in the disk's order"));
	intake_free(&intake);
	remove_disks();
}

/* --- refusals ----------------------------------------------------------------------------------
 */

/* A change of an image, and a word of the refusal. */
struct change {
	const char *format, *options;
	unsigned at, bytes;
	uint64_t value; /* little-endian */
	const char *word;
};

static const struct change changes[] = {
	{"vmdk", "subformat=monolithicSparse", 0, 1, 0, "no VMDK image"},
	{"vmdk", "subformat=monolithicSparse", 4, 4, 9, "version"},
	{"vmdk", "subformat=monolithicSparse", 12, 8, 1ull << 62, "(at byte 12)"},
	{"vmdk", "subformat=monolithicSparse", 20, 8, 3, "(at byte 20)"},
	{"vmdk", "subformat=monolithicSparse", 20, 8, 1ull << 40, "(at byte 20)"},
	{"vmdk", "subformat=monolithicSparse", 28, 8, 0, "several files"},
	{"vmdk", "subformat=monolithicSparse", 28, 8, 1ull << 60, "beyond its end"},
	{"vmdk", "subformat=monolithicSparse", 44, 4, 0, "512 entries"},
	{"vmdk", "subformat=monolithicSparse", 56, 8, 1ull << 50, "beyond its end"},
	{"vmdk", "subformat=monolithicSparse", 74, 1, '\n', "ends of lines"},
	{"vmdk", "subformat=streamOptimized", 77, 2, 7, "compressed in a way"},
	{"vmdk", "subformat=monolithicFlat", 0, 0, 0, "no VMDK image"},
	{"vpc", "subformat=dynamic", 20, 1, 9, "no footer at its beginning"},
	{"vpc", "subformat=dynamic", 512 + 28, 1, 9, "header is damaged"},
	{"vpc", "subformat=fixed", SIZE / 2, 0, 0, ""},
	{"vdi", "static=off", 0x40, 1, 0, "no VDI image"},
	{"vdi", "static=off", 0x44, 1, 0, "version"},
	{"vdi", "static=off", 0x4c, 1, 4, "changes of another image"},
	{"vdi", "static=off", 0x1b8, 1, 4, "depends on another"},
	{"vdi", "static=off", 0x170, 8, 1ull << 60, "fewer blocks"},
	{"vdi", "static=off", 0x178, 4, 0, "blocks have a size"},
	{"vdi", "static=off", 0x178, 4, 3 << 20, "blocks have a size"},
	{"vdi", "static=off", 0x154, 4, 0xfffffe00, "beyond its end"},
	{"vdi", "static=off", 0x158, 4, 0xfffffe00, "beyond its end"},
};

static void test_refusals(void **state)
{
	(void)state;
	at_once = true;
	make_noise();
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct change *c = &changes[i];
		struct stat facts;
		bool right;

		must("rm -f a a-flat.vmdk; qemu-img convert -f raw -O %s -o %s noise a", c->format,
		     c->options);
		assert_int_equal(stat(file("a"), &facts), 0);
		add_disk(0, "source", DEVICE);
		add_disk(1, "raw", DEVICE);
		load_disk(&disks[0], "a");
		put(disks[0].media + c->at, c->bytes, c->value);
		right = open_image(c->format, (uint64_t)facts.st_size);
		if (right)
			right = take_in(&disks[1].dev, false);
		intake_free(&intake);
		remove_disks();
		if (right != !*c->word || !strstr(why, c->word))
			fail_msg("%s, change %u: %s", c->format, i, why);
	}
}

static void test_errors(void **state)
{
	(void)state;
	at_once = true;
	make_noise();
	must("rm -f a; qemu-img convert -f raw -O vdi noise a");
	add_disk(0, "source", DEVICE);
	add_disk(1, "raw", DEVICE);
	load_disk(&disks[0], "a");
	assert_true(open_image("vdi", DEVICE));
	failing = 5;
	assert_false(take_in(&disks[1].dev, false));
	failing = -1;
	assert_string_equal(why, "the new volume cannot be written");
	intake_free(&intake);
	/* It is stopped in the middle. */
	at_once = false;
	assert_true(open_image("vdi", DEVICE));
	intake.to = &disks[1].dev;
	ends = 0;
	intake_run(&intake);
	for (unsigned i = 0; i < 100; i++)
		assert_true(turn());
	intake.stop = true;
	run_loop();
	assert_int_equal(ends, 1);
	assert_string_equal(why, "stopped");
	assert_true(intake.at > 0 && intake.at < SIZE);
	intake_free(&intake);
	remove_disks();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats), cmocka_unit_test(test_bitmap),
		cmocka_unit_test(test_stream),  cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
