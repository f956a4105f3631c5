/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "arch/hv.h"

/* The handlers of exits, by their kinds. */
extern void (*const exit_handlers[EXIT_KIND_COUNT])(struct vcpu *vcpu, struct hv_exit *exit);
