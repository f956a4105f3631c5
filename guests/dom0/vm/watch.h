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
};

struct vm_watcher {
	/* Called in the midst of the guest's change: it may look at the guest and change nothing.
	 */
	void (*happened)(struct vm *vm, enum vm_event event);
	struct vm_watcher *next;
};

/* From now on and for ever. */
void vm_watch(struct vm_watcher *watcher);
void vm_tell(struct vm *vm, enum vm_event event);
