/* SPDX-License-Identifier: BSD-2-Clause */
/* The bits of `guards`: each has the vendors' entry.S do something around a guest's run. */
#pragma once

#define GUARD_SPEC 1 /* the guest has a SPEC_CTRL of its own */
#define GUARD_VERW 2 /* the last instruction before the entry */
#define GUARD_IBRS 4 /* SPEC_CTRL is written at each exit */
#define GUARD_IBPB 8
#define GUARD_RSB  16

/* Where struct vcpu has it, from its gpr[] on (checked in barrier.c). */
#define GUARD_SPEC_CTRL 128
#define GUARD_SPEC_OWN  132
