/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/shell/edit.c guests/dom0/shell/words.c */
/* Any keys: the editor stays within its line and within the terminal's. */
#include <stdlib.h>
#include <string.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct edit edit;
	char *word[WORDS_MAX];
	const char *error;

	column = 0;
	edit_init(&edit, "sampo# ", out, candidate, NULL);
	edit_start(&edit);
	for (size_t i = 0; i < size; i++) {
		enum edit_result result = edit_key(&edit, data[i]);

		if (edit.length >= EDIT_LINE || edit.cursor > edit.length ||
		    strlen(edit.line) != edit.length)
			abort();
		if (result == EDIT_ENTER) {
			int count = words_split(edit.line, word, &error);

			if (count > 0)
				words_option_value(&count, word, "--name");
		}
		if (result != EDIT_MORE)
			edit_start(&edit);
	}
	return 0;
}
