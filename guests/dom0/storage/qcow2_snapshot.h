/* SPDX-License-Identifier: BSD-2-Clause */
/* The snapshot table of a qcow2 image, without I/O ("Snapshots" of the specification). */
#pragma once

#include "guests/dom0/storage/qcow2_format.h"

#define QCOW2_SNAPSHOT_TABLE (256u << 10) /* bytes of a table in memory */
#define QCOW2_SNAPSHOT_NAME  64u          /* with its end; of names that are made here */

struct qcow2_snapshot {
	const uint8_t *raw; /* the entry */
	uint32_t bytes;     /* of it, a multiple of 8 */
	uint64_t l1_offset;
	uint32_t l1_entries;
	uint64_t size;    /* of the disk, bytes */
	uint64_t state;   /* bytes of the machine's memory */
	uint32_t seconds; /* Unix time */
	const char *id;   /* these two without an end */
	const char *name;
	uint16_t id_bytes, name_bytes;
};

struct qcow2_snapshots {
	uint8_t *bytes; /* QCOW2_SNAPSHOT_TABLE of them at most; the list's own */
	size_t n;
	uint32_t count;
	struct qcow2_snapshot *one;
};

/*
 * Parses as many entries as the header says from list->bytes. Returns NULL, or the reason against
 * the image. qcow2_snapshots_free in either case.
 */
const char *qcow2_snapshots_parse(struct qcow2_snapshots *list, const struct qcow2_header *header);
void qcow2_snapshots_free(struct qcow2_snapshots *list);

/* Returns how many snapshots have the name; *index is the last of them. */
uint32_t qcow2_snapshots_find(const struct qcow2_snapshots *list, const char *name,
			      uint32_t *index);

/* Writes the entry of a snapshot of the image as it is into QCOW2_SNAPSHOT_ROOM zeroed bytes.
 * Returns the bytes of it. */
#define QCOW2_SNAPSHOT_ROOM (40u + 16u + 16u + QCOW2_SNAPSHOT_NAME)
uint32_t qcow2_snapshot_build(uint8_t *entry, const struct qcow2_header *header,
			      const struct qcow2_snapshots *list, const char *name,
			      uint64_t unix_ns);
