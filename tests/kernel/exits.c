/* SPDX-License-Identifier: BSD-2-Clause */
/* How a guest comes to its monitor, and goes back. */
#include <string.h>

#include "tests/kernel/abi.h"

#define ELSEWHERE 0x200000ull /* guest-physical; ES's base */

static void expect_exit(const struct guest *g, uint32_t reason, const char *name)
{
	const struct sampo_exit *e = g->exit;

	check(e->reason == reason, name, "exit %u, qualification %llx, gpa %llx, rip %llx",
	      e->reason, (unsigned long long)e->qualification, (unsigned long long)e->gpa,
	      (unsigned long long)e->rip);
}

static void ports(struct guest *g)
{
	struct sampo_exit *e = g->exit;

	expect_exit(g, SAMPO_EXIT_RESET, "exits: created");
	guest_run(g, ports);
	guest_wait(g);
	expect_exit(g, SAMPO_EXIT_IO, "exits: port write");
	check(e->port == 0x99 && e->size == 1 && e->write && !e->string &&
		      (e->gpr[SAMPO_RAX] & 0xff) == 0x5a && e->next_rip == e->rip + 2,
	      "exits: of what", "port %x size %u write %u rax %llx", e->port, e->size, e->write,
	      (unsigned long long)e->gpr[SAMPO_RAX]);
	guest_answer(g, SAMPO_DIRTY_ADVANCE);
	check(e->reason == SAMPO_EXIT_IO && e->port == 0x98 && e->size == 2 && !e->write,
	      "exits: port read", "exit %u port %x", e->reason, e->port);
	e->gpr[SAMPO_RAX] = 0xbeef;
	guest_answer(g, SAMPO_DIRTY_ADVANCE);
	check(e->reason == SAMPO_EXIT_IO && e->port == 0x1234 && e->size == 4 && e->write &&
		      e->gpr[SAMPO_RAX] == 0xcafe1234,
	      "exits: 4 bytes", "exit %u port %x", e->reason, e->port);
	check((guest_word(g, WORDS) & 0xffff) == 0xbeef, "exits: what was read", "%x",
	      guest_word(g, WORDS));
	guest_answer(g, SAMPO_DIRTY_ADVANCE);
	expect_exit(g, SAMPO_EXIT_HLT_FOREVER, "exits: HLT for ever");
	guest_answer(g, SAMPO_DIRTY_NONE);
	check(guest_at_port(g) && guest_word(g, COUNT) == 1, "exits: on from HLT", "exit %u",
	      e->reason);
}

/* The guest's second exit, before which the monitor asks to be told directly: is it? A bit tells it
 * where the guest is on another CPU, or its turn over; never both tell it. From another CPU the
 * first exit's bit may come late. */
static bool told_directly(struct guest *g)
{
	struct sampo_event_page *page = (void *)(uintptr_t)sampo_boot_info->event_page;
	const unsigned bit = EVENT_OF_GUEST + g->slot;
	uint32_t reply = g->vcpu;
	struct event_bits bits;
	uint64_t direct;
	bool told = false, once;

	guest_run(g, ports);
	guest_wait(g);
	events_take(&bits);
	g->exit->dirty = SAMPO_DIRTY_ADVANCE;
	page->direct = SAMPO_DIRECT_FREE;
	do { /* other events end a wait as well */
		must(sampo_wait(~0ull, reply), "wait with a reply");
		reply = 0;
		events_take(&bits);
		told |= event_taken(&bits, bit);
		direct = page->direct;
	} while (__atomic_load_n(&g->exit->port, __ATOMIC_ACQUIRE) != 0x98 ||
		 (!told && direct == SAMPO_DIRECT_FREE));
	page->direct = 0;
	once = direct == SAMPO_DIRECT_FREE ? told : direct == bit && (!told || machine_cpus > 1);
	check(once, "exits: told once", "by %llx, by its bit %u", (unsigned long long)direct, told);
	return direct == bit;
}

static void directly(struct guest *g)
{
	struct sampo_exit *e = g->exit;
	unsigned rounds = 100;

	while (!told_directly(g) && --rounds)
		;
	check(rounds || machine_cpus > 1, "exits: told directly", "never");
	e->gpr[SAMPO_RAX] = 0xbeef;
	e->gpr[SAMPO_RBX] = 0xdeadbeef;
	guest_answer(g, SAMPO_DIRTY_ADVANCE | SAMPO_DIRTY_RAX);
	check(e->port == 0x1234 && (guest_word(g, WORDS) & 0xffff) == 0xbeef &&
		      e->gpr[SAMPO_RBX] != 0xdeadbeef,
	      "exits: RAX alone", "port %x read %x rbx %llx", e->port, guest_word(g, WORDS),
	      (unsigned long long)e->gpr[SAMPO_RBX]);
	guest_answer(g, SAMPO_DIRTY_ADVANCE);
	guest_answer(g, SAMPO_DIRTY_NONE);
}

static void memory(struct guest *g)
{
	struct sampo_exit *e = g->exit;
	uint32_t region;

	guest_load(g, memory, CODE);
	guest_prepare(g);
	e->seg[SAMPO_ES].base = ELSEWHERE;
	guest_answer(g, e->dirty);
	check(e->reason == SAMPO_EXIT_MEMORY && e->gpa == ELSEWHERE + 0x10 &&
		      e->access == SAMPO_ACCESS_R && e->system_valid,
	      "exits: memory, read", "exit %u gpa %llx access %x", e->reason,
	      (unsigned long long)e->gpa, e->access);
	must(sampo_region_create(g->domain, PAGE, 0, &region), "region_create");
	must(sampo_region_map(region, 0, slot_address(9), 0, 3, PAGE), "region_map");
	memcpy((void *)(uintptr_t)(slot_address(9) + 0x10), "\x34\x12", 2);
	must(sampo_region_map(region, g->domain, ELSEWHERE, 0, SAMPO_MAP_R, PAGE), "region_map");
	guest_answer(g, SAMPO_DIRTY_NONE);
	check(e->reason == SAMPO_EXIT_MEMORY && e->gpa == ELSEWHERE + 0x20 &&
		      e->access & SAMPO_ACCESS_W && (guest_word(g, WORDS) & 0xffff) == 0x1234,
	      "exits: memory, write to read-only", "exit %u gpa %llx access %x read %x", e->reason,
	      (unsigned long long)e->gpa, e->access, guest_word(g, WORDS));
	must(sampo_region_unmap(g->domain, ELSEWHERE, PAGE), "region_unmap");
	must(sampo_region_map(region, g->domain, ELSEWHERE, 0, 3, PAGE), "region_map");
	guest_answer(g, SAMPO_DIRTY_NONE);
	check(guest_at_port(g) &&
		      *(volatile uint16_t *)(uintptr_t)(slot_address(9) + 0x20) == 0x7777,
	      "exits: memory, mapped anew", "exit %u", e->reason);

	guest_prepare(g);
	e->seg[SAMPO_CS].base = ELSEWHERE;
	e->rip = 0x100;
	guest_answer(g, e->dirty);
	check(e->reason == SAMPO_EXIT_MEMORY && e->gpa == ELSEWHERE + 0x100 &&
		      e->access & SAMPO_ACCESS_X,
	      "exits: memory, not to execute", "exit %u gpa %llx access %x", e->reason,
	      (unsigned long long)e->gpa, e->access);
	must(sampo_region_unmap(g->domain, ELSEWHERE, PAGE), "region_unmap");
	must(sampo_region_unmap(self, slot_address(9), PAGE), "region_unmap");
	must(sampo_handle_close(region), "handle_close");
}

static void msr(struct guest *g)
{
	struct sampo_exit *e = g->exit;

	guest_load(g, msr, CODE);
	guest_load(g, handler, HANDLER);
	guest_vector(g, 13);
	guest_prepare(g);
	guest_answer(g, e->dirty);
	check(e->reason == SAMPO_EXIT_MSR && e->qualification == 0x12345678 && !e->write,
	      "exits: MSR read", "exit %u msr %llx", e->reason,
	      (unsigned long long)e->qualification);
	e->gpr[SAMPO_RAX] = 0x11111111;
	e->gpr[SAMPO_RDX] = 0x22222222;
	guest_answer(g, SAMPO_DIRTY_ADVANCE);
	check(e->reason == SAMPO_EXIT_MSR && e->write && e->gpr[SAMPO_RAX] == 0x11111111 &&
		      guest_word(g, WORDS + 4) == 0x22222222,
	      "exits: MSR write", "exit %u", e->reason);
	/* The handler goes back to the instruction, which exits again. */
	e->inject = SAMPO_INJECT_EXCEPTION | 13;
	guest_answer(g, SAMPO_DIRTY_INJECT);
	check(e->reason == SAMPO_EXIT_MSR && guest_word(g, COUNT) == 1,
	      "exits: an exception injected", "exit %u, handled %u", e->reason,
	      guest_word(g, COUNT));
}

/* What CPUID tells the guest then: EAX, and whether the others are one more each. */
static uint32_t ask_cpuid(struct guest *g, uint32_t leaf, uint32_t subleaf)
{
	uint32_t words[2] = {leaf, subleaf}, eax;

	guest_prepare(g);
	memcpy(g->ram + WORDS, words, sizeof(words));
	guest_answer(g, g->exit->dirty);
	eax = guest_word(g, WORDS + 8);
	if (!guest_at_port(g))
		return UINT32_MAX;
	for (unsigned i = 1; eax && i < 4; i++)
		if (guest_word(g, WORDS + 8 + 4 * i) != eax + i)
			return UINT32_MAX;
	return eax;
}

static void cpuids(struct guest *g)
{
	static const struct sampo_cpuid table[] = {
		{2ull << 32, 20, 21, 22, 23},
		{7ull << 32, 70, 71, 72, 73},
		{7ull << 32 | 3, 80, 81, 82, 83},
		{0x40000000ull << 32, 90, 91, 92, 93},
	};
	static const struct {
		uint32_t leaf, subleaf, eax;
		const char *name;
	} asks[] = {
		{7, 0, 70, "exits: CPUID, as the monitor says"},
		{7, 2, 70, "exits: CPUID, the subleaf before"},
		{7, 3, 80, "exits: CPUID, another subleaf"},
		{7, UINT32_MAX, 80, "exits: CPUID, the last subleaf"},
		{2, 9, 20, "exits: CPUID, the first leaf"},
		{0x40000000, 0, 90, "exits: CPUID, the last leaf"},
		{0, 0, 0, "exits: CPUID, before the first"},
		{8, 0, 0, "exits: CPUID, between leaves"},
		{UINT32_MAX, 1, 0, "exits: CPUID, behind the last"},
	};
	struct sampo_vcpu_page *page = (struct sampo_vcpu_page *)g->exit;
	uint64_t traces = page->traces, asked = page->exits[3], from = rdtsc();
	unsigned traced = 0;

	guest_load(g, ask, CODE);
	memcpy(page->cpuid, table, sizeof(table));
	page->cpuids = sizeof(table) / sizeof(table[0]);
	for (unsigned i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
		check(ask_cpuid(g, asks[i].leaf, asks[i].subleaf) == asks[i].eax, asks[i].name,
		      "EAX %u", guest_word(g, WORDS + 8));
	for (unsigned i = 0; i < SAMPO_TRACES; i++)
		traced += page->trace[i].kind == 3 && page->trace[i].tsc > from;
	check(page->traces >= traces + 18 && page->exits[3] == asked + 9 && traced == 9,
	      "exits: counted and traced", "%llu exits, %llu of them CPUID",
	      (unsigned long long)(page->traces - traces),
	      (unsigned long long)(page->exits[3] - asked));
	memset(page->cpuid, 0xff, sizeof(page->cpuid));
	page->cpuids = UINT64_MAX;
	check(!ask_cpuid(g, 7, 0), "exits: CPUID, more entries than fit", "EAX %u",
	      guest_word(g, WORDS + 8));
	page->cpuids = 0;
	ask_cpuid(g, 0, 0);
	check(guest_word(g, WORDS + 8) != 0, "exits: CPUID, the CPU's own", "EAX 0");
}

/* This program's first use of the FPU, which it tries to hide: it finds its own, empty one. */
static void fpu(struct guest *g)
{
	uint16_t status;

	guest_load(g, pi, CODE);
	guest_prepare(g);
	guest_answer(g, g->exit->dirty);
	check(guest_at_port(g), "exits: a guest uses its FPU", "exit %u", g->exit->reason);
	__asm__ volatile("clts; fnstsw %0" : "=m"(status));
	check(status == 0, "exits: whose FPU is another's", "status %#x", status);
	guest_answer(g, SAMPO_DIRTY_ADVANCE);
	check(guest_at_port(g) && (guest_word(g, WORDS) & 0x3800) == 0x3800,
	      "exits: the guest has its FPU again", "status %#x", guest_word(g, WORDS) & 0xffff);
}

static void write_debug(uint64_t value)
{
	__asm__ volatile("mov %0, %%db0; mov %0, %%db1; mov %0, %%db2; mov %0, %%db3"
			 :
			 : "r"(value));
}

/* All four, if they are the same. */
static uint64_t read_debug(void)
{
	uint64_t dr[4];

	__asm__ volatile("mov %%db0, %0; mov %%db1, %1; mov %%db2, %2; mov %%db3, %3"
			 : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]));
	return dr[0] == dr[1] && dr[1] == dr[2] && dr[2] == dr[3] ? dr[0] : UINT64_MAX;
}

/* This program's debug registers are its own, and a guest's breakpoint stays on beside them. */
static void debug_registers(struct guest *g)
{
	uint64_t seen = read_debug();

	check(seen == 0, "exits: debug registers are 0 at first", "%llx", (unsigned long long)seen);
	guest_load(g, breakpoint, CODE);
	guest_load(g, handler_debug, HANDLER);
	guest_vector(g, 1);
	guest_prepare(g);
	guest_answer(g, g->exit->dirty);
	check(guest_at_port(g), "exits: a guest sets its debug registers", "exit %u",
	      g->exit->reason);
	seen = read_debug();
	check(seen == 0, "exits: which are not to be read here", "%llx", (unsigned long long)seen);
	write_debug(0xbadbad00);
	guest_answer(g, SAMPO_DIRTY_ADVANCE);
	check(guest_at_port(g) && guest_word(g, COUNT) == 1, "exits: the guest's breakpoint is on",
	      "exit %u, %u hits", g->exit->reason, guest_word(g, COUNT));
	seen = read_debug();
	check(seen == 0xbadbad00, "exits: what this program wrote is its own", "%llx",
	      (unsigned long long)seen);
	guest_answer(g, SAMPO_DIRTY_ADVANCE);
	check(guest_at_port(g) && guest_word(g, WORDS) == 0x5ec2e700 &&
		      guest_word(g, WORDS + 4) == 0x5ec2e701,
	      "exits: the guest has its own again", "%x %x", guest_word(g, WORDS),
	      guest_word(g, WORDS + 4));
	write_debug(0);
}

#define CR4_PKE 0x400000ull

static uint32_t read_keys(void)
{
	uint32_t keys;

	__asm__ volatile("rdpkru" : "=a"(keys) : "c"(0) : "rdx");
	return keys;
}

static void write_keys(uint32_t keys)
{
	__asm__ volatile("wrpkru" : : "a"(keys), "c"(0), "d"(0));
}

/* Protection keys are not offered, but SVM lets a guest turn them on: the register is its own. */
static void protection_keys(struct guest *g)
{
	uint32_t leaf[4], seen;
	uint64_t cr4;

	cpuid(7, 0, leaf);
	if (!(leaf[2] >> 3 & 1))
		return;
	cpuid(0x80000001, 0, leaf);
	if (!(leaf[2] >> 2 & 1)) /* MOV to CR4 faults under VMX */
		return;
	guest_load(g, keys, CODE);
	guest_prepare(g);
	guest_answer(g, g->exit->dirty);
	check(guest_at_port(g), "exits: a guest turns on protection keys", "exit %u",
	      g->exit->reason);
	__asm__ volatile("mov %%cr4, %0; mov %1, %%cr4"
			 : "=&r"(cr4)
			 : "r"(CR4_PKE | 0x6b0ull /* PSE, PAE, PGE, OSFXSR, OSXMMEXCPT */));
	seen = read_keys();
	check(seen == 0, "exits: whose register is not to be read here", "%x", seen);
	write_keys(0x33333330);
	guest_answer(g, SAMPO_DIRTY_ADVANCE);
	check(guest_at_port(g) && guest_word(g, WORDS) == 0x55555554,
	      "exits: the guest has its own", "%x", guest_word(g, WORDS));
	seen = read_keys();
	check(seen == 0x33333330, "exits: and this program has", "%x", seen);
	write_keys(0);
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
	guest_answer(g, SAMPO_DIRTY_ADVANCE);
	check(guest_at_port(g), "exits: protection keys off", "exit %u", g->exit->reason);
}

static void triple_fault(struct guest *g)
{
	struct sampo_exit *e = g->exit;

	guest_load(g, undefined, CODE);
	guest_prepare(g);
	e->seg[SAMPO_IDTR].limit = 0;
	guest_answer(g, e->dirty);
	expect_exit(g, SAMPO_EXIT_SHUTDOWN, "exits: triple fault");
}

static void refused(struct guest *g, struct guest *other)
{
	struct sampo_exit *e = g->exit;

	guest_run(other, spin);
	guest_prepare(g);
	e->cr0 |= 1ull << 40;
	guest_answer(g, e->dirty);
	expect_exit(g, SAMPO_EXIT_INVALID, "exits: a state that the CPU refuses");
	memset(other->ram + COUNT, 0, 4);
	check(guest_counts_on(other, 0), "exits: another guest goes on", "it does not");
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_RESET, 0), "RESET");
	guest_load(g, ports, CODE);
	guest_prepare(g);
	guest_answer(g, e->dirty);
	check(guest_at_port(g), "exits: after RESET it runs", "exit %u", e->reason);
}

static void stop(struct guest *g)
{
	struct sampo_exit *e = g->exit;
	uint32_t before, count;

	before = guest_word(g, COUNT);
	expect(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_STOP, 0), SAMPO_OK, "STOP of a running one");
	expect_exit(g, SAMPO_EXIT_STOPPED, "exits: stopped");
	check(e->rip >= CODE && e->rip < CODE + 16, "exits: where", "%llx",
	      (unsigned long long)e->rip);
	expect(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_STOP, 0), SAMPO_EBUSY, "STOP twice");
	count = guest_word(g, COUNT);
	pass_ms(10);
	check(guest_word(g, COUNT) == count && count >= before, "exits: it does not run",
	      "it does");
	must(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_RESUME, 0), "RESUME");
	check(guest_counts_on(g, count), "exits: it runs again", "it does not");

	must(sampo_domain_ctl(g->domain, SAMPO_DOMAIN_PAUSE, 0), "PAUSE");
	count = guest_word(g, COUNT);
	pass_ms(10);
	check(guest_word(g, COUNT) == count, "paused", "it runs");
	must(sampo_domain_ctl(g->domain, SAMPO_DOMAIN_UNPAUSE, 0), "UNPAUSE");
	check(guest_counts_on(g, count), "unpaused", "it does not run");
	must(sampo_domain_ctl(g->domain, SAMPO_DOMAIN_PAUSE, 0), "PAUSE");
	expect(sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_STOP, 0), SAMPO_OK, "STOP of a paused one");
	must(sampo_domain_ctl(g->domain, SAMPO_DOMAIN_UNPAUSE, 0), "UNPAUSE");
	expect_exit(g, SAMPO_EXIT_STOPPED, "exits: stopped while paused");
}

void test_exits(void)
{
	struct guest g;

	guest_make(&g, 0);
	ports(&g);
	directly(&g);
	memory(&g);
	msr(&g);
	cpuids(&g);
	fpu(&g);
	debug_registers(&g);
	protection_keys(&g);
	triple_fault(&g);
	guest_remove(&g);
}

void test_runs(void)
{
	struct guest g, other;

	guest_make(&g, 0);
	guest_make(&other, 1);
	refused(&g, &other);
	stop(&other);
	guest_remove(&g);
	guest_remove(&other);
}
