/* SPDX-License-Identifier: BSD-2-Clause */
/* From registers to a call with its handle and rights checked, and back. */
#include "kernel/call/hypercall.h"

#include "arch/hv.h"
#include "kernel/abi.h"
#include "kernel/vcpu/paravirt.h"
#include "kernel/vcpu/vcpu.h"

#define KVM_ENOSYS 1000ull /* what KVM answers to numbers that it does not know */

#define DECLARE(nr, name, type, right, args) int64_t call_##name(struct call *call);
SAMPO_HYPERCALLS(DECLARE)
#undef DECLARE

/* These change nothing but a vCPU, an event page, the log or a port, in ways that
 * need no lock; what they find in tables stays while this CPU is in the kernel. */
#define UNMANAGED                                                                  \
	(1u << SAMPO_CALL_version | 1u << SAMPO_CALL_wait | 1u << SAMPO_CALL_log | \
	 1u << SAMPO_CALL_event_raise | 1u << SAMPO_CALL_msi | 1u << SAMPO_CALL_port)

static const struct entry {
	int64_t (*function)(struct call *call);
	uint8_t type, right;
	bool managed;
} table[SAMPO_CALL_COUNT] = {
#define ENTRY(nr, name, type, right, args) \
	[nr] = {call_##name, type, right, !(UNMANAGED >> nr & 1)},
	SAMPO_HYPERCALLS(ENTRY)
#undef ENTRY
};

struct object *call_other(struct call *call, uint64_t handle, uint32_t type, uint32_t right,
			  int64_t *status)
{
	return handle_find(call->domain, handle, type, &right, status);
}

int64_t call_give(struct call *call, struct object *object, uint32_t rights)
{
	int64_t handle = handle_add(call->domain, object, rights);

	object_put(object);
	if (handle < 0)
		return handle;
	call->value = (uint64_t)handle;
	return SAMPO_OK;
}

/* On the object that the call's first argument names. */
static int64_t invoke_on(struct call *call, const struct entry *entry)
{
	int64_t status;

	call->rights = entry->right;
	call->object = handle_find(call->domain, call->arg[0], entry->type, &call->rights, &status);
	if (!call->object)
		return status;
	if (!entry->managed)
		return entry->function(call);
	/* The call may drop the handle, and the object with it. */
	object_get(call->object);
	status = entry->function(call);
	object_put(call->object);
	return status;
}

static void finish(struct vcpu *vcpu, const struct hv_exit *x, int64_t status, uint64_t value)
{
	vcpu->gpr[SAMPO_RAX] = (uint64_t)status;
	vcpu->gpr[SAMPO_RDX] = value;
	hv->advance(vcpu, x->next_rip);
}

/* Outside our range it may be KVM's, whose guests probe. */
static void other_call(struct vcpu *vcpu, const struct hv_exit *x, uint64_t number)
{
	hv->advance(vcpu, x->next_rip);
	if (!paravirt_call(vcpu))
		vcpu->gpr[SAMPO_RAX] = number < 256 ? (uint64_t)SAMPO_ENOSYS : 0 - KVM_ENOSYS;
}

/* False: nothing is to be called. */
static bool begin_managed(struct vcpu *vcpu, const struct hv_exit *x)
{
	/* A vCPU whose domain has no handles gets an error, and waits for nobody. */
	if (!READ_ONCE(vcpu->domain->handles.used)) {
		finish(vcpu, x, SAMPO_EHANDLE, 0);
		return false;
	}
	if (!manage_try())
		return false; /* the instruction comes again, after what others want here */
	object_get(&vcpu->object);
	return true;
}

/*
 * A call that has done a step of its work, and has nothing to report of it, returns SAMPO_EAGAIN
 * with value 0: the instruction is executed again, once interrupts and other guests have had their
 * turn, and the call finds the work done so far where it was put. SAMPO_EAGAIN with a value is
 * for the caller.
 */
static inline __attribute__((always_inline)) void
carry_out(struct vcpu *vcpu, const struct hv_exit *x, const struct entry *entry)
{
	const uint64_t *gpr = vcpu->gpr;
	struct call call;
	int64_t status;

	/* One by one: the compiler would clear the whole first. */
	call.vcpu = vcpu;
	call.domain = vcpu->domain;
	call.arg[0] = gpr[SAMPO_RDI];
	call.arg[1] = gpr[SAMPO_RSI];
	call.arg[2] = gpr[SAMPO_RDX];
	call.arg[3] = gpr[SAMPO_R10];
	call.arg[4] = gpr[SAMPO_R8];
	call.value = 0;
	status = entry->type == SAMPO_T_NONE ? entry->function(&call) : invoke_on(&call, entry);
	if (status != SAMPO_EAGAIN || call.value)
		finish(vcpu, x, status, call.value);
}

static __attribute__((noinline)) void managed(struct vcpu *vcpu, const struct hv_exit *x,
					      const struct entry *entry)
{
	if (!begin_managed(vcpu, x))
		return;
	carry_out(vcpu, x, entry);
	/* Objects that the call has left without references are taken apart before the guest goes
	 * on. */
	object_put(&vcpu->object);
	/* If that is the end of the vCPU itself, it is no longer the current one. */
	if (object_reap() && this_cpu()->current == vcpu)
		vcpu->pending |= VCPU_PEND_REAP;
	manage_unlock();
}

void hypercall(struct vcpu *vcpu, struct hv_exit *x)
{
	uint64_t number = vcpu->gpr[SAMPO_RAX] - SAMPO_CALL_BASE;

	if (x->cpl)
		vcpu_inject(vcpu, VCPU_UD, 0);
	else if (number >= SAMPO_CALL_COUNT)
		other_call(vcpu, x, number);
	else if (table[number].managed)
		managed(vcpu, x, &table[number]);
	else
		carry_out(vcpu, x, &table[number]);
}
