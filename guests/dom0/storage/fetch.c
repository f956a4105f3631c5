/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps of a fetch: the server is asked; the volume is made or grown, claimed, tagged as
 * partial, and loses the tags of the content that it had; the body goes through a stream to the
 * volume, which grows on the way if the server does not say a length; all is flushed and compared;
 * the tag goes. Changes of the pool wait for those of others, and a failure waits for the end of a
 * change that has begun. Each step finds pool and volume anew by their names.
 */
#include "guests/dom0/storage/fetch.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/hex.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/net/http.h"
#include "guests/dom0/storage/change.h"
#include "guests/dom0/storage/foreign.h"
#include "guests/dom0/storage/image_volume.h"
#include "guests/dom0/storage/lvm_tag.h"
#include "guests/dom0/storage/stream.h"
#include "guests/dom0/storage/transfer.h"

#define USER    "vol-fetch"
#define GROW_BY (64ull << 20) /* the least that a volume grows on the way */
#define LOOK_NS 20000000u     /* between two looks for the end of another change */
#define PARTIAL "1"           /* the tag's value, which says nothing */

enum step {
	IDLE,
	ASK,     /* the server is asked */
	CREATE,  /* the volume is made */
	ENLARGE, /* or one that is there grows */
	MARK,    /* that one gets the tag of a partial volume */
	CLEAR,   /* and loses a tag that tells of the content that goes */
	FILL,
	GROW,   /* the volume grows on the way */
	WRITE,  /* the last bytes and a flush */
	CUT,    /* the volume has grown too far */
	FORMAT, /* a tag tells the content's format */
	UNTAG,  /* the volume is complete */
	REMOVE  /* the fetch has failed, and the volume goes */
};

static struct {
	enum step step;
	bool made, grows, marked, stopping;
	bool changing; /* a change of the pool is at work, and calls `changed` */
	bool failed;   /* `why` has the reason */
	char pool[LVM_NAME], volume[LVM_NAME];
	const char *format; /* of the content; NULL: raw */
	const char *stale;  /* the key of the tag that goes next */
	bool has_hash;
	uint8_t hash[STREAM_HASH];
	uint64_t capacity, length, room;
	bool has_length, overwrite;
	struct http_get get;
	struct stream stream;
	struct transfer flush;
	struct timer retry;
	struct volume *claimed;
	bool kept;
	char why[SERVER_WHY];
} fetch;

static void change_now(struct timer *timer);
static void fail(const char *why);

/* --- the volume --------------------------------------------------------------------------------
 */

/* Finds the volume; -1: it is not there. *pool is NULL if the pool is not there. */
static int find(struct pool **pool)
{
	*pool = pool_named(fetch.pool);
	return *pool ? lvm_group_find(&(*pool)->group, fetch.volume) : -1;
}

static uint64_t volume_bytes(const struct pool *pool, int lv)
{
	return (uint64_t)pool->group.lv[lv].extents * pool->group.extent_sectors * BLK_SECTOR;
}

static const char *claim(void)
{
	struct pool *pool;
	int lv = find(&pool);
	struct volume *volume = lv >= 0 ? pool->volume[lv] : NULL;
	const char *wrong;

	if (!volume)
		return lv >= 0 ? "the volume cannot be used: see vol-info" : "the volume is gone";
	if (volume->dev.read_only)
		return "the volume is read-only";
	volume->filling = true;
	wrong = blk_claim(&volume->dev, USER);
	if (wrong) {
		volume->filling = false;
		return wrong;
	}
	fetch.claimed = volume;
	fetch.stream.dev = &volume->dev;
	return NULL;
}

static void unclaim(void)
{
	if (!fetch.claimed)
		return;
	blk_unclaim(&fetch.claimed->dev);
	fetch.claimed->filling = false;
	fetch.claimed = NULL;
}

/* --- ends --------------------------------------------------------------------------------------
 */

static void end(void)
{
	stream_close(&fetch.stream);
	unclaim();
	fetch.step = IDLE;
}

static void settled_to_fail(struct stream *stream)
{
	struct pool *pool;

	(void)stream;
	unclaim();
	if (fetch.made && find(&pool) >= 0) {
		fetch.step = REMOVE;
		change_now(&fetch.retry);
		return;
	}
	fetch.kept = fetch.marked;
	end();
}

static void fail(const char *why)
{
	if (fetch.step == REMOVE) {
		/* The first reason is the one to tell. */
		fetch.kept = true;
		end();
		return;
	}
	if (!fetch.failed)
		snprintf(fetch.why, sizeof(fetch.why), "%s", why);
	fetch.failed = true;
	http_stop(&fetch.get);
	timer_cancel(&fetch.retry);
	if (fetch.changing)
		return; /* its end goes on from here */
	stream_cancel(&fetch.stream, fetch.why);
	stream_settle(&fetch.stream, settled_to_fail);
}

/* --- changes of the pool ------------------------------------------------------------------------
 */

static void fill(void);
static void mark(void);
static void clear(void);
static void tell_end(bool has_format);
static const char *may_overwrite(const struct pool *pool, int lv);

static void changed(const char *wrong, const char *note)
{
	enum step done = fetch.step;

	(void)note; /* the pool itself says which of its devices fail */
	fetch.changing = false;
	if (done == CREATE)
		fetch.made = !wrong;
	if (done == CREATE || done == MARK)
		fetch.marked = !wrong;
	if (wrong || (fetch.failed && done != REMOVE)) {
		fail(wrong);
	} else if (fetch.stopping && done != UNTAG && done != REMOVE) {
		fail("stopped");
	} else if (done == ENLARGE) {
		mark();
	} else if (done == MARK || done == CLEAR) {
		clear();
	} else if (done == CREATE || done == GROW) {
		fill();
	} else if (done == CUT || done == FORMAT) {
		tell_end(done == FORMAT);
	} else {
		end();
	}
}

/* A new volume is tagged from the start. */
static const char *create(struct pool *pool)
{
	char format[LVM_TAG_ROOM];
	const char *tags[] = {LVM_KEY_PARTIAL "=" PARTIAL, fetch.format ? format : NULL, NULL};

	if (fetch.format)
		lvm_tag_make(format, LVM_KEY_FORMAT, fetch.format);
	return change_create(pool, fetch.volume, fetch.room, tags, changed);
}

/* The volume may have got a user while the change waited. */
static const char *begin_mark(struct pool *pool, uint32_t lv)
{
	const char *wrong = may_overwrite(pool, (int)lv);

	if (!wrong)
		wrong = claim();
	return wrong ? wrong : change_tag(pool, lv, LVM_KEY_PARTIAL, PARTIAL, changed);
}

static const char *begin_change(void)
{
	struct pool *pool;
	int found = find(&pool);
	uint32_t lv = (uint32_t)found;

	if (!pool)
		return "the pool is gone";
	if (fetch.step == CREATE)
		return create(pool);
	if (found < 0)
		return "the volume is gone";
	switch (fetch.step) {
	case MARK:
		return begin_mark(pool, lv);
	case CLEAR:
		return change_tag(pool, lv, fetch.stale, NULL, changed);
	case FORMAT:
		return change_tag(pool, lv, LVM_KEY_FORMAT, fetch.format, changed);
	case UNTAG:
		return change_tag(pool, lv, LVM_KEY_PARTIAL, NULL, changed);
	case REMOVE:
		return change_delete(pool, lv, changed);
	default:
		return change_resize(pool, lv, fetch.room, fetch.step == CUT, changed);
	}
}

/* Begins the change of the present step, or waits while another one is at work. */
static void change_now(struct timer *timer)
{
	const char *wrong;

	if (fetch.stopping && fetch.step < UNTAG) {
		fail("stopped");
		return;
	}
	if (change_is_running()) {
		timer_set(timer, clock_ns() + LOOK_NS);
		return;
	}
	fetch.changing = true; /* `changed` may be called before begin_change returns */
	wrong = begin_change();
	if (!wrong)
		return;
	fetch.changing = false;
	fail(wrong);
}

/* The tags that a complete volume has. A new one has the format's from its start, and one that was
 * there has lost that of its old content. */
static void tell_end(bool has_format)
{
	fetch.step = has_format || fetch.made || !fetch.format ? UNTAG : FORMAT;
	change_now(&fetch.retry);
}

/* --- the way there ------------------------------------------------------------------------------
 */

static void mark(void)
{
	fetch.step = MARK;
	change_now(&fetch.retry);
}

/* The first tag of the volume that tells of the content that it had. NULL: there is none. */
static const char *stale_tag(void)
{
	static const char *const keys[] = {LVM_KEY_FORMAT, LVM_KEY_BACKING, LVM_KEY_BYTES};
	struct pool *pool;
	int lv = find(&pool);

	for (unsigned i = 0; lv >= 0 && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (lvm_tag_is_there(&pool->group.lv[lv], keys[i]))
			return keys[i];
	return NULL;
}

/* Goes on when nothing tells of the old content any more. */
static void clear(void)
{
	fetch.stale = stale_tag();
	if (!fetch.stale) {
		fill();
		return;
	}
	fetch.step = CLEAR;
	change_now(&fetch.retry);
}

/* A volume that there was before the fetch. */
static const char *may_overwrite(const struct pool *pool, int lv)
{
	const struct lvm_lv *of = &pool->group.lv[lv];
	const struct volume *volume = pool->volume[lv];

	if (*of->why)
		return of->why;
	if (!fetch.overwrite && !lvm_tag_is_there(of, LVM_KEY_PARTIAL))
		return "the volume is there: --overwrite says that its data may go";
	if (volume && volume->dev.user)
		return "the volume is in use";
	return volume ? image_is_base(&volume->dev) : NULL;
}

static uint64_t free_bytes(const struct pool *pool)
{
	return lvm_group_free_extents(&pool->group) * pool->group.extent_sectors * BLK_SECTOR;
}

/* How large the volume has to be at first. */
static uint64_t first_room(const struct pool *pool)
{
	uint64_t left = free_bytes(pool);

	if (fetch.capacity || fetch.has_length)
		return fetch.capacity > fetch.length ? fetch.capacity : fetch.length;
	return left && left < GROW_BY ? left : GROW_BY;
}

/* The server has answered. */
static void answered(struct http_get *get, bool has_length, uint64_t length)
{
	struct pool *pool;
	int lv = find(&pool);
	const char *wrong = pool ? NULL : "the pool is gone";

	(void)get;
	fetch.has_length = has_length;
	fetch.length = has_length ? length : 0;
	if (!wrong && has_length && !length)
		wrong = "the file is empty";
	if (!wrong && fetch.capacity && fetch.length > fetch.capacity)
		wrong = "the file is larger than the capacity";
	if (!wrong && lv >= 0)
		wrong = may_overwrite(pool, lv);
	if (wrong) {
		fail(wrong);
		return;
	}
	fetch.grows = !has_length && !fetch.capacity;
	fetch.room = first_room(pool);
	if (lv >= 0 && (fetch.grows || volume_bytes(pool, lv) >= fetch.room)) {
		mark();
		return;
	}
	fetch.step = lv >= 0 ? ENLARGE : CREATE;
	change_now(&fetch.retry);
}

/* --- filling ------------------------------------------------------------------------------------
 */

static void fill(void)
{
	const char *wrong = fetch.claimed ? NULL : claim();

	if (wrong) {
		fail(wrong);
		return;
	}
	fetch.step = FILL;
	http_go_on(&fetch.get);
}

static void settled_to_grow(struct stream *stream)
{
	if (stream->wrong) {
		fail(stream->wrong);
		return;
	}
	unclaim();
	change_now(&fetch.retry);
}

/* The volume is full and the body goes on: a quarter more, or what the pool has left. */
static void grow(void)
{
	struct pool *pool = pool_named(fetch.pool);
	uint64_t more = fetch.stream.put / 4 > GROW_BY ? fetch.stream.put / 4 : GROW_BY;
	uint64_t left = pool ? free_bytes(pool) : 0;

	if (!left) {
		fail("the pool is full");
		return;
	}
	fetch.room = fetch.stream.put + (more < left ? more : left);
	fetch.step = GROW;
	stream_settle(&fetch.stream, settled_to_grow);
}

static size_t take(struct http_get *get, const uint8_t *data, size_t bytes)
{
	size_t taken;

	(void)get;
	if (fetch.step != FILL)
		return 0;
	taken = stream_put(&fetch.stream, data, bytes);
	if (fetch.stream.wrong)
		fail(fetch.stream.wrong);
	else if (taken < bytes && fetch.stream.put == fetch.stream.dev->sectors * BLK_SECTOR) {
		if (fetch.grows)
			grow();
		else
			fail("the file is larger than the volume");
	}
	return taken;
}

static void has_room(struct stream *stream)
{
	(void)stream;
	http_go_on(&fetch.get);
}

/* --- the end of the body ------------------------------------------------------------------------
 */

static void complete(void)
{
	struct pool *pool;
	int lv = find(&pool);
	uint64_t extent = pool ? pool->group.extent_sectors * BLK_SECTOR : 1;

	unclaim();
	fetch.room = (fetch.stream.put + extent - 1) / extent * extent;
	if (fetch.made && fetch.grows && lv >= 0 && volume_bytes(pool, lv) > fetch.room) {
		fetch.step = CUT;
		change_now(&fetch.retry);
	} else {
		tell_end(false);
	}
}

static void flushed(struct transfer *transfer, bool right)
{
	uint8_t hash[STREAM_HASH];

	(void)transfer;
	if (!right) {
		fail("the volume cannot be written: I/O error");
		return;
	}
	if (fetch.has_hash) {
		stream_hash(&fetch.stream, hash);
		if (memcmp(hash, fetch.hash, sizeof(hash)) != 0) {
			fail("the SHA-256 of the file is another one");
			return;
		}
	}
	complete();
}

static void settled_to_flush(struct stream *stream)
{
	if (stream->wrong) {
		fail(stream->wrong);
		return;
	}
	fetch.flush =
		(struct transfer){.dev = stream->dev, .kind = TRANSFER_FLUSH, .done = flushed};
	transfer_start(&fetch.flush);
}

static void body_ended(struct http_get *get, const char *why)
{
	(void)get;
	if (!why && !fetch.stream.put)
		why = "the file is empty";
	if (why) {
		fail(why);
		return;
	}
	fetch.step = WRITE;
	stream_settle(&fetch.stream, settled_to_flush);
}

/* --- for the caller -----------------------------------------------------------------------------
 */

static bool read_hash(const char *text)
{
	fetch.has_hash = text != NULL;
	return !text || hex_read(text, fetch.hash, STREAM_HASH);
}

/* The format as a tag says it; NULL: there is no such format, or raw. */
static const char *tag_of(const char *format)
{
	const struct foreign_format *foreign = foreign_named(format);

	if (foreign)
		return foreign->name;
	return strcmp(format, "qcow2") ? NULL : "qcow2";
}

/* Returns the reason against the order as far as it is known before the server is asked, or NULL.
 */
static const char *check(const struct fetch_order *order)
{
	const struct pool *pool = pool_named(order->pool);
	const char *wrong = pool ? pool_fixed(pool) : "there is no such pool";
	int lv = pool ? lvm_group_find(&pool->group, order->volume) : -1;

	if (wrong)
		return wrong;
	if (strlen(order->volume) >= LVM_NAME)
		return "the name is too long";
	if (strcmp(order->format, "raw") != 0 && !tag_of(order->format))
		return "a format is raw, qcow2, vmdk, vpc or vdi";
	if (!read_hash(order->sha256))
		return "a SHA-256 has 64 hexadecimal digits";
	return lv >= 0 ? may_overwrite(pool, lv) : NULL;
}

const char *fetch_start(const struct fetch_order *order)
{
	const char *wrong;

	if (fetch.step != IDLE)
		return "another fetch is at work";
	fetch.overwrite = order->overwrite;
	wrong = check(order);
	if (wrong)
		return wrong;
	fetch.made = fetch.grows = fetch.marked = fetch.stopping = fetch.kept = false;
	fetch.changing = fetch.failed = false;
	fetch.why[0] = 0;
	fetch.capacity = order->capacity;
	fetch.length = 0;
	snprintf(fetch.pool, sizeof(fetch.pool), "%s", order->pool);
	snprintf(fetch.volume, sizeof(fetch.volume), "%s", order->volume);
	fetch.format = tag_of(order->format);
	timer_init(&fetch.retry, change_now, NULL);
	fetch.get.head = answered;
	fetch.get.body = take;
	fetch.get.done = body_ended;
	fetch.get.unproven = fetch.has_hash;
	fetch.stream.room = has_room;
	if (!stream_open(&fetch.stream, fetch.has_hash))
		return "dom0 is out of memory for DMA";
	wrong = http_get(&fetch.get, order->url);
	if (wrong)
		stream_close(&fetch.stream);
	else
		fetch.step = ASK;
	return wrong;
}

/* A change that has begun, and a settling, go to their end first. */
void fetch_stop(void)
{
	if (fetch.step == IDLE || fetch.step >= UNTAG)
		return;
	fetch.stopping = true;
	if (fetch.step == ASK || fetch.step == FILL)
		fail("stopped");
}

void fetch_look(struct fetch_status *status)
{
	*status = (struct fetch_status){
		.ended = fetch.step == IDLE,
		.why = *fetch.why ? fetch.why : NULL,
		.kept = fetch.kept,
		.bytes = fetch.stream.put,
		.length = fetch.length,
		.resumed = fetch.get.resumed,
	};
}
