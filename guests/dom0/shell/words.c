/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/shell/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* One word from *from to *to (which never overtakes it). */
static const char *split_one(char **from, char **to)
{
	char *in = *from, *out = *to, quote = '\0';

	for (; *in && (quote || !is_blank(*in)); in++) {
		if (quote && *in == quote) {
			quote = '\0';
		} else if (!quote && (*in == '\'' || *in == '"')) {
			quote = *in;
		} else {
			if (*in == '\\' && quote != '\'' && !*++in)
				return "dangling \\";
			*out++ = *in;
		}
	}
	if (quote)
		return quote == '"' ? "missing \"" : "missing '";
	*from = in;
	*to = out;
	return NULL;
}

int words_split(char *line, char *word[WORDS_MAX], const char **error)
{
	char *from = line, *to = line;
	int count = 0;

	for (;;) {
		bool last;

		while (is_blank(*from))
			from++;
		if (!*from)
			return count;
		if (count == WORDS_MAX) {
			*error = "too many words";
			return -1;
		}
		word[count++] = to;
		*error = split_one(&from, &to);
		if (*error)
			return -1;
		last = !*from;
		*to++ = '\0';
		if (last)
			return count;
		from++;
	}
}

static void take_out(int *count, char *word[], int at, int words)
{
	for (int i = at; i + words < *count; i++)
		word[i] = word[i + words];
	*count -= words;
}

bool words_option(int *count, char *word[], const char *name)
{
	for (int i = 1; i < *count; i++) {
		if (strcmp(word[i], name))
			continue;
		take_out(count, word, i, 1);
		return true;
	}
	return false;
}

const char *words_option_value(int *count, char *word[], const char *name)
{
	size_t length = strlen(name);
	const char *value;

	for (int i = 1; i < *count; i++) {
		if (strncmp(word[i], name, length))
			continue;
		if (word[i][length] == '=') {
			value = word[i] + length + 1;
			take_out(count, word, i, 1);
			return value;
		}
		if (word[i][length])
			continue;
		value = i + 1 < *count ? word[i + 1] : "";
		take_out(count, word, i, i + 1 < *count ? 2 : 1);
		return value;
	}
	return NULL;
}

void words_without(int *count, char *word[], const char *options)
{
	char name[WORDS_NAME];

	while (*options) {
		size_t n = strcspn(options, " ");

		snprintf(name, sizeof(name), "%.*s", (int)n, options);
		words_option(count, word, name);
		options += n;
		options += strspn(options, " ");
	}
}

/* Options stand in brackets of their own, with what they take. */
static const char *next_argument(const char *at)
{
	for (; *at; at++) {
		if (!strncmp(at, "[--", 3))
			at += strcspn(at, "]");
		else if ((*at == '<' || *at == '[') && at[1] >= 'a' && at[1] <= 'z')
			return at + 1;
		if (!*at)
			break;
	}
	return NULL;
}

bool words_argument(const char *arguments, unsigned index, char name[WORDS_NAME])
{
	const char *at = next_argument(arguments);

	for (; at && index; index--)
		at = next_argument(at);
	if (!at)
		return false;
	snprintf(name, WORDS_NAME, "%.*s", (int)strcspn(at, " >]["), at);
	return true;
}

const char *words_named(int *count, char *word[], const char *arguments)
{
	static char missing[WORDS_NAME];
	char *given[WORDS_MAX] = {NULL}, option[WORDS_NAME + 2], name[WORDS_NAME];
	int last = -1, at = 1;

	for (unsigned i = 0; i < WORDS_MAX && words_argument(arguments, i, name); i++) {
		snprintf(option, sizeof(option), "--%s", name);
		given[i] = (char *)words_option_value(count, word, option);
		last = given[i] ? (int)i : last;
	}
	if (last < 0)
		return NULL;
	for (int i = 0; i <= last; i++) {
		while (!given[i] && at < *count && !strncmp(word[at], "--", 2))
			at++;
		if (given[i]) {
			memmove(&word[at + 1], &word[at], (size_t)(*count - at) * sizeof(word[0]));
			word[at] = given[i];
			++*count;
		} else if (at >= *count) {
			words_argument(arguments, (unsigned)i, missing);
			return missing;
		}
		at++;
	}
	return NULL;
}

void table_start(struct table *table, unsigned columns, const char *const text[])
{
	memset(table, 0, sizeof(*table));
	table->columns = columns < TABLE_COLUMNS ? columns : TABLE_COLUMNS;
	table_row(table, text);
}

void table_row(struct table *table, const char *const text[])
{
	if (table->rows == table->room) {
		unsigned room = table->room ? table->room * 2 : 8;
		void *more =
			realloc(table->cell, (size_t)room * table->columns * sizeof(*table->cell));

		if (!more)
			return;
		table->cell = more;
		table->room = room;
	}
	for (unsigned i = 0; i < table->columns; i++)
		snprintf(table->cell[table->rows * table->columns + i], sizeof(*table->cell), "%s",
			 text[i]);
	table->rows++;
}

/* virsh: a blank before each cell and two after it. */
void table_end(struct table *table, void (*line)(const char *text))
{
	char text[TABLE_COLUMNS * (TABLE_CELL + 3) + 1];
	size_t width[TABLE_COLUMNS] = {0}, at, total = 0;

	for (unsigned i = 0; i < table->rows * table->columns; i++)
		if (strlen(table->cell[i]) > width[i % table->columns])
			width[i % table->columns] = strlen(table->cell[i]);
	for (unsigned i = 0; i < table->columns; i++)
		total += width[i] + 3;

	for (unsigned row = 0; row < table->rows; row++) {
		at = 0;
		for (unsigned i = 0; i < table->columns; i++) {
			const char *cell = table->cell[row * table->columns + i];
			bool last = i + 1 == table->columns;

			at += (size_t)snprintf(text + at, sizeof(text) - at, " %-*s%s",
					       (int)(last ? 0 : width[i]), cell, last ? "" : "  ");
		}
		line(text);
		if (row)
			continue;
		memset(text, '-', total);
		text[total] = '\0';
		line(text);
	}
	line("");
	free(table->cell);
	table->cell = NULL;
}
