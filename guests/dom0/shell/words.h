/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of a command line, and tables and figures in virsh's formats. */
#ifndef DOM0_SHELL_WORDS_H
#define DOM0_SHELL_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORDS_MAX 16

/*
 * Splits a line into words, in place. Blanks separate words; '...' and "..."
 * hold blanks together, \ takes the next character as it is (not within '').
 * Returns the number of words, or -1 with a reason in *error.
 */
int words_split(char *line, char *word[WORDS_MAX], const char **error);

/*
 * Takes the option `name` ("--all") out of the words. True if it was there.
 * option_value: "--name VALUE" or "--name=VALUE"; NULL if it was not there,
 * and "" if it was, without a value.
 */
bool words_option(int *count, char *word[], const char *name);
const char *words_option_value(int *count, char *word[], const char *name);

/* Takes every option of a list ("--live --config") out of the words. */
void words_without(int *count, char *word[], const char *options);

/*
 * Arguments may be given by name, in any order: "--domain NAME". Puts those of `arguments` (a
 * synopsis: "<domain> [device] [--human]") where they would be without their names. Returns NULL,
 * or the name of an argument that is missing before one that was given by name.
 */
const char *words_named(int *count, char *word[], const char *arguments);
/* The index-th argument's name of a synopsis, in `name`; false: there are not as many. */
#define WORDS_NAME 24
bool words_argument(const char *arguments, unsigned index, char name[WORDS_NAME]);

/* A table as virsh prints it: a header, a rule, rows; widths fit the text. */
#define TABLE_COLUMNS 6
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

#endif
