/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's calls as C functions, for dom0 and for guests of ours. Each
 * returns the status; a call's value goes where the last argument points.
 */
#pragma once

/* Tests put other calls in the place of these. */
#ifndef SAMPO_CALLS_REPLACED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/abi.h"

/* CPUID leaves: signature "SampoSampo\0\0", then EAX = ABI version and
 * EBX = 0: calls by VMMCALL, 1: by VMCALL. */
#define SAMPO_CPUID_SIGNATURE 0x40000100u
#define SAMPO_CPUID_ABI       0x40000101u

/* Set before main(): are we a guest of Sampo, and which instruction it is. */
extern bool sampo_present;
extern bool sampo_by_vmcall;

/* The structure that EBX pointed to at the entry: struct sampo_boot in a domain that the
 * kernel started itself (dom0), else PVH's hvm_start_info. */
extern const void *guest_boot_info;
/* guest_boot_info if it is dom0's, else NULL. */
extern const struct sampo_boot *sampo_boot_info;

/* The CPU's instruction for a call, in assembly of one's own; changes the flags. */
#define SAMPO_CALL_INSN \
	"cmpb $0, sampo_by_vmcall\n\tje 77f\n\tvmcall\n\tjmp 78f\n77:\tvmmcall\n78:\n\t"

static inline int64_t sampo_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
				 uint64_t e, uint64_t *value)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	int64_t status;
	uint64_t rdx = c;

	if (__builtin_expect(!sampo_by_vmcall, 1))
		__asm__ volatile("vmmcall"
				 : "=a"(status), "+d"(rdx)
				 : "0"(SAMPO_CALL_BASE + number), "D"(a), "S"(b), "r"(r10), "r"(r8)
				 : "memory");
	else
		__asm__ volatile("vmcall"
				 : "=a"(status), "+d"(rdx)
				 : "0"(SAMPO_CALL_BASE + number), "D"(a), "S"(b), "r"(r10), "r"(r8)
				 : "memory");
	if (value)
		*value = rdx;
	return status;
}

/* dom0 and our guests map their memory to itself. */
static inline uint64_t sampo_gpa(const void *address)
{
	return (uint64_t)(uintptr_t)address;
}

static inline int64_t sampo_handle_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c,
					uint64_t d, uint64_t e, uint32_t *handle)
{
	uint64_t value = 0;
	int64_t status = sampo_call(number, a, b, c, d, e, &value);

	*handle = status ? 0 : (uint32_t)value;
	return status;
}

static inline int64_t sampo_version(uint64_t *version)
{
	return sampo_call(SAMPO_CALL_version, 0, 0, 0, 0, 0, version);
}

static inline int64_t sampo_wait(uint64_t deadline, uint32_t reply)
{
	return sampo_call(SAMPO_CALL_wait, deadline, reply, 0, 0, 0, NULL);
}

/* SAMPO_LOG_WRITE, SAMPO_LOG_CONSOLE, SAMPO_LOG_RING; the parts of it that the kernel does at a
 * time. */
static inline int64_t sampo_log(uint32_t machine, uint64_t op, const void *text, uint64_t bytes)
{
	uint64_t at = sampo_gpa(text), done = 0;
	int64_t status;

	do {
		status = sampo_call(SAMPO_CALL_log, machine, op, at, bytes, 0, &done);
		at += done;
		bytes -= done;
	} while (status == SAMPO_EAGAIN);
	return status;
}

static inline int64_t sampo_log_taken(uint32_t machine, uint64_t position)
{
	return sampo_call(SAMPO_CALL_log, machine, SAMPO_LOG_TAKEN, position, 0, 0, NULL);
}

static inline int64_t sampo_machine(uint32_t machine, uint64_t op)
{
	return sampo_call(SAMPO_CALL_machine, machine, op, 0, 0, 0, NULL);
}

static inline int64_t sampo_handle_close(uint32_t handle)
{
	return sampo_call(SAMPO_CALL_handle_close, handle, 0, 0, 0, 0, NULL);
}

static inline int64_t sampo_handle_copy(uint32_t handle, uint32_t domain, uint32_t rights,
					uint32_t *copy)
{
	return sampo_handle_call(SAMPO_CALL_handle_copy, handle, domain, rights, 0, 0, copy);
}

/* BUS zeroes memory by steps. */
static inline int64_t sampo_object_info(uint32_t handle, uint64_t what, void *buffer,
					uint64_t bytes, uint64_t first, uint64_t *written)
{
	uint64_t done;
	int64_t status;

	do
		status = sampo_call(SAMPO_CALL_object_info, handle, what, sampo_gpa(buffer), bytes,
				    first, &done);
	while (status == SAMPO_EAGAIN);
	if (written)
		*written = done;
	return status;
}

/* With so many bytes of memory at the most. */
static inline int64_t sampo_domain_create_within(uint32_t machine, uint64_t flags,
						 uint64_t kernel_pages, uint64_t weight,
						 uint64_t memory, uint32_t *domain)
{
	return sampo_handle_call(SAMPO_CALL_domain_create, machine, flags, kernel_pages, weight,
				 memory, domain);
}

/* With as much memory as there is. */
static inline int64_t sampo_domain_create(uint32_t machine, uint64_t flags, uint64_t kernel_pages,
					  uint64_t weight, uint32_t *domain)
{
	return sampo_domain_create_within(machine, flags, kernel_pages, weight, ~0ull, domain);
}

static inline int64_t sampo_domain_ctl(uint32_t domain, uint64_t op, uint64_t value)
{
	return sampo_call(SAMPO_CALL_domain_ctl, domain, op, value, 0, 0, NULL);
}

static inline int64_t sampo_vcpu_create(uint32_t domain, uint32_t apic_id, uint32_t event,
					uint32_t *vcpu)
{
	return sampo_handle_call(SAMPO_CALL_vcpu_create, domain, apic_id, event, 0, 0, vcpu);
}

static inline int64_t sampo_vcpu_ctl(uint32_t vcpu, uint64_t op, uint64_t value)
{
	return sampo_call(SAMPO_CALL_vcpu_ctl, vcpu, op, value, 0, 0, NULL);
}

/* The region of the vCPU's exit page. */
static inline int64_t sampo_vcpu_page(uint32_t vcpu, uint32_t *region)
{
	return sampo_handle_call(SAMPO_CALL_vcpu_ctl, vcpu, SAMPO_VCPU_PAGE, 0, 0, 0, region);
}

static inline int64_t sampo_vcpu_lapic(uint32_t vcpu, uint32_t offset, bool write, uint32_t value,
				       uint64_t *read)
{
	return sampo_call(SAMPO_CALL_vcpu_lapic, vcpu, offset, write, value, 0, read);
}

/* Memory charged to a domain. */
static inline int64_t sampo_region_create(uint32_t owner, uint64_t bytes, uint64_t flags,
					  uint32_t *region)
{
	return sampo_handle_call(SAMPO_CALL_region_create, owner, bytes, flags, 0, 0, region);
}

static inline int64_t sampo_region_map(uint32_t region, uint32_t domain, uint64_t gpa,
				       uint64_t offset, uint64_t perms, uint64_t bytes)
{
	return sampo_call(SAMPO_CALL_region_map, region, domain, gpa, offset | perms, bytes, NULL);
}

static inline int64_t sampo_region_unmap(uint32_t domain, uint64_t gpa, uint64_t bytes)
{
	return sampo_call(SAMPO_CALL_region_unmap, domain, gpa, bytes, 0, 0, NULL);
}

/* The parts of it, one after the other. */
static inline int64_t sampo_region_dirty(uint32_t domain, uint64_t gpa, uint64_t pages,
					 void *bitmap, uint64_t op)
{
	uint64_t to = sampo_gpa(bitmap), done = 0;
	int64_t status;

	do {
		status = sampo_call(SAMPO_CALL_region_dirty, domain, gpa, pages, to, op, &done);
		gpa += done << 12;
		to += done / 8;
		pages -= done;
	} while (status == SAMPO_EAGAIN);
	return status;
}

static inline int64_t sampo_event_create(uint32_t domain, uint64_t kind, uint64_t a, uint64_t b,
					 uint32_t *event)
{
	return sampo_handle_call(SAMPO_CALL_event_create, domain, kind, a, b, 0, event);
}

static inline int64_t sampo_event_raise(uint32_t event)
{
	return sampo_call(SAMPO_CALL_event_raise, event, 0, 0, 0, 0, NULL);
}

/* Of an event that has none; ends when the event does. */
static inline int64_t sampo_doorbell(uint32_t event, uint32_t domain, uint32_t port, uint32_t bytes)
{
	return sampo_call(SAMPO_CALL_doorbell, event, domain, port, bytes, 0, NULL);
}

static inline int64_t sampo_msi(uint32_t domain, uint64_t address, uint32_t data)
{
	return sampo_call(SAMPO_CALL_msi, domain, address, data, 0, 0, NULL);
}

/* Of the machine: SAMPO_REGION_PHYSICAL, SAMPO_REGION_PORTS. */
static inline int64_t sampo_region_of_machine(uint32_t machine, uint64_t flags, uint64_t base,
					      uint64_t size, uint32_t *region)
{
	return sampo_handle_call(SAMPO_CALL_region_create, machine, size, flags, base, 0, region);
}

static inline int64_t sampo_port(uint32_t region, uint64_t offset, uint64_t bytes, uint32_t value,
				 uint64_t *read)
{
	return sampo_call(SAMPO_CALL_port, region, offset, bytes, value, 0, read);
}

/* SAMPO_IRQ_BIND: source is a device, or the machine for a pin. */
static inline int64_t sampo_irq(uint32_t event, uint64_t op, uint32_t source, uint64_t pin,
				uint64_t *message)
{
	return sampo_call(SAMPO_CALL_irq, event, op, source, pin, 0, message);
}

/* name: up to 8 characters for the log. */
static inline int64_t sampo_device_create(uint32_t machine, uint64_t requester, uint32_t domain,
					  uint64_t name, uint32_t *device)
{
	return sampo_handle_call(SAMPO_CALL_device_create, machine, requester, domain, name, 0,
				 device);
}

/* The status in words. */
const char *sampo_strerror(int64_t status);

#endif
