/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/base/options.h"

#include "kernel/base/log.h"

#define WORD_MAX   63u /* characters of a word that the log shows */
#define DIGITS_MAX 9u

static const char *const names[] = {
#define NAME(name, text) text,
	OPTIONS(NAME)
#undef NAME
};

static const char *values[OPTION_COUNT];

static bool read_word(const char *word, bool (*is_feature)(const char *word))
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const char *rest = option_behind(word, names[i]);

		if (rest && *rest == '=') {
			values[i] = rest + 1;
			return true;
		}
	}
	return is_feature(word);
}

static void complain(const char *word)
{
	char copy[WORD_MAX + 1];
	unsigned n = 0;

	for (; n < WORD_MAX && word[n] && word[n] != ' '; n++)
		copy[n] = word[n];
	copy[n] = 0;
	log_print(LOG_WARNING "kernel: not known on its command line: %s\n", copy);
}

/*
 * Word by word: an option NAME=VALUE, whose value stays where it is on the command line and ends at
 * a space, or a feature's word. Others are named in the log, so that a misspelt word does not go by
 * unseen.
 */
void options_read(const char *words, bool (*is_feature)(const char *word))
{
	while (*words) {
		if (*words != ' ' && !read_word(words, is_feature))
			complain(words);
		while (*words && *words != ' ')
			words++;
		while (*words == ' ')
			words++;
	}
}

const char *option_value(enum option option)
{
	return values[option];
}

uint32_t option_number(enum option option, uint32_t otherwise)
{
	const char *value = values[option];
	uint32_t number = 0;
	unsigned digits = 0;

	if (!value)
		return otherwise;
	for (; value[digits] >= '0' && value[digits] <= '9' && digits < DIGITS_MAX; digits++)
		number = number * 10 + (uint32_t)(value[digits] - '0');
	if (digits && option_is(value + digits, ""))
		return number;
	log_print("kernel: %s is a number of at most %u digits\n", names[option], DIGITS_MAX);
	return otherwise;
}
