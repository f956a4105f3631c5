/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/fetch.c guests/dom0/storage/stream.c guests/dom0/storage/change.c guests/dom0/storage/script.c */
/* sources: guests/dom0/storage/transfer.c guests/dom0/storage/find.c guests/dom0/storage/pool.c guests/dom0/storage/volume.c */
/* sources: guests/dom0/storage/signature.c guests/dom0/storage/lvm_edit.c guests/dom0/storage/lvm_disk.c guests/dom0/storage/lvm_text.c */
/* sources: guests/dom0/storage/lvm_group.c guests/dom0/storage/lvm_tag.c guests/dom0/storage/path.c guests/dom0/storage/image_volume.c */
/* sources: guests/dom0/storage/foreign.c guests/dom0/storage/foreign_vmdk.c guests/dom0/storage/foreign_vhd.c guests/dom0/storage/foreign_vdi.c */
/* sources: drivers/block/block.c drivers/block/claim.c drivers/block/request.c drivers/block/scan.c drivers/block/gpt.c drivers/block/mbr.c */
/* libs: mbedtls */
/* A fetch onto a pool of one disk, from a server that is the test's: it calls what the client would
 * call. The disk completes its requests at once, or when the test says so. */
#include "drivers/block/request.h"
#include "drivers/env.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/net/http.h"
#include "guests/dom0/storage/change.h"
#include "guests/dom0/storage/fetch.h"
#include "guests/dom0/storage/lvm_tag.h"
#include "guests/dom0/storage/path.h"
#include "tests/unit/dma_mock.h"
#include "tests/unit/log_mock.h"
#include "tests/unit/unit.h"

#define SECTORS (64u << 11) /* 64 MiB */
#define WAITING 64u
#define EXTENT  (4u << 20)

static uint8_t media[SECTORS * BLK_SECTOR];
static struct blkdev disk;
static bool later; /* requests wait */
static struct blk_request *waiting[WAITING];
static unsigned waits;
static struct work *queued;
static struct timer *retry;
static uint64_t now = 1000000000;

/* --- what dom0 has ------------------------------------------------------------------------------
 */

uint64_t clock_wall_ns(void)
{
	return 1800000000ull * 1000000000;
}

uint64_t clock_ns(void)
{
	return now;
}

void work_queue(struct work *work)
{
	queued = work;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
	retry = timer;
}

void timer_set(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
}

void timer_cancel(struct timer *timer)
{
	timer->deadline = 0;
}

static void execute(struct blk_request *request)
{
	if (request->op != BLK_FLUSH)
		assert_true(blk_copy(request, 0, media + request->disk_sector * BLK_SECTOR,
				     (size_t)request->sectors * BLK_SECTOR,
				     request->op == BLK_WRITE));
	request->done(request, BLK_OK);
}

static void disk_submit(struct blkdev *dev, struct blk_request *request)
{
	(void)dev;
	if (!later) {
		execute(request);
		return;
	}
	assert_true(waits < WAITING);
	waiting[waits++] = request;
}

/* Goes on until nothing is left to do. */
static void run(void)
{
	for (;;) {
		struct work *work = queued;

		if (waits) {
			execute(waiting[--waits]);
		} else if (work) {
			queued = NULL;
			work->run(work);
		} else if (retry && retry->deadline) {
			now = retry->deadline;
			retry->deadline = 0;
			retry->fire(retry);
		} else {
			return;
		}
	}
}

/* --- the client ---------------------------------------------------------------------------------
 */

static struct http_get *client; /* NULL: it has ended */
static unsigned go_ons;

const char *http_get(struct http_get *get, const char *url)
{
	(void)url;
	client = get;
	return NULL;
}

void http_stop(struct http_get *get)
{
	(void)get;
	client = NULL;
}

void http_go_on(struct http_get *get)
{
	(void)get;
	go_ons++;
}

static void end_of_body(const char *why)
{
	struct http_get *get = client;

	client = NULL;
	get->done(get, why);
}

/* --- volumes ------------------------------------------------------------------------------------
 */

static char failure[160];

static void done(const char *wrong, const char *note)
{
	(void)note;
	snprintf(failure, sizeof(failure), "%s", wrong ? wrong : "");
}

static void right(const char *refusal)
{
	if (refusal)
		fail_msg("%s", refusal);
	assert_string_equal(failure, "");
}

static const struct lvm_lv *volume(const char *name)
{
	const struct pool *pool = pool_named("data");
	int lv = lvm_group_find(&pool->group, name);

	return lv < 0 ? NULL : &pool->group.lv[lv];
}

static struct blkdev *device(const char *name)
{
	struct pool *pool = pool_named("data");

	return &pool->volume[lvm_group_find(&pool->group, name)]->dev;
}

static void tag(const char *name, const char *key, const char *value)
{
	struct pool *pool = pool_named("data");
	int lv = lvm_group_find(&pool->group, name);

	right(change_tag(pool, (uint32_t)lv, key, value, done));
}

static void build(void)
{
	struct blkdev *const one[] = {&disk};

	memset(media, 0, sizeof(media));
	later = false;
	pools_find(NULL);
	right(change_build("data", one, 1, false, done));
}

static void create(const char *name)
{
	right(change_create(pool_named("data"), name, EXTENT, NULL, done));
}

static struct fetch_order order(const char *format, bool overwrite)
{
	return (struct fetch_order){
		.pool = "data",
		.volume = "web",
		.url = "http://host/",
		.format = format,
		.overwrite = overwrite,
	};
}

static struct fetch_status look(void)
{
	struct fetch_status status;

	fetch_look(&status);
	return status;
}

static void ends_with(const char *reason)
{
	assert_true(look().ended);
	assert_non_null(look().why);
	assert_non_null(strstr(look().why, reason));
	assert_false(change_is_running());
}

/* --- tests --------------------------------------------------------------------------------------
 */

static void whole(void **state)
{
	struct fetch_order plain = order("qcow2", false);
	static const uint8_t content[] = "content";
	char format[LVM_TAG_ROOM];

	(void)state;
	build();
	assert_null(fetch_start(&plain));
	client->head(client, true, sizeof(content));
	assert_int_equal(client->body(client, content, sizeof(content)), sizeof(content));
	end_of_body(NULL);
	run();
	assert_true(look().ended);
	assert_null(look().why);
	assert_false(lvm_tag_is_there(volume("web"), LVM_KEY_PARTIAL));
	assert_true(lvm_tag_value(volume("web"), LVM_KEY_FORMAT, format));
	assert_string_equal(format, "qcow2");
	assert_null(device("web")->user);
}

/* What the tags say of the content before is not said of the new one, nor of a part of it. */
static void old_tags(void **state)
{
	struct fetch_order over = order("raw", true);
	char path[LVM_TAG_ROOM];

	(void)state;
	for (unsigned n = 0; n < 2; n++) {
		build();
		create("base");
		create("web");
		tag("web", LVM_KEY_FORMAT, "qcow2");
		tag("web", LVM_KEY_BACKING, "data/base");
		tag("web", LVM_KEY_BYTES, "1000");
		tag("web", LVM_KEY_PATH, "/srv/web.img");
		assert_int_equal(path_bytes(device("web")), 1000);
		assert_null(fetch_start(&over));
		client->head(client, true, 7);
		assert_int_equal(client->body(client, (const uint8_t *)"content", 7), 7);
		assert_true(lvm_tag_is_there(volume("web"), LVM_KEY_PARTIAL));
		assert_false(lvm_tag_is_there(volume("web"), LVM_KEY_FORMAT));
		end_of_body(n ? "the server is silent" : NULL);
		run();
		assert_true(look().ended);
		assert_int_equal(look().kept, n);
		assert_int_equal(lvm_tag_is_there(volume("web"), LVM_KEY_PARTIAL), n);
		assert_false(lvm_tag_is_there(volume("web"), LVM_KEY_FORMAT));
		assert_false(lvm_tag_is_there(volume("web"), LVM_KEY_BACKING));
		assert_false(lvm_tag_is_there(volume("web"), LVM_KEY_BYTES));
		/* Guests find the volume by its path as before. */
		assert_true(lvm_tag_value(volume("web"), LVM_KEY_PATH, path));
		assert_string_equal(path, "/srv/web.img");
		right(change_delete(pool_named("data"),
				    (uint32_t)lvm_group_find(&pool_named("data")->group, "base"),
				    done));
	}
}

/* The server goes while the volume is made: the fetch ends after the volume, which goes too. */
static void ends_in_a_change(void **state)
{
	struct fetch_order plain = order("raw", false), over = order("raw", true);

	(void)state;
	build();
	assert_null(fetch_start(&plain));
	later = true;
	client->head(client, false, 0);
	assert_true(change_is_running());
	end_of_body(NULL); /* an empty file, in chunks */
	assert_false(look().ended);
	assert_non_null(fetch_start(&plain)); /* another one does not begin in between */
	run();
	ends_with("the file is empty");
	assert_null(volume("web"));
	assert_false(look().kept);

	later = false;
	create("web");
	assert_null(fetch_start(&over));
	later = true;
	client->head(client, true, 100);
	assert_true(change_is_running());
	end_of_body("the connection broke");
	run();
	ends_with("the connection broke");
	assert_true(look().kept);
	assert_true(lvm_tag_is_there(volume("web"), LVM_KEY_PARTIAL));
	assert_null(device("web")->user);
}

/* A break while the volume grows. */
static void ends_while_it_grows(void **state)
{
	struct fetch_order plain = order("raw", false);
	static uint8_t content[EXTENT];

	(void)state;
	build();
	/* One extent is left at first. */
	right(change_create(pool_named("data"), "most", 14 * (uint64_t)EXTENT, NULL, done));
	assert_null(fetch_start(&plain));
	client->head(client, false, 0);
	for (size_t at = 0; at < EXTENT; at += 65536)
		assert_int_equal(client->body(client, content + at, 65536), 65536);
	right(change_delete(pool_named("data"), 0, done));
	later = true;
	assert_int_equal(client->body(client, content, 1), 0);
	assert_true(change_is_running());
	end_of_body("the connection broke");
	run();
	ends_with("the connection broke");
	assert_null(volume("web"));
}

/* Another change of the pool is at work when the server answers: the fetch waits for its end. */
static void waits_for_others(void **state)
{
	struct fetch_order over = order("raw", true);

	(void)state;
	build();
	create("web");
	assert_null(fetch_start(&over));
	later = true;
	right(change_create(pool_named("data"), "other", EXTENT, NULL, done));
	client->head(client, true, 7);
	run();
	assert_false(look().ended);
	later = false;
	assert_int_equal(client->body(client, (const uint8_t *)"content", 7), 7);
	end_of_body(NULL);
	run();
	assert_true(look().ended);
	assert_null(look().why);

	/* A user that came in between keeps the volume as it is. */
	assert_null(fetch_start(&over));
	later = true;
	right(change_create(pool_named("data"), "third", EXTENT, NULL, done));
	client->head(client, true, 7);
	while (change_is_running())
		execute(waiting[--waits]);
	assert_null(blk_claim(device("web"), "a guest"));
	run();
	ends_with("in use");
	assert_false(lvm_tag_is_there(volume("web"), LVM_KEY_PARTIAL));
	blk_unclaim(device("web"));
}

/* ^C at each moment of a fetch. */
static void stopped(void **state)
{
	struct fetch_order plain = order("raw", false);

	(void)state;
	build();
	for (unsigned n = 0; n < 40; n++) {
		unsigned steps = 0;

		later = true;
		assert_null(fetch_start(&plain));
		client->head(client, true, 7);
		while (steps++ < n && waits)
			execute(waiting[--waits]);
		fetch_stop();
		if (client && !change_is_running())
			fail();
		run();
		ends_with("stopped");
		assert_null(volume("web"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(old_tags),
		cmocka_unit_test(ends_in_a_change),
		cmocka_unit_test(ends_while_it_grows),
		cmocka_unit_test(waits_for_others),
		cmocka_unit_test(stopped),
	};

	disk = (struct blkdev){
		.name = "sda",
		.sectors = SECTORS,
		.logical_block = 512,
		.physical_block = 512,
		.max_sectors = 64,
		.can_flush = true,
		.submit = disk_submit,
	};
	blk_list(&disk);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
