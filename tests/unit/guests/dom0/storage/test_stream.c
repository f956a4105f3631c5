/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/stream.c */
/* libs: mbedtls */
/* Bytes in pieces of any size reach a device that completes its writes in any order. */
#include "drivers/env.h"
#include "guests/dom0/storage/stream.h"
#include "tests/unit/unit.h"

#define BYTES (5u << 20)

static uint8_t content[BYTES], media[BYTES + (1u << 20)];
static struct blk_request *waiting[64];
static unsigned waits;
static struct work *queued;
static bool later, failing; /* requests complete later; they fail */
static unsigned rooms, settles;
static uint64_t memory_used;

static void put_away(struct blkdev *dev, struct blk_request *request);
static struct blkdev dev = {.submit = put_away};
static struct stream stream;

void *dma_alloc(size_t bytes, uint64_t *bus)
{
	void *memory = calloc(1, bytes);

	*bus = (uint64_t)(uintptr_t)memory;
	memory_used += bytes;
	return memory;
}

void dma_free(void *memory, size_t bytes)
{
	memory_used -= memory ? bytes : 0;
	free(memory);
}

void work_queue(struct work *work)
{
	queued = work;
}

static void complete(struct blk_request *request)
{
	assert_int_equal(request->segment->bytes, (size_t)request->sectors * BLK_SECTOR);
	assert_int_equal(request->segment->bytes % dev.logical_block, 0);
	assert_true(request->sectors <= dev.max_sectors);
	memcpy(media + request->sector * BLK_SECTOR, request->segment->data,
	       request->segment->bytes);
	request->done(request, failing ? BLK_IOERR : BLK_OK);
}

static void put_away(struct blkdev *of, struct blk_request *request)
{
	(void)of;
	waiting[waits++] = request;
	if (!later)
		complete(waiting[--waits]);
}

void blk_submit(struct blkdev *of, struct blk_request *request)
{
	assert_true((request->sector + request->sectors) <= of->sectors);
	of->submit(of, request);
}

static void run_work(void)
{
	struct work *work = queued;

	queued = NULL;
	if (work)
		work->run(work);
}

/* Something happens: a write ends, or the loop runs its work. */
static void turn(void)
{
	if (waits && random_below(2)) {
		unsigned i = (unsigned)random_below(waits);
		struct blk_request *request = waiting[i];

		waiting[i] = waiting[--waits];
		complete(request);
	} else {
		run_work();
	}
}

static void room(struct stream *of)
{
	(void)of;
	rooms++;
}

static void settled(struct stream *of)
{
	assert_int_equal(of->in_flight, 0);
	settles++;
}

static void open_stream(uint32_t block, uint32_t max_sectors, uint64_t sectors)
{
	dev.logical_block = block;
	dev.max_sectors = max_sectors;
	dev.sectors = sectors;
	stream.dev = &dev;
	stream.room = room;
	rooms = settles = 0;
	memset(media, 0xee, sizeof(media));
	assert_true(stream_open(&stream, true));
	assert_int_equal(memory_used, STREAM_SLOTS * STREAM_SLOT);
}

/* Puts `bytes` of the content in pieces of up to `most`; returns how many turns that took. */
static unsigned put_all(size_t bytes, size_t most)
{
	unsigned turns = 0;

	while (stream.put < bytes) {
		size_t n = 1 + (size_t)random_below(most);
		uint64_t before = stream.put;

		if (n > bytes - before)
			n = (size_t)(bytes - before);
		n = stream_put(&stream, content + before, n);
		assert_int_equal(stream.put, before + n);
		if (!n) {
			turn();
			turns++;
		}
	}
	return turns;
}

static void check(size_t bytes)
{
	uint8_t hash[STREAM_HASH], right[STREAM_HASH];
	size_t whole = (bytes + dev.logical_block - 1) / dev.logical_block * dev.logical_block;

	assert_null(stream.wrong);
	assert_memory_equal(media, content, bytes);
	for (size_t i = bytes; i < whole; i++)
		assert_int_equal(media[i], 0);
	assert_int_equal(media[whole], 0xee);
	stream_hash(&stream, hash);
	mbedtls_sha256_context sha;
	mbedtls_sha256_init(&sha);
	mbedtls_sha256_starts(&sha, 0);
	mbedtls_sha256_update(&sha, content, bytes);
	mbedtls_sha256_finish(&sha, right);
	assert_memory_equal(hash, right, sizeof(hash));
}

static void settle(void)
{
	stream_settle(&stream, settled);
	while (!settles)
		turn();
	assert_int_equal(settles, 1);
}

static void all_sizes(void **state)
{
	static const size_t sizes[] = {1, 511, 512, 4096, 65535, 65536, 65537, 1 << 20, BYTES};

	(void)state;
	for (size_t i = 0; i < BYTES; i++)
		content[i] = (uint8_t)random64();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (unsigned n = 0; n < 4; n++) {
			later = n & 1;
			open_stream(n & 2 ? 4096 : 512, n & 2 ? 24 : 256,
				    sizeof(media) / BLK_SECTOR);
			put_all(sizes[i], 3000);
			settle();
			check(sizes[i]);
			stream_close(&stream);
			assert_int_equal(memory_used, 0);
		}
}

/* The buffer is bounded, and tells when it has room. */
static void fills(void **state)
{
	(void)state;
	later = true;
	open_stream(512, 256, sizeof(media) / BLK_SECTOR);
	assert_int_equal(stream_put(&stream, content, BYTES), STREAM_SLOTS * STREAM_SLOT);
	assert_int_equal(waits, STREAM_SLOTS);
	assert_int_equal(stream_put(&stream, content, 1), 0);
	for (unsigned i = 0; !rooms; i++) {
		assert_true(i < 100);
		assert_int_equal(stream_put(&stream, content, 1), 0);
		turn();
	}
	put_all(BYTES, BYTES);
	settle();
	check(BYTES);
	stream_close(&stream);
}

/* At the device's end no more is taken; the stream goes on when the device has grown. */
static void grows(void **state)
{
	uint64_t end = 130 * 512;

	(void)state;
	later = true;
	open_stream(512, 256, end / BLK_SECTOR);
	put_all((size_t)end, 9999);
	assert_int_equal(stream_put(&stream, content + end, 1), 0);
	settle();
	settles = 0;
	dev.sectors = sizeof(media) / BLK_SECTOR;
	put_all(1 << 20, 9999);
	settle();
	check(1 << 20);
	stream_close(&stream);
}

static void errors(void **state)
{
	(void)state;
	later = true;
	open_stream(512, 256, sizeof(media) / BLK_SECTOR);
	put_all(300000, 9999);
	failing = true;
	stream_settle(&stream, settled);
	while (!settles)
		turn();
	assert_non_null(stream.wrong);
	assert_int_equal(waits, 0);
	assert_int_equal(stream_put(&stream, content, 1), 0);
	stream_close(&stream);
	failing = false;
	open_stream(512, 256, sizeof(media) / BLK_SECTOR);
	put_all(100000, 9999);
	stream_cancel(&stream, "stopped");
	settle(); /* what is in flight ends, no more is written */
	assert_string_equal(stream.wrong, "stopped");
	stream_close(&stream);
	run_work(); /* finds nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sizes),
		cmocka_unit_test(fills),
		cmocka_unit_test(grows),
		cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
