/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/cpu/exit.c tests/host/cpu.c */
/* What the kernel does by itself at an exit: on a vendor that only notes. */
#include "arch/debugreg.h"
#include "arch/fpu.h"
#include "arch/hv.h"
#include "arch/tsc.h"
#include "kernel/base/log.h"
#include "kernel/call/hypercall.h"
#include "kernel/cpu/exit.h"
#include "kernel/cpu/interrupt.h"
#include "kernel/cpu/loop.h"
#include "kernel/cpu/mce.h"
#include "kernel/object/event.h"
#include "kernel/object/region.h"
#include "kernel/vcpu/cpuid.h"
#include "kernel/vcpu/dump.h"
#include "kernel/vcpu/msr.h"
#include "kernel/vcpu/paravirt.h"
#include "kernel/vcpu/vcpu.h"
#include "tests/unit/unit.h"

#define RIP      0x1000u
#define NEXT_RIP 0x1003u
#define X87_SSE  3u

uint64_t fpu_xcr0 = 7, tsc_ticks_per_ns = 1ull << 32;

static struct domain domain;
static struct vcpu vcpu;
static uint64_t cr4, rip;
static uint32_t injected;

/* --- what is below and beside --- */

void hv_op_fetch_few(struct vcpu *, struct sampo_exit *state)
{
	state->cr4 = cr4;
	state->rip = rip;
}

void hv_op_advance(struct vcpu *, uint64_t next_rip)
{
	rip = next_rip;
}

void vcpu_inject(struct vcpu *, uint32_t event, uint32_t)
{
	injected = event;
}

/* None of the exits here may get to these. */
#define NEVER(type, name, arguments) \
	type name arguments          \
	{                            \
		fail();              \
		__builtin_trap();    \
	}

NEVER(void, hv_op_trap, (struct vcpu *, enum hv_trap, bool))
NEVER(bool, hv_op_cr_access, (struct vcpu *, const struct hv_exit *))
NEVER(void, hv_op_interrupt_window, (void))
NEVER(void, cpuid_answer, (struct vcpu *))
NEVER(void, debug_take, (struct cpu *, struct vcpu *))
NEVER(void, eoi_collect, (struct vcpu *))
NEVER(void, event_raise, (struct event *))
NEVER(const char *, exit_kind_name, (enum exit_kind))
NEVER(void, fpu_switch, (struct cpu *, struct vcpu *))
NEVER(void, hypercall, (struct vcpu *, struct hv_exit *))
NEVER(void, interrupt_run_timers, (struct cpu *))
NEVER(void, log_print, (const char *, ...))
NEVER(bool, loop_breathe, (struct cpu *))
NEVER(void, turn_ends_within, (struct cpu *, uint64_t))
NEVER(bool, mce_in_guest, (void))
NEVER(void, mce_poll, (void))
NEVER(enum msr_result, msr_read, (struct vcpu *, uint32_t, uint64_t *))
NEVER(enum msr_result, msr_write, (struct vcpu *, uint32_t, uint64_t))
NEVER(int64_t, region_fault, (struct domain *, uint64_t, uint32_t))
NEVER(void, sched_pass, (struct sched_rq *, uint64_t))
NEVER(void, request_serve, (struct cpu *))
NEVER(void, tsc_delay_ns, (uint64_t))
NEVER(void, vcpu_dump, (struct vcpu *, void *))
NEVER(void, vcpu_halt, (struct vcpu *))
NEVER(bool, vcpu_has_wakeup, (struct vcpu *))
NEVER(void, vcpu_to_monitor, (struct vcpu *, uint32_t))

/* --- the tests --- */

/* The guest executes XSETBV in this mode; the exit is handled. */
static void xsetbv(uint8_t cpl, uint64_t index, uint64_t value)
{
	struct hv_exit x = {.kind = EXIT_XSETBV, .rip = RIP, .next_rip = NEXT_RIP, .cpl = cpl};

	vcpu = (struct vcpu){.domain = &domain, .cpu = this_cpu(), .xcr0 = 1};
	vcpu.gpr[SAMPO_RCX] = index;
	vcpu.gpr[SAMPO_RDX] = value >> 32;
	vcpu.gpr[SAMPO_RAX] = (uint32_t)value;
	rip = RIP;
	injected = 0;
	exit_handlers[EXIT_XSETBV](&vcpu, &x);
}

/* XCR0 is as it was, and the instruction is where it was. */
static void assert_refused(uint32_t event)
{
	assert_int_equal(injected, event);
	assert_int_equal(vcpu.xcr0, 1);
	assert_int_equal(rip, RIP);
}

static void test_xsetbv(void **state)
{
	(void)state;
	cr4 = CR4_OSXSAVE;
	xsetbv(0, 0, X87_SSE);
	assert_int_equal(injected, 0);
	assert_int_equal(vcpu.xcr0, X87_SSE);
	assert_int_equal(rip, NEXT_RIP);
	xsetbv(3, 0, X87_SSE);
	assert_refused(VCPU_GP);
	xsetbv(0, 1, X87_SSE);
	assert_refused(VCPU_GP);
	xsetbv(0, 0, 5); /* AVX without SSE */
	assert_refused(VCPU_GP);
	xsetbv(0, 0, 1ull << 62 | X87_SSE);
	assert_refused(VCPU_GP);
}

/* While CR4 does not turn it on, #UD comes before every other check. */
static void test_xsetbv_off(void **state)
{
	(void)state;
	cr4 = ~CR4_OSXSAVE;
	xsetbv(0, 0, X87_SSE);
	assert_refused(VCPU_UD);
	xsetbv(3, 1, 0);
	assert_refused(VCPU_UD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xsetbv),
		cmocka_unit_test(test_xsetbv_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
