/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits that the kernel does not handle itself come here and are done, and the vCPU is given back.
 * A port access takes the shortest way.
 */
#include "guests/dom0/cpu/exits.h"

#include "guests/dom0/config/config.h"
#include "guests/dom0/cpu/dump.h"
#include "guests/dom0/cpu/insn.h"
#include "guests/dom0/cpu/msr.h"
#include "guests/dom0/machine/ioapic.h"
#include "guests/dom0/machine/pic.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vcpu.h"
#include "guests/lib/sampo.h"

/* A handler has answered the exit (true), or the vCPU stays where it is. */
typedef bool (*exit_handler)(struct vcpu *v);

void vcpu_exception(struct sampo_exit *exit, unsigned vector, int64_t code)
{
	exit->inject = SAMPO_INJECT_EXCEPTION | vector;
	exit->inject_code = 0;
	if (code >= 0) {
		exit->inject |= SAMPO_INJECT_ERROR_CODE;
		exit->inject_code = (uint32_t)code;
	}
	exit->dirty |= SAMPO_DIRTY_INJECT;
}

void vcpu_page_fault(struct sampo_exit *exit, uint64_t linear, uint32_t code)
{
	exit->cr2 = linear;
	exit->dirty |= SAMPO_DIRTY_SYSTEM;
	vcpu_exception(exit, EXCEPTION_PF, code);
}

static bool exit_string_io(struct vcpu *v)
{
	if (string_io_exit(v))
		return true;
	vcpu_dump(v, "string I/O that cannot be executed");
	return false;
}

static bool exit_io(struct vcpu *v)
{
	struct sampo_exit *exit = v->exit;
	struct vm *vm = v->vm;
	unsigned size = exit->size;
	uint64_t value;

	if (__builtin_expect(exit->string, 0))
		return exit_string_io(v);
	exit->dirty = SAMPO_DIRTY_ADVANCE | SAMPO_DIRTY_RAX;
	if (exit->write) {
		bus_write(vm, BUS_PIO, exit->port, size, exit->gpr[SAMPO_RAX]);
		return true;
	}
	value = bus_read(vm, BUS_PIO, exit->port, size);
	if (size == 1)
		value |= exit->gpr[SAMPO_RAX] & ~0xffull;
	else if (size == 2)
		value |= exit->gpr[SAMPO_RAX] & ~0xffffull;
	exit->gpr[SAMPO_RAX] = value;
	return true;
}

static bool exit_memory(struct vcpu *v)
{
	if (mmio_exit(v))
		return true;
	vcpu_dump(v, v->exit->access & SAMPO_ACCESS_WALK ? "page tables where there is no memory"
							 : "access where there is no memory, by an "
							   "instruction that cannot be executed");
	return false;
}

/* A driver asks again and again for what it does not get: the log has each MSR once. */
static bool first_refusal(struct exits_log *log, uint32_t msr)
{
	for (unsigned i = 0; i < log->refused_msrs; i++)
		if (log->refused_msr[i] == msr)
			return false;
	if (log->refused_msrs == EXITS_REFUSED_MSRS)
		return false;
	log->refused_msr[log->refused_msrs++] = msr;
	return true;
}

static bool exit_msr(struct vcpu *v)
{
	struct sampo_exit *exit = v->exit;
	bool first;

	if (msr_exit(v))
		return true;
	first = first_refusal(v->vm->cpu, (uint32_t)exit->qualification);
	if (first && exit->write)
		vm_log(v->vm, "write of MSR %llx: %llx at %llx refused",
		       (unsigned long long)exit->qualification,
		       (unsigned long long)(exit->gpr[SAMPO_RDX] << 32 |
					    (uint32_t)exit->gpr[SAMPO_RAX]),
		       (unsigned long long)exit->rip);
	else if (first)
		vm_log(v->vm, "read of MSR %llx at %llx refused",
		       (unsigned long long)exit->qualification, (unsigned long long)exit->rip);
	vcpu_exception(exit, EXCEPTION_GP, 0);
	return true;
}

static bool exit_cr(struct vcpu *v)
{
	if (control_exit(v))
		return true;
	vcpu_dump(v, "access to a control register that cannot be executed");
	return false;
}

static bool exit_task(struct vcpu *v)
{
	if (task_exit(v))
		return true;
	vcpu_dump(v, "hardware task switch through tables where there is no memory");
	return false;
}

static bool exit_eoi(struct vcpu *v)
{
	ioapic_eoi(v->vm, (uint8_t)v->exit->qualification);
	return true;
}

static bool exit_intack(struct vcpu *v)
{
	v->exit->inject = SAMPO_INJECT_EXTINT | (uint8_t)pic_ack(v->vm);
	v->exit->inject_code = 0;
	v->exit->dirty = SAMPO_DIRTY_INJECT;
	return true;
}

/* A stop that came too late for what it was meant for. */
static bool exit_stopped(struct vcpu *v)
{
	(void)v;
	return true;
}

static bool exit_shutdown(struct vcpu *v)
{
	vcpu_dump(v, "triple fault");
	return false;
}

/* Only an NMI or a reset would wake it; both are the operator's. */
static bool exit_hlt_forever(struct vcpu *v)
{
	vm_log(v->vm, "halted for ever: HLT with interrupts off at %llx",
	       (unsigned long long)v->exit->rip);
	return false;
}

static bool exit_invalid(struct vcpu *v)
{
	if (!sampo_by_vmcall && control_invalid(v))
		return true;
	vcpu_dump(v, "the CPU refused the guest's state");
	return false;
}

static bool exit_unknown(struct vcpu *v)
{
	vcpu_dump(v, "an exit that nobody claims");
	return false;
}

static bool exit_startup(struct vcpu *v)
{
	startup_sent(v);
	return true;
}

static const exit_handler handlers[SAMPO_EXIT_COUNT] = {
	[SAMPO_EXIT_IO] = exit_io,
	[SAMPO_EXIT_MEMORY] = exit_memory,
	[SAMPO_EXIT_MSR] = exit_msr,
	[SAMPO_EXIT_CR] = exit_cr,
	[SAMPO_EXIT_EOI] = exit_eoi,
	[SAMPO_EXIT_INTACK] = exit_intack,
	[SAMPO_EXIT_STOPPED] = exit_stopped,
	[SAMPO_EXIT_SHUTDOWN] = exit_shutdown,
	[SAMPO_EXIT_HLT_FOREVER] = exit_hlt_forever,
	[SAMPO_EXIT_INVALID] = exit_invalid,
	[SAMPO_EXIT_UNKNOWN] = exit_unknown,
	[SAMPO_EXIT_STARTUP] = exit_startup,
	[SAMPO_EXIT_TASK] = exit_task,
};

/* Between exits of a guest that ends or is reset. */
static void raised_while_not_running(struct vcpu *v)
{
	v->held = true;
	if (v->vm->phase == VM_PHASE_STOPPING)
		vm_stopped(v->vm);
}

void vcpu_raised(void *vcpu)
{
	struct vcpu *v = vcpu;
	struct sampo_exit *exit = v->exit;
	const struct vm *vm = v->vm;
	uint32_t reason = exit->reason;

	/* SAMPO_EXIT_RESET has no handler: the code that made or reset the vCPU
	 * knows where it is. */
	if (v->held || reason >= SAMPO_EXIT_COUNT || !handlers[reason])
		return;
	if (__builtin_expect(vm->phase != VM_PHASE_RUN, 0)) {
		raised_while_not_running(v);
		return;
	}
	exit->dirty = SAMPO_DIRTY_NONE;
	if (__builtin_expect(!handlers[reason](v) || vm->request ||
				     vm->state->startup[v->index].phase != STARTUP_RUNS,
			     0)) {
		v->held = true;
		startup_held(v);
		return;
	}
	vcpu_release(v);
}
