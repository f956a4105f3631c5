/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What dom0 remembers from one start of the machine to the next: guests' descriptions, their marks
 * and settings of its own. It lies on two volumes of a pool that Sampo writes, sampo-state and
 * sampo-journal: of several pools that have both, the first by its name counts.
 */
#pragma once

#include "guests/dom0/storage/pool.h"
#include "guests/dom0/store/database.h"

#define STORE_STATE   "sampo-state"
#define STORE_JOURNAL "sampo-journal"

/* `wrong` is the reason for a failure, or NULL. Called from the event loop or at once. */
typedef void store_done(void *context, const char *wrong);

/* Looks for the volumes when the pools have been read, and reads what they have. */
void store_start(store_done *done, void *context);
bool store_is_open(void);
/* Returns the reason why nothing is kept, or NULL if the store is open. */
const char *store_why(void);

/*
 * Makes the volumes, as far as they are missing, and opens the store. `pool` may be NULL: the only
 * pool that Sampo writes. Returns the reason why this does not begin, or NULL; then `done` is
 * called.
 */
const char *store_make(struct pool *pool, store_done *done, void *context);

/* Changes. Each returns the reason why it does not begin, or NULL; `done` is called then, when the
 * change is on the disk. */
const char *store_put_domain(const struct database_domain *domain, store_done *done, void *context);
const char *store_drop_domain(const char *name, store_done *done, void *context);
/* The domain of that name gets the name and the XML of the other; its mark stays. */
const char *store_rename_domain(const char *name, const struct database_domain *domain,
				store_done *done, void *context);
const char *store_mark_domain(const char *name, bool autostart, store_done *done, void *context);
/* NULL as a value: forgets the setting. */
const char *store_set(const char *name, const char *value, store_done *done, void *context);

/* Calls `each` for every domain, in the order of their names. Returns the reason for a failure. */
const char *store_domains(void (*each)(void *context, const struct database_domain *domain),
			  void *context);
/* A setting's value; "" if there is none. */
void store_setting(const char *name, char *value, size_t bytes);

/* The place of a seed for random numbers, which is no part of the database: the last block of the
 * volume sampo-journal. Returns the volume, or NULL if the store is not open; *at is in bytes. */
struct blkdev *store_seed_place(uint64_t *at);

struct store_status {
	char pool[LVM_NAME + 1]; /* "": there is none */
	unsigned long long volume, journal, bytes, unused;
};
void store_status(struct store_status *status);
