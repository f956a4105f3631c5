/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/tls/names.h"

#include <stdio.h>
#include <string.h>

#include <mbedtls/oid.h>

static const char write_word[] = "write ", read_word[] = "read ";

/* --- a certificate's name --- */

static bool put(char text[NAME_BYTES], size_t *at, char c)
{
	if (*at + 1 >= NAME_BYTES)
		return false;
	text[(*at)++] = c;
	text[*at] = 0;
	return true;
}

static bool put_value(char text[NAME_BYTES], size_t *at, const mbedtls_x509_buf *value)
{
	for (size_t i = 0; i < value->len; i++) {
		char c = (char)value->p[i];

		if ((value->p[i] < ' ') || value->p[i] == 0x7f)
			return false;
		if (strchr(",=+<>#;\"\\*?", c) && !put(text, at, '\\'))
			return false;
		if (!put(text, at, c))
			return false;
	}
	return true;
}

bool name_text(const mbedtls_x509_name *name, char text[NAME_BYTES])
{
	size_t at = 0;

	*text = 0;
	for (; name; name = name->next) {
		const char *type;

		if (mbedtls_oid_get_attr_short_name(&name->oid, &type))
			return false;
		if (at && !put(text, &at, ','))
			return false;
		for (; *type; type++)
			if (!put(text, &at, *type))
				return false;
		if (!put(text, &at, '=') || !put_value(text, &at, &name->val))
			return false;
	}
	return at;
}

/* --- the list --- */

/* Compares from left to right. Where a character does not fit, the last * takes one more: an
 * earlier one need not, since what is between both has been found at its first place. */
static bool fits(const char *pattern, size_t length, const char *name)
{
	const char *end = pattern + length, *star = NULL, *from = NULL;

	while (*name) {
		if (pattern < end && *pattern == '*') {
			star = ++pattern;
			from = name;
		} else if (pattern < end && (*pattern == '?' || *pattern == *name)) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star;
			name = ++from;
		} else {
			return false;
		}
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

/* A line's right, and where its pattern begins. */
static enum right right_of(const char *line, const char **pattern)
{
	if (!strncmp(line, write_word, sizeof(write_word) - 1)) {
		*pattern = line + sizeof(write_word) - 1;
		return RIGHT_WRITE;
	}
	if (!strncmp(line, read_word, sizeof(read_word) - 1)) {
		*pattern = line + sizeof(read_word) - 1;
		return RIGHT_READ;
	}
	return RIGHT_NONE;
}

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

enum right names_right(const char *list, const char *name)
{
	const char *pattern;

	for (; *list; list = next_line(list)) {
		enum right right = right_of(list, &pattern);

		if (right != RIGHT_NONE && fits(pattern, strcspn(pattern, "\n"), name))
			return right;
	}
	return RIGHT_NONE;
}

static void take_away(char *list, const char *pattern)
{
	size_t length = strlen(pattern);
	const char *of;

	for (char *line = list; *line;) {
		const char *next = next_line(line);

		if (right_of(line, &of) != RIGHT_NONE && strcspn(of, "\n") == length &&
		    !memcmp(of, pattern, length))
			memmove(line, next, strlen(next) + 1);
		else
			line += next - line;
	}
}

static const char *wrong_pattern(const char *pattern)
{
	if (!*pattern || strlen(pattern) >= NAME_BYTES)
		return "a name has from 1 to 255 characters";
	for (const char *c = pattern; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return "a name has printable characters";
	return NULL;
}

const char *names_change(char *list, size_t room, const char *pattern, enum right right)
{
	const char *wrong = wrong_pattern(pattern);
	const char *word = right == RIGHT_WRITE ? write_word : read_word;
	size_t before = strlen(list), used;

	if (wrong)
		return wrong;
	if (right != RIGHT_NONE && before + strlen(word) + strlen(pattern) + 2 > room)
		return "the list of names is full";
	take_away(list, pattern);
	used = strlen(list);
	if (right == RIGHT_NONE)
		return used == before ? "no line of the list has this name" : NULL;
	snprintf(list + used, room - used, "%s%s\n", word, pattern);
	return NULL;
}
