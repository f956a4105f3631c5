/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/cpu/startup.h"

#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vcpu.h"
#include "guests/lib/sampo.h"

#define MODE_INIT 5u /* delivery mode, SDM 3A 11.6.1; the other one is start-up */

static struct startup_state *state_of(const struct vcpu *v)
{
	return &v->vm->state->startup[v->index];
}

void startup_reset(struct vm *vm)
{
	for (unsigned i = 0; i < VM_MAX_VCPUS; i++)
		vm->state->startup[i].phase = i ? STARTUP_WAITS : STARTUP_RUNS;
}

/* Events that came while it waited, an NMI say, are forgotten. */
static void start(struct vcpu *v, uint8_t vector)
{
	struct sampo_exit *exit = v->exit;

	sampo_vcpu_ctl(v->handle, SAMPO_VCPU_RESET, SAMPO_RESET_INIT);
	exit->seg[SAMPO_CS].selector = (uint16_t)(vector << 8);
	exit->seg[SAMPO_CS].base = (uint64_t)vector << 12;
	exit->rip = 0;
	exit->dirty = SAMPO_DIRTY_RIP | SAMPO_DIRTY_SYSTEM;
	state_of(v)->phase = STARTUP_RUNS;
	vcpu_release(v);
}

/* It is reset at once, so that it is no destination of lowest priority any more. */
void startup_held(struct vcpu *v)
{
	struct startup_state *s = state_of(v);
	bool sipi = s->phase == STARTUP_SIPI;

	if (s->phase != STARTUP_INIT && !sipi)
		return;
	sampo_vcpu_ctl(v->handle, SAMPO_VCPU_RESET, SAMPO_RESET_INIT);
	s->phase = STARTUP_WAITS;
	if (sipi)
		start(v, s->vector);
}

/* The boot CPU would begin with firmware, at the reset vector. One that is
 * held waits already, or the guest is at its end. */
static void init(struct vcpu *v)
{
	if (!v->index)
		vm_request(v->vm, VM_REQ_RESET, "INIT sent to the boot CPU");
	if (!v->index || v->held)
		return;
	state_of(v)->phase = STARTUP_INIT;
	if (vcpu_stop(v))
		startup_held(v);
}

static void sipi(struct vcpu *v, uint8_t vector)
{
	struct startup_state *s = state_of(v);

	s->vector = vector;
	if (s->phase == STARTUP_INIT)
		s->phase = STARTUP_SIPI;
	else if (s->phase == STARTUP_WAITS)
		start(v, vector);
}

void startup_sent(struct vcpu *from)
{
	struct vm *vm = from->vm;
	uint64_t set = from->exit->gpa, message = from->exit->qualification;

	for (unsigned i = 0; i < vm->config->vcpus; i++) {
		if (!(set >> config_apic_id(vm->config, i) & 1))
			continue;
		if (message >> 8 == MODE_INIT)
			init(vm_vcpu(vm, i));
		else
			sipi(vm_vcpu(vm, i), (uint8_t)message);
	}
}
