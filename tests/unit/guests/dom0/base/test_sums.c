/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/base/sums.c */
/* libs: mbedtls */
/* Boot modules and what SHA256SUMS says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/base/sums.h"
#include "guests/dom0/config/parse.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const struct sampo_boot told = {.modules = 32};
const struct sampo_boot *boot = &told;
static const char *sums;
static const struct module *listing; /* what there is for module_get */
static unsigned listed_modules;
static struct work *queued;

bool module_find(const char *name, struct module *module)
{
	assert_string_equal(name, "SHA256SUMS");
	if (!sums)
		return false;
	*module = (struct module){name, (const uint8_t *)sums, strlen(sums)};
	return true;
}

bool module_get(unsigned index, struct module *module)
{
	if (index >= listed_modules)
		return false;
	*module = listing[index];
	return true;
}

void work_queue(struct work *work)
{
	queued = work;
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

/* The background reads in steps; what it has found right, and that alone, is not read again. */
static void ahead(void **state)
{
	static uint8_t large[200000], damaged[] = "abd";
	static const struct module all[] = {{"none", (const uint8_t *)"", 0},
					    {"damaged", damaged, 3},
					    {"zeros", large, sizeof(large)}};
	unsigned steps = 0;

	(void)state;
	sums = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  none\n" ABC
	       "  damaged\n"
	       "4cbbd9be0cba685835755f827758705db5a413c5494c34262cd25946a73e7582  zeros\n";
	listing = all;
	listed_modules = 3;
	sums_read_ahead();
	for (struct work *work; (work = queued); steps++) {
		queued = NULL;
		work->run(work);
	}
	assert_in_range(steps, 5, 10);
	large[0] = 1;
	assert_null(sums_check(&all[2]));
	assert_non_null(sums_check(&all[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listed),
		cmocka_unit_test(malformed),
		cmocka_unit_test(once),
		cmocka_unit_test(ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
