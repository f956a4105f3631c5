/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypercalls about regions, events, doorbells, ports and devices. */

#include "arch/cpu.h"
#include "arch/platform.h"
#include "kernel/base/frame.h"
#include "kernel/base/step.h"
#include "kernel/call/hypercall.h"
#include "kernel/object/device.h"
#include "kernel/object/domain.h"
#include "kernel/object/event.h"
#include "kernel/object/irq.h"
#include "kernel/object/region.h"
#include "kernel/object/resource.h"
#include "kernel/object/up.h"
#include "kernel/vcpu/vcpu.h"

#define BLOCK_PAGES (FRAME_BLOCK / FRAME_PAGE)
#define DIRTY_WORDS (BLOCK_PAGES / 64) /* bitmap words at a time: a block */

/*
 * The blocks of a large region are got in steps. Between them the caller's vCPU keeps the region,
 * until a call for another one: an interrupt may have come between, or the monitor's hand.
 */
static int64_t make_ram(struct call *call, struct region **result)
{
	struct domain *owner = CALL_OBJECT(call, domain);
	struct region *region = call->vcpu->making;
	uint32_t shift = call->arg[2] & SAMPO_REGION_2M ? 21 : 12;
	int64_t status;

	call->vcpu->making = NULL;
	if (region && region->owner == owner && region->size == call->arg[1] &&
	    region->block_shift == shift && owner->state != SAMPO_DOM_DEAD) {
		status = region_fill(region);
		if (status == SAMPO_ENOMEM)
			object_put(&region->object);
	} else {
		if (region)
			object_put(&region->object);
		status = region_new_ram(owner, call->arg[1], shift, &region);
	}
	if (status == SAMPO_EAGAIN)
		call->vcpu->making = region;
	*result = region;
	return status;
}

int64_t call_region_create(struct call *call)
{
	struct region *region;
	int64_t status;

	if (call->object->type == SAMPO_T_MACHINE)
		status = resource_region(call->domain, call->arg[2], call->arg[3], call->arg[1],
					 call->rights, &region);
	else if (call->object->type != SAMPO_T_DOMAIN)
		return SAMPO_EHANDLE;
	else if (call->arg[2] & ~(uint64_t)SAMPO_REGION_2M)
		return SAMPO_EINVAL;
	else
		status = make_ram(call, &region);
	return status ? status : call_give(call, &region->object, SAMPO_R_ALL);
}

int64_t call_region_map(struct call *call)
{
	uint64_t offset = call->arg[3] & ~(FRAME_PAGE - 1);
	uint32_t perms = (uint32_t)(call->arg[3] & (FRAME_PAGE - 1));
	struct domain *domain;
	int64_t status;

	if ((perms & SAMPO_MAP_W) && !(call->rights & SAMPO_R_WRITE))
		return SAMPO_ERIGHT;
	domain = call_domain(call, call->arg[1], SAMPO_R_CONTROL, &status);
	return domain ? region_map(CALL_OBJECT(call, region), domain, call->arg[2], offset,
				   call->arg[4], perms)
		      : status;
}

int64_t call_region_unmap(struct call *call)
{
	return region_unmap(CALL_OBJECT(call, domain), call->arg[1], call->arg[2]);
}

/* Of at most a block. The bits are cleared only when the caller's memory is known to take them. */
static int64_t dirty_block(struct domain *domain, struct call *call, uint64_t done, uint64_t pages)
{
	uint64_t gpa = call->arg[1] + done * FRAME_PAGE, to = call->arg[3] + done / 8;
	uint64_t bitmap[DIRTY_WORDS] = {0}, bytes = (pages + 63) / 64 * 8;
	bool whole = gpa % FRAME_BLOCK == 0 && pages == BLOCK_PAGES;
	int64_t status = domain_write(call->domain, to, bitmap, bytes);

	if (status)
		return status;
	lock(&domain->lock);
	if (whole && domain_unwritten(domain, gpa)) {
		unlock(&domain->lock);
		return SAMPO_OK;
	}
	ptab_dirty(&domain->slat, gpa, pages, bitmap, true);
	unlock(&domain->lock);
	return domain_write(call->domain, to, bitmap, bytes);
}

static int64_t dirty_read(struct domain *domain, struct call *call)
{
	uint64_t pages = call->arg[2], start = cpu_rdtsc();
	int64_t status = SAMPO_OK;

	while (call->value < pages && !status) {
		uint64_t left = pages - call->value, n = left < BLOCK_PAGES ? left : BLOCK_PAGES;

		status = dirty_block(domain, call, call->value, n);
		if (!status)
			call->value += n;
		if (!status && call->value < pages && step_is_over(start))
			status = SAMPO_EAGAIN;
	}
	return status;
}

/* Of START and STOP: how far they have come, if not to the end. */
static int64_t part_done(struct domain *domain, struct call *call, int64_t status)
{
	call->value = call->arg[2];
	if (status == SAMPO_EAGAIN)
		call->value = (domain->slat.reached - call->arg[1]) / FRAME_PAGE;
	return status;
}

int64_t call_region_dirty(struct call *call)
{
	struct domain *domain = CALL_OBJECT(call, domain);
	uint64_t gpa = call->arg[1], pages = call->arg[2];
	int64_t status = SAMPO_OK;

	if (gpa % FRAME_PAGE || !pages || gpa >= ptab_limit(&domain->slat) ||
	    pages > (ptab_limit(&domain->slat) - gpa) / FRAME_PAGE)
		return SAMPO_EINVAL;
	switch (call->arg[4]) {
	case SAMPO_DIRTY_START:
		lock(&domain->lock);
		if (domain->written)
			__builtin_memset(domain->written, 0xff, FRAME_PAGE);
		status =
			part_done(domain, call, ptab_split(&domain->slat, gpa, pages * FRAME_PAGE));
		break;
	case SAMPO_DIRTY_READ:
		vcpu_each(domain, vcpu_collect);
		status = dirty_read(domain, call);
		lock(&domain->lock);
		break;
	case SAMPO_DIRTY_STOP: /* small pages stay: large ones come with the next fault */
		lock(&domain->lock);
		status =
			part_done(domain, call, ptab_unmap(&domain->slat, gpa, pages * FRAME_PAGE));
		break;
	default:
		return SAMPO_ENOSYS;
	}
	domain_slat_changed(domain);
	unlock(&domain->lock);
	return status;
}

int64_t call_event_create(struct call *call)
{
	struct event *event;
	int64_t status = event_new(CALL_OBJECT(call, domain), call->arg[1], call->arg[2],
				   call->arg[3], &event);

	return status ? status : call_give(call, &event->object, SAMPO_R_ALL);
}

int64_t call_event_raise(struct call *call)
{
	event_raise(CALL_OBJECT(call, event));
	return SAMPO_OK;
}

int64_t call_doorbell(struct call *call)
{
	int64_t status;
	struct domain *domain = call_domain(call, call->arg[1], SAMPO_R_CONTROL, &status);

	return domain ? event_doorbell(CALL_OBJECT(call, event), domain, call->arg[2], call->arg[3])
		      : status;
}

int64_t call_msi(struct call *call)
{
	if (call->arg[2] >> 32)
		return SAMPO_EINVAL;
	domain_msi(CALL_OBJECT(call, domain), call->arg[1], (uint32_t)call->arg[2]);
	return SAMPO_OK;
}

static uint32_t port_read(uint16_t port, uint64_t bytes)
{
	return bytes == 1 ? port_in8(port) : bytes == 2 ? port_in16(port) : port_in32(port);
}

static void port_write(uint16_t port, uint64_t bytes, uint32_t value)
{
	if (bytes == 1)
		port_out8(port, (uint8_t)value);
	else if (bytes == 2)
		port_out16(port, (uint16_t)value);
	else
		port_out32(port, value);
}

int64_t call_port(struct call *call)
{
	const struct region *region = CALL_OBJECT(call, region);
	uint64_t offset = call->arg[1], bytes = call->arg[2] & ~(uint64_t)SAMPO_PORT_WRITE;
	uint64_t port = region->base + offset;

	if (region->kind != REGION_PORTS || (bytes != 1 && bytes != 2 && bytes != 4) ||
	    offset >= region->size || bytes > region->size - offset)
		return SAMPO_EINVAL;
	/* Chipsets have their reset register amid PCI's address register, which knows
	 * only accesses of four bytes. */
	if (port <= PORT_RESET && port + bytes > PORT_RESET && (port != PORT_PCI || bytes != 4))
		return SAMPO_ERIGHT;
	if (!(call->arg[2] & SAMPO_PORT_WRITE))
		call->value = port_read((uint16_t)port, bytes);
	else if (call->rights & SAMPO_R_WRITE)
		port_write((uint16_t)port, bytes, (uint32_t)call->arg[3]);
	else
		return SAMPO_ERIGHT;
	return SAMPO_OK;
}

int64_t call_irq(struct call *call)
{
	struct event *event = CALL_OBJECT(call, event);
	struct object *source;
	int64_t status;

	switch (call->arg[1]) {
	case SAMPO_IRQ_BIND:
		source = call_other(call, call->arg[2], SAMPO_T_ANY, SAMPO_R_CONTROL, &status);
		return source ? irq_bind(event, source, call->arg[3], &call->value) : status;
	case SAMPO_IRQ_ACK:
		return irq_ack(event);
	case SAMPO_IRQ_UNBIND:
		return irq_unbind(event);
	default:
		return SAMPO_ENOSYS;
	}
}

int64_t call_device_create(struct call *call)
{
	struct device *device;
	int64_t status;
	struct domain *domain = call_domain(call, call->arg[2], SAMPO_R_CONTROL, &status);

	if (!domain)
		return status;
	status = device_new(call->domain, call->arg[1], domain, call->arg[3], &device);
	return status ? status : call_give(call, &device->object, SAMPO_R_ALL);
}
