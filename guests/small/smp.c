/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several CPUs (SDM 3A 9.4, chapter 11): INIT and SIPI, messages between local
 * APICs in both modes, one TSC, and what KVM has for several CPUs. There are
 * as many as the command line's cpus= says, with threads= and cores=.
 */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/exceptions.h"
#include "guests/lib/guest.h"
#include "guests/lib/lapic.h"
#include "guests/lib/sampo.h"
#include "guests/lib/smp.h"
#include "guests/lib/tsc.h"

#define VECTOR         0x41
#define VECTOR_WAKE    0x42
#define VECTOR_PIT     0x51
#define ANSWER_MS      5000u
#define QUIET_MS       250u /* longer than a busy host keeps a CPU from its HLT */
#define TSC_ROUNDS     50
#define INIT_ROUNDS    10
#define HC_KICK_CPU    5u
#define HC_SEND_IPI    10u
#define HC_SCHED_YIELD 11u
#define MSR_STEAL      0x4b564d03u
#define STEAL_FEATURES 0x2aa0u /* steal time, unhalt, TLB flush, send IPI, yield */
#define PREEMPTED      1u
#define FLUSH_TLB      2u
#define IOAPIC         0xfec00000ull

enum command {
	DONE,
	TELL_ID,
	TAKE,
	TELL_TSC,
	HALT,
	HALT_DEAF,
	COUNT,
	SET_STEAL,
	SET_LOGICAL,
	INIT,
	CRASH
};

/* What one CPU is told to do, and its answer. */
struct cpu {
	volatile uint32_t command;
	volatile uint64_t value;
};

struct steal_time {
	volatile uint64_t steal;
	volatile uint32_t version, flags;
	volatile uint8_t preempted, pad[47];
} __attribute__((aligned(64)));

static struct cpu cpus[SMP_CPUS];
static struct steal_time steal[SMP_CPUS];
static unsigned id_of[SMP_CPUS], count;
static bool x2apic = true;
static volatile uint64_t counter;
static volatile unsigned nmis;
static uint64_t khz;

static bool on_exception(struct exception *e)
{
	if (e->vector != VECTOR_NMI)
		return false;
	__atomic_fetch_add(&nmis, 1, __ATOMIC_SEQ_CST);
	return true;
}

static uint64_t kvm_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t status;

	__asm__ volatile(SAMPO_CALL_INSN
			 : "=a"(status)
			 : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d)
			 : "memory", "cc");
	return status;
}

/* Nothing to do until that CPU has done something. */
static void yield(unsigned id)
{
	if (sampo_present)
		kvm_call(HC_SCHED_YIELD, id, 0, 0, 0);
	else
		cpu_relax();
}

/* Has the vector come? Interrupts are off otherwise, and one CPU at a time takes them. */
static bool take(unsigned vector)
{
	uint64_t before = interrupt_count[vector];

	interrupts_on();
	interrupts_off();
	return interrupt_count[vector] != before;
}

static uint64_t tell_id(void)
{
	uint32_t leaf[4], topology[4];

	cpuid(1, 0, leaf);
	cpuid(0xb, 0, topology);
	if (leaf[1] >> 24 != topology[3] || rdmsr(MSR_APIC_BASE) & 0x100)
		return ~0ull;
	return x2apic ? rdmsr(X2APIC_ID) : xapic_read(XAPIC_ID) >> 24;
}

static uint64_t execute(uint32_t command, uint64_t argument)
{
	static const uint8_t nothing[10];

	switch (command) {
	case TELL_ID:
		return tell_id();
	case TAKE:
		return take((unsigned)argument);
	case TELL_TSC:
		return rdtsc();
	case HALT:
		halt_once();
		return 0;
	case HALT_DEAF:
		__asm__ volatile("hlt" : : : "memory");
		return 0;
	case COUNT:
		for (;;)
			counter++;
	case INIT:
		ipi_send((uint32_t)argument, ICR_INIT | ICR_ASSERT);
		counter++;
		return 0;
	case CRASH: /* an exception, and no table for it */
		__asm__ volatile("lidt %0; ud2" : : "m"(nothing));
		return 0;
	case SET_STEAL:
		wrmsr(MSR_STEAL, argument);
		return 0;
	case SET_LOGICAL:
		xapic_write(XAPIC_DFR, (uint32_t)(argument >> 32));
		xapic_write(XAPIC_LDR, (uint32_t)argument);
		return 0;
	default:
		return ~0ull;
	}
}

/* Every CPU but the first: does what it is told, in x2APIC mode or as it is. */
static void serve(uint64_t id)
{
	struct cpu *c = &cpus[id];

	if (x2apic)
		lapic_enable();
	else
		xapic_write(XAPIC_SPURIOUS, 0x1ff);
	for (;;) {
		while (!c->command)
			yield(0);
		c->value = execute(c->command, c->value);
		__atomic_store_n(&c->command, DONE, __ATOMIC_RELEASE);
	}
}

static void tell(unsigned id, enum command command, uint64_t argument)
{
	cpus[id].value = argument;
	__atomic_store_n(&cpus[id].command, command, __ATOMIC_RELEASE);
}

static bool done(unsigned id, uint64_t ms)
{
	uint64_t end = rdtsc() + ms * khz;

	while (__atomic_load_n(&cpus[id].command, __ATOMIC_ACQUIRE)) {
		if (rdtsc() > end)
			return false;
		yield(id);
	}
	return true;
}

static uint64_t ask(unsigned id, enum command command, uint64_t argument)
{
	tell(id, command, argument);
	return done(id, ANSWER_MS) ? cpus[id].value : ~0ull;
}

/* The CPUs that the vector has come to, as bits by number. */
static uint64_t takers(void)
{
	uint64_t set = take(VECTOR);

	for (unsigned i = 1; i < count; i++)
		set |= (uint64_t)(ask(id_of[i], TAKE, VECTOR) == 1) << i;
	return set;
}

/* The same when so many must have come; messages may take their time. */
static uint64_t takers_of(unsigned number)
{
	uint64_t set = 0, end = rdtsc() + ANSWER_MS * khz;

	while ((unsigned)__builtin_popcountll(set) < number && rdtsc() < end)
		set |= takers();
	return set | takers();
}

static void expect_takers(uint32_t destination, uint32_t command, uint64_t wanted, const char *name)
{
	uint64_t set;

	ipi_send(destination, command | VECTOR);
	set = takers_of((unsigned)__builtin_popcountll(wanted));
	check(set == wanted, name, "came to %#llx", (unsigned long long)set);
}

static uint64_t all(void)
{
	return (1ull << count) - 1;
}

static void start_all(void)
{
	for (unsigned i = 1; i < count; i++) {
		uint64_t id = ~0ull;

		cpus[id_of[i]].command = DONE;
		if (smp_start(id_of[i], serve))
			id = ask(id_of[i], TELL_ID, 0);
		check(id == id_of[i], x2apic ? "a CPU starts" : "a CPU starts, xAPIC",
		      "id %llx of %x", (unsigned long long)id, id_of[i]);
	}
}

static void check_topology(void)
{
	uint32_t threads = (uint32_t)option("threads", 1), leaf[4];
	uint32_t cores = (uint32_t)option("cores", count), package = threads * cores;

	cpuid(0xb, 0, leaf);
	check(leaf[1] == threads && leaf[2] == 0x100, "threads of a core", "%u, level %#x", leaf[1],
	      leaf[2]);
	cpuid(0xb, 1, leaf);
	check(leaf[1] == package && leaf[2] == 0x201, "threads of a package", "%u, level %#x",
	      leaf[1], leaf[2]);
	cpuid(1, 0, leaf);
	check((leaf[1] >> 16 & 0xff) >= package && !(leaf[3] >> 28 & 1) == (package == 1),
	      "CPUID leaf 1", "%u threads, EDX %#x", leaf[1] >> 16 & 0xff, leaf[3]);
}

/* A SIPI changes nothing for a CPU that runs; INIT stops it. */
static void check_init(void)
{
	uint64_t before;

	tell(id_of[1], COUNT, 0);
	while (!counter)
		cpu_relax();
	ipi_send(id_of[1], ICR_STARTUP | ICR_ASSERT | 0x99);
	before = counter;
	while (counter == before)
		cpu_relax();
	check(true, "SIPI to a CPU that runs", "-");
	ipi_send(id_of[1], ICR_INIT | ICR_ASSERT);
	done(id_of[1], QUIET_MS); /* nor do messages come at once */
	before = counter;
	check(!done(id_of[1], QUIET_MS) && counter == before, "INIT stops a CPU", "it goes on");
	ipi_send(id_of[1], ICR_NMI | ICR_ASSERT);
	ipi_send(id_of[1], ICR_ASSERT | VECTOR);
	check(!done(id_of[1], QUIET_MS) && counter == before && !nmis, "it waits for a SIPI",
	      "it goes on");
	cpus[id_of[1]].command = DONE;
	check(smp_start(id_of[1], serve), "and starts again", "no");
	check(ask(id_of[1], TELL_ID, 0) == id_of[1] && !nmis, "what came before is forgotten",
	      "%u NMIs", nmis);
}

static bool restart(unsigned i)
{
	cpus[id_of[i]].command = DONE;
	return smp_start(id_of[i], serve) && ask(id_of[i], TELL_ID, 0) == id_of[i];
}

/* CPUs that stop themselves, or each other at the same time. */
static void check_init_of_senders(void)
{
	unsigned good = 0;

	counter = 0;
	tell(id_of[1], INIT, id_of[1]);
	check(!done(id_of[1], QUIET_MS) && !counter, "INIT to itself", "goes on");
	check(restart(1), "and it starts again", "no");
	for (unsigned n = 0; n < INIT_ROUNDS; n++) {
		tell(id_of[1], INIT, id_of[2]);
		tell(id_of[2], INIT, id_of[1]);
		done(id_of[1], 1);
		ipi_send(id_of[1], ICR_INIT | ICR_ASSERT); /* one that was spared, or is late */
		ipi_send(id_of[2], ICR_INIT | ICR_ASSERT);
		good += restart(1) && restart(2);
	}
	check(good == INIT_ROUNDS, "INIT to each other", "%u of %u started again", good,
	      INIT_ROUNDS);
}

static void check_fixed(void)
{
	uint64_t bit = 1ull << (count - 1);

	expect_takers(id_of[count - 1], 0, bit, "to one CPU");
	expect_takers(0, ICR_OTHERS, all() & ~1ull, "to all but itself");
	expect_takers(0, ICR_ALL, all(), "to all and itself");
	expect_takers(x2apic ? ~0u : 0xff, 0, all(), "to the physical broadcast");
	expect_takers(0x77, 0, 0, "to nobody");
}

static void check_logical(void)
{
	uint64_t set;

	/* SDM 3A 11.12.10.2: cluster and bit are made of the id. */
	expect_takers(1u << id_of[1] | 1u << id_of[2], ICR_LOGICAL, 6, "to two of a cluster");
	ipi_send(0xffff, ICR_LOGICAL | ICR_LOWEST | VECTOR);
	set = takers_of(1);
	check(set && !(set & (set - 1)) && !(set & ~all()), "lowest priority: one of them",
	      "came to %#llx", (unsigned long long)set);
}

/* Gives every CPU its bit of the logical destination. */
static void set_logical(uint32_t dfr, uint32_t ldr)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t argument = (uint64_t)dfr << 32 | ldr | 1u << (24 + i);

		if (i)
			ask(id_of[i], SET_LOGICAL, argument);
		else
			execute(SET_LOGICAL, argument);
	}
}

static void check_logical_xapic(void)
{
	set_logical(0xffffffff, 0);
	expect_takers(6, ICR_LOGICAL, 6, "flat model: to two");
	expect_takers(0xff, ICR_LOGICAL, all(), "flat model: to all");
	set_logical(0x0fffffff, 2u << 28);
	expect_takers(0x26, ICR_LOGICAL, 6, "cluster model: to two");
	expect_takers(0x16, ICR_LOGICAL, 0, "cluster model: of another cluster");
}

static void wait_nmis(unsigned number)
{
	for (uint64_t end = rdtsc() + ANSWER_MS * khz; nmis < number && rdtsc() < end;)
		yield(id_of[1]);
	takers();
}

static void check_nmi(void)
{
	nmis = 0;
	ipi_send(id_of[1], ICR_NMI | ICR_ASSERT);
	wait_nmis(1);
	check(nmis == 1, "NMI to one CPU", "%u", nmis);
	ipi_send(0, ICR_OTHERS | ICR_NMI | ICR_ASSERT);
	wait_nmis(count);
	check(nmis == count, "NMI to the others", "%u", nmis - 1);
}

static void check_halt(void)
{
	uint64_t before = interrupt_count[VECTOR_WAKE];

	tell(id_of[1], HALT, 0);
	check(!done(id_of[1], QUIET_MS), "HLT waits", "it goes on");
	ipi_send(id_of[1], VECTOR_WAKE);
	check(done(id_of[1], ANSWER_MS) && interrupt_count[VECTOR_WAKE] == before + 1,
	      "an IPI ends HLT", "no");
	tell(id_of[1], HALT_DEAF, 0);
	ipi_send(id_of[1], VECTOR);
	check(!done(id_of[1], QUIET_MS), "HLT without interrupts", "an IPI ended it");
	nmis = 0;
	ipi_send(id_of[1], ICR_NMI);
	check(done(id_of[1], ANSWER_MS) && nmis == 1, "an NMI ends it", "no");
	check(takers_of(1) == 2, "the IPI is kept", "no");
}

/* A CPU's TSC is never behind what another one has read before. */
static void check_tsc(void)
{
	unsigned bad = 0;

	for (unsigned n = 0; n < TSC_ROUNDS; n++)
		for (unsigned i = 1; i < count; i++) {
			uint64_t before = rdtsc(), there = ask(id_of[i], TELL_TSC, 0);

			bad += there < before || there > rdtsc();
		}
	check(!bad, "one TSC", "%u of %u steps back", bad, TSC_ROUNDS * (count - 1));
}

/* The PIT by the I/O APIC: an interrupt of a device's for a CPU of choice. */
static void check_device(unsigned cpu)
{
	volatile uint32_t *io = (volatile uint32_t *)(uintptr_t)IOAPIC;
	bool came = false;

	io[0] = 0x10 + 2 * 2 + 1;
	io[4] = id_of[cpu] << 24;
	io[0] = 0x10 + 2 * 2;
	io[4] = VECTOR;
	outb(0x43, 0x30); /* counter 0, both bytes, mode 0 */
	outb(0x40, 0xff);
	outb(0x40, 0x10);
	for (uint64_t end = rdtsc() + ANSWER_MS * khz; !came && rdtsc() < end;)
		came = cpu ? ask(id_of[cpu], TAKE, VECTOR) == 1 : take(VECTOR);
	io[0] = 0x10 + 2 * 2;
	io[4] = 0x10000;
	check(came && !takers(), "a device's interrupt for one CPU", "of %u", cpu);
}

static void check_calls(void)
{
	uint64_t others = 0, status, set;
	uint32_t leaf[4];

	cpuid(CPUID_KVM_FEATURES, 0, leaf);
	check((leaf[0] & STEAL_FEATURES) == STEAL_FEATURES, "KVM's features", "%#x", leaf[0]);
	for (unsigned i = 1; i < count; i++)
		others |= 1ull << id_of[i];
	status = kvm_call(HC_SEND_IPI, others >> 1, 0, 1, VECTOR);
	set = takers_of(count - 1);
	check(status == count - 1 && set == (all() & ~1ull), "SEND_IPI", "status %lld, to %#llx",
	      (long long)status, (unsigned long long)set);
	check((int64_t)kvm_call(HC_SEND_IPI, 1, 0, 0, 0x40000 | VECTOR) < 0, "SEND_IPI, shorthand",
	      "accepted");
	check(kvm_call(HC_SEND_IPI, ~0ull, ~0ull, 0x1000, VECTOR) == 0, "SEND_IPI, no such CPU",
	      "no");
	check(kvm_call(HC_SCHED_YIELD, id_of[1], 0, 0, 0) == 0, "SCHED_YIELD", "no");
	check(kvm_call(HC_SCHED_YIELD, ~0ull, 0, 0, 0) == 0, "SCHED_YIELD to nobody", "no");

	tell(id_of[1], HALT_DEAF, 0);
	check(!done(id_of[1], QUIET_MS), "a waiter waits", "no");
	kvm_call(HC_KICK_CPU, 0, id_of[1], 0, 0);
	check(done(id_of[1], ANSWER_MS), "KICK_CPU ends HLT", "no");
	kvm_call(HC_KICK_CPU, 0, id_of[1], 0, 0);
	check(ask(id_of[1], HALT_DEAF, 0) == 0, "a kick before HLT", "is lost");
	check(kvm_call(HC_KICK_CPU, 0, ~0ull, 0, 0) == 0, "KICK_CPU to nobody", "no");
}

static void check_steal(void)
{
	struct steal_time *s = &steal[id_of[1]];
	uint64_t before;

	ask(id_of[1], SET_STEAL, (uint64_t)(uintptr_t)s | 1);
	ask(id_of[1], TELL_ID, 0);
	before = s->steal;
	check(!(s->version & 1) && s->version, "steal time is written", "version %u", s->version);
	tell(id_of[1], HALT, 0);
	check(!done(id_of[1], QUIET_MS) && s->preempted == PREEMPTED, "preempted while it halts",
	      "%u", s->preempted);
	s->preempted |= FLUSH_TLB;
	ipi_send(id_of[1], VECTOR_WAKE);
	done(id_of[1], ANSWER_MS);
	tell(id_of[1], COUNT, 0);
	for (counter = 0; !counter;)
		cpu_relax();
	check(s->steal >= before && !(s->version & 1), "steal time goes on", "back to %llu",
	      (unsigned long long)s->steal);
	ipi_send(id_of[1], ICR_INIT | ICR_ASSERT);
	cpus[id_of[1]].command = DONE;
	before = s->version;
	check(smp_start(id_of[1], serve) && ask(id_of[1], TELL_ID, 0) == id_of[1] &&
		      s->version == before,
	      "INIT ends steal time", "version %u", s->version);
}

static void enter_xapic(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE) & ~(uint64_t)(APIC_BASE_X2APIC | APIC_BASE_ENABLE);

	wrmsr(MSR_APIC_BASE, base);
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	xapic_write(XAPIC_SPURIOUS, 0x1ff);
}

static void rules_x2apic(void)
{
	lapic_enable();
	check_topology();
	start_all();
	check_fixed();
	if (option_word("brief"))
		return;
	if (option_word("crash"))
		ask(id_of[2], CRASH, 0);
	check_init();
	check_init_of_senders();
	check_logical();
	check_nmi();
	check_halt();
	check_tsc();
	check_device(1);
	check_device(0);
	check_calls();
	check_steal();
}

static void rules_xapic(void)
{
	interrupts_xapic = true;
	enter_xapic();
	start_all();
	check_init();
	check_init_of_senders();
	check_fixed();
	check_logical_xapic();
	check_nmi();
	check_halt();
	check_device(1);
}

int main(void)
{
	uint32_t threads = (uint32_t)option("threads", 1), leaf[4];

	faults_init();
	exceptions_hook(on_exception);
	interrupts_init();
	outb(0x21, 0xff); /* what firmware leaves unmasked */
	outb(0xa1, 0xff);
	khz = tsc_khz();
	count = (unsigned)option("cpus", 4);
	cpuid(0xb, 1, leaf);
	for (unsigned i = 0, cores = (unsigned)option("cores", count); i < count; i++)
		id_of[i] = i % (threads * cores) | i / (threads * cores) << leaf[0];
	x2apic = !option_word("xapic");
	if (x2apic)
		rules_x2apic();
	else
		rules_xapic();
	check_end();
	guest_poweroff();
}
