/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/shell/progress.h"

#include <stdio.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/shell/term.h"

typedef unsigned long long llu;

#define SHOW_NS 1000000000u /* between two states */
#define MIB     (1u << 20)
#define WIDTH   60 /* of the line, which covers the one before */

void progress_begin(struct progress *progress)
{
	progress->begin = progress->shown = clock_ns();
	progress->bytes = 0;
}

void progress_show(struct progress *progress, uint64_t bytes, uint64_t total)
{
	uint64_t time = clock_ns(), ms = (time - progress->shown) / 1000000, tenths;
	char text[WIDTH + 1];

	if (time - progress->shown < SHOW_NS)
		return;
	tenths = (bytes - progress->bytes) * 10000 / MIB / ms;
	if (total)
		snprintf(text, sizeof(text), "%3llu %% of %llu MiB, %llu.%llu MiB/s",
			 (llu)(bytes / (total / 100 + 1)), (llu)((total + MIB - 1) / MIB),
			 (llu)(tenths / 10), (llu)(tenths % 10));
	else
		snprintf(text, sizeof(text), "%llu MiB, %llu.%llu MiB/s", (llu)(bytes / MIB),
			 (llu)(tenths / 10), (llu)(tenths % 10));
	term_printf("\r%-*s\r", WIDTH, text);
	progress->shown = time;
	progress->bytes = bytes;
}

void progress_end(void)
{
	term_printf("\r%-*s\r", WIDTH, "");
}
