/* SPDX-License-Identifier: BSD-2-Clause */
/* How far a verb that takes long has got, in one line of the terminal. */
#pragma once

#include <stdint.h>

struct progress {
	uint64_t begin, shown; /* times */
	uint64_t bytes;        /* when it was shown */
};

void progress_begin(struct progress *progress);
/* Shows it once a second; total 0: not known. */
void progress_show(struct progress *progress, uint64_t bytes, uint64_t total);
/* Clears the line. */
void progress_end(void);
