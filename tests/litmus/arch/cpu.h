/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that waits for another one spins, as a CPU does, and gives way now and then: there may
 * be other programs. */
#pragma once

#include <sched.h>

#include "../../../arch/cpu.h"

static inline void litmus_pause(void)
{
	static _Thread_local unsigned count;

	__builtin_ia32_pause();
	if (++count % 1024 == 0)
		sched_yield();
}

#define cpu_pause() litmus_pause()
