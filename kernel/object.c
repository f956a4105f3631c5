/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object.h"

#include "kernel/abi.h"
#include "kernel/domain.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "kernel/region.h"
#include "kernel/vcpu.h"

#define CONTAINER(pointer, type) CONTAINER_OF(pointer, type, object)

void object_free(struct object *object)
{
	switch (object->type) {
	case SAMPO_T_DOMAIN:
		domain_free(CONTAINER(object, struct domain));
		return;
	case SAMPO_T_VCPU:
		vcpu_free(CONTAINER(object, struct vcpu));
		return;
	case SAMPO_T_REGION:
		region_free(CONTAINER(object, struct region));
		return;
	case SAMPO_T_EVENT:
		event_free(CONTAINER(object, struct event));
		return;
	case SAMPO_T_DEVICE: /* refs 0: its place is free */
		return;
	default:
		panic("the last reference to an object of type %u went", object->type);
	}
}
