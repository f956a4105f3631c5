/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/base/mac.c */
/* MAC addresses as texts. */
#include "tests/unit/unit.h"

#include "guests/dom0/base/mac.h"

static const uint8_t address[MAC_BYTES] = {0x52, 0x54, 0x00, 0x0a, 0xbc, 0xff};

static void test_text(void **state)
{
	char text[MAC_TEXT];

	(void)state;
	assert_string_equal(mac_text(text, address), "52:54:00:0a:bc:ff");
}

static void test_parse(void **state)
{
	static const char *const same[] = {"52:54:00:0a:bc:ff", "52:54:00:0A:BC:FF",
					   "52:54:0:a:bC:Ff"};
	static const char *const wrong[] = {
		"",
		":",
		"5",
		"52:54:00:0a:bc",
		"52:54:00:0a:bc:",
		"52:54:00:0a:bc:ff:",
		"52:54:00:0a:bc:ff:00",
		"52:54:00:0a:bc:fff",
		"52:54:00:0a:bc:f ",
		" 52:54:00:0a:bc:ff",
		"52-54-00-0a-bc-ff",
		"5254000abcff",
		"52:54::0a:bc:ff",
		"0x52:54:00:0a:bc:ff",
		"52:54:00:0a:bc:fg",
	};
	uint8_t mac[MAC_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		memset(mac, 0, sizeof(mac));
		assert_true(mac_parse(same[i], mac));
		assert_memory_equal(mac, address, sizeof(mac));
	}
	/* Each in a place of its own size, so that a sanitizer sees a look behind the end. */
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char *text = strdup(wrong[i]);

		assert_false(mac_parse(text, mac));
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
