/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of guests/lib/sampo.h, for tests of what dom0 does with the machine:
 * each call is a function of the test's. */
#pragma once

/* guests/lib/sampo.h has no calls beside these. */
#define SAMPO_CALLS_REPLACED

#include <stdbool.h>
#include <stdint.h>

#include "kernel/abi.h"

int64_t sampo_machine(uint32_t machine, uint64_t op);
int64_t sampo_handle_close(uint32_t handle);
int64_t sampo_region_of_machine(uint32_t machine, uint64_t flags, uint64_t base, uint64_t size,
				uint32_t *region);
int64_t sampo_region_map(uint32_t region, uint32_t domain, uint64_t gpa, uint64_t offset,
			 uint64_t perms, uint64_t bytes);
int64_t sampo_port(uint32_t region, uint64_t offset, uint64_t bytes, uint32_t value,
		   uint64_t *read);
int64_t sampo_event_create(uint32_t domain, uint64_t kind, uint64_t a, uint64_t b, uint32_t *event);
int64_t sampo_irq(uint32_t event, uint64_t op, uint32_t source, uint64_t pin, uint64_t *message);
int64_t sampo_event_raise(uint32_t event);
int64_t sampo_vcpu_ctl(uint32_t vcpu, uint64_t op, uint64_t value);
int64_t sampo_object_info(uint32_t handle, uint64_t what, void *to, uint64_t bytes, uint64_t first,
			  uint64_t *written);
int64_t sampo_device_create(uint32_t machine, uint64_t requester, uint32_t domain, uint64_t name,
			    uint32_t *device);

static inline uint64_t sampo_gpa(const void *address)
{
	return (uint64_t)(uintptr_t)address;
}

static inline const char *sampo_strerror(int64_t status)
{
	return status ? "refused" : "success";
}
