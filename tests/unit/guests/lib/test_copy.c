/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/lib/copy.c */
/* flags: -fno-builtin -Dmemcpy=guest_memcpy -Dmemset=guest_memset */
/* Every size up to some words, at every alignment of both sides: the bytes that were asked for, and
 * no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIZES  130
#define AROUND 16
#define ROOM   (SIZES + 2 * AROUND)

static uint8_t source[ROOM], target[ROOM], expected[ROOM];

static void prepare(void)
{
	for (unsigned i = 0; i < ROOM; i++) {
		source[i] = (uint8_t)(i * 7 + 1);
		target[i] = expected[i] = (uint8_t)(200 - i);
	}
}

static void test_memcpy(void **state)
{
	(void)state;
	for (unsigned to = 0; to < AROUND; to++)
		for (unsigned from = 0; from < AROUND; from++)
			for (unsigned bytes = 0; bytes <= SIZES; bytes++) {
				prepare();
				for (unsigned i = 0; i < bytes; i++)
					expected[to + i] = source[from + i];
				assert_ptr_equal(memcpy(target + to, source + from, bytes),
						 target + to);
				assert_memory_equal(target, expected, ROOM);
			}
}

static void test_memset(void **state)
{
	(void)state;
	for (unsigned to = 0; to < AROUND; to++)
		for (unsigned bytes = 0; bytes <= SIZES; bytes++) {
			prepare();
			for (unsigned i = 0; i < bytes; i++)
				expected[to + i] = 0xa5;
			assert_ptr_equal(memset(target + to, 0x1a5, bytes), target + to);
			assert_memory_equal(target, expected, ROOM);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memcpy),
		cmocka_unit_test(test_memset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
