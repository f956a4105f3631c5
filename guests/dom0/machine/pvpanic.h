/* SPDX-License-Identifier: BSD-2-Clause */
/* QEMU's pvpanic device on ISA (docs/specs/pvpanic of QEMU): a guest's kernel tells of its panic.
 * It is there if the description has it; platform.h says what these do. */
#pragma once

struct vm;

int pvpanic_init(struct vm *vm);
void pvpanic_reset(struct vm *vm);
