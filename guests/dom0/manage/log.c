/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/log.h"

#include <string.h>

#include "guests/dom0/base/memory.h"
#include "guests/lib/guest.h"
#include "guests/lib/ring.h"

#define LEVEL_DEFAULT 6u /* info */

const char *const log_level_names[LOG_LEVELS] = {"emerg", "alert",  "crit", "err",
						 "warn",  "notice", "info", "debug"};

/* The kernel writes "[time] " in front of a line, and the writer may have begun it with "<level>".
 */
static void parse(struct log_line *line)
{
	char *text = line->bytes, *behind = strstr(text, "] ");

	line->level = LEVEL_DEFAULT;
	line->stamp = "";
	if (*text == '[' && behind) {
		text = behind + 2;
		memmove(text + 1, text, strlen(text) + 1);
		*text++ = '\0';
		line->stamp = line->bytes;
	}
	if (guest_log_level(text)) {
		line->level = (unsigned)(text[1] - '0');
		text += LOG_LEVEL;
	}
	line->text = text;
}

bool log_next(uint64_t *position, struct log_line *line)
{
	const struct sampo_log *log = (const struct sampo_log *)(uintptr_t)boot->log;
	uint64_t at = *position, room = sizeof(line->bytes) - 2; /* parse() puts one byte in */
	uint64_t n = ring_read(log->text, sizeof(log->text), &log->end, &at, line->bytes, room);
	const char *end = memchr(line->bytes, '\n', n);
	uint64_t length = end ? (uint64_t)(end - line->bytes) : n;

	if (!end && n < room)
		return false;
	*position = at - n + length + (end != NULL);
	line->bytes[length] = '\0';
	parse(line);
	return true;
}

unsigned log_levels(const char *list)
{
	unsigned levels = 0;

	for (;;) {
		size_t n = strcspn(list, ",");
		unsigned i = 0;

		while (i < LOG_LEVELS && (strlen(log_level_names[i]) != n ||
					  memcmp(log_level_names[i], list, n) != 0))
			i++;
		if (i == LOG_LEVELS)
			return 0;
		levels |= 1u << i;
		if (!list[n])
			return levels;
		list += n + 1;
	}
}
