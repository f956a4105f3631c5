/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/shell/args.c guests/dom0/shell/words.c */
/* The arguments of verbs: where words go, and virsh's messages. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/shell/args.h"

static const struct arg table[] = {
	{"domain", ARG_TEXT, ARG_REQUIRED, "domain name, id or uuid"},
	{"vcpu", ARG_NUMBER, ARG_OPTIONAL, "vcpu number"},
	{"live", ARG_FLAG, ARG_OPTIONAL, "affect running domain"},
	{"weight", ARG_NUMBER, ARG_NAMED, "weight"},
	{"set", ARG_MANY, ARG_OPTIONAL, "parameter=value"},
	{NULL, ARG_FLAG, ARG_OPTIONAL, NULL},
};

static const struct arg many[] = {
	{"raw", ARG_FLAG, ARG_OPTIONAL, "raw"},
	{"w", ARG_FLAG, ARG_OPTIONAL, "brief"},
	{"domain", ARG_MANY, ARG_OPTIONAL, "domains"},
	{NULL, ARG_FLAG, ARG_OPTIONAL, NULL},
};

static const struct arg two[] = {
	{"domain", ARG_TEXT, ARG_REQUIRED, "domain"},
	{"count", ARG_NUMBER, ARG_REQUIRED, "count"},
	{NULL, ARG_FLAG, ARG_OPTIONAL, NULL},
};

static struct args args;
static char said[512];

static void say(const char *text)
{
	strcat(said, text);
	strcat(said, "\n");
}

/* Returns what is wrong, "" if nothing is. */
static const char *parse(const struct arg *of, const char *text)
{
	static char line[256];
	char *rest = line, *word[WORDS_MAX];
	const char *error = NULL;
	int count;

	said[0] = 0;
	snprintf(line, sizeof(line), "%s", text);
	count = words_split(&rest, word, &error);
	assert_true(count > 0);
	if (args_parse(&args, of, count, word, say))
		assert_string_equal(said, "");
	else
		assert_string_not_equal(said, "");
	return said;
}

static void places(void **state)
{
	(void)state;
	assert_string_equal(parse(table, "v a"), "");
	assert_string_equal(args_text(&args, "domain"), "a");
	assert_null(args_text(&args, "vcpu"));
	assert_false(args_flag(&args, "live"));
	assert_false(args_flag(&args, "nothing"));
	assert_string_equal(parse(table, "v --live a 3 x=1 y=2"), "");
	assert_true(args_flag(&args, "live"));
	assert_string_equal(args_text(&args, "vcpu"), "3");
	assert_null(args_text(&args, "weight"));
	assert_int_equal(args.many_count, 2);
	assert_string_equal(args.many[1], "y=2");
	assert_string_equal(parse(table, "v --domain=a 3 --weight 5"), "");
	assert_string_equal(args_text(&args, "domain"), "a");
	assert_string_equal(args_text(&args, "vcpu"), "3");
	assert_string_equal(args_text(&args, "weight"), "5");
	assert_string_equal(parse(table, "v --set x=1 a --set=y=2 4 z"), "");
	assert_int_equal(args.many_count, 3);
	assert_string_equal(args.many[1], "y=2");
	assert_string_equal(args.many[2], "z");
	assert_string_equal(parse(many, "v -w -x a"), "");
	assert_true(args_flag(&args, "w"));
	assert_int_equal(args.many_count, 2);
	assert_string_equal(parse(table, "v -- --live -1"), "");
	assert_string_equal(args_text(&args, "domain"), "--live");
	assert_string_equal(args_text(&args, "vcpu"), "-1");
}

static void wrong(void **state)
{
	(void)state;
	assert_string_equal(parse(two, "v"), "command 'v' requires <domain> option\n"
					     "command 'v' requires --count option\n");
	assert_string_equal(parse(two, "v a 1 2"), "unexpected data '2'\n");
	assert_string_equal(parse(two, "v --x=1"), "command 'v' doesn't support option --x\n");
	assert_string_equal(parse(two, "v --domai a"),
			    "command 'v' doesn't support option --domai\n");
	assert_string_equal(parse(two, "v a --domain b"), "option --domain already seen\n");
	assert_string_equal(parse(two, "v --domain"), "expected syntax: --domain <string>\n");
	assert_string_equal(parse(two, "v --count"), "expected syntax: --count <number>\n");
	assert_string_equal(parse(table, "v a --live=1"), "invalid '=' after option --live\n");
	assert_string_equal(parse(table, "v a --live --live"), "option --live already seen\n");
}

static void help(void **state)
{
	(void)state;
	said[0] = 0;
	args_synopsis(table, "v", say);
	args_synopsis(many, "w", say);
	args_describe(table, say);
	args_describe(many, say);
	args_describe(two, say);
	assert_string_equal(said, "    v <domain> [--vcpu <number>] [--live] [--weight <number>] "
				  "[[--set] <string>]...\n"
				  "    w [--raw] [-w] [<domain>]...\n"
				  "    [--domain] <string>  domain name, id or uuid\n"
				  "    --vcpu <number>  vcpu number\n"
				  "    --live           affect running domain\n"
				  "    --weight <number>  weight\n"
				  "    [--set] <string>  parameter=value\n"
				  "    --raw            raw\n"
				  "    -w               brief\n"
				  "    <domain>         domains\n"
				  "    [--domain] <string>  domain\n"
				  "    [--count] <number>  count\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(wrong),
		cmocka_unit_test(help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
