/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypercalls about regions, events, doorbells and devices. */

#include "kernel/device.h"
#include "kernel/domain.h"
#include "kernel/event.h"
#include "kernel/frame.h"
#include "kernel/hypercall.h"
#include "kernel/irq.h"
#include "kernel/region.h"
#include "kernel/vcpu.h"

#define DIRTY_WORDS 64u /* bitmap words at a time */

static int64_t bar_region(struct device *device, uint64_t bar, struct region **region)
{
	const struct sampo_bar *b;
	int64_t status;

	if (bar >= 6)
		return SAMPO_EINVAL;
	b = &device->pci.info.bar[bar];
	if (!b->size || b->flags & 1)
		return SAMPO_ENODEV;
	/* A BAR smaller than a page shares its page with whatever the firmware
	 * put there: no more isolation is to be had below a page. */
	status = region_new_fixed(REGION_DEVICE, b->base & ~(FRAME_PAGE - 1),
				  (b->size + FRAME_PAGE - 1) & ~(FRAME_PAGE - 1), region);
	if (!status)
		(*region)->device = device;
	return status;
}

int64_t call_region_create(struct call *call)
{
	struct region *region;
	int64_t status;

	switch (call->object->type) {
	case SAMPO_T_DEVICE:
		status = bar_region(CALL_OBJECT(call, device), call->arg[1], &region);
		break;
	case SAMPO_T_DOMAIN:
		if (call->arg[2] & ~(uint64_t)SAMPO_REGION_2M)
			return SAMPO_EINVAL;
		status = region_new_ram(CALL_OBJECT(call, domain), call->arg[1],
					call->arg[2] & SAMPO_REGION_2M ? 21 : 12, &region);
		break;
	default:
		return SAMPO_EHANDLE;
	}
	return status ? status : call_give(call, &region->object, SAMPO_R_ALL);
}

int64_t call_region_map(struct call *call)
{
	uint64_t offset = call->arg[3] & ~(FRAME_PAGE - 1);
	uint32_t perms = (uint32_t)(call->arg[3] & (FRAME_PAGE - 1));
	struct domain *domain;
	int64_t status;

	if ((perms & SAMPO_MAP_W) && !(call->handle->rights & SAMPO_R_WRITE))
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

static int64_t dirty_read(struct domain *domain, struct call *call)
{
	uint64_t gpa = call->arg[1], pages = call->arg[2], to = call->arg[3];
	uint64_t bitmap[DIRTY_WORDS];
	int64_t status = SAMPO_OK;

	while (pages && !status) {
		uint64_t n = pages < DIRTY_WORDS * 64 ? pages : DIRTY_WORDS * 64;
		uint64_t bytes = (n + 63) / 64 * 8;

		__builtin_memset(bitmap, 0, sizeof(bitmap));
		lock(&domain->lock);
		status = ptab_dirty(&domain->slat, gpa, n, bitmap, true);
		unlock(&domain->lock);
		if (!status)
			status = domain_write(call->domain, to, bitmap, bytes);
		gpa += n * FRAME_PAGE;
		to += bytes;
		pages -= n;
	}
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
		status = ptab_split(&domain->slat, gpa, pages * FRAME_PAGE);
		break;
	case SAMPO_DIRTY_READ:
		status = dirty_read(domain, call);
		lock(&domain->lock);
		break;
	case SAMPO_DIRTY_STOP: /* small pages stay: large ones come with the next fault */
		lock(&domain->lock);
		ptab_unmap(&domain->slat, gpa, pages * FRAME_PAGE);
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
	struct domain *domain = CALL_OBJECT(call, domain);
	struct event *event = NULL;
	int64_t status;

	if (call->arg[1] > 0xffff)
		return SAMPO_EINVAL;
	if (call->arg[4] == SAMPO_DOORBELL_REMOVE)
		return doorbell_remove(domain, (uint16_t)call->arg[1]);
	if (call->arg[4] != SAMPO_DOORBELL_ADD)
		return SAMPO_ENOSYS;
	if (call->arg[2] > 4)
		return SAMPO_EINVAL;
	if (call->arg[3]) {
		event = call_event(call, call->arg[3], &status);
		if (!event)
			return status;
	}
	return doorbell_add(domain, (uint16_t)call->arg[1], (uint8_t)call->arg[2], event);
}

int64_t call_msi(struct call *call)
{
	if (call->arg[2] >> 32)
		return SAMPO_EINVAL;
	domain_msi(CALL_OBJECT(call, domain), call->arg[1], (uint32_t)call->arg[2]);
	return SAMPO_OK;
}

int64_t call_device_config(struct call *call)
{
	struct device *device = CALL_OBJECT(call, device);
	uint64_t bytes = call->arg[2] & ~(uint64_t)SAMPO_CONFIG_WRITE;
	uint32_t value = 0;
	int64_t status;

	if (call->arg[2] & SAMPO_CONFIG_WRITE)
		return device_config_write(device, call->arg[1], bytes, (uint32_t)call->arg[3]);
	status = device_config_read(device, call->arg[1], bytes, &value);
	call->value = value;
	return status;
}

int64_t call_device_irq(struct call *call)
{
	struct device *device = CALL_OBJECT(call, device);
	struct event *event;
	int64_t status;

	if (call->arg[1] > SAMPO_IRQ_INTX)
		return SAMPO_EINVAL;
	switch (call->arg[3]) {
	case SAMPO_IRQ_BIND:
		event = call_event(call, call->arg[2], &status);
		return event ? irq_bind(device, call->arg[1], event) : status;
	case SAMPO_IRQ_ACK:
		return irq_ack(device, call->arg[1]);
	case SAMPO_IRQ_UNBIND:
		return irq_unbind(device, call->arg[1]);
	default:
		return SAMPO_ENOSYS;
	}
}
