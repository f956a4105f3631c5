/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's vCPU, which runs or stands still. */
#pragma once

#include "guests/dom0/vm/vm.h"

/* The first members are the way of an exit. */
struct vcpu {
	struct vm *vm;
	struct sampo_exit *exit;
	struct sampo_vcpu_page *page;
	uint32_t handle;
	bool held;      /* its exit is not answered: it stands still */
	unsigned index; /* 0: the boot CPU */
	int bit;        /* of dom0's event page, -1: none */
	uint32_t event; /* handles */
	uint32_t exit_region;
};

struct vcpu *vm_vcpu(struct vm *vm, unsigned index);

/* Gives a vCPU back to the kernel that has not been answered. */
void vcpu_release(struct vcpu *v);

/*
 * Makes a vCPU stand still, held. False: it is with us already, and its exit is
 * still to be looked at: that is where it will.
 */
bool vcpu_stop(struct vcpu *v);

/* A vCPU has stopped for VM_PHASE_STOPPING, perhaps the last one. */
void vm_stopped(struct vm *vm);
