/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/store/keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/store/vfs.h"

#define PIECE_BYTES    65536u             /* of a read */
#define RECORD_BYTES   (IMAGE_BLOCK + 8u) /* of a page in the journal */
#define JOURNAL_HEAD   IMAGE_BLOCK
#define PAGES_AT_LEAST 16u

/* "Database File Format", 1.3 and 3: the header of the database and of a journal. */
#define STATE_MAGIC    "SQLite format 3"
#define AT_PAGE_BYTES  16u
#define AT_CHANGES     24u
#define AT_PAGES       28u
#define AT_PAGES_VALID 92u /* for which number of changes the number of pages is right */
static const uint8_t journal_magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};

enum phase { JOURNAL_FIRST, STATE_FIRST, JOURNAL_REST, STATE_REST, READ };

static struct {
	bool open, busy;
	struct blkdev *state, *journal;
	struct vfs_volumes volumes;
	unsigned pages;
	keeper_done *done;
	void *context;
	char why[200]; /* the reason that `done` gets, or "" */
	/* of a read */
	enum phase phase;
	struct image *reading;
	uint64_t at, end;
	uint8_t *piece;
	struct transfer transfer;
} keeper;

static const char out_of_memory[] = "dom0 is out of memory";

static void give_back(void)
{
	database_close();
	vfs_use(NULL);
	outbox_free(&keeper.volumes.outbox);
	image_free(&keeper.volumes.state);
	image_free(&keeper.volumes.journal);
	free(keeper.piece);
	keeper.piece = NULL;
	keeper.open = false;
}

static void finish(void)
{
	keeper_done *done = keeper.done;
	char why[sizeof(keeper.why)];

	memcpy(why, keeper.why, sizeof(why));
	*keeper.why = 0;
	keeper.busy = false;
	done(keeper.context, *why ? why : NULL);
}

static void fail(const char *wrong)
{
	if (!*keeper.why)
		snprintf(keeper.why, sizeof(keeper.why), "%s", wrong);
	give_back();
	finish();
}

/* The change of which the journal tells has ended: dom0 needs the journal no more. */
static void forget_journal(void)
{
	image_truncate(&keeper.volumes.journal, 0);
	image_settle(&keeper.volumes.journal);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void opened(struct script *script, bool right)
{
	(void)script;
	outbox_free(&keeper.volumes.outbox);
	if (!right) {
		fail("its volumes cannot be written");
		return;
	}
	forget_journal();
	keeper.open = true;
	finish();
}

static void all_is_read(void)
{
	const char *wrong;

	free(keeper.piece);
	keeper.piece = NULL;
	image_settle(&keeper.volumes.state);
	image_settle(&keeper.volumes.journal);
	vfs_use(&keeper.volumes);
	wrong = database_open(keeper.pages);
	if (!wrong && (!image_sync(&keeper.volumes.state, &keeper.volumes.outbox) ||
		       !image_sync(&keeper.volumes.journal, &keeper.volumes.outbox)))
		wrong = out_of_memory;
	if (wrong)
		fail(wrong);
	else
		script_run(&keeper.volumes.outbox.script, opened);
}

static uint32_t big_endian(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

/* A journal with a header belongs to a change that was cut off. */
static bool is_cut_off(void)
{
	uint8_t head[sizeof(journal_magic)];

	image_read(&keeper.volumes.journal, 0, head, sizeof(head));
	return !memcmp(head, journal_magic, sizeof(head));
}

/*
 * How many of the volume's bytes are the database. Before the first change there are zeros: none.
 * In the midst of a change, and where the header does not say, all may be.
 */
static const char *measure_state(uint64_t *bytes)
{
	const struct image *state = &keeper.volumes.state;
	uint8_t head[IMAGE_BLOCK];
	uint32_t page, pages;

	image_read(state, 0, head, sizeof(head));
	*bytes = 0;
	if (!head[0] && !memcmp(head, head + 1, 99))
		return NULL;
	if (memcmp(head, STATE_MAGIC, sizeof(STATE_MAGIC)) != 0)
		return "there is something else than a database of SQLite on its volume";
	page = big_endian(head + AT_PAGE_BYTES, 2);
	page = page == 1 ? 65536 : page;
	pages = big_endian(head + AT_PAGES, 4);
	*bytes = (uint64_t)page * pages;
	if (is_cut_off() || !*bytes || memcmp(head + AT_CHANGES, head + AT_PAGES_VALID, 4) != 0)
		*bytes = state->limit;
	return *bytes <= state->limit ? NULL : "its database is larger than its volume";
}

static void read_piece(void);

static void read_phase(enum phase phase, struct image *image, uint64_t at, uint64_t end)
{
	keeper.phase = phase;
	keeper.reading = image;
	keeper.at = at;
	keeper.end = end;
	read_piece();
}

static void phase_done(void)
{
	struct image *state = &keeper.volumes.state, *journal = &keeper.volumes.journal;
	const char *wrong;

	switch (keeper.phase) {
	case JOURNAL_FIRST:
		read_phase(STATE_FIRST, state, 0, IMAGE_BLOCK);
		break;
	case STATE_FIRST:
		read_phase(JOURNAL_REST, journal, IMAGE_BLOCK,
			   is_cut_off() ? journal->limit : IMAGE_BLOCK);
		break;
	case JOURNAL_REST:
		wrong = measure_state(&keeper.end);
		if (wrong)
			fail(wrong);
		else
			read_phase(STATE_REST, state, IMAGE_BLOCK, keeper.end);
		break;
	case STATE_REST:
		if (keeper.end < IMAGE_BLOCK)
			image_truncate(state, keeper.end);
		if (!is_cut_off())
			image_truncate(journal, 0);
		keeper.phase = READ;
		all_is_read();
		break;
	case READ:
		break;
	}
}

static void piece_read(struct transfer *transfer, bool right)
{
	size_t bytes = (size_t)(transfer->offset - keeper.at);

	if (!right) {
		fail("its volumes cannot be read");
		return;
	}
	if (!image_write(keeper.reading, keeper.at, keeper.piece, bytes)) {
		fail(out_of_memory);
		return;
	}
	keeper.at += bytes;
	read_piece();
}

static void read_piece(void)
{
	uint64_t left = keeper.at < keeper.end ? keeper.end - keeper.at : 0;

	if (!left) {
		phase_done();
		return;
	}
	keeper.transfer = (struct transfer){
		.dev = keeper.reading->dev,
		.kind = TRANSFER_READ,
		.offset = keeper.at,
		.data = keeper.piece,
		.bytes = (size_t)(left < PIECE_BYTES ? left : PIECE_BYTES),
		.done = piece_read,
	};
	transfer_start(&keeper.transfer);
}

static uint64_t limit_of(const struct blkdev *dev, uint64_t most)
{
	uint64_t bytes = dev->sectors * BLK_SECTOR;

	return bytes < most ? bytes / IMAGE_BLOCK * IMAGE_BLOCK : most;
}

uint64_t keeper_seed_at(const struct blkdev *journal)
{
	uint64_t blocks = journal->sectors * BLK_SECTOR / IMAGE_BLOCK;

	return blocks ? (blocks - 1) * IMAGE_BLOCK : 0;
}

/* A change of all pages at once fits into the journal. */
static bool measure_volumes(uint64_t *state, uint64_t *journal)
{
	uint64_t pages;

	*state = limit_of(keeper.state, KEEPER_BYTES);
	*journal = limit_of(keeper.journal, KEEPER_BYTES + KEEPER_BYTES / 2);
	if (*journal > keeper_seed_at(keeper.journal))
		*journal = keeper_seed_at(keeper.journal);
	if (*journal < 2 * JOURNAL_HEAD)
		return false;
	pages = (*journal - 2 * JOURNAL_HEAD) / RECORD_BYTES;
	if (pages > *state / IMAGE_BLOCK)
		pages = *state / IMAGE_BLOCK;
	keeper.pages = (unsigned)pages;
	return pages >= PAGES_AT_LEAST;
}

static void read_all(void)
{
	uint64_t state, journal;

	keeper.busy = true;
	if (!measure_volumes(&state, &journal)) {
		fail("its volumes are too small");
		return;
	}
	keeper.piece = malloc(PIECE_BYTES);
	if (!keeper.piece || !image_init(&keeper.volumes.state, keeper.state, state) ||
	    !image_init(&keeper.volumes.journal, keeper.journal, journal)) {
		fail(out_of_memory);
		return;
	}
	read_phase(JOURNAL_FIRST, &keeper.volumes.journal, 0, IMAGE_BLOCK);
}

void keeper_open(struct blkdev *state, struct blkdev *journal, keeper_done *done, void *context)
{
	keeper.state = state;
	keeper.journal = journal;
	keeper.done = done;
	keeper.context = context;
	*keeper.why = 0;
	read_all();
}

void keeper_close(void)
{
	give_back();
}

bool keeper_is_open(void)
{
	return keeper.open;
}

/* --- changes -----------------------------------------------------------------------------------
 */

const char *keeper_begin(void)
{
	if (keeper.busy)
		return "another change of the store is at work";
	return keeper.open ? NULL : "the store is not open";
}

/* Memory is ahead of the disk: what the disk has counts. */
static void read_again(const char *wrong)
{
	if (!*keeper.why)
		snprintf(keeper.why, sizeof(keeper.why), "%s", wrong);
	give_back();
	read_all();
}

static void written(struct script *script, bool right)
{
	(void)script;
	outbox_free(&keeper.volumes.outbox);
	if (!right) {
		read_again("an I/O error on the store's volumes");
		return;
	}
	forget_journal();
	finish();
}

void keeper_end(const char *wrong, keeper_done *done, void *context)
{
	struct outbox *outbox = &keeper.volumes.outbox;

	keeper.busy = true;
	keeper.done = done;
	keeper.context = context;
	snprintf(keeper.why, sizeof(keeper.why), "%s", wrong ? wrong : "");
	/* A change that has failed has been rolled back, by writes that are as good as any. */
	if (image_sync(&keeper.volumes.state, outbox) &&
	    image_sync(&keeper.volumes.journal, outbox))
		script_run(&outbox->script, written);
	else
		read_again(out_of_memory);
}
