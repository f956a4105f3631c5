/* SPDX-License-Identifier: BSD-2-Clause */
/* The description of a running guest, which devices that come and go make another one than the
 * guest's own; the next start is by its own again. */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/life.h"

struct vm_config *vm_live_config(struct vm *vm)
{
	struct vm_config *copy;

	if (vm->life->own)
		return (struct vm_config *)vm->config;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return NULL;
	memcpy(copy, vm->config, sizeof(*copy));
	vm->life->own = vm->config;
	vm->config = copy;
	return copy;
}

struct vm_config *vm_own_config(const struct vm *vm)
{
	return (struct vm_config *)(vm->life->own ? vm->life->own : vm->config);
}

struct vm_config *vm_next_config(const struct vm *vm)
{
	return vm->next_config ? (struct vm_config *)vm->next_config : vm_own_config(vm);
}

void vm_live_end(struct vm *vm)
{
	if (!vm->life->own)
		return;
	config_free((struct vm_config *)vm->config);
	vm->config = vm->life->own;
	vm->life->own = NULL;
}
