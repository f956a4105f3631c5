/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of a guest's machine beside memory and vCPUs: the model of its CPU, the main board, the
 * virtio devices, the loader. The life of a guest (vm.c, build.c) knows these parts by a table
 * only, which dom0's start sets (guests/dom0/parts.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vm;
struct vm_config;

/* NULL: this part has nothing to do then. */
struct vm_part {
	/* Power on: memory, state region and vCPUs are there. Returns NULL, or the error; then
	 * nothing of the part remains. */
	const char *(*attach)(struct vm *vm);
	/* How many pages of its own memory the kernel needs for the part of a guest. */
	uint64_t (*kernel_pages)(const struct vm_config *config);
	/* How many bytes of regions the part makes in the guest's domain. */
	uint64_t (*memory)(const struct vm_config *config);
	/* Returns false while the part still prepares what attach began. A part that was not ready
	 * calls vm_became_ready, from the event loop, also when that failed: boot then returns the
	 * error. */
	bool (*ready)(const struct vm *vm);
	/* Before the boot CPU runs, at each start and after each reset: puts into memory, state and
	 * registers what the guest finds there. Returns NULL, or the error. */
	const char *(*boot)(struct vm *vm);
	/* A reset of the machine: the part goes to its state after power on. */
	void (*reset)(struct vm *vm);
	/* The guest goes on after the operator has suspended it. */
	void (*resume)(struct vm *vm);
	/* The operator presses the power button. */
	void (*button)(struct vm *vm);
	/* The guest ends. A device may still write into its memory. */
	void (*detach)(struct vm *vm);
	/* Returns false while a device may read or write the guest's memory by itself. A part that
	 * was not quiet calls vm_became_quiet. */
	bool (*quiet)(const struct vm *vm);
	/* All parts are quiet: the memory and the state region go. */
	void (*free)(struct vm *vm);
	/* The event of a vCPU (struct vcpu, vcpu.h), whose exit has come; one part has it. */
	void (*raised)(void *vcpu);
};

/* In the order of attach, boot and reset; NULL is behind the last. */
void vm_set_parts(const struct vm_part *const *parts);
