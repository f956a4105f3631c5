/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/vmx/vmcs.h"
#include "arch/vmx/vmx.h"
#include "kernel/log.h"
#include "kernel/vcpu.h"

void vmx_dump(struct vcpu *vcpu)
{
	static const char names[][5] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
	const struct vmx_vcpu *v = &vcpu->vmx;
	const uint64_t *r = vcpu->gpr;

	vmx_use(vcpu);
	log_print("  VMCS: exit reason %lx qualification %lx vectoring %lx event %lx error %lu\n",
		  vmcs_read(VMCS_EXIT_REASON), vmcs_read(VMCS_QUALIFICATION),
		  vmcs_read(VMCS_VECTORING_EVENT), vmcs_read(VMCS_ENTRY_EVENT),
		  vmcs_read(VMCS_INSTRUCTION_ERROR));
	log_print("  rip %016lx rflags %08lx blocking %lx vpid %lu tsc_offset %lx\n",
		  vmcs_read(VMCS_GUEST_RIP), vmcs_read(VMCS_GUEST_RFLAGS),
		  vmcs_read(VMCS_INTERRUPTIBILITY), vmcs_read(VMCS_VPID),
		  vmcs_read(VMCS_TSC_OFFSET));
	log_print("  cr0 %08lx (seen %08lx) cr2 %lx cr3 %lx cr4 %lx efer %lx dr7 %lx pat %lx\n",
		  vmcs_read(VMCS_GUEST_CR0), vmx_cr0(), v->cr2, vmcs_read(VMCS_GUEST_CR3),
		  vmcs_read(VMCS_GUEST_CR4), vmcs_read(VMCS_GUEST_EFER), vmcs_read(VMCS_GUEST_DR7),
		  vmcs_read(VMCS_GUEST_PAT));
	for (unsigned i = 0; i < 16; i += 4)
		log_print("  r%-2u %016lx %016lx %016lx %016lx\n", i, r[i], r[i + 1], r[i + 2],
			  r[i + 3]);
	for (unsigned i = 0; i < COUNT_OF(names); i++)
		log_print("  %-4s %04lx attrib %05lx limit %08lx base %lx\n", names[i],
			  vmcs_read(vmcs_nth(VMCS_GUEST_SELECTOR, i)),
			  vmcs_read(vmcs_nth(VMCS_GUEST_ATTRIB, i)),
			  vmcs_read(vmcs_nth(VMCS_GUEST_LIMIT, i)),
			  vmcs_read(vmcs_nth(VMCS_GUEST_BASE, i)));
	log_print("  controls: pin %lx proc %lx %lx exit %lx entry %lx ept %lx\n",
		  vmcs_read(VMCS_PIN_CONTROLS), vmcs_read(VMCS_PROC_CONTROLS),
		  vmcs_read(VMCS_PROC2_CONTROLS), vmcs_read(VMCS_EXIT_CONTROLS),
		  vmcs_read(VMCS_ENTRY_CONTROLS), vmcs_read(VMCS_EPT_POINTER));
}
