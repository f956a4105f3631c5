/* SPDX-License-Identifier: BSD-2-Clause */
/* Each CPU on its way to the main loop. */
#include "kernel/cpu/start.h"

#include "arch/acpi.h"
#include "arch/apic.h"
#include "arch/barrier.h"
#include "arch/cpu.h"
#include "arch/fpu.h"
#include "arch/hv.h"
#include "arch/paging.h"
#include "arch/trap.h"
#include "arch/tsc.h"
#include "arch/tss.h"
#include "kernel/base/frame.h"
#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/interrupt.h"
#include "kernel/cpu/loop.h"
#include "kernel/cpu/mce.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/watchdog.h"
#include "kernel/vcpu/turn.h"

/* SDM 3A 9.4.4 */
#define INIT_NS     10000000ull
#define STARTUP_NS  200000ull
#define START_TRIES 2u
#define ARRIVE_NS   1000000000ull
#define TSC_ROUNDS  200u
#define TSC_LEAST   8u
#define TSC_NS      1000000ull
#define TSC_OVER    UINT32_MAX

extern const char ap_trampoline[], ap_trampoline_end[];
extern uint64_t start_stack;

/* How far the CPU that is being started has come. */
enum ap_state { AP_AWAITED, AP_ARRIVED, AP_WANTED, AP_UNWANTED, AP_PARKED };

static enum ap_state ap_state;

/* The TSC as the last of two CPUs read it that do so in turn. */
static struct {
	uint32_t turn;
	uint64_t last;
	bool went_back;
} tsc_check;

void cpu_setup(struct cpu *cpu)
{
	apic_enable(VECTOR_TIMER, VECTOR_ERROR, VECTOR_SPURIOUS);
	cpu->apic_id = apic_id();
	cpu->timers.armed = TIMER_NEVER;
	cpu->has_tsc_aux = cpu_cpuid(0x80000001, 0).edx >> 27 & 1;
	cpu->nested = cpu_cpuid(1, 0).ecx >> 31; /* APM 3 appendix E.3.2 */
	barrier_cpu_init();
	mce_cpu_init();
	sched_init(&cpu->rq, cpu->id, tsc_from_ns(SCHED_TURN_NS), cpu_rdtsc());
	cpu->way = WAY_MOST;
	cpu->slice.fire = turn_ended;
	cpu->lines = page_alloc();
	fpu_init();
	hv->cpu_init(cpu);
	cpu_table[cpu->id] = cpu;
	__atomic_store_n(&cpu_count, cpu->id + 1, __ATOMIC_RELEASE);
	watchdog_start(cpu);
}

/*
 * Both CPUs at once, side 0 and 1: does either see the TSC go back? Where the two share one CPU of
 * another hypervisor, a turn takes as long as its scheduler lets the other one run: there side 0
 * ends the check when its time is over.
 */
static void check_tsc(uint32_t side)
{
	uint64_t end = cpu_rdtsc() + tsc_from_ns(TSC_NS);

	for (uint32_t turn = side; turn < 2 * TSC_ROUNDS; turn += 2) {
		uint32_t next;
		uint64_t now;

		while (__atomic_load_n(&tsc_check.turn, __ATOMIC_ACQUIRE) < turn)
			cpu_pause();
		if (READ_ONCE(tsc_check.turn) == TSC_OVER)
			return;
		__asm__ volatile("lfence" ::: "memory");
		now = cpu_rdtsc();
		tsc_check.went_back |= now < tsc_check.last;
		tsc_check.last = now;
		next = !side && turn >= 2 * TSC_LEAST && now > end ? TSC_OVER : turn + 1;
		__atomic_store_n(&tsc_check.turn, next, __ATOMIC_RELEASE);
		if (next == TSC_OVER)
			return;
	}
}

static void set_state(enum ap_state state)
{
	__atomic_store_n(&ap_state, state, __ATOMIC_RELEASE);
}

static bool wait_state(enum ap_state state, uint64_t ns)
{
	uint64_t start = cpu_rdtsc();

	while (__atomic_load_n(&ap_state, __ATOMIC_ACQUIRE) != state) {
		if (cpu_rdtsc() - start > tsc_from_ns(ns))
			return false;
		cpu_pause();
	}
	return true;
}

/* Called by boot/start.S. */
void ap_main(void);
void ap_main(void)
{
	tss_load(this_cpu());
	trap_load();
	paging_enable();
	set_state(AP_ARRIVED);
	check_tsc(1);
	while (__atomic_load_n(&ap_state, __ATOMIC_ACQUIRE) == AP_ARRIVED)
		cpu_pause();
	if (ap_state == AP_UNWANTED) {
		mce_enable();
		set_state(AP_PARKED);
		for (;;)
			cpu_hlt();
	}
	cpu_setup(this_cpu());
	loop_run(this_cpu());
}

/* One after the other: they share the trampoline and its stack pointer. One that is parked sleeps,
 * but takes machine checks, which some CPUs send to all threads (SDM 3B 16.3). */
static bool start(struct cpu *cpu, uint64_t trampoline, bool park)
{
	static uint32_t stacks;
	void *stack;

	stacks++;
	stack = stack_new(stacks);
	if (!stack || !tss_new(cpu, stacks))
		return false;
	*(struct cpu **)stack = cpu;
	start_stack = (uint64_t)stack + STACK_SIZE;
	tsc_check.turn = 0;
	tsc_check.last = 0;
	tsc_check.went_back = false;
	set_state(AP_AWAITED);
	apic_send(cpu->apic_id, APIC_INIT);
	tsc_delay_ns(INIT_NS);
	for (unsigned i = 0; i < START_TRIES; i++) {
		apic_send(cpu->apic_id, APIC_STARTUP | (uint32_t)(trampoline / FRAME_PAGE));
		if (wait_state(AP_ARRIVED, i ? ARRIVE_NS : STARTUP_NS))
			break;
	}
	if (ap_state != AP_ARRIVED)
		return false;
	check_tsc(0);
	park |= tsc_check.went_back;
	set_state(park ? AP_UNWANTED : AP_WANTED);
	if (park)
		wait_state(AP_PARKED, ARRIVE_NS);
	while (!park && __atomic_load_n(&cpu_count, __ATOMIC_ACQUIRE) <= cpu->id)
		cpu_pause();
	return !tsc_check.went_back;
}

void cpus_start(void)
{
	uint64_t trampoline = frame_stats.trampoline;
	volatile char *page = trampoline ? phys_map(trampoline, FRAME_PAGE, MAP_DEVICE) : NULL;
	struct cpu *cpu = NULL;
	uint32_t parked = 0;

	stop_others = smp_stop_others;
	if (acpi.cpus > 1 && !page)
		log_print(LOG_ERR "cpus: no page below 640 KiB to start the others from\n");
	for (const char *at = ap_trampoline; page && at < ap_trampoline_end; at++)
		page[at - ap_trampoline] = *at;
	for (uint32_t i = 0; page && i < acpi.cpus && i < ACPI_CPUS && cpu_count < CPUS; i++) {
		bool park = (acpi.cpu[i] ^ this_cpu()->apic_id) & sibling_mask;

		if (acpi.cpu[i] == this_cpu()->apic_id)
			continue;
		cpu = page_alloc();
		if (!cpu)
			break;
		cpu->id = cpu_count;
		cpu->apic_id = acpi.cpu[i];
		if (start(cpu, trampoline, park)) {
			parked += park;
			continue;
		}
		log_print(LOG_WARNING "cpus: the one with APIC ID %u is left out: %s\n",
			  acpi.cpu[i],
			  tsc_check.went_back ? "its TSC is behind" : "it does not start");
		break; /* it may yet come, on the stack that was meant for it */
	}
	log_print("kernel: %u of %u CPUs run\n", cpu_count, acpi.cpus);
	if (acpi.cpus > ACPI_CPUS)
		log_print(LOG_WARNING "kernel: at most %u CPUs can run\n", ACPI_CPUS);
	if (parked)
		log_print("kernel: %u more are parked, smt=off\n", parked);
}
