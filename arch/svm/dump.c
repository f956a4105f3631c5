/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/svm/svm.h"
#include "kernel/abi.h"
#include "kernel/log.h"
#include "kernel/vcpu.h"

void svm_dump(struct vcpu *vcpu)
{
	static const char names[SAMPO_SREGS][5] = {"es", "cs", "ss", "ds", "fs",
						   "gs", "gdtr", "ldtr", "idtr", "tr"};
	const struct vmcb *b = vcpu->svm.vmcb;
	const uint64_t *r = vcpu->gpr;

	log_print("  VMCB: exit code %lx info1 %lx info2 %lx int_info %lx event %lx\n", b->exit_code,
		  b->exit_info1, b->exit_info2, b->exit_int_info, b->event);
	log_print("  rip %016lx rflags %08lx cpl %u shadow %lx vintr %lx asid %u tsc_offset %lx\n",
		  b->rip, b->rflags, b->cpl, b->shadow, b->vintr, b->asid, b->tsc_offset);
	log_print("  cr0 %08lx cr2 %lx cr3 %lx cr4 %lx efer %lx dr6 %lx dr7 %lx pat %lx\n", b->cr0,
		  b->cr2, b->cr3, b->cr4, b->efer, b->dr6, b->dr7, b->pat);
	for (unsigned i = 0; i < 16; i += 4)
		log_print("  r%-2u %016lx %016lx %016lx %016lx\n", i, r[i], r[i + 1], r[i + 2],
			  r[i + 3]);
	for (unsigned i = 0; i < SAMPO_SREGS; i++)
		log_print("  %-4s %04x attrib %03x limit %08x base %lx\n", names[i],
			  b->seg[i].selector, b->seg[i].attrib, b->seg[i].limit, b->seg[i].base);
	log_print("  intercepts %08x %08x %08x %08x %08x ncr3 %lx iopm %lx msrpm %lx\n",
		  b->intercept[0], b->intercept[1], b->intercept[2], b->intercept[3],
		  b->intercept[4], b->ncr3, b->iopm_base, b->msrpm_base);
}
