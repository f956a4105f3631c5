/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts on their way from dom0's devices to a guest's CPU. */
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	/* A message that the guest made up and the kernel refuses reaches no vCPU. */
	if (vm->domain)
		sampo_msi(vm->domain, address, data);
}

void vm_extint(struct vm *vm, bool level)
{
	if (vm->vcpu[0])
		sampo_vcpu_ctl(vm->vcpu[0], SAMPO_VCPU_EXTINT, level);
}
