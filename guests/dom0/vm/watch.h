/* SPDX-License-Identifier: BSD-2-Clause */
/* News of guests' lives, for parts of dom0 above this room. */
#pragma once

struct vm;

enum vm_event {
	VM_EVENT_DEFINED,
	VM_EVENT_UNDEFINED, /* the description goes, or will when the guest ends */
	VM_EVENT_STARTED,
	VM_EVENT_SUSPENDED,
	VM_EVENT_RESUMED,
	VM_EVENT_STOPPED, /* vm_reason says why */
	VM_EVENT_CRASHED, /* and kept for inspection */
	VM_EVENT_RESET,
	VM_EVENT_DEVICE_ADDED,   /* to the guest that runs */
	VM_EVENT_DEVICE_REMOVED, /* the guest has given it up */
	VM_EVENT_TITLE,          /* the title or the description in words is another one */
	VM_EVENT_DESCRIPTION,
};

struct vm_watcher {
	/* Called in the midst of the guest's change: it may look at the guest and change nothing.
	 * `device`: the alias of the device (config.h), NULL in other news. */
	void (*happened)(struct vm *vm, enum vm_event event, const char *device);
	struct vm_watcher *next;
};

/* From now on and for ever. */
void vm_watch(struct vm_watcher *watcher);
void vm_tell(struct vm *vm, enum vm_event event);
void vm_tell_device(struct vm *vm, enum vm_event event, const char *device);
