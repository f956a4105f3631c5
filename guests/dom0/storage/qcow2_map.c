/* SPDX-License-Identifier: BSD-2-Clause */
/* Where clusters are: entries of L1 and L2 tables. */
#include "guests/dom0/storage/qcow2.h"

uint64_t qcow2_l2_offset(const struct qcow2 *q, uint64_t cluster)
{
	uint64_t l1 = cluster >> (q->header.cluster_bits - 3);

	return qcow2_get(q->l1 + 8 * l1, 8) & QCOW2_OFFSET;
}

uint64_t qcow2_slice_at(const struct qcow2 *q, uint64_t cluster)
{
	uint64_t in_table = cluster % (q->cluster / 8) * 8;

	return qcow2_l2_offset(q, cluster) + in_table / q->slice * q->slice;
}

/* The place of the entry within its slice. */
uint32_t qcow2_l2_index(const struct qcow2 *q, uint64_t cluster)
{
	return (uint32_t)(cluster % (q->slice / 8));
}

uint32_t qcow2_in_slice(const struct qcow2 *q, uint64_t cluster)
{
	return q->slice / 8 - qcow2_l2_index(q, cluster);
}

uint64_t qcow2_entry(const struct qcow2_slice *slice, uint32_t index)
{
	return qcow2_get(slice->data + 8 * (size_t)index, 8);
}

/* A compressed cluster is one before all else: bit 0 is of its offset. */
enum qcow2_kind qcow2_kind(const struct qcow2 *q, uint64_t entry)
{
	uint64_t offset = entry & QCOW2_OFFSET;

	if (entry & QCOW2_COMPRESSED)
		return QCOW2_IS_PACKED;
	if (q->header.version > 2 && entry & QCOW2_ZERO)
		return QCOW2_IS_ZERO;
	if (offset % q->cluster)
		return QCOW2_IS_BAD;
	if (offset)
		return QCOW2_IS_DATA;
	return q->backing ? QCOW2_IS_BACKING : QCOW2_IS_ZERO;
}

/* May the guest's data be written where they are? */
bool qcow2_is_own(const struct qcow2 *q, uint64_t entry)
{
	return qcow2_kind(q, entry) == QCOW2_IS_DATA && entry & QCOW2_COPIED;
}
