/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pets of the fuzzer of calls: guests of several vCPUs. A vCPU runs either bytes at random, or
 * the program `caller`, which does what a list in its memory says: calls by handles that it was
 * given with some rights or others, accesses to ports, MSRs, its local APIC and memory.
 */
#include <string.h>

#include "tests/kernel/fuzz.h"

/* In the pet's memory; code.S has the same. */
#define PML4      0x3000u
#define PDPT      0x4000u
#define DIRECTORY 0x5000u
#define GDT       0x6000u
#define STACKS    0x7000u /* a page: a part for each vCPU */
#define IDT       0x8000u
#define ACTIONS   0xa000u
#define BY_VMCALL 0x820u

/* What `caller` does; numbers below are those of calls. */
enum { END = 0xff, OUT, WRMSR, RDMSR, CPUID, SLEEP, WRITE, READ, ACTIONS_END };
#define ACTION_COUNT ((PET_RAM - ACTIONS) / sizeof(struct fuzz_call))

void long_mode(struct sampo_exit *exit, uint64_t cr3, uint64_t entry, uint64_t stack)
{
	exit->cr0 = 0x80010031; /* PG, WP, NE, ET, PE */
	exit->cr3 = cr3;
	exit->cr4 = 0x20;   /* PAE */
	exit->efer = 0xd00; /* NXE, LMA, LME */
	for (unsigned i = SAMPO_ES; i <= SAMPO_GS; i++)
		exit->seg[i] = (struct sampo_segment){0x10, 0xc93, ~0u, 0};
	exit->seg[SAMPO_CS] = (struct sampo_segment){0x08, 0xa9b, ~0u, 0};
	exit->seg[SAMPO_LDTR] = (struct sampo_segment){0, 0x82, 0, 0};
	exit->seg[SAMPO_TR] = (struct sampo_segment){0, 0x8b, 0x67, 0};
	exit->rip = entry;
	exit->rflags = 2;
	exit->gpr[SAMPO_RSP] = stack;
	exit->dirty = SAMPO_DIRTY_SYSTEM | SAMPO_DIRTY_RIP;
}

/* --- what the caller does --- */

static void choose_action(struct worker *w, struct fuzz_call *action)
{
	static const uint32_t msrs[] = {0x1b,       0x6e0,      0x808,      0x80b,      0x80f,
					0x828,      0x830,      0x832,      0x838,      0x83e,
					0x83f,      0x174,      0xc0000080, 0xc0000102, 0x4b564d01,
					0x4b564d03, 0x4b564d04, 0x277,      0x10,       0x3b};

	action->number = one_in(w, 2) ? OUT + below(w, ACTIONS_END - OUT) : 0;
	action->arg[0] = any_number(w);
	action->arg[1] = any_number(w);
	switch (action->number) {
	case OUT: /* doorbells are among these */
		action->arg[0] = below(w, 64);
		break;
	case WRMSR:
	case RDMSR:
		if (!one_in(w, 8))
			action->arg[0] = msrs[below(w, sizeof(msrs) / sizeof(msrs[0]))];
		/* IPIs: any mode, to one of those that there may be, or by a shorthand. */
		if (action->arg[0] == 0x830)
			action->arg[1] = below(w, 4) << 32 | below(w, 4) << 18 |
					 (one_in(w, 4) ? below(w, 8) << 8 : 0) |
					 (32 + below(w, 224));
		if (action->arg[0] == 0x832)
			action->arg[1] = below(w, 3) << 17 | (32 + below(w, 224));
		if (action->arg[0] == 0x6e0)
			action->arg[1] = one_in(w, 2) ? rdtsc() + below(w, tsc_per_ms) : any(w);
		break;
	case WRITE:
	case READ:
		action->arg[0] = below(w, 32) * PAGE + (one_in(w, 2) ? BLOCK : PET_RAM);
		break;
	case CPUID:
	case SLEEP:
		break;
	default:
		w->for_pet = true;
		while (!fuzz_choose(w, action))
			;
		w->for_pet = false;
	}
}

/* Addresses up to 1 GiB are mapped to themselves; all vectors from 32 on go to one handler. */
static void write_tables(struct pet *pet)
{
	uint64_t *gdt = (uint64_t *)(pet->ram + GDT), *idt = (uint64_t *)(pet->ram + IDT);

	*(uint64_t *)(pet->ram + PML4) = PDPT | 3;
	*(uint64_t *)(pet->ram + PDPT) = DIRECTORY | 3;
	for (uint64_t i = 0; i < 512; i++)
		((uint64_t *)(pet->ram + DIRECTORY))[i] = i * BLOCK | 0x83;
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	for (unsigned vector = 32; vector < 256; vector++)
		idt[2 * vector] = 0x8e0000080000 | HANDLER;
}

static void write_caller(struct worker *w)
{
	struct pet *pet = &w->pet;
	struct fuzz_call *actions = (struct fuzz_call *)(pet->ram + ACTIONS);

	memcpy(pet->ram + CODE, code_caller, (size_t)(code_caller_end - code_caller));
	memcpy(pet->ram + HANDLER, code_caller_handler,
	       (size_t)(code_caller_handler_end - code_caller_handler));
	write_tables(pet);
	pet->ram[BY_VMCALL] = sampo_by_vmcall;
	for (unsigned i = 0; i < ACTION_COUNT; i++)
		choose_action(w, &actions[i]);
	actions[below(w, 4) * 64 + 63].number = END;
	actions[ACTION_COUNT - 1].number = END;
}

static void begin_calling(struct worker *w, unsigned n)
{
	struct sampo_exit *exit = &w->pet.page[n]->exit;

	if (one_in(w, 2))
		write_caller(w);
	long_mode(exit, PML4, CODE, STACKS + 0x400 * (n + 1));
	exit->seg[SAMPO_GDTR] = (struct sampo_segment){0, 0, 23, GDT};
	exit->seg[SAMPO_IDTR] = (struct sampo_segment){0, 0, 4095, IDT};
	exit->gpr[SAMPO_RBX] = ACTIONS;
	exit->rflags = one_in(w, 2) ? 0x202 : 2;
}

/* --- bytes at random --- */

#define CR0_PG   0x80000000u
#define CR4_PAE  0x20u
#define EFER_LME 0x100u

/*
 * At a #VMEXIT QEMU's CPU takes the host's CR0 before it takes CR4 and EFER. If the guest has LME
 * set, and PAE and paging off, QEMU holds the host's CR0 for an error, and the host goes on
 * without paging (cpu_x86_update_cr0).
 */
static void spare_qemu(struct sampo_exit *exit)
{
	if (exit->efer & EFER_LME && !(exit->cr0 & CR0_PG))
		exit->cr4 |= CR4_PAE;
}

/* With CR0.EM and TS: QEMU loses bits of other CPUs when the FPU's state is loaded. */
static void begin_noise(struct worker *w, unsigned n)
{
	struct sampo_exit *exit = &w->pet.page[n]->exit;
	uint64_t *system = (uint64_t *)exit->seg;
	unsigned words = (unsigned)((sizeof(*exit) - offsetof(struct sampo_exit, seg)) / 8);

	if (one_in(w, 2)) {
		for (unsigned i = SAMPO_ES; i <= SAMPO_GS; i++)
			exit->seg[i] = (struct sampo_segment){0, 0x93, 0xffff, 0};
		exit->seg[SAMPO_CS].attrib = 0x9b;
		exit->seg[SAMPO_IDTR] = (struct sampo_segment){0, 0, 0x3ff, 0};
		exit->cr0 = 0x1c;
		exit->rip = CODE;
		exit->rflags = 2;
	}
	for (unsigned i = 0; i < 2048; i++)
		w->pet.ram[CODE + i] = (uint8_t)any(w);
	exit->dirty = (uint32_t)below(w, 16);
	if (one_in(w, 20))
		system[below(w, words)] = any_number(w);
	spare_qemu(exit);
	if (one_in(w, 10))
		exit->rip = any_number(w);
	if (one_in(w, 10))
		exit->rflags = any(w);
	exit->inject =
		one_in(w, 2) ? SAMPO_INJECT_EXTINT | (uint32_t)below(w, 256) : (uint32_t)any(w);
}

/* --- the monitor's part of the page --- */

/* Right tables and wrong ones, of any length. */
static void scribble_cpuid(struct worker *w, struct sampo_vcpu_page *page)
{
	unsigned entries = (unsigned)below(w, SAMPO_CPUIDS + 1);
	uint64_t key = 0;

	for (unsigned i = 0; i < entries; i++) {
		key += one_in(w, 4) ? any_number(w) : below(w, 4) << 32 | below(w, 4);
		page->cpuid[i] = (struct sampo_cpuid){key, (uint32_t)any(w), (uint32_t)any(w),
						      (uint32_t)any(w), (uint32_t)any(w)};
	}
	__atomic_store_n(&page->cpuids, one_in(w, 2) ? entries : any_number(w), __ATOMIC_RELAXED);
}

/* While its vCPU runs, too. */
static void scribble(struct worker *w, struct sampo_vcpu_page *page)
{
	uint64_t *words = (uint64_t *)page;
	size_t count = one_in(w, 2) ? sizeof(*page) / 8 : offsetof(struct sampo_exit, seg) / 8;

	__atomic_store_n(&words[below(w, count)], any_number(w), __ATOMIC_RELAXED);
}

void pet_disturb(struct worker *w)
{
	struct pet *pet = &w->pet;
	unsigned n = (unsigned)below(w, PET_VCPUS);
	bool noise = one_in(w, 3);

	if (!pet->page[n])
		return;
	if (one_in(w, 4))
		scribble_cpuid(w, pet->page[n]);
	if (one_in(w, 4))
		scribble(w, pet->page[n]);
	sampo_vcpu_ctl(pet->vcpu[n], SAMPO_VCPU_STOP, 0);
	if (one_in(w, 2))
		sampo_vcpu_ctl(pet->vcpu[n], SAMPO_VCPU_RESET, below(w, 2));
	if (noise)
		begin_noise(w, n);
	else
		begin_calling(w, n);
	sampo_domain_ctl(pet->domain, SAMPO_DOMAIN_UNPAUSE, 0);
	if (one_in(w, 2))
		sampo_vcpu_ctl(pet->vcpu[n], SAMPO_VCPU_RESUME, 0);
	else
		sampo_wait(rdtsc() + tsc_per_ms / 200, pet->vcpu[n]);
	if (noise) /* QEMU is slow with such code */
		sampo_domain_ctl(pet->domain, SAMPO_DOMAIN_PAUSE, 0);
}

/* Exits of the caller after which it goes on, by the answer that a monitor might give. */
void pet_answer(struct worker *w)
{
	for (unsigned n = 0; n < PET_VCPUS; n++) {
		struct sampo_exit *exit = &w->pet.page[n]->exit;

		if (!w->pet.page[n])
			continue;
		switch (__atomic_load_n(&exit->reason, __ATOMIC_ACQUIRE)) {
		case SAMPO_EXIT_IO:
		case SAMPO_EXIT_MSR:
			exit->dirty = SAMPO_DIRTY_ADVANCE;
			break;
		case SAMPO_EXIT_MEMORY:
			exit->rip = CODE;
			exit->dirty = SAMPO_DIRTY_RIP;
			break;
		case SAMPO_EXIT_EOI:
		case SAMPO_EXIT_STARTUP:
		case SAMPO_EXIT_STOPPED:
			break;
		case SAMPO_EXIT_INTACK:
			exit->inject = SAMPO_INJECT_EXTINT | (uint32_t)(32 + below(w, 224));
			exit->dirty = SAMPO_DIRTY_INJECT;
			break;
		default:
			continue;
		}
		if (one_in(w, 2))
			sampo_vcpu_ctl(w->pet.vcpu[n], SAMPO_VCPU_RESUME, 0);
		else
			sampo_wait(rdtsc() + tsc_per_ms / 500, w->pet.vcpu[n]);
	}
}

/* --- its life --- */

/* A handle for the pet's own table, with some of these rights. */
static void give(struct worker *w, uint32_t handle, uint32_t rights)
{
	uint32_t copy;

	sampo_handle_copy(handle, w->pet.domain, rights & (uint32_t)any(w), &copy);
	if (one_in(w, 2))
		sampo_handle_copy(handle, w->pet.domain, rights, &copy);
}

static void give_handles(struct worker *w)
{
	const uint32_t all = SAMPO_R_ALL, some = SAMPO_R_READ | SAMPO_R_RAISE | SAMPO_R_GRANT;
	struct pet *pet = &w->pet;

	give(w, pet->domain, all); /* itself */
	for (unsigned i = 0; i < PET_VCPUS; i++)
		if (pet->vcpu[i])
			give(w, pet->vcpu[i], all);
	give(w, pet->region, all);
	give(w, pet->event, all);
	give(w, machine, some | SAMPO_R_WRITE);
	give(w, self, some);
	for (unsigned i = 0; i < 4; i++)
		if (w->mine_count)
			give(w, w->mine[below(w, w->mine_count)], all & ~(uint32_t)SAMPO_R_CREATE);
}

static void make_vcpu(struct worker *w, unsigned n)
{
	struct pet *pet = &w->pet;
	uint64_t place = slot_address(w->id) + BLOCK + n * PAGE;

	if (sampo_vcpu_create(pet->domain, n, pet->event, &pet->vcpu[n]))
		return;
	fuzz_keep(w, pet->vcpu[n], SAMPO_T_VCPU);
	if (sampo_vcpu_page(pet->vcpu[n], &pet->page_region[n]))
		return;
	fuzz_keep(w, pet->page_region[n], SAMPO_T_REGION);
	if (!sampo_region_map(pet->page_region[n], 0, place, 0, SAMPO_MAP_R | SAMPO_MAP_W, PAGE))
		pet->page[n] = (void *)(uintptr_t)place;
}

void pet_make(struct worker *w)
{
	struct pet *pet = &w->pet;
	uint64_t place = slot_address(w->id), flags = one_in(w, 4) ? SAMPO_DOMAIN_NO_LAPIC : 0;

	pet_remove(w);
	if (sampo_domain_create(machine, flags, 40 + below(w, 100), 1024, &pet->domain))
		return;
	fuzz_keep(w, pet->domain, SAMPO_T_DOMAIN);
	if (sampo_event_create(self, SAMPO_EVENT_BIT, EVENT_OF_GUEST + w->id, 0, &pet->event))
		return;
	fuzz_keep(w, pet->event, SAMPO_T_EVENT);
	if (sampo_region_create(pet->domain, PET_RAM, SAMPO_REGION_4K, &pet->region))
		return;
	fuzz_keep(w, pet->region, SAMPO_T_REGION);
	if (sampo_region_map(pet->region, 0, place, 0, SAMPO_MAP_R | SAMPO_MAP_W, PET_RAM))
		return;
	pet->ram = (uint8_t *)(uintptr_t)place;
	sampo_region_map(pet->region, pet->domain, 0, 0, SAMPO_MAP_RWX, PET_RAM);
	write_caller(w);
	for (unsigned i = 0; i < PET_VCPUS; i++)
		make_vcpu(w, i);
	give_handles(w);
}

/* The handles are closed with all others of this worker's. */
void pet_remove(struct worker *w)
{
	if (w->pet.domain)
		sampo_domain_ctl(w->pet.domain, SAMPO_DOMAIN_DESTROY, 0);
	sampo_region_unmap(self, slot_address(w->id), 2 * BLOCK);
	w->pet = (struct pet){0};
}
