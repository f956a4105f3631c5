/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of dom0's event loop that runs queued work (guests/dom0/base/loop.h), in its order. */
#pragma once

#include "guests/dom0/base/loop.h"

static struct work *works, **works_end = &works;

void work_queue(struct work *work)
{
	if (work->queued)
		return;
	work->queued = 1;
	work->next = NULL;
	*works_end = work;
	works_end = &work->next;
}

/* Runs the first of the works. Returns false if there is none. */
static inline bool works_run_one(void)
{
	struct work *work = works;

	if (!work)
		return false;
	works = work->next;
	if (!works)
		works_end = &works;
	work->queued = 0;
	work->run(work);
	return true;
}

/* A turn of the loop: runs the works that are queued now. Returns false if there is none. */
static inline bool works_run(void)
{
	struct work *work = works;

	works = NULL;
	works_end = &works;
	if (!work)
		return false;
	while (work) {
		struct work *next = work->next;

		work->queued = 0;
		work->run(work);
		work = next;
	}
	return true;
}
