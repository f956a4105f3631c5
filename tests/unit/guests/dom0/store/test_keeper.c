/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/store/keeper.c guests/dom0/store/database.c guests/dom0/store/vfs.c guests/dom0/store/image.c */
/* sources: guests/dom0/storage/script.c guests/dom0/storage/transfer.c */
/* sources: drivers/block/block.c drivers/block/claim.c drivers/block/request.c drivers/block/scan.c drivers/block/gpt.c drivers/block/mbr.c */
/* libs: sqlite */
/*
 * The store on two devices that lose their power. Every write of a sector and every flush is in a
 * journal; a cut keeps, of each device, all that its last flush covers and any of the later
 * sectors. After each cut dom0 and the sqlite3 program find what was there or what was to be there.
 */
#include "drivers/block/request.h"
#include "drivers/env.h"
#include "guests/dom0/store/keeper.h"
#include "tests/unit/dma_mock.h"
#include "tests/unit/log_mock.h"
#include "tests/unit/unit.h"

#define DEVICES 2u
#define SECTORS (1u << 11) /* 1 MiB */
#define ENTRIES 20000u

static uint8_t media[DEVICES][SECTORS * BLK_SECTOR];
static struct blkdev device[DEVICES];
static unsigned fail_after = UINT32_MAX; /* so many writes and flushes succeed */

static struct entry {
	unsigned device;
	bool flush;
	uint64_t sector;
	uint8_t before[BLK_SECTOR], after[BLK_SECTOR];
} journal[ENTRIES];
static unsigned entries;
static bool recording;
static char folder[] = "/tmp/sampo-store-XXXXXX";

uint64_t clock_wall_ns(void)
{
	return 1800000000ull * 1000000000;
}

static void record(unsigned n, const struct blk_request *request)
{
	for (uint32_t s = 0; s < request->sectors; s++) {
		struct entry *e = &journal[entries++];

		assert_true(entries < ENTRIES);
		*e = (struct entry){.device = n, .sector = request->disk_sector + s};
		assert_true(blk_copy(request, s, e->after, BLK_SECTOR, true));
		memcpy(e->before, media[n] + e->sector * BLK_SECTOR, BLK_SECTOR);
		memcpy(media[n] + e->sector * BLK_SECTOR, e->after, BLK_SECTOR);
	}
}

static void submit(struct blkdev *dev, struct blk_request *request)
{
	unsigned n = (unsigned)(dev - device);
	enum blk_status status = BLK_OK;

	if (request->op != BLK_READ && !fail_after)
		status = BLK_IOERR;
	else if (request->op == BLK_FLUSH && recording)
		journal[entries++] = (struct entry){.device = n, .flush = true};
	else if (request->op == BLK_WRITE && recording)
		record(n, request);
	else if (request->op != BLK_FLUSH)
		assert_true(blk_copy(request, 0, media[n] + request->disk_sector * BLK_SECTOR,
				     (size_t)request->sectors * BLK_SECTOR,
				     request->op == BLK_WRITE));
	if (request->op != BLK_READ && fail_after && fail_after != UINT32_MAX)
		fail_after--;
	request->done(request, status);
}

/* --- what is asked for -------------------------------------------------------------------------
 */

static bool ended;
static char failure[200];

static void done(void *context, const char *wrong)
{
	(void)context;
	ended = true;
	snprintf(failure, sizeof(failure), "%s", wrong ? wrong : "");
}

static const char *open_store(void)
{
	keeper_close();
	ended = false;
	keeper_open(&device[0], &device[1], done, NULL);
	assert_true(ended);
	assert_int_equal(keeper_is_open(), !*failure);
	return *failure ? failure : NULL;
}

static void right(const char *wrong)
{
	if (wrong)
		fail_msg("%s", wrong);
}

static char text[256u << 10];

/* A description of that many bytes, made of a letter. */
static const char *put(const char *name, char letter, size_t bytes, bool autostart)
{
	struct database_domain domain = {name, text, bytes, autostart};

	memset(text, letter, bytes);
	right(keeper_begin());
	ended = false;
	keeper_end(database_put_domain(&domain), done, NULL);
	assert_true(ended);
	return *failure ? failure : NULL;
}

static const char *mark(const char *name, bool autostart)
{
	right(keeper_begin());
	keeper_end(database_mark_domain(name, autostart), done, NULL);
	return *failure ? failure : NULL;
}

static const char *name_anew(const char *name, const char *new_name, char letter, size_t bytes)
{
	struct database_domain domain = {new_name, text, bytes, false};

	memset(text, letter, bytes);
	right(keeper_begin());
	keeper_end(database_rename_domain(name, &domain), done, NULL);
	return *failure ? failure : NULL;
}

static const char *drop(const char *name)
{
	right(keeper_begin());
	keeper_end(database_drop_domain(name), done, NULL);
	return *failure ? failure : NULL;
}

static void describe(void *context, const struct database_domain *domain)
{
	char *to = context;

	for (size_t i = 0; i < domain->bytes; i++)
		assert_int_equal(domain->xml[i], domain->xml[0]);
	snprintf(to + strlen(to), 400 - strlen(to), "%s|%d|%c%u\n", domain->name, domain->autostart,
		 domain->bytes ? domain->xml[0] : '-', (unsigned)domain->bytes);
}

/* "web|1|x3000": name, mark, text. */
static const char *state_now(void)
{
	static char state[400];

	*state = 0;
	right(database_domains(describe, state));
	return state;
}

static void fresh(void)
{
	keeper_close();
	recording = false;
	fail_after = UINT32_MAX;
	memset(media, 0, sizeof(media));
	right(open_store());
}

/* --- the sqlite3 program -----------------------------------------------------------------------
 */

static void save(unsigned n, const char *name)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(media[n], sizeof(media[n]), 1, file), 1);
	fclose(file);
}

/* What sqlite3 says of the two volumes as files. */
static const char *ask_sqlite(const char *command)
{
	static char output[4096];
	char line[400];
	size_t bytes;
	FILE *pipe;

	save(0, "state.db");
	save(1, "state.db-journal");
	snprintf(line, sizeof(line), "sqlite3 %s/state.db \"%s\" 2>&1", folder, command);
	pipe = popen(line, "r");
	assert_non_null(pipe);
	bytes = fread(output, 1, sizeof(output) - 1, pipe);
	output[bytes] = 0;
	assert_int_equal(pclose(pipe), 0);
	return output;
}

static const char *sqlite_state(void)
{
	const char *output = ask_sqlite(
		"PRAGMA integrity_check; SELECT name, autostart, substr(xml,1,1)||length(xml) FROM "
		"domain ORDER BY name");

	if (strncmp(output, "ok\n", 3) != 0)
		fail_msg("sqlite3: %s", output);
	return output + 3;
}

/* --- cuts --------------------------------------------------------------------------------------
 */

static void apply(const struct entry *e, const uint8_t *bytes)
{
	if (!e->flush)
		memcpy(media[e->device] + e->sector * BLK_SECTOR, bytes, BLK_SECTOR);
}

/* The media as a cut before entry `cut` may leave them; `keep` of 256 later sectors last. */
static void cut_at(unsigned cut, unsigned keep)
{
	unsigned flushed[DEVICES] = {0};

	for (unsigned i = entries; i-- > 0;)
		apply(&journal[i], journal[i].before);
	for (unsigned i = 0; i < cut; i++)
		if (journal[i].flush)
			flushed[journal[i].device] = i;
	for (unsigned i = 0; i < cut; i++)
		if (i < flushed[journal[i].device] || random_below(256) < keep)
			apply(&journal[i], journal[i].after);
}

/* After a change from `old` to `new` has been recorded. `tables`: sqlite3 finds tables as well. */
static void check_cuts(const char *old, const char *new, bool tables)
{
	static const unsigned keeps[] = {256, 0, 128, 200};
	static uint8_t last[DEVICES][SECTORS * BLK_SECTOR];
	unsigned olds = 0, news = 0;

	recording = false;
	memcpy(last, media, sizeof(media));
	assert_true(entries > 10);
	for (unsigned cut = 0; cut <= entries; cut += stride(7))
		for (unsigned k = 0; k < 4; k++) {
			const char *now;

			keeper_close();
			cut_at(cut, keeps[k]);
			if (tables && k % 2 == 0) {
				now = sqlite_state();
				assert_true(!strcmp(now, old) || !strcmp(now, new));
			}
			right(open_store());
			now = state_now();
			if (strcmp(now, old) != 0 && strcmp(now, new) != 0)
				fail_msg("cut %u of %u, keep %u: %s", cut, entries, keeps[k], now);
			olds += !strcmp(now, old);
			news += !strcmp(now, new);
			/* What dom0 has repaired needs no repair by another. */
			if (k == 2 && cut % 8 == 0)
				assert_string_equal(sqlite_state(), now);
			/* The media of the next cut begin with those of the last write. */
			memcpy(media, last, sizeof(media));
		}
	assert_true(!strcmp(old, new) || (olds && news));
	keeper_close();
	right(open_store());
	assert_string_equal(state_now(), new);
}

static void begin_recording(void)
{
	entries = 0;
	recording = true;
}

static void test_cuts(void **state)
{
	(void)state;
	fresh();
	right(put("db", 'd', 2000, false));
	begin_recording();
	right(put("web", 'w', 9000, false));
	check_cuts("db|0|d2000\n", "db|0|d2000\nweb|0|w9000\n", true);
	begin_recording();
	right(mark("web", true));
	check_cuts("db|0|d2000\nweb|0|w9000\n", "db|0|d2000\nweb|1|w9000\n", true);
	begin_recording();
	right(put("web", 'v', 5000, true));
	check_cuts("db|0|d2000\nweb|1|w9000\n", "db|0|d2000\nweb|1|v5000\n", true);
	begin_recording();
	right(name_anew("web", "api", 'n', 6000));
	check_cuts("db|0|d2000\nweb|1|v5000\n", "api|1|n6000\ndb|0|d2000\n", true);
	assert_non_null(name_anew("api", "db", 'n', 6000));
	right(name_anew("none", "web", 'n', 6000));
	begin_recording();
	right(drop("api"));
	check_cuts("api|1|n6000\ndb|0|d2000\n", "db|0|d2000\n", true);
}

/* A cut of the first change of all leaves an empty store or one with its tables. */
static void test_cut_of_first(void **state)
{
	(void)state;
	keeper_close();
	memset(media, 0, sizeof(media));
	begin_recording();
	right(open_store());
	check_cuts("", "", false);
}

/* The volumes' old contents are no part of the store. */
static void test_old_contents(void **state)
{
	(void)state;
	keeper_close();
	recording = false;
	for (unsigned n = 0; n < DEVICES; n++)
		for (unsigned i = 0; i < sizeof(media[n]); i++)
			media[n][i] = i < 65536 ? 0 : (uint8_t)random64();
	right(open_store());
	right(put("web", 'w', 100000, true));
	right(put("db", 'd', 3000, false));
	right(put("all", 'a', sizeof(text), false)); /* the largest description */
	assert_string_equal(sqlite_state(), "all|0|a262144\ndb|0|d3000\nweb|1|w100000\n");
}

static void test_full(void **state)
{
	unsigned n = 0;
	char name[16], before[400];

	(void)state;
	fresh();
	right(put("small", 's', 1000, true));
	do {
		snprintf(name, sizeof(name), "big%u", n++);
	} while (!put(name, 'b', 200000, false) && n < 20);
	assert_true(n > 3 && n < 8);
	assert_non_null(strstr(failure, "the store is full"));
	assert_null(strstr(state_now(), name));
	strcpy(before, state_now());
	keeper_close();
	right(open_store());
	assert_string_equal(state_now(), before);
	assert_string_equal(sqlite_state(), before);
	right(drop("big0"));
	right(put(name, 'b', 200000, false));
}

/* Wherever the disk begins to fail: the change is reported as failed, or it has been done; and what
 * can be read is the old or the new. */
static void test_errors(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 40; n++) {
		const char *wrong, *now;
		bool failed;

		fresh();
		right(put("db", 'd', 2000, false));
		fail_after = n;
		wrong = put("web", 'w', 9000, false);
		failed = wrong;
		if (failed && !keeper_is_open()) {
			assert_non_null(keeper_begin());
			fail_after = UINT32_MAX;
			right(open_store());
		}
		now = state_now();
		assert_true(!strcmp(now, "db|0|d2000\n")
				    ? failed
				    : !strcmp(now, "db|0|d2000\nweb|0|w9000\n"));
		fail_after = UINT32_MAX;
		right(put("after", 'a', 10, false));
		assert_non_null(strstr(sqlite_state(), "after|0|a10"));
		if (!failed)
			return;
	}
	fail();
}

static void sqlite_makes(const char *sql)
{
	char path[100];
	FILE *file;

	fresh();
	right(put("db", 'd', 2000, false));
	assert_string_equal(ask_sqlite(sql), "");
	keeper_close();
	snprintf(path, sizeof(path), "%s/state.db", folder);
	file = fopen(path, "r");
	assert_true(fread(media[0], 1, sizeof(media[0]), file) > 4096);
	fclose(file);
	memset(media[1], 0, BLK_SECTOR);
}

/* What another program has written. */
static void test_foreign(void **state)
{
	(void)state;
	sqlite_makes("UPDATE domain SET autostart = 1; CREATE TABLE notes(a); VACUUM");
	right(open_store());
	assert_string_equal(state_now(), "db|1|d2000\n");
	sqlite_makes("CREATE TRIGGER t AFTER UPDATE ON domain BEGIN DELETE FROM setting; END");
	assert_non_null(open_store());
	sqlite_makes("CREATE INDEX i ON domain(length(xml))");
	assert_non_null(strstr(open_store(), "other tables"));
	sqlite_makes("PRAGMA user_version = 2");
	assert_non_null(strstr(open_store(), "format 2"));
	sqlite_makes("UPDATE domain SET autostart = 1.5, xml = 3.25");
	right(open_store());
	memcpy(media[0], "not a database", 14);
	assert_non_null(strstr(open_store(), "something else"));
	assert_memory_equal(media[0], "not a database", 14);
}

/* The rescue of docs/store.md: what sqlite3 saves of a damaged database, dom0 takes. */
static void test_recover(void **state)
{
	char line[400], path[100];
	FILE *file;

	(void)state;
	fresh();
	right(put("db", 'd', 2000, true));
	for (unsigned i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "guest%02u", i);
		right(put(name, 'x', 1500, false));
	}
	memset(media[0] + 5 * 4096, 0xff, 4096);
	keeper_close();
	assert_non_null(open_store());
	save(0, "bad.db");
	/* Debian 12's program has no .recover that works. */
	snprintf(line, sizeof(line),
		 "cd %s && { sqlite3 bad.db .recover >sql 2>log || "
		 "sqlite3 bad.db .dump | sed 's/^ROLLBACK;.*/COMMIT;/' >sql; } && "
		 "sqlite3 new.db <sql",
		 folder);
	assert_int_equal(system(line), 0);
	memset(media, 0, sizeof(media));
	snprintf(path, sizeof(path), "%s/new.db", folder);
	file = fopen(path, "r");
	assert_true(fread(media[0], 1, sizeof(media[0]), file) > 4096);
	fclose(file);
	right(open_store());
	assert_non_null(strstr(state_now(), "guest0"));
	right(put("after", 'a', 10, false));
}

/* Pages that are each other's children many times: nobody reads them to their end. */
static void test_endless(void **state)
{
	(void)state;
	fresh();
	right(put("db", 'd', 10, false));
	for (unsigned page = 0; page < 16; page++) {
		uint8_t *at = media[0] + (page ? (page + 20) * 4096 : 100);
		uint8_t *cell = media[0] + (page ? (page + 20) * 4096 : 0) + 4000;
		uint8_t child = (uint8_t)(page + 22); /* the pages' numbers begin with 1 */
		const uint8_t head[12] = {5,          0, 0, 0, 200, 3000 >> 8,
					  3000 & 255, 0, 0, 0, 0,   child};
		const uint8_t leaf[10] = {13,        0,          0, 0,         1,
					  3000 >> 8, 3000 & 255, 0, 4000 >> 8, 4000 & 255};
		const uint8_t row[8] = {6, 1, 6}; /* of five NULLs */
		const uint8_t cells[5] = {0, 0, 0, child, 1};

		if (page == 15) {
			memcpy(at, leaf, sizeof(leaf));
			memcpy(cell, row, sizeof(row));
			break;
		}
		memcpy(at, head, sizeof(head));
		memcpy(cell, cells, sizeof(cells));
		for (unsigned i = 0; i < 200; i++)
			memcpy(at + 12 + 2 * i, leaf + 8, 2);
	}
	media[0][31] = 100; /* pages */
	assert_non_null(open_store());
	if (!strstr(failure, "no end"))
		fail_msg("%s", failure);
}

static void test_hostile(void **state)
{
	static uint8_t good[DEVICES][SECTORS * BLK_SECTOR];
	unsigned taken = 0;

	(void)state;
	fresh();
	for (unsigned i = 0; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "guest%u", i);
		right(put(name, 'x', 700 * (i + 1), i & 1));
	}
	begin_recording();
	right(put("guest3", 'y', 20000, true));
	recording = false;
	memcpy(good, media, sizeof(media));
	for (unsigned n = 0; n < 1500; n++) {
		keeper_close();
		memcpy(media, good, sizeof(media));
		if (n % 3 == 0)
			cut_at((unsigned)random_below(entries), 256);
		for (unsigned i = (unsigned)random_below(8) + 1; i; i--) {
			uint8_t *of = media[random_below(4) == 0];

			of[random_below(random_below(2) ? 200 : 80000)] = (uint8_t)random64();
		}
		if (!open_store()) {
			taken++;
			put("new", 'n', 9000, true);
			drop("guest1");
		}
	}
	assert_true(taken > 50 && taken < 1490);
}

static int set_up(void **state)
{
	(void)state;
	for (unsigned n = 0; n < DEVICES; n++)
		device[n] = (struct blkdev){
			.name = "volume",
			.sectors = SECTORS,
			.logical_block = 512,
			.physical_block = 512,
			.max_sectors = 64,
			.can_flush = true,
			.submit = submit,
		};
	return mkdtemp(folder) ? 0 : -1;
}

static int clean_up(void **state)
{
	char line[100];

	(void)state;
	keeper_close();
	snprintf(line, sizeof(line), "rm -rf %s", folder);
	return system(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts),         cmocka_unit_test(test_cut_of_first),
		cmocka_unit_test(test_old_contents), cmocka_unit_test(test_full),
		cmocka_unit_test(test_errors),       cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_endless),      cmocka_unit_test(test_recover),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, set_up, clean_up);
}
