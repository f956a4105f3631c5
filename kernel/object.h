/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "kernel/types.h"

/*
 * The head of everything that a handle can name. References are held by
 * handles and by objects that point to it; the last one to go frees it.
 */
struct object {
	uint32_t type; /* SAMPO_T_* */
	uint32_t refs;
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

/* The last reference has gone. */
void object_free(struct object *object);

static inline void object_put(struct object *object)
{
	if (--object->refs == 0)
		object_free(object);
}
