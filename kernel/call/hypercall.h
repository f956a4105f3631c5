/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "kernel/object/object.h"

struct vcpu;
struct hv_exit;
struct handle;
struct event;
struct domain;

/* A call on its way: decoded and checked by hypercall(), then carried out by
 * the function of its name. */
struct call {
	struct vcpu *vcpu;
	struct domain *domain; /* the caller's */
	struct object *object; /* what the handle in the first argument names, if one is there */
	uint32_t rights;       /* of that handle */
	uint64_t arg[5];
	uint64_t value; /* for RDX */
};

/* The object that the first argument names, as its own type. */
#define CALL_OBJECT(call, type) CONTAINER_OF((call)->object, struct type, object)

/* A second handle among the arguments. NULL: *status says why. */
struct object *call_other(struct call *call, uint64_t handle, uint32_t type, uint32_t right,
			  int64_t *status);
/* ... a domain; handle 0: the caller itself. */
struct domain *call_domain(struct call *call, uint64_t handle, uint32_t right, int64_t *status);

/* Hand out a new object as the call's value: the handle takes over the
 * reference. */
int64_t call_give(struct call *call, struct object *object, uint32_t rights);

/* An exit: carry out the hypercall in the vCPU's registers; most with the manage lock. */
void hypercall(struct vcpu *vcpu, struct hv_exit *exit);
