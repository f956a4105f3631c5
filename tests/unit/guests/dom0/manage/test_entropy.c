/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/manage/entropy.c */
/* The store's seed over starts of the machine, on a disk, random numbers and a clock of the test's.
 */
#include "guests/dom0/base/loop.h"
#include "guests/dom0/manage/entropy.h"
#include "guests/dom0/storage/transfer.h"
#include "guests/dom0/store/store.h"
#include "guests/dom0/tls/random.h"
#include "tests/unit/unit.h"

#define AT   4096u
#define SEED 64u
#define HOUR 3600000000000ull

static struct blkdev dev;
static uint8_t disk[SEED], cache[SEED]; /* flushed, and written */
static struct timer *renewal;
static uint64_t now_ns = 1;
static bool is_open, has_entropy, reads, writes;
static uint8_t next_byte, mixed[SEED];
static unsigned readies, mixes;

uint64_t clock_ns(void)
{
	return now_ns;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
	renewal = timer;
}

void timer_set(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
}

struct blkdev *store_seed_place(uint64_t *at)
{
	*at = AT;
	return is_open ? &dev : NULL;
}

const char *tls_random_start(void)
{
	return has_entropy ? NULL : "there is no good entropy";
}

void tls_random_mix(const void *bytes, size_t n)
{
	assert_int_equal(n, SEED);
	memcpy(mixed, bytes, n);
	mixes++;
}

int tls_random(void *context, unsigned char *to, size_t bytes)
{
	(void)context;
	memset(to, ++next_byte, bytes);
	return 0;
}

void transfer_start(struct transfer *transfer)
{
	bool right = transfer->kind == TRANSFER_READ ? reads : writes;

	assert_ptr_equal(transfer->dev, &dev);
	/* Nobody uses the old one before the disk has another. */
	assert_int_equal(readies, 0);
	if (transfer->kind == TRANSFER_FLUSH) {
		memcpy(disk, cache, SEED);
	} else {
		assert_int_equal(transfer->offset, AT);
		assert_int_equal(transfer->bytes, SEED);
	}
	if (transfer->kind == TRANSFER_READ)
		memcpy(transfer->data, disk, SEED);
	else if (transfer->kind == TRANSFER_WRITE && right)
		memcpy(cache, transfer->data, SEED);
	transfer->done(transfer, right);
}

static void ready(void)
{
	readies++;
}

static void start(void)
{
	readies = mixes = 0;
	entropy_start(ready);
	assert_int_equal(readies, 1);
	readies = 0;
}

static int set_up(void **state)
{
	(void)state;
	is_open = has_entropy = reads = writes = true;
	memset(disk, 0xdd, SEED);
	return 0;
}

static bool disk_has(uint8_t byte)
{
	for (unsigned i = 0; i < SEED; i++)
		if (disk[i] != byte)
			return false;
	return true;
}

static void test_starts(void **state)
{
	uint8_t first;

	(void)state;
	start();
	assert_int_equal(mixes, 1);
	assert_int_equal(mixed[0], 0xdd);
	assert_true(disk_has(next_byte));
	first = next_byte;
	start();
	assert_int_equal(mixed[0], first);
	assert_true(next_byte != first && disk_has(next_byte));
}

static void test_each_hour(void **state)
{
	uint8_t before;

	(void)state;
	start();
	before = next_byte;
	assert_int_equal(renewal->deadline, now_ns + HOUR);
	now_ns = renewal->deadline;
	renewal->fire(renewal);
	assert_true(next_byte != before && disk_has(next_byte));
	assert_int_equal(mixes, 1); /* dom0's own numbers add nothing */
	assert_int_equal(renewal->deadline, now_ns + HOUR);
	before = next_byte;
	entropy_renew();
	assert_true(next_byte != before && disk_has(next_byte));
	/* A store that is gone, for a time. */
	is_open = false;
	renewal->fire(renewal);
	assert_int_equal(renewal->deadline, now_ns + HOUR);
}

/* The seed is no entropy: without the CPU's nothing is made of it, and it stays. */
static void test_is_no_entropy(void **state)
{
	(void)state;
	has_entropy = false;
	start();
	assert_int_equal(mixes, 0);
	assert_true(disk_has(0xdd));
}

static void test_errors(void **state)
{
	(void)state;
	is_open = false;
	start();
	is_open = true;
	reads = false;
	start();
	assert_int_equal(mixes, 0);
	reads = true;
	writes = false;
	start();
	assert_int_equal(mixes, 1);
	assert_int_equal(renewal->deadline, now_ns + HOUR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_starts, set_up),
		cmocka_unit_test_setup(test_each_hour, set_up),
		cmocka_unit_test_setup(test_is_no_entropy, set_up),
		cmocka_unit_test_setup(test_errors, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
