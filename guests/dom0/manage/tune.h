/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of a guest's memory, virtual CPUs and share of the machine. Each returns NULL, or why
 * nothing has changed, in libvirt's words where libvirt refuses the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vm;

/* The aim of a change (virDomainModificationImpact): the guest as it is, or a set of the others.
 */
#define TUNE_CURRENT 0u
#define TUNE_LIVE    1u
#define TUNE_CONFIG  2u

/* For a guest that does not run, and a change for one that does. */
extern const char tune_not_running[];

/* The memory that a guest may have (maximum) and that it has are one number. */
const char *manage_memory(struct vm *vm, uint64_t bytes, bool maximum, unsigned affects);
/* A guest has all of its virtual CPUs from its start. */
const char *manage_vcpus(struct vm *vm, uint64_t count, bool maximum, unsigned affects);

/* The parameters of the scheduler, as libvirt's QEMU driver names and bounds them. */
struct tune_parameter {
	const char *name, *type;
	int64_t least, most;
	bool may_be_none; /* -1: no quota */
	bool is_signed;
	int64_t (*get)(const struct vm *vm);
	const char *(*set)(struct vm *vm, int64_t value);
};
#define TUNE_PARAMETERS 3u
extern const struct tune_parameter manage_parameters[TUNE_PARAMETERS];

/* NULL: there is none of that name. */
const struct tune_parameter *tune_parameter(const char *name, unsigned bytes);
/* Returns the reason why the parameter cannot have the value, or NULL. */
const char *tune_parameter_wrong(const struct tune_parameter *parameter, int64_t value);
const char *tune_parameter_set(const struct tune_parameter *parameter, struct vm *vm,
			       int64_t value);
