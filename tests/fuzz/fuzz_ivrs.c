/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/iommu/ivrs.c */
/* fuzz: -max_len=4096 */
/*
 * IVRS tables of any content. The table is a copy of exactly its bytes, so that reading one byte
 * more is seen. The first byte says whether the walk finds blocks whose lengths are right: then
 * each block's length is made one that lies within the table.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/iommu/iommu.h"
#include "kernel/base/log.h"

#define HEADER 48u

void log_print(const char *format, ...)
{
	(void)format;
}

static void mend_lengths(uint8_t *table, uint32_t bytes)
{
	for (uint32_t at = HEADER; at + 4 <= bytes;) {
		uint32_t length = 4 + (uint32_t)(table[at + 2] | table[at + 3] << 8) % 252;

		if (length > bytes - at)
			length = bytes - at;
		table[at + 2] = (uint8_t)length;
		table[at + 3] = (uint8_t)(length >> 8);
		at += length;
	}
}

static void check(const struct iommu_info *info)
{
	if (info->units > IOMMU_UNITS || info->ranges > IOMMU_RANGES ||
	    info->ioapics > IOMMU_IOAPICS)
		abort();
	for (unsigned i = 0; i < info->units; i++)
		if (!info->unit[i] || info->unit[i] % 0x4000)
			abort();
	for (unsigned i = 0; i < info->ranges; i++) {
		const struct iommu_range *r = &info->range[i];

		if (!r->size || (r->base | r->size) % 4096 || r->base + r->size < r->base)
			abort();
		if (!r->flags || r->flags & ~(PTAB_R | PTAB_W))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct iommu_info info = {0};
	uint8_t *table;

	if (!bytes)
		return 0;
	table = malloc(bytes - 1);
	memcpy(table, data + 1, bytes - 1);
	if (data[0] & 1)
		mend_lengths(table, (uint32_t)bytes - 1);
	if (ivrs_parse(&info, table, (uint32_t)bytes - 1) != (info.units && !info.crowded))
		abort();
	check(&info);
	free(table);
	return 0;
}
