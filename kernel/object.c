/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object.h"

#include "kernel/abi.h"
#include "kernel/domain.h"
#include "kernel/event.h"
#include "kernel/panic.h"
#include "kernel/region.h"
#include "kernel/vcpu.h"

/* A device is none of them: without references its place is free. */
static void (*const free[])(struct object *object) = {
	[SAMPO_T_DOMAIN] = domain_free,
	[SAMPO_T_VCPU] = vcpu_free,
	[SAMPO_T_REGION] = region_free,
	[SAMPO_T_EVENT] = event_free,
};

void object_free(struct object *object)
{
	ASSERT(object->type != SAMPO_T_MACHINE);
	if (object->type < COUNT_OF(free))
		free[object->type](object);
}
