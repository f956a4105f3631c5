/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/call/hypercall.c kernel/call/calls.c kernel/call/calls_memory.c kernel/call/object_info.c kernel/object/handle.c kernel/object/object.c kernel/object/domain.c kernel/object/region.c */
/* sources: kernel/object/event.c kernel/object/irq.c kernel/object/device.c kernel/object/resource.c kernel/base/slab.c kernel/base/heap.c kernel/base/timer.c kernel/base/lock.c kernel/cpu/smp.c */
/* sources: kernel/vcpu/request.c kernel/vcpu/turn.c */
/* sources: kernel/vcpu/vcpu.c kernel/vcpu/vlapic.c kernel/vcpu/message.c kernel/vcpu/inject.c kernel/cpu/exit.c kernel/vcpu/msr.c kernel/vcpu/cpuid.c kernel/vcpu/paravirt.c */
/* sources: kernel/sched/sched.c kernel/sched/balance.c kernel/vcpu/migrate.c arch/ptab.c arch/asid.c arch/debugreg.c arch/hv.c arch/svm/exit.c arch/svm/state.c arch/iommu/iommu.c */
/* sources: tests/host/cpu.c tests/unit/panic_stub.c tests/unit/iommu_stub.c */
/* flags: -D_GNU_SOURCE -include tests/fuzz/instructions.h -Wno-missing-field-initializers -Wno-initializer-overrides */
/* fuzz: -max_len=4800 */
/*
 * The kernel's calls, and its answers to guests' exits, on a machine of two CPUs that the input
 * drives: the kernel's own loop, scheduler and SVM code run here, only VMRUN is a stand-in, at
 * which the next record of the input says what the guest that has the CPU does. A CPU takes its
 * turn when the input says so, and whenever the other one waits for it. Pages come from malloc(),
 * so that AddressSanitizer sees every use after free. In the end all domains are destroyed, and the
 * counts must be right: of pages, blocks, references, bindings.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/acpi.h"
#include "arch/apic.h"
#include "arch/fpu.h"
#include "arch/ioapic.h"
#include "arch/msr.h"
#include "arch/paging.h"
#include "arch/platform.h"
#include "kernel/base/frame.h"
#include "kernel/base/log.h"
#include "kernel/console/console.h"
#include "kernel/cpu/interrupt.h"
#include "kernel/cpu/mce.h"
#include "kernel/object/device.h"
#include "kernel/object/event.h"
#include "kernel/object/irq.h"
#include "kernel/object/region.h"
#include "kernel/object/resource.h"
#include "kernel/vcpu/cpuid.h"
#include "kernel/vcpu/msr.h"
#include "kernel/vcpu/paravirt.h"

#include "kernel/cpu/loop.c"

#include "arch/svm/svm.c"

#include "tests/fuzz/debugreg.h"
#include "tests/unit/iommu_model.h"

#define expect(condition) ((condition) ? (void)0 : abort())

#define CPUS_HERE   2u
#define PAGES       4096u /* of kernel memory */
#define BLOCKS      32u   /* of 2 MiB */
#define RAM         0x10000u
#define KHZ         1000000u
#define WAIT        100000u
#define CHECK_EVERY 32u /* steps: handle tables are large */

/* One step of the input. */
struct record {
	uint8_t op, cpu, handle, other;
	uint16_t shape, number;
	uint64_t value[2];
};

/* What a record is, beside a call of that number. */
enum {
	OP_EXIT = 0x40, /* exit code `number` */
	OP_SCRIBBLE,    /* the monitor, or a guest, writes into an exit page */
	OP_INTERRUPT,   /* of a device, on this CPU */
	OP_TIME,        /* goes on */
	OP_REGISTERS,   /* of a guest: set by itself */
};

/* --- the machine --- */

struct acpi_info acpi;
struct frame_stats frame_stats;
struct lock frame_lock = {.rank = LOCK_FRAME};
uint64_t tsc_khz = KHZ, tsc_ns_per_tick = 1ull << 32, tsc_ticks_per_ns = 1ull << 32;
uint64_t fpu_xcr0 = 7;
bool fpu_lazy = true;
struct uart console_uart;
char image_start[1], image_end[1];
struct mitigate_plan mitigations;
uint32_t guest_spec_ctrl, first_spec_ctrl, sibling_mask;
uint64_t guest_efer, guest_arch_caps, mce_corrected;

static struct cpu cpus[CPUS_HERE];
static bool busy[CPUS_HERE]; /* it is in the kernel, further up this stack */
static uint64_t tsc;
static uint32_t pages_out;
static uint8_t *blocks;
static bool block_out[BLOCKS];
static struct record record;
static struct domain *dom0;
static struct object machine;
static unsigned waits;
static uint32_t guest_handle[2]; /* dom0's, of the vCPUs of the guest that was there first */

/* What is RAM, resource.c asks: nothing is that a call could ask for. */
bool boot_next_range(const struct boot_info *info, struct boot_place *at, struct boot_range *range)
{
	(void)info;
	(void)at;
	(void)range;
	return false;
}

uint64_t cpu_rdtsc(void)
{
	return tsc += 100;
}

struct cpu_cpuid cpu_cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpu_cpuid r = {leaf, subleaf, 0, 0};

	if (leaf == 0x80000008)
		r.eax = 40;
	return r;
}

uint64_t cpu_rdmsr(uint32_t msr)
{
	return msr;
}

int cpu_rdmsr_safe(uint32_t msr, uint64_t *value)
{
	*value = msr;
	return 0;
}

void cpu_wrmsr(uint32_t msr, uint64_t value)
{
	(void)msr;
	(void)value;
}

void cpu_xsetbv(uint32_t index, uint64_t value)
{
	expect(!index && value & 1);
}

#define PORT(bits)                                               \
	uint##bits##_t port_in##bits(uint16_t port)              \
	{                                                        \
		return (uint##bits##_t)port;                     \
	}                                                        \
	void port_out##bits(uint16_t port, uint##bits##_t value) \
	{                                                        \
		(void)port;                                      \
		(void)value;                                     \
	}
PORT(8)
PORT(16)
PORT(32)

void *page_alloc(void)
{
	void *page = pages_out < PAGES ? aligned_alloc(FRAME_PAGE, FRAME_PAGE) : NULL;

	if (!page)
		return NULL;
	pages_out++;
	return memset(page, 0, FRAME_PAGE);
}

void page_free(void *page)
{
	expect(pages_out && (uintptr_t)page % FRAME_PAGE == 0);
	pages_out--;
	free(page);
}

uint64_t frame_alloc_block(bool *zeroed)
{
	*zeroed = record.other & 2;
	for (unsigned i = 0; i < BLOCKS; i++) {
		if (block_out[i])
			continue;
		block_out[i] = true;
		return (uint64_t)(blocks + i * FRAME_BLOCK);
	}
	return 0;
}

uint64_t frame_exchange(uint64_t base)
{
	bool zeroed;
	uint64_t other = record.other & 4 ? frame_alloc_block(&zeroed) : 0;

	if (other)
		frame_free_block(base);
	return other;
}

bool frame_zero_some(void)
{
	return false;
}

void frame_free_block(uint64_t base)
{
	uint64_t n = (base - (uint64_t)blocks) / FRAME_BLOCK;

	expect(n < BLOCKS && base % FRAME_BLOCK == 0 && block_out[n]);
	block_out[n] = false;
}

void *window_page(uint64_t pa)
{
	return (void *)pa;
}

void window_zero(uint64_t pa, uint64_t bytes)
{
	expect(pa && bytes && bytes <= FRAME_BLOCK);
}

bool console_ready(void)
{
	return record.other & 1;
}

uint64_t kernel_bytes_used(void)
{
	return pages_out * FRAME_PAGE;
}

uint32_t apic_id(void)
{
	return this_cpu()->id;
}

void apic_send(uint32_t dest, uint32_t command)
{
	(void)dest;
	(void)command;
}

bool ioapic_id(uint32_t gsi, uint32_t *id)
{
	*id = 0;
	return gsi < 24;
}

bool ioapic_route(const struct ioapic_line *line, uint64_t entry)
{
	(void)entry;
	return line->gsi < 24;
}

void ioapic_mask(uint32_t gsi, bool masked)
{
	(void)masked;
	expect(gsi < 24);
}

void platform_acpi_mode(void)
{
}

void platform_reset(void)
{
	abort(); /* see make_call */
}

void uart_drain(struct uart *uart)
{
	(void)uart;
}

void log_print(const char *format, ...)
{
	(void)format;
}

void tsc_delay_ns(uint64_t ns)
{
	tsc += ns;
}

void ring_bytes(const char *text, size_t length)
{
	log_bytes(text, length);
}

void log_bytes(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		tsc += text[i] & 1;
}

void console_bytes(const char *text, size_t length)
{
	log_bytes(text, length);
}

bool console_taken(uint64_t position)
{
	return !(position & 1);
}

void vcpu_dump(struct vcpu *vcpu, void *unused)
{
	(void)unused;
	expect(vcpu->cpu == this_cpu());
}

/* The FPU is whose the kernel says that it is. */
void fpu_reset(struct vcpu *vcpu)
{
	vcpu->xcr0 = 1;
}

void fpu_switch(struct cpu *cpu, struct vcpu *vcpu)
{
	cpu->fpu = vcpu;
}

void fpu_leave(struct cpu *cpu, struct vcpu *vcpu)
{
	if (cpu->fpu == vcpu)
		cpu->fpu = NULL;
}

void fpu_forget(struct cpu *cpu, struct vcpu *vcpu)
{
	fpu_leave(cpu, vcpu);
}

void barrier_switch(struct cpu *cpu, const struct vcpu *to)
{
	expect(to->cpu == cpu);
}

void barrier_touched(const struct domain *domain)
{
	expect(domain != NULL);
}

void barrier_forget(struct cpu *cpu, const struct vcpu *vcpu)
{
	(void)cpu;
	(void)vcpu;
}

void barrier_cache(struct cpu *cpu, struct vcpu *vcpu)
{
	(void)cpu;
	(void)vcpu;
}

void barrier_msrs(uint8_t *bitmap, bool own, void (*pass)(uint8_t *bitmap, uint32_t msr))
{
	(void)bitmap;
	(void)own;
	(void)pass;
}

bool mce_in_guest(void)
{
	return record.other & 1;
}

void mce_poll(void)
{
}

void interrupt_program_timer(struct cpu *cpu)
{
	cpu->timers.armed = timer_next(&cpu->timers);
}

void interrupt_run_timers(struct cpu *cpu)
{
	timer_run(&cpu->timers, cpu_rdtsc());
}

void interrupt_timer_passed(struct cpu *cpu)
{
	interrupt_run_timers(cpu);
}

void apic_offer(void)
{
}

void svm_idle(void)
{
}

void svm_dump(struct vcpu *vcpu)
{
	(void)vcpu;
}

void svm_vmload(uint64_t vmcb)
{
	expect(vmcb);
}

void svm_vmsave(uint64_t vmcb)
{
	expect(vmcb);
}

/* As arch/barrier.c does it, in a program's code. */
void barrier_put_jump(void *at, const void *to)
{
	uintptr_t page = (uintptr_t)at & ~(FRAME_PAGE - 1);
	int32_t distance = (int32_t)((const uint8_t *)to - ((uint8_t *)at + 5));

	expect(!mprotect((void *)page, 2 * FRAME_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
	*(uint8_t *)at = 0xe9;
	memcpy((uint8_t *)at + 1, &distance, sizeof(distance));
}

/* --- what CPUs do --- */

static void enter_kernel(struct cpu *cpu)
{
	host_cpu = cpu;
	busy[cpu->id] = true;
	smp_enter_kernel(cpu);
}

static void leave_kernel(struct cpu *cpu)
{
	expect(!cpu->holds.ranks || cpu->holds.ranks == LOCK_MANAGE);
	smp_leave_kernel(cpu, CPU_IDLE);
	busy[cpu->id] = false;
}

/* Who waits for another CPU, or for a lock: the others have a turn, as after an interrupt. */
void cpu_pause_on_host(void)
{
	struct cpu *cpu = host_cpu;

	tsc += 1000;
	for (struct cpu *other = cpus; other < cpus + CPUS_HERE; other++) {
		if (busy[other->id])
			continue;
		enter_kernel(other);
		request_serve(other);
		leave_kernel(other);
	}
	host_cpu = cpu;
}

void svm_interrupt_window(void)
{
	unsigned vector =
		IRQ_VECTOR_FIRST + record.number % (IRQ_VECTOR_LAST - IRQ_VECTOR_FIRST + 1);

	if (record.op == OP_INTERRUPT)
		irq_handle((uint8_t)vector);
}

/* Of many kinds, three bits of the record's shape for each argument. */
static uint64_t argument(unsigned n)
{
	switch (record.shape >> 3 * n & 7) {
	case 0:
		return record.other;
	case 1:
		return record.number;
	case 2:
		return (uint64_t)record.number << 12;
	case 3:
		return (uint64_t)record.number << 21;
	case 4:
		return record.value[0];
	case 5:
		return record.value[1];
	case 6:
		return record.value[0] & 0xffff;
	default:
		return 0;
	}
}

static void make_call(uint64_t *gpr, struct vmcb *vmcb)
{
	vmcb->exit_code = 0x81;
	vmcb->cpl = record.cpu >> 7 ? 3 : 0;
	vmcb->rax = SAMPO_CALL_BASE + record.op;
	gpr[SAMPO_RDI] = record.handle < 0xe0 ? record.handle % 32u : record.value[0];
	gpr[SAMPO_RSI] = argument(0);
	gpr[SAMPO_RDX] = argument(1);
	gpr[SAMPO_R10] = argument(2);
	gpr[SAMPO_R8] = argument(3);
	if (record.op == SAMPO_CALL_machine && gpr[SAMPO_RSI] == SAMPO_MACHINE_RESET)
		gpr[SAMPO_RSI] = record.value[1]; /* that one does not return */
}

/* dom0 leaves the CPU to the guests for a while, and answers an exit. */
static void make_wait(uint64_t *gpr, struct vmcb *vmcb)
{
	vmcb->exit_code = 0x81;
	vmcb->cpl = 0;
	vmcb->rax = SAMPO_CALL_BASE + SAMPO_CALL_wait;
	gpr[SAMPO_RDI] = tsc + WAIT;
	/* Not asleep if there is nothing to be answered: so it is at the second try. */
	gpr[SAMPO_RSI] = waits++ & 1 ? 0 : guest_handle[record.shape & 1];
	dom0->event_page->summary = 0;
}

/* The guest that has the CPU does what the record says. dom0 does nothing that would end it. */
void svm_enter(uint64_t *gpr, uint64_t vmcb_pa)
{
	struct vcpu *vcpu = (struct vcpu *)gpr;
	struct vmcb *vmcb = (struct vmcb *)vmcb_pa;

	expect(vcpu->svm.vmcb == vmcb && vcpu->cpu == host_cpu && vmcb->asid);
	expect(host_cpu->current == vcpu && host_cpu->loaded == vcpu && !host_cpu->holds.ranks);
	expect(vcpu->state == VCPU_READY && vcpu->domain->state != SAMPO_DOM_PAUSED);
	vmcb->exit_code = 0x60;
	vmcb->exit_int_info = 0;
	vmcb->exit_info1 = record.value[0];
	vmcb->exit_info2 = record.value[1];
	vmcb->next_rip = vmcb->rip + 1 + record.other % 15;
	if (record.op < SAMPO_CALL_COUNT) {
		make_call(gpr, vmcb);
	} else if (vcpu->domain == dom0) {
		make_wait(gpr, vmcb);
	} else if (record.op == OP_EXIT) {
		vmcb->exit_code = record.number & 0x8000 ? VMEXIT_INVALID : record.number & 0x7ff;
		if (record.handle & 1)
			vmcb->exit_int_info = EVENT_VALID | (record.value[1] & 0xfff);
		if (vmcb->exit_code == 0x7b) /* APM 2 15.10.2 */
			vmcb->exit_info1 =
				(vmcb->exit_info1 & 0xffff000d) | 0x10u << record.handle % 3;
		if (vmcb->exit_code == 0x7b)
			vmcb->exit_info2 = vmcb->next_rip;
		vmcb->insn_bytes = record.other & 15;
		vmcb->rax = record.value[0];
		gpr[SAMPO_RCX] = record.shape & 1;
		gpr[SAMPO_RDX] = 0;
		vmcb->rflags = record.shape & 4 ? 0x202 : 2;
	} else if (record.op == OP_REGISTERS) {
		vmcb->exit_code = record.other & 1 ? 0x7c : 0x81; /* an MSR, or a call of KVM's */
		vmcb->exit_info1 = record.other >> 1 & 1;
		vmcb->cpl = 0;
		vmcb->rax = record.value[0];
		gpr[SAMPO_RCX] = record.shape & 1   ? 0x4b564d00u + record.number
				 : record.shape & 2 ? 0x800u + record.number % 0x40
						    : record.number;
		gpr[SAMPO_RDX] = record.value[0] >> 32;
		gpr[SAMPO_RBX] = record.value[1];
		gpr[SAMPO_RSI] = record.handle;
		vmcb->rflags = record.shape & 4 ? 0x202 : 2;
	}
	tsc += record.number;
}

/* Somebody who has the page writes there, whatever the vCPU does. */
static void scribble(void)
{
	unsigned n = record.handle, words = sizeof(struct sampo_vcpu_page) / 8;

	for (struct domain *d = domain_list; d; d = d->next)
		for (unsigned i = 0; i < DOMAIN_VCPUS; i++)
			if (d != dom0 && d->vcpu[i] && !n--)
				((uint64_t *)d->vcpu[i]->page)[record.number % words] =
					record.value[0];
}

static void turn(struct cpu *cpu)
{
	enter_kernel(cpu);
	while (cpu->inbox)
		request_serve(cpu);
	if (cpu->resched || !cpu->current)
		schedule(cpu);
	if (cpu->current)
		run(cpu, cpu->current);
	else if (object_waiting())
		reap(cpu, NULL);
	if (!cpu->current)
		tsc += 1000;
	interrupt_run_timers(cpu);
	expect(!cpu->holds.ranks);
	leave_kernel(cpu);
}

static void step(void)
{
	if (record.op == OP_SCRIBBLE)
		scribble();
	else if (record.op == OP_TIME)
		tsc += record.value[0] >> (16 + record.other % 48);
	turn(&cpus[record.cpu % CPUS_HERE]);
}

/* --- what must hold --- */

/* What can be counted of a domain from what is left of it. */
static void check_domain(const struct domain *d)
{
	uint32_t vcpus = 0, used = 0;

	for (unsigned i = 0; i < DOMAIN_VCPUS; i++) {
		const struct vcpu *vcpu = d->vcpu[i];

		expect(!vcpu == !(d->present >> i & 1));
		if (!vcpu)
			continue;
		vcpus++;
		expect(vcpu->domain == d && vcpu->id == i && vcpu->object.refs);
	}
	for (unsigned p = 0; p < HANDLE_PAGES; p++)
		for (unsigned i = 0; d->handles.page[p] && i < HANDLES_PER_PAGE; i++)
			used += d->handles.page[p][i].word &&
				!(d->handles.page[p][i].word & HANDLE_FREE);
	expect(vcpus == d->vcpus && used == d->handles.used);
	expect(d->kernel_bytes <= d->kernel_limit && d->memory <= d->memory_limit);
}

static void check_domains(void)
{
	for (const struct domain *d = domain_list; d; d = d->next)
		check_domain(d);
}

static void check_cpus(void)
{
	expect(!manage_lock.holder && !manage_lock.depth);
	for (const struct cpu *cpu = cpus; cpu < cpus + CPUS_HERE; cpu++) {
		expect(!cpu->current || cpu->current->cpu == cpu);
		expect(!cpu->loaded || cpu->loaded->cpu == cpu);
	}
}

/* --- from the beginning to the end --- */

static uint32_t give(struct domain *domain, struct object *object)
{
	int64_t handle = handle_add(domain, object, SAMPO_R_ALL);

	expect(handle > 0);
	return (uint32_t)handle;
}

static struct domain *make_domain(uint64_t flags, unsigned vcpus, struct event *event)
{
	struct domain *domain;
	struct region *ram;
	struct vcpu *vcpu;

	expect(!domain_new(dom0, flags, dom0 ? 400 : 2000, 256, (dom0 ? 4 : BLOCKS) * FRAME_BLOCK,
			   &domain));
	give(dom0 ? dom0 : domain, &domain->object);
	if (dom0)
		give(domain, &domain->object);
	expect(!region_new_ram(domain, RAM, 12, &ram));
	expect(!region_map(ram, domain, 0, 0, RAM, SAMPO_MAP_RWX));
	give(dom0 ? dom0 : domain, &ram->object);
	object_put(&ram->object);
	if (!event) {
		expect(!event_new(domain, SAMPO_EVENT_BIT, 1, 0, &event));
		give(domain, &event->object);
		object_put(&event->object);
	}
	for (unsigned i = 0; i < vcpus; i++) {
		expect(!vcpu_new(domain, i, event, &vcpu));
		guest_handle[i] = give(dom0 ? dom0 : domain, &vcpu->object);
		if (i == 1)
			give(domain, &vcpu->object);
		expect(!vcpu_resume(vcpu));
		object_put(&vcpu->object);
	}
	object_put(&domain->object);
	return domain;
}

/* With an IOMMU or without one. */
static void begin(bool isolated)
{
	struct event *event;

	iommu.ops = isolated ? &vtd_ops : NULL;
	iommu.remaps = isolated;
	memset(cpus, 0, sizeof(cpus));
	tsc = 1;
	waits = 0;
	for (uint32_t i = 0; i < CPUS_HERE; i++) {
		cpus[i] = (struct cpu){.id = i, .apic_id = i, .asid_count = 16, .asid_next = 1};
		cpus[i].asid_generation = 1;
		cpus[i].has_tsc_aux = true;
		cpus[i].lines = page_alloc();
		cpus[i].timers.armed = TIMER_NEVER;
		cpus[i].slice.fire = turn_ended;
		sched_init(&cpus[i].rq, i, SCHED_TURN_NS, tsc);
		cpu_table[i] = &cpus[i];
		smp_leave_kernel(&cpus[i], CPU_IDLE);
	}
	cpu_count = CPUS_HERE;
	enter_kernel(&cpus[0]);
	lock(&manage_lock);
	dom0 = NULL;
	dom0 = make_domain(SAMPO_DOMAIN_NO_LAPIC, 2, NULL);
	give(dom0, &machine);
	expect(!event_new(dom0, SAMPO_EVENT_BIT, 2, 0, &event));
	give(dom0, &event->object);
	make_domain(0, 2, event);
	object_put(&event->object);
	unlock(&manage_lock);
	leave_kernel(&cpus[0]);
}

/* Domains whose handles lie in their own tables are found here alone. */
static void destroy_all(void)
{
	record = (struct record){.op = OP_TIME};
	for (unsigned tries = 0; domain_list && tries < 100000; tries++) {
		enter_kernel(&cpus[0]);
		lock(&manage_lock);
		for (struct domain *d = domain_list; d; d = d->next)
			if (d->state != SAMPO_DOM_DEAD)
				domain_destroy(d);
		object_reap(); /* as the call would that destroys them */
		unlock(&manage_lock);
		leave_kernel(&cpus[0]);
		for (unsigned i = 0; i < CPUS_HERE; i++)
			turn(&cpus[i]);
	}
}

static void end(uint32_t *kept)
{
	destroy_all();
	expect(!domain_list);
	expect(machine.refs == 1);
	for (unsigned i = 0; i < BLOCKS; i++)
		expect(!block_out[i]);
	expect(!model_attached && !model_entries);
	for (unsigned i = 0; i < CPUS_HERE; i++) {
		page_free(cpus[i].lines);
		expect(!cpus[i].current && !cpus[i].loaded && !cpus[i].fpu && !cpus[i].inbox);
		expect(timer_next(&cpus[i].timers) == TIMER_NEVER ||
		       (struct timer *)cpus[i].timers.heap == &cpus[i].slice);
	}
	/* Slabs keep their pages. */
	expect(pages_out <= *kept + 16);
	*kept = pages_out > *kept ? pages_out : *kept;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	blocks = mmap((void *)0x20000000, BLOCKS * FRAME_BLOCK, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	expect(blocks != MAP_FAILED);
	object_init(&machine, SAMPO_T_MACHINE);
	for (unsigned i = 0; i < ACPI_ISA_IRQS; i++)
		acpi.isa[i].gsi = (uint16_t)i;
	model_there = true;
	iommu_setup();
	hv_bind(&svm_ops);
	svm_features = SVM_HAS_NPT | SVM_HAS_NRIPS | SVM_HAS_FLUSH_BY_ASID;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint32_t kept = 0;

	step_over_debug_registers();
	begin(size / sizeof(record) % 2);
	for (unsigned n = 0; size >= sizeof(record); n++) {
		memcpy(&record, data, sizeof(record));
		data += sizeof(record);
		size -= sizeof(record);
		step();
		check_cpus();
		if (n % CHECK_EVERY == 0)
			check_domains();
	}
	check_domains();
	end(&kept);
	return 0;
}

/* --- inputs --- */

static uint64_t draw(uint64_t *state, uint64_t n)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (*state >> 33) % n;
}

/* A call, mostly, by a handle that there may be, with an operation that there may be. */
static struct record draw_record(uint64_t *state)
{
	static const uint16_t codes[] = {0x10, 0x18, 0x41, 0x47, 0x51,  0x52,  0x60, 0x61,
					 0x64, 0x6f, 0x72, 0x74, 0x77,  0x78,  0x7b, 0x7c,
					 0x7f, 0x89, 0x8a, 0x8d, 0x400, 0x8000};
	struct record r = {
		.op = (uint8_t)draw(state, SAMPO_CALL_COUNT),
		.cpu = (uint8_t)(draw(state, CPUS_HERE) | (draw(state, 100) ? 0 : 0x80)),
		.handle = (uint8_t)draw(state, 24),
		.other = (uint8_t)draw(state, 16),
		.number = (uint16_t)(draw(state, 3) ? draw(state, 40) : draw(state, 65536)),
		.shape = (uint16_t)draw(state, 4096),
		.value = {draw(state, 1ull << 31) << draw(state, 33), draw(state, 0x10000)},
	};

	if (draw(state, 2)) /* the operation, which is mostly the second argument */
		r.shape &= 0xff8;
	if (!draw(state, 3))
		r.op = (uint8_t)(OP_EXIT + draw(state, 5));
	if (r.op == OP_EXIT && draw(state, 8))
		r.number = codes[draw(state, COUNT_OF(codes))];
	if (r.op == OP_EXIT && r.number == 0x7b) /* a port that may have a doorbell */
		r.value[0] = draw(state, 64) << 16 | draw(state, 16);
	if (r.op == OP_EXIT && !draw(state, 4))
		r.value[1] <<= 12;
	return r;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	uint64_t state = seed;
	size_t records = size / sizeof(struct record), at;

	if (draw(&state, 4) == 0)
		return LLVMFuzzerMutate(data, size, max);
	size = records * sizeof(struct record);
	for (uint64_t n = 1 + draw(&state, 8); n; n--) {
		struct record r = draw_record(&state);

		at = draw(&state, records + 1) * sizeof(r);
		if (size + sizeof(r) <= max && (at == size || draw(&state, 2))) {
			memmove(data + at + sizeof(r), data + at, size - at);
			size += sizeof(r);
			records++;
		}
		if (at < size)
			memcpy(data + at, &r, sizeof(r));
	}
	return size;
}
