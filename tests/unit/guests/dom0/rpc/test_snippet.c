/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/rpc/snippet.c */
/* libs: expat */
/* Some elements of a short document: what is found, and what hostile documents do. */
#include "tests/unit/unit.h"

#include "guests/dom0/rpc/snippet.h"

enum { NAME, CAPACITY, ELEMENTS };

static struct snippet element[ELEMENTS];

static const char *read_xml(const char *xml)
{
	memset(element, 0, sizeof(element));
	element[NAME].path = "volume/name";
	element[CAPACITY].path = "volume/capacity";
	element[CAPACITY].attribute = "unit";
	return snippet_read(xml, strlen(xml), element, ELEMENTS);
}

static void test_found(void **state)
{
	(void)state;
	assert_null(read_xml("<volume><x><name>no</name></x><capacity unit='GiB' a='b'>1</capacity>"
			     "<name>a&amp;b</name><name>c</name></volume>"));
	assert_string_equal(element[NAME].text, "a&b");
	assert_string_equal(element[CAPACITY].text, "1");
	assert_string_equal(element[CAPACITY].value, "GiB");
	assert_null(read_xml("<volume/>"));
	assert_false(element[NAME].found);
}

/* Each in a place of its own size, and as an element that ends where it begins. */
static void refused(const char *begin, char c, size_t n, const char *end)
{
	size_t bytes = strlen(begin) + n + strlen(end);
	char *xml = malloc(bytes + 1);

	strcpy(xml, begin);
	memset(xml + strlen(begin), c, n);
	strcpy(xml + strlen(begin) + n, end);
	assert_non_null(read_xml(xml));
	free(xml);
}

static void test_hostile(void **state)
{
	char deep[256] = "";

	(void)state;
	refused("<", 'a', 200, "/>");
	refused("<", 'a', 200, "></a>");
	refused("<volume><", 'a', 125, "/></volume>");
	refused("<!DOCTYPE a [<!ENTITY b 'c'>]><a", 'a', 0, "/>");
	refused("", ' ', 0, "");
	refused("<a>", 'a', 10, "");
	for (unsigned i = 0; i < 16; i++)
		strcat(deep, "<a>");
	strcat(deep, "<a/>");
	refused(deep, ' ', 0, "");
	assert_null(
		read_xml("<volume><name>"
			 "0123456789012345678901234567890123456789012345678901234567890123456789"
			 "0123456789012345678901234567890123456789012345678901234567890123456789"
			 "0123456789012345678901234567890123456789012345678901234567890123456789"
			 "0123456789012345678901234567890123456789012345678901234567890123456789"
			 "</name></volume>"));
	assert_int_equal(strlen(element[NAME].text), SNIPPET_TEXT - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
