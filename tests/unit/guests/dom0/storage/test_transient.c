/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/transient.c */
/* The volumes of transient disks: each is made once and deleted once, whenever its guest ends and
 * whatever else is at work. */
#include "guests/dom0/storage/transient.h"

#include "drivers/env.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/storage/image_make.h"
#include "guests/dom0/storage/image_volume.h"
#include "guests/dom0/storage/path.h"
#include "tests/unit/log_mock.h"
#include "tests/unit/unit.h"

#define VOLUMES 8u

static struct lvm_lv lv[VOLUMES];
static struct volume volume[VOLUMES], *volumes[VOLUMES];
static struct pool pool = {.group = {.name = "data", .lv = lv}, .volume = volumes};
static struct timer *timers[4];
static unsigned timer_count;
static char names[VOLUMES][32], tags[VOLUMES][64];
static const char *fixed, *full;
static bool foreign_change;
static change_done *at_work; /* of a change that has begun */
static int deleting = -1;
static unsigned made, swept;
static struct blkdev *made_dev;
static char made_wrong[256];

static void add_volume(const char *name, const char *tag)
{
	uint32_t n = pool.group.lvs++;

	lv[n].name = names[n];
	snprintf(names[n], sizeof(names[n]), "%s", name);
	snprintf(tags[n], sizeof(tags[n]), "%s", tag);
	volume[n].dev.user = NULL;
	volumes[n] = &volume[n];
}

static void remove_volume(uint32_t n)
{
	pool.group.lvs--;
	for (; n < pool.group.lvs; n++) {
		memcpy(names[n], names[n + 1], sizeof(names[n]));
		memcpy(tags[n], tags[n + 1], sizeof(tags[n]));
		volume[n].dev.user = volume[n + 1].dev.user;
	}
}

/* --- what dom0 has ------------------------------------------------------------ */

uint64_t clock_ns(void)
{
	return 0;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *timer), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
}

void timer_set(struct timer *timer, uint64_t deadline)
{
	(void)deadline;
	for (unsigned i = 0; i < timer_count; i++)
		if (timers[i] == timer)
			return;
	assert_true(timer_count < 4);
	timers[timer_count++] = timer;
}

/* Fires the timers that are set now. */
static void fire(void)
{
	struct timer *now[4];
	unsigned n = timer_count;

	memcpy(now, timers, sizeof(now));
	timer_count = 0;
	for (unsigned i = 0; i < n; i++)
		now[i]->fire(now[i]);
}

bool pools_are_read(void)
{
	return true;
}

struct pool *pool_first(void)
{
	return &pool;
}

struct pool *pool_named(const char *name)
{
	return strcmp(name, "data") ? NULL : &pool;
}

const char *pool_fixed(const struct pool *of)
{
	assert_ptr_equal(of, &pool);
	return fixed;
}

static const char *tag_of(const struct lvm_lv *of, const char *key)
{
	const char *tag = tags[of - lv];
	size_t n = strlen(key);

	return !strncmp(tag, key, n) && tag[n] == '=' ? tag + n + 1 : NULL;
}

bool lvm_tag_make(char tag[LVM_TAG_ROOM], const char *key, const char *value)
{
	snprintf(tag, LVM_TAG_ROOM, "%s=%s", key, value);
	return true;
}

bool lvm_tag_is_there(const struct lvm_lv *of, const char *key)
{
	return tag_of(of, key) != NULL;
}

bool lvm_tag_value(const struct lvm_lv *of, const char *key, char value[LVM_TAG_ROOM])
{
	const char *found = tag_of(of, key);

	snprintf(value, LVM_TAG_ROOM, "%s", found ? found : "");
	return found;
}

int lvm_group_find(const struct lvm_group *group, const char *name)
{
	for (uint32_t i = 0; i < group->lvs; i++)
		if (!strcmp(group->lv[i].name, name))
			return (int)i;
	return -1;
}

bool path_volume(const struct blkdev *dev, struct pool **of, uint32_t *number)
{
	*of = &pool;
	for (*number = 0; *number < pool.group.lvs; ++*number)
		if (dev == &volume[*number].dev)
			return true;
	return false;
}

bool image_make_is_running(void)
{
	return foreign_change || at_work;
}

const char *image_make(const struct image_order *order, change_done *done)
{
	assert_false(image_make_is_running());
	assert_ptr_equal(order->pool, &pool);
	assert_int_equal(order->base, 0);
	assert_string_equal(order->base_format, "raw");
	if (full)
		return full;
	add_volume(order->name, order->mark);
	at_work = done;
	return NULL;
}

const char *change_delete(struct pool *of, uint32_t number, change_done *done)
{
	assert_ptr_equal(of, &pool);
	assert_false(image_make_is_running());
	assert_null(volume[number].dev.user);
	assert_int_not_equal(number, 0);
	deleting = (int)number;
	at_work = done;
	return NULL;
}

static void end_change(void)
{
	change_done *done = at_work;

	assert_non_null(done);
	at_work = NULL;
	if (deleting >= 0)
		remove_volume((uint32_t)deleting);
	deleting = -1;
	done(NULL, "");
}

/* --- tests --------------------------------------------------------------------- */

static void was_made(void *context, struct blkdev *dev, const char *wrong)
{
	assert_ptr_equal(context, &made);
	made++;
	made_dev = dev;
	snprintf(made_wrong, sizeof(made_wrong), "%s", wrong ? wrong : "");
}

static struct transient *make(void)
{
	const char *wrong;
	struct transient *t = transient_make(&(struct transient_order){.base = &volume[0].dev,
								       .format = "raw",
								       .user = "web/vda",
								       .made = was_made,
								       .context = &made},
					     &wrong);

	assert_non_null(t);
	assert_null(wrong);
	return t;
}

static int set_up(void **state)
{
	(void)state;
	pool.group.lvs = 0;
	timer_count = made = swept = 0;
	at_work = NULL;
	fixed = full = NULL;
	foreign_change = false;
	add_volume("base", "");
	return 0;
}

static void test_life(void **state)
{
	struct transient *t = make(), *other = make();

	(void)state;
	foreign_change = true;
	fire();
	fire();
	assert_int_equal(pool.group.lvs, 1);
	foreign_change = false;
	fire();
	assert_int_equal(pool.group.lvs, 2);
	assert_string_equal(lv[1].name, "sampo-transient-1");
	assert_string_equal(tags[1], "sampo.transient=web/vda");
	assert_int_equal(made, 0);
	end_change();
	assert_int_equal(made, 1);
	assert_ptr_equal(made_dev, &volume[1].dev);
	fire();
	end_change();
	assert_int_equal(made, 2);
	assert_string_equal(lv[2].name, "sampo-transient-2");
	transient_end(t);
	transient_end(other);
	fire();
	end_change();
	fire();
	end_change();
	assert_int_equal(pool.group.lvs, 1);
	assert_int_equal(timer_count, 0);
}

/* The guest ends before its disk is there. */
static void test_early_end(void **state)
{
	struct transient *t = make();

	(void)state;
	transient_end(t);
	fire();
	assert_int_equal(pool.group.lvs, 1);
	t = make();
	fire();
	transient_end(t);
	end_change();
	fire();
	end_change();
	assert_int_equal(pool.group.lvs, 1);
	assert_int_equal(made, 0);
	assert_int_equal(timer_count, 0);
}

static void test_refusals(void **state)
{
	struct blkdev partition = {.name = "sda1"};
	struct transient_order order = {.base = &partition, .format = "raw", .user = "web/vda"};
	const char *wrong;
	struct transient *t;

	(void)state;
	assert_null(transient_make(&order, &wrong));
	assert_non_null(strstr(wrong, "is a volume of a pool"));
	order.base = &volume[0].dev;
	fixed = "Sampo does not write it";
	assert_null(transient_make(&order, &wrong));
	assert_string_equal(wrong, fixed);
	fixed = NULL;
	full = "the pool has 0 MiB left";
	t = make();
	fire();
	assert_int_equal(made, 1);
	assert_null(made_dev);
	assert_non_null(strstr(made_wrong, "the pool has 0 MiB left; vol-delete makes room"));
	/* The name is another one's by then. */
	add_volume("sampo-transient-1", "");
	transient_end(t);
	fire();
	assert_null(at_work);
	assert_int_equal(pool.group.lvs, 2);
}

static void was_swept(void)
{
	swept++;
}

static void test_sweep(void **state)
{
	(void)state;
	add_volume("sampo-transient-1", "sampo.transient=web/vda");
	add_volume("mine", "");
	add_volume("sampo-transient-7", "sampo.transient=x/vda");
	add_volume("sampo-transient-8", "sampo.transient=y/vda");
	volume[4].dev.user = "y";
	transient_sweep(was_swept);
	while (at_work)
		end_change();
	assert_int_equal(swept, 1);
	assert_int_equal(pool.group.lvs, 3);
	assert_string_equal(lv[1].name, "mine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_life, set_up),
		cmocka_unit_test_setup(test_early_end, set_up),
		cmocka_unit_test_setup(test_refusals, set_up),
		cmocka_unit_test_setup(test_sweep, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
