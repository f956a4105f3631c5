/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/tune.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/vm.h"

typedef unsigned long long llu;

const char tune_not_running[] = "Requested operation is not valid: domain is not running";

/* --- memory --- */

/* Returns why no guest can have that much memory, NULL if one can. */
static const char *not_a_size(uint64_t bytes)
{
	static char text[80];

	if (!bytes)
		return "memory in virDomainSetMemoryFlags must not be zero";
	if (bytes >= CONFIG_MEMORY_MIN && bytes <= CONFIG_MEMORY_MAX)
		return NULL;
	snprintf(text, sizeof(text), "invalid argument: a guest can have from %llu MiB to %llu GiB",
		 CONFIG_MEMORY_MIN >> 20, CONFIG_MEMORY_MAX >> 30);
	return text;
}

/* Returns why a guest that runs keeps its memory. */
static const char *running_keeps(bool maximum, unsigned affects)
{
	if (affects & TUNE_CONFIG)
		return "Operation not supported: the memory of a running domain cannot change";
	if (maximum)
		return "Requested operation is not valid: cannot resize the maximum memory on an "
		       "active domain";
	return "Requested operation is not valid: Unable to change memory of active domain without "
	       "the balloon device and guest OS balloon driver";
}

/* Returns why the memory of the description cannot become so large, NULL if it can. */
static const char *keeps_memory(const struct vm *vm, uint64_t bytes, bool maximum, unsigned affects)
{
	if (!bytes)
		return not_a_size(bytes);
	if (vm->run == VM_OFF && affects & TUNE_LIVE)
		return tune_not_running;
	if (!maximum && bytes > vm->config->memory)
		return "invalid argument: cannot set memory higher than max memory";
	return vm->run == VM_OFF ? not_a_size(bytes) : running_keeps(maximum, affects);
}

const char *manage_memory(struct vm *vm, uint64_t bytes, bool maximum, unsigned affects)
{
	const char *failure = keeps_memory(vm, bytes, maximum, affects);

	if (!failure)
		((struct vm_config *)vm->config)->memory = config_memory(bytes);
	return failure;
}

/* --- virtual CPUs --- */

/* Returns why the number of the description cannot become n, NULL if it can. */
static const char *keeps_vcpus(const struct vm *vm, uint64_t n, bool maximum, unsigned affects)
{
	static char text[112];

	if (!n)
		return "invalid argument: a domain has at least one virtual CPU";
	snprintf(text, sizeof(text),
		 "invalid argument: requested cpu amount exceeds maximum supported amount (%llu > "
		 "%u)",
		 (llu)n, CONFIG_VCPUS);
	if (n > CONFIG_VCPUS)
		return text;
	if (!vm->id && affects & TUNE_LIVE)
		return tune_not_running;
	if (vm->run != VM_OFF)
		return "Operation not supported: the number of virtual CPUs of a running domain "
		       "cannot change";
	if (vm->config->threads != 1 || vm->config->cores != vm->config->vcpus)
		return "Operation not supported: the domain has a CPU topology";
	snprintf(text, sizeof(text),
		 "invalid argument: requested cpu amount exceeds maximum (%llu > %u)", (llu)n,
		 vm->config->vcpus);
	return n > vm->config->vcpus && !maximum ? text : NULL;
}

const char *manage_vcpus(struct vm *vm, uint64_t n, bool maximum, unsigned affects)
{
	const char *failure = keeps_vcpus(vm, n, maximum, affects);
	struct vm_config *c = (struct vm_config *)vm->config;

	if (!failure)
		c->vcpus = c->cores = (uint32_t)n;
	return failure;
}

/* --- shares --- */

static int64_t shares(const struct vm *vm)
{
	return vm->config->weight;
}

static const char *set_shares(struct vm *vm, int64_t value)
{
	return vm_set_weight(vm, (uint32_t)value);
}

static int64_t period(const struct vm *vm)
{
	return (int64_t)vm->config->period;
}

static const char *set_period(struct vm *vm, int64_t value)
{
	return vm_set_cap(vm, vm->config->quota, (uint64_t)value);
}

static int64_t quota(const struct vm *vm)
{
	return vm->config->quota ? (int64_t)vm->config->quota : -1;
}

static const char *set_quota(struct vm *vm, int64_t value)
{
	return vm_set_cap(vm, value > 0 ? (uint64_t)value : 0, vm->config->period);
}

const struct tune_parameter manage_parameters[TUNE_PARAMETERS] = {
	{"cpu_shares", "unsigned long long", 1, 65535, false, false, shares, set_shares},
	{"vcpu_period", "unsigned long long", 1000, 1000000, false, false, period, set_period},
	{"vcpu_quota", "long long", 1000, UINT32_MAX, true, true, quota, set_quota},
};

const struct tune_parameter *tune_parameter(const char *name, unsigned bytes)
{
	for (unsigned i = 0; i < TUNE_PARAMETERS; i++)
		if (strlen(manage_parameters[i].name) == bytes &&
		    !memcmp(manage_parameters[i].name, name, bytes))
			return &manage_parameters[i];
	return NULL;
}

const char *tune_parameter_wrong(const struct tune_parameter *p, int64_t value)
{
	static char text[160];

	if ((value >= p->least && value <= p->most) || (p->may_be_none && value == -1))
		return NULL;
	snprintf(text, sizeof(text), "invalid argument: value of '%s' is out of range [%lld, %lld]",
		 p->name, (long long)p->least, (long long)p->most);
	return text;
}

const char *tune_parameter_set(const struct tune_parameter *p, struct vm *vm, int64_t value)
{
	static char text[160];
	const char *error = tune_parameter_wrong(p, value);

	if (error)
		return error;
	error = p->set(vm, value);
	if (!error)
		return NULL;
	snprintf(text, sizeof(text), "invalid argument: %s", error);
	return text;
}
