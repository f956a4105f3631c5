/* SPDX-License-Identifier: BSD-2-Clause */
/* The port to which firmware writes its messages, if the description has it: each line is logged.
 */
#pragma once

struct vm;

int debugcon_init(struct vm *vm); /* platform.h says what these do */
void debugcon_reset(struct vm *vm);
int debugcon_resume(struct vm *vm);
