/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices: PCI functions, known by their requester IDs alone. A domain with the
 * handle may have its messages delivered; its registers are regions.
 */
#pragma once

#include "kernel/object/object.h"

struct domain;

struct device {
	struct object object;
	uint16_t requester;   /* bus << 8 | device << 3 | function */
	struct domain *owner; /* charged for the object, holds a reference */
	struct device *next;  /* in its chain */
};

/* One object for each: EEXIST. EINVAL: no such ID; ENOMEM. */
int64_t device_new(struct domain *owner, uint64_t requester, struct device **device);
bool device_take_apart(struct object *object);
