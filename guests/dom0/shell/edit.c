/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/shell/edit.h"

#include <string.h>

#define CTRL(letter) ((letter)&0x1f)

enum { ESC_NONE, ESC_START, ESC_CSI, ESC_SS3 };

static void put(struct edit *edit, const char *text, size_t bytes)
{
	if (bytes)
		edit->out(edit->context, text, bytes);
}

static void put_string(struct edit *edit, const char *text)
{
	put(edit, text, strlen(text));
}

static void put_times(struct edit *edit, char c, size_t times)
{
	char buffer[EDIT_WIDTH];
	size_t n;

	memset(buffer, c, sizeof(buffer));
	for (; times; times -= n) {
		n = times < sizeof(buffer) ? times : sizeof(buffer);
		put(edit, buffer, n);
	}
}

/* Columns for the line: the last one stays free for the cursor. */
static size_t columns(const struct edit *edit)
{
	size_t prompt = strlen(edit->prompt);

	return prompt + 16 < EDIT_WIDTH ? EDIT_WIDTH - 1 - prompt : 15;
}

void edit_redraw(struct edit *edit)
{
	size_t width = columns(edit), last, shown;

	if (edit->cursor < edit->first)
		edit->first = edit->cursor;
	if (edit->cursor > edit->first + width)
		edit->first = edit->cursor - width;
	last = edit->length;
	if (last > edit->first + width)
		last = edit->first + width;
	shown = last - edit->first;

	put(edit, "\r", 1);
	put_string(edit, edit->prompt);
	put(edit, edit->line + edit->first, shown);
	if (edit->shown > shown) {
		put_times(edit, ' ', edit->shown - shown);
		put_times(edit, '\b', edit->shown - shown);
	}
	put_times(edit, '\b', last - edit->cursor);
	edit->shown = shown;
}

void edit_hide(struct edit *edit)
{
	put(edit, "\r", 1);
	put_times(edit, ' ', strlen(edit->prompt) + edit->shown);
	put(edit, "\r", 1);
	edit->shown = 0;
}

void edit_start(struct edit *edit)
{
	edit->length = edit->cursor = edit->first = edit->shown = 0;
	edit->line[0] = '\0';
	edit->history_back = 0;
	put_string(edit, edit->prompt);
}

void edit_init(struct edit *edit, const char *prompt, void (*out)(void *, const char *, size_t),
	       const char *(*candidate)(void *, const char *, size_t, unsigned), void *context)
{
	memset(edit, 0, sizeof(*edit));
	edit->prompt = prompt;
	edit->out = out;
	edit->candidate = candidate;
	edit->context = context;
}

static void insert(struct edit *edit, const char *text, size_t bytes)
{
	if (edit->length + bytes >= EDIT_LINE)
		return;
	memmove(edit->line + edit->cursor + bytes, edit->line + edit->cursor,
		edit->length - edit->cursor + 1);
	memcpy(edit->line + edit->cursor, text, bytes);
	edit->length += bytes;
	edit->cursor += bytes;

	/* Typing at the end needs no more than the new characters. */
	if (edit->cursor == edit->length && edit->length - edit->first <= columns(edit)) {
		put(edit, text, bytes);
		edit->shown = edit->length - edit->first;
		return;
	}
	edit_redraw(edit);
}

/* Delete [from, to) and leave the cursor there. */
static void delete (struct edit *edit, size_t from, size_t to)
{
	if (from == to)
		return;
	memmove(edit->line + from, edit->line + to, edit->length - to + 1);
	edit->length -= to - from;
	edit->cursor = from;
	edit_redraw(edit);
}

static void kill_text(struct edit *edit, size_t from, size_t to)
{
	if (from == to)
		return;
	memcpy(edit->killed, edit->line + from, to - from);
	edit->killed[to - from] = '\0';
	delete (edit, from, to);
}

static void move(struct edit *edit, size_t to)
{
	edit->cursor = to;
	edit_redraw(edit);
}

static size_t word_left(const struct edit *edit)
{
	size_t at = edit->cursor;

	while (at && edit->line[at - 1] == ' ')
		at--;
	while (at && edit->line[at - 1] != ' ')
		at--;
	return at;
}

static size_t word_right(const struct edit *edit)
{
	size_t at = edit->cursor;

	while (at < edit->length && edit->line[at] == ' ')
		at++;
	while (at < edit->length && edit->line[at] != ' ')
		at++;
	return at;
}

static void replace_line(struct edit *edit, const char *text)
{
	edit->length = strlen(text);
	memmove(edit->line, text, edit->length + 1);
	edit->cursor = edit->length;
	edit->first = 0;
	edit_redraw(edit);
}

/* The line that is `back` lines before the present one, from 1. */
static char *history_line(struct edit *edit, unsigned back)
{
	return edit->history[(edit->history_next + EDIT_HISTORY - back) % EDIT_HISTORY];
}

static void history_go(struct edit *edit, unsigned back)
{
	if (back > edit->history_count)
		return;
	if (!edit->history_back)
		memcpy(edit->typed, edit->line, edit->length + 1);
	edit->history_back = back;
	replace_line(edit, back ? history_line(edit, back) : edit->typed);
}

static void history_add(struct edit *edit)
{
	if (!edit->length || edit->line[0] == ' ')
		return;
	if (edit->history_count && !strcmp(history_line(edit, 1), edit->line))
		return;
	memcpy(edit->history[edit->history_next], edit->line, edit->length + 1);
	edit->history_next = (edit->history_next + 1) % EDIT_HISTORY;
	if (edit->history_count < EDIT_HISTORY)
		edit->history_count++;
}

static const char *match(struct edit *edit, size_t start, unsigned *index)
{
	const char *word;

	do {
		word = edit->candidate(edit->context, edit->line, start, *index);
		++*index;
	} while (word && strncmp(word, edit->line + start, edit->cursor - start) != 0);
	return word;
}

static void list_matches(struct edit *edit, size_t start)
{
	unsigned index = 0;
	size_t column = 0, bytes;
	const char *word = match(edit, start, &index);

	put(edit, "\r\n", 2);
	for (; word; word = match(edit, start, &index)) {
		bytes = strlen(word);
		if (column && column + bytes + 2 > EDIT_WIDTH) {
			put(edit, "\r\n", 2);
			column = 0;
		}
		put(edit, word, bytes);
		put(edit, "  ", 2);
		column += bytes + 2;
	}
	put(edit, "\r\n", 2);
	edit->shown = 0;
	edit_redraw(edit);
}

static void complete(struct edit *edit)
{
	size_t start = edit->cursor, typed, common;
	unsigned index = 0, matches = 1;
	const char *first, *word;

	if (!edit->candidate)
		return;
	while (start && edit->line[start - 1] != ' ' && edit->line[start - 1] != ';')
		start--;
	typed = edit->cursor - start;
	first = match(edit, start, &index);
	if (!first) {
		put(edit, "\a", 1);
		return;
	}
	common = strlen(first);
	for (word = match(edit, start, &index); word; word = match(edit, start, &index)) {
		size_t same = 0;

		while (same < common && word[same] == first[same])
			same++;
		common = same;
		matches++;
	}
	if (common > typed)
		insert(edit, first + typed, common - typed);
	else if (matches > 1)
		list_matches(edit, start);
	if (matches == 1 && edit->cursor == edit->length)
		insert(edit, " ", 1);
}

enum action { LEFT, RIGHT, UP, DOWN, HOME, END, DELETE, WORD_LEFT, WORD_RIGHT };

static void act(struct edit *edit, enum action action)
{
	switch (action) {
	case LEFT:
		if (edit->cursor)
			move(edit, edit->cursor - 1);
		break;
	case RIGHT:
		if (edit->cursor < edit->length)
			move(edit, edit->cursor + 1);
		break;
	case UP:
		history_go(edit, edit->history_back + 1);
		break;
	case DOWN:
		if (edit->history_back)
			history_go(edit, edit->history_back - 1);
		break;
	case HOME:
		move(edit, 0);
		break;
	case END:
		move(edit, edit->length);
		break;
	case DELETE:
		if (edit->cursor < edit->length)
			delete (edit, edit->cursor, edit->cursor + 1);
		break;
	case WORD_LEFT:
		move(edit, word_left(edit));
		break;
	case WORD_RIGHT:
		move(edit, word_right(edit));
		break;
	}
}

/* CSI number ~ : the editing keys of a VT220 and of the Linux console. */
static void act_tilde(struct edit *edit)
{
	switch (edit->number[0]) {
	case 1:
	case 7:
		act(edit, HOME);
		break;
	case 3:
		act(edit, DELETE);
		break;
	case 4:
	case 8:
		act(edit, END);
		break;
	}
}

/* The last byte of CSI ... or SS3 ... (ECMA-48, DEC VT100 and xterm keys). */
static void act_final(struct edit *edit, uint8_t key)
{
	bool ctrl = edit->numbers > 1 && edit->number[1] == 5;

	switch (key) {
	case 'A':
		act(edit, UP);
		break;
	case 'B':
		act(edit, DOWN);
		break;
	case 'C':
		act(edit, ctrl ? WORD_RIGHT : RIGHT);
		break;
	case 'D':
		act(edit, ctrl ? WORD_LEFT : LEFT);
		break;
	case 'H':
		act(edit, HOME);
		break;
	case 'F':
		act(edit, END);
		break;
	case '~':
		act_tilde(edit);
		break;
	}
}

static void escape_start(struct edit *edit, uint8_t key)
{
	edit->escape = ESC_NONE;
	edit->number[0] = edit->number[1] = 0;
	edit->numbers = 1;
	switch (key) {
	case '[':
		edit->escape = ESC_CSI;
		break;
	case 'O':
		edit->escape = ESC_SS3;
		break;
	case 'b':
		act(edit, WORD_LEFT);
		break;
	case 'f':
		act(edit, WORD_RIGHT);
		break;
	case 'd':
		kill_text(edit, edit->cursor, word_right(edit));
		break;
	}
}

static void escape_key(struct edit *edit, uint8_t key)
{
	if (edit->escape == ESC_START) {
		escape_start(edit, key);
		return;
	}
	if (key >= '0' && key <= '9') {
		uint16_t *number = &edit->number[edit->numbers > 1];

		if (edit->numbers <= 2 && *number < 1000)
			*number = (uint16_t)(*number * 10 + key - '0');
		return;
	}
	if (key == ';') {
		if (edit->numbers < 3)
			edit->numbers++;
		return;
	}
	if (edit->escape == ESC_CSI && key < 0x40)
		return; /* an intermediate byte */
	edit->escape = ESC_NONE;
	act_final(edit, key);
}

static enum edit_result control_key(struct edit *edit, uint8_t key)
{
	switch (key) {
	case '\r':
	case '\n':
		put(edit, "\r\n", 2);
		history_add(edit);
		return EDIT_ENTER;
	case CTRL('C'):
		put(edit, "^C\r\n", 4);
		return EDIT_CANCEL;
	case 0x7f:
	case '\b':
		if (edit->cursor)
			delete (edit, edit->cursor - 1, edit->cursor);
		break;
	case '\t':
		complete(edit);
		break;
	case 0x1b:
		edit->escape = ESC_START;
		break;
	case CTRL('A'):
		act(edit, HOME);
		break;
	case CTRL('B'):
		act(edit, LEFT);
		break;
	case CTRL('D'):
		act(edit, DELETE);
		break;
	case CTRL('E'):
		act(edit, END);
		break;
	case CTRL('F'):
		act(edit, RIGHT);
		break;
	case CTRL('K'):
		kill_text(edit, edit->cursor, edit->length);
		break;
	case CTRL('L'):
		put_string(edit, "\x1b[H\x1b[2J");
		edit->shown = 0;
		edit_redraw(edit);
		break;
	case CTRL('N'):
		act(edit, DOWN);
		break;
	case CTRL('P'):
		act(edit, UP);
		break;
	case CTRL('U'):
		kill_text(edit, 0, edit->cursor);
		break;
	case CTRL('W'):
		kill_text(edit, word_left(edit), edit->cursor);
		break;
	case CTRL('Y'):
		insert(edit, edit->killed, strlen(edit->killed));
		break;
	}
	return EDIT_MORE;
}

enum edit_result edit_key(struct edit *edit, uint8_t key)
{
	bool after_cr = edit->after_cr;
	char c = (char)key;

	edit->after_cr = key == '\r';
	if (key == '\n' && after_cr)
		return EDIT_MORE;
	if (edit->escape != ESC_NONE && key >= 0x20) {
		escape_key(edit, key);
		return EDIT_MORE;
	}
	edit->escape = ESC_NONE; /* a control character ends a broken sequence */
	if (key < 0x20 || key == 0x7f)
		return control_key(edit, key);
	if (key < 0x7f)
		insert(edit, &c, 1);
	return EDIT_MORE;
}
