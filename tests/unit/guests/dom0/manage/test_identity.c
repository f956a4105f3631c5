/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/manage/identity.c */
/* The machine's name and address, and a store that does one change at a time. */
#include "tests/unit/unit.h"

#include "guests/dom0/manage/identity.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/store/store.h"

static char used_name[64], used_ip[IDENTITY_BYTES], asked[IDENTITY_BYTES];
static store_done *store_end; /* NULL: the store is not at work */
static void *store_context;
static const char *ended[2];
static unsigned ends[2];

void stack_set_name(const char *name)
{
	strcpy(used_name, name);
}

const char *stack_use(const char *ip)
{
	strcpy(used_ip, ip);
	return NULL;
}

const char *stack_check(const char *ip)
{
	return *ip ? NULL : "not an address";
}

void store_setting(const char *name, char *value, size_t bytes)
{
	(void)name;
	(void)bytes;
	*value = 0;
}

const char *store_set(const char *name, const char *value, store_done *done, void *context)
{
	(void)name;
	if (store_end)
		return "the store is at work";
	strcpy(asked, value ? value : "(none)");
	store_end = done;
	store_context = context;
	return NULL;
}

static void store_ends(const char *wrong)
{
	store_done *done = store_end;

	store_end = NULL;
	done(store_context, wrong);
}

static void done(void *context, const char *wrong)
{
	size_t which = (size_t)(uintptr_t)context;

	ended[which] = wrong;
	ends[which]++;
}

#define FIRST  NULL
#define SECOND ((void *)1)

/* A change that is refused because another is at work leaves that one alone. */
static void test_two(void **state)
{
	(void)state;
	assert_null(identity_keep_name("first", done, FIRST));
	assert_non_null(identity_keep_name("second", done, SECOND));
	assert_non_null(identity_keep_ip("10.0.0.9/24", done, SECOND));
	store_ends(NULL);
	assert_string_equal(used_name, "first");
	assert_int_equal(ends[0], 1);
	assert_int_equal(ends[1], 0);
	assert_null(ended[0]);
	assert_string_equal(used_ip, "");
}

static void test_values(void **state)
{
	char longest[IDENTITY_BYTES + 1];

	(void)state;
	assert_null(identity_keep_ip("10.0.0.9/24", done, FIRST));
	store_ends(NULL);
	assert_string_equal(used_ip, "10.0.0.9/24");
	assert_null(identity_keep_ip("default", done, FIRST));
	assert_string_equal(asked, "(none)");
	store_ends("the disk is full");
	assert_string_equal(ended[0], "the disk is full");
	assert_string_equal(used_ip, "10.0.0.9/24");
	assert_null(identity_keep_name("default", done, FIRST));
	store_ends(NULL);
	assert_string_equal(used_name, STACK_NAME);
	assert_non_null(identity_keep_name("-", done, FIRST));
	memset(longest, 'x', IDENTITY_BYTES);
	longest[IDENTITY_BYTES] = 0;
	assert_non_null(identity_keep_ip(longest, done, FIRST));
	assert_null(store_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
