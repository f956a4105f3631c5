/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's share of the machine's CPUs: by its description, and by the operator's changes while it
 * runs, which are kept until it is undefined. */
#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/life.h"
#include "guests/lib/sampo.h"

/* A change is of the guest's own description, of that of its present run, which may be one, and of
 * that of its next start, if there is one. */
#define DESCRIPTIONS 3u

static unsigned configs_of(struct vm *vm, struct vm_config *config[DESCRIPTIONS])
{
	unsigned n = 0;

	config[n++] = (struct vm_config *)vm->config;
	if (vm_own_config(vm) != vm->config)
		config[n++] = vm_own_config(vm);
	if (vm->next_config)
		config[n++] = (struct vm_config *)vm->next_config;
	return n;
}

static const char *result(int64_t status)
{
	return status ? sampo_strerror(status) : NULL;
}

const char *vm_set_weight(struct vm *vm, uint32_t weight)
{
	struct vm_config *config[DESCRIPTIONS];
	int64_t status = 0;

	if (vm->domain)
		status = sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_WEIGHT, weight);
	for (unsigned i = configs_of(vm, config); !status && i-- > 0;)
		config[i]->weight = weight;
	return result(status);
}

const char *vm_set_cap(struct vm *vm, uint64_t quota, uint64_t period)
{
	struct vm_config *config[DESCRIPTIONS];
	int64_t status = 0;

	if (vm->domain)
		status = sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_CAP,
					  quota ? quota | period << 32 : 0);
	for (unsigned i = configs_of(vm, config); !status && i-- > 0;) {
		config[i]->quota = quota;
		config[i]->period = period;
	}
	return result(status);
}

const char *vm_pin(struct vm *vm, unsigned vcpu, const struct cpuset *cpus)
{
	static struct cpuset set;
	struct vm_config *config[DESCRIPTIONS];
	int64_t status = 0;

	set = *cpus;
	if (vm->vcpu[vcpu])
		status = sampo_vcpu_ctl(vm->vcpu[vcpu], SAMPO_VCPU_AFFINITY, sampo_gpa(&set));
	if (status == SAMPO_EINVAL)
		return "none of these CPUs is there";
	for (unsigned i = configs_of(vm, config); !status && i-- > 0;)
		config[i]->affinity[vcpu] = set;
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
