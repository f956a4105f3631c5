/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical addresses and I/O ports of the machine that may be given away as regions: all but RAM
 * and those that the kernel keeps for itself.
 */
#pragma once

#include "kernel/object/region.h"

struct boot_info;

/* After the firmware's tables have been read. */
void resource_setup(const struct boot_info *boot);

/*
 * A region by SAMPO_REGION_PHYSICAL or _PORTS, charged to the owner, for somebody with these rights
 * to the machine. EINVAL: flags, alignment or range; ERIGHT: some of it is not
 * to be had.
 */
int64_t resource_region(struct domain *owner, uint64_t flags, uint64_t base, uint64_t size,
			uint32_t rights, struct region **region);
