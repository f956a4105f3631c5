/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "kernel/base/types.h"

#define STACK_SIZE 16384u

struct cpu;

/* The CPU's structure is pointed to from the lowest address of its stack. */
static inline struct cpu *this_cpu(void)
{
	uint64_t rsp;

	__asm__("movq %%rsp, %0" : "=r"(rsp));
	return *(struct cpu **)(rsp & ~(uint64_t)(STACK_SIZE - 1));
}
