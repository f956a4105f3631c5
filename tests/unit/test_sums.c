/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/base/sums.c guests/lib/sha256.c */
/* Boot modules and what SHA256SUMS says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guests/dom0/config/parse.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/base/sums.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const struct sampo_boot told = {.modules = 32};
const struct sampo_boot *boot = &told;
static const char *sums;

bool module_find(const char *name, struct module *module)
{
	assert_string_equal(name, "SHA256SUMS");
	if (!sums)
		return false;
	*module = (struct module){name, (const uint8_t *)sums, strlen(sums)};
	return true;
}

void config_fail(struct config_parser *p, const char *format, ...)
{
	(void)p;
	(void)format;
}

const char *config_attribute(const char **attributes, const char *name)
{
	(void)attributes;
	(void)name;
	return NULL;
}

/* A fresh copy each time: a module that has been found right is not looked at again. */
static const char *check(const char *name, const char *text)
{
	static uint8_t copies[16][8];
	static unsigned n;
	struct module module = {name, copies[n], strlen(text)};

	memcpy(copies[n++], text, strlen(text));
	return sums_check(&module);
}

static void listed(void **state)
{
	(void)state;
	sums = NULL;
	assert_null(check("a", "abd"));
	sums = "";
	assert_null(check("a", "abd"));
	sums = ABC "  dir/a\n" ABC " *./b\n" ABC "  last";
	assert_null(check("dir/a", "abc"));
	assert_null(check("b", "abc"));
	assert_null(check("last", "abc"));
	assert_non_null(check("dir/a", "abd"));
	assert_non_null(check("b", "ab"));
	assert_non_null(check("last", "abb"));
	assert_null(check("a", "abd")); /* not named */
	assert_null(check("las", "abd"));
}

static void malformed(void **state)
{
	(void)state;
	sums = "zz7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n";
	assert_non_null(check("a", "abc"));
	sums = "ba78  a\n\n\n# a\n" ABC "\n" ABC "  \n" ABC;
	assert_null(check("a", "abd"));
}

static void once(void **state)
{
	uint8_t text[] = "abc";
	struct module module = {"a", text, 3};

	(void)state;
	sums = ABC "  a\n";
	assert_null(sums_check(&module));
	text[0] = 'b'; /* nobody can write to it in dom0 */
	assert_null(sums_check(&module));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listed),
		cmocka_unit_test(malformed),
		cmocka_unit_test(once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
