/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/shell/edit.c guests/dom0/shell/words.c guests/dom0/shell/args.c */
/* Any keys: the editor stays within its line and within the terminal's; any line of a verb. */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/shell/args.h"
#include "guests/dom0/shell/edit.h"
#include "guests/dom0/shell/words.h"

static unsigned column;

static void out(void *context, const char *text, size_t bytes)
{
	(void)context;
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == 0x1b) /* clear the screen: up to H or J */
			i += strcspn(text + i, "HJ");
		else if (text[i] == '\r')
			column = 0;
		else if (text[i] == '\b' && !column--)
			abort();
		else if (text[i] >= ' ' && column++ > EDIT_WIDTH) /* 80: ^C at the end */
			abort();
	}
}

static const char *candidate(void *context, const char *line, size_t start, unsigned index)
{
	static const char *const words[] = {"list", "start", "stop", "s"};

	(void)context;
	(void)line;
	(void)start;
	return index < 4 ? words[index] : NULL;
}

static void error(const char *text)
{
	if (!strlen(text))
		abort();
}

/* Each value is a word of the line. */
static void parse(int count, char *word[])
{
	static const struct arg table[] = {
		{"a", ARG_TEXT, ARG_REQUIRED, "a"},   {"b", ARG_FLAG, ARG_OPTIONAL, "b"},
		{"c", ARG_NUMBER, ARG_NAMED, "c"},    {"d", ARG_MANY, ARG_OPTIONAL, "d"},
		{NULL, ARG_FLAG, ARG_OPTIONAL, NULL},
	};
	static struct args args;

	if (!args_parse(&args, table, count, word, error))
		return;
	if (!args_text(&args, "a") || (int)args.many_count >= count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct edit edit;
	char *word[WORDS_MAX];
	const char *wrong;

	column = 0;
	edit_init(&edit, "sampo# ", out, candidate, NULL);
	edit_start(&edit);
	for (size_t i = 0; i < size; i++) {
		enum edit_result result = edit_key(&edit, data[i]);

		if (edit.length >= EDIT_LINE || edit.cursor > edit.length ||
		    strlen(edit.line) != edit.length)
			abort();
		for (char *rest = result == EDIT_ENTER ? edit.line : NULL; rest;) {
			int count = words_split(&rest, word, &wrong);

			if (count < 0)
				break;
			if (count)
				parse(count, word);
		}
		if (result != EDIT_MORE)
			edit_start(&edit);
	}
	return 0;
}
