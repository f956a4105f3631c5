/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of a guest that this room alone knows: its phase of life, its parts, its handles. */
#pragma once

#include "guests/dom0/base/loop.h"
#include "guests/dom0/vm/vcpu.h"
#include "guests/dom0/vm/vm.h"

/* VM_LOG_BURST lines at once, then one for each VM_LOG_NS. */
#define VM_LOG_BURST 40
#define VM_LOG_NS    500000000ull

struct vm_life {
	struct vcpu vcpu[VM_MAX_VCPUS];
	char reason[128];             /* of the request, of the last end */
	const char *why;              /* of the state, a word of virsh's; NULL: it never ran */
	bool devices;                 /* its parts are attached */
	const struct vm_config *own;  /* while vm->config is another: the guest's own */
	void (*quiet)(struct vm *vm); /* to be called when all parts are quiet, or NULL */
	bool rebooting;               /* vm_reboot: power off means start again */
	bool for_good;                /* vm_shutdown_for_good: no end means start again */
	bool start_again;             /* when it has ended */
	bool start_paused;            /* its first vCPU waits for vm_resume */
	bool preparing;               /* its parts are not ready for the first boot */
	uint32_t ram_region, state_region;
	uint32_t post_event; /* has the POST port as its doorbell */
	uint64_t started_ns;
	unsigned quick;     /* ends in a row soon after the start */
	struct work work;   /* acts on `request` */
	struct timer again; /* start or reset that waits a moment */

	uint64_t log_credit_ns; /* rate limit: time saved up */
	uint64_t log_last_ns;
	uint32_t log_dropped;
};

/* part.c: calls of each part's function, in the order of the table. */
const char *parts_attach(struct vm *vm); /* the error: then no part is attached */
uint64_t parts_kernel_pages(const struct vm_config *config);
uint64_t parts_memory(const struct vm_config *config);
bool parts_ready(const struct vm *vm);
const char *parts_boot(struct vm *vm);
void parts_reset(struct vm *vm);
void parts_resume(struct vm *vm);
void parts_button(struct vm *vm);
void parts_detach(struct vm *vm);
void parts_free(struct vm *vm);
void (*parts_raised(void))(void *vcpu);

/* live.c: the guest has ended; its description is its own again. */
void vm_live_end(struct vm *vm);

/* sched.c: applies the description's words, for a guest that has just been made. */
const char *vm_apply_sched(struct vm *vm);

/* bus_address.c: the table of bus addresses. False: no memory. */
bool vm_bus_begin(struct vm *vm);
void vm_bus_end(struct vm *vm);
