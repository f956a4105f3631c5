/* SPDX-License-Identifier: BSD-2-Clause */
/* New tables in unused clusters, and the write of the header that makes them count; see
 * qcow2_rewrite.h. */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/storage/qcow2_rewrite.h"

#define COUNTS_OF_PIECE 16384u /* made in one go */

static bool fail(struct qcow2_rewrite *r, const char *wrong)
{
	r->wrong = wrong;
	return false;
}

static uint64_t clusters_of(const struct qcow2_rewrite *r, uint64_t bytes)
{
	return (bytes + r->cluster - 1) / r->cluster;
}

/* Zeroed memory for whole clusters. */
static void *take_clusters(const struct qcow2_rewrite *r, uint64_t bytes)
{
	return calloc((size_t)clusters_of(r, bytes) + 1, (size_t)r->cluster);
}

/* --- what is to be written ---------------------------------------------------------------------
 */

static bool make_snapshots(struct qcow2_rewrite *r)
{
	const struct qcow2_snapshots *list = &r->snapshots;
	uint8_t entry[QCOW2_SNAPSHOT_ROOM] = {0}, *at;
	uint32_t bytes = r->kind == QCOW2_CREATE ? qcow2_snapshot_build(entry, &r->header, list,
									r->name, r->unix_ns)
						 : 0;

	r->new_snapshots = at = take_clusters(r, list->n + bytes);
	if (!at)
		return fail(r, "dom0 is out of memory");
	r->next.snapshots = 0;
	for (uint32_t i = 0; i < list->count; i++) {
		if (r->kind == QCOW2_DELETE && i == r->chosen)
			continue;
		memcpy(at, list->one[i].raw, list->one[i].bytes);
		at += list->one[i].bytes;
		r->next.snapshots++;
	}
	memcpy(at, entry, bytes);
	r->next.snapshots += bytes != 0;
	r->new_snapshot_bytes = (uint32_t)(at + bytes - r->new_snapshots);
	return r->new_snapshot_bytes <= QCOW2_SNAPSHOT_TABLE ||
	       fail(r, "its snapshot table would be larger than 256 KiB");
}

bool qcow2_replace_begin(struct qcow2_rewrite *r)
{
	r->next = r->header;
	r->next.l1_offset = r->next.table_offset = r->next.snapshots_offset = 0;
	r->next.table_clusters = (uint32_t)clusters_of(r, 8 * r->entries);
	r->next.dirty = false;
	r->next.autoclear = 0;
	r->root = 0;
	if (r->kind == QCOW2_REVERT) {
		r->root = r->chosen + 1;
		r->next.size = r->snapshots.one[r->chosen].size;
	}
	r->copying = true;
	r->phase++;
	r->table = take_clusters(r, 8 * r->entries);
	return r->table ? make_snapshots(r) : fail(r, "dom0 is out of memory");
}

/* --- places ------------------------------------------------------------------------------------
 */

/* The next unused clusters, so many in a row. Returns false if it has to go on later, or fails. */
static bool find(struct qcow2_rewrite *r, uint64_t want, uint64_t *found)
{
	while (r->cursor < r->clusters) {
		r->run = qcow2_is_unused(r, r->cursor) ? r->run + 1 : 0;
		r->cursor++;
		if (r->run == want) {
			r->run = 0;
			*found = r->cursor - want;
			return true;
		}
		if (qcow2_rewrite_yields(r, 1))
			return false;
	}
	return fail(r, "its volume has no room for new tables: vol-resize makes it larger");
}

/* Where the offset of what is placed next belongs, as 8 bytes of a table or in the header. Returns
 * false if all has its place. */
static bool next_place(struct qcow2_rewrite *r, uint64_t *clusters, uint8_t **entry,
		       uint64_t **field)
{
	*clusters = 1;
	*entry = NULL;
	for (; r->l1_at < r->l1_entries; r->l1_at++) {
		*entry = r->new_l1 + 8 * (size_t)r->l1_at;
		if (qcow2_get(r->l1 + 8 * (size_t)r->l1_at, 8) & QCOW2_OFFSET &&
		    !qcow2_get(*entry, 8))
			return true;
	}
	*entry = NULL;
	*field = &r->next.l1_offset;
	*clusters = clusters_of(r, 8ull * r->l1_entries);
	if (*clusters && !**field)
		return true;
	*field = &r->next.snapshots_offset;
	*clusters = clusters_of(r, r->new_snapshot_bytes);
	if (*clusters && !**field)
		return true;
	*field = &r->next.table_offset;
	*clusters = r->next.table_clusters;
	if (!**field)
		return true;
	/* A refcount block may be in a range that had none. */
	*clusters = 1;
	for (; r->block < r->blocks || r->placed; r->block++) {
		if (r->block >= r->blocks) {
			r->block = 0;
			r->placed = false;
		}
		*entry = r->table + 8 * r->block;
		if (r->needed[r->block] && !qcow2_get(*entry, 8))
			return true;
	}
	return false;
}

bool qcow2_replace_place(struct qcow2_rewrite *r)
{
	uint64_t clusters, found, flags, *field = NULL;
	uint8_t *entry;

	if (!r->new_l1) {
		r->new_l1 = take_clusters(r, 8ull * r->l1_entries);
		r->next.l1_entries = r->l1_entries;
	}
	if (!r->new_l1)
		return fail(r, "dom0 is out of memory");
	if (!next_place(r, &clusters, &entry, &field)) {
		r->l1_at = 0;
		r->block = 0;
		r->phase++;
		return true;
	}
	if (!find(r, clusters, &found))
		return false;
	for (uint64_t i = 0; i < clusters; i++)
		if (!qcow2_refer(r, found + i, 1))
			return false;
	r->placed = true;
	flags = r->l1_at < r->l1_entries ? QCOW2_COPIED : 0;
	if (entry)
		qcow2_put(entry, 8, found * r->cluster | flags);
	else
		*field = found * r->cluster;
	return true;
}

/* --- writes ------------------------------------------------------------------------------------
 */

static uint32_t piece_bytes(const struct qcow2_rewrite *r)
{
	return r->cluster < REWRITE_PIECE ? (uint32_t)r->cluster : REWRITE_PIECE;
}

/* The mark of a cluster that the disk alone has, by which its data are written in place. */
static void set_flags(struct qcow2_rewrite *r)
{
	for (uint32_t i = 0; i < piece_bytes(r); i += 8) {
		uint64_t entry = qcow2_get(r->piece + i, 8), offset = entry & QCOW2_OFFSET;

		if (entry & QCOW2_COMPRESSED || !offset)
			continue;
		entry &= ~QCOW2_COPIED;
		if (qcow2_references(r, offset / r->cluster) == 1)
			entry |= QCOW2_COPIED;
		qcow2_put(r->piece + i, 8, entry);
	}
}

bool qcow2_replace_copy(struct qcow2_rewrite *r)
{
	uint64_t from = 0, to;

	while (r->l1_at < r->l1_entries && !from) {
		from = qcow2_get(r->l1 + 8 * (size_t)r->l1_at, 8) & QCOW2_OFFSET;
		r->l1_at += !from;
	}
	if (!from) {
		r->phase++;
		return true;
	}
	if (!r->have_piece) {
		r->have_piece = true;
		qcow2_rewrite_move(r, TRANSFER_READ, from + r->at, r->piece, piece_bytes(r));
		return true;
	}
	r->have_piece = false;
	set_flags(r);
	to = (qcow2_get(r->new_l1 + 8 * (size_t)r->l1_at, 8) & QCOW2_OFFSET) + r->at;
	r->at = (r->at + piece_bytes(r)) % r->cluster;
	r->l1_at += !r->at;
	qcow2_rewrite_move(r, TRANSFER_WRITE, to, r->piece, piece_bytes(r));
	return true;
}

static bool write_clusters(struct qcow2_rewrite *r, uint64_t offset, uint8_t *bytes, uint64_t n)
{
	r->phase++;
	if (n)
		qcow2_rewrite_move(r, TRANSFER_WRITE, offset, bytes,
				   (size_t)(clusters_of(r, n) * r->cluster));
	return true;
}

bool qcow2_replace_l1(struct qcow2_rewrite *r)
{
	return write_clusters(r, r->next.l1_offset, r->new_l1, 8ull * r->l1_entries);
}

bool qcow2_replace_snapshots(struct qcow2_rewrite *r)
{
	return write_clusters(r, r->next.snapshots_offset, r->new_snapshots, r->new_snapshot_bytes);
}

/* The counts come out of memory into a block, piece after piece. */
bool qcow2_replace_blocks(struct qcow2_rewrite *r)
{
	uint32_t order = r->header.refcount_order, bytes = COUNTS_OF_PIECE / 8 << order, n;
	uint64_t first, to;

	while (r->block < r->blocks && !r->needed[r->block])
		r->block++;
	if (r->block == r->blocks) {
		r->phase++;
		return true;
	}
	if (bytes > piece_bytes(r))
		bytes = piece_bytes(r);
	n = bytes * 8 >> order;
	first = (r->block * r->cluster + r->at) * 8 >> order;
	memset(r->piece, 0, bytes);
	for (uint32_t i = 0; i < n && first + i < r->clusters; i++)
		qcow2_set_refcount(r->piece, i, order, qcow2_references(r, first + i));
	to = qcow2_get(r->table + 8 * r->block, 8) + r->at;
	r->at = (r->at + bytes) % r->cluster;
	r->block += !r->at;
	qcow2_rewrite_move(r, TRANSFER_WRITE, to, r->piece, bytes);
	return true;
}

bool qcow2_replace_table(struct qcow2_rewrite *r)
{
	return write_clusters(r, r->next.table_offset, r->table, 8 * r->entries);
}

/* qcow2, "Header": all that changes is in the first sector. */
static void make_head(struct qcow2_rewrite *r)
{
	const struct qcow2_header *h = &r->next;

	qcow2_put(r->head + 24, 8, h->size);
	qcow2_put(r->head + 36, 4, h->l1_entries);
	qcow2_put(r->head + 40, 8, h->l1_offset);
	qcow2_put(r->head + QCOW2_AT_TABLE, 8, h->table_offset);
	qcow2_put(r->head + QCOW2_AT_TABLE + 8, 4, h->table_clusters);
	qcow2_put(r->head + QCOW2_AT_SNAPSHOTS, 4, h->snapshots);
	qcow2_put(r->head + QCOW2_AT_SNAPSHOTS + 4, 8, h->snapshots_offset);
	if (h->version < 3)
		return;
	/* Of the incompatible features the dirty bit is the lowest. */
	r->head[QCOW2_AT_INCOMPAT + 7] &= 0xfe;
	qcow2_put(r->head + QCOW2_AT_AUTOCLEAR, 8, h->autoclear);
}

bool qcow2_replace_header(struct qcow2_rewrite *r)
{
	switch (r->at++) {
	case 0:
		qcow2_rewrite_move(r, TRANSFER_FLUSH, 0, NULL, 0);
		return true;
	case 1:
		make_head(r);
		qcow2_rewrite_move(r, TRANSFER_WRITE, 0, r->head, BLK_SECTOR);
		return true;
	case 2:
		qcow2_rewrite_move(r, TRANSFER_FLUSH, 0, NULL, 0);
		return true;
	default:
		r->header = r->next;
		r->finished = true;
		return true;
	}
}
