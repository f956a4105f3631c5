/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of one physical CPU. That CPU alone touches them, but for the part at the end, by which
 * other CPUs reach it.
 */
#pragma once

#include "arch/this_cpu.h"
#include "kernel/base/lock.h"
#include "kernel/base/timer.h"
#include "kernel/sched/sched.h"

#define CPUS     256u
#define WAY_MOST 2000u /* cpu.way, as long as nobody knows better */

struct vcpu;
struct domain;

struct cpu {
	struct lock_holder holds; /* first: lock.c */
	uint32_t id, apic_id;     /* id: index in cpu_table */
	struct vcpu *current;     /* the one that runs; NULL: idle */
	struct vcpu *loaded;      /* the CPU holds its vendor state */
	struct vcpu *fpu;         /* the CPU holds its FPU state */
	struct vcpu *debug;       /* the CPU holds its DR0-3 */
	struct sched_rq rq;
	struct timer_queue timers;
	struct timer slice;     /* end of current's turn */
	struct irq_line *lines; /* what its vectors of device interrupts stand for, a page: irq.c */
	uint64_t way;           /* TSC ticks into a guest and out again, see handle_interrupt */
	uint64_t interrupted;   /* TSC; while it does what an interrupt asks for; else 0 */
	struct timer watch;     /* the next CPU, see watchdog.c */
	uint64_t watch_entries;
	uint32_t watch_looks; /* that found it where it was */
	bool has_tsc_aux;
	bool nested; /* there is a hypervisor below */
	bool brief;  /* its last sleep was short */
	/* See barrier.c: the domains of its predictions of branches and of the data in its cache.
	 */
	const struct vcpu *trained;
	const struct domain *cached;
	uint64_t tsc_aux; /* what the MSR holds */
	/* vendor part: ASIDs or VPIDs */
	uint32_t asid_next, asid_count;
	uint64_t asid_generation;
	uint64_t tsc_scale;        /* SVM: what MSR_TSC_RATIO holds; 0: not known */
	uint64_t host_save_pa;     /* SVM: VM_HSAVE_PA; VMX: VMXON region */
	uint64_t vmcs;             /* VMX: the current one */
	struct cpu_tables *tables; /* VMX: its GDT and TSS, see tss.h */
	uint64_t nmi_rip;          /* where the last NMI came */
	uint32_t nmis;             /* how many there were, and of how many the log tells */
	uint32_t nmis_told;

	/* Others read these; the CPU itself writes them. */
	struct domain *in_guest; /* its vCPU runs; CPU_IDLE; NULL: the kernel */
	uint64_t entries;        /* how often it has left the kernel */
	bool polling;            /* it looks at its inbox: no need to kick it */

	/* Others write these, too: vCPUs of this CPU with requests, newest
	 * first; whether one that idles has asked for work. */
	struct vcpu *inbox __attribute__((aligned(64)));
	bool asked;
	bool resched; /* choose again before the next entry */
};

_Static_assert(__builtin_offsetof(struct cpu, holds) == 0, "this_cpu() is a lock_holder, too");

/* cpu.in_guest of one that sleeps. */
#define CPU_IDLE ((struct domain *)1)

/* All that run, by id; entries are added at boot and stay. */
extern struct cpu *cpu_table[CPUS];
extern uint32_t cpu_count;
