/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/block/gpt.h"

#include <string.h>

static uint64_t get64(const uint8_t *p)
{
	return partition_get32(p) | (uint64_t)partition_get32(p + 4) << 32;
}

/* The CRC of IEEE 802.3, four bits at a time. */
uint32_t gpt_crc32(const uint8_t *data, size_t bytes)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = ~0u;

	for (; bytes; data++, bytes--) {
		crc ^= *data;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

const char *gpt_header_parse(const uint8_t *block, uint32_t block_bytes, uint64_t lba,
			     uint64_t blocks, struct gpt_header *header)
{
	uint32_t size = partition_get32(block + 12);
	uint8_t copy[92];
	uint64_t array_blocks;

	if (memcmp(block, "EFI PART", 8))
		return "no GPT header";
	if (partition_get32(block + 8) >> 16 != 1)
		return "GPT header of an unknown revision";
	if (size < sizeof(copy) || size > block_bytes || size > 512)
		return "GPT header with a wrong size";

	/* The CRC is computed with its own field zero. Bytes behind the 92 that
	 * are defined take part in it too. */
	uint8_t whole[512];

	memcpy(whole, block, size);
	memset(whole + 16, 0, 4);
	if (gpt_crc32(whole, size) != partition_get32(block + 16))
		return "GPT header with a wrong checksum";
	if (get64(block + 24) != lba)
		return "GPT header at a place that is not its own";

	header->other = get64(block + 32);
	header->first_usable = get64(block + 40);
	header->last_usable = get64(block + 48);
	memcpy(header->disk_guid, block + 56, 16);
	header->entries = get64(block + 72);
	header->entry_count = partition_get32(block + 80);
	header->entry_bytes = partition_get32(block + 84);
	header->entries_crc = partition_get32(block + 88);

	if (header->first_usable > header->last_usable || header->last_usable >= blocks ||
	    header->first_usable < 2)
		return "GPT with a wrong usable range";
	if (header->entry_bytes < 128 || header->entry_bytes > 4096 ||
	    (header->entry_bytes & (header->entry_bytes - 1)))
		return "GPT with a wrong size of entries";
	if (!header->entry_count || header->entry_count > GPT_MAX_BYTES / header->entry_bytes)
		return "GPT with too many entries";
	array_blocks = (header->entry_count * header->entry_bytes + block_bytes - 1) / block_bytes;
	if (header->entries < 2 || header->entries >= blocks ||
	    array_blocks > blocks - header->entries)
		return "GPT with entries outside the disk";
	if (header->entries <= header->last_usable &&
	    header->entries + array_blocks > header->first_usable)
		return "GPT with entries inside the usable range";
	return NULL;
}

/* A GUID's first three fields are little-endian (UEFI appendix A). */
static void format_guid(char *text, const uint8_t *guid)
{
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		*text++ = partition_hex(guid[order[i]] >> 4);
		*text++ = partition_hex(guid[order[i]]);
	}
	*text = 0;
}

/* UTF-16 to printable ASCII; anything else becomes '?'. */
static void format_label(char label[40], const uint8_t *name)
{
	unsigned i;

	for (i = 0; i < 36; i++) {
		unsigned c = name[2 * i] | (unsigned)name[2 * i + 1] << 8;

		if (!c)
			break;
		label[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	label[i] = 0;
}

const char *gpt_entries_parse(const struct gpt_header *header, const uint8_t *array,
			      struct partition parts[PARTITIONS_MAX], unsigned *count,
			      unsigned *bad)
{
	static const uint8_t unused[16];

	*count = 0;
	*bad = 0;
	if (gpt_crc32(array, (size_t)header->entry_count * header->entry_bytes) !=
	    header->entries_crc)
		return "GPT entries with a wrong checksum";
	for (uint32_t i = 0; i < header->entry_count && *count < PARTITIONS_MAX; i++) {
		const uint8_t *entry = array + (size_t)i * header->entry_bytes;
		uint64_t first = get64(entry + 32), last = get64(entry + 40);
		struct partition *part = &parts[*count];

		if (!memcmp(entry, unused, 16))
			continue;
		if (first < header->first_usable || last > header->last_usable || first > last) {
			(*bad)++;
			continue;
		}
		part->number = i + 1;
		part->first = first;
		part->count = last - first + 1;
		if (partition_overlaps(part, parts, *count)) {
			(*bad)++;
			continue;
		}
		format_guid(part->uuid, entry + 16);
		format_label(part->label, entry + 56);
		(*count)++;
	}
	return NULL;
}
