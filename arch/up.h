/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that arch/ asks of the kernel above it. kernel/base is below arch; of everything else arch
 * knows the structures that it fills in (struct cpu, domain, vcpu, vlapic) and these functions.
 * `make rooms` compares this list with the symbols of the objects.
 */
#pragma once

#include "kernel/base/types.h"

struct cpu;
struct domain;
struct vcpu;
struct vlapic;

/* cpu/interrupt.c, from the interrupt window: a vector from 32 on. */
void interrupt_handle(unsigned vector);

/* cpu/mce.c: ring 0 has met a machine check. Returns if it can go on. */
void mce_in_kernel(void);

/* cpu/smp.c: a CPU is about to panic, and the others stop. */
extern bool smp_stopping;
/* The CPU that does not leave the kernel any more, see watchdog.c; it is about to get an NMI. */
extern const struct cpu *smp_stuck;

/* object/domain.c: zeroed kernel pages that are charged to the domain; NULL beyond its limit. */
void *domain_page_alloc(struct domain *domain);
void domain_page_free(struct domain *domain, void *page);
/* Something was written there that counted as clean; any CPU. */
void domain_written(struct domain *domain, uint64_t gpa);
/* As domain_write, see there. */
int64_t domain_read(struct domain *domain, uint64_t gpa, void *to, size_t bytes);

/* vcpu/inject.c: queue an exception for the next entry (SAMPO_INJECT_*). */
void vcpu_inject(struct vcpu *vcpu, uint32_t event, uint32_t code);
/* For hv->window: does the waiting event need interrupts to be on, and not only a lower TPR? */
bool vcpu_wants_window(const struct vcpu *vcpu);
/* vcpu/vcpu.c, at home: nothing of it but the FPU's state is in the CPU any more, nor logs of what
 * it wrote. */
void vcpu_unload(struct vcpu *vcpu);

/* vcpu/vlapic.c: recompute `pending`. */
void vlapic_update(struct vlapic *v);
/* With lapic.hardware the CPU has written ISR and IRR: `used` follows them. */
void vlapic_reload(struct vlapic *v);
/* Of LAPIC_ISR or LAPIC_IRR; 0: none, since vectors below 16 are never set. */
unsigned vlapic_highest(const struct vlapic *v, unsigned first);
