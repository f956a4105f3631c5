/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypercalls about time, the machine, handles, domains and vCPUs. */

#include "arch/cpu.h"
#include "arch/platform.h"
#include "arch/tsc.h"
#include "kernel/base/log.h"
#include "kernel/base/step.h"
#include "kernel/call/hypercall.h"
#include "kernel/console/console.h"
#include "kernel/object/event.h"
#include "kernel/object/region.h"
#include "kernel/vcpu/migrate.h"
#include "kernel/vcpu/vcpu.h"

#define CHUNK                                                                              \
	(UART_FIFO / 2) /* bytes to the log at a time: as many as fit with their line ends \
			 */

struct domain *call_domain(struct call *call, uint64_t handle, uint32_t right, int64_t *status)
{
	struct object *object;

	if (!handle)
		return call->domain;
	object = call_other(call, handle, SAMPO_T_DOMAIN, right, status);
	return object ? CONTAINER_OF(object, struct domain, object) : NULL;
}

int64_t call_version(struct call *call)
{
	call->value = SAMPO_ABI_VERSION;
	return SAMPO_OK;
}

/* Nothing to wait for: an event is pending, or the deadline has come. Else the
 * timer is set. */
static bool wait_is_over(struct vcpu *vcpu, uint64_t deadline)
{
	struct timer_queue *timers = &vcpu->cpu->timers;

	if (READ_ONCE(vcpu->domain->event_page->summary) || !deadline)
		return true;
	if (deadline == ~0ull) {
		timer_cancel(timers, &vcpu->timer);
		return false;
	}
	if (vcpu->timer.queued && vcpu->timer.deadline == deadline)
		return false;
	if (deadline <= cpu_rdtsc())
		return true;
	timer_set(timers, &vcpu->timer, deadline);
	return false;
}

/* *reply: the vCPU to run next on this CPU. */
static int64_t find_reply(struct call *call, struct vcpu **reply)
{
	int64_t status;
	struct object *object =
		call_other(call, call->arg[1], SAMPO_T_VCPU, SAMPO_R_CONTROL, &status);
	struct vcpu *vcpu;

	if (!object)
		return status;
	vcpu = CONTAINER_OF(object, struct vcpu, object);
	if (!vcpu_is_here(vcpu))
		return vcpu_resume(vcpu);
	status = vcpu_take_back(vcpu);
	if (status)
		return status;
	vcpu_take_in(vcpu);
	*reply = vcpu;
	return SAMPO_OK;
}

/*
 * dom0's main loop in one call: it gives back the vCPU whose exit it has answered, and sleeps until
 * an event or a deadline. Where the answered vCPU is here and the turn is its own, the turn goes
 * straight back to it, without a choice by the scheduler: so the usual exit to dom0 costs two
 * entries and no more.
 */
int64_t call_wait(struct call *call)
{
	struct vcpu *vcpu = call->vcpu, *reply = NULL;
	bool sleeps;
	int64_t status;

	if (!call->domain->event_page)
		return SAMPO_EINVAL;
	if (call->arg[1]) {
		status = find_reply(call, &reply);
		if (status)
			return status;
	}
	sleeps = !wait_is_over(vcpu, call->arg[0]);
	if (sleeps)
		vcpu->state = VCPU_HALTED;
	/* On a turn of the caller's own the vCPU would go on at the caller's expense. */
	if (reply && sleeps && vcpu->cpu->rq.owner == &reply->entity && vcpu_handoff(vcpu, reply))
		return SAMPO_OK;
	if (reply)
		vcpu_go_on(reply);
	if (sleeps)
		vcpu_requeue(vcpu);
	return SAMPO_OK;
}

int64_t call_log(struct call *call)
{
	uint64_t op = call->arg[1], bytes = call->arg[3], start = cpu_rdtsc();
	static void (*const write[])(const char *text, size_t length) = {
		[SAMPO_LOG_WRITE] = log_bytes,
		[SAMPO_LOG_CONSOLE] = console_bytes,
		[SAMPO_LOG_RING] = ring_bytes,
	};
	int64_t status;
	char chunk[CHUNK];

	if (op > SAMPO_LOG_TAKEN)
		return SAMPO_ENOSYS;
	if (op == SAMPO_LOG_WRITE || op == SAMPO_LOG_TAKEN)
		WRITE_ONCE(log_left, op == SAMPO_LOG_TAKEN);
	if (op == SAMPO_LOG_TAKEN)
		return console_taken(call->arg[2]) ? SAMPO_OK : SAMPO_EINVAL;
	if (bytes > 65536)
		return SAMPO_EINVAL;
	while (call->value < bytes) {
		size_t n = bytes - call->value < CHUNK ? bytes - call->value : CHUNK;

		if (step_is_over(start) || (op != SAMPO_LOG_RING && !console_ready()))
			return SAMPO_EAGAIN;
		status = domain_read(call->domain, call->arg[2] + call->value, chunk, n);
		if (status)
			return status;
		write[op](chunk, n);
		call->value += n;
	}
	return SAMPO_OK;
}

int64_t call_machine(struct call *call)
{
	uint64_t op = call->arg[1];

	if (op > SAMPO_MACHINE_ACPI)
		return SAMPO_ENOSYS;
	if (!(call->rights & SAMPO_R_POWER))
		return SAMPO_ERIGHT;
	if (op != SAMPO_MACHINE_ACPI) {
		WRITE_ONCE(log_left, false);
		log_print("kernel: %s\n", op == SAMPO_MACHINE_RESET ? "reset" : "power off");
		uart_drain(&console_uart);
	}
	if (op == SAMPO_MACHINE_RESET)
		platform_reset();
	platform_acpi_mode();
	return SAMPO_OK;
}

int64_t call_handle_close(struct call *call)
{
	handle_remove(call->domain, call->arg[0]);
	return SAMPO_OK;
}

int64_t call_handle_copy(struct call *call)
{
	uint32_t rights = (uint32_t)call->arg[2];
	int64_t status;
	struct domain *to = call_domain(call, call->arg[1], SAMPO_R_CREATE, &status);

	if (!to)
		return status;
	if (to->state == SAMPO_DOM_DEAD)
		return SAMPO_EDEAD;
	if (rights & ~call->rights)
		return SAMPO_ERIGHT;
	status = handle_add(to, call->object, rights);
	if (status < 0)
		return status;
	call->value = (uint64_t)status;
	return SAMPO_OK;
}

int64_t call_domain_create(struct call *call)
{
	struct domain *domain;
	int64_t status = domain_new(call->domain, call->arg[1], call->arg[2], call->arg[3],
				    call->arg[4], &domain);

	return status ? status : call_give(call, &domain->object, SAMPO_R_ALL);
}

/* Periods as libvirt has them: 1 ms to 1 s. */
static int64_t set_cap(struct domain *domain, uint64_t quota_us, uint64_t period_us)
{
	if ((quota_us || period_us) && (period_us < 1000 || period_us > 1000000 || quota_us < 1000))
		return SAMPO_EINVAL;
	domain->quota = quota_us < period_us ? tsc_from_ns(quota_us * 1000) : 0;
	domain->period = tsc_from_ns(period_us * 1000);
	return SAMPO_OK;
}

int64_t call_domain_ctl(struct call *call)
{
	struct domain *domain = CALL_OBJECT(call, domain);
	int64_t status = SAMPO_OK;

	if (domain->state == SAMPO_DOM_DEAD)
		return SAMPO_EDEAD;
	switch (call->arg[1]) {
	case SAMPO_DOMAIN_DESTROY:
		domain_destroy(domain);
		return SAMPO_OK;
	case SAMPO_DOMAIN_PAUSE:
		domain->state = SAMPO_DOM_PAUSED;
		break;
	case SAMPO_DOMAIN_UNPAUSE:
		domain->state = SAMPO_DOM_RUNNING;
		break;
	case SAMPO_DOMAIN_WEIGHT:
		if (!call->arg[2] || call->arg[2] > 65535)
			return SAMPO_EINVAL;
		domain->weight = (uint32_t)call->arg[2];
		break;
	case SAMPO_DOMAIN_TSC:
		return domain_set_tsc(domain, call->arg[2]);
	case SAMPO_DOMAIN_CAP:
		status = set_cap(domain, (uint32_t)call->arg[2], call->arg[2] >> 32);
		break;
	default:
		return SAMPO_ENOSYS;
	}
	vcpu_each(domain, vcpu_review);
	return status;
}

int64_t call_vcpu_create(struct call *call)
{
	struct vcpu *vcpu;
	int64_t status;
	struct object *event =
		call_other(call, call->arg[2], SAMPO_T_EVENT, SAMPO_R_RAISE, &status);

	if (!event)
		return status;
	status = vcpu_new(CALL_OBJECT(call, domain), call->arg[1],
			  CONTAINER_OF(event, struct event, object), &vcpu);
	return status ? status : call_give(call, &vcpu->object, SAMPO_R_ALL);
}

static void fetch(struct vcpu *vcpu, void *)
{
	vcpu_fill_system(vcpu);
}

static void stop(struct vcpu *vcpu, void *arg)
{
	bool *with_monitor = arg;

	*with_monitor = vcpu->state == VCPU_MONITOR || vcpu->state == VCPU_RETURNED;
	if (!*with_monitor)
		vcpu_to_monitor(vcpu, SAMPO_EXIT_STOPPED);
}

static int64_t set_affinity(struct call *call, struct vcpu *vcpu)
{
	uint64_t cpus[SCHED_WORDS], online = 0;
	int64_t status = domain_read(call->domain, call->arg[2], cpus, sizeof(cpus));

	for (uint32_t i = 0; i < cpu_count; i++)
		online |= cpus[i / 64] >> i % 64 & 1;
	if (!status && !online)
		status = SAMPO_EINVAL;
	if (status)
		return status;
	if (vcpu != call->vcpu) {
		request_call(vcpu, move_pin, cpus);
		return SAMPO_OK;
	}
	/* It leaves when the call is over, before its next instruction. */
	__builtin_memcpy(vcpu->entity.affinity, cpus, sizeof(cpus));
	request_post(vcpu, REQUEST_PIN);
	return SAMPO_OK;
}

int64_t call_vcpu_ctl(struct call *call)
{
	struct vcpu *vcpu = CALL_OBJECT(call, vcpu);
	bool refused, was;

	if (vcpu->state == VCPU_DEAD)
		return SAMPO_EDEAD;
	switch (call->arg[1]) {
	case SAMPO_VCPU_RESUME:
		return vcpu_resume(vcpu);
	case SAMPO_VCPU_STOP:
		if (vcpu == call->vcpu)
			return SAMPO_EINVAL;
		request_call(vcpu, stop, &refused);
		return refused ? SAMPO_EBUSY : SAMPO_OK;
	case SAMPO_VCPU_AFFINITY:
		return set_affinity(call, vcpu);
	case SAMPO_VCPU_FETCH:
		if (vcpu->state != VCPU_MONITOR)
			return SAMPO_EBUSY;
		request_call(vcpu, fetch, NULL);
		return SAMPO_OK;
	case SAMPO_VCPU_EXTINT:
		was = __atomic_exchange_n(&vcpu->extint, call->arg[2] != 0, __ATOMIC_ACQ_REL);
		request_post(vcpu, call->arg[2] && !was ? REQUEST_LINT0 : REQUEST_WAKE);
		return SAMPO_OK;
	case SAMPO_VCPU_NMI:
		request_post(vcpu, REQUEST_NMI);
		return SAMPO_OK;
	case SAMPO_VCPU_PAGE:
		object_get(&vcpu->exit_region->object);
		return call_give(call, &vcpu->exit_region->object, SAMPO_R_READ | SAMPO_R_WRITE);
	case SAMPO_VCPU_RESET:
		if (vcpu->state != VCPU_MONITOR)
			return SAMPO_EBUSY;
		request_call(vcpu, vcpu_reset, (void *)call->arg[2]);
		return SAMPO_OK;
	default:
		return SAMPO_ENOSYS;
	}
}

static void lapic_access(struct vcpu *vcpu, void *arg)
{
	struct call *call = arg;
	uint64_t now = vcpu_tsc(vcpu, cpu_rdtsc());
	struct vlapic_effect effect;
	int flags;

	if (!call->arg[2]) {
		call->value = vlapic_mmio_read(&vcpu->lapic, (uint32_t)call->arg[1], now);
		return;
	}
	flags = vlapic_mmio_write(&vcpu->lapic, (uint32_t)call->arg[1], (uint32_t)call->arg[3], now,
				  &effect);
	/* The monitor asked, so it hears at once of the effects that the vCPU would come to it for.
	 */
	call->value = vcpu_lapic_effect(vcpu, flags, &effect);
}

int64_t call_vcpu_lapic(struct call *call)
{
	if (call->arg[1] >= 4096 || call->arg[3] >> 32)
		return SAMPO_EINVAL;
	request_call(CALL_OBJECT(call, vcpu), lapic_access, call);
	return SAMPO_OK;
}
