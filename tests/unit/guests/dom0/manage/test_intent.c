/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/manage/snapshot.c guests/dom0/manage/intent.c guests/dom0/storage/image.c */
/* sources: guests/dom0/storage/qcow2_format.c guests/dom0/storage/qcow2_io.c guests/dom0/storage/qcow2_cache.c */
/* sources: guests/dom0/storage/qcow2_map.c guests/dom0/storage/qcow2_alloc.c guests/dom0/storage/qcow2_commit.c */
/* sources: guests/dom0/storage/qcow2_write.c guests/dom0/storage/qcow2_inflate.c guests/dom0/storage/qcow2_unpack.c */
/* sources: guests/dom0/storage/qcow2_zstd.c guests/dom0/storage/qcow2_rewrite.c guests/dom0/storage/qcow2_replace.c */
/* sources: guests/dom0/storage/qcow2_snapshot.c guests/dom0/storage/transfer.c drivers/block/block.c */
/* sources: drivers/block/claim.c drivers/block/request.c drivers/block/scan.c drivers/block/gpt.c drivers/block/mbr.c */
/* libs: zlib zstd */
/*
 * Changes of snapshots in two images that a power cut ends anywhere: dom0's next start brings both
 * images to the same state.
 */
#include "guests/dom0/manage/intent.h"
#include "guests/dom0/store/store.h"
#include "guests/dom0/vm/vm.h"
#include "tests/unit/guests/dom0/storage/image_disk.h"

#define DEVICE (2u << 20)

static char setting[200];
static bool has_store = true;
static struct vm_config config;
static struct vm vm = {.name = "web", .config = &config};
static struct snapshot_job job;
static unsigned jobs_done, starts;

/* --- what dom0 has ---------------------------------------------------------- */

bool image_can_grow(const struct blkdev *dev)
{
	(void)dev;
	return false;
}

void image_grow(struct qcow2 *qcow2, uint64_t bytes)
{
	(void)qcow2;
	(void)bytes;
}

void image_grow_stop(struct image *image)
{
	(void)image;
}

const char *image_is_base(const struct blkdev *dev)
{
	(void)dev;
	return NULL;
}

void pool_look_begin(struct blkdev *dev)
{
	(void)dev;
}

void pool_look_end(struct blkdev *dev)
{
	(void)dev;
}

const char *path_source(const char *source, bool is_file, struct blkdev **dev)
{
	(void)is_file;
	*dev = &disks[*source - '0'].dev;
	return NULL;
}

uint64_t clock_ns(void)
{
	return 0;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *timer), void *context)
{
	(void)timer;
	(void)fire;
	(void)context;
}

void timer_set(struct timer *timer, uint64_t deadline)
{
	(void)timer;
	(void)deadline;
	fail();
}

struct vm *vm_find(const char *text)
{
	return !strcmp(text, "01010101-0101-0101-0101-010101010101") ? &vm : NULL;
}

bool store_is_open(void)
{
	return has_store;
}

void store_setting(const char *name, char *value, size_t bytes)
{
	assert_string_equal(name, "snapshot-intent");
	snprintf(value, bytes, "%s", setting);
}

static store_done *stored;
static void *stored_context;

static void end_store(struct work *work)
{
	(void)work;
	stored(stored_context, NULL);
}

const char *store_set(const char *name, const char *value, store_done *done, void *context)
{
	static struct work work = {.run = end_store};

	assert_string_equal(name, "snapshot-intent");
	snprintf(setting, sizeof(setting), "%s", value ? value : "");
	stored = done;
	stored_context = context;
	work.queued = 0;
	work_queue(&work);
	return NULL;
}

/* --- images ------------------------------------------------------------------ */

static void make_images(void)
{
	for (unsigned i = 0; i < 2; i++) {
		must("qemu-img create -f qcow2 -o cluster_size=4096 a%u.qcow2 1M", i);
		must("qemu-io -c 'write -P 1 0 64k' a%u.qcow2", i);
		must("qemu-img snapshot -c s a%u.qcow2", i);
		must("qemu-io -c 'write -P 2 0 64k' a%u.qcow2", i);
	}
	memset(config.uuid, 1, sizeof(config.uuid));
	config.disks = 2;
	for (unsigned i = 0; i < 2; i++) {
		config.disk[i].qcow2 = true;
		snprintf(config.disk[i].source, sizeof(config.disk[i].source), "%u", i);
		snprintf(config.disk[i].target, sizeof(config.disk[i].target), "vd%c", 'a' + i);
	}
}

static void load_images(void)
{
	remove_disks();
	for (unsigned i = 0; i < 2; i++) {
		char name[16];

		snprintf(name, sizeof(name), "a%u.qcow2", i);
		add_disk(i, name, DEVICE);
		load_disk(&disks[i], name);
	}
	*setting = 0;
}

static void job_done(struct snapshot_job *of)
{
	assert_ptr_equal(of, &job);
	jobs_done++;
}

static void begin(enum qcow2_rewrite_kind kind, const char *name)
{
	memset(&job, 0, sizeof(job));
	job.kind = kind;
	job.done = job_done;
	snprintf(job.rewrite.name, sizeof(job.rewrite.name), "%s", name);
	jobs_done = 0;
	assert_null(snapshot_begin(&job, &vm));
}

/* dom0 and the machine end: nothing that is in flight comes to its end. */
static void cut_power(void)
{
	works = NULL;
	waitings = 0;
	if (job.rewrite.transfer.buffer)
		dma_free(job.rewrite.transfer.buffer, 0);
	qcow2_rewrite_free(&job.rewrite);
	snapshot_free(&job);
	for (unsigned i = 0; i < 2; i++)
		disks[i].dev.user = NULL;
}

static void finished(void)
{
	starts++;
}

/* What an image is like: its snapshots, and its content. */
static unsigned state_of(unsigned image)
{
	save_disk(&disks[image], "b.qcow2");
	must("qemu-img check -f qcow2 b.qcow2");
	return (unsigned)!run("qemu-img snapshot -l b.qcow2 | grep -w s") |
	       (unsigned)!run("qemu-img snapshot -l b.qcow2 | grep -w new") << 1 |
	       (unsigned)!run("qemu-io -f qcow2 -c 'read -P 1 0 64k' b.qcow2 | grep -v failed | "
			      "grep -q read && ! qemu-io -f qcow2 -c 'read -P 1 0 64k' b.qcow2 | "
			      "grep -q failed")
		       << 2;
}

/* Returns false if the change had ended before the cut. */
static bool cut_after(enum qcow2_rewrite_kind kind, const char *name, unsigned turns,
		      unsigned changed)
{
	bool ended, intended;
	unsigned first;

	load_images();
	begin(kind, name);
	for (unsigned i = 0; i < turns && !jobs_done; i++)
		assert_true(turn());
	ended = jobs_done;
	intended = *setting;
	cut_power();
	starts = 0;
	intent_finish(finished);
	run_loop();
	assert_int_equal(starts, 1);
	assert_string_equal(setting, "");
	first = state_of(0);
	if (state_of(1) != first)
		fail_msg("cut after %u turns: the images differ", turns);
	if (ended || (intended && kind != QCOW2_CREATE))
		assert_int_equal(first, changed);
	else
		assert_int_equal(first, 1);
	return !ended;
}

static void test_cuts(void **state)
{
	static const struct {
		enum qcow2_rewrite_kind kind;
		const char *name;
		unsigned changed; /* state_of() */
	} changes[] = {
		{QCOW2_DELETE, "s", 0}, {QCOW2_REVERT, "s", 1 | 4}, {QCOW2_CREATE, "new", 1 | 2}};

	(void)state;
	at_once = false;
	make_images();
	for (unsigned i = 0; i < 3; i++)
		for (unsigned turns = 0;
		     cut_after(changes[i].kind, changes[i].name, turns, changes[i].changed);
		     turns += 5 + (unsigned)random_below(12))
			;
	remove_disks();
}

/* Without a store all is as with one, but for cuts. */
static void test_no_store(void **state)
{
	(void)state;
	has_store = false;
	load_images();
	begin(QCOW2_DELETE, "s");
	run_loop();
	assert_int_equal(jobs_done, 1);
	assert_string_equal(job.why, "");
	snapshot_free(&job);
	assert_int_equal(state_of(0), 0);
	assert_int_equal(state_of(1), 0);
	has_store = true;
	remove_disks();
}

/* An end that the operator asks for leaves both images as they were, or as they are to be. */
static void test_stop(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 150; turns += 10) {
		load_images();
		begin(QCOW2_REVERT, "s");
		for (unsigned i = 0; i < turns && !jobs_done; i++)
			assert_true(turn());
		snapshot_stop(&job);
		run_loop();
		assert_int_equal(jobs_done, 1);
		assert_string_equal(setting, "");
		snapshot_free(&job);
		assert_int_equal(state_of(0), state_of(1));
	}
	remove_disks();
}

/* A note that is damaged, or about a guest that is gone, is forgotten. */
static void test_notes(void **state)
{
	static const char *const notes[] = {"delete", "delete x",
					    "delete 01010101-0101-0101-0101-010101010101 ",
					    "delete 02010101-0101-0101-0101-010101010101 s",
					    "revert 01010101-0101-0101-0101-010101010101 nosuch"};

	(void)state;
	at_once = true;
	for (unsigned i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		load_images();
		strcpy(setting, notes[i]);
		starts = 0;
		intent_finish(finished);
		run_loop();
		assert_int_equal(starts, 1);
		assert_string_equal(setting, "");
		assert_null(disks[0].dev.user);
	}
	assert_int_equal(state_of(0), 1);
	remove_disks();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_no_store),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_notes),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
