/* SPDX-License-Identifier: BSD-2-Clause */
/* Common to tables of partitions: the bytes come from a disk and may be anything. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PARTITIONS_MAX 512u /* as many as GPT_MAX_BYTES are */

struct partition {
	unsigned number;       /* as in "sda1" */
	uint64_t first, count; /* in logical blocks */
	char label[40];
	char uuid[37];
};

static inline uint32_t partition_get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline char partition_hex(unsigned digit)
{
	return "0123456789abcdef"[digit & 15];
}

static inline bool partition_overlaps(const struct partition *part, const struct partition *parts,
				      unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (part->first < parts[i].first + parts[i].count &&
		    parts[i].first < part->first + part->count)
			return true;
	return false;
}
