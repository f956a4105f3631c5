/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A change of snapshots in several images, written down before the first of them changes: dom0
 * finishes at its next start what a power cut has interrupted.
 */
#pragma once

#include "guests/dom0/manage/snapshot.h"

/* Writes down the job's kind and name, and calls `kept`, from the event loop or at once. `wrong` is
 * the reason of a failure, or NULL. */
void intent_keep(struct snapshot_job *job,
		 void (*kept)(struct snapshot_job *job, const char *wrong));
/* Forgets it, and calls `forgotten` in the same way. */
void intent_forget(struct snapshot_job *job,
		   void (*forgotten)(struct snapshot_job *job, const char *wrong));

/*
 * At dom0's start, when guests are known and none runs: deletes and reverts what was to be deleted
 * or reverted, and deletes what was to be created. Calls `finished` at the end, from the event loop
 * or at once.
 */
void intent_finish(void (*finished)(void));
