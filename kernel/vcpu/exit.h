/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "arch/hv.h"

/* What acts upon an exit, by its kind. */
extern void (*const exit_handlers[EXIT_KIND_COUNT])(struct vcpu *vcpu, struct hv_exit *exit);
