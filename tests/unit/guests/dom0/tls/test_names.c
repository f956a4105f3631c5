/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/tls/names.c guests/dom0/tls/health.c guests/dom0/tls/exponent.c */
/* libs: mbedtls */
/* The list of names and what fits it; and the tests of sources of entropy. */
#include "tests/unit/unit.h"

#include <mbedtls/x509.h>

#include "guests/dom0/tls/health.h"
#include "guests/dom0/tls/names.h"

static char list[120];

static void change(const char *pattern, enum right right)
{
	assert_null(names_change(list, sizeof(list), pattern, right));
}

static void test_first_line_counts(void **state)
{
	(void)state;
	*list = 0;
	assert_int_equal(names_right(list, "CN=a"), RIGHT_NONE);
	change("CN=a", RIGHT_READ);
	change("CN=*", RIGHT_WRITE);
	assert_int_equal(names_right(list, "CN=a"), RIGHT_READ);
	assert_int_equal(names_right(list, "CN=ab"), RIGHT_WRITE);
	/* Changed, the line is the last. */
	change("CN=a", RIGHT_READ);
	assert_int_equal(names_right(list, "CN=a"), RIGHT_WRITE);
	assert_string_equal(list, "write CN=*\nread CN=a\n");
	change("CN=*", RIGHT_NONE);
	assert_string_equal(list, "read CN=a\n");
	assert_non_null(names_change(list, sizeof(list), "CN=*", RIGHT_NONE));
}

static void test_patterns(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool fits;
	} tries[] = {
		{"CN=a", "CN=a", true},          {"CN=a", "CN=ab", false},
		{"CN=a", "CN=", false},          {"CN=?", "CN=x", true},
		{"CN=?", "CN=", false},          {"*", "", true},
		{"*a*b*c", "xaybzc", true},      {"*a*b*c", "xaybz", false},
		{"O=x,CN=*", "O=x,CN=y", true},  {"O=x,CN=*", "O=xx,CN=y", false},
		{"**a", "bbba", true},           {"a*a", "a", false},
		{"O=*,CN=b", "O=a,CN=c", false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		*list = 0;
		change(tries[i].pattern, RIGHT_READ);
		assert_int_equal(names_right(list, tries[i].name),
				 tries[i].fits ? RIGHT_READ : RIGHT_NONE);
	}
}

/* Lines that are none, as in a store that others have written, give nobody a right. */
static void test_foreign_lines(void **state)
{
	(void)state;
	assert_int_equal(names_right("CN=a\nreads CN=a\nwrite\n\n", "CN=a"), RIGHT_NONE);
	assert_int_equal(names_right("x\nread CN=a", "CN=a"), RIGHT_READ);
}

static void test_bounds(void **state)
{
	char name[300];

	(void)state;
	*list = 0;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = 0;
	assert_non_null(names_change(list, sizeof(list), name, RIGHT_READ));
	assert_non_null(names_change(list, sizeof(list), "", RIGHT_READ));
	assert_non_null(names_change(list, sizeof(list), "CN=a\nwrite *", RIGHT_READ));
	name[100] = 0;
	change(name, RIGHT_READ);
	name[99] = 0;
	assert_non_null(names_change(list, sizeof(list), name, RIGHT_READ));
}

static const char *text_of(const char *common_name, size_t bytes)
{
	static char text[NAME_BYTES];
	mbedtls_x509_name name = {0};

	name.oid.p = (unsigned char *)"\x55\x04\x03";
	name.oid.len = 3;
	name.val.p = (unsigned char *)common_name;
	name.val.len = bytes;
	return name_text(&name, text) ? text : NULL;
}

/* No value can look like two. */
static void test_text(void **state)
{
	static const char longest[300] = {[0 ... 299] = 'a'};

	(void)state;
	assert_string_equal(text_of("admin", 5), "CN=admin");
	assert_string_equal(text_of("a,O=b", 5), "CN=a\\,O\\=b");
	assert_string_equal(text_of("*", 1), "CN=\\*");
	assert_null(text_of("a\0b", 3));
	assert_null(text_of("a\nb", 3));
	assert_null(text_of(longest, sizeof(longest)));
}

static void test_words(void **state)
{
	struct word_health health = {0};

	(void)state;
	assert_true(word_is_healthy(&health, 5));
	assert_true(word_is_healthy(&health, 6));
	assert_false(word_is_healthy(&health, 6));
	assert_false(word_is_healthy(&health, 0));
	assert_false(word_is_healthy(&health, UINT64_MAX));
}

static void test_times(void **state)
{
	struct time_health still = {0}, often = {0}, fine = {0};
	bool healthy = true;

	(void)state;
	for (unsigned i = 0; i < TIME_REPEATS - 2; i++)
		assert_true(time_is_healthy(&still, 7));
	for (unsigned i = 0; i < 2; i++)
		healthy = time_is_healthy(&still, 7);
	assert_false(healthy);
	healthy = true;
	/* One value too often, though never long in a row. */
	for (unsigned i = 0; i < TIME_WINDOW; i++)
		healthy &= time_is_healthy(&often, i % 40 == 39);
	assert_false(healthy);
	for (unsigned i = 0; i < 20 * TIME_WINDOW; i++)
		assert_true(time_is_healthy(&fine, (uint8_t)random64() % 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_line_counts),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_foreign_lines),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
