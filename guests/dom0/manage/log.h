/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the log, the kernel's and dom0's, by lines. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LOG_LINE   512u
#define LOG_LEVELS 8u

/* As guests/lib/guest.h writes them. */
#define LOG_LEVEL_ACTION 5u
#define LOG_LEVEL_DEBUG  7u

struct log_line {
	unsigned level;    /* as syslog has them: 0 to 7 */
	const char *stamp; /* "[    1.234567] ", "" if its beginning has been overwritten */
	const char *text;
	char bytes[LOG_LINE];
};

extern const char *const log_level_names[LOG_LEVELS]; /* as dmesg has them */

/* Takes the line at *position, which moves behind it. False: there is no whole line yet. */
bool log_next(uint64_t *position, struct log_line *line);

/* The levels of a list "err,warn", as bits; 0: one of them is none. */
unsigned log_levels(const char *list);
