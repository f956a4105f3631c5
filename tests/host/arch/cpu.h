/* SPDX-License-Identifier: BSD-2-Clause */
/* On the host a thread that waits gives way: there may be more threads than CPUs. */
#pragma once

#include <sched.h>

#include "../../../arch/cpu.h"

#define cpu_pause() sched_yield()
