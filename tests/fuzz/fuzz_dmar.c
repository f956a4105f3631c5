/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/iommu/dmar.c */
/* fuzz: -max_len=1024 */
/*
 * A DMAR table of any content, in memory of exactly its size, so that reading one byte more is
 * seen. The first 16 bytes of the input are what functions' configuration space says.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/iommu/iommu.h"
#include "kernel/base/log.h"

#define CONFIGURATION 16

static const uint8_t *configuration;

void log_print(const char *format, ...)
{
	(void)format;
}

uint32_t iommu_pci_read(uint16_t requester, unsigned offset)
{
	uint32_t value;

	if (offset % 4 || offset >= 256)
		abort();
	memcpy(&value, configuration + (requester + offset) % (CONFIGURATION - 3), sizeof(value));
	return value;
}

static void check(const struct iommu_info *info, bool usable)
{
	if (usable && !info->units)
		abort();
	if (info->units > IOMMU_UNITS || info->ranges > IOMMU_RANGES ||
	    info->ioapics > IOMMU_IOAPICS)
		abort();
	for (unsigned i = 0; i < info->units; i++)
		if (!info->unit[i] || info->unit[i] % PTAB_PAGE)
			abort();
	for (unsigned i = 0; i < info->ranges; i++) {
		const struct iommu_range *r = &info->range[i];

		if (r->base % PTAB_PAGE || !r->size || r->size % PTAB_PAGE ||
		    r->base + r->size < r->base || r->size >= 1u << 30 ||
		    r->flags != (PTAB_R | PTAB_W))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct iommu_info info;
	uint8_t *table;

	if (bytes < CONFIGURATION)
		return 0;
	configuration = data;
	bytes -= CONFIGURATION;
	table = malloc(bytes ? bytes : 1);
	memcpy(table, data + CONFIGURATION, bytes);
	info = (struct iommu_info){0};
	check(&info, dmar_parse(&info, table, (uint32_t)bytes));
	free(table);
	return 0;
}
