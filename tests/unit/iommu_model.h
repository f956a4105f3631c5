/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of both vendors' IOMMUs a unit that notes what it is told; arch/iommu/iommu.c is real.
 */
#pragma once

#include "arch/iommu/iommu.h"
#include <string.h>

#include "kernel/base/options.h"

static bool model_there;          /* firmware tells of it; before iommu_setup */
static uint16_t model_id[65536];  /* of the table that a requester's DMA goes through; 0: blocked */
static const char *model_missing; /* why the unit does not start */
static struct iommu_range model_range; /* that firmware has a function use */
static uint16_t model_uncovered = 1;   /* the one function that no unit has */
static unsigned model_attached;        /* requesters */
static unsigned model_flushes;
static struct {
	bool used;
	uint16_t requester;
	struct iommu_interrupt to;
} model_entry[IOMMU_INTERRUPTS];
static unsigned model_entries;
static struct iommu_fault model_fault_next;
static unsigned model_faults, model_silenced;

static const char *model_start(const struct iommu_info *told)
{
	(void)told;
	iommu.format = &ptab_vtd;
	iommu.levels = 4;
	iommu.max_page = PTAB_2M;
	iommu.address_bits = 48;
	iommu.coherent = true;
	return model_missing;
}

static int64_t model_attach(uint16_t requester, const struct ptab *table, uint16_t id)
{
	if (table && !id)
		__builtin_trap();
	model_attached += table && !model_id[requester];
	model_attached -= !table && model_id[requester];
	model_id[requester] = table ? id : 0;
	return 0;
}

static void model_flush(uint16_t id)
{
	(void)id;
	model_flushes++;
}

static int64_t model_route(uint16_t requester, uint32_t index, const struct iommu_interrupt *to)
{
	if (!index || index >= IOMMU_INTERRUPTS || model_entry[index].used == !!to)
		__builtin_trap();
	model_entries += to ? 1 : -1u;
	model_entry[index].used = to;
	model_entry[index].requester = requester;
	if (to)
		model_entry[index].to = *to;
	return 0;
}

static uint64_t model_message(uint32_t index)
{
	return 0xfee00010ull << 32 | index;
}

static uint64_t model_pin(uint32_t index, const struct iommu_interrupt *to)
{
	return (uint64_t)index << 49 | to->vector;
}

static bool model_fault(struct iommu_fault *fault)
{
	if (!model_faults)
		return false;
	model_faults--;
	*fault = model_fault_next;
	return true;
}

static void model_silence(uint16_t requester)
{
	(void)requester;
	model_silenced++;
}

const struct iommu_ops vtd_ops = {
	.name = "model",
	.start = model_start,
	.attach = model_attach,
	.flush = model_flush,
	.route = model_route,
	.message = model_message,
	.pin = model_pin,
	.fault = model_fault,
	.silence = model_silence,
};
const struct iommu_ops amdvi_ops;

bool dmar_parse(struct iommu_info *told, const uint8_t *table, uint32_t bytes)
{
	(void)table;
	(void)bytes;
	told->units = model_there;
	told->remaps = true;
	memset(told->covered, 0, sizeof(told->covered));
	iommu_cover(told, 0, model_uncovered - 1u);
	iommu_cover(told, model_uncovered + 1u, IOMMU_REQUESTERS - 1);
	if (model_range.size)
		told->range[told->ranges++] = model_range;
	return model_there;
}

bool ivrs_parse(struct iommu_info *told, const uint8_t *table, uint32_t bytes)
{
	(void)told;
	(void)table;
	(void)bytes;
	return false;
}

const char *option_value(enum option option)
{
	(void)option;
	return NULL;
}
