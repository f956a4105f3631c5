/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changed tables are written in this order, with a flush where the next must not reach the device
 * before:
 *
 *   refcount blocks | the refcount table | L2 tables and the L1 table | (counts are lowered)
 *
 * The flush in front of the L2 tables covers the guest's data and the contents of new tables, too.
 * So whatever a table on the device refers to is there and has its count; what a cut leaves over is
 * counts of clusters that nothing refers to. Counts that are lowered in memory at the end reach the
 * device with the next commit.
 */
#include "guests/dom0/storage/qcow2.h"

enum phase {
	IDLE,
	COUNTS,
	FLUSH_COUNTS,
	TABLE,
	FLUSH_DATA,
	L2,
	L1,
	FLUSH_L2,
	LOWER,
	ENDED,
};

bool qcow2_is_clean(const struct qcow2 *q)
{
	return !q->dirty && q->l1_from == q->l1_to && q->table_from == q->table_to;
}

void qcow2_begin_commit(struct qcow2 *q)
{
	q->commit = COUNTS;
}

static struct qcow2_slice *next_dirty(struct qcow2 *q, bool counts)
{
	for (unsigned i = 0; i < QCOW2_SETS * QCOW2_WAYS && q->dirty; i++) {
		struct qcow2_slice *slice = &q->cache[i / QCOW2_WAYS][i % QCOW2_WAYS];

		if (slice->dirty && slice->counts == counts)
			return slice;
	}
	return NULL;
}

/* Writes the next slice of the kind; STEP_DONE: there is none. */
static enum qcow2_step write_slice(struct qcow2 *q, bool counts)
{
	struct qcow2_slice *slice = next_dirty(q, counts);

	if (!slice)
		return STEP_DONE;
	slice->dirty = false;
	q->dirty--;
	return qcow2_transfer(q, q->below, TRANSFER_WRITE, slice->offset, slice->data, q->slice);
}

static enum qcow2_step write_entries(struct qcow2 *q, uint64_t at, uint8_t *entries, uint32_t *from,
				     uint32_t *to)
{
	uint32_t first = *from, n = *to - *from;

	if (!n)
		return STEP_DONE;
	*from = *to = 0;
	return qcow2_transfer(q, q->below, TRANSFER_WRITE, at + 8ull * first,
			      entries + 8 * (size_t)first, 8 * (size_t)n);
}

static enum qcow2_step flush(struct qcow2 *q)
{
	return qcow2_transfer(q, q->below, TRANSFER_FLUSH, 0, NULL, 0);
}

static bool has_references(struct qcow2 *q)
{
	return next_dirty(q, false) || q->l1_from != q->l1_to;
}

enum qcow2_step qcow2_commit(struct qcow2 *q)
{
	enum qcow2_step step = STEP_DONE;

	while (step == STEP_DONE) {
		enum phase phase = (enum phase)q->commit;

		switch (phase) {
		case IDLE:
		case ENDED:
			return STEP_DONE;
		case COUNTS:
			step = write_slice(q, true);
			break;
		case FLUSH_COUNTS:
			if (q->table_from != q->table_to)
				step = flush(q);
			q->commit++;
			continue;
		case TABLE:
			step = write_entries(q, q->header.table_offset, q->table, &q->table_from,
					     &q->table_to);
			break;
		case FLUSH_DATA:
			step = flush(q);
			q->commit = has_references(q) ? L2 : q->pendings ? LOWER : ENDED;
			continue;
		case L2:
			step = write_slice(q, false);
			break;
		case L1:
			step = write_entries(q, q->header.l1_offset, q->l1, &q->l1_from, &q->l1_to);
			break;
		case FLUSH_L2:
			step = flush(q);
			q->commit = q->pendings ? LOWER : ENDED;
			continue;
		case LOWER:
			/* Requests that still are with a cluster that goes end first. */
			q->held = true;
			if (q->in_flight)
				return STEP_WAIT;
			return qcow2_unpend(q);
		}
		if (step == STEP_DONE)
			q->commit++;
	}
	return step;
}
