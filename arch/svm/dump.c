/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/svm/svm.h"
#include "kernel/base/log.h"
#include "kernel/vcpu/vcpu.h"

void svm_dump(struct vcpu *vcpu)
{
	const struct vmcb *b = vcpu->svm.vmcb;

	log_print("  VMCB: exit code %lx info1 %lx info2 %lx int_info %lx event %lx\n",
		  b->exit_code, b->exit_info1, b->exit_info2, b->exit_int_info, b->event);
	log_print("  cpl %u shadow %lx vintr %x asid %u tsc_offset %lx\n", b->cpl, b->shadow,
		  b->vintr, b->asid, b->tsc_offset);
	log_print("  intercepts %08x %08x %08x %08x %08x ncr3 %lx iopm %lx msrpm %lx\n",
		  b->intercept[0], b->intercept[1], b->intercept[2], b->intercept[3],
		  b->intercept[4], b->ncr3, b->iopm_base, b->msrpm_base);
}
