/* SPDX-License-Identifier: BSD-2-Clause */
/* flags: -Wno-unused-function */
/* Which barriers are made when one vCPU comes behind others on a CPU, by the plan of mitigate.c. */
#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/trap.h"
#include "kernel/base/log.h"
#include "kernel/cpu/percpu.h"
#include "tests/unit/unit.h"

static struct cpu cpu0;
static unsigned ibpb, flushes;

static void fake_wrmsr(uint32_t msr, uint64_t value)
{
	assert_int_equal(value, 1);
	ibpb += msr == MSR_PRED_CMD;
	flushes += msr == MSR_FLUSH_CMD;
	assert_true(msr == MSR_PRED_CMD || msr == MSR_FLUSH_CMD);
}

#define cpu_wrmsr  fake_wrmsr
#define this_cpu() (&cpu0)
#include "arch/barrier.c"

/* What of the kernel is not here, or not called. */
const char svm_enter_guarded[1], vmx_enter_guarded[1], vmx_exit_guarded[1];
char thunk_retpolines[1], thunk_jumps[1];
const char *const mitigation_names[MITIGATION_COUNT];

void svm_enter(uint64_t *gpr, uint64_t vmcb_pa)
{
	(void)gpr;
	(void)vmcb_pa;
}

uint64_t vmx_enter(uint64_t *gpr, bool launched)
{
	(void)gpr;
	return launched;
}

void vmx_exit(void)
{
}

int cpu_rdmsr_safe(uint32_t msr, uint64_t *value)
{
	(void)msr;
	(void)value;
	return -1;
}

int cpu_wrmsr_safe(uint32_t msr, uint64_t value)
{
	(void)msr;
	(void)value;
	return -1;
}

void log_print(const char *format, ...)
{
	(void)format;
}

bool mitigate_word(struct mitigate_words *w, const char *word)
{
	(void)w;
	return !*word;
}

struct mitigate_plan mitigate_plan(const struct mitigate_cpu *cpu, const struct mitigate_words *w)
{
	(void)cpu;
	(void)w;
	return (struct mitigate_plan){0};
}

/* dom0, two guests of which the first has two vCPUs, and one whose memory dom0 may not read. */
static struct domain dom0 = {.id = 0}, one = {.id = 1}, two = {.id = 2},
		     hidden = {.id = 3, .flags = SAMPO_DOMAIN_PRIVATE};
static struct vcpu d = {.domain = &dom0}, a = {.domain = &one}, a2 = {.domain = &one},
		   b = {.domain = &two}, h = {.domain = &hidden};

static void set(uint32_t on)
{
	cpu0 = (struct cpu){0};
	mitigations = (struct mitigate_plan){.on = on};
	mitigations.barriers[GUEST_TO_GUEST] = on & (DO_IBPB | DO_L1D);
	mitigations.barriers[GUEST_TO_DOM0] = on & DO_IBPB_DOM0;
	mitigations.barriers[DOM0_TO_GUEST] = on & DO_L1D;
}

/* The vCPU runs next; how many of both barriers that takes. */
static void next(struct vcpu *vcpu, unsigned predictions, unsigned cache)
{
	ibpb = flushes = 0;
	barrier_switch(&cpu0, vcpu);
	cpu0.loaded = vcpu;
	assert_int_equal(ibpb, predictions);
	assert_int_equal(flushes, cache);
}

static void exits_to_dom0(void **state)
{
	(void)state;
	set(DO_IBPB | DO_IBPB_DOM0 | DO_L1D);
	next(&d, 0, 0);
	for (unsigned i = 0; i < 3; i++) {
		next(&a, 0, 1); /* what dom0 left in the cache */
		next(&d, 1, 0); /* what the guest trained */
	}
	next(&b, 0, 1); /* all has been forgotten since a */
	next(&a, 1, 1);
	next(&a2, 1, 0); /* another CPU for the guest, but its own data */
	next(&a, 1, 0);
}

/* Without the barrier to dom0 the guest that was before it counts. */
static void dom0_trusts(void **state)
{
	(void)state;
	set(DO_IBPB | DO_L1D);
	next(&a, 0, 1);
	next(&d, 0, 0);
	next(&a, 0, 1);
	next(&d, 0, 0);
	next(&b, 1, 1);
	next(&d, 0, 0);
	next(&a, 1, 1);
}

static void private_domain(void **state)
{
	(void)state;
	set(DO_IBPB | DO_IBPB_DOM0 | DO_L1D);
	next(&d, 0, 0);
	next(&h, 1, 1); /* dom0 might have steered it */
	next(&d, 1, 0);
	next(&h, 1, 1);
	set(DO_IBPB | DO_L1D);
	next(&h, 1, 1);
	next(&h, 0, 0);
	next(&d, 0, 0);
	next(&h, 1, 1); /* it was the last guest, but dom0 was here */
}

/* Another vCPU may come to be at the same address. */
static void gone(void **state)
{
	(void)state;
	set(DO_IBPB | DO_L1D);
	next(&a, 0, 1);
	barrier_forget(&cpu0, &b); /* that was not here */
	next(&a, 0, 0);
	barrier_forget(&cpu0, &a);
	next(&a, 1, 1);
}

/* The kernel reads what is another domain's while a guest stays loaded. */
static void touched(void **state)
{
	(void)state;
	set(DO_IBPB | DO_IBPB_DOM0 | DO_L1D);
	next(&a, 0, 1);
	a.pending = b.pending = 0;
	barrier_touched(&one);
	assert_int_equal(a.pending, 0);
	barrier_touched(&two);
	assert_int_equal(a.pending, VCPU_PEND_CACHE);
	barrier_cache(&cpu0, &a);
	assert_int_equal(a.pending, 0);
	assert_int_equal(flushes, 2);
	/* It has to be loaded first: then that is when it is done. */
	barrier_touched(&two);
	next(&b, 1, 1);
	barrier_cache(&cpu0, &a);
	assert_int_equal(flushes, 1);
	next(&a, 1, 1);
	set(DO_IBPB);
	next(&a, 0, 0);
	barrier_touched(&two);
	assert_int_equal(a.pending, 0);
}

static void jumps(void **state)
{
	static uint8_t code[64];
	int32_t distance;

	(void)state;
	barrier_put_jump(code + 8, code + 40);
	memcpy(&distance, code + 9, sizeof(distance));
	assert_int_equal(code[8], 0xe9);
	assert_int_equal(distance, 40 - 8 - 5);
	barrier_put_jump(code + 40, code);
	memcpy(&distance, code + 41, sizeof(distance));
	assert_int_equal(distance, -45);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exits_to_dom0),  cmocka_unit_test(dom0_trusts),
		cmocka_unit_test(private_domain), cmocka_unit_test(gone),
		cmocka_unit_test(touched),        cmocka_unit_test(jumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
