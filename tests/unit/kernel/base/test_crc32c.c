/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/base/crc32c.c */
/* The vectors of RFC 3720, appendix B.4, in one piece and in two. */
#include "kernel/base/crc32c.h"
#include "tests/unit/unit.h"

static void check(const uint8_t bytes[32], uint32_t expected)
{
	for (size_t cut = 0; cut <= 32; cut++)
		assert_int_equal(crc32c(crc32c(0, bytes, cut), bytes + cut, 32 - cut), expected);
}

static void test_vectors(void **state)
{
	uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		ones[i] = 0xff;
		up[i] = (uint8_t)i;
		down[i] = (uint8_t)(31 - i);
	}
	check(zeros, 0x8a9136aa);
	check(ones, 0x62a8ab43);
	check(up, 0x46dd794e);
	check(down, 0x113fdb5c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
