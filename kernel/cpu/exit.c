/* SPDX-License-Identifier: BSD-2-Clause */
/* Each kind of exit has its handler, which does all itself or hands the vCPU to its monitor. */
#include "kernel/cpu/exit.h"

#include "arch/cpu.h"
#include "arch/debugreg.h"
#include "arch/fpu.h"
#include "arch/hv.h"
#include "arch/msr.h"
#include "arch/trap.h"
#include "arch/tsc.h"
#include "kernel/base/log.h"
#include "kernel/call/hypercall.h"
#include "kernel/cpu/interrupt.h"
#include "kernel/cpu/loop.h"
#include "kernel/cpu/mce.h"
#include "kernel/object/event.h"
#include "kernel/object/region.h"
#include "kernel/vcpu/cpuid.h"
#include "kernel/vcpu/dump.h"
#include "kernel/vcpu/msr.h"
#include "kernel/vcpu/paravirt.h"
#include "kernel/vcpu/turn.h"
#include "kernel/vcpu/vcpu.h"

#define DOORBELL_DELAY_NS 50000u
#define DOORBELL_HALVINGS 4u    /* 3 us */
#define DOORBELL_LEAST    3000u /* ticks: what three switches take */

#define BUS_LOCK_DELAY_NS 20000u /* 50,000 a second at most, some percent of the bus */

/* All that WBINVD asks for: caches stay coherent: dom0 lets no guest's function skip snoops. */
static void finish(struct vcpu *vcpu, struct hv_exit *x)
{
	hv->advance(vcpu, x->next_rip);
}

/* To the monitor with an exit that concerns one instruction. */
static void ask_monitor(struct vcpu *vcpu, const struct hv_exit *x, uint32_t reason,
			uint64_t qualification)
{
	struct sampo_exit *page = vcpu->exit;

	page->qualification = qualification;
	page->next_rip = x->next_rip;
	page->write = x->write;
	page->insn_len = 0;
	vcpu_to_monitor(vcpu, reason);
}

/*
 * The receiver of the interrupt pays (turn_charge): a device's domain, a vCPU that has requests or
 * a timer that fires. The way out of the guest and in again counts too. The shortest time from an
 * entry to here that was ever seen is that way: of a guest that was interrupted at once.
 */
static void handle_interrupt(struct vcpu *, struct hv_exit *)
{
	struct cpu *cpu = this_cpu();
	uint64_t now = cpu_rdtsc(), since_entry = now - cpu->rq.last;

	if (since_entry < cpu->way)
		cpu->way = since_entry;
	cpu->interrupted = now - cpu->way;
	hv->interrupt_window();
	request_serve(cpu);
	interrupt_run_timers(cpu);
	cpu->interrupted = 0;
}

static void handle_cpuid(struct vcpu *vcpu, struct hv_exit *x)
{
	cpuid_answer(vcpu);
	finish(vcpu, x);
}

static void handle_hlt(struct vcpu *vcpu, struct hv_exit *x)
{
	struct sampo_exit state;

	finish(vcpu, x);
	hv->fetch_few(vcpu, &state);
	vcpu->deaf = !(state.rflags & RFLAGS_IF);
	if (vcpu->pending & VCPU_PEND_EOI)
		eoi_collect(vcpu);
	if (vcpu_has_wakeup(vcpu))
		vcpu->kicked = false;
	else if (vcpu->deaf && vcpu->domain->vcpus == 1)
		vcpu_to_monitor(vcpu, SAMPO_EXIT_HLT_FOREVER);
	else
		vcpu_halt(vcpu);
}

static void handle_pause(struct vcpu *vcpu, struct hv_exit *x)
{
	finish(vcpu, x);
	sched_pass(&vcpu->cpu->rq, cpu_rdtsc());
	WRITE_ONCE(vcpu->cpu->resched, true);
}

/*
 * A domain that waits for a doorbell need not preempt the guest at once: many guests ring again in
 * a moment, and one answer to all saves switches. Others compute on, or sleep, and the request
 * would wait. So the patience is the vCPU's: it doubles each time that the vCPU rings again before
 * it has left the CPU, and halves each time that it has left.
 */
static void ring(struct vcpu *vcpu, struct event *event)
{
	struct cpu *cpu = vcpu->cpu;
	bool resched = READ_ONCE(cpu->resched);
	uint64_t patience;

	if (vcpu->rang <= vcpu->entity.since)
		vcpu->halvings += vcpu->halvings < DOORBELL_HALVINGS;
	else
		vcpu->halvings -= vcpu->halvings > 0;
	vcpu->rang = cpu_rdtsc();
	event_raise(event);
	if (resched || !READ_ONCE(cpu->resched))
		return;
	WRITE_ONCE(cpu->resched, false);
	patience = tsc_from_ns(DOORBELL_DELAY_NS) >> vcpu->halvings;
	turn_ends_within(cpu, patience > DOORBELL_LEAST ? patience : DOORBELL_LEAST);
}

static void handle_io(struct vcpu *vcpu, struct hv_exit *x)
{
	struct sampo_exit *page = vcpu->exit;

	if (x->write && !x->string) {
		struct event *event = event_at(vcpu->domain, x->port);

		if (event && event->size == x->size) {
			finish(vcpu, x);
			if (event->kind != SAMPO_EVENT_NONE)
				ring(vcpu, event);
			return;
		}
	}
	page->port = x->port;
	page->size = x->size;
	page->string = x->string;
	page->rep = x->rep;
	ask_monitor(vcpu, x, SAMPO_EXIT_IO, 0);
}

static void handle_msr(struct vcpu *vcpu, struct hv_exit *x)
{
	uint64_t *gpr = vcpu->gpr, value = gpr[SAMPO_RDX] << 32 | (uint32_t)gpr[SAMPO_RAX];
	uint32_t msr = (uint32_t)gpr[SAMPO_RCX];
	enum msr_result result;

	x->write = x->kind == EXIT_WRMSR;
	result = x->write ? msr_write(vcpu, msr, value) : msr_read(vcpu, msr, &value);
	if (result == MSR_FAULT) {
		vcpu_inject(vcpu, VCPU_GP, 0);
	} else if (result == MSR_MONITOR) {
		ask_monitor(vcpu, x, SAMPO_EXIT_MSR, msr);
	} else {
		if (!x->write) {
			gpr[SAMPO_RAX] = (uint32_t)value;
			gpr[SAMPO_RDX] = value >> 32;
		}
		finish(vcpu, x);
		if (result != MSR_DONE)
			vcpu_to_monitor(vcpu, result);
	}
}

static void handle_memory(struct vcpu *vcpu, struct hv_exit *x)
{
	struct sampo_exit *page = vcpu->exit;
	int64_t status;

	do
		status = region_fault(vcpu->domain, x->gpa, x->access);
	while (status == SAMPO_EAGAIN && loop_breathe(vcpu->cpu));
	if (status == SAMPO_OK || status == SAMPO_EAGAIN)
		return;
	if (status == SAMPO_ENOMEM) {
		log_print(LOG_WARNING
			  "domain %u: its %lu KiB for the kernel do not suffice for page tables\n",
			  vcpu->domain->id, vcpu->domain->kernel_limit >> 10);
		ask_monitor(vcpu, x, SAMPO_EXIT_UNKNOWN, x->code);
		return;
	}
	page->gpa = x->gpa;
	page->access = (uint8_t)x->access;
	page->qualification = x->info;
	page->next_rip = 0;
	page->insn_len = x->insn_len;
	for (unsigned i = 0; i < x->insn_len; i++)
		page->insn[i] = x->insn[i];
	vcpu_to_monitor(vcpu, SAMPO_EXIT_MEMORY);
}

/* SDM 3A 13.3: x87 always, AVX only with SSE, AVX-512 whole and with AVX. */
static bool xcr0_valid(uint64_t value)
{
	uint64_t avx512 = value & 0xe0;

	if (value & ~fpu_xcr0 || !(value & 1) || ((value & 4) && !(value & 2)))
		return false;
	return !avx512 || (avx512 == 0xe0 && (value & 4));
}

static void handle_xsetbv(struct vcpu *vcpu, struct hv_exit *x)
{
	uint64_t value = vcpu->gpr[SAMPO_RDX] << 32 | (uint32_t)vcpu->gpr[SAMPO_RAX];
	struct sampo_exit state;

	/* A CPU sees to it before it exits (SDM 2D, XSETBV); QEMU 10 does not. */
	hv->fetch_few(vcpu, &state);
	if (!(state.cr4 & CR4_OSXSAVE)) {
		vcpu_inject(vcpu, VCPU_UD, 0);
		return;
	}
	if (x->cpl || (uint32_t)vcpu->gpr[SAMPO_RCX] || !xcr0_valid(value)) {
		vcpu_inject(vcpu, VCPU_GP, 0);
		return;
	}
	vcpu->xcr0 = value;
	if (vcpu->cpu->fpu == vcpu)
		cpu_xsetbv(0, value);
	finish(vcpu, x);
}

/* Exceptions that pass through here on their way to the guest. */
static void handle_exception(struct vcpu *vcpu, struct hv_exit *x)
{
	uint32_t event = SAMPO_INJECT_EXCEPTION | x->vector;

	if (x->vector == VECTOR_MC) {
		if (mce_in_guest())
			return;
		log_print(LOG_ERR "kernel: domain %u ends by a machine check\n", vcpu->domain->id);
		ask_monitor(vcpu, x, SAMPO_EXIT_UNKNOWN, x->code);
		return;
	}
	if (x->vector == VECTOR_AC)
		event |= SAMPO_INJECT_ERROR_CODE;
	vcpu_inject(vcpu, event, x->error);
}

static void handle_fpu(struct vcpu *vcpu, struct hv_exit *)
{
	fpu_switch(vcpu->cpu, vcpu);
	vcpu->fpu_trap = false;
	hv->trap(vcpu, HV_TRAP_FPU, false);
}

static void handle_debug(struct vcpu *vcpu, struct hv_exit *)
{
	debug_take(vcpu->cpu, vcpu);
}

static void handle_task(struct vcpu *vcpu, struct hv_exit *x)
{
	vcpu->exit->inject = x->event;
	vcpu->exit->inject_code = x->error;
	ask_monitor(vcpu, x, SAMPO_EXIT_TASK, x->info);
}

static void handle_forbidden(struct vcpu *vcpu, struct hv_exit *x)
{
	vcpu_inject(vcpu, x->vector == 13 ? VCPU_GP : VCPU_UD, 0);
}

/*
 * The guest has locked the bus, by an atomic access across cache lines or to uncached memory, which
 * makes all other CPUs wait: each makes this guest wait as well, at its own expense.
 */
static void handle_bus_lock(struct vcpu *, struct hv_exit *)
{
	tsc_delay_ns(BUS_LOCK_DELAY_NS);
}

/* Of a level-triggered interrupt: VMX says which. */
static void handle_eoi(struct vcpu *vcpu, struct hv_exit *x)
{
	ask_monitor(vcpu, x, SAMPO_EXIT_EOI, x->info);
}

static void handle_cr(struct vcpu *vcpu, struct hv_exit *x)
{
	if (!hv->cr_access(vcpu, x))
		ask_monitor(vcpu, x, SAMPO_EXIT_CR, x->vector);
}

/* The event that waits is injected before the next entry. */
static void handle_window(struct vcpu *, struct hv_exit *)
{
}

/* The guest is at its end: say how, for the log, and let the monitor decide. */
static void handle_fatal(struct vcpu *vcpu, struct hv_exit *x)
{
	/* On AMD, a machine check in a guest that has turned CR4.MCE off (APM 2 15.14.3) */
	if (x->kind == EXIT_SHUTDOWN)
		mce_poll();
	/* The monitor may let the guest go on, again and again. */
	if (x->kind == EXIT_INVALID && READ_ONCE(vcpu->page->exits[EXIT_INVALID]) > 1) {
		ask_monitor(vcpu, x, SAMPO_EXIT_INVALID, x->code);
		return;
	}
	if (!vcpu->exit_event)
		WRITE_ONCE(log_left, false); /* it is dom0's own end */
	log_print(LOG_ERR "kernel: domain %u vCPU %u stops at rip %lx: %s (code %x, info %lx)\n",
		  vcpu->domain->id, vcpu->id, x->rip, exit_kind_name(x->kind), x->code, x->info);
	vcpu_dump(vcpu, NULL);
	ask_monitor(vcpu, x,
		    x->kind == EXIT_SHUTDOWN  ? SAMPO_EXIT_SHUTDOWN
		    : x->kind == EXIT_INVALID ? SAMPO_EXIT_INVALID
					      : SAMPO_EXIT_UNKNOWN,
		    x->code);
}

void (*const exit_handlers[EXIT_KIND_COUNT])(struct vcpu *vcpu, struct hv_exit *x) = {
	[EXIT_INTERRUPT] = handle_interrupt,
	[EXIT_NMI] = handle_interrupt,
	[EXIT_WINDOW] = handle_window,
	[EXIT_CPUID] = handle_cpuid,
	[EXIT_HLT] = handle_hlt,
	[EXIT_PAUSE] = handle_pause,
	[EXIT_IO] = handle_io,
	[EXIT_RDMSR] = handle_msr,
	[EXIT_WRMSR] = handle_msr,
	[EXIT_HYPERCALL] = hypercall,
	[EXIT_MEMORY] = handle_memory,
	[EXIT_CR] = handle_cr,
	[EXIT_XSETBV] = handle_xsetbv,
	[EXIT_EXCEPTION] = handle_exception,
	[EXIT_FPU] = handle_fpu,
	[EXIT_DEBUG] = handle_debug,
	[EXIT_TASK] = handle_task,
	[EXIT_FORBIDDEN] = handle_forbidden,
	[EXIT_CACHE] = finish,
	[EXIT_EOI] = handle_eoi,
	[EXIT_BUSLOCK] = handle_bus_lock,
	[EXIT_SHUTDOWN] = handle_fatal,
	[EXIT_INVALID] = handle_fatal,
	[EXIT_UNKNOWN] = handle_fatal,
};
