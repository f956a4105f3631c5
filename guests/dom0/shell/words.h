/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of a command line, and tables and figures in virsh's formats. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDS_MAX 32

/*
 * Splits the first command of *line into words, in place. Blanks separate words and ; ends a
 * command; '...' and "..." hold both together, \ takes the next character as it is (not within '').
 * A # where a word could begin makes the rest a comment. *line moves to the next command, to NULL
 * at the end. Returns the number of words, or -1 with a reason in *error.
 */
int words_split(char **line, char *word[WORDS_MAX], const char **error);

/* A table as virsh prints it: a header, a rule, rows; widths fit the text. */
#define TABLE_COLUMNS 7
#define TABLE_CELL    128
struct table {
	unsigned columns, rows, room;
	char (*cell)[TABLE_CELL];
};
/* The first row is the header. table_row takes as many texts as there are
 * columns; rows that there is no memory for are left out. */
void table_start(struct table *table, unsigned columns, const char *const text[]);
void table_row(struct table *table, const char *const text[]);
/* Prints the table by lines and frees it. */
void table_end(struct table *table, void (*line)(const char *text));
