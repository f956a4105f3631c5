/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/virtio/throttle.c */
/* Token buckets: the rate over long times, bursts, requests larger than a bucket, extreme figures.
 */
#include "guests/dom0/virtio/throttle.h"
#include "tests/unit/unit.h"

#define S 1000000000ull

static struct throttle throttle;
static uint64_t now;

static void begin(const struct config_iotune *tune)
{
	now = 5;
	throttle_init(&throttle, tune, now);
}

/* How many requests start within a time, one as soon as it may. */
static uint64_t count(bool write, uint64_t bytes, uint64_t ns)
{
	uint64_t to = now + ns, n = 0;

	while (now < to) {
		uint64_t wait = throttle_wait(&throttle, write, now);

		if (wait) {
			/* Not a nanosecond too long. */
			assert_true(throttle_wait(&throttle, write, now + wait - 1) != 0);
			assert_int_equal(throttle_wait(&throttle, write, now + wait), 0);
			now += wait;
			continue;
		}
		throttle_take(&throttle, write, bytes);
		n++;
	}
	return n;
}

static void test_rates(void **state)
{
	(void)state;
	for (uint64_t rate = 1; rate < 20000; rate = rate * 7 + 3) {
		const struct config_iotune tune = {.rate = {[IOTUNE_TOTAL_IOPS] = rate}};
		uint64_t first = rate / 10 ? rate / 10 : 1;

		begin(&tune);
		assert_in_range(count(false, 4096, 20 * S), first + 20 * rate - 1,
				first + 20 * rate + 1);
		assert_in_range(count(true, 4096, S), rate - 1, rate + 1);
	}
}

static void test_bytes(void **state)
{
	const struct config_iotune tune = {.rate = {[IOTUNE_READ_BYTES] = 1 << 20}};

	(void)state;
	begin(&tune);
	/* Each is larger than the bucket: ten of them in ten seconds, and the first one. */
	assert_in_range(count(false, 1 << 20, 10 * S), 10, 11);
	/* Writes have no limit. */
	assert_int_equal(throttle_wait(&throttle, true, now), 0);
	throttle_take(&throttle, true, 1ull << 40);
	assert_int_equal(throttle_wait(&throttle, true, now), 0);
}

static void test_bursts(void **state)
{
	const struct config_iotune tune = {
		.rate = {[IOTUNE_TOTAL_IOPS] = 100},
		.burst = {[IOTUNE_TOTAL_IOPS] = 500},
		.seconds = {[IOTUNE_TOTAL_IOPS] = 2},
	};

	(void)state;
	begin(&tune);
	assert_int_equal(count(false, 1, 1), 1000);
	assert_in_range(count(true, 1, S), 99, 100);
	/* After enough rest all of it is there again, and no more. */
	now += 1000 * S;
	assert_int_equal(count(false, 1, 1), 1000);
}

static void test_several(void **state)
{
	const struct config_iotune tune = {
		.rate = {[IOTUNE_TOTAL_BYTES] = 1000000,
			 [IOTUNE_READ_IOPS] = 10,
			 [IOTUNE_WRITE_IOPS] = 20},
		.request_bytes = 1000,
	};

	(void)state;
	begin(&tune);
	assert_in_range(count(false, 512, 10 * S), 100, 102);
	begin(&tune);
	assert_in_range(count(true, 512, 10 * S), 200, 203);
	/* A request of 5000 bytes counts as five. */
	begin(&tune);
	assert_in_range(count(true, 5000, 10 * S), 40, 42);
	/* Of the largest the bytes are the limit. */
	begin(&tune);
	throttle_take(&throttle, true, 3000000);
	assert_in_range(throttle_wait(&throttle, true, now), 2 * S, 300 * S);
}

static void test_extremes(void **state)
{
	struct config_iotune tune = {0};

	(void)state;
	begin(&tune);
	throttle_take(&throttle, false, UINT64_MAX / 4);
	assert_int_equal(throttle_wait(&throttle, false, UINT64_MAX), 0);
	tune.rate[0] = tune.burst[0] = 1ull << 60;
	tune.seconds[0] = 3600;
	tune.rate[3] = 1;
	begin(&tune);
	for (unsigned i = 0; i < 1000; i++)
		throttle_take(&throttle, i & 1, 16u << 20);
	assert_in_range(throttle_wait(&throttle, false, now), 999 * S, 1000 * S);
	assert_int_equal(throttle_wait(&throttle, false, UINT64_MAX / 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),    cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_bursts),   cmocka_unit_test(test_several),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
