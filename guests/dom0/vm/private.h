/* SPDX-License-Identifier: BSD-2-Clause */
/* Between vm.c (life), vcpu.c (exits) and mmio.c (decoded accesses). */
#ifndef DOM0_VM_PRIVATE_H
#define DOM0_VM_PRIVATE_H

#include "guests/dom0/base/loop.h"
#include "guests/dom0/vm/vm.h"

/* A vCPU. The first members are the way of an exit. */
struct vcpu {
	struct vm *vm;
	struct sampo_exit *exit;
	struct sampo_vcpu_page *page;
	uint32_t handle;
	bool held; /* its exit is not answered: it stands still */
	unsigned index; /* 0: the boot CPU */
	int bit;        /* of dom0's event page, -1: none */
	uint32_t event; /* handles */
	uint32_t exit_region;
};

enum vm_phase {
	VM_PHASE_OFF,
	VM_PHASE_RUN,
	VM_PHASE_STOPPING, /* for a reset: until its vCPUs have stopped */
	VM_PHASE_QUIETING, /* for a reset: until no DMA is in flight */
	VM_PHASE_ENDING,   /* for good: until no DMA is in flight */
};

/* So many lines at once, then one per so much time. */
#define VM_LOG_BURST 40
#define VM_LOG_NS    500000000ull

/* So many refused MSRs are named, from the guest's start on. */
#define VM_REFUSED_MSRS 64

struct vm_private {
	struct vcpu vcpu[VM_MAX_VCPUS];
	enum vm_phase phase;
	enum vm_request request; /* 0: none */
	char reason[128];        /* of the request, of the last end */
	const char *why;         /* of the state, a word of virsh's; NULL: it never ran */
	bool devices;            /* platform and virtio devices are there */
	bool rebooting;          /* vm_reboot: power off means start again */
	bool for_good;           /* vm_shutdown_for_good: no end means start again */
	bool start_again;        /* when it has ended */
	bool start_paused;       /* its first vCPU waits for vm_resume */
	uint32_t ram_region, state_region;
	uint32_t post_event; /* has the POST port as its doorbell */
	uint64_t started_ns;
	unsigned quick;     /* ends in a row soon after the start */
	struct work work;   /* acts on `request` */
	struct timer again; /* start or reset that waits a moment */
	struct timer zeroing;
	uint64_t zeroed;    /* blocks of RAM that were asked for in advance */

	uint64_t log_credit_ns; /* rate limit: time saved up */
	uint64_t log_last_ns;
	uint32_t log_dropped;
	uint32_t refused_msr[VM_REFUSED_MSRS];
	unsigned refused_msrs;
};

/* vm.c: a vCPU has stopped for VM_PHASE_STOPPING, perhaps the last one. */
void vm_stopped(struct vm *vm);

/* vm_sched.c: what the description says of it, for a guest that has just been made. */
const char *vm_apply_sched(struct vm *vm);

/* vcpu.c: an event of the vCPU's: it has come to us. */
void vcpu_raised(void *vcpu);
/* Gives a vCPU back to the kernel that has not been answered. */
void vcpu_release(struct vcpu *v);

/* vm_bus.c: the table of bus addresses. False: no memory. */
bool vm_bus_begin(struct vm *vm);
void vm_bus_end(struct vm *vm);

/* dump.c: the state of a vCPU that cannot go on. */
void vcpu_dump(struct vcpu *v, const char *why);

/* An exception for the guest at the next entry; code < 0: without one. */
void vcpu_exception(struct sampo_exit *exit, unsigned vector, int64_t code);
void vcpu_page_fault(struct sampo_exit *exit, uint64_t linear, uint32_t code);
#define EXCEPTION_DB 1u
#define EXCEPTION_UD 6u
#define EXCEPTION_TS 10u
#define EXCEPTION_NP 11u
#define EXCEPTION_SS 12u
#define EXCEPTION_GP 13u
#define EXCEPTION_PF 14u

#endif
