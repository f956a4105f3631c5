/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of guests/lib/sampo.h, for programs without a kernel: the calls that
 * the emulation of instructions makes. */
#pragma once

/* guests/lib/sampo.h has no calls beside these. */
#define SAMPO_CALLS_REPLACED

#include <stdbool.h>
#include <stdint.h>

#include "kernel/abi.h"

static inline int64_t sampo_vcpu_lapic(uint32_t vcpu, uint32_t offset, bool write, uint32_t value,
				       uint64_t *read)
{
	(void)vcpu;
	if (offset >= 4096 || offset % 16)
		__builtin_trap();
	if (read)
		*read = !write ? 0x31 : value & 1 ? SAMPO_EXIT_EOI : SAMPO_EXIT_STARTUP;
	return 0;
}
