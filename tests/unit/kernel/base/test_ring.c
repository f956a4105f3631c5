/* SPDX-License-Identifier: BSD-2-Clause */
/* The rings of struct sampo_log: the kernel's side and the reader's, who is overtaken. */
#include "kernel/base/ring.h"
#include "tests/unit/unit.h"

static void overtaken(void);
/* Between the copy and the second look at the end. */
#define __atomic_thread_fence(order) overtaken()
#include "guests/lib/ring.h"
#undef __atomic_thread_fence

#define SIZE        16u
#define READ(bytes) ring_read(ring, SIZE, &end, &position, text, bytes)

static char ring[SIZE], text[64];
static uint64_t end, position;
static unsigned ahead, times; /* what is written meanwhile, and how often */

static char byte_of(uint64_t number)
{
	return (char)(number + number / SIZE * 7);
}

static void put(unsigned n)
{
	while (n--)
		ring_put(ring, SIZE, &end, byte_of(end));
}

static void overtaken(void)
{
	if (!times)
		return;
	times--;
	put(ahead);
}

static int empty(void **state)
{
	(void)state;
	memset(text, 0x55, sizeof(text));
	end = position = 0;
	times = 0;
	return 0;
}

/* They are what was read last. */
static void assert_bytes(uint64_t from, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(text[i], byte_of(from + i));
	assert_int_equal(position, from + n);
}

static void test_in_order(void **state)
{
	(void)state;
	assert_int_equal(READ(8), 0);
	put(5);
	assert_int_equal(READ(3), 3);
	assert_bytes(0, 3);
	assert_int_equal(text[3], 0x55);
	assert_int_equal(READ(8), 2);
	assert_bytes(3, 2);
	put(SIZE - 1);
	assert_int_equal(READ(64), SIZE - 1);
	assert_bytes(5, SIZE - 1);
	assert_int_equal(READ(8), 0);
	assert_int_equal(position, end);
}

/* The byte whose place is the next to be written may be half gone. */
static void test_late(void **state)
{
	(void)state;
	put(SIZE);
	assert_int_equal(READ(64), SIZE - 1);
	assert_bytes(1, SIZE - 1);
	put(100 * SIZE + 3);
	assert_int_equal(READ(4), 4);
	assert_bytes(end - SIZE + 1, 4);
}

static void test_overtaken(void **state)
{
	(void)state;
	put(SIZE - 1);
	times = 1;
	ahead = 3; /* over 0 and 1, and 2 may be next */
	assert_int_equal(READ(8), 5);
	assert_bytes(3, 5);
	times = 1;
	ahead = 8;
	assert_int_equal(READ(4), 1);
	assert_bytes(11, 1);
}

/* All that was copied is lost: it goes on with what there is now. */
static void test_overtaken_wholly(void **state)
{
	(void)state;
	put(SIZE - 1);
	times = 3;
	ahead = 5 * SIZE + 1;
	assert_int_equal(READ(6), 6);
	assert_int_equal(times, 0);
	assert_bytes(end - SIZE + 1, 6);
	ring_read(ring, SIZE, &end, &position, text, 64);
	times = 1;
	assert_int_equal(READ(8), 0);
	assert_int_equal(READ(8), 8);
	assert_bytes(end - SIZE + 1, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_in_order, empty),
		cmocka_unit_test_setup(test_late, empty),
		cmocka_unit_test_setup(test_overtaken, empty),
		cmocka_unit_test_setup(test_overtaken_wholly, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
