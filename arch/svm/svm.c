/* SPDX-License-Identifier: BSD-2-Clause */
/* SVM: turning it on, and the life of a vCPU's VMCB. */
#include "arch/svm/svm.h"

#include "arch/cpu.h"
#include "arch/fpu.h"
#include "arch/hv.h"
#include "arch/msr.h"
#include "arch/trap.h"
#include "kernel/domain.h"
#include "kernel/frame.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "kernel/vcpu.h"

#define CPUID_SVM 0x8000000au
#define CPUID_ECX_SVM 0x4u /* leaf 80000001 */
#define VM_CR_SVMDIS 0x10u /* APM 2 15.30.1 */

uint32_t svm_features;
uint64_t svm_iopm, svm_msrpm;

static const uint32_t passed_msrs[] = {
	/* In the VMCB or switched by VMLOAD/VMSAVE: the guest's own. */
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE,
	MSR_KERNEL_GS_BASE, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_PAT,
};

static bool svm_present(void)
{
	return cpu_cpuid(0x80000000, 0).eax >= CPUID_SVM &&
	       (cpu_cpuid(0x80000001, 0).ecx & CPUID_ECX_SVM);
}

static const char *svm_probe(void)
{
	uint64_t vm_cr = 0;

	svm_features = cpu_cpuid(CPUID_SVM, 0).edx;
	if (cpu_rdmsr_safe(MSR_VM_CR, &vm_cr) == 0 && (vm_cr & VM_CR_SVMDIS))
		return svm_features & SVM_HAS_LOCK
			       ? "SVM is locked off by the firmware: enable it (\"SVM mode\") in the firmware setup"
			       : "SVM is disabled by the firmware: enable it (\"SVM mode\") in the firmware setup";
	if (!(svm_features & SVM_HAS_NPT))
		return "no nested paging (NPT)";
	return NULL;
}

static void svm_slat_init(struct ptab *slat)
{
	slat->format = &ptab_npt;
	slat->levels = 4;
	slat->max_page = cpu_cpuid(0x80000001, 0).edx >> 26 & 1 ? PTAB_1G : PTAB_2M;
}

/* APM 2 15.11: two bits per MSR in three ranges of 0x2000. */
static void pass_msr(uint8_t *map, uint32_t msr)
{
	uint32_t base = msr >= 0xc0000000 ? 0x800 : 0;
	uint32_t bit = (msr & 0x1fff) * 2;

	map[base + bit / 8] &= (uint8_t)~(3u << (bit % 8));
}

static void make_permission_maps(void)
{
	static uint8_t iopm[3 * FRAME_PAGE] __attribute__((aligned(FRAME_PAGE)));
	static uint8_t msrpm[2 * FRAME_PAGE] __attribute__((aligned(FRAME_PAGE)));

	__builtin_memset(iopm, 0xff, sizeof(iopm));
	__builtin_memset(msrpm, 0xff, sizeof(msrpm));
	for (unsigned i = 0; i < sizeof(passed_msrs) / sizeof(passed_msrs[0]); i++)
		pass_msr(msrpm, passed_msrs[i]);
	svm_iopm = (uint64_t)iopm;
	svm_msrpm = (uint64_t)msrpm;
}

static void svm_cpu_init(struct cpu *cpu)
{
	void *save = page_alloc();

	if (!save)
		refuse("no memory for the SVM host save area");
	if (!svm_iopm)
		make_permission_maps();
	cpu_wrmsr(MSR_EFER, cpu_rdmsr(MSR_EFER) | EFER_SVME);
	cpu->host_save_pa = (uint64_t)save;
	cpu_wrmsr(MSR_VM_HSAVE_PA, cpu->host_save_pa);
	cpu->asid_count = cpu_cpuid(CPUID_SVM, 0).ebx;
	cpu->asid_next = 1;
	cpu->asid_generation = 1;
	/* From here on physical interrupts wait for svm_window: GIF is 0. */
	__asm__ volatile("clgi; sti" ::: "memory");
}

static const enum svm_intercept intercepts[] = {
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_INIT, INTERCEPT_RDPMC, INTERCEPT_CPUID,
	INTERCEPT_INVD, INTERCEPT_HLT, INTERCEPT_INVLPGA, INTERCEPT_IOIO, INTERCEPT_MSR,
	INTERCEPT_SHUTDOWN, INTERCEPT_VMRUN, INTERCEPT_VMMCALL, INTERCEPT_VMLOAD,
	INTERCEPT_VMSAVE, INTERCEPT_STGI, INTERCEPT_CLGI, INTERCEPT_SKINIT, INTERCEPT_WBINVD,
	INTERCEPT_MONITOR, INTERCEPT_MWAIT, INTERCEPT_MWAIT_ARMED, INTERCEPT_XSETBV,
	INTERCEPT_RDPRU,
};

static int64_t svm_vcpu_init(struct vcpu *vcpu)
{
	struct vmcb *vmcb = domain_page_alloc(vcpu->domain);

	if (!vmcb)
		return SAMPO_ENOMEM;
	vcpu->svm.vmcb = vmcb;
	for (unsigned i = 0; i < sizeof(intercepts) / sizeof(intercepts[0]); i++)
		svm_intercept(vmcb, intercepts[i], true);
	/* A guest can make these two recur for ever within one instruction
	 * (CVE-2015-5307, CVE-2015-8104): each delivery must pass by here. */
	svm_intercept_exception(vmcb, 1, true);
	svm_intercept_exception(vmcb, 17, true);
	svm_intercept_exception(vmcb, 18, true);
	if (svm_features & SVM_HAS_PAUSE_FILTER) {
		svm_intercept(vmcb, INTERCEPT_PAUSE, true);
		vmcb->pause_count = 3000;
		vmcb->pause_threshold = svm_features & SVM_HAS_PAUSE_THRESHOLD ? 128 : 0;
	}
	vmcb->iopm_base = svm_iopm;
	vmcb->msrpm_base = svm_msrpm;
	vmcb->nested_enable = 1;
	vmcb->ncr3 = vcpu->domain->slat.root;
	vmcb->vintr = VINTR_MASKING;
	vmcb->tsc_offset = vcpu->domain->tsc_offset;
	return SAMPO_OK;
}

static void svm_vcpu_free(struct vcpu *vcpu)
{
	if (vcpu->svm.vmcb)
		domain_page_free(vcpu->domain, vcpu->svm.vmcb);
	vcpu->svm.vmcb = NULL;
}

static void svm_load(struct vcpu *vcpu)
{
	svm_vmload((uint64_t)vcpu->svm.vmcb);
}

static void svm_save(struct vcpu *vcpu)
{
	svm_vmsave((uint64_t)vcpu->svm.vmcb);
}

const struct hv_ops svm_ops = {
	.name = "SVM",
	.present = svm_present,
	.probe = svm_probe,
	.slat_init = svm_slat_init,
	.cpu_init = svm_cpu_init,
	.interrupt_window = svm_window,
	.idle = svm_idle,
	.vcpu_init = svm_vcpu_init,
	.vcpu_free = svm_vcpu_free,
	.vcpu_reset = svm_reset,
	.load = svm_load,
	.save = svm_save,
	.run = svm_run,
	.rip = svm_rip,
	.rflags = svm_rflags,
	.advance = svm_advance,
	.fpu_trap = svm_fpu_trap,
	.interruptible = svm_interruptible,
	.nmi_allowed = svm_nmi_allowed,
	.inject = svm_inject,
	.window = svm_set_window,
	.fetch = svm_fetch,
	.store = svm_store,
	.store_rip = svm_store_rip,
	.set_efer = svm_set_efer,
	.efer = svm_efer,
	.cr4 = svm_cr4,
	.cr_access = svm_cr_access,
	.set_tsc_offset = svm_set_tsc_offset,
	.dump = svm_dump,
};
