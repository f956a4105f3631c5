/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a vCPU: made, run, halted, with its monitor, dead. */
#include "kernel/vcpu/vcpu.h"

#include "arch/barrier.h"
#include "arch/cpu.h"
#include "arch/debugreg.h"
#include "arch/fpu.h"
#include "arch/hv.h"
#include "arch/tsc.h"
#include "kernel/base/frame.h"
#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/object/event.h"
#include "kernel/object/region.h"
#include "kernel/object/up.h"
#include "kernel/vcpu/dump.h"
#include "kernel/vcpu/migrate.h"
#include "kernel/vcpu/turn.h"

#define LONG_WAIT (1ull << 48)
#define NEAR_NS   1000u /* no longer than a guest is left and entered by an interrupt */

/*
 * A periodic timer goes on by itself only while its vCPU is the current one, which then pays for
 * the interrupts. Of another vCPU the IRR holds the vector already (or there is nothing that it
 * could set): further rounds change nothing until that vCPU runs, so the host's timer rests.
 */
static void timer_fired(struct timer *timer, uint64_t now)
{
	struct vcpu *vcpu = CONTAINER_OF(timer, struct vcpu, timer);

	turn_charge(vcpu->cpu, &vcpu->entity);
	if (vcpu->domain->flags & SAMPO_DOMAIN_NO_LAPIC) {
		vcpu_wake(vcpu);
		return;
	}
	if (!vlapic_tick(&vcpu->lapic, vcpu_tsc(vcpu, now)) || vcpu->cpu->current == vcpu)
		vcpu_set_timer(vcpu);
	else if (vcpu->lapic.deadline != VLAPIC_NEVER)
		vcpu->pending |= VCPU_PEND_TIMER;
	if (vcpu_has_wakeup(vcpu))
		vcpu_wake(vcpu);
}

/* The timer interrupts in `left` ticks of the guest's TSC. */
static void arm_timer(struct vcpu *vcpu, uint64_t now, uint64_t left)
{
	struct timer_queue *timers = &vcpu->cpu->timers;

	if (left == VLAPIC_NEVER) {
		timer_cancel(timers, &vcpu->timer);
		return;
	}
	if (left > LONG_WAIT)
		left = LONG_WAIT; /* and then the rest */
	timer_set(timers, &vcpu->timer,
		  now + (uint64_t)((unsigned __int128)left * vcpu->domain->tsc_unscale >> 32));
}

/* The timer expires, or has: an expiry that comes sooner than the host's interrupt would end the
 * guest is waited for here. */
static void __attribute__((noinline)) expire(struct vcpu *vcpu, uint64_t now)
{
	uint64_t until = now + tsc_from_ns(NEAR_NS);

	while (!vlapic_tick(&vcpu->lapic, vcpu_tsc(vcpu, now)) && now < until)
		now = cpu_rdtsc();
	arm_timer(vcpu, now, vlapic_next(&vcpu->lapic, vcpu_tsc(vcpu, now)));
}

void vcpu_set_timer(struct vcpu *vcpu)
{
	uint64_t now = cpu_rdtsc(), left = vlapic_next(&vcpu->lapic, vcpu_tsc(vcpu, now));

	if (left < tsc_from_ns(NEAR_NS))
		expire(vcpu, now);
	else
		arm_timer(vcpu, now, left);
}

void vcpu_unload(struct vcpu *vcpu)
{
	if (vcpu->cpu->loaded != vcpu)
		return;
	hv->save(vcpu);
	vcpu->cpu->loaded = NULL;
}

void vcpu_collect(struct vcpu *vcpu, void *)
{
	vcpu_unload(vcpu);
}

void vcpu_reset(struct vcpu *vcpu, void *init)
{
	__builtin_memset(vcpu->gpr, 0, sizeof(vcpu->gpr));
	vcpu->gpr[SAMPO_RDX] = cpu_cpuid(1, 0).eax;
	vcpu->pending = 0;
	vcpu->kvm_steal = vcpu->kvm_eoi = vcpu->tsc_aux = 0;
	vcpu->kicked = false;
	vcpu->spec_ctrl = first_spec_ctrl;
	vcpu->spec_own = false;
	fpu_forget(vcpu->cpu, vcpu);
	fpu_reset(vcpu);
	debug_reset(vcpu->cpu, vcpu);
	vcpu_unload(vcpu);
	hv_reset(vcpu);
	if (init) {
		vlapic_reset(&vcpu->lapic);
	} else {
		vcpu->tsc_offset = vcpu->domain->tsc_offset;
		vlapic_init(&vcpu->lapic, vcpu->id, vcpu->id == 0, vcpu->domain->tsc_khz);
	}
	hv->lapic(vcpu);
	timer_cancel(&vcpu->cpu->timers, &vcpu->timer);
	__builtin_memcpy(&vcpu->exit->gpr, vcpu->gpr, sizeof(vcpu->gpr));
	vcpu_fill_system(vcpu);
}

static int64_t make_pages(struct vcpu *vcpu)
{
	struct domain *domain = vcpu->domain;
	int64_t status = region_new_ram(domain, FRAME_PAGE, 12, &vcpu->exit_region);
	uint64_t page;

	if (status)
		return status;
	vcpu->exit_region->owner_only = false; /* it is shared with the monitor */
	_Static_assert(sizeof(*vcpu->page) <= FRAME_PAGE, "it is one page");
	region_physical(vcpu->exit_region, 0, &page);
	vcpu->page = (struct sampo_vcpu_page *)page;
	vcpu->exit = &vcpu->page->exit;
	vcpu->lapic.reg = domain_page_alloc(domain);
	vcpu->fpu_state = vcpu->lapic.reg + LAPIC_REGISTERS;
	return vcpu->lapic.reg ? hv->vcpu_init(vcpu) : SAMPO_ENOMEM;
}

int64_t vcpu_new(struct domain *domain, uint64_t id, struct event *event, struct vcpu **result)
{
	struct vcpu *vcpu;
	int64_t status;

	if (id >= DOMAIN_VCPUS)
		return SAMPO_EINVAL;
	if (domain->state == SAMPO_DOM_DEAD)
		return SAMPO_EDEAD;
	if (domain_vcpu(domain, id))
		return SAMPO_EEXIST;
	vcpu = domain_page_alloc(domain);
	if (!vcpu)
		return SAMPO_ENOMEM;
	_Static_assert(sizeof(*vcpu) <= FRAME_PAGE, "a vCPU is one page");
	object_init(&vcpu->object, SAMPO_T_VCPU);
	object_get(&domain->object);
	vcpu->domain = domain;
	vcpu->id = (uint32_t)id;
	vcpu->cpu = this_cpu();
	vcpu->lazy_fpu = domain->flags & SAMPO_DOMAIN_NO_LAPIC && fpu_lazy;
	vcpu->timer.fire = timer_fired;
	vcpu->held.fire = request_held_enough;
	status = make_pages(vcpu);
	if (status) {
		object_put(&vcpu->object);
		return status;
	}
	vcpu_reset(vcpu, NULL);
	sched_entity_init(&vcpu->cpu->rq, &vcpu->entity, domain->weight, domain);
	vcpu->exit_event = event;
	if (event)
		object_get(&event->object);
	vcpu->state = VCPU_MONITOR;
	vcpu->exit->reason = SAMPO_EXIT_RESET;
	__atomic_store_n(&domain->vcpu[id], vcpu, __ATOMIC_RELEASE);
	WRITE_ONCE(domain->present, domain->present | 1ull << id);
	domain->vcpus++;
	*result = vcpu;
	return SAMPO_OK;
}

void vcpu_kill(struct vcpu *vcpu, void *)
{
	__atomic_store_n(&vcpu->state, VCPU_DEAD, __ATOMIC_RELEASE);
	timer_cancel(&vcpu->cpu->timers, &vcpu->timer);
	vcpu_requeue(vcpu);
}

bool vcpu_stop_some(struct domain *domain)
{
	for (unsigned i = 0; i < DOMAIN_VCPUS; i++) {
		struct vcpu *vcpu = domain_vcpu(domain, i);

		if (!vcpu || READ_ONCE(vcpu->state) == VCPU_DEAD)
			continue;
		request_call(vcpu, vcpu_kill, NULL);
		return true;
	}
	return false;
}

/* Nothing of the CPU points to it, and nothing of it is in the CPU, any more. */
static void leave_home(struct vcpu *vcpu, void *arg)
{
	struct cpu *cpu = vcpu->cpu;

	vcpu_kill(vcpu, arg);
	request_forget(vcpu);
	sched_remove(&cpu->rq, &vcpu->entity, cpu_rdtsc());
	if (cpu->current == vcpu)
		cpu->current = NULL;
	if (cpu->loaded == vcpu)
		cpu->loaded = NULL;
	fpu_forget(cpu, vcpu);
	barrier_forget(cpu, vcpu);
	debug_forget(cpu, vcpu);
	hv->detach(vcpu);
}

bool vcpu_take_apart(struct object *object)
{
	struct vcpu *vcpu = CONTAINER_OF(object, struct vcpu, object);
	struct domain *domain = vcpu->domain;

	if (domain_vcpu(domain, vcpu->id) == vcpu) {
		WRITE_ONCE(domain->present, domain->present & ~(1ull << vcpu->id));
		WRITE_ONCE(domain->vcpu[vcpu->id], NULL);
		domain->vcpus--;
		smp_quiesce(); /* then nobody posts to it any more */
		request_call(vcpu, leave_home, NULL);
		smp_quiesce(); /* nor is a CPU that has sent it away still looking where it is */
		domain->cpu_tsc += vcpu->entity.ran;
	}
	hv->vcpu_free(vcpu);
	if (vcpu->lapic.reg)
		domain_page_free(domain, vcpu->lapic.reg);
	if (vcpu->exit_region)
		object_put(&vcpu->exit_region->object);
	if (vcpu->exit_event)
		object_put(&vcpu->exit_event->object);
	if (vcpu->making)
		object_put(&vcpu->making->object);
	domain_page_free(domain, vcpu);
	object_put(&domain->object);
	return false;
}

void vcpu_review(struct vcpu *vcpu, void *)
{
	const struct domain *domain = vcpu->domain;
	struct sched_entity *entity = &vcpu->entity;
	uint64_t now = cpu_rdtsc();

	sched_set_weight(&vcpu->cpu->rq, entity, domain->weight, now);
	if (entity->quota != domain->quota || entity->period != domain->period)
		sched_set_cap(&vcpu->cpu->rq, entity, domain->quota, domain->period, now);
	vcpu_requeue(vcpu);
}

static bool may_run(const struct vcpu *vcpu)
{
	return vcpu->state == VCPU_READY && vcpu->domain->state == SAMPO_DOM_RUNNING;
}

void vcpu_requeue(struct vcpu *vcpu)
{
	if (!may_run(vcpu) || cpu_count == 1 || !move_elsewhere(vcpu))
		vcpu_enqueue(vcpu);
}

/* Its CPU idles, so it runs there next, without a choice by the scheduler. */
static bool start(struct vcpu *vcpu, uint64_t now)
{
	struct cpu *cpu = vcpu->cpu;

	if (cpu->current || !sched_start(&cpu->rq, &vcpu->entity, now))
		return false;
	WRITE_ONCE(cpu->current, vcpu);
	if (vcpu->kvm_steal)
		vcpu->pending |= VCPU_PEND_STEAL;
	move_publish(cpu);
	return true;
}

void vcpu_enqueue(struct vcpu *vcpu)
{
	struct cpu *cpu = vcpu->cpu;
	uint64_t now = cpu_rdtsc();

	if (may_run(vcpu)) {
		if (start(vcpu, now))
			return;
		if (sched_wake(&cpu->rq, &vcpu->entity, now))
			WRITE_ONCE(cpu->resched, true);
		else
			turn_changed(cpu, now);
		return;
	}
	sched_sleep(&cpu->rq, &vcpu->entity, now);
	if (cpu->current == vcpu)
		WRITE_ONCE(cpu->resched, true);
}

void vcpu_wake(struct vcpu *vcpu)
{
	if (vcpu->state != VCPU_HALTED)
		return;
	vcpu->state = VCPU_READY;
	vcpu->kicked = false;
	vcpu_requeue(vcpu);
}

void vcpu_notify(struct vcpu *vcpu)
{
	if (vcpu_is_here(vcpu))
		vcpu_wake(vcpu);
	else
		request_post(vcpu, REQUEST_WAKE);
}

void vcpu_halt(struct vcpu *vcpu)
{
	vcpu->state = VCPU_HALTED;
	vcpu_requeue(vcpu);
}

void vcpu_fill_system(struct vcpu *vcpu)
{
	struct sampo_exit *page = vcpu->exit;

	vcpu_unload(vcpu);
	hv->fetch(vcpu, page);
	page->cr8 = vlapic_cr8(&vcpu->lapic);
	page->xcr0 = vcpu->xcr0;
	page->apic_base = vcpu->lapic.apic_base;
	page->tsc = vcpu_tsc(vcpu, cpu_rdtsc());
	page->system_valid = 1;
}

/* Plain port accesses need no more than the registers. */
static bool needs_system(const struct sampo_exit *page, uint32_t reason)
{
	return reason != SAMPO_EXIT_EOI && (reason != SAMPO_EXIT_IO || READ_ONCE(page->string));
}

bool vcpu_handoff(struct vcpu *from, struct vcpu *to)
{
	struct cpu *cpu = from->cpu;

	if (cpu->current != from || READ_ONCE(cpu->resched) ||
	    to->domain->state != SAMPO_DOM_RUNNING ||
	    !sched_handoff(&cpu->rq, &to->entity, cpu_rdtsc()))
		return false;
	to->state = VCPU_READY;
	cpu->current = to;
	if (to->entity.quota)
		turn_changed(cpu, cpu_rdtsc());
	return true;
}

/* A vCPU that has no monitor, dom0's, cannot go on. */
static void __attribute__((noreturn)) monitor_failed(struct vcpu *vcpu, uint32_t reason)
{
	static const char *const names[] = {
#define NAME(nr, name, text) text,
		SAMPO_EXITS(NAME)
#undef NAME
	};

	WRITE_ONCE(log_left, false);
	vcpu_dump(vcpu, NULL);
	panic("domain %u, which has no monitor, has died (%s): restart the machine",
	      vcpu->domain->id, names[reason]);
}

/*
 * The page is filled before the state says MONITOR, and the reason comes last: from then on the
 * page is the monitor's, which may answer on another CPU at once. Where the monitor's vCPU sleeps
 * on this CPU, it runs next on the guest's turn, without a choice by the scheduler; else its event
 * wakes it, and the guest donates its turn.
 */
void vcpu_to_monitor(struct vcpu *vcpu, uint32_t reason)
{
	struct sampo_exit *page = vcpu->exit;
	struct vcpu *monitor;

	hv->fetch_few(vcpu, page);
	page->system_valid = 0;
	page->dirty = 0;
	__builtin_memcpy(&page->gpr, vcpu->gpr, sizeof(page->gpr));
	if (needs_system(page, reason))
		vcpu_fill_system(vcpu);
	__atomic_store_n(&vcpu->state, VCPU_MONITOR, __ATOMIC_RELEASE);
	__atomic_store_n(&page->reason, reason, __ATOMIC_RELEASE);
	if (!vcpu->exit_event) {
		vcpu_requeue(vcpu);
		monitor_failed(vcpu, reason);
	}
	monitor = domain_vcpu(vcpu->exit_event->target, 0);
	if (monitor && !vcpu_is_here(monitor))
		monitor = NULL;
	if (monitor && monitor->state == VCPU_HALTED && vcpu_handoff(vcpu, monitor)) {
		event_raise_directly(vcpu->exit_event);
		return;
	}
	vcpu_requeue(vcpu);
	event_raise(vcpu->exit_event);
	if (monitor)
		sched_donate(&vcpu->cpu->rq, &vcpu->entity, &monitor->entity);
}

static void store_system(struct vcpu *vcpu, const struct sampo_exit *page)
{
	vcpu_unload(vcpu);
	hv_store(vcpu, page);
	vcpu->fpu_trap = false; /* the next load decides anew */
	vlapic_set_cr8(&vcpu->lapic, READ_ONCE(page->cr8) & 15);
	hv->lapic(vcpu);
}

/*
 * Of several that give the vCPU back, one succeeds: MONITOR becomes RETURNED by one locked
 * instruction. Its home alone goes on from there.
 */
int64_t vcpu_take_back(struct vcpu *vcpu)
{
	enum vcpu_state state = VCPU_MONITOR;

	if (!__atomic_compare_exchange_n(&vcpu->state, &state, VCPU_RETURNED, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return state == VCPU_DEAD ? SAMPO_EDEAD : SAMPO_EBUSY;
	vcpu->exit->reason = SAMPO_EXIT_NONE;
	return SAMPO_OK;
}

void vcpu_take_in(struct vcpu *vcpu)
{
	const struct sampo_exit *page = vcpu->exit;
	uint32_t dirty = READ_ONCE(page->dirty);

	/* All values are good, also of a page that changes meanwhile. */
	if (dirty & SAMPO_DIRTY_RAX)
		vcpu->gpr[SAMPO_RAX] = READ_ONCE(page->gpr[SAMPO_RAX]);
	else
		__builtin_memcpy(vcpu->gpr, &page->gpr, sizeof(vcpu->gpr));
	if (dirty & SAMPO_DIRTY_SYSTEM)
		store_system(vcpu, page);
	if (dirty & SAMPO_DIRTY_ADVANCE)
		hv->advance(vcpu, READ_ONCE(page->next_rip));
	else if (dirty & SAMPO_DIRTY_RIP)
		hv->store_rip(vcpu, READ_ONCE(page->rip), READ_ONCE(page->rflags));
	if (dirty & SAMPO_DIRTY_INJECT)
		vcpu_inject(vcpu, READ_ONCE(page->inject), READ_ONCE(page->inject_code));
}

void vcpu_go_on(struct vcpu *vcpu)
{
	vcpu->state = VCPU_READY;
	vcpu_requeue(vcpu);
}

/* It is back from its monitor, on its home. */
static void returned(struct vcpu *vcpu)
{
	vcpu_take_in(vcpu);
	vcpu_go_on(vcpu);
}

int64_t vcpu_resume(struct vcpu *vcpu)
{
	int64_t status = vcpu_take_back(vcpu);

	if (status)
		return status;
	if (vcpu_is_here(vcpu))
		returned(vcpu);
	else
		request_post(vcpu, REQUEST_RETURN);
	return SAMPO_OK;
}

/* Vectors that were posted to its local APIC. */
static void take_arrivals(struct vcpu *vcpu)
{
	vcpu->pending = (vcpu->pending & ~VCPU_PEND_EXTINT) |
			(READ_ONCE(vcpu->extint) ? VCPU_PEND_EXTINT : 0);
	vcpu_accept_posted(vcpu);
}

/* From its event page, or from there. */
static void wake_for_arrivals(struct vcpu *vcpu)
{
	if (vcpu->domain->event_page || vcpu_has_wakeup(vcpu))
		vcpu_wake(vcpu);
}

void vcpu_serve(struct vcpu *vcpu, uint32_t requests)
{
	barrier_touched(vcpu->domain);
	if (requests & REQUEST_ARRIVE)
		move_arrive(vcpu);
	turn_charge(vcpu->cpu, &vcpu->entity);
	if (vcpu->state == VCPU_DEAD)
		return;
	if (requests & REQUEST_FAVOUR && sched_favour(&vcpu->cpu->rq, &vcpu->entity, cpu_rdtsc()))
		WRITE_ONCE(vcpu->cpu->resched, true);
	vcpu->pending |= requests & REQUEST_NMI ? VCPU_PEND_NMI : 0;
	vcpu->kicked |= requests & REQUEST_KICK;
	if (requests & REQUEST_LINT0 && vlapic_lint0_rises(&vcpu->lapic))
		vcpu->pending |= VCPU_PEND_NMI;
	if (requests & REQUEST_INTACK && vlapic_enabled(&vcpu->lapic))
		vcpu->pending |= VCPU_PEND_INTACK;
	take_arrivals(vcpu);
	/* Whatever wakes it may send it to another CPU. */
	if (requests & REQUEST_RETURN)
		returned(vcpu);
	else if (requests & REQUEST_PIN) /* by itself: it is awake */
		move_pin(vcpu, vcpu->entity.affinity);
	else
		wake_for_arrivals(vcpu);
}
