/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the store lies, and how its volumes come to be. */
#include "guests/dom0/store/store.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/storage/change.h"
#include "guests/dom0/store/keeper.h"
#include "guests/lib/guest.h"

#define VOLUME_BYTES KEEPER_BYTES /* of each of the two; a pool's extents are often as large */
#define USER         "dom0's store"

static struct {
	char pool[LVM_NAME + 1]; /* where the volumes are, or are being made */
	struct blkdev *state, *journal;
	bool looked; /* for volumes that are there already, or this is at work */
	bool working;
	char why[LVM_WHY + LVM_NAME + 64];
	store_done *done;
	void *context;
} store;

static const char still_reading[] = "the disks are still being read";
static const char no_pool[] = "there is no pool that Sampo writes (pool-build makes one)";

static void end(const char *wrong)
{
	store_done *done = store.done;

	if (wrong)
		snprintf(store.why, sizeof(store.why), "%s", wrong);
	else
		*store.why = 0;
	store.working = false;
	done(store.context, wrong ? store.why : NULL);
}

/* --- which pool --------------------------------------------------------------------------------
 */

static bool has(const struct pool *pool, const char *volume)
{
	return lvm_group_find(&pool->group, volume) >= 0;
}

static bool has_both(const struct pool *pool)
{
	return has(pool, STORE_STATE) && has(pool, STORE_JOURNAL);
}

/* The first by its name, and how many there are. */
static struct pool *find_pool(bool (*fits)(const struct pool *pool), unsigned *count)
{
	struct pool *found = NULL;

	*count = 0;
	for (struct pool *pool = pool_first(); pool; pool = pool->next) {
		if (!pool->group.tagged || !fits(pool))
			continue;
		++*count;
		if (!found || strcmp(pool->group.name, found->group.name) < 0)
			found = pool;
	}
	return found;
}

static bool any(const struct pool *pool)
{
	return !pool_fixed(pool);
}

static struct blkdev *device_of(const struct pool *pool, const char *volume)
{
	int lv = lvm_group_find(&pool->group, volume);

	return lv >= 0 && pool->volume[lv] ? &pool->volume[lv]->dev : NULL;
}

/* --- opening -----------------------------------------------------------------------------------
 */

static void release(void)
{
	if (store.state)
		blk_unclaim(store.state);
	if (store.journal)
		blk_unclaim(store.journal);
	store.state = store.journal = NULL;
}

static const char *claim(const struct pool *pool)
{
	struct blkdev *state = device_of(pool, STORE_STATE);
	struct blkdev *journal = device_of(pool, STORE_JOURNAL);
	const char *wrong;

	if (!state || !journal)
		return "its volumes cannot be used";
	wrong = blk_claim(state, USER);
	if (wrong)
		return wrong;
	store.state = state;
	wrong = blk_claim(journal, USER);
	if (wrong)
		release();
	else
		store.journal = journal;
	return wrong;
}

static void fail(const char *wrong)
{
	char why[LVM_WHY + LVM_NAME + 64];

	snprintf(why, sizeof(why), "the store in the pool %s cannot be used: %s", store.pool,
		 wrong);
	printf(LOG_ERR "error: %s\n", why);
	release();
	end(why);
}

static void opened(void *context, const char *wrong)
{
	(void)context;
	if (wrong)
		fail(wrong);
	else
		end(NULL);
}

static void open_in(struct pool *pool)
{
	const char *wrong = pool_fixed(pool);

	snprintf(store.pool, sizeof(store.pool), "%s", pool->group.name);
	if (!wrong)
		wrong = claim(pool);
	if (wrong)
		fail(wrong);
	else
		keeper_open(store.state, store.journal, opened, NULL);
}

static void begin(store_done *done, void *context)
{
	store.working = true;
	store.done = done;
	store.context = context;
}

void store_start(store_done *done, void *context)
{
	unsigned count;
	struct pool *pool = find_pool(has_both, &count);

	store.looked = true;
	begin(done, context);
	if (!pool) {
		end(find_pool(any, &count) ? "no pool has the store's volumes yet" : no_pool);
		return;
	}
	if (count > 1)
		printf(LOG_WARNING "store: %u pools have a store: that of the pool %s counts\n",
		       count, pool->group.name);
	open_in(pool);
}

bool store_is_open(void)
{
	return keeper_is_open();
}

struct blkdev *store_seed_place(uint64_t *at)
{
	if (!keeper_is_open())
		return NULL;
	*at = keeper_seed_at(store.journal);
	return store.journal;
}

/* Until the start of the machine has looked for the store, nobody knows whether there is one: the
 * first pool and GRUB's mark come in between. */
static bool is_reading(void)
{
	return !store.looked || store.working || !pools_are_read();
}

const char *store_why(void)
{
	if (keeper_is_open())
		return NULL;
	if (is_reading())
		return still_reading;
	return *store.why ? store.why : "the store has failed";
}

/* --- making ------------------------------------------------------------------------------------
 */

static void make_next(void);

static void made(const char *wrong, const char *note)
{
	(void)note;
	if (wrong)
		fail(wrong);
	else
		make_next();
}

/* The pool may have changed since the last step. */
static void make_next(void)
{
	struct pool *pool = pool_named(store.pool);
	const char *missing, *wrong;

	if (!pool) {
		fail("the pool is gone");
		return;
	}
	if (has_both(pool)) {
		open_in(pool);
		return;
	}
	missing = has(pool, STORE_STATE) ? STORE_JOURNAL : STORE_STATE;
	wrong = change_create(pool, missing, VOLUME_BYTES, NULL, made);
	if (wrong)
		fail(wrong);
}

static const char *choose(struct pool **pool)
{
	static char text[LVM_NAME + 128];
	unsigned count;
	struct pool *with = find_pool(has_both, &count);

	if (with && *pool && *pool != with) {
		snprintf(text, sizeof(text), "the pool %s has a store already", with->group.name);
		return text;
	}
	if (with)
		*pool = with;
	if (*pool)
		return pool_fixed(*pool);
	*pool = find_pool(any, &count);
	if (!*pool)
		return no_pool;
	return count == 1 ? NULL
			  : "there are several pools that Sampo writes (keep-build says which)";
}

const char *store_make(struct pool *pool, store_done *done, void *context)
{
	const char *wrong;

	if (keeper_is_open())
		return "there is a store already";
	if (is_reading())
		return still_reading;
	wrong = choose(&pool);
	if (wrong)
		return wrong;
	release();
	begin(done, context);
	snprintf(store.pool, sizeof(store.pool), "%s", pool->group.name);
	make_next();
	return NULL;
}

/* --- changes -----------------------------------------------------------------------------------
 */

static const char *may_begin(void)
{
	const char *wrong = store_why();

	return wrong ? wrong : keeper_begin();
}

/* The store may have closed itself after an error of the disk. */
static void changed(void *context, const char *wrong)
{
	(void)context;
	if (wrong && !keeper_is_open())
		fail(wrong);
	else {
		store.working = false;
		store.done(store.context, wrong);
	}
}

static const char *finish(const char *wrong, store_done *done, void *context)
{
	begin(done, context);
	keeper_end(wrong, changed, NULL);
	return NULL;
}

const char *store_put_domain(const struct database_domain *domain, store_done *done, void *context)
{
	const char *wrong = may_begin();

	return wrong ? wrong : finish(database_put_domain(domain), done, context);
}

const char *store_drop_domain(const char *name, store_done *done, void *context)
{
	const char *wrong = may_begin();

	return wrong ? wrong : finish(database_drop_domain(name), done, context);
}

const char *store_rename_domain(const char *name, const struct database_domain *domain,
				store_done *done, void *context)
{
	const char *wrong = may_begin();

	return wrong ? wrong : finish(database_rename_domain(name, domain), done, context);
}

const char *store_mark_domain(const char *name, bool autostart, store_done *done, void *context)
{
	const char *wrong = may_begin();

	return wrong ? wrong : finish(database_mark_domain(name, autostart), done, context);
}

const char *store_set(const char *name, const char *value, store_done *done, void *context)
{
	const char *wrong = may_begin();

	return wrong ? wrong : finish(database_set(name, value), done, context);
}

/* --- facts -------------------------------------------------------------------------------------
 */

const char *store_domains(void (*each)(void *context, const struct database_domain *domain),
			  void *context)
{
	return keeper_is_open() ? database_domains(each, context) : NULL;
}

void store_setting(const char *name, char *value, size_t bytes)
{
	*value = 0;
	if (keeper_is_open())
		database_setting(name, value, bytes);
}

void store_status(struct store_status *status)
{
	memset(status, 0, sizeof(*status));
	if (!keeper_is_open())
		return;
	snprintf(status->pool, sizeof(status->pool), "%s", store.pool);
	status->volume = store.state->sectors * BLK_SECTOR;
	status->journal = store.journal->sectors * BLK_SECTOR;
	database_size(&status->bytes, &status->unused);
}
