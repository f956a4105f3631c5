/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/cpu/cpu.h"

#include <stdlib.h>

#include "guests/dom0/base/memory.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/cpu/cpuid.h"
#include "guests/dom0/cpu/exits.h"
#include "guests/dom0/cpu/msr.h"
#include "guests/dom0/cpu/startup.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vcpu.h"
#include "guests/lib/cpu.h"
#include "guests/lib/sampo.h"

#define EFER_AIBRSE 0x200000u /* AMD's automatic IBRS */

static void set_cpuid(struct vm *vm, unsigned index)
{
	const struct vm_config *config = vm->config;
	struct sampo_machine_info machine = {0};
	struct cpuid_shape shape = {
		.apic_id = config_apic_id(config, index),
		.core_threads = config->threads,
		.package_threads = config->threads * config->cores,
		.core_bits = config_bits(config->threads),
		.package_bits = config_bits(config->threads) + config_bits(config->cores),
	};

	sampo_object_info(boot->machine, SAMPO_INFO_MACHINE, &machine, sizeof(machine), 0, NULL);
	shape.xcr0 = machine.xcr0;
	shape.xsave = (uint32_t)machine.xsave;
	shape.tsc_khz = vm_tsc_khz(vm);
	shape.spec_ctrl = machine.spec_ctrl;
	shape.arch_caps = msr_arch_capabilities() != 0;
	shape.auto_ibrs = machine.efer & EFER_AIBRSE;
	shape.lfence = machine.lfence != 0;
	cpuid_fill(vm_vcpu(vm, index)->page, &shape, cpuid);
}

static const char *attach(struct vm *vm)
{
	vm->cpu = calloc(1, sizeof(struct exits_log));
	if (!vm->cpu)
		return "dom0 is out of memory";
	for (unsigned i = 0; i < vm->config->vcpus; i++)
		set_cpuid(vm, i);
	return NULL;
}

static const char *power_on(struct vm *vm)
{
	startup_reset(vm);
	for (unsigned i = 0; i < vm->config->vcpus; i++)
		msr_reset(&vm->state->msr[i]);
	return NULL;
}

static void free_log(struct vm *vm)
{
	free(vm->cpu);
	vm->cpu = NULL;
}

const struct vm_part cpu_part = {
	.attach = attach,
	.boot = power_on,
	.resume = msr_stopped,
	.free = free_log,
	.raised = vcpu_raised,
};
