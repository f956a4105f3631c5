/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A qcow2 image as a block device on another one.
 *
 * A request on clusters that lie on the device goes on to it at once, with the guest's own memory,
 * cut where clusters are not adjacent. Whatever needs a table from the device, or changes one, goes
 * through the image's lane: one request at a time, each of its steps being executed again from its
 * beginning until all that it needs is in memory. So no step sees a state that another has left
 * half done.
 *
 * Changed tables stay in memory until a guest's flush, or until their memory is needed.
 * qcow2_commit writes them in such an order that a cut of the power at any write leaves tables that
 * refer to nothing which has no reference count, and to no cluster whose content is not there.
 */
#pragma once

#include "drivers/block.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/storage/qcow2_format.h"
#include "guests/dom0/storage/transfer.h"

#define QCOW2_SETS    16u
#define QCOW2_WAYS    4u
#define QCOW2_SLICE   4096u /* bytes of a table that the cache has as one */
#define QCOW2_PENDING 512u  /* runs of clusters that wait for a commit to be free */
#define QCOW2_COPY    32768u
#define QCOW2_EFFORT  2048u /* clusters whose entries or counts change in one go */

enum qcow2_step {
	STEP_DONE,
	STEP_WAIT, /* the lane is to be run again when something has ended */
	STEP_FAIL,
};

struct qcow2;

/* A request of the user's, and the piece of it that a device has. */
struct qcow2_io {
	struct blk_request request;
	struct qcow2 *image;
	struct blk_request *whole;
	struct qcow2_io *next;
	struct blk_segment *cut; /* the piece's scatter list, if it is not the whole one */
	uint32_t done;           /* sectors */
	enum blk_status status;
	bool working, again;
};

struct qcow2_slice {
	uint64_t offset; /* on the device; 0: nothing */
	uint64_t used;
	uint8_t *data;
	bool dirty, counts; /* counts: of a refcount block, not of an L2 table */
};

/* Clusters that lose a reference with the next commit. */
struct qcow2_run {
	uint64_t first;
	uint32_t count;
};

/* A write that allocates, as far as it has got. */
struct qcow2_write {
	bool active;
	uint64_t cluster, host; /* the guest's first cluster and where it will be */
	uint32_t count;         /* clusters */
	uint64_t from, to;      /* bytes of the guest's disk */
	uint64_t old_first, old_last;
	uint64_t at; /* bytes that are copied, in front and behind, then zeros written */
	bool have_piece, head_done, tail_done, data_done;
};

/* A cluster that becomes a table: it is filled before anything refers to it. */
struct qcow2_fresh {
	bool active, have_piece, table; /* table: an L2 table */
	uint64_t host, from;            /* from: the table that it is a copy of, 0: zeros */
	uint64_t at;
};

struct qcow2 {
	struct blkdev dev; /* what the user sees */
	struct blkdev *below;
	struct blkdev *backing; /* NULL: none */
	struct qcow2_header header;
	uint64_t cluster; /* bytes */
	uint32_t slice;   /* bytes */
	uint8_t *l1, *table;
	uint32_t table_entries;
	bool writable, broken;

	struct qcow2_slice cache[QCOW2_SETS][QCOW2_WAYS];
	uint64_t clock;
	unsigned dirty; /* slices */
	struct qcow2_slice *loading;
	uint64_t loading_offset;
	uint32_t l1_from, l1_to, table_from, table_to; /* entries that are dirty */

	/* the lane */
	struct qcow2_io *first, *last, *idle;
	unsigned in_flight; /* requests that are with the device below */
	bool busy, failed, running, held, stalled;
	struct work turn; /* runs the lane again when the others have had their turn */
	uint64_t effort;  /* clusters since then */
	struct transfer transfer;
	struct blk_request request;
	struct qcow2_write write;
	struct qcow2_fresh fresh;
	uint8_t *copy;   /* QCOW2_COPY bytes */
	unsigned commit; /* its phase, 0: none is at work */
	struct qcow2_run pending[QCOW2_PENDING];
	uint32_t pendings, freed; /* freed: of these, done */
	uint64_t next_free;       /* no cluster before it is free */
	uint8_t *plain;           /* a compressed cluster's content */
	uint64_t plain_of;        /* its entry, 0: none */
	struct qcow2_unpack *unpack;
	struct qcow2 *waits_next; /* for the one decoder of zstd's kind */

	/* The image needs so many bytes of its device: qcow2_grown tells the end of it. NULL: the
	 * device has one size for ever. */
	void (*grow)(struct qcow2 *image, uint64_t bytes);
	bool growing;
	char full[96]; /* the reason why the device has not grown, or "" */
	/* A write waits for room on the device. Returns false if it is to fail instead. */
	bool (*stall)(struct qcow2 *image, const char *why);
	void (*closed)(struct qcow2 *image);
	void *owner;
};

/*
 * Makes an image of the header and the tables, as many entries as qcow2_l1_needed and
 * qcow2_table_needed say. The tables are the image's from then on (free()). Returns NULL if memory
 * is exhausted; then they are not.
 */
struct qcow2 *qcow2_make(struct blkdev *below, const struct qcow2_header *header, uint8_t *l1,
			 uint8_t *table, bool writable);
/* Writes out what is in memory, then calls `closed`, from the event loop or at once. The image has
 * no request. An image that is `broken` then has lost what was not flushed. */
void qcow2_close(struct qcow2 *image, void (*closed)(struct qcow2 *image));
void qcow2_free(struct qcow2 *image);
void qcow2_grown(struct qcow2 *image, const char *wrong);
/* Looks again whether there is room for a write that waits. */
void qcow2_retry(struct qcow2 *image);
/* Requests that wait for room fail. */
void qcow2_give_up(struct qcow2 *image);

/* --- among the parts of an image ---------------------------------------------------------------
 */

/* What a cluster is by its entry. */
enum qcow2_kind { QCOW2_IS_DATA, QCOW2_IS_ZERO, QCOW2_IS_BACKING, QCOW2_IS_PACKED, QCOW2_IS_BAD };

/* qcow2_io.c */
void qcow2_run_lane(struct qcow2 *image);
/* The lane goes on when the others of dom0's loop have had their turn. Returns STEP_WAIT. */
enum qcow2_step qcow2_yield(struct qcow2 *image);
/* The lane has worked on so many clusters more. Returns true if it is to yield. */
bool qcow2_is_tired(struct qcow2 *image, uint64_t clusters);
void qcow2_zero_fill(const struct qcow2_io *io, uint32_t sectors);
/* The scatter list of `sectors` of the io's request from io->done on, in io->request. */
bool qcow2_cut(struct qcow2_io *io, struct blk_request *request, uint32_t sectors);
extern const uint8_t qcow2_zeros[QCOW2_COPY];

/* qcow2_cache.c */
struct qcow2_slice *qcow2_cached(struct qcow2 *image, uint64_t offset);
enum qcow2_step qcow2_load(struct qcow2 *image, uint64_t offset, bool counts,
			   struct qcow2_slice **slice);
void qcow2_mark(struct qcow2 *image, struct qcow2_slice *slice);
/* Forgets what the cache has of a cluster. */
void qcow2_drop(struct qcow2 *image, uint64_t host);
/* One transfer of the lane's. */
enum qcow2_step qcow2_transfer(struct qcow2 *image, struct blkdev *dev, enum transfer_kind kind,
			       uint64_t offset, void *data, size_t bytes);

/* qcow2_map.c */
uint64_t qcow2_l2_offset(const struct qcow2 *image, uint64_t cluster);
uint32_t qcow2_l2_index(const struct qcow2 *image, uint64_t cluster);
/* Where the slice with its entry is on the device; there must be an L2 table. */
uint64_t qcow2_slice_at(const struct qcow2 *image, uint64_t cluster);
/* Clusters from this one on whose entries are in one slice. */
uint32_t qcow2_in_slice(const struct qcow2 *image, uint64_t cluster);
enum qcow2_kind qcow2_kind(const struct qcow2 *image, uint64_t entry);
bool qcow2_is_own(const struct qcow2 *image, uint64_t entry);
uint64_t qcow2_entry(const struct qcow2_slice *slice, uint32_t index);

/* qcow2_alloc.c */
enum qcow2_step qcow2_alloc(struct qcow2 *image, uint32_t want, uint64_t *host, uint32_t *got);
/* Fills a new table's cluster; starts with fresh.active. */
enum qcow2_step qcow2_fill(struct qcow2 *image);
void qcow2_pend(struct qcow2 *image, uint64_t entry);
enum qcow2_step qcow2_unpend(struct qcow2 *image);

/* qcow2_commit.c */
bool qcow2_is_clean(const struct qcow2 *image);
void qcow2_begin_commit(struct qcow2 *image);
enum qcow2_step qcow2_commit(struct qcow2 *image);

/* qcow2_write.c */
enum qcow2_step qcow2_lane_write(struct qcow2 *image, struct qcow2_io *io);
enum qcow2_step qcow2_lane_clear(struct qcow2 *image, struct qcow2_io *io);
void qcow2_abandon(struct qcow2 *image);

/* qcow2_unpack.c: the content of the compressed cluster becomes image->plain. */
enum qcow2_step qcow2_unpack(struct qcow2 *image, uint64_t entry);
void qcow2_unpack_free(struct qcow2 *image);
