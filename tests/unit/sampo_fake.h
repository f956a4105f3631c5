/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of guests/lib/sampo.h, for tests: a kernel that counts handles and
 * mappings, and fails when it is told to. */
#pragma once

/* guests/lib/sampo.h has no calls beside these. */
#define SAMPO_CALLS_REPLACED

#include <stdbool.h>
#include <stdint.h>

#include "kernel/abi.h"

#define FAKE_RAM (1ull << 40)

struct sampo_fake {
	int handles; /* open */
	int calls;   /* that can fail, so far */
	int fail_at; /* the call that fails, 0: none */
	int domains_alive;
	bool paused;
	bool busy;                     /* vCPUs are with their monitor */
	unsigned stops, resets, inits; /* resets: as at power on */
};
extern struct sampo_fake fake;

static inline int64_t fake_fails(void)
{
	return ++fake.calls == fake.fail_at ? SAMPO_ENOMEM : SAMPO_OK;
}

static inline int64_t fake_handle(uint32_t *handle)
{
	static uint32_t next = 100;

	*handle = 0;
	if (fake_fails())
		return SAMPO_ENOMEM;
	*handle = ++next;
	fake.handles++;
	return SAMPO_OK;
}

static inline int64_t sampo_handle_close(uint32_t handle)
{
	if (!handle || --fake.handles < 0)
		__builtin_trap();
	return SAMPO_OK;
}

static inline int64_t sampo_domain_create_within(uint32_t machine, uint64_t flags, uint64_t pages,
						 uint64_t weight, uint64_t memory, uint32_t *domain)
{
	int64_t status = fake_handle(domain);

	(void)machine;
	(void)flags;
	(void)pages;
	(void)weight;
	(void)memory;
	if (!status)
		fake.domains_alive++;
	return status;
}

static inline int64_t sampo_domain_ctl(uint32_t domain, uint64_t op, uint64_t value)
{
	(void)value;
	if (!domain)
		__builtin_trap();
	if (op == SAMPO_DOMAIN_DESTROY)
		fake.domains_alive--;
	fake.paused = op == SAMPO_DOMAIN_PAUSE;
	return SAMPO_OK;
}

static inline int64_t sampo_region_create(uint32_t owner, uint64_t size, uint64_t flags,
					  uint32_t *region)
{
	(void)owner;
	(void)size;
	(void)flags;
	return fake_handle(region);
}

static inline int64_t sampo_region_map(uint32_t region, uint32_t domain, uint64_t gpa,
				       uint64_t offset, uint64_t perms, uint64_t bytes)
{
	(void)region;
	(void)domain;
	(void)gpa;
	(void)offset;
	(void)perms;
	(void)bytes;
	return fake_fails();
}

static inline uint64_t sampo_gpa(const void *address)
{
	return (uint64_t)(uintptr_t)address;
}

static inline int64_t sampo_region_unmap(uint32_t domain, uint64_t gpa, uint64_t bytes)
{
	(void)domain;
	(void)gpa;
	(void)bytes;
	return SAMPO_OK;
}

static inline int64_t sampo_event_create(uint32_t domain, uint64_t kind, uint64_t a, uint64_t b,
					 uint32_t *event)
{
	(void)domain;
	(void)kind;
	(void)a;
	(void)b;
	return fake_handle(event);
}

static inline int64_t sampo_vcpu_create(uint32_t domain, uint32_t id, uint32_t event,
					uint32_t *vcpu)
{
	(void)domain;
	(void)id;
	(void)event;
	return fake_handle(vcpu);
}

static inline int64_t sampo_vcpu_page(uint32_t vcpu, uint32_t *region)
{
	(void)vcpu;
	return fake_handle(region);
}

static inline int64_t sampo_vcpu_ctl(uint32_t vcpu, uint64_t op, uint64_t value)
{
	if (!vcpu)
		__builtin_trap();
	if (op == SAMPO_VCPU_STOP) {
		fake.stops++;
		return fake.busy ? SAMPO_EBUSY : SAMPO_OK;
	}
	if (op == SAMPO_VCPU_RESET && value == SAMPO_RESET_INIT)
		fake.inits++;
	else if (op == SAMPO_VCPU_RESET)
		fake.resets++;
	return SAMPO_OK;
}

static inline int64_t sampo_doorbell(uint32_t event, uint32_t domain, uint32_t port, uint32_t bytes)
{
	(void)event;
	(void)domain;
	(void)port;
	(void)bytes;
	return fake_fails();
}

static inline int64_t sampo_object_info(uint32_t handle, uint64_t what, void *to, uint64_t bytes,
					uint64_t first, uint64_t *written)
{
	(void)first;
	(void)bytes;
	if (written)
		*written = 0;
	if (what == SAMPO_INFO_MACHINE) {
		struct sampo_machine_info *machine = to;

		machine->ram_bytes = machine->free_bytes = FAKE_RAM;
		return SAMPO_OK;
	}
	*(uint32_t *)to = what == SAMPO_INFO_VCPU ? 3 : handle; /* all are with their monitor */
	return SAMPO_OK;
}

static inline const char *sampo_strerror(int64_t status)
{
	return status ? "failed" : "success";
}
