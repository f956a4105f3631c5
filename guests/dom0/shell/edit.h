/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line editor for a terminal: keys in, text out, no other effects. It draws
 * with carriage return, backspace and printable characters only, so it works
 * on any terminal, and scrolls sideways when the line is wider than that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EDIT_LINE    512u /* with the terminating zero */
#define EDIT_HISTORY 32u
#define EDIT_WIDTH   79u /* columns that are used */

enum edit_result {
	EDIT_MORE,   /* the line is not finished */
	EDIT_ENTER,  /* it is: in edit->line */
	EDIT_CANCEL, /* ^C: the line was dropped */
};

struct edit {
	const char *prompt;
	void (*out)(void *context, const char *text, size_t bytes);
	/*
	 * The index-th of the words that could stand at line[start..], NULL
	 * after the last; the editor picks those that begin as the line does.
	 */
	const char *(*candidate)(void *context, const char *line, size_t start, unsigned index);
	void *context;

	char line[EDIT_LINE];
	size_t length, cursor;
	size_t shown;       /* columns of the line drawn behind the prompt */
	size_t first;       /* the first character drawn */
	uint8_t escape;     /* state of an escape sequence */
	uint16_t number[2]; /* its parameters */
	uint8_t numbers;
	bool after_cr;
	char killed[EDIT_LINE]; /* what ^U, ^K and ^W took, for ^Y */

	char history[EDIT_HISTORY][EDIT_LINE];
	unsigned history_next, history_count;
	unsigned history_back; /* 0: the line being typed */
	char typed[EDIT_LINE]; /* that line while history is looked through */
};

void edit_init(struct edit *edit, const char *prompt, void (*out)(void *, const char *, size_t),
	       const char *(*candidate)(void *, const char *, size_t, unsigned), void *context);

/* Start a new, empty line: draws the prompt. */
void edit_start(struct edit *edit);

/* Draw prompt and line again, after something else was printed. */
void edit_redraw(struct edit *edit);

/* Take prompt and line off the terminal, so that something can be printed. */
void edit_hide(struct edit *edit);

enum edit_result edit_key(struct edit *edit, uint8_t key);
