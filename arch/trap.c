/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/trap.h"

#include "arch/cpu.h"
#include "arch/paging.h"
#include "arch/up.h"
#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"

#define VECTOR_FIRST_IRQ 32

extern const char trap_stubs[], rdmsr_at[], wrmsr_at[], rdmsr_fault[];

struct idt_gate idt[256];

void trap_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint64_t)idt};

	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void trap_init(void)
{
	for (unsigned v = 0; v < 256; v++) {
		uint64_t stub = (uint64_t)trap_stubs + 16ul * v;

		idt[v] = (struct idt_gate){
			.offset_low = (uint16_t)stub,
			.selector = 0x08,
			.type = 0x8e, /* present, interrupt gate */
			.offset_mid = (uint16_t)(stub >> 16),
			.offset_high = (uint32_t)(stub >> 32),
		};
	}
	trap_load();
}

static void dump(const struct trap_frame *f)
{
	WRITE_ONCE(log_left, false);
	log_print("rip %016lx rsp %016lx rflags %lx cr2 %016lx cr3 %lx\n", f->rip, f->rsp,
		  f->rflags, cpu_read_cr2(), cpu_read_cr3());
	log_print("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
	log_print("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", f->rsi, f->rdi, f->rbp, f->r8);
	log_print("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", f->r9, f->r10, f->r11, f->r12);
	log_print("r13 %016lx r14 %016lx r15 %016lx\n", f->r13, f->r14, f->r15);
}

/*
 * On VMX an NMI comes between any two instructions of the kernel, while tables are half changed,
 * locks are held or a guest is about to be entered: it is noted, and the main loop tells the log.
 * A CPU that does not come to its main loop any more says here where it is, since the machine
 * stops anyway.
 */
static void nmi(const struct trap_frame *f)
{
	struct cpu *cpu = this_cpu();

	while (READ_ONCE(smp_stopping)) /* for ever */
		cpu_hlt();
	if (READ_ONCE(smp_stuck) == cpu)
		dump(f);
	cpu->nmi_rip = f->rip;
	WRITE_ONCE(cpu->nmis, cpu->nmis + 1);
	WRITE_ONCE(cpu->resched, true);
}

/* Called by arch/traps.S with the interrupted registers. */
void trap(struct trap_frame *f);
void trap(struct trap_frame *f)
{
	if (f->vector >= VECTOR_FIRST_IRQ) {
		interrupt_handle((unsigned)f->vector);
		return;
	}
	if (f->vector == VECTOR_NMI) {
		nmi(f);
		return;
	}
	if (f->vector == VECTOR_GP &&
	    (f->rip == (uint64_t)rdmsr_at || f->rip == (uint64_t)wrmsr_at)) {
		f->rip = (uint64_t)rdmsr_fault;
		return;
	}
	if (f->vector == VECTOR_MC) {
		mce_in_kernel();
		return;
	}
	dump(f);
	/* The CPU could not put a page fault's frame there. */
	if (f->vector == VECTOR_DF && stack_below(cpu_read_cr2()))
		panic("the stack of CPU %u has overflowed", this_cpu()->id);
	panic("exception %lu in the kernel, error code %lx", f->vector, f->error);
}
