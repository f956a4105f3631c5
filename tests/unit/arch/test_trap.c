/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/trap.c tests/host/cpu.c tests/unit/panic_stub.c */
/* An NMI interrupts anything: its handler takes no lock, and tells the log only where the machine
 * is lost. */
#include "tests/unit/unit.h"

#include "arch/trap.h"
#include "kernel/base/log.h"
#include "kernel/cpu/interrupt.h"
#include "kernel/cpu/smp.h"

#define NMI 2

const char trap_stubs[1], rdmsr_at[1], rdmsr_fault[1], wrmsr_at[1];

void mce_in_kernel(void)
{
	fail();
}
bool smp_stopping;
const struct cpu *smp_stuck;

static unsigned lines, handled;

void trap(struct trap_frame *frame);

void log_print(const char *format, ...)
{
	(void)format;
	lines++;
}

bool stack_below(uint64_t address)
{
	(void)address;
	return false;
}

void interrupt_handle(unsigned vector)
{
	assert_int_equal(vector, 0x30);
	handled++;
}

static void test_nmi(void **state)
{
	struct trap_frame frame = {.vector = NMI, .rip = 0x1234};
	struct cpu *cpu = this_cpu();

	(void)state;
	cpu->in_guest = CPU_IDLE;
	trap(&frame);
	frame.rip = 0x5678;
	trap(&frame);
	assert_int_equal(lines, 0);
	assert_int_equal(cpu->nmis, 2);
	assert_int_equal(cpu->nmi_rip, 0x5678);
	assert_true(cpu->resched);
	/* Nobody may think that the CPU was in the kernel, see smp.h. */
	assert_ptr_equal(cpu->in_guest, CPU_IDLE);
	assert_int_equal(cpu->entries, 0);
}

static void test_stuck(void **state)
{
	struct trap_frame frame = {.vector = NMI};
	struct cpu other;

	(void)state;
	smp_stuck = &other;
	trap(&frame);
	assert_int_equal(lines, 0);
	assert_int_equal(handled, 0);
	frame.vector = 0x30;
	trap(&frame);
	assert_int_equal(handled, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nmi),
		cmocka_unit_test(test_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
