/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The on-disk format of qcow2, versions 2 and 3, without I/O: the header with its extensions,
 * entries of tables, reference counts of any width. QEMU's docs/interop/qcow2.txt is the
 * specification.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QCOW2_HEAD_BYTES  8192u /* of the image's beginning: header, extensions, backing file */
#define QCOW2_BACKING     1024u
#define QCOW2_L1_BYTES    (1u << 20)
#define QCOW2_TABLE_BYTES (1u << 20) /* of the refcount table, in memory */
#define QCOW2_SNAPSHOTS   1024u
#define QCOW2_MIN_BITS    9u
#define QCOW2_MAX_BITS    21u

/* Bits of an entry in an L1 or L2 table. */
#define QCOW2_COPIED     (1ull << 63)
#define QCOW2_COMPRESSED (1ull << 62)
#define QCOW2_ZERO       (1ull << 0)
#define QCOW2_OFFSET     0x00fffffffffffe00ull

/* Places of fields that are written alone. */
#define QCOW2_AT_TABLE     48u /* refcount table: offset, clusters */
#define QCOW2_AT_SNAPSHOTS 60u
#define QCOW2_AT_INCOMPAT  72u
#define QCOW2_AT_AUTOCLEAR 88u

struct qcow2_header {
	uint32_t version, cluster_bits;
	uint64_t size; /* bytes that the guest sees */
	uint64_t l1_offset, table_offset, snapshots_offset;
	uint32_t l1_entries, table_clusters, snapshots;
	uint32_t refcount_order; /* a count has 1 << order bits */
	uint64_t autoclear;
	bool dirty, corrupt;
	bool zstd;                   /* compressed clusters are of zstd's kind, else of zlib's */
	char backing[QCOW2_BACKING]; /* "" if there is none */
	char backing_format[16];     /* "" if the header does not say */
};

/*
 * Parses the first bytes of an image that lies on a device of so many bytes. Returns NULL, or the
 * reason against the image, which stays valid until the next call.
 */
const char *qcow2_parse(struct qcow2_header *header, const uint8_t *bytes, size_t n,
			uint64_t device);

/* Entries of the L1 table that the size needs, and of the refcount table that a device of so many
 * bytes may need. */
uint64_t qcow2_l1_needed(const struct qcow2_header *header);
uint64_t qcow2_table_needed(const struct qcow2_header *header, uint64_t device);

/* Writes the header of a new image of version 3, with what *header says, into `room` zeroed bytes.
 * Returns false if these are too few. */
bool qcow2_build(const struct qcow2_header *header, uint8_t *bytes, size_t room);

uint64_t qcow2_get(const uint8_t *at, unsigned bytes);
void qcow2_put(uint8_t *at, unsigned bytes, uint64_t value);

/* The count number `index` of a piece of a refcount block. */
uint64_t qcow2_refcount(const uint8_t *block, uint32_t index, uint32_t order);
void qcow2_set_refcount(uint8_t *block, uint32_t index, uint32_t order, uint64_t count);

/* Where the bytes of a compressed cluster are: at most so many from there on. */
struct qcow2_packed {
	uint64_t offset;
	uint32_t bytes;
};
struct qcow2_packed qcow2_packed(uint64_t entry, uint32_t cluster_bits);
