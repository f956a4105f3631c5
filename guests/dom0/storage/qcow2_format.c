/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/qcow2_format.h"

#include <stdio.h>
#include <string.h>

#define MAGIC            0x514649fbu
#define HEADER_V2        72u
#define HEADER_V3        104u
#define AT_COMPRESSION   104u
#define COMPRESSION_ZSTD 1u
#define EXT_END          0u
#define EXT_FORMAT       0xe2792acau
#define TABLE_GROWTH     16u /* as much larger may the device become while the image is open */
#define SNAPSHOT_MIN     40u /* bytes of an entry in the snapshot table */

/* qcow2, "Header": incompatible features. */
#define INCOMPAT_DIRTY       (1ull << 0)
#define INCOMPAT_CORRUPT     (1ull << 1)
#define INCOMPAT_EXTERNAL    (1ull << 2)
#define INCOMPAT_COMPRESSION (1ull << 3)
#define INCOMPAT_EXTENDED_L2 (1ull << 4)

uint64_t qcow2_get(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

void qcow2_put(uint8_t *at, unsigned bytes, uint64_t value)
{
	for (unsigned i = bytes; i-- > 0; value >>= 8)
		at[i] = (uint8_t)value;
}

/* --- the header --------------------------------------------------------------------------------
 */

static const char *check_features(uint64_t incompatible)
{
	static char text[80];

	if (incompatible & INCOMPAT_EXTERNAL)
		return "its data lie in another file (external data file)";
	if (incompatible & INCOMPAT_EXTENDED_L2)
		return "it has extended L2 entries (subclusters)";
	incompatible &= ~(INCOMPAT_DIRTY | INCOMPAT_CORRUPT | INCOMPAT_COMPRESSION);
	if (!incompatible)
		return NULL;
	snprintf(text, sizeof(text),
		 "it has an incompatible feature that dom0 does not know: %#llx",
		 (unsigned long long)incompatible);
	return text;
}

/* qcow2, "compression_type": a field behind the least header, which the feature's bit says to be
 * there and not to be zlib's. */
static const char *read_compression(struct qcow2_header *h, const uint8_t *bytes, uint64_t length)
{
	if (length <= AT_COMPRESSION)
		return "its header is too short for the kind of its compressed clusters";
	if (bytes[AT_COMPRESSION] != COMPRESSION_ZSTD)
		return "its compressed clusters are neither of zlib's nor of zstd's kind";
	h->zstd = true;
	return NULL;
}

/* qcow2, "Header extensions". */
static const char *read_extensions(struct qcow2_header *h, const uint8_t *bytes, size_t at,
				   size_t end)
{
	while (at + 8 <= end) {
		uint64_t type = qcow2_get(bytes + at, 4), length = qcow2_get(bytes + at + 4, 4);

		at += 8;
		if (type == EXT_END)
			return NULL;
		if (length > end - at)
			return "a header extension is longer than the header's cluster";
		if (type == EXT_FORMAT) {
			if (length >= sizeof(h->backing_format))
				return "the format of its backing file has a name that is too long";
			memcpy(h->backing_format, bytes + at, length);
			h->backing_format[length] = 0;
		}
		at += (length + 7) & ~7ull;
	}
	return NULL;
}

static const char *read_backing(struct qcow2_header *h, const uint8_t *bytes, size_t n)
{
	uint64_t offset = qcow2_get(bytes + 8, 8), length = qcow2_get(bytes + 16, 4);

	if (!offset)
		return NULL;
	if (length >= sizeof(h->backing))
		return "the name of its backing file is longer than 1023 bytes";
	if (offset > n || length > n - offset)
		return "the name of its backing file lies outside of the header's cluster";
	memcpy(h->backing, bytes + offset, length);
	for (uint64_t i = 0; i < length; i++)
		if (h->backing[i] < ' ' || h->backing[i] > '~')
			return "the name of its backing file has characters that no name has";
	return NULL;
}

/* Is there a table of so many bytes, in whole clusters from `offset` on? */
static bool fits(const struct qcow2_header *h, uint64_t offset, uint64_t bytes, uint64_t device)
{
	uint64_t mask = (1ull << h->cluster_bits) - 1;

	return offset && !(offset & mask) && offset < device && bytes <= device - offset;
}

uint64_t qcow2_l1_needed(const struct qcow2_header *h)
{
	uint64_t covered = 1ull << (2 * h->cluster_bits - 3);

	return h->size / covered + (h->size % covered != 0);
}

uint64_t qcow2_table_needed(const struct qcow2_header *h, uint64_t device)
{
	uint64_t entries = (uint64_t)h->table_clusters << (h->cluster_bits - 3);
	uint64_t covered = 1ull << (2 * h->cluster_bits + 3 - h->refcount_order);
	uint64_t needed = TABLE_GROWTH * (device / covered + 1);

	if (needed > QCOW2_TABLE_BYTES / 8)
		needed = QCOW2_TABLE_BYTES / 8;
	return needed < entries ? needed : entries;
}

static const char *check_tables(const struct qcow2_header *h, uint64_t device)
{
	uint64_t needed = qcow2_l1_needed(h);

	if (h->size > INT64_MAX / 2)
		return "its size is no size of a disk";
	if (h->l1_entries < needed)
		return "its L1 table is shorter than its size needs";
	if (needed > QCOW2_L1_BYTES / 8)
		return "its L1 table is larger than 1 MiB: larger clusters make it smaller";
	if (h->l1_entries && !fits(h, h->l1_offset, 8ull * h->l1_entries, device))
		return "its L1 table does not lie on the device";
	if (!h->table_clusters ||
	    !fits(h, h->table_offset, (uint64_t)h->table_clusters << h->cluster_bits, device))
		return "its refcount table does not lie on the device";
	if (h->snapshots > QCOW2_SNAPSHOTS)
		return "it has more than 1024 snapshots";
	if (h->snapshots &&
	    !fits(h, h->snapshots_offset, (uint64_t)h->snapshots * SNAPSHOT_MIN, device))
		return "its snapshot table does not lie on the device";
	return NULL;
}

const char *qcow2_parse(struct qcow2_header *h, const uint8_t *bytes, size_t n, uint64_t device)
{
	uint64_t incompatible = 0, length = HEADER_V2;
	const char *wrong;
	size_t end;

	memset(h, 0, sizeof(*h));
	if (n < HEADER_V3 || qcow2_get(bytes, 4) != MAGIC)
		return "it is no qcow2 image";
	h->version = (uint32_t)qcow2_get(bytes + 4, 4);
	if (h->version != 2 && h->version != 3)
		return "its version is neither 2 nor 3";
	h->cluster_bits = (uint32_t)qcow2_get(bytes + 20, 4);
	if (h->cluster_bits < QCOW2_MIN_BITS || h->cluster_bits > QCOW2_MAX_BITS)
		return "its clusters are smaller than 512 bytes or larger than 2 MiB";
	h->size = qcow2_get(bytes + 24, 8);
	if (qcow2_get(bytes + 32, 4))
		return "it is encrypted";
	h->l1_entries = (uint32_t)qcow2_get(bytes + 36, 4);
	h->l1_offset = qcow2_get(bytes + 40, 8);
	h->table_offset = qcow2_get(bytes + QCOW2_AT_TABLE, 8);
	h->table_clusters = (uint32_t)qcow2_get(bytes + QCOW2_AT_TABLE + 8, 4);
	h->snapshots = (uint32_t)qcow2_get(bytes + QCOW2_AT_SNAPSHOTS, 4);
	h->snapshots_offset = qcow2_get(bytes + QCOW2_AT_SNAPSHOTS + 4, 8);
	h->refcount_order = 4;
	if (h->version == 3) {
		incompatible = qcow2_get(bytes + QCOW2_AT_INCOMPAT, 8);
		h->autoclear = qcow2_get(bytes + QCOW2_AT_AUTOCLEAR, 8);
		h->refcount_order = (uint32_t)qcow2_get(bytes + 96, 4);
		length = qcow2_get(bytes + 100, 4);
		wrong = check_features(incompatible);
		if (wrong)
			return wrong;
		h->dirty = incompatible & INCOMPAT_DIRTY;
		h->corrupt = incompatible & INCOMPAT_CORRUPT;
	}
	if (h->refcount_order > 6)
		return "its reference counts have more than 64 bits";
	end = n < 1ull << h->cluster_bits ? n : 1ull << h->cluster_bits;
	if (length < (h->version == 3 ? HEADER_V3 : HEADER_V2) || length > end || length % 8)
		return "its header has a length that no header has";
	wrong = incompatible & INCOMPAT_COMPRESSION ? read_compression(h, bytes, length) : NULL;
	if (!wrong)
		wrong = read_extensions(h, bytes, (size_t)length, end);
	if (!wrong)
		wrong = read_backing(h, bytes, end);
	return wrong ? wrong : check_tables(h, device);
}

bool qcow2_build(const struct qcow2_header *h, uint8_t *bytes, size_t room)
{
	size_t backing = strlen(h->backing), format = strlen(h->backing_format);
	size_t at = HEADER_V3 + 8;

	if (room < HEADER_V3 + 8 + 8 + sizeof(h->backing_format) + backing + 8)
		return false;
	qcow2_put(bytes, 4, MAGIC);
	qcow2_put(bytes + 4, 4, 3);
	qcow2_put(bytes + 20, 4, h->cluster_bits);
	qcow2_put(bytes + 24, 8, h->size);
	qcow2_put(bytes + 36, 4, h->l1_entries);
	qcow2_put(bytes + 40, 8, h->l1_offset);
	qcow2_put(bytes + QCOW2_AT_TABLE, 8, h->table_offset);
	qcow2_put(bytes + QCOW2_AT_TABLE + 8, 4, h->table_clusters);
	qcow2_put(bytes + 96, 4, h->refcount_order);
	qcow2_put(bytes + 100, 4, HEADER_V3 + 8);
	if (!backing)
		return true;
	qcow2_put(bytes + at, 4, EXT_FORMAT);
	qcow2_put(bytes + at + 4, 4, format);
	memcpy(bytes + at + 8, h->backing_format, format);
	/* The end of the extensions is 8 zeros. */
	at += 8 + ((format + 7) & ~7ull) + 8;
	qcow2_put(bytes + 8, 8, at);
	qcow2_put(bytes + 16, 4, backing);
	memcpy(bytes + at, h->backing, backing);
	return true;
}

/* --- entries -----------------------------------------------------------------------------------
 */

uint64_t qcow2_refcount(const uint8_t *block, uint32_t index, uint32_t order)
{
	uint32_t per_byte;

	if (order >= 3)
		return qcow2_get(block + ((size_t)index << (order - 3)), 1u << (order - 3));
	per_byte = 8u >> order;
	return block[index / per_byte] >> (index % per_byte << order) & ((1u << (1u << order)) - 1);
}

void qcow2_set_refcount(uint8_t *block, uint32_t index, uint32_t order, uint64_t count)
{
	uint32_t per_byte, shift, mask;

	if (order >= 3) {
		qcow2_put(block + ((size_t)index << (order - 3)), 1u << (order - 3), count);
		return;
	}
	per_byte = 8u >> order;
	shift = index % per_byte << order;
	mask = (1u << (1u << order)) - 1;
	block[index / per_byte] = (uint8_t)((block[index / per_byte] & ~(mask << shift)) |
					    ((uint32_t)count & mask) << shift);
}

/* qcow2, "Compressed Clusters Descriptor": the offset in the low bits, the number of sectors beyond
 * the first above. */
struct qcow2_packed qcow2_packed(uint64_t entry, uint32_t cluster_bits)
{
	uint32_t bits = 62 - (cluster_bits - 8);
	uint64_t offset = entry & ((1ull << bits) - 1);
	uint64_t sectors = (entry & (QCOW2_COMPRESSED - 1)) >> bits;

	return (struct qcow2_packed){
		.offset = offset,
		.bytes = (uint32_t)((sectors + 1) * 512 - offset % 512),
	};
}
