/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/storage/change.c guests/dom0/storage/script.c guests/dom0/storage/transfer.c guests/dom0/storage/find.c */
/* sources: guests/dom0/storage/pool.c guests/dom0/storage/volume.c guests/dom0/storage/signature.c guests/dom0/storage/lvm_edit.c */
/* sources: guests/dom0/storage/lvm_disk.c guests/dom0/storage/lvm_text.c guests/dom0/storage/lvm_group.c guests/dom0/storage/lvm_tag.c guests/dom0/storage/path.c guests/dom0/storage/image_volume.c */
/* sources: drivers/block/block.c drivers/block/claim.c drivers/block/request.c drivers/block/scan.c drivers/block/gpt.c drivers/block/mbr.c */
/*
 * Changes of pools on disks that lose their power. Every write of a sector and every flush is in a
 * journal; a cut keeps, of each disk, all that its last flush covers and any of the later sectors.
 * After each cut the pool is the old one or the new one.
 */
#include "drivers/block/request.h"
#include "drivers/env.h"
#include "guests/dom0/storage/change.h"
#include "guests/dom0/storage/lvm_edit.h"
#include "guests/dom0/storage/lvm_tag.h"
#include "guests/dom0/storage/path.h"
#include "guests/dom0/storage/signature.h"
#include "tests/unit/dma_mock.h"
#include "tests/unit/log_mock.h"
#include "tests/unit/unit.h"

#define DISKS   2u
#define SECTORS (24u << 11) /* 24 MiB */
#define ENTRIES 20000u

static uint8_t media[DISKS][SECTORS * BLK_SECTOR];
static struct blkdev disk[DISKS];
static unsigned failing = DISKS; /* the disk whose writes fail */

static struct entry {
	unsigned disk;
	bool flush;
	uint64_t sector;
	uint8_t before[BLK_SECTOR], after[BLK_SECTOR];
} journal[ENTRIES];
static unsigned entries;
static bool recording;

uint64_t clock_wall_ns(void)
{
	return 1800000000ull * 1000000000;
}

static void record(unsigned n, const struct blk_request *request)
{
	uint8_t data[BLK_SECTOR];

	for (uint32_t s = 0; s < request->sectors; s++) {
		struct entry *e = &journal[entries++];

		assert_true(entries < ENTRIES);
		assert_true(blk_copy(request, s, data, BLK_SECTOR, true));
		*e = (struct entry){.disk = n, .sector = request->disk_sector + s};
		memcpy(e->before, media[n] + e->sector * BLK_SECTOR, BLK_SECTOR);
		memcpy(e->after, data, BLK_SECTOR);
		memcpy(media[n] + e->sector * BLK_SECTOR, data, BLK_SECTOR);
	}
}

static void disk_submit(struct blkdev *dev, struct blk_request *request)
{
	unsigned n = (unsigned)(dev - disk);
	enum blk_status status = BLK_OK;

	if (n == failing && request->op != BLK_READ)
		status = BLK_IOERR;
	else if (request->op == BLK_FLUSH && recording)
		journal[entries++] = (struct entry){.disk = n, .flush = true};
	else if (request->op == BLK_WRITE && recording)
		record(n, request);
	else if (request->op != BLK_FLUSH)
		assert_true(blk_copy(request, 0, media[n] + request->disk_sector * BLK_SECTOR,
				     (size_t)request->sectors * BLK_SECTOR,
				     request->op == BLK_WRITE));
	request->done(request, status);
}

/* --- what is asked for
 * ----------------------------------------------------------------------------- */

static const char *failure;
static char failure_text[160], note_text[100];

static void done(const char *wrong, const char *note)
{
	snprintf(failure_text, sizeof(failure_text), "%s", wrong ? wrong : "");
	snprintf(note_text, sizeof(note_text), "%s", note);
	failure = wrong ? failure_text : NULL;
}

static void right(const char *refusal)
{
	if (refusal)
		fail_msg("%s", refusal);
	if (failure)
		fail_msg("%s", failure);
}

static struct pool *data(void)
{
	struct pool *pool = pool_named("data");

	assert_non_null(pool);
	return pool;
}

/* "a:2 b:1": the volumes with their extents. */
static const char *state_now(void)
{
	static char text[400];
	struct pool *pool = pool_named("data");

	*text = 0;
	if (!pool)
		return "none";
	if (*pool->why)
		return pool->why;
	for (uint32_t i = 0; i < pool->group.lvs; i++) {
		const struct lvm_lv *lv = &pool->group.lv[i];
		char path[LVM_TAG_ROOM];

		assert_non_null(pool->volume[i]);
		if (!lvm_tag_value(lv, LVM_KEY_PATH, path))
			*path = 0;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s:%u%.99s ", lv->name,
			 lv->extents, path);
	}
	return text;
}

static void build(void)
{
	struct blkdev *const both[] = {&disk[0], &disk[1]};

	memset(media, 0, sizeof(media));
	failing = DISKS;
	recording = false;
	pools_find(NULL);
	right(change_build("data", both, DISKS, false, done));
	assert_string_equal(state_now(), "");
}

static int set_up(void **state)
{
	(void)state;
	for (unsigned n = 0; n < DISKS; n++) {
		disk[n] = (struct blkdev){
			.sectors = SECTORS,
			.logical_block = 512,
			.physical_block = 512,
			.max_sectors = 64,
			.can_flush = true,
			.submit = disk_submit,
		};
		snprintf(disk[n].name, sizeof(disk[n].name), "sd%c", 'a' + n);
		blk_list(&disk[n]);
	}
	return 0;
}

/* --- cuts ----------------------------------------------------------------------------------------
 */

static void apply(const struct entry *e, const uint8_t *bytes)
{
	if (!e->flush)
		memcpy(media[e->disk] + e->sector * BLK_SECTOR, bytes, BLK_SECTOR);
}

/* The media as a cut before entry `cut` may leave them; `keep` of 256 later sectors last. */
static void cut_at(unsigned cut, unsigned keep)
{
	unsigned flushed[DISKS] = {0};

	for (unsigned i = entries; i-- > 0;)
		apply(&journal[i], journal[i].before);
	for (unsigned i = 0; i < cut; i++)
		if (journal[i].flush)
			flushed[journal[i].disk] = i;
	for (unsigned i = 0; i < cut; i++)
		if (i < flushed[journal[i].disk] || random_below(256) < keep)
			apply(&journal[i], journal[i].after);
}

static void check_cuts(const char *old, const char *new)
{
	static const unsigned keeps[] = {256, 0, 128, 200};
	unsigned olds = 0, news = 0;

	recording = false;
	for (unsigned cut = 0; cut <= entries; cut++)
		for (unsigned k = 0; k < 4; k++) {
			const char *now;

			cut_at(cut, keeps[k]);
			pools_find(NULL);
			now = state_now();
			if (!strcmp(now, new))
				news++;
			else if (!strcmp(now, old))
				olds++;
			else
				fail_msg("cut %u of %u: \"%s\"", cut, entries, now);
			/* The journal's end is durable: the change has said that it is done. */
			if (cut == entries)
				assert_string_equal(now, new);
			/* What is left can be changed again, and be read. */
			if (cut % 16 == 0 && !k && strcmp(now, "none") != 0) {
				right(change_create(data(), "after", 1, NULL, done));
				assert_true(lvm_group_find(&data()->group, "after") >= 0);
				pools_find(NULL);
				assert_true(lvm_group_find(&data()->group, "after") >= 0);
			}
		}
	assert_true(olds && news);
	entries = 0;
}

static void begin_record(void)
{
	entries = 0;
	recording = true;
}

/* A sector that the journal does not know, but the check wrote, would spoil the next round: each
 * round begins anew. */
static void test_cuts(void **state)
{
	(void)state;
	build();
	begin_record();
	right(change_create(data(), "a", 5 << 20, NULL, done));
	check_cuts("", "a:2 ");

	build();
	right(change_create(data(), "a", 5 << 20, NULL, done));
	begin_record();
	right(change_resize(data(), 0, 30 << 20, false, done));
	check_cuts("a:2 ", "a:8 ");

	build();
	right(change_create(data(), "a", 5 << 20, NULL, done));
	right(change_create(data(), "b", 1, NULL, done));
	begin_record();
	right(change_delete(data(), 0, done));
	check_cuts("a:2 b:1 ", "b:1 ");

	build();
	right(change_create(data(), "a", 5 << 20, NULL, done));
	begin_record();
	right(change_rename(data(), 0, "c", done));
	check_cuts("a:2 ", "c:2 ");
}

/* The text goes round the ring many times. */
static void test_ring(void **state)
{
	uint32_t number;

	(void)state;
	build();
	for (unsigned i = 0; i < 800; i++) {
		right(change_create(data(), "volume", 1, NULL, done));
		right(change_delete(data(), 0, done));
	}
	number = (uint32_t)data()->group.seqno;
	assert_int_equal(number, 1601);
	pools_find(NULL);
	assert_string_equal(state_now(), "");
	assert_int_equal(data()->group.seqno, number);
}

static void test_errors(void **state)
{
	uint64_t number;

	(void)state;
	build();
	number = data()->group.seqno;
	failing = 1;
	right(change_adopt(data(), done) ? NULL : "adopted twice");
	right(change_create(data(), "a", 1, NULL, done));
	assert_string_equal(note_text, "1 of 2 metadata areas could not be written");
	failing = DISKS;
	pools_find(NULL);
	assert_string_equal(state_now(), "a:1 ");
	assert_int_equal(data()->group.seqno, number + 1);
	/* The disk that answers again gets the metadata with the next change. */
	right(change_create(data(), "b", 1, NULL, done));
	assert_string_equal(note_text, "");
	memset(media[0] + 4096, 0, 4096);
	pools_find(NULL);
	assert_string_equal(state_now(), "a:1 b:1 ");
	/* The volume's own disk fails: nothing is written. */
	failing = 0;
	assert_null(change_create(data(), "c", 1, NULL, done));
	assert_non_null(failure);
	failing = DISKS;
	pools_find(NULL);
	assert_string_equal(state_now(), "a:1 b:1 ");
}

/* A read without a claim ends well though its volume is deleted or its pool is read again. */
static void test_looks(void **state)
{
	struct blkdev *a, *b;
	struct pool *pool;

	(void)state;
	build();
	right(change_create(data(), "a", 1, NULL, done));
	right(change_create(data(), "b", 1, NULL, done));
	pool = data();
	a = blk_find("/dev/data/a");
	b = blk_find("/dev/data/b");
	pool_look_begin(a);
	pool_look_begin(b);
	pool_look_begin(&disk[0]);
	right(change_delete(data(), 0, done));
	assert_null(blk_find("/dev/data/a"));
	pools_find(NULL);
	assert_ptr_equal(data(), pool);
	assert_int_equal(a->sectors, b->sectors);
	pool_look_end(a);
	pool_look_end(b);
	pool_look_end(&disk[0]);
	assert_int_equal(pool->looks, 0);
	pools_find(NULL);
	assert_string_equal(state_now(), "b:1 ");
}

/* Volumes in use stay as they are, whatever else changes. */
static void test_users(void **state)
{
	struct blkdev *a;

	(void)state;
	build();
	right(change_create(data(), "a", 1, NULL, done));
	a = blk_find("/dev/data/a");
	assert_null(blk_claim(a, "guest"));
	right(change_create(data(), "b", 1, NULL, done));
	assert_ptr_equal(blk_find("/dev/mapper/data-a"), a);
	assert_non_null(change_delete(data(), 0, done));
	assert_non_null(change_resize(data(), 0, 1, true, done));
	assert_non_null(change_rename(data(), 0, "c", done));
	right(change_delete(data(), 1, done));
	assert_null(blk_find("/dev/data/b"));
	pools_find(NULL);
	assert_ptr_equal(blk_find("/dev/data/a"), a);
	assert_string_equal(blk_claim(&disk[0], "other"), "sda is in use by pool data");
	blk_unclaim(a);
	assert_string_equal(blk_claim(&disk[0], "other"), "sda is in use by pool data");
}

static void check_path(const char *volume, const char *path)
{
	int lv = lvm_group_find(&data()->group, volume);
	char value[LVM_TAG_ROOM];

	assert_true(lv >= 0);
	assert_int_equal(lvm_tag_value(&data()->group.lv[lv], LVM_KEY_PATH, value), path != NULL);
	if (path)
		assert_string_equal(value, path);
}

/* Which volume has a path: by its tag, else by its name. */
static void test_paths(void **state)
{
	static const char *const img[] = {"sampo.path=/srv/vm/web/web-system.img", NULL};
	struct blkdev *dev;

	(void)state;
	build();
	right(change_create(data(), "web", 1, img, done));
	right(change_create(data(), "db", 1, NULL, done));
	assert_null(path_find("/srv/vm/web/web-system.img", &dev));
	assert_ptr_equal(dev, blk_find("/dev/data/web"));
	assert_null(path_find("/var/lib/libvirt/images/db.qcow2", &dev));
	assert_ptr_equal(dev, blk_find("/dev/data/db"));
	assert_null(path_find("/var/lib/libvirt/images/db", &dev));
	assert_non_null(path_find("/var/lib/libvirt/images/x/db.img", &dev));
	assert_non_null(path_find("/var/lib/libvirt/images/db.iso", &dev));
	assert_non_null(path_find("/srv/vm/web/web-system", &dev));
	assert_string_equal(path_source("/dev/data/none", true, &dev),
			    "there is no /dev/data/none");
	/* A tag comes before a name. */
	assert_null(path_wrong("/var/lib/libvirt/images/db.qcow2"));
	right(change_tag(data(), 0, LVM_KEY_PATH, "/var/lib/libvirt/images/db.qcow2", done));
	assert_null(path_find("/var/lib/libvirt/images/db.qcow2", &dev));
	assert_ptr_equal(dev, blk_find("/dev/data/web"));
	assert_string_equal(path_wrong("/var/lib/libvirt/images/db.qcow2"),
			    "another volume has this path");
	/* db or db.img? */
	right(change_create(data(), "db.img", 1, NULL, done));
	assert_non_null(strstr(path_find("/var/lib/libvirt/images/db.img", &dev), "several"));
	assert_null(path_find("/var/lib/libvirt/images/db.raw", &dev));
	/* Linux's tools may give one path to two. */
	right(change_tag(data(), 1, LVM_KEY_PATH, "/var/lib/libvirt/images/db.qcow2", done));
	assert_non_null(strstr(path_find("/var/lib/libvirt/images/db.qcow2", &dev), "several"));
	/* Groups that Sampo does not write have no paths. */
	data()->group.tagged = false;
	assert_non_null(path_find("/var/lib/libvirt/images/db", &dev));
	assert_non_null(path_wrong("images/a"));
	assert_non_null(path_wrong("/dev/data/a"));
	assert_non_null(path_wrong("/srv/"));
	assert_non_null(path_wrong("/srv/a\nb"));
	assert_null(path_wrong("/srv/a b"));
}

static unsigned told;

static void resized(struct blk_watch *watch)
{
	(void)watch;
	told++;
}

/* A volume grows under its user, who is told: in its last run, then by another on the other disk.
 */
static void test_grow_in_use(void **state)
{
	struct blk_watch watch = {.resized = resized};
	struct blkdev *a;

	(void)state;
	build();
	right(change_create(data(), "a", 1, NULL, done));
	a = blk_find("/dev/data/a");
	assert_null(blk_claim(a, "guest"));
	blk_watch(a, &watch);
	right(change_resize(data(), 0, 8 << 20, false, done));
	assert_int_equal(told, 1);
	assert_int_equal(a->sectors, 8 << 11);
	right(change_resize(data(), 0, 36 << 20, false, done));
	assert_int_equal(told, 2);
	assert_int_equal(a->sectors, 36 << 11);
	assert_ptr_equal(blk_find("/dev/data/a"), a);
	assert_string_equal(a->user, "guest");
	assert_int_equal(((struct volume *)a->driver)->runs, 2);
	assert_non_null(change_resize(data(), 0, 8 << 20, true, done));
	right(change_tag(data(), 0, "key", "value", done));
	assert_int_equal(told, 2);
	blk_unwatch(a, &watch);
	blk_unclaim(a);
	right(change_resize(data(), 0, 8 << 20, true, done));
	assert_int_equal(told, 2);
	assert_int_equal(blk_find("/dev/data/a")->sectors, 8 << 11);
}

/* A tag comes with its volume or later, also to one that is in use, and a cut leaves the old one or
 * the new one. */
static void test_tags(void **state)
{
	static const char *const tags[] = {"other", "sampo.path=/srv/a.img", NULL};
	char tag[LVM_TAG_ROOM], text[LVM_TAG_ROOM];
	struct blkdev *a;

	(void)state;
	build();
	right(change_create(data(), "a", 1, tags, done));
	check_path("a", "/srv/a.img");
	a = blk_find("/dev/data/a");
	assert_null(blk_claim(a, "guest"));
	right(change_tag(data(), 0, LVM_KEY_PATH, "/srv/my disk & \xc3\xa4.img", done));
	assert_ptr_equal(blk_find("/dev/data/a"), a);
	pools_find(NULL);
	check_path("a", "/srv/my disk & \xc3\xa4.img");
	right(change_tag(data(), 0, "sampo.pat", "x", done));
	right(change_tag(data(), 0, LVM_KEY_PATH, NULL, done));
	check_path("a", NULL);
	right(change_tag(data(), 0, "sampo.pat", NULL, done));
	blk_unclaim(a);
	pools_find(NULL);
	assert_string_equal(lvm_find(data()->group.lv[0].node, "tags")->child->text, "other");
	assert_null(lvm_find(data()->group.lv[0].node, "tags")->child->next);

	/* The longest tag, and longer ones. */
	memset(text, 'x', sizeof(text));
	text[1024 - strlen(LVM_KEY_PATH) - 1] = 0;
	assert_true(lvm_tag_make(tag, LVM_KEY_PATH, text));
	assert_int_equal(strlen(tag), 1024);
	text[strlen(text)] = 'x';
	text[1024 - strlen(LVM_KEY_PATH)] = 0;
	assert_false(lvm_tag_make(tag, LVM_KEY_PATH, text));
	assert_non_null(change_tag(data(), 0, LVM_KEY_PATH, text, done));

	begin_record();
	right(change_tag(data(), 0, LVM_KEY_PATH, "/a", done));
	check_cuts("a:1 ", "a:1/a ");
}

/* The mark of a volume that is being filled keeps everybody away but the one that fills it. */
static void test_partial(void **state)
{
	static const char *const tags[] = {LVM_KEY_PARTIAL "=1", NULL};
	struct volume *volume;

	(void)state;
	build();
	right(change_create(data(), "a", 1, tags, done));
	right(change_create(data(), "b", 1, NULL, done));
	for (unsigned i = 0; i < 2; i++) {
		assert_non_null(strstr(blk_claim(&data()->volume[0]->dev, "guest"), "a part of"));
		pools_find(NULL);
	}
	assert_null(blk_claim(&data()->volume[1]->dev, "guest"));
	blk_unclaim(&data()->volume[1]->dev);
	volume = data()->volume[0];
	volume->filling = true;
	assert_null(blk_claim(&volume->dev, "the one that fills it"));
	right(change_tag(data(), 0, LVM_KEY_PARTIAL, NULL, done));
	assert_ptr_equal(data()->volume[0], volume);
	blk_unclaim(&volume->dev);
	volume->filling = false;
	assert_null(blk_claim(&volume->dev, "guest"));
	right(change_tag(data(), 0, LVM_KEY_PARTIAL, "1", done)); /* the user stays */
	blk_unclaim(&volume->dev);
	assert_non_null(blk_claim(&volume->dev, "guest"));
	right(change_delete(data(), 0, done));
}

static void test_names(void **state)
{
	static const char *const bad[] = {"", "-a", "a b", "a/b", "..", "pvmove0", "x_rimage_0"};

	(void)state;
	build();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(change_create(data(), bad[i], 1, NULL, done));
	right(change_create(data(), "volume", 1, NULL, done));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(change_rename(data(), 0, bad[i], done));
	assert_non_null(change_rename(data(), 0, "volume", done));
	right(change_delete(data(), 0, done));
	assert_non_null(change_create(data(), "a", 0, NULL, done));
	assert_non_null(change_create(data(), "a", UINT64_MAX, NULL, done));
	assert_non_null(change_create(data(), "a", 41 << 20, NULL, done));
	right(change_create(data(), "a", 40 << 20, NULL, done));
	assert_string_equal(state_now(), "a:10 ");
}

static void test_signatures(void **state)
{
	static const struct {
		unsigned at;
		const char *mark;
	} marks[] = {{512, "EFI PART"},    {536, "LVM2 001"},
		     {0x438, "\x53\xef"},  {0, "XFSB"},
		     {3, "NTFS    "},      {0x10040, "_BHRfS_M"},
		     {0x8001, "CD001"},    {0, "LUKS\xba\xbe"},
		     {4086, "SWAPSPACE2"}, {4096, "\xfc\x4e\x2b\xa9"},
		     {82, "FAT32"},        {510, "\x55\xaa"}};
	static uint8_t head[SIGNATURE_HEAD], tail[SIGNATURE_TAIL];
	const uint64_t device = (64u << 20) + 512;

	(void)state;
	assert_null(signature_find(head, tail, device));
	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		memset(head, 0, sizeof(head));
		memcpy(head + marks[i].at, marks[i].mark, strlen(marks[i].mark));
		if (marks[i].at == 536) /* alone it is no label */
			assert_null(signature_find(head, tail, device));
		else
			assert_non_null(signature_find(head, tail, device));
	}
	memset(head, 0, sizeof(head));
	memcpy(tail + sizeof(tail) - 512, "EFI PART", 8);
	assert_non_null(signature_find(head, tail, device));
	memset(tail, 0, sizeof(tail));
	memcpy(tail + sizeof(tail) - 512 - 65536, "\xfc\x4e\x2b\xa9", 4);
	assert_non_null(signature_find(head, tail, device));
	memset(tail, 0, sizeof(tail));
	memcpy(tail + sizeof(tail) - 8192 - 512, "\xfc\x4e\x2b\xa9", 4);
	assert_non_null(signature_find(head, tail, device));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts),        cmocka_unit_test(test_ring),
		cmocka_unit_test(test_errors),      cmocka_unit_test(test_users),
		cmocka_unit_test(test_looks),       cmocka_unit_test(test_tags),
		cmocka_unit_test(test_paths),       cmocka_unit_test(test_partial),
		cmocka_unit_test(test_grow_in_use), cmocka_unit_test(test_names),
		cmocka_unit_test(test_signatures),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
