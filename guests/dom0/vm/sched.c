/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's share of the machine's CPUs: what its description says, and what
 * the operator changes while it runs, which is kept until it is undefined. */
#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/life.h"
#include "guests/lib/sampo.h"

static struct vm_config *config_of(struct vm *vm)
{
	return (struct vm_config *)vm->config;
}

static const char *result(int64_t status)
{
	return status ? sampo_strerror(status) : NULL;
}

const char *vm_set_weight(struct vm *vm, uint32_t weight)
{
	int64_t status = 0;

	if (vm->domain)
		status = sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_WEIGHT, weight);
	if (!status)
		config_of(vm)->weight = weight;
	return result(status);
}

const char *vm_set_cap(struct vm *vm, uint64_t quota, uint64_t period)
{
	int64_t status = 0;

	if (vm->domain)
		status = sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_CAP,
					  quota ? quota | period << 32 : 0);
	if (!status) {
		config_of(vm)->quota = quota;
		config_of(vm)->period = period;
	}
	return result(status);
}

const char *vm_pin(struct vm *vm, unsigned vcpu, const struct cpuset *cpus)
{
	static struct cpuset set;
	int64_t status = 0;

	set = *cpus;
	if (vm->vcpu[vcpu])
		status = sampo_vcpu_ctl(vm->vcpu[vcpu], SAMPO_VCPU_AFFINITY, sampo_gpa(&set));
	if (status == SAMPO_EINVAL)
		return "none of these CPUs is there";
	if (!status)
		config_of(vm)->affinity[vcpu] = set;
	return result(status);
}

const char *vm_apply_sched(struct vm *vm)
{
	const struct vm_config *config = vm->config;
	const struct cpuset all = cpuset_all();
	const char *error = NULL;

	if (config->quota)
		error = vm_set_cap(vm, config->quota, config->period);
	for (unsigned i = 0; i < config->vcpus && !error; i++)
		if (!cpuset_equal(&config->affinity[i], &all))
			error = vm_pin(vm, i, &config->affinity[i]);
	return error;
}
