/* SPDX-License-Identifier: BSD-2-Clause */
/* An ATA disk's description of itself, and its commands (ACS-3). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ATA_READ_DMA_EXT  0x25u
#define ATA_WRITE_DMA_EXT 0x35u
#define ATA_READ_FPDMA    0x60u
#define ATA_WRITE_FPDMA   0x61u
#define ATA_FLUSH_EXT     0xeau
#define ATA_IDENTIFY      0xecu
#define ATA_DATA_SET      0x06u
#define ATA_DATA_SET_TRIM 0x01u
#define ATA_DEVICE_LBA    0x40u

#define ATA_STATUS_ERR 0x01u
#define ATA_STATUS_DRQ 0x08u
#define ATA_STATUS_DF  0x20u
#define ATA_STATUS_BSY 0x80u

#define ATA_TRIM_RANGES 64u     /* in one block of 512 bytes */
#define ATA_TRIM_RANGE  0xffffu /* logical blocks in one range */

struct ata_info {
	char serial[24], model[44];
	uint64_t blocks; /* logical */
	uint32_t logical_block, physical_block;
	unsigned queue_depth; /* 0: no native command queuing */
	bool write_cache, trim;
};

/* `words`: the 256 words of IDENTIFY DEVICE. Returns why the disk cannot be
 * used, or NULL. */
const char *ata_identify(const uint16_t *words, struct ata_info *info);

/* Fills one block of DATA SET MANAGEMENT ranges from `block` on; returns how
 * many of `blocks` fit. */
uint32_t ata_trim_ranges(uint64_t ranges[ATA_TRIM_RANGES], uint64_t block, uint32_t blocks);
