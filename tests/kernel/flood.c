/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest can do to a neighbour on the same CPU. A victim computes and counts; beside it a
 * crowd of vCPUs does nothing but make the kernel work. The victim weighs as much as the crowd,
 * and is owed its share of the CPU, and all that the crowd and their monitor leave, by the time
 * that the kernel says they have had. The victim's own count says how much of the CPU the victim
 * has really had.
 *
 * With two CPUs the first vCPU of the crowd is on the second one, alone, and interrupts the others,
 * which are on the first one with the victim, as fast as it can.
 */
#include <stdio.h>
#include <string.h>

#include "tests/kernel/abi.h"

#define VICTIM          0u /* slots */
#define CROWD           1u
#define MOST            32u
#define PAGES           1024u
#define TOUCHED         80u /* blocks */
#define COUNT_100       100u
#define STACKS          0x6000u
#define STACK           0x100u
#define VECTOR          0x40u
#define NMI             2u
#define DOORBELL        0x500u
#define BELL_MSI        0x504u /* an interrupt for vCPU 1 */
#define PORT            0x98u
#define RESET           0x9au /* a port too */
#define CALL_KICK       5u
#define CALL_YIELD      11u /* to the vCPU of the same number, since both are in EBX */
#define LOSS            30  /* the most that the victim may lose, in thousandths of the time */
#define MONITOR         8u
#define QUIET_MS        4u
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define CREDIT_MS       1u /* what a vCPU has to its credit that has slept: three turns */

/* How the crowd's vCPUs rest, if they do. */
#define DEAF  0u
#define LIGHT 1u
#define AWAKE 2u
#define TPR   (0xf0u << 16)

struct flood {
	const char *name;
	const uint8_t *code, *code_end;
	unsigned vcpus;
	uint32_t ebx, edi, ebp;
	const uint8_t *handler, *handler_end;
	bool rings; /* its monitor works, and weighs as much as MONITOR vCPUs */
	bool level; /* vector 0x40 comes as a level, again whenever it has ended */
};

#define PROGRAM(text)    .code = code_##text, .code_end = code_##text##_end
#define HANDLED_BY(text) .handler = code_##text, .handler_end = code_##text##_end

/* In the timer's LVT entry, and in the ICR. */
#define PERIODIC  0x20000u
#define MASKED    0x10000u
#define TO_OTHERS 0xc4000u
#define TO_SELF   0x44000u
#define BY_NMI    0x400u

static const struct flood floods[] = {
	{.name = "a far deadline", PROGRAM(flood_deadline), .vcpus = 16, .ebp = LIGHT},
	{.name = "16 masked timers",
	 PROGRAM(flood_timer),
	 .vcpus = 16,
	 .ebx = PERIODIC | MASKED | VECTOR,
	 .edi = COUNT_100,
	 .ebp = DEAF},
	{.name = "32 masked timers",
	 PROGRAM(flood_timer),
	 .vcpus = 32,
	 .ebx = PERIODIC | MASKED | VECTOR,
	 .edi = COUNT_100,
	 .ebp = DEAF},
	{.name = "32 timers, interrupts off",
	 PROGRAM(flood_timer),
	 .vcpus = 32,
	 .ebx = PERIODIC | VECTOR,
	 .edi = COUNT_100,
	 .ebp = DEAF},
	{.name = "32 timers held back by the TPR",
	 PROGRAM(flood_timer),
	 .vcpus = 32,
	 .ebx = PERIODIC | VECTOR,
	 .edi = COUNT_100,
	 .ebp = LIGHT | TPR},
	{.name = "32 timers that wake",
	 PROGRAM(flood_timer),
	 .vcpus = 32,
	 .ebx = PERIODIC | VECTOR,
	 .edi = COUNT_100,
	 .ebp = LIGHT},
	{.name = "32 timers beside their own work",
	 PROGRAM(flood_timer),
	 .vcpus = 32,
	 .ebx = PERIODIC | VECTOR,
	 .edi = COUNT_100,
	 .ebp = AWAKE},
	{.name = "8 timers that are set again",
	 PROGRAM(flood_timer),
	 .vcpus = 8,
	 .ebx = VECTOR,
	 .edi = COUNT_100,
	 .ebp = LIGHT,
	 HANDLED_BY(handler_again)},
	{.name = "IPIs to the deaf",
	 PROGRAM(flood_icr),
	 .vcpus = 16,
	 .ebx = TO_OTHERS | VECTOR,
	 .ebp = DEAF},
	{.name = "IPIs to sleepers",
	 PROGRAM(flood_icr),
	 .vcpus = 16,
	 .ebx = TO_OTHERS | VECTOR,
	 .ebp = LIGHT},
	{.name = "IPIs to others at work",
	 PROGRAM(flood_icr),
	 .vcpus = 16,
	 .ebx = TO_OTHERS | VECTOR,
	 .ebp = AWAKE},
	{.name = "IPIs to oneself",
	 PROGRAM(flood_icr),
	 .vcpus = 2,
	 .ebx = TO_SELF | VECTOR,
	 .ebp = DEAF},
	{.name = "NMIs to all others",
	 PROGRAM(flood_icr),
	 .vcpus = 16,
	 .ebx = TO_OTHERS | BY_NMI,
	 .ebp = DEAF},
	{.name = "kicks", PROGRAM(flood_call), .vcpus = 2, .ebx = CALL_KICK, .ebp = DEAF},
	{.name = "doorbells", PROGRAM(flood_port), .vcpus = 2, .ebx = DOORBELL},
	{.name = "ports of the monitor", PROGRAM(flood_port), .vcpus = 2, .ebx = PORT},
	{.name = "levels that come again",
	 PROGRAM(flood_timer),
	 .vcpus = 2,
	 .ebx = MASKED,
	 .ebp = LIGHT,
	 .level = true},
	{.name = "first touches", PROGRAM(flood_touch), .vcpus = 1, .edi = TOUCHED, .ebp = AWAKE},
	{.name = "resets", PROGRAM(flood_port), .vcpus = 2, .ebx = RESET},
};

/* From the other CPU. */
static const struct flood across[] = {
	{.name = "IPIs across to one that is deaf",
	 PROGRAM(flood_icr),
	 .vcpus = 2,
	 .ebx = TO_OTHERS | VECTOR,
	 .ebp = DEAF},
	{.name = "IPIs across to a sleeper",
	 PROGRAM(flood_icr),
	 .vcpus = 2,
	 .ebx = TO_OTHERS | VECTOR,
	 .ebp = LIGHT},
	{.name = "IPIs across to one at work",
	 PROGRAM(flood_icr),
	 .vcpus = 2,
	 .ebx = TO_OTHERS | VECTOR,
	 .ebp = AWAKE},
	{.name = "IPIs across to the deaf",
	 PROGRAM(flood_icr),
	 .vcpus = 16,
	 .ebx = TO_OTHERS | VECTOR,
	 .ebp = DEAF},
	{.name = "IPIs across to sleepers",
	 PROGRAM(flood_icr),
	 .vcpus = 16,
	 .ebx = TO_OTHERS | VECTOR,
	 .ebp = LIGHT},
	{.name = "IPIs across to others at work",
	 PROGRAM(flood_icr),
	 .vcpus = 16,
	 .ebx = TO_OTHERS | VECTOR,
	 .ebp = AWAKE},
	{.name = "NMIs across",
	 PROGRAM(flood_icr),
	 .vcpus = 2,
	 .ebx = TO_OTHERS | BY_NMI,
	 .ebp = DEAF},
	{.name = "NMIs across to all others",
	 PROGRAM(flood_icr),
	 .vcpus = 16,
	 .ebx = TO_OTHERS | BY_NMI,
	 .ebp = DEAF},
	{.name = "kicks across", PROGRAM(flood_call), .vcpus = 2, .ebx = CALL_KICK, .ebp = DEAF},
	{.name = "kicks across to one at work",
	 PROGRAM(flood_call),
	 .vcpus = 2,
	 .ebx = CALL_KICK,
	 .ebp = AWAKE},
	{.name = "yields across",
	 PROGRAM(flood_call),
	 .vcpus = 12,
	 .ebx = CALL_YIELD,
	 .ebp = AWAKE},
	{.name = "IPIs across, held back by the TPR",
	 PROGRAM(flood_icr),
	 .vcpus = 16,
	 .ebx = TO_OTHERS | VECTOR,
	 .ebp = LIGHT | TPR},
	{.name = "naps across", PROGRAM(flood_nap), .vcpus = 2, .edi = COUNT_100, .ebp = AWAKE},
	{.name = "naps across from the deaf",
	 PROGRAM(flood_nap),
	 .vcpus = 2,
	 .edi = COUNT_100,
	 .ebp = DEAF},
	{.name = "doorbells across",
	 PROGRAM(flood_bell),
	 .vcpus = 2,
	 .ebx = DOORBELL,
	 .ebp = DEAF,
	 .rings = true},
	{.name = "doorbells across to one that is deaf",
	 PROGRAM(flood_bell),
	 .vcpus = 2,
	 .ebx = BELL_MSI,
	 .ebp = DEAF},
	{.name = "doorbells across to a sleeper",
	 PROGRAM(flood_bell),
	 .vcpus = 2,
	 .ebx = BELL_MSI,
	 .ebp = LIGHT},
	{.name = "doorbells across to one at work",
	 PROGRAM(flood_bell),
	 .vcpus = 2,
	 .ebx = BELL_MSI,
	 .ebp = AWAKE},
	{.name = "ports of the monitor across",
	 PROGRAM(flood_bell),
	 .vcpus = 2,
	 .ebx = PORT,
	 .ebp = DEAF},
};

static struct guest crowd[MOST]; /* one domain; [0] has made it */
static uint32_t bell, bell_msi;  /* its doorbells */
static uint32_t reply; /* the vCPU whose answer goes with the next call that sleeps, or 0 */

static void pin(uint32_t vcpu, unsigned cpu)
{
	static uint64_t cpus[4];

	cpus[0] = 1ull << cpu;
	must(sampo_vcpu_ctl(vcpu, SAMPO_VCPU_AFFINITY, (uint64_t)cpus), "AFFINITY");
}

static void prepare(const struct flood *f, unsigned n)
{
	struct sampo_exit *e = crowd[n].exit;
	uint64_t count = *(uint64_t *)(void *)(crowd[n].ram + COUNT);

	guest_prepare(&crowd[n]);
	memcpy(crowd[n].ram + COUNT, &count, sizeof(count));
	e->seg[SAMPO_ES] = (struct sampo_segment){0, 0x893, UINT32_MAX, 0};
	e->gpr[SAMPO_RSP] = STACKS - STACK * n;
	e->gpr[SAMPO_RSI] = n;
	e->gpr[SAMPO_RBX] = f->ebx;
	e->gpr[SAMPO_RDI] = f->code == code_flood_call ? sampo_by_vmcall : f->edi;
	e->gpr[SAMPO_RBP] = f->ebp;
}

static void crowd_make(const struct flood *f)
{
	struct guest *g = &crowd[0];
	uint32_t more;

	must(guest_create(g, CROWD, PAGES, BLOCK), "a crowd");
	must(sampo_region_create(g->domain, TOUCHED * BLOCK, SAMPO_REGION_2M, &more), "its memory");
	must(sampo_region_map(more, g->domain, BLOCK, 0, SAMPO_MAP_RWX, TOUCHED * BLOCK),
	     "region_map");
	must(sampo_event_create(self, SAMPO_EVENT_BIT, EVENT_FREE, 0, &bell), "event");
	must(sampo_doorbell(bell, g->domain, DOORBELL, 2), "doorbell");
	must(sampo_event_create(g->domain, SAMPO_EVENT_MSI, 0xfee01000, VECTOR, &bell_msi),
	     "event");
	must(sampo_doorbell(bell_msi, g->domain, BELL_MSI, 2), "doorbell");
	must(sampo_handle_close(more), "handle_close");
	guest_load_code(g, f->code, f->code_end, CODE);
	if (f->handler)
		guest_load_code(g, f->handler, f->handler_end, HANDLER);
	else
		guest_load(g, handler_eoi, HANDLER);
	guest_vector(g, VECTOR);
	guest_vector(g, NMI);
	for (unsigned n = 0; n < f->vcpus; n++) {
		uint64_t at = slot_address(CROWD) + BLOCK + n * PAGE;

		crowd[n] = *g;
		crowd[n].exit = (struct sampo_exit *)(uintptr_t)at;
		if (n) {
			must(sampo_vcpu_create(g->domain, n, g->event, &crowd[n].vcpu), "a vCPU");
			must(sampo_vcpu_page(crowd[n].vcpu, &crowd[n].exit_region), "PAGE");
			must(sampo_region_map(crowd[n].exit_region, 0, at, 0, 3, PAGE), "its page");
		}
		pin(crowd[n].vcpu, n ? 0 : machine_cpus - 1);
		prepare(f, n);
	}
}

static void crowd_remove(const struct flood *f)
{
	for (unsigned n = 1; n < f->vcpus; n++)
		must(sampo_handle_close(crowd[n].vcpu) | sampo_handle_close(crowd[n].exit_region),
		     "handle_close");
	must(sampo_handle_close(bell) | sampo_handle_close(bell_msi), "handle_close");
	guest_remove(&crowd[0]);
}

static void send_level(void)
{
	must(sampo_msi(crowd[0].domain, 0xfee00000, 0xc000 | VECTOR), "msi");
}

/* As dom0 does: the last answer goes with the call that sleeps, so that the vCPU pays for all of
 * it. */
static void resume(uint32_t vcpu)
{
	if (reply)
		must(sampo_vcpu_ctl(reply, SAMPO_VCPU_RESUME, 0), "RESUME");
	reply = vcpu;
}

/* What a monitor does. */
static void answer(const struct flood *f, unsigned n)
{
	struct sampo_exit *e = crowd[n].exit;

	switch (__atomic_load_n(&e->reason, __ATOMIC_ACQUIRE)) {
	case SAMPO_EXIT_NONE:
	case SAMPO_EXIT_RESET: /* it has yet to begin */
		return;
	case SAMPO_EXIT_EOI:
		e->dirty = SAMPO_DIRTY_NONE;
		send_level();
		break;
	case SAMPO_EXIT_IO:
		e->dirty = SAMPO_DIRTY_ADVANCE;
		if (e->port != RESET)
			break;
		must(sampo_vcpu_ctl(crowd[n].vcpu, SAMPO_VCPU_RESET, SAMPO_RESET_POWER), "RESET");
		prepare(f, n);
		break;
	default:
		check(false, f->name, "exit %u", e->reason);
		return;
	}
	resume(crowd[n].vcpu);
}

/* Returns the TSC at the end. */
static uint64_t attend(const struct flood *f, uint64_t ms)
{
	uint64_t deadline = rdtsc() + ms * tsc_per_ms;
	struct event_bits bits;

	while (rdtsc() < deadline) {
		events_take(&bits);
		for (unsigned n = 0; f && n < f->vcpus; n++)
			answer(f, n);
		sampo_wait(deadline, reply);
		reply = 0;
	}
	return rdtsc();
}

/* The first vCPU is the last: its interrupts find the others prepared for them. */
static void crowd_run(const struct flood *f)
{
	for (unsigned n = 1; n < f->vcpus; n++)
		must(sampo_vcpu_ctl(crowd[n].vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
	if (f->vcpus > 1)
		attend(f, QUIET_MS + f->vcpus * CREDIT_MS);
	must(sampo_vcpu_ctl(crowd[0].vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
	if (f->level) { /* once the first vCPU has enabled its local APIC */
		attend(f, QUIET_MS);
		send_level();
	}
}

static uint64_t count_of(const struct guest *victim)
{
	return guest_word(victim, COUNT);
}

static uint64_t vcpu_ns(uint32_t vcpu)
{
	static struct sampo_vcpu_info info;

	must(sampo_object_info(vcpu, SAMPO_INFO_VCPU, &info, sizeof(info), 0, NULL), "vCPU info");
	return info.cpu_ns;
}

/* Of the first CPU, by the crowd and its monitor, which works in the crowd's turns. */
static uint64_t used_ns(const struct flood *f)
{
	uint64_t ns = vcpu_ns(sampo_boot_info->vcpu);

	for (unsigned n = machine_cpus - 1; n < f->vcpus; n++)
		ns += vcpu_ns(crowd[n].vcpu);
	return ns;
}

static uint64_t thousandths(uint64_t part, uint64_t whole)
{
	return whole ? part * 1000 / whole : 0;
}

static void flood(const struct flood *f, const struct guest *victim, uint64_t rate, uint64_t ms)
{
	uint64_t from, ticks, work, used, had, owed, share;

	must(sampo_domain_ctl(victim->domain, SAMPO_DOMAIN_WEIGHT, 1024 * f->vcpus), "WEIGHT");
	crowd_make(f);
	crowd_run(f);
	from = attend(f, QUIET_MS + 2 * f->vcpus * CREDIT_MS); /* half of the time is theirs */
	work = count_of(victim);
	used = used_ns(f);
	ticks = attend(f, ms) - from;
	work = (uint32_t)(count_of(victim) - work);
	used = (used_ns(f) - used) * tsc_per_ms / 1000000;
	had = thousandths(work, rate * ticks / tsc_per_ms);
	owed = 1000 - thousandths(used, ticks);
	share = 1000 * f->vcpus / (2 * f->vcpus + (f->rings ? MONITOR : 1));
	owed = owed < share ? share : owed > 1000 ? 1000 : owed;
	printf("flood %s: owed %llu, had %llu\n", f->name, (unsigned long long)owed,
	       (unsigned long long)had);
	check(had + LOSS >= owed, f->name, "of 1000 it is owed %llu and has had %llu",
	      (unsigned long long)owed, (unsigned long long)had);
	crowd_remove(f);
}

void test_floods(void)
{
	uint64_t ms = option("ms", 40), only = option("only", 0), from, work, rate;
	const struct flood *f = machine_cpus > 1 ? across : floods;
	unsigned count = machine_cpus > 1 ? COUNT_OF(across) : COUNT_OF(floods);
	struct guest victim;

	guest_make(&victim, VICTIM);
	pin(sampo_boot_info->vcpu, 0);
	pin(victim.vcpu, 0);
	guest_run(&victim, spin);
	from = attend(NULL, QUIET_MS);
	work = count_of(&victim);
	from = attend(NULL, QUIET_MS) - from;
	rate = (count_of(&victim) - work) * tsc_per_ms / from;
	for (unsigned i = 0; i < count; i++)
		if (!only || only == i + 1)
			flood(&f[i], &victim, rate, ms);
	guest_remove(&victim);
}
