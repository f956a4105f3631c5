/* SPDX-License-Identifier: BSD-2-Clause */
/* On the host each thread is a CPU: stands in the place of arch/this_cpu.h. */
#pragma once

#include "kernel/base/types.h"

#define STACK_SIZE 16384u

struct cpu;

extern _Thread_local struct cpu *host_cpu;

static inline struct cpu *this_cpu(void)
{
	return host_cpu;
}
