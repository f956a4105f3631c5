/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "kernel/base/types.h"

/*
 * The head of everything that a handle can name. References are held by
 * handles and by objects that point to it; the last one to go frees it. A count of 64 bits does
 * not wrap: no machine takes 2^64 references.
 *
 * Taking an object apart drops references to others, which may be the last ones in turn, along
 * chains of any length. So no object is taken apart where its last reference goes: it enters a
 * list, and object_reap takes a part off the first one there at a time. The call that brought
 * objects onto the list goes on with this, its CPU open for interrupts in between, before its
 * guest executes the next instruction. If that guest ends meanwhile, the next managed call of
 * any guest does the rest, or a CPU that has nothing else to do.
 */
struct object {
	uint32_t type; /* SAMPO_T_* */
	bool queued;   /* it is on the list */
	uint64_t refs;
	struct object *next; /* on the list */
};

static inline void object_init(struct object *object, uint32_t type)
{
	object->type = type;
	object->refs = 1;
}

static inline void object_get(struct object *object)
{
	object->refs++;
}

/* Something is to be taken off the object: all of it, if there are no references. Manage lock. */
void object_queue(struct object *object);

static inline void object_put(struct object *object)
{
	object->refs--;
	if (!object->refs)
		object_queue(object);
}

/* Works on the list for about STEP_NS. Manage lock and no other. Returns true if there is more. */
bool object_reap(void);
/* Is there anything on the list? Any CPU, without a lock. */
bool object_waiting(void);
