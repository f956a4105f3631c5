/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's command line: words with spaces between them, some with a value. */
#pragma once

#include "kernel/base/types.h"

/* X(NAME, text): the words that have a value behind '='. (Vendors' features: arch/hv.h.) */
#define OPTIONS(X)                    \
	X(DEBUG_KEY, "debug-key")     \
	X(DOM0_MEMORY, "dom0-memory") \
	X(IOMMU, "iommu")             \
	X(MIN_TIMER_PERIOD, "min-timer-period")

enum option {
#define OPTION_ENUM(name, text) OPTION_##name,
	OPTIONS(OPTION_ENUM)
#undef OPTION_ENUM
		OPTION_COUNT
};

/* Reads the command line, which stays where it is. `is_feature` takes a word that is no option and
 * returns false if that word is unknown; the log names such a word. */
void options_read(const char *words, bool (*is_feature)(const char *word));

/* Returns the value of an option, which a space or the end of the line ends; NULL if the command
 * line does not have that option. */
const char *option_value(enum option option);

/* Returns the option's value as a decimal number, of at most 9 digits; `otherwise` if the command
 * line does not have that option, or if its value is no such number, which the log says. */
uint32_t option_number(enum option option, uint32_t otherwise);

/* Returns the rest of a text that begins with `prefix`; NULL if it does not. */
static inline const char *option_behind(const char *text, const char *prefix)
{
	while (*prefix && *text == *prefix) {
		text++;
		prefix++;
	}
	return *prefix ? NULL : text;
}

/* Is the value, up to a space or the end of the line, this text? */
static inline bool option_is(const char *value, const char *text)
{
	const char *rest = option_behind(value, text);

	return rest && (!*rest || *rest == ' ');
}

/* Is the word "no-" and this name? */
static inline bool option_denies(const char *word, const char *name)
{
	const char *rest = option_behind(word, "no-");

	return rest && option_is(rest, name);
}
