/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * New metadata of an image that nobody uses: after it was left dirty, or for a snapshot.
 *
 * The idea: all tables that will count are written anew into clusters to which neither the old
 * tables nor the new ones refer: the L2 tables and the L1 table of the disk, the table of
 * snapshots, the refcount blocks and their table. One write of the header's first sector then
 * replaces the old ones, so a cut of the power leaves the image as it was before or after. The
 * counts come from a walk through all tables and not from the old counts, whatever these are.
 */
#pragma once

#include "drivers/block.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/storage/qcow2_snapshot.h"
#include "guests/dom0/storage/transfer.h"

enum qcow2_rewrite_kind {
	QCOW2_RECOUNT,
	QCOW2_LIST, /* reads the snapshots and writes nothing */
	QCOW2_CREATE,
	QCOW2_REVERT,
	QCOW2_DELETE,
};

#define REWRITE_PIECE  32768u
#define REWRITE_CHUNK  65536u /* counts that come into memory together */
#define REWRITE_CHUNKS 128u   /* 16 MiB of counts, of 8 Mi clusters */

struct qcow2_rewrite {
	/* The caller's. The device is claimed. */
	struct blkdev *below;
	enum qcow2_rewrite_kind kind;
	char name[QCOW2_SNAPSHOT_NAME]; /* the snapshot's */
	uint64_t unix_ns;               /* CREATE: its time */
	/* Called once, from the event loop or at once, after which nothing here is in use. */
	void (*done)(struct qcow2_rewrite *rewrite, const char *wrong);
	void *context;
	bool abort; /* it shall end soon, with the image as it was */

	/* The result: the header, and the snapshots as they were, until qcow2_rewrite_free. */
	struct qcow2_header header;
	struct qcow2_snapshots snapshots;

	/* its own */
	struct transfer transfer;
	struct work work;
	bool running, busy, failed, finished;
	unsigned phase;
	const char *wrong;
	uint8_t *head, *piece;
	uint64_t cluster, clusters; /* bytes of one; of the device */
	uint32_t effort, most;      /* most: the highest count */
	uint32_t chosen;            /* the snapshot */
	uint16_t **chunk;
	uint64_t chunks;
	/* the walk through a tree */
	uint32_t root, l1_entries, l1_at;
	uint8_t *l1;
	uint64_t at; /* bytes of the L2 table */
	bool have_piece, copying;
	/* the new tables */
	struct qcow2_header next;
	uint8_t *new_l1, *table;
	uint64_t entries; /* of the refcount table */
	uint8_t *new_snapshots;
	uint32_t new_snapshot_bytes;
	uint8_t *needed; /* refcount blocks */
	uint64_t blocks, block;
	bool placed;
	uint64_t cursor, run;
};

void qcow2_rewrite_start(struct qcow2_rewrite *rewrite);
void qcow2_rewrite_free(struct qcow2_rewrite *rewrite);

/* --- between qcow2_rewrite.c, which walks and counts, and qcow2_replace.c, which writes ----------
 */

/* Notes `n` more references to a cluster, which the old tables or the new ones have. Returns false
 * after rewrite->wrong is set. */
bool qcow2_refer(struct qcow2_rewrite *rewrite, uint64_t cluster, uint64_t n);
/* Is the cluster in neither the old tables nor the new ones? */
bool qcow2_is_unused(const struct qcow2_rewrite *rewrite, uint64_t cluster);
uint32_t qcow2_references(const struct qcow2_rewrite *rewrite, uint64_t cluster);
/* Returns true if the loop is to serve the others first. */
bool qcow2_rewrite_yields(struct qcow2_rewrite *rewrite, uint32_t effort);
void qcow2_rewrite_move(struct qcow2_rewrite *rewrite, enum transfer_kind kind, uint64_t offset,
			void *data, size_t bytes);
/* Each does a part of its work, and goes on to the next phase when all is done. Returns false if
 * it waits for the loop or has set rewrite->wrong. */
bool qcow2_replace_begin(struct qcow2_rewrite *rewrite);
bool qcow2_replace_place(struct qcow2_rewrite *rewrite);
bool qcow2_replace_copy(struct qcow2_rewrite *rewrite);
bool qcow2_replace_l1(struct qcow2_rewrite *rewrite);
bool qcow2_replace_snapshots(struct qcow2_rewrite *rewrite);
bool qcow2_replace_blocks(struct qcow2_rewrite *rewrite);
bool qcow2_replace_table(struct qcow2_rewrite *rewrite);
bool qcow2_replace_header(struct qcow2_rewrite *rewrite);
