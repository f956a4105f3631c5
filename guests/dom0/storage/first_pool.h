/* SPDX-License-Identifier: BSD-2-Clause */
/* The pool that a machine makes at its first start, as the disk image does of the disk's rest. */
#pragma once

#define FIRST_POOL_WORD "pool="

/*
 * Obeys the word pool=NAME:LABEL of dom0's command line: if there is no pool NAME, and the one
 * partition with the GPT name LABEL holds nothing that dom0 knows, a pool is built of the
 * partition. The log has the reason if none is built. `done` is called when all of this is over,
 * from the event loop or at once. The pools have been found before.
 */
void first_pool(const char *cmdline, void (*done)(void));
