/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/block/ata.h"

#include <string.h>

/* Strings have their bytes swapped in each word and are padded with spaces. */
static void ata_string(char *text, const uint16_t *words, unsigned count)
{
	unsigned used = 0, start = 0;

	for (unsigned i = 0; i < 2 * count; i++) {
		char c = (char)(i & 1 ? words[i / 2] & 0xff : words[i / 2] >> 8);

		if (c < 0x20 || c >= 0x7f)
			c = ' ';
		text[i] = c;
		if (c != ' ')
			used = i + 1;
		else if (start == i)
			start = i + 1;
	}
	if (start >= used)
		start = used = 0;
	memmove(text, text + start, used - start);
	text[used - start] = 0;
}

/* Words 106 to 118 are valid if bits 15:14 of word 106 are 01. */
static void ata_block_sizes(const uint16_t *words, struct ata_info *info)
{
	uint16_t sizes = words[106];

	info->logical_block = 512;
	info->physical_block = 512;
	if ((sizes & 0xc000) != 0x4000)
		return;
	if (sizes & 0x1000) {
		uint64_t bytes = 2 * (words[117] | (uint64_t)words[118] << 16);

		info->logical_block = bytes > 4096 ? 0 : (uint32_t)bytes;
	}
	info->physical_block = info->logical_block;
	if (sizes & 0x2000)
		info->physical_block <<= sizes & 0xf;
}

const char *ata_identify(const uint16_t *words, struct ata_info *info)
{
	memset(info, 0, sizeof(*info));
	ata_string(info->serial, words + 10, 10);
	ata_string(info->model, words + 27, 20);
	if (words[0] & 0x8000)
		return "not an ATA disk";
	if ((words[83] & 0xc400) != 0x4400)
		return "no 48-bit addresses";
	if (!(words[49] & 0x0100))
		return "no DMA";
	info->blocks = words[100] | (uint64_t)words[101] << 16 | (uint64_t)words[102] << 32 |
		       (uint64_t)words[103] << 48;
	ata_block_sizes(words, info);
	if (info->logical_block < 512 || (info->logical_block & (info->logical_block - 1)))
		return "a sector size that is not 512 to 4096";
	if (!info->blocks || info->blocks >> 48)
		return "no sectors";
	if (words[76] != 0xffff && words[76] & 0x0100)
		info->queue_depth = (words[75] & 0x1f) + 1u;
	/* Write cache: enabled, if words 82 to 87 are valid (87 bits 15:14). */
	info->write_cache = (words[87] & 0xc000) != 0x4000 || words[85] & 0x0020;
	info->trim = words[169] & 1;
	return NULL;
}

uint32_t ata_trim_ranges(uint64_t ranges[ATA_TRIM_RANGES], uint64_t block, uint32_t blocks)
{
	uint32_t covered = 0;

	memset(ranges, 0, ATA_TRIM_RANGES * sizeof(*ranges));
	for (unsigned i = 0; i < ATA_TRIM_RANGES && covered < blocks; i++) {
		uint32_t piece = blocks - covered;

		if (piece > ATA_TRIM_RANGE)
			piece = ATA_TRIM_RANGE;
		ranges[i] = (block + covered) | (uint64_t)piece << 48;
		covered += piece;
	}
	return covered;
}
