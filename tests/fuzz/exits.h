/* SPDX-License-Identifier: BSD-2-Clause */
/* What a decoded exit must be, whatever the CPU has reported. */
#pragma once

#include <stdlib.h>

#include "arch/hv.h"
#include "kernel/vcpu/vcpu.h"

#define expect(condition) ((condition) ? (void)0 : abort())

/* Exits of an instruction that the kernel steps over without a look at it. */
static inline bool steps_over(enum exit_kind kind)
{
	switch (kind) {
	case EXIT_CPUID:
	case EXIT_HLT:
	case EXIT_PAUSE:
	case EXIT_IO:
	case EXIT_RDMSR:
	case EXIT_HYPERCALL:
	case EXIT_XSETBV:
	case EXIT_CACHE:
		return true;
	default:
		return false;
	}
}

static inline void check_exit(const struct hv_exit *x)
{
	expect(x->kind < EXIT_KIND_COUNT);
	if (steps_over(x->kind))
		expect(x->next_rip - x->rip <= 15);
	switch (x->kind) {
	case EXIT_HYPERCALL:
	case EXIT_XSETBV:
		expect(x->cpl < 4);
		break;
	case EXIT_EXCEPTION:
		expect(x->vector < 32);
		break;
	case EXIT_FORBIDDEN:
		expect(x->vector == 6 || x->vector == 13);
		break;
	case EXIT_CR:
		expect(x->vector < 16);
		break;
	case EXIT_MEMORY:
		expect(x->access && !(x->access & ~(SAMPO_ACCESS_R | SAMPO_ACCESS_W |
						    SAMPO_ACCESS_X | SAMPO_ACCESS_WALK)));
		expect(x->insn_len < 16 && (!x->insn_len || x->insn));
		break;
	default:
		break;
	}
}
