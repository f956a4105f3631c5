/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/vm/watch.h"

#include <stddef.h>

static struct vm_watcher *watchers;

void vm_watch(struct vm_watcher *watcher)
{
	watcher->next = watchers;
	watchers = watcher;
}

void vm_tell_device(struct vm *vm, enum vm_event event, const char *device)
{
	for (struct vm_watcher *one = watchers; one; one = one->next)
		one->happened(vm, event, device);
}

void vm_tell(struct vm *vm, enum vm_event event)
{
	vm_tell_device(vm, event, NULL);
}
