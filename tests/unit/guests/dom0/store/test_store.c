/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/store/store.c */
/* Which pool has the store, and when its volumes are made. Pools and the keeper are the test's. */
#include "guests/dom0/storage/change.h"
#include "guests/dom0/store/keeper.h"
#include "guests/dom0/store/store.h"
#include "tests/unit/unit.h"

#define VOLUMES 4u

static struct pool pools[2];
static struct lvm_lv lv[2][VOLUMES];
static struct volume volume[2][VOLUMES], *volumes[2][VOLUMES + 1];
static const char *name[2][VOLUMES];

static bool is_open, disks_read;
static unsigned claims, made, opened;
static const struct blkdev *opened_state;
static keeper_done *keeper_end_of; /* a keeper that is at work */
static change_done *change_end_of;
static const char *disk_error;

/* --- pools --------------------------------------------------------------------------------------
 */

struct pool *pool_first(void)
{
	return pools;
}

struct pool *pool_named(const char *text)
{
	for (unsigned i = 0; i < 2; i++)
		if (!strcmp(pools[i].group.name, text))
			return &pools[i];
	return NULL;
}

const char *pool_fixed(const struct pool *pool)
{
	return *pool->why ? pool->why : NULL;
}

bool pools_are_read(void)
{
	return disks_read;
}

int lvm_group_find(const struct lvm_group *group, const char *text)
{
	unsigned n = group == &pools[1].group;

	for (uint32_t i = 0; i < group->lvs; i++)
		if (!strcmp(name[n][i], text))
			return (int)i;
	return -1;
}

static void add(unsigned pool, const char *text)
{
	uint32_t i = pools[pool].group.lvs++;

	name[pool][i] = text;
	volumes[pool][i] = &volume[pool][i];
}

const char *change_create(struct pool *pool, const char *text, uint64_t bytes,
			  const char *const *tags, change_done *done)
{
	(void)bytes;
	(void)tags;
	made++;
	add(pool == &pools[1], strcmp(text, STORE_STATE) ? STORE_JOURNAL : STORE_STATE);
	change_end_of = done;
	return NULL;
}

const char *blk_claim(struct blkdev *dev, const char *user)
{
	if (dev->user)
		return "in use";
	dev->user = user;
	claims++;
	return NULL;
}

void blk_unclaim(struct blkdev *dev)
{
	assert_non_null(dev->user);
	dev->user = NULL;
	claims--;
}

/* --- the keeper ---------------------------------------------------------------------------------
 */

uint64_t keeper_seed_at(const struct blkdev *journal)
{
	return journal->sectors * BLK_SECTOR;
}

void keeper_open(struct blkdev *state, struct blkdev *journal, keeper_done *done, void *context)
{
	(void)journal;
	(void)context;
	opened++;
	opened_state = state;
	keeper_end_of = done;
}

bool keeper_is_open(void)
{
	return is_open;
}

const char *keeper_begin(void)
{
	return NULL;
}

void keeper_end(const char *wrong, keeper_done *done, void *context)
{
	is_open = !disk_error;
	done(context, disk_error ? disk_error : wrong);
}

const char *database_put_domain(const struct database_domain *domain)
{
	(void)domain;
	return NULL;
}

const char *database_drop_domain(const char *text)
{
	(void)text;
	return NULL;
}

const char *database_rename_domain(const char *text, const struct database_domain *domain)
{
	(void)text;
	(void)domain;
	return "no names change here";
}

const char *database_mark_domain(const char *text, bool autostart)
{
	(void)text;
	(void)autostart;
	return NULL;
}

const char *database_set(const char *text, const char *value)
{
	(void)text;
	(void)value;
	return NULL;
}

const char *database_domains(void (*each)(void *context, const struct database_domain *domain),
			     void *context)
{
	(void)each;
	(void)context;
	return NULL;
}

const char *database_setting(const char *text, char *value, size_t bytes)
{
	(void)text;
	(void)value;
	(void)bytes;
	return NULL;
}

void database_size(unsigned long long *bytes, unsigned long long *unused)
{
	*bytes = *unused = 0;
}

static void finish_opening(const char *wrong)
{
	keeper_done *done = keeper_end_of;

	keeper_end_of = NULL;
	is_open = !wrong;
	done(NULL, wrong);
}

static void finish_change(void)
{
	change_done *done = change_end_of;

	change_end_of = NULL;
	done(NULL, "");
}

/* --- tests --------------------------------------------------------------------------------------
 */

static unsigned starts, makes;
static char failure[200];

static void note(const char *wrong)
{
	snprintf(failure, sizeof(failure), "%s", wrong ? wrong : "");
}

static void start_ended(void *context, const char *wrong)
{
	(void)context;
	starts++;
	note(wrong);
}

static void make_ended(void *context, const char *wrong)
{
	(void)context;
	makes++;
	note(wrong);
}

/* The machine starts with two pools, of which the second has the store. A definition that comes
 * while the first pool or GRUB's mark is at work makes no store and opens none: the start does. */
static void looks_first(void **state)
{
	(void)state;
	pools[0].group.name = "alpha";
	pools[1].group.name = "beta";
	for (unsigned i = 0; i < 2; i++) {
		pools[i].group.tagged = true;
		pools[i].group.lv = lv[i];
		pools[i].volume = volumes[i];
	}
	pools[0].next = &pools[1];
	assert_non_null(strstr(store_why(), "being read"));
	disks_read = true;
	assert_non_null(strstr(store_why(), "being read"));
	add(1, STORE_STATE);
	add(1, STORE_JOURNAL);
	assert_non_null(strstr(store_make(NULL, make_ended, NULL), "being read"));
	assert_int_equal(made + opened, 0);
	store_start(start_ended, NULL);
	assert_int_equal(opened, 1);
	assert_ptr_equal(opened_state, &volume[1][0].dev);
	assert_non_null(strstr(store_make(NULL, make_ended, NULL), "being read"));
	finish_opening(NULL);
	assert_int_equal(starts, 1);
	assert_int_equal(makes, 0);
	assert_string_equal(failure, "");
	assert_int_equal(claims, 2);
	assert_null(store_why());
	assert_non_null(strstr(store_make(NULL, make_ended, NULL), "there is a store already"));
}

/* After an error of the disk the volumes are free, and keep-build opens those that are there. */
static void opens_again(void **state)
{
	struct database_domain domain = {.name = "web"};

	(void)state;
	disk_error = "its volumes cannot be read";
	assert_null(store_put_domain(&domain, start_ended, NULL));
	disk_error = NULL;
	assert_non_null(strstr(failure, "cannot be read"));
	assert_int_equal(claims, 0);
	assert_non_null(strstr(store_put_domain(&domain, start_ended, NULL), "cannot be read"));
	assert_non_null(strstr(store_make(&pools[0], make_ended, NULL), "beta has a store"));
	assert_null(store_make(NULL, make_ended, NULL));
	finish_opening("there is something else than a database");
	assert_int_equal(makes, 1);
	assert_non_null(strstr(failure, "pool beta cannot be used: there is something else"));
	assert_int_equal(claims, 0);
	assert_non_null(strstr(store_why(), "something else"));
}

/* Without any, they are made one after the other. */
static void makes_them(void **state)
{
	(void)state;
	pools[1].group.lvs = 0;
	made = makes = 0;
	assert_non_null(strstr(store_make(NULL, make_ended, NULL), "several pools"));
	assert_null(store_make(&pools[0], make_ended, NULL));
	assert_int_equal(made, 1);
	finish_change();
	assert_int_equal(made, 2);
	finish_change();
	finish_opening(NULL);
	assert_int_equal(makes, 1);
	assert_string_equal(failure, "");
	assert_ptr_equal(opened_state, &volume[0][0].dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looks_first),
		cmocka_unit_test(opens_again),
		cmocka_unit_test(makes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
