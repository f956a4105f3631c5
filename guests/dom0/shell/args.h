/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arguments of verbs. A table says the options of a verb, in virsh's order and with virsh's
 * names, kinds and texts; args_parse sorts the words of a line by that table as virsh does: an
 * option that has a value may stand without its name, in the order of the table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/shell/words.h"

#define ARGS_MAX 32 /* options of a verb */

enum arg_kind {
	ARG_FLAG,   /* --all */
	ARG_NUMBER, /* --vcpu 1 */
	ARG_TEXT,   /* --device vda */
	ARG_MANY,   /* the last of a table: every word that is left over */
};

enum arg_need {
	ARG_OPTIONAL,
	ARG_REQUIRED,
	ARG_NAMED, /* optional, and never without its name */
};

struct arg {
	const char *name; /* NULL ends a table */
	enum arg_kind kind;
	enum arg_need need;
	const char *help;
};

struct args {
	const struct arg *arg;       /* the verb's table */
	const char *value[ARGS_MAX]; /* of each option; NULL: the line does not name it */
	const char *many[WORDS_MAX]; /* those of ARG_MANY */
	unsigned many_count;
};

/* Sorts word[1..]. Returns false after it has told `error` the reason, in one or more lines. */
bool args_parse(struct args *args, const struct arg *arg, int count, char *word[],
		void (*error)(const char *text));

/* Was the option given? */
bool args_flag(const struct args *args, const char *name);
/* Returns the option's value, NULL if the line has none. */
const char *args_text(const struct args *args, const char *name);

/* Calls `line` with what `help VERB` says of the table: the synopsis in one line; a line for each
 * option. */
void args_synopsis(const struct arg *arg, const char *verb, void (*line)(const char *text));
void args_describe(const struct arg *arg, void (*line)(const char *text));
