/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/shell/words.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "guests/dom0/shell/words.h"

static char line[256];
static char *word[WORDS_MAX];

static char *next;

static int split_next(void)
{
	const char *error = NULL;
	int count = words_split(&next, word, &error);

	if (count < 0)
		assert_non_null(error);
	return count;
}

static int split(const char *text)
{
	strcpy(line, text);
	next = line;
	return split_next();
}

static void splitting(void **state)
{
	(void)state;
	assert_int_equal(split(""), 0);
	assert_int_equal(split(" \t "), 0);
	assert_int_equal(split("  start \t linux1 "), 2);
	assert_string_equal(word[0], "start");
	assert_string_equal(word[1], "linux1");
	assert_int_equal(split("a 'b c' \"d \\\" e\" f\\ g '' x'y'z"), 6);
	assert_string_equal(word[1], "b c");
	assert_string_equal(word[2], "d \" e");
	assert_string_equal(word[3], "f g");
	assert_string_equal(word[4], "");
	assert_string_equal(word[5], "xyz");
	assert_int_equal(split("a#b #c"), 1);
	assert_string_equal(word[0], "a#b");
	assert_int_equal(split("# a"), 0);
	assert_int_equal(split("'a\\'"), 1);
	assert_string_equal(word[0], "a\\");
}

/* A line of several commands, as virsh takes it apart. */
static void commands(void **state)
{
	(void)state;
	assert_int_equal(split("list --all;version"), 2);
	assert_string_equal(word[1], "--all");
	assert_int_equal(split_next(), 1);
	assert_string_equal(word[0], "version");
	assert_null(next);
	assert_int_equal(split("a ';' \"b;c\" d\\;e ;; f;"), 4);
	assert_string_equal(word[1], ";");
	assert_string_equal(word[2], "b;c");
	assert_string_equal(word[3], "d;e");
	assert_int_equal(split_next(), 0);
	assert_int_equal(split_next(), 1);
	assert_string_equal(word[0], "f");
	assert_int_equal(split_next(), 0);
	assert_null(next);
	assert_int_equal(split("a # b; c"), 1);
	assert_null(next);
	assert_int_equal(split("a#b;#c"), 1);
	assert_int_equal(split_next(), 0);
	assert_null(next);
	assert_int_equal(split(""), 0);
	assert_null(next);
}

static void bad_lines(void **state)
{
	(void)state;
	assert_int_equal(split("a 'b"), -1);
	assert_int_equal(split("\"b"), -1);
	assert_int_equal(split("b\\"), -1);
	assert_int_equal(split("1 2 3 4 5 6 7 8 1 2 3 4 5 6 7 8 1 2 3 4 5 6 7 8 1 2 3 4 5 6 7 8"),
			 WORDS_MAX);
	assert_int_equal(split("1 2 3 4 5 6 7 8 1 2 3 4 5 6 7 8 1 2 3 4 5 6 7 8 1 2 3 4 5 6 7 8 9"),
			 -1);
}

static char printed[1024];

static void print_line(const char *text)
{
	strcat(printed, text);
	strcat(printed, "\n");
}

static void tables(void **state)
{
	static const char *const header[] = {"Id", "Name", "State"};
	struct table table;

	(void)state;
	printed[0] = '\0';
	table_start(&table, 3, header);
	table_row(&table, (const char *const[]){"1", "linux1", "running"});
	table_row(&table, (const char *const[]){"-", "a", "shut off"});
	table_end(&table, print_line);
	assert_string_equal(printed, " Id   Name     State\n"
				     "-------------------------\n"
				     " 1    linux1   running\n"
				     " -    a        shut off\n");
}

static unsigned lines, longest;

static void measure_line(const char *text)
{
	lines++;
	if (strlen(text) > longest)
		longest = (unsigned)strlen(text);
}

static void large_table(void **state)
{
	static const char *const header[] = {"A", "B", "C", "D", "E", "F"};
	struct table table;

	(void)state;
	lines = 0;
	table_start(&table, 6, header);
	for (unsigned i = 0; i < 100; i++)
		table_row(&table, header);
	table_end(&table, measure_line);
	assert_int_equal(lines, 102);
}

static void wide_table(void **state)
{
	static const char *const header[] = {"A", "B", "C", "D", "E", "F"};
	char cell[300];
	struct table table;

	(void)state;
	longest = 0;
	memset(cell, 'x', sizeof(cell) - 1);
	cell[sizeof(cell) - 1] = '\0';
	table_start(&table, 6, header);
	table_row(&table, (const char *const[]){cell, cell, cell, cell, cell, cell});
	table_end(&table, measure_line);
	assert_int_equal(longest, 6 * (TABLE_CELL - 1 + 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splitting),   cmocka_unit_test(commands),
		cmocka_unit_test(bad_lines),   cmocka_unit_test(tables),
		cmocka_unit_test(large_table), cmocka_unit_test(wide_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
