/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU has a home, the CPU whose run queue it is in; code on other CPUs does not touch it but
 * posts requests, which the home's main loop carries out.
 */
#pragma once

#include "kernel/cpu/smp.h"

struct vcpu;

/* The requests that a vCPU's home serves. */
#define REQUEST_WAKE   0x01u /* something has arrived: a posted vector, an event */
#define REQUEST_RETURN 0x02u /* its monitor has given it back */
#define REQUEST_NMI    0x04u
#define REQUEST_KICK   0x08u
#define REQUEST_CALL   0x10u  /* request_call */
#define REQUEST_ARRIVE 0x20u  /* it has just moved here */
#define REQUEST_FAVOUR 0x40u  /* somebody elsewhere waits for it to run */
#define REQUEST_PIN    0x80u  /* its affinity has changed: it may have to leave */
#define REQUEST_LINT0  0x100u /* the PIC's INTR line has gone up */
#define REQUEST_INTACK 0x200u /* a message asks for a vector of the PIC */
#define REQUEST_INBOX  0x400u /* of request.c: it is in an inbox */
#define REQUEST_HELD   0x800u /* of request.c: the home looks by itself */

/* Of any vCPU, from any CPU; may be this one. Does not wait. */
void request_post(struct vcpu *vcpu, uint32_t requests);
/* From its home: another CPU is its home from now on, which is told so by
 * REQUEST_ARRIVE. Nothing of the vCPU is in this CPU any more. */
void request_move(struct vcpu *vcpu, struct cpu *to);
/* The main loop: carries out the requests in this CPU's inbox. */
void request_serve(struct cpu *cpu);
/* Before a vCPU runs that has waited: carries out the requests that were posted to it meanwhile.
 * Returns false if there are none. */
bool request_take(struct vcpu *vcpu);
/* vcpu.held fires this. */
void request_held_enough(struct timer *timer, uint64_t now);
/* A vCPU of this CPU is about to be freed; nobody posts to it any more. */
void request_forget(const struct vcpu *vcpu);

/*
 * Runs function(vcpu, arg) on each vCPU's home (NULL: there is none) and waits until all are done:
 * the homes work at the same time, so the wait is no longer for many vCPUs than for one. The
 * caller holds the manage lock and no other.
 */
void request_call_each(struct vcpu *const *vcpu, unsigned count,
		       void (*function)(struct vcpu *vcpu, void *arg), void *arg);
static inline void request_call(struct vcpu *vcpu, void (*function)(struct vcpu *vcpu, void *arg),
				void *arg)
{
	request_call_each(&vcpu, 1, function, arg);
}
