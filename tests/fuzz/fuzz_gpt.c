/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: drivers/block/gpt.c drivers/block/mbr.c */
/* Partition tables of any bytes: what is accepted lies on the disk and does
 * not overlap. Checksums are put right, or little would get past them. */
#include <stdlib.h>
#include <string.h>

#include "drivers/block/gpt.h"
#include "drivers/block/mbr.h"

static void check(const struct partition *parts, unsigned count, uint64_t blocks)
{
	for (unsigned i = 0; i < count; i++) {
		if (!parts[i].count || parts[i].first >= blocks ||
		    parts[i].count > blocks - parts[i].first)
			abort();
		if (!memchr(parts[i].label, 0, sizeof(parts[i].label)) ||
		    !memchr(parts[i].uuid, 0, sizeof(parts[i].uuid)))
			abort();
		for (unsigned j = 0; j < i; j++)
			if (parts[i].first < parts[j].first + parts[j].count &&
			    parts[j].first < parts[i].first + parts[i].count)
				abort();
	}
}

static void put32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t array[GPT_MAX_BYTES];
	static struct partition parts[PARTITIONS_MAX];
	const uint64_t blocks = 1 << 20;
	uint8_t block[512] = {0};
	struct gpt_header header;
	struct mbr mbr;
	unsigned count, bad;
	uint32_t bytes;

	memcpy(block, data, size < 512 ? size : 512);
	mbr_parse(block, blocks, parts, &count, &mbr);
	for (unsigned read = 0; mbr.next; read++) {
		uint8_t ebr[512] = {0};

		if (mbr.next >= blocks || read > 400)
			abort();
		if (size > 512) /* any place of the input, by the block's number */
			memcpy(ebr, data + mbr.next * 64 % size,
			       size - mbr.next * 64 % size < 512 ? size - mbr.next * 64 % size
								 : 512);
		ebr[510] = 0x55;
		ebr[511] = 0xaa;
		mbr_extended(ebr, parts, &count, &mbr);
	}
	check(parts, count, blocks);

	memset(array, 0, sizeof(array));
	if (size > 512)
		memcpy(array, data + 512, size - 512 < sizeof(array) ? size - 512 : sizeof(array));
	memcpy(block, "EFI PART\0\0\1", 12);
	bytes = block[12] | (uint32_t)block[13] << 8;
	if (bytes >= 92 && bytes <= 512) {
		block[14] = block[15] = 0;
		put32(block + 16, 0);
		put32(block + 16, gpt_crc32(block, bytes));
	}
	if (gpt_header_parse(block, 512, 1, blocks, &header))
		return 0;
	if ((uint64_t)header.entry_count * header.entry_bytes > sizeof(array))
		abort();
	header.entries_crc = gpt_crc32(array, header.entry_count * header.entry_bytes);
	if (gpt_entries_parse(&header, array, parts, &count, &bad))
		abort();
	check(parts, count, blocks);
	return 0;
}
