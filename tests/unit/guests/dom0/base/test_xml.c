/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/base/xml.c */
/* libs: expat */
/* Texts that enter XML documents: a parser gets back what was put in, and nothing breaks out. */
#include "tests/unit/unit.h"

#include <expat.h>

#include "guests/dom0/base/xml.h"

static const char *escaped(const char *text)
{
	static char to[XML_ROOM(64)];

	return xml_escape(to, sizeof(to), text);
}

static void test_signs(void **state)
{
	(void)state;
	assert_string_equal(escaped("a<b>&'\"\t\n\r z"),
			    "a&lt;b&gt;&amp;&apos;&quot;&#9;&#10;&#13; z");
	assert_string_equal(escaped(""), "");
}

static void test_not_xml(void **state)
{
	(void)state;
	assert_string_equal(escaped("\x01\x1f\x7f"), "??\x7f");
	/* UTF-8 of 2, 3 and 4 bytes stays. */
	assert_string_equal(escaped("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7"),
			    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7");
	/* Cut off, too long a form, a surrogate, beyond the last, a byte alone, no character. */
	assert_string_equal(escaped("\xc3"), "?");
	assert_string_equal(escaped("\xe2\x82"), "??");
	assert_string_equal(escaped("\xc0\xbc"), "??");
	assert_string_equal(escaped("\xe0\x80\xbc"), "???");
	assert_string_equal(escaped("\xed\xa0\x80"), "???");
	assert_string_equal(escaped("\xf4\x90\x80\x80"), "????");
	assert_string_equal(escaped("\xff<\x80"), "?&lt;?");
	assert_string_equal(escaped("\xef\xbf\xbe"), "???");
}

static void test_room(void **state)
{
	char to[8];

	(void)state;
	assert_string_equal(xml_escape(to, sizeof(to), "ab&quot"), "ab&amp;");
	assert_string_equal(xml_escape(to, sizeof(to), "abc&quot"), "abc");
	assert_string_equal(xml_escape(to, 3, "a\xc3\xa4"), "a");
	assert_string_equal(xml_escape(to, 1, "a"), "");
}

static char read_back[256];

static void start(void *context, const char *name, const char **attributes)
{
	(void)context;
	(void)name;
	snprintf(read_back, sizeof(read_back), "%s", attributes[1]);
}

/* Any bytes make a document that a parser accepts; those that XML may have come back. */
static void test_any_bytes(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		char text[65], xml[512];
		XML_Parser expat = XML_ParserCreate(NULL);
		size_t n = random_below(64);
		bool plain = round & 1;

		for (size_t i = 0; i < n; i++)
			text[i] = (char)(plain ? ' ' + random_below(95) : 1 + random_below(255));
		text[n] = 0;
		snprintf(xml, sizeof(xml), "<a b='%s'/>", escaped(text));
		XML_SetStartElementHandler(expat, start);
		assert_int_equal(XML_Parse(expat, xml, (int)strlen(xml), 1), XML_STATUS_OK);
		if (plain)
			assert_string_equal(read_back, text);
		XML_ParserFree(expat);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signs),
		cmocka_unit_test(test_not_xml),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
