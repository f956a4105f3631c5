/* SPDX-License-Identifier: BSD-2-Clause */
/* What arch/iommu/iommu.c needs of the kernel, for tests that have nothing better of their own. */
#include <stdlib.h>

#include "arch/acpi.h"
#include "arch/ioapic.h"
#include "arch/paging.h"
#include "arch/up.h"
#include "kernel/base/frame.h"
#include "kernel/base/log.h"

#define WEAK __attribute__((weak))

WEAK uint64_t tsc_ticks_per_ns = 1ull << 32;
WEAK struct acpi_info acpi;

WEAK void *page_alloc(void)
{
	return calloc(1, FRAME_PAGE);
}

WEAK void page_free(void *page)
{
	free(page);
}

WEAK void *frame_kernel_block(void)
{
	return calloc(1, FRAME_BLOCK);
}

WEAK void *domain_page_alloc(struct domain *domain)
{
	(void)domain;
	return page_alloc();
}

WEAK void domain_page_free(struct domain *domain, void *page)
{
	(void)domain;
	page_free(page);
}

WEAK void *phys_map(uint64_t pa, size_t bytes, uint32_t flags)
{
	(void)pa;
	(void)bytes;
	(void)flags;
	abort();
}

WEAK bool ioapic_id(uint32_t gsi, uint32_t *id)
{
	(void)gsi;
	*id = 0;
	return true;
}

WEAK bool ioapic_route(const struct ioapic_line *line, uint64_t entry)
{
	(void)line;
	(void)entry;
	return true;
}

WEAK void log_print(const char *format, ...)
{
	(void)format;
}

WEAK bool manage_try(void)
{
	return true;
}

WEAK void manage_unlock(void)
{
}
