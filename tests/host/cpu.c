/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/log.h"
#include "kernel/percpu.h"

static struct cpu first;

_Thread_local struct cpu *host_cpu = &first;

bool log_left;
