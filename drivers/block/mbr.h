/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MBR's four entries and the logical partitions behind an extended one. Only parsing, no I/O.
 *
 * An extended partition is a container. Its first sector, an EBR, looks like an MBR: one entry has
 * a logical partition, relative to the EBR, another one the next EBR, relative to the container.
 */
#pragma once

#include "drivers/block/partition.h"

#define MBR_ENTRIES 4u

enum mbr_kind { MBR_NONE, MBR_PLAIN, MBR_PROTECTIVE };

struct mbr {
	uint32_t signature;
	struct {
		uint64_t first, count; /* logical blocks */
	} container[MBR_ENTRIES];
	unsigned containers, current;
	uint64_t next;      /* the EBR to be read now; 0: none */
	unsigned ebrs;      /* that were read of the current container */
	unsigned number;    /* of the last logical partition */
	unsigned bad;       /* partitions that are left out: outside, or overlapping others */
	const char *broken; /* what is wrong with the chain of EBRs; NULL: nothing */
	uint8_t type[PARTITIONS_MAX]; /* of parts[], as the entry says */
};

/*
 * Takes the partitions of sector 0, which has 512 bytes, of a disk with so many logical blocks.
 * If mbr->next is not 0 then, logical partitions follow: mbr_extended takes them from that block.
 */
enum mbr_kind mbr_parse(const uint8_t *sector, uint64_t blocks,
			struct partition parts[PARTITIONS_MAX], unsigned *count, struct mbr *mbr);

/* Takes the logical partition of the EBR that was read from block mbr->next, and sets that to the
 * next one. The chain is bounded. */
void mbr_extended(const uint8_t *sector, struct partition parts[PARTITIONS_MAX], unsigned *count,
		  struct mbr *mbr);

/* Returns the name of another kind of table that Linux would read from sector 0 and that is not
 * read here; NULL: there is none. */
const char *mbr_foreign(const uint8_t *sector);

/* Returns the kind of table that a partition of this type has inside and that is not read here;
 * NULL: none. */
const char *mbr_nested(uint8_t type);
