/* SPDX-License-Identifier: BSD-2-Clause */
/* The walk through an image's trees, which counts references; see qcow2_rewrite.h. */
#include "guests/dom0/storage/qcow2_rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "guests/dom0/storage/qcow2.h"

#define EFFORT    8192u /* entries in one go */
#define COUNT     0x7fffu
#define MARKED    0x8000u /* the old tables or the new ones refer to the cluster */
#define MAX_COUNT 0x7fffu

#define TABLE_GROWTH 16u /* as for qcow2_table_needed */

static const char damaged[] = "its tables are damaged: qemu-img check -r all repairs it";
static const char out_of_memory[] = "dom0 is out of memory";

static bool fail(struct qcow2_rewrite *r, const char *wrong)
{
	r->wrong = wrong;
	return false;
}

/* --- counts ------------------------------------------------------------------------------------
 */

bool qcow2_refer(struct qcow2_rewrite *r, uint64_t cluster, uint64_t n)
{
	uint16_t **chunk, *count;

	if (cluster >= r->clusters)
		return fail(r, damaged);
	chunk = &r->chunk[cluster / REWRITE_CHUNK];
	if (!*chunk)
		*chunk = calloc(REWRITE_CHUNK, sizeof(**chunk));
	if (!*chunk)
		return fail(r, out_of_memory);
	count = &(*chunk)[cluster % REWRITE_CHUNK];
	if ((*count & COUNT) + n > r->most)
		return fail(r, "a cluster has more references than its counts can hold");
	*count = (uint16_t)((*count | MARKED) + n);
	if (n)
		r->needed[cluster / (r->cluster * 8 >> r->header.refcount_order)] = 1;
	return true;
}

static uint16_t count_of(const struct qcow2_rewrite *r, uint64_t cluster)
{
	const uint16_t *chunk = r->chunk[cluster / REWRITE_CHUNK];

	return chunk ? chunk[cluster % REWRITE_CHUNK] : 0;
}

bool qcow2_is_unused(const struct qcow2_rewrite *r, uint64_t cluster)
{
	return !count_of(r, cluster);
}

uint32_t qcow2_references(const struct qcow2_rewrite *r, uint64_t cluster)
{
	return count_of(r, cluster) & COUNT;
}

static bool refer_bytes(struct qcow2_rewrite *r, uint64_t offset, uint64_t bytes, uint64_t n)
{
	uint64_t end = (offset + bytes + r->cluster - 1) / r->cluster;

	for (uint64_t cluster = offset / r->cluster; cluster < end; cluster++)
		if (!qcow2_refer(r, cluster, n))
			return false;
	return true;
}

/* --- steps -------------------------------------------------------------------------------------
 */

static void run(struct qcow2_rewrite *r);

static void next_turn(struct work *work)
{
	struct qcow2_rewrite *r = work->context;

	r->busy = false;
	run(r);
}

bool qcow2_rewrite_yields(struct qcow2_rewrite *r, uint32_t effort)
{
	r->effort += effort;
	if (r->effort < EFFORT)
		return false;
	r->effort = 0;
	r->busy = true;
	work_queue(&r->work);
	return true;
}

static void moved(struct transfer *transfer, bool right)
{
	struct qcow2_rewrite *r = transfer->context;

	r->busy = false;
	r->failed |= !right;
	run(r);
}

void qcow2_rewrite_move(struct qcow2_rewrite *r, enum transfer_kind kind, uint64_t offset,
			void *data, size_t bytes)
{
	r->busy = true;
	r->transfer = (struct transfer){
		.dev = r->below,
		.kind = kind,
		.offset = offset,
		.data = data,
		.bytes = bytes,
		.done = moved,
		.context = r,
	};
	transfer_start(&r->transfer);
}

/* --- the beginning -----------------------------------------------------------------------------
 */

static uint64_t device(const struct qcow2_rewrite *r)
{
	return r->below->sectors * BLK_SECTOR;
}

static size_t head_bytes(const struct qcow2_rewrite *r)
{
	return device(r) < QCOW2_HEAD_BYTES ? (size_t)device(r) : QCOW2_HEAD_BYTES;
}

static bool read_head(struct qcow2_rewrite *r)
{
	r->head = malloc(head_bytes(r));
	r->piece = malloc(REWRITE_PIECE);
	if (!r->head || !r->piece)
		return fail(r, out_of_memory);
	r->phase++;
	qcow2_rewrite_move(r, TRANSFER_READ, 0, r->head, head_bytes(r));
	return true;
}

static bool read_snapshots(struct qcow2_rewrite *r)
{
	struct qcow2_snapshots *list = &r->snapshots;
	const char *wrong = qcow2_parse(&r->header, r->head, head_bytes(r), device(r));

	if (wrong)
		return fail(r, wrong);
	if (r->header.corrupt)
		return fail(r, "it is marked as corrupt: qemu-img check -r all repairs it");
	r->phase++;
	if (!r->header.snapshots)
		return true;
	list->n = QCOW2_SNAPSHOT_TABLE;
	if (list->n > device(r) - r->header.snapshots_offset)
		list->n = (size_t)(device(r) - r->header.snapshots_offset);
	list->bytes = malloc(list->n);
	if (!list->bytes)
		return fail(r, out_of_memory);
	qcow2_rewrite_move(r, TRANSFER_READ, r->header.snapshots_offset, list->bytes, list->n);
	return true;
}

/* Which snapshot the change is about. */
static bool choose(struct qcow2_rewrite *r)
{
	uint32_t found = qcow2_snapshots_find(&r->snapshots, r->name, &r->chosen);

	if (r->kind == QCOW2_RECOUNT)
		return true;
	if (r->kind == QCOW2_CREATE) {
		if (found)
			return fail(r, "there is a snapshot of this name");
		return r->snapshots.count < QCOW2_SNAPSHOTS ||
		       fail(r, "the image has as many snapshots as it can have");
	}
	if (!found)
		return fail(r, "there is no snapshot of this name");
	return found == 1 || fail(r, "several snapshots have this name");
}

static bool begin(struct qcow2_rewrite *r)
{
	const char *wrong = qcow2_snapshots_parse(&r->snapshots, &r->header);
	uint32_t bits = 1u << r->header.refcount_order;

	if (wrong)
		return fail(r, wrong);
	if (r->kind == QCOW2_LIST) {
		r->finished = true;
		return false;
	}
	if (!choose(r))
		return false;
	r->cluster = 1ull << r->header.cluster_bits;
	r->clusters = device(r) / r->cluster;
	r->most = bits < 15 ? (1u << bits) - 1 : MAX_COUNT;
	r->blocks = r->clusters / (r->cluster * 8 / bits) + 1;
	/* The table has room for a device that grows, but not more than it had. */
	r->entries = TABLE_GROWTH * r->blocks;
	if (r->entries > r->header.table_clusters * r->cluster / 8)
		r->entries = r->header.table_clusters * r->cluster / 8;
	if (r->blocks > r->entries) {
		r->blocks = r->entries;
		r->clusters = r->blocks * (r->cluster * 8 / bits);
	}
	r->chunks = r->clusters / REWRITE_CHUNK + 1;
	if (r->chunks > REWRITE_CHUNKS)
		return fail(r, "its device has more clusters than dom0 can count (8 Mi)");
	if (r->header.l1_entries > QCOW2_L1_BYTES / 8)
		return fail(r, "its L1 table is larger than 1 MiB");
	r->chunk = calloc(r->chunks, sizeof(*r->chunk));
	r->needed = calloc(r->blocks, 1);
	if (!r->chunk || !r->needed)
		return fail(r, out_of_memory);
	r->phase++;
	/* The header; what the old tables have beside the trees stays untouched. */
	return qcow2_refer(r, 0, 1) &&
	       refer_bytes(r, r->header.table_offset,
			   (uint64_t)r->header.table_clusters * r->cluster, 0) &&
	       refer_bytes(r, r->header.snapshots_offset, r->snapshots.n, 0);
}

/* The old refcount blocks: until the new header counts they are in use. */
static bool mark_blocks(struct qcow2_rewrite *r)
{
	uint64_t bytes = (uint64_t)r->header.table_clusters * r->cluster, n = bytes - r->at;

	if (r->have_piece) {
		r->have_piece = false;
		n = n < REWRITE_PIECE ? n : REWRITE_PIECE;
		for (uint64_t i = 0; i < n; i += 8) {
			uint64_t block = qcow2_get(r->piece + i, 8) & QCOW2_OFFSET;

			/* Of a block elsewhere nothing can be lost. */
			if (block && block / r->cluster < r->clusters &&
			    !qcow2_refer(r, block / r->cluster, 0))
				return false;
		}
		r->at += n;
		return !qcow2_rewrite_yields(r, (uint32_t)n / 8);
	}
	if (!n) {
		r->at = 0;
		r->phase++;
		return true;
	}
	r->have_piece = true;
	qcow2_rewrite_move(r, TRANSFER_READ, r->header.table_offset + r->at, r->piece,
			   n < REWRITE_PIECE ? (size_t)n : REWRITE_PIECE);
	return true;
}

/* --- the walk ----------------------------------------------------------------------------------
 */

/* Root 0 is the disk, the others are the snapshots. */
static uint64_t root_offset(const struct qcow2_rewrite *r)
{
	return r->root ? r->snapshots.one[r->root - 1].l1_offset : r->header.l1_offset;
}

/* How often the new metadata have the tree as it is. */
static uint64_t times_kept(const struct qcow2_rewrite *r)
{
	if (!r->root)
		return r->kind == QCOW2_CREATE;
	return !(r->kind == QCOW2_DELETE && r->root - 1 == r->chosen);
}

/* The tree that the disk has then, with tables of its own. */
static uint32_t copied_root(const struct qcow2_rewrite *r)
{
	return r->kind == QCOW2_REVERT ? r->chosen + 1 : 0;
}

static bool read_root(struct qcow2_rewrite *r)
{
	uint64_t bytes;

	r->l1_entries = r->root ? r->snapshots.one[r->root - 1].l1_entries : r->header.l1_entries;
	bytes = 8ull * r->l1_entries;
	r->l1_at = 0;
	free(r->l1);
	r->l1 = malloc(bytes ? (size_t)bytes : 1);
	if (!r->l1)
		return fail(r, out_of_memory);
	if (!r->copying && !refer_bytes(r, root_offset(r), bytes, times_kept(r)))
		return false;
	r->phase++;
	if (bytes)
		qcow2_rewrite_move(r, TRANSFER_READ, root_offset(r), r->l1, (size_t)bytes);
	return true;
}

static bool refer_entry(struct qcow2_rewrite *r, uint64_t entry, uint64_t n)
{
	uint64_t offset = entry & QCOW2_OFFSET;
	struct qcow2_packed packed;

	if (entry & QCOW2_COMPRESSED) {
		packed = qcow2_packed(entry, r->header.cluster_bits);
		return refer_bytes(r, packed.offset, packed.bytes, n);
	}
	if (!offset)
		return true;
	return offset % r->cluster ? fail(r, damaged) : qcow2_refer(r, offset / r->cluster, n);
}

static uint32_t piece_bytes(const struct qcow2_rewrite *r)
{
	return r->cluster < REWRITE_PIECE ? (uint32_t)r->cluster : REWRITE_PIECE;
}

/* The next table of the tree, or piece of one. */
static bool walk(struct qcow2_rewrite *r)
{
	uint64_t kept = times_kept(r), table = 0;

	if (r->have_piece) {
		uint64_t n = kept + (r->root == copied_root(r));

		r->have_piece = false;
		for (uint32_t i = 0; i < piece_bytes(r); i += 8)
			if (!refer_entry(r, qcow2_get(r->piece + i, 8), n))
				return false;
		r->at = (r->at + piece_bytes(r)) % r->cluster;
		r->l1_at += !r->at;
		return !qcow2_rewrite_yields(r, piece_bytes(r) / 8);
	}
	while (r->l1_at < r->l1_entries && !table) {
		table = qcow2_get(r->l1 + 8 * (size_t)r->l1_at, 8) & QCOW2_OFFSET;
		r->l1_at += !table;
	}
	if (!table) {
		r->root++;
		r->phase += r->root > r->snapshots.count ? 1u : -1u;
		return !qcow2_rewrite_yields(r, r->l1_entries / 4);
	}
	if (table % r->cluster)
		return fail(r, damaged);
	if (!r->at && !qcow2_refer(r, table / r->cluster, kept))
		return false;
	r->have_piece = true;
	qcow2_rewrite_move(r, TRANSFER_READ, table + r->at, r->piece, piece_bytes(r));
	return true;
}

/* --- the order of it all -----------------------------------------------------------------------
 */

static bool (*const phases[])(struct qcow2_rewrite *r) = {
	read_head,
	read_snapshots,
	begin,
	mark_blocks,
	read_root,
	walk,
	qcow2_replace_begin,
	read_root, /* the tree that is copied */
	qcow2_replace_place,
	qcow2_replace_copy,
	qcow2_replace_l1,
	qcow2_replace_snapshots,
	qcow2_replace_blocks,
	qcow2_replace_table,
	qcow2_replace_header,
};

static void end(struct qcow2_rewrite *r)
{
	const char *wrong = r->failed ? "I/O error" : r->wrong;

	r->finished = true;
	r->done(r, wrong);
}

/* Transfers that end at once do not nest. */
static void run(struct qcow2_rewrite *r)
{
	if (r->running)
		return;
	r->running = true;
	while (!r->busy && !r->finished && !r->failed && !r->wrong) {
		if (r->abort)
			r->wrong = "it was stopped";
		else
			phases[r->phase](r);
	}
	r->running = false;
	if (!r->busy)
		end(r);
}

void qcow2_rewrite_start(struct qcow2_rewrite *r)
{
	r->work = (struct work){.run = next_turn, .context = r};
	run(r);
}

void qcow2_rewrite_free(struct qcow2_rewrite *r)
{
	for (uint64_t i = 0; r->chunk && i < r->chunks; i++)
		free(r->chunk[i]);
	free(r->chunk);
	free(r->needed);
	free(r->head);
	free(r->piece);
	free(r->l1);
	free(r->new_l1);
	free(r->table);
	free(r->new_snapshots);
	r->chunk = NULL;
	r->needed = r->head = r->piece = r->l1 = r->new_l1 = r->table = r->new_snapshots = NULL;
	qcow2_snapshots_free(&r->snapshots);
}
