/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of pools run one at a time, and so do the steps here: whoever finds another change at
 * work looks again later. Volumes are found anew by their names each time.
 */
#include "guests/dom0/storage/transient.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/env.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/storage/image_make.h"
#include "guests/dom0/storage/image_volume.h"
#include "guests/dom0/storage/path.h"

#define LOOK_NS 20000000u /* between two looks for the end of another change */
#define NAME    "sampo-transient-"
#define NAMES   1000u

enum state { MAKING, MADE, ENDING };

struct transient {
	enum state state;
	bool found;
	char pool[LVM_NAME], name[LVM_NAME];
	char base_pool[LVM_NAME], base[LVM_NAME];
	char format[IMAGE_FORMAT], user[128];
	struct timer turn;
	void (*made)(void *context, struct blkdev *dev, const char *wrong);
	void *context;
	char why[256];
};

/* The one whose change is at work; changes have no context. */
static struct transient *current;

static void look_again(struct transient *t)
{
	timer_set(&t->turn, clock_ns() + LOOK_NS);
}

static bool may_change(void)
{
	return !current && pools_are_read() && !image_make_is_running();
}

static struct volume *find(const char *pool_name, const char *name, struct pool **pool,
			   uint32_t *lv)
{
	int found;

	*pool = pool_named(pool_name);
	found = *pool ? lvm_group_find(&(*pool)->group, name) : -1;
	*lv = (uint32_t)found;
	return found >= 0 ? (*pool)->volume[found] : NULL;
}

/* --- the end -----------------------------------------------------------------------------------
 */

static void deleted(const char *wrong, const char *note)
{
	struct transient *t = current;

	(void)note;
	current = NULL;
	if (wrong)
		driver_log("%s/%s, of %s: it cannot be deleted: %s\n", t->pool, t->name, t->user,
			   wrong);
	free(t);
}

static void delete_volume(struct transient *t)
{
	struct pool *pool;
	uint32_t lv;
	const char *wrong;

	if (!*t->name || !find(t->pool, t->name, &pool, &lv)) {
		free(t);
		return;
	}
	current = t;
	wrong = change_delete(pool, lv, deleted);
	if (wrong)
		deleted(wrong, "");
}

void transient_end(struct transient *t)
{
	bool at_work = current == t;

	t->made = NULL;
	t->state = ENDING;
	/* Its own change goes to its end first. */
	if (!at_work)
		timer_set(&t->turn, clock_ns());
}

/* --- the beginning -----------------------------------------------------------------------------
 */

static void tell(struct transient *t, struct blkdev *dev)
{
	t->state = MADE;
	t->made(t->context, dev, t->why);
}

static void fail(struct transient *t, const char *wrong)
{
	snprintf(t->why, sizeof(t->why),
		 "no volume for the changes of a transient disk in the pool %.64s: %s; vol-delete "
		 "makes room",
		 t->pool, wrong);
	*t->name = 0;
	tell(t, NULL);
}

static void image_made(const char *wrong, const char *note)
{
	struct transient *t = current;
	struct volume *volume;
	struct pool *pool;
	uint32_t lv;

	(void)note;
	current = NULL;
	if (t->state == ENDING) {
		/* The name may be another one's by then. */
		if (wrong)
			*t->name = 0;
		timer_set(&t->turn, clock_ns());
		return;
	}
	volume = wrong ? NULL : find(t->pool, t->name, &pool, &lv);
	if (volume)
		tell(t, &volume->dev);
	else
		fail(t, wrong ? wrong : "the new volume is gone");
}

static bool choose_name(struct transient *t, const struct pool *pool)
{
	for (unsigned n = 1; n < NAMES; n++) {
		snprintf(t->name, sizeof(t->name), NAME "%u", n);
		if (lvm_group_find(&pool->group, t->name) < 0)
			return true;
	}
	return false;
}

/* The volume of the same user, which a dom0 before this one has made. */
static struct volume *find_old(struct transient *t, const struct pool *pool)
{
	char user[LVM_TAG_ROOM];

	for (uint32_t i = 0; i < pool->group.lvs; i++) {
		if (!lvm_tag_value(&pool->group.lv[i], LVM_KEY_TRANSIENT, user) ||
		    strcmp(user, t->user) != 0)
			continue;
		snprintf(t->name, sizeof(t->name), "%s", pool->group.lv[i].name);
		return pool->volume[i];
	}
	return NULL;
}

static void make_image(struct transient *t)
{
	struct image_order order = {.name = t->name, .base_format = t->format};
	char mark[LVM_TAG_ROOM];
	struct volume *old;
	const char *wrong;

	order.pool = pool_named(t->pool);
	if (!find(t->base_pool, t->base, &order.base_pool, &order.base) || !order.pool) {
		fail(t, "the disk's volume is gone");
		return;
	}
	old = t->found ? find_old(t, order.pool) : NULL;
	if (old) {
		tell(t, &old->dev);
		return;
	}
	if (!choose_name(t, order.pool) || !lvm_tag_make(mark, LVM_KEY_TRANSIENT, t->user)) {
		fail(t, "there are too many of them");
		return;
	}
	order.mark = mark;
	current = t;
	wrong = image_make(&order, image_made);
	if (wrong)
		image_made(wrong, "");
}

static void turn(struct timer *timer)
{
	struct transient *t = timer->context;

	if (!may_change())
		look_again(t);
	else if (t->state == ENDING)
		delete_volume(t);
	else
		make_image(t);
}

struct transient *transient_make(const struct transient_order *order, const char **wrong)
{
	struct transient *t;
	struct pool *pool;
	uint32_t lv;

	*wrong = NULL;
	if (!path_volume(order->base, &pool, &lv))
		*wrong = "a transient disk is a volume of a pool, which has the disk's changes "
			 "meanwhile";
	else if (pool_fixed(pool))
		*wrong = pool_fixed(pool);
	t = *wrong ? NULL : calloc(1, sizeof(*t));
	if (!t && !*wrong)
		*wrong = "dom0 is out of memory";
	if (!t)
		return NULL;
	snprintf(t->pool, sizeof(t->pool), "%s", pool->group.name);
	snprintf(t->base_pool, sizeof(t->base_pool), "%s", pool->group.name);
	snprintf(t->base, sizeof(t->base), "%s", pool->group.lv[lv].name);
	snprintf(t->format, sizeof(t->format), "%s", order->format);
	snprintf(t->user, sizeof(t->user), "%s", order->user);
	t->found = order->found;
	t->made = order->made;
	t->context = order->context;
	timer_init(&t->turn, turn, t);
	timer_set(&t->turn, clock_ns());
	return t;
}

/* --- the sweep ---------------------------------------------------------------------------------
 */

static struct {
	void (*swept)(void);
	struct timer timer;
} sweep;

static void sweep_next(struct timer *timer);

static void one_swept(const char *wrong, const char *note)
{
	(void)note;
	if (wrong)
		driver_log("a volume of a transient disk cannot be deleted: %s\n", wrong);
	if (wrong)
		sweep.swept();
	else
		sweep_next(&sweep.timer);
}

/* The next volume that is left over. Returns false if there is none. */
static bool left_over(struct pool **pool, uint32_t *lv)
{
	for (*pool = pool_first(); *pool; *pool = (*pool)->next) {
		if (pool_fixed(*pool))
			continue;
		for (*lv = 0; *lv < (*pool)->group.lvs; ++*lv) {
			const struct volume *volume = (*pool)->volume[*lv];

			if (lvm_tag_is_there(&(*pool)->group.lv[*lv], LVM_KEY_TRANSIENT) &&
			    volume && !volume->dev.user)
				return true;
		}
	}
	return false;
}

static void sweep_next(struct timer *timer)
{
	struct pool *pool;
	uint32_t lv;
	const char *wrong;

	if (!may_change()) {
		timer_set(timer, clock_ns() + LOOK_NS);
		return;
	}
	if (!left_over(&pool, &lv)) {
		sweep.swept();
		return;
	}
	driver_log("%s/%s: deleted: its guest ended with the machine\n", pool->group.name,
		   pool->group.lv[lv].name);
	wrong = change_delete(pool, lv, one_swept);
	if (wrong)
		one_swept(wrong, "");
}

void transient_sweep(void (*swept)(void))
{
	sweep.swept = swept;
	timer_init(&sweep.timer, sweep_next, NULL);
	sweep_next(&sweep.timer);
}
