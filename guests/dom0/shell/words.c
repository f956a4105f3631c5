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

	for (; *in && (quote || (!is_blank(*in) && *in != ';')); in++) {
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

int words_split(char **line, char *word[WORDS_MAX], const char **error)
{
	char *from = *line, *to = *line, end = ' ';
	int count = 0;

	for (;;) {
		while (is_blank(end))
			end = *from++;
		if (!end || end == '#' || end == ';') {
			*line = end == ';' ? from : NULL;
			return count;
		}
		if (count == WORDS_MAX) {
			*error = "too many words";
			return -1;
		}
		from--;
		word[count++] = to;
		*error = split_one(&from, &to);
		if (*error)
			return -1;
		end = *from++;
		*to++ = '\0';
	}
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
	free(table->cell);
	table->cell = NULL;
}
