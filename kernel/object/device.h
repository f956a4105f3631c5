/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices: PCI functions, known by their requester IDs alone. Each belongs to a domain: with an
 * IOMMU its DMA reaches that domain's memory and no other. A domain with the handle may have its
 * messages delivered; its registers are regions.
 */
#pragma once

#include "kernel/object/object.h"

struct domain;

#define DEVICE_NAME 8u

struct device {
	struct object object;
	uint16_t requester; /* bus << 8 | device << 3 | function */
	char name[DEVICE_NAME];
	uint32_t faults;       /* how often it was blocked */
	struct domain *owner;  /* charged for the object, holds a reference */
	struct domain *domain; /* whose memory it reaches, likewise */
	struct device *next;   /* in its chain */
};

/*
 * The function's DMA goes through the domain's guest-physical addresses from now on, until the
 * object is gone; then the function reaches nothing. name: text for the log, of 8 characters at
 * most. EEXIST: there is an object for the function; EBUSY: firmware uses it, and the domain is not
 * the owner; EINVAL: no such ID; EDEAD; ENODEV: there is no IOMMU, and the domain is not the owner,
 * or no unit of the IOMMU has the function; ENOMEM.
 */
int64_t device_new(struct domain *owner, uint64_t requester, struct domain *domain, uint64_t name,
		   struct device **device);
bool device_take_apart(struct object *object);

/* Logs what the IOMMUs have blocked since, some of it at a time. A device that is blocked again and
 * again is cut off. */
void device_poll_faults(void);
