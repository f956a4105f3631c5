/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/base/log.h"
#include "kernel/cpu/percpu.h"

static struct cpu first;

_Thread_local struct cpu *host_cpu = &first;

bool log_left;
