/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/vmx/vmcs.h"
#include "arch/vmx/vmx.h"
#include "kernel/base/log.h"
#include "kernel/vcpu/vcpu.h"

void vmx_dump(struct vcpu *vcpu)
{
	vmx_use(vcpu);
	log_print("  VMCS: exit reason %lx qualification %lx vectoring %lx event %lx error %lu\n",
		  vmcs_read(VMCS_EXIT_REASON), vmcs_read(VMCS_QUALIFICATION),
		  vmcs_read(VMCS_VECTORING_EVENT), vmcs_read(VMCS_ENTRY_EVENT),
		  vmcs_read(VMCS_INSTRUCTION_ERROR));
	log_print("  blocking %lx vpid %lu tsc_offset %lx cr0 %08lx\n",
		  vmcs_read(VMCS_INTERRUPTIBILITY), vmcs_read(VMCS_VPID),
		  vmcs_read(VMCS_TSC_OFFSET), vmcs_read(VMCS_GUEST_CR0));
	log_print("  controls: pin %lx proc %lx %lx exit %lx entry %lx ept %lx\n",
		  vmcs_read(VMCS_PIN_CONTROLS), vmcs_read(VMCS_PROC_CONTROLS),
		  vmcs_read(VMCS_PROC2_CONTROLS), vmcs_read(VMCS_EXIT_CONTROLS),
		  vmcs_read(VMCS_ENTRY_CONTROLS), vmcs_read(VMCS_EPT_POINTER));
}
