/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/shell/edit.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guests/dom0/shell/edit.h"

/* A terminal of one line at a time: what a user would see. */
#define WIDTH 80
static char screen[WIDTH + 1];
static char printed[4096]; /* lines that have scrolled away */
static unsigned column, bells, cleared;
static struct edit edit;

static void newline(void)
{
	size_t n = WIDTH;

	while (n && screen[n - 1] == ' ')
		n--;
	assert_true(strlen(printed) + n + 2 < sizeof(printed));
	strncat(printed, screen, n);
	strcat(printed, "\n");
	memset(screen, ' ', WIDTH);
}

static void out(void *context, const char *text, size_t bytes)
{
	(void)context;
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\r') {
			column = 0;
		} else if (text[i] == '\n') {
			newline();
		} else if (text[i] == '\b') {
			assert_true(column > 0);
			column--;
		} else if (text[i] == '\a') {
			bells++;
		} else if (text[i] == 0x1b) {
			while (i < bytes && text[i] != 'H' && text[i] != 'J')
				i++;
			memset(screen, ' ', WIDTH);
			column = 0;
			cleared++;
		} else {
			assert_in_range(text[i], ' ', '~');
			assert_true(column < WIDTH - 1); /* never wraps */
			screen[column++] = text[i];
		}
	}
}

static const char *const words[] = {"start", "status", "stop", "list", NULL};

static const char *candidate(void *context, const char *line, size_t start, unsigned index)
{
	(void)context;
	(void)line;
	return start ? NULL : words[index];
}

static int setup(void **state)
{
	(void)state;
	memset(screen, ' ', WIDTH);
	printed[0] = '\0';
	column = bells = cleared = 0;
	edit_init(&edit, "sampo# ", out, candidate, NULL);
	edit_start(&edit);
	return 0;
}

static enum edit_result type(const char *keys)
{
	enum edit_result result = EDIT_MORE;

	for (; *keys; keys++)
		result = edit_key(&edit, (uint8_t)*keys);
	return result;
}

/* The line as the user sees it, and the cursor's place in it. */
static void sees(const char *text, unsigned cursor)
{
	char wanted[WIDTH + 1];

	snprintf(wanted, sizeof(wanted), "%-80s", text);
	assert_string_equal(screen, wanted);
	assert_int_equal(column, cursor);
}

static void typing(void **state)
{
	(void)state;
	sees("sampo#", 7);
	type("list --all");
	sees("sampo# list --all", 17);
	assert_int_equal(type("\r"), EDIT_ENTER);
	assert_string_equal(edit.line, "list --all");
	assert_string_equal(printed, "sampo# list --all\n");
	edit_start(&edit);
	assert_int_equal(type("\n"), EDIT_MORE); /* of \r\n */
	assert_int_equal(type("\n"), EDIT_ENTER);
	assert_string_equal(edit.line, "");
}

static void in_the_middle(void **state)
{
	(void)state;
	type("strt\x1b[D\x1b[Da");
	sees("sampo# start", 10);
	type("\x1b[H1\x1b[F2");
	sees("sampo# 1start2", 14);
	type("\x1b[1~\x1b[3~\x1b[4~\x7f");
	sees("sampo# start", 12);
	type("\001\x1bOC\x04");
	sees("sampo# sart", 8);
	type("\x1b[D\x1b[D\x1b[D\x08"); /* nothing left of it */
	sees("sampo# sart", 7);
	type("\005\x1b[C\x1b[3~");
	sees("sampo# sart", 11);
}

static void killing(void **state)
{
	(void)state;
	type("one two three");
	type("\027");
	sees("sampo# one two", 15);
	type("\031");
	sees("sampo# one two three", 20);
	type("\x1b[1;5D\x1b[1;5D\013");
	sees("sampo# one", 11);
	type("\025");
	sees("sampo#", 7);
	type("\031\031");
	sees("sampo# one one", 15);
	type("\001\x1b"
	     "d");
	sees("sampo#  one", 7);
	type("\x1b"
	     "f!\x1b"
	     "b");
	sees("sampo#  one!", 8);
}

static void cancel_and_clear(void **state)
{
	(void)state;
	type("abc");
	assert_int_equal(type("\003"), EDIT_CANCEL);
	assert_string_equal(printed, "sampo# abc^C\n");
	edit_start(&edit);
	type("def\014");
	sees("sampo# def", 10);
	assert_true(cleared > 0);
}

static void enter(const char *line)
{
	type(line);
	assert_int_equal(type("\r"), EDIT_ENTER);
	edit_start(&edit);
}

static void history(void **state)
{
	(void)state;
	type("\x1b[A\x1b[B");
	sees("sampo#", 7);
	enter("first");
	enter("second");
	enter("second");
	enter(" not kept");
	type("typed\x1b[A");
	sees("sampo# second", 13);
	type("\020");
	sees("sampo# first", 12);
	type("\x1b[A");
	sees("sampo# first", 12);
	type("\x1b[B\x1b[B");
	sees("sampo# typed", 12);
	type("\x1b[A!\r");
	assert_string_equal(edit.line, "second!");
	edit_start(&edit);
	type("\x1b[A\x1b[A");
	sees("sampo# second", 13);
}

static void history_wraps(void **state)
{
	char line[16];

	(void)state;
	for (unsigned i = 0; i < EDIT_HISTORY + 5; i++) {
		snprintf(line, sizeof(line), "line%u", i);
		enter(line);
	}
	for (unsigned i = 0; i < EDIT_HISTORY + 5; i++)
		type("\x1b[A");
	sees("sampo# line5", 12);
}

static void completion(void **state)
{
	(void)state;
	type("l\t");
	sees("sampo# list ", 12);
	type("\025s\t");
	sees("sampo# st", 9);
	type("\t");
	assert_string_equal(printed, "sampo# st\nstart  status  stop\n");
	sees("sampo# st", 9);
	type("o\t");
	sees("sampo# stop ", 12);
	type("x\t");
	assert_int_equal(bells, 1);
	type("\025zz\t");
	sees("sampo# zz", 9);
	assert_int_equal(bells, 2);
}

static void long_lines(void **state)
{
	char line[EDIT_LINE];

	(void)state;
	for (unsigned i = 0; i < EDIT_LINE + 20; i++)
		edit_key(&edit, (uint8_t)('a' + i % 26));
	assert_int_equal(edit.length, EDIT_LINE - 1);
	for (unsigned i = 0; i < EDIT_LINE - 1; i++)
		line[i] = (char)('a' + i % 26);
	line[EDIT_LINE - 1] = '\0';
	assert_string_equal(edit.line, line);
	assert_memory_equal(screen, "sampo# ", 7);
	assert_memory_equal(screen + 7, line + EDIT_LINE - 1 - 71, 71);
	type("\001");
	assert_memory_equal(screen + 7, line, 71);
	assert_int_equal(column, 7);
	type("\x1b[3~\005\x7f");
	assert_int_equal(edit.length, EDIT_LINE - 3);
	for (unsigned i = 0; i < EDIT_LINE; i++)
		type("\x7f");
	sees("sampo#", 7);
}

static void hide_and_redraw(void **state)
{
	(void)state;
	type("list\x1b[D");
	edit_hide(&edit);
	sees("", 0);
	edit_redraw(&edit);
	sees("sampo# list", 10);
}

static void odd_keys(void **state)
{
	(void)state;
	type("ab\x1b[99999999999999;;;;;;1~\x1b[?25hc\xc3\xa4\x01\x1b\x1b[Cx");
	sees("sampo# axbc", 9);
	type("\x1b[\r"); /* a control character ends a sequence and acts */
	assert_string_equal(edit.line, "axbc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(typing, setup),
		cmocka_unit_test_setup(in_the_middle, setup),
		cmocka_unit_test_setup(killing, setup),
		cmocka_unit_test_setup(cancel_and_clear, setup),
		cmocka_unit_test_setup(history, setup),
		cmocka_unit_test_setup(history_wraps, setup),
		cmocka_unit_test_setup(completion, setup),
		cmocka_unit_test_setup(long_lines, setup),
		cmocka_unit_test_setup(hide_and_redraw, setup),
		cmocka_unit_test_setup(odd_keys, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
