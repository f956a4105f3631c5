/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/copy.c guests/dom0/storage/transfer.c */
/* Parts of a volume at any offset, on a device that completes its requests in any order. */
#include "guests/dom0/storage/copy.h"

#include "drivers/env.h"
#include "guests/dom0/storage/image_volume.h"
#include "tests/unit/unit.h"

#define BYTES   (1u << 20)
#define WAITING 16u

static uint8_t content[BYTES], media[BYTES], before[BYTES];
static struct blk_request *waiting[WAITING];
static unsigned waits, flushes, changes, ends, claims;
static struct work *queued;
static bool later, failing, refusing;
static const char *base;
static uint64_t memory_used;

static void put_away(struct blkdev *dev, struct blk_request *request);

static struct volume volume;
static struct volume *volumes[] = {&volume, NULL};
static struct pool pool = {.volume = volumes};
static struct copy copy;

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
	assert_null(queued);
	queued = work;
}

const char *blk_claim(struct blkdev *dev, const char *user)
{
	if (refusing)
		return "web is in use by alpha";
	assert_null(dev->user);
	dev->user = user;
	claims++;
	return NULL;
}

void blk_unclaim(struct blkdev *dev)
{
	assert_non_null(dev->user);
	assert_int_equal(waits, 0);
	dev->user = NULL;
}

const char *image_is_base(const struct blkdev *dev)
{
	assert_ptr_equal(dev, &volume.dev);
	return base;
}

static void complete(struct blk_request *request)
{
	uint8_t *place = media + request->sector * BLK_SECTOR;
	size_t bytes = (size_t)request->sectors * BLK_SECTOR;

	if (request->op == BLK_FLUSH) {
		flushes++;
	} else {
		assert_int_equal(request->segment->bytes, bytes);
		assert_int_equal(bytes % volume.dev.logical_block, 0);
		if (request->op == BLK_READ)
			memcpy(request->segment->data, place, bytes);
		else if (!failing)
			memcpy(place, request->segment->data, bytes);
	}
	request->done(request, failing ? BLK_IOERR : BLK_OK);
}

static void put_away(struct blkdev *dev, struct blk_request *request)
{
	(void)dev;
	assert_true(waits < WAITING);
	waiting[waits++] = request;
	if (!later)
		complete(waiting[--waits]);
}

void blk_submit(struct blkdev *dev, struct blk_request *request)
{
	assert_true(request->sector + request->sectors <= dev->sectors);
	dev->submit(dev, request);
}

static void changed(struct copy *of)
{
	(void)of;
	changes++;
}

static void ended(struct copy *of)
{
	assert_null(of->dev->user);
	ends++;
}

/* A request ends, or the loop runs its work. Returns false if there is nothing to do. */
static bool turn(void)
{
	struct work *work = queued;

	if (waits) {
		unsigned i = (unsigned)random_below(waits);
		struct blk_request *request = waiting[i];

		waiting[i] = waiting[--waits];
		complete(request);
		return true;
	}
	queued = NULL;
	if (work)
		work->run(work);
	return work;
}

static const char *open_part(bool into, uint64_t offset, uint64_t length)
{
	struct copy_order order = {.pool = &pool, .offset = offset, .length = length, .into = into};

	copy = (struct copy){.changed = changed, .ended = ended};
	changes = ends = flushes = 0;
	return copy_open(&copy, &order);
}

static void end_all(bool whole)
{
	copy_end(&copy, whole);
	while (turn())
		;
	assert_int_equal(ends, 1);
	assert_int_equal(memory_used, 0);
	assert_null(volume.dev.user);
}

static void put_all(size_t offset, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		size_t n = 1 + (size_t)random_below(50000);

		n = n < bytes - at ? n : bytes - at;
		n = copy_put(&copy, content + offset + at, n);
		at += n;
		if (!n || !random_below(3))
			assert_true(turn() || n);
	}
}

static void get_all(size_t offset, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		size_t n = 0;
		const uint8_t *data = copy_get(&copy, &n);

		if (!data) {
			assert_true(turn());
			continue;
		}
		assert_true(n && n <= bytes - at);
		n = 1 + (size_t)random_below(n);
		assert_memory_equal(data, media + offset + at, n);
		copy_took(&copy, n);
		at += n;
	}
	assert_int_equal(copy.left, 0);
	assert_null(copy_get(&copy, &(size_t){0}));
}

static int set_up(void **state)
{
	(void)state;
	volume.dev = (struct blkdev){
		.submit = put_away,
		.sectors = BYTES / BLK_SECTOR,
		.logical_block = 512,
		.max_sectors = 128,
	};
	later = failing = refusing = false;
	base = NULL;
	queued = NULL;
	for (size_t i = 0; i < BYTES; i++) {
		content[i] = (uint8_t)random64();
		media[i] = before[i] = (uint8_t)(i / 512);
	}
	return 0;
}

static void parts(void **state)
{
	static const struct {
		uint64_t offset, bytes;
	} part[] = {
		{0, BYTES},
		{0, 1},
		{511, 2},
		{BYTES - 1, 1},
		{32767, 2},
		{1000, 70000},
		{BYTES - 70001, 70001},
		{4096, 32768},
		{BYTES / 2, 131072},
		{5, 0},
	};

	(void)state;
	for (unsigned round = 0; round < 80; round++) {
		uint64_t offset = part[round % 10].offset, bytes = part[round % 10].bytes;

		set_up(NULL);
		later = round & 1;
		volume.dev.logical_block = round & 2 ? 4096 : 512;
		volume.dev.max_sectors = round & 4 ? 24 : 128;
		assert_null(open_part(true, offset, bytes));
		put_all(offset, bytes);
		assert_int_equal(copy.left, bytes ? 0 : BYTES - offset);
		end_all(true);
		assert_null(copy.wrong);
		assert_int_equal(flushes, 1);
		assert_memory_equal(media + offset, content + offset, bytes);
		assert_memory_equal(media, before, offset);
		assert_memory_equal(media + offset + bytes, before + offset + bytes,
				    BYTES - offset - bytes);
		if (!bytes)
			continue;
		assert_null(open_part(false, offset, bytes));
		get_all(offset, bytes);
		end_all(true);
		assert_int_equal(flushes, 0);
	}
}

static void bounds(void **state)
{
	(void)state;
	/* The part ends where the volume ends, or before; more is not taken. */
	assert_null(open_part(true, BYTES - 10, 20));
	assert_int_equal(copy_put(&copy, content, 20), 10);
	assert_int_equal(copy.left, 0);
	end_all(true);
	assert_memory_equal(media + BYTES - 10, content, 10);
	assert_null(open_part(true, 10, 5));
	assert_int_equal(copy_put(&copy, content, 20), 5);
	end_all(true);
	assert_null(open_part(false, BYTES, 0));
	assert_int_equal(copy.left, 0);
	end_all(true);
	assert_null(open_part(true, 0, UINT64_MAX));
	end_all(true);
	/* No more than the slots' bytes are in memory, and no more than they are read. */
	later = true;
	assert_null(open_part(true, 0, 0));
	assert_int_equal(copy_put(&copy, content, BYTES), COPY_SLOTS * COPY_SLOT);
	assert_int_equal(copy_put(&copy, content, BYTES), 0);
	assert_true(turn());
	assert_true(changes && copy_put(&copy, content, 100) == 100);
	end_all(true);
	assert_null(open_part(false, 100, 0));
	while (waits)
		turn();
	assert_int_equal(copy.at, COPY_SLOTS * COPY_SLOT);
	end_all(false);
}

static void refusals(void **state)
{
	struct copy_order order = {.pool = &pool, .lv = 1};

	(void)state;
	claims = 0;
	assert_non_null(copy_open(&copy, &order));
	refusing = true;
	assert_string_equal(open_part(false, 0, 0), "web is in use by alpha");
	refusing = false;
	base = "data/top has it as its backing file";
	assert_ptr_equal(open_part(true, 0, 0), base);
	assert_int_equal(claims, 0);
	assert_null(open_part(false, 0, 0));
	end_all(false);
	volume.dev.read_only = true;
	base = NULL;
	assert_string_equal(open_part(true, 0, 0), "the volume is read-only");
	assert_non_null(open_part(false, BYTES + 1, 0));
	assert_null(volume.dev.user);
}

static void aborts(void **state)
{
	(void)state;
	later = true;
	assert_null(open_part(true, 4000, 0));
	assert_int_equal(copy_put(&copy, content, 40000), 40000);
	assert_true(waits);
	end_all(false);
	assert_null(copy.wrong);
	assert_int_equal(flushes, 0);
	/* The first slot was on its way, the second one was not. */
	assert_memory_equal(media + 4000, content, COPY_SLOT - 4000);
	assert_memory_equal(media + COPY_SLOT, before + COPY_SLOT, BYTES - COPY_SLOT);
}

static void errors(void **state)
{
	(void)state;
	failing = true;
	assert_null(open_part(true, 0, 0));
	assert_int_equal(copy_put(&copy, content, 50000), COPY_SLOT);
	assert_string_equal(copy.wrong, "the volume cannot be written: I/O error");
	assert_int_equal(copy_put(&copy, content, 1), 0);
	end_all(true);
	assert_int_equal(flushes, 0);
	/* The last slot, and the flush. */
	assert_null(open_part(true, 0, 0));
	assert_int_equal(copy_put(&copy, content, 5), 5);
	end_all(true);
	assert_non_null(copy.wrong);
	assert_null(open_part(true, 0, 0));
	end_all(true);
	assert_int_equal(flushes, 1);
	assert_non_null(copy.wrong);
	assert_null(open_part(false, 0, 0));
	assert_string_equal(copy.wrong, "the volume cannot be read: I/O error");
	assert_null(copy_get(&copy, &(size_t){0}));
	end_all(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(parts, set_up),    cmocka_unit_test_setup(bounds, set_up),
		cmocka_unit_test_setup(refusals, set_up), cmocka_unit_test_setup(aborts, set_up),
		cmocka_unit_test_setup(errors, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
