/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store on its two devices: read into memory once, and written by each change. SQLite does its
 * work at once and in memory; a change has ended when all its writes are on the disk, in SQLite's
 * order: the journal, a flush, the database, a flush, the journal's header, a flush.
 */
#pragma once

#include "drivers/block.h"
#include "guests/dom0/store/database.h"

#define KEEPER_BYTES (4u << 20) /* the most that the database may have */

/* `wrong` is the reason for a failure, or NULL. */
typedef void keeper_done(void *context, const char *wrong);

/* Reads what is there, and makes the tables if the devices are empty. `done` may be called at once.
 * After a failure nothing has been written but what rolls an unfinished change back. */
void keeper_open(struct blkdev *state, struct blkdev *journal, keeper_done *done, void *context);
void keeper_close(void);
bool keeper_is_open(void);

/* Where the journal's volume has its last block, in bytes, which is not the keeper's. */
uint64_t keeper_seed_at(const struct blkdev *journal);

/*
 * A change: keeper_begin, one function of database.h, and keeper_end with that one's result.
 * keeper_begin returns the reason why no change can begin, or NULL. keeper_end calls `done` when
 * the change is on the disk, from the event loop or at once. After an error of the disk it reads
 * what is there before: the database is then as it was or as it was to be.
 */
const char *keeper_begin(void);
void keeper_end(const char *wrong, keeper_done *done, void *context);
