/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/debugreg.h"

#include "arch/hv.h"
#include "kernel/cpu/percpu.h"
#include "kernel/vcpu/vcpu.h"

void debug_leave(struct cpu *cpu, struct vcpu *vcpu)
{
	struct sampo_exit state;

	if (cpu->debug != vcpu)
		return;
	__asm__ volatile("mov %%db0, %0; mov %%db1, %1; mov %%db2, %2; mov %%db3, %3"
			 : "=r"(vcpu->dr[0]), "=r"(vcpu->dr[1]), "=r"(vcpu->dr[2]),
			   "=r"(vcpu->dr[3]));
	cpu->debug = NULL;
	hv->trap(vcpu, HV_TRAP_DEBUG, true);
	hv->fetch(vcpu, &state);
	if (state.dr7 & DR7_ENABLES)
		vcpu->pending |= VCPU_PEND_DEBUG;
}

void debug_take(struct cpu *cpu, struct vcpu *vcpu)
{
	if (cpu->debug)
		debug_leave(cpu, cpu->debug);
	__asm__ volatile("mov %0, %%db0; mov %1, %%db1; mov %2, %%db2; mov %3, %%db3"
			 :
			 : "r"(vcpu->dr[0]), "r"(vcpu->dr[1]), "r"(vcpu->dr[2]), "r"(vcpu->dr[3]));
	cpu->debug = vcpu;
	vcpu->pending &= ~VCPU_PEND_DEBUG;
	hv->trap(vcpu, HV_TRAP_DEBUG, false);
}

void debug_forget(struct cpu *cpu, struct vcpu *vcpu)
{
	if (cpu->debug == vcpu)
		cpu->debug = NULL;
}

void debug_reset(struct cpu *cpu, struct vcpu *vcpu)
{
	debug_forget(cpu, vcpu);
	__builtin_memset(vcpu->dr, 0, sizeof(vcpu->dr));
	hv->trap(vcpu, HV_TRAP_DEBUG, true);
}
