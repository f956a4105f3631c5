/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GPT partition tables (UEFI 2.10, chapter 5).
 * Only parsing, no I/O: the bytes come from a disk and may be anything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/block/partition.h"

#define GPT_MAX_BYTES 65536u /* of the array of entries */

struct gpt_header {
	uint64_t first_usable, last_usable;
	uint64_t entries; /* LBA of the array */
	uint64_t other;   /* LBA of the other header */
	uint32_t entry_count, entry_bytes, entries_crc;
	uint8_t disk_guid[16];
};

/*
 * Checks the header read from `lba` of a disk with `blocks` logical blocks of
 * `block_bytes`. Returns what is wrong with it, or NULL.
 */
const char *gpt_header_parse(const uint8_t *block, uint32_t block_bytes, uint64_t lba,
			     uint64_t blocks, struct gpt_header *header);

/*
 * Takes the partitions from the array of entries. Those outside the usable
 * range or overlapping an earlier one are left out and counted in *bad.
 * Returns what is wrong with the array as a whole, or NULL.
 */
const char *gpt_entries_parse(const struct gpt_header *header, const uint8_t *array,
			      struct partition parts[PARTITIONS_MAX], unsigned *count,
			      unsigned *bad);

uint32_t gpt_crc32(const uint8_t *data, size_t bytes);
