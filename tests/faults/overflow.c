/* SPDX-License-Identifier: BSD-2-Clause */
/* A kernel that runs out of its stack when dom0 asks for the machine to be turned off. */
#include "kernel/base/types.h"

extern volatile uint64_t overflow_depth;
volatile uint64_t overflow_depth;

static void __attribute__((noinline)) deeper(uint64_t depth)
{
	volatile uint64_t local[64];

	local[0] = depth;
	overflow_depth = depth;
	if (overflow_depth != UINT64_MAX)
		deeper(depth + local[0] + 1);
	overflow_depth = local[0];
}

/* The linker puts it in the other's place. */
void __wrap_platform_acpi_mode(void);
void __wrap_platform_acpi_mode(void)
{
	deeper(0);
}
