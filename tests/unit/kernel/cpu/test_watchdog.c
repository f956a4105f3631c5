/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/cpu/watchdog.c tests/unit/panic_stub.c tests/host/cpu.c */
/* When a CPU is taken for one that hangs: three CPUs, whose looks the test makes. */
#include "arch/apic.h"
#include "arch/tsc.h"
#include "kernel/base/panic.h"
#include "kernel/console/console.h"
#include "kernel/cpu/mce.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/watchdog.h"
#include "tests/unit/unit.h"

#define SECOND 1000000000ull
#define LONG   (1000 * SECOND)

extern jmp_buf *panic_expected;

uint64_t tsc_ticks_per_ns = 1ull << 32;
struct cpu *cpu_table[CPUS];
uint32_t cpu_count = 3;
const struct cpu *smp_stuck;

static struct cpu cpus[3];
static unsigned asked; /* consoles looked at */

/* --- what is below and beside --- */

void apic_send(uint32_t dest, uint32_t command)
{
	(void)dest;
	assert_int_equal(command, APIC_NMI);
}

void tsc_delay_ns(uint64_t ns)
{
	(void)ns;
}

void mce_poll(void)
{
}

void device_poll_faults(void)
{
}

void console_interrupt(void)
{
	asked++;
}

void timer_set(struct timer_queue *queue, struct timer *timer, uint64_t deadline)
{
	(void)queue;
	timer->deadline = deadline;
}

/* --- the tests --- */

static int setup(void **state)
{
	(void)state;
	memset(cpus, 0, sizeof(cpus));
	for (unsigned i = 0; i < 3; i++) {
		cpus[i].id = i;
		cpus[i].entries = 1;
		cpu_table[i] = &cpus[i];
	}
	for (unsigned i = 0; i < 3; i++)
		watchdog_start(&cpus[i]);
	smp_stuck = NULL;
	asked = 0;
	return 0;
}

/* The next look of a CPU, so long after the time for which it was set. Returns the CPU that it
 * takes for one that hangs, NULL if there is none. */
static const struct cpu *look(unsigned i, uint64_t late)
{
	static jmp_buf jump;
	struct timer *timer = &cpus[i].watch;

	panic_expected = &jump;
	if (!setjmp(jump))
		timer->fire(timer, timer->deadline + late);
	panic_expected = NULL;
	return smp_stuck;
}

static void test_hangs(void **state)
{
	unsigned looks = 0;

	(void)state;
	while (!look(0, 0) && looks < 100)
		looks++;
	assert_ptr_equal(smp_stuck, &cpus[1]);
	assert_in_range(looks, 10, 15);
}

static void test_goes_on(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		cpus[1].entries += i % 10 == 0;
		assert_null(look(0, 0));
	}
	cpus[1].in_guest = (void *)8;
	for (unsigned i = 0; i < 1000; i++)
		assert_null(look(0, 0));
}

/* The host gave the machine no turn: time has passed, and no CPU has done anything. */
static void test_stopped(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_null(look(i, LONG));
	for (unsigned i = 0; i < 5; i++)
		assert_null(look(0, LONG));
}

/* The first CPU starts all others before it leaves the kernel; for ever it may not. */
static void test_boot(void **state)
{
	unsigned looks = 0;

	(void)state;
	cpus[0].entries = 0;
	while (!look(2, 0) && looks < 1000)
		looks++;
	assert_ptr_equal(smp_stuck, &cpus[0]);
	assert_in_range(looks, 60, 300);
}

/* The log's lock serves CPUs in the order in which they come: no more than one comes for this. */
static void test_console(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		look(i, 0);
	assert_int_equal(asked, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_hangs, setup),
		cmocka_unit_test_setup(test_goes_on, setup),
		cmocka_unit_test_setup(test_stopped, setup),
		cmocka_unit_test_setup(test_boot, setup),
		cmocka_unit_test_setup(test_console, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
