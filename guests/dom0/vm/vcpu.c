/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/vm/vcpu.h"

#include "guests/dom0/vm/life.h"
#include "guests/lib/sampo.h"

struct vcpu *vm_vcpu(struct vm *vm, unsigned index)
{
	return &vm->life->vcpu[index];
}

void vcpu_release(struct vcpu *v)
{
	v->held = false;
	/* So that a second event for this exit finds nothing to do. */
	v->exit->reason = SAMPO_EXIT_NONE;
	loop_reply(v->handle);
}

/* Or its answer waits for the end of the loop's turn: then that is withdrawn. */
bool vcpu_stop(struct vcpu *v)
{
	if (sampo_vcpu_ctl(v->handle, SAMPO_VCPU_STOP, 0) == SAMPO_EBUSY) {
		if (v->exit->reason != SAMPO_EXIT_NONE)
			return false;
		loop_forget(v->handle);
	}
	v->held = true;
	return true;
}
