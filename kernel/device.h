/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices: PCI functions, known by their requester IDs alone. Whoever has the
 * handle may have its messages delivered; its registers are regions.
 */
#pragma once

#include "kernel/object.h"

struct device {
	struct object object; /* refs 0: free */
	uint16_t requester;   /* bus << 8 | device << 3 | function */
};

/* One object for each: EEXIST. EINVAL: no such ID; ENOMEM. */
int64_t device_new(uint64_t requester, struct device **device);
