/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/base/queue.c */
/* Bytes in and out of a queue in pieces of any size come in their order, and its memory goes. */
#include "guests/dom0/base/queue.h"
#include "tests/unit/unit.h"

static void test_order(void **state)
{
	struct queue queue = {0};
	uint8_t piece[700], in = 0, out = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		size_t n = random_below(sizeof(piece));

		if (random_below(2) && queue_length(&queue) < 100000) {
			for (size_t at = 0; at < n; at++)
				piece[at] = in++;
			assert_true(queue_put(&queue, piece, n));
			continue;
		}
		n = n < queue_length(&queue) ? n : queue_length(&queue);
		for (size_t at = 0; at < n; at++)
			assert_int_equal(queue_front(&queue)[at], out++);
		queue_drop(&queue, n);
	}
	assert_true(queue.room <= 262144);
	queue_free(&queue);
}

static void test_memory(void **state)
{
	struct queue queue = {0};

	(void)state;
	assert_true(queue_put(&queue, NULL, 0));
	assert_null(queue.bytes);
	assert_true(queue_put(&queue, "abc", 3));
	queue_trim(&queue);
	assert_non_null(queue.bytes);
	queue_drop(&queue, 3);
	queue_trim(&queue);
	assert_null(queue.bytes);
	assert_int_equal(queue.room, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_order),
					   cmocka_unit_test(test_memory)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
