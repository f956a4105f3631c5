/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/manage/exit_names.c */
/* The shell's names of exits are the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/hv.h"
#include "guests/dom0/manage/exit_names.h"

static void same_names(void **state)
{
	static const char *const kernel[] = {
#define NAME(name, text) text,
		EXIT_KINDS(NAME)
#undef NAME
	};

	(void)state;
	for (unsigned i = 0; i < EXIT_KIND_COUNT; i++)
		assert_string_equal(exit_name(i), kernel[i]);
	assert_string_equal(exit_name(EXIT_KIND_COUNT), "?");
	assert_true(EXIT_KIND_COUNT <= SAMPO_EXIT_COUNTERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(same_names)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
