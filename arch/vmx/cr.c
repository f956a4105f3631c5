/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control registers. VMX wants CR0.NE and CR4.VMXE set and leaves CR0.CD and
 * NW as the host has them: of these the guest sees what it wrote, and its
 * writes that change them exit. So do those that would set a bit of CR4 that
 * guests may not have.
 */
#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/up.h"
#include "arch/vmx/vmcs.h"
#include "arch/vmx/vmx.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/vcpu.h"

#define CR0_NW         0x20000000ull
#define CR0_CD         0x40000000ull
#define CR0_CACHE      (CR0_CD | CR0_NW)
#define CR4_PAE        0x20ull
#define CR4_MCE        VMX_CR4_MCE
#define CR4_PCIDE      0x20000ull
#define PDPTES         4u
#define PDPTE_P        0x1ull
#define PDPTE_RESERVED 0x1e6ull /* and all from the physical address width on */

uint64_t vmx_cr0(void)
{
	return (vmcs_read(VMCS_GUEST_CR0) & ~VMX_CR0_HOST) | vmcs_read(VMCS_CR0_SHADOW);
}

void vmx_set_cr0(uint64_t value)
{
	vmcs_write(VMCS_GUEST_CR0, (value & ~VMX_CR0_HOST) | CR0_ET | VMX_CR0_NE);
	vmcs_write(VMCS_CR0_SHADOW, value & VMX_CR0_HOST);
}

uint64_t vmx_cr4(void)
{
	return (vmcs_read(VMCS_GUEST_CR4) & VMX_CR4_GUEST & ~CR4_MCE) | vmcs_read(VMCS_CR4_SHADOW);
}

/* A machine check while MCE is off would stop the CPU, and with it the machine: MCE is always on,
 * and the guest reads the value that it wrote. */
void vmx_set_cr4(uint64_t value)
{
	vmcs_write(VMCS_GUEST_CR4, (value & VMX_CR4_GUEST) | CR4_VMXE | CR4_MCE);
	vmcs_write(VMCS_CR4_SHADOW, value & CR4_MCE);
}

void vmx_set_lma(bool on)
{
	uint64_t efer = vmcs_read(VMCS_GUEST_EFER), controls = vmcs_read(VMCS_ENTRY_CONTROLS);

	vmcs_write(VMCS_GUEST_EFER, on ? efer | EFER_LMA : efer & ~(uint64_t)EFER_LMA);
	vmcs_write(VMCS_ENTRY_CONTROLS,
		   on ? controls | ENTRY_IA32E : controls & ~(uint64_t)ENTRY_IA32E);
}

/*
 * With PAE paging the CPU keeps the entries of the top table (SDM 3A 4.4.1). Returns false if one
 * that is present has a reserved bit set, and makes that entry not present: the CPU would refuse
 * to enter the guest with such an entry (SDM 3C 27.3.1.6).
 */
static bool read_pdptes(struct vcpu *vcpu, uint64_t entry[PDPTES])
{
	uint64_t width = cpu_cpuid(0x80000008, 0).eax & 0xff;
	uint64_t reserved = PDPTE_RESERVED | ~0ull << width;
	bool valid = true;

	__builtin_memset(entry, 0, PDPTES * sizeof(*entry));
	/* Not in its memory: not present. */
	domain_read(vcpu->domain, vmcs_read(VMCS_GUEST_CR3) & 0xffffffe0, entry,
		    PDPTES * sizeof(*entry));
	for (unsigned i = 0; i < PDPTES; i++) {
		if (!(entry[i] & PDPTE_P) || !(entry[i] & reserved))
			continue;
		entry[i] = 0;
		valid = false;
	}
	return valid;
}

static void set_pdptes(const uint64_t entry[PDPTES])
{
	for (unsigned i = 0; i < PDPTES; i++)
		vmcs_write(vmcs_nth(VMCS_GUEST_PDPTE, i), entry[i]);
}

void vmx_load_pdptes(struct vcpu *vcpu)
{
	uint64_t entry[PDPTES];

	if (!(vmcs_read(VMCS_GUEST_CR0) & CR0_PG) || !(vmcs_read(VMCS_GUEST_CR4) & CR4_PAE) ||
	    (vmcs_read(VMCS_GUEST_EFER) & EFER_LMA))
		return;
	read_pdptes(vcpu, entry);
	set_pdptes(entry);
}

/* SDM 3A 4.1.2. False: #GP. */
static bool change_paging(bool on)
{
	uint64_t efer = vmcs_read(VMCS_GUEST_EFER), cr4 = vmcs_read(VMCS_GUEST_CR4);

	if (!(efer & EFER_LME))
		return on || !(cr4 & CR4_PCIDE);
	if (vmcs_read(vmcs_nth(VMCS_GUEST_ATTRIB, SAMPO_CS)) & ATTRIB_LONG)
		return false;
	if (on ? !(cr4 & CR4_PAE) : cr4 & CR4_PCIDE)
		return false;
	vmx_set_lma(on);
	return true;
}

static bool write_cr0(struct vcpu *vcpu, uint64_t value)
{
	uint64_t changed = value ^ vmx_cr0(), entry[PDPTES];
	/* SDM 3A 4.4.1: a change of CD or NW has the entries read again, as one of PG has. */
	bool pdptes = changed & (CR0_PG | CR0_CACHE) && value & CR0_PG &&
		      vmcs_read(VMCS_GUEST_CR4) & CR4_PAE &&
		      !(vmcs_read(VMCS_GUEST_EFER) & EFER_LME);

	if (value >> 32 || ((value & CR0_PG) && !(value & CR0_PE)) ||
	    ((value & CR0_NW) && !(value & CR0_CD)))
		return false;
	if (pdptes && !read_pdptes(vcpu, entry))
		return false;
	if ((changed & CR0_PG) && !change_paging(value & CR0_PG))
		return false;
	vmx_set_cr0(value);
	if (vcpu->fpu_trap)
		vmx_trap(vcpu, HV_TRAP_FPU, true);
	if (pdptes)
		set_pdptes(entry);
	vcpu->asid_generation = 0;
	return true;
}

/* The exits that are asked for: MOV to CR0, to CR4 (what may not be, and MCE), to CR8. */
bool vmx_cr_access(struct vcpu *vcpu, const struct hv_exit *x)
{
	uint64_t value = vcpu->gpr[x->info >> 8 & 15];
	bool valid;

	vmx_use(vcpu);
	if (x->info & 0x30) /* SDM 3C table 28-3: not a MOV to */
		return false;
	if (!(vmcs_read(vmcs_nth(VMCS_GUEST_ATTRIB, SAMPO_CS)) & ATTRIB_LONG))
		value = (uint32_t)value;
	/* MCE changes, for the guest alone. The instruction is executed again, and does the rest.
	 */
	if (x->vector == 4 && !(value & ~VMX_CR4_GUEST)) {
		vmcs_write(VMCS_CR4_SHADOW, value & CR4_MCE);
		return true;
	}
	valid = x->vector == 0 ? write_cr0(vcpu, value) : x->vector == 8 && !(value >> 4);
	if (valid && x->vector)
		vlapic_set_cr8(&vcpu->lapic, (unsigned)value);
	if (valid)
		vmx_advance(vcpu, x->next_rip);
	else
		vcpu_inject(vcpu, VCPU_GP, 0);
	return true;
}
