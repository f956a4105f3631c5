/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object/object.h"

#include "kernel/abi.h"
#include "kernel/base/panic.h"
#include "kernel/base/step.h"
#include "kernel/object/device.h"
#include "kernel/object/domain.h"
#include "kernel/object/event.h"
#include "kernel/object/region.h"
#include "kernel/object/up.h"

/*
 * Each takes off so much as a few microseconds suffice for, and returns true if there is more. An
 * object without references is freed with its last part.
 */
static bool (*const take_apart[])(struct object *object) = {
	[SAMPO_T_DOMAIN] = domain_take_apart, [SAMPO_T_VCPU] = vcpu_take_apart,
	[SAMPO_T_REGION] = region_take_apart, [SAMPO_T_EVENT] = event_take_apart,
	[SAMPO_T_DEVICE] = device_take_apart,
};

static struct object *queue; /* the last to come is the first to go: a chain takes no room */

void object_queue(struct object *object)
{
	ASSERT(object->type != SAMPO_T_MACHINE);
	if (object->queued)
		return;
	object->queued = true;
	object->next = queue;
	__atomic_store_n(&queue, object, __ATOMIC_RELAXED);
}

bool object_waiting(void)
{
	return __atomic_load_n(&queue, __ATOMIC_RELAXED);
}

bool object_reap(void)
{
	uint64_t start = queue ? cpu_rdtsc() : 0;

	while (queue) {
		struct object *object = queue;

		__atomic_store_n(&queue, object->next, __ATOMIC_RELAXED);
		object->queued = false;
		if (take_apart[object->type](object))
			object_queue(object);
		if (step_is_over(start))
			break;
	}
	return queue;
}
