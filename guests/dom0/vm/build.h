/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel objects and devices of a guest, made and given back. */
#pragma once

struct vm;

/* Domain, memory, vCPU and devices; on an error nothing remains. NULL, or what
 * went wrong. */
const char *vm_build(struct vm *vm);
/* Loads the guest's kernel and lets its vCPU go. NULL, or what went wrong. */
const char *vm_boot(struct vm *vm);
/* The devices are detached and quiet: everything goes back. */
void vm_unbuild(struct vm *vm);
