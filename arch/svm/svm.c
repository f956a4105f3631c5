/* SPDX-License-Identifier: BSD-2-Clause */
/* SVM: turning it on, and the life of a vCPU's VMCB. */
#include "arch/svm/svm.h"

#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/trap.h"
#include "arch/up.h"
#include "kernel/base/frame.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/vcpu.h"

#define CPUID_EXTENDED   0x80000000u
#define CPUID_FEATURES   0x80000001u
#define CPUID_SVM        0x8000000au
#define CPUID_ECX_SVM    0x4u       /* leaf 80000001 */
#define CPUID_EDX_1G     0x4000000u /* leaf 80000001 */
#define CPUID_XSAVE      0xdu
#define CPUID_EAX_XSAVES 0x8u  /* leaf D, subleaf 1 */
#define VM_CR_SVMDIS     0x10u /* APM 2 15.30.1 */
#define CPUID_HYPERVISOR 0x40000000u
#define TCG              0x54474354u /* in EBX: the name of QEMU's own CPU begins so */

/* A loop's PAUSEs exit when so many were executed, each within so many clocks of the one before
 * (APM 2 15.14.4). */
#define PAUSE_COUNT     3000u
#define PAUSE_THRESHOLD 128u

/* The MSR permission map (APM 2 15.11): two bits per MSR, in ranges of 0x2000 MSRs. */
#define MSR_BITMAP_HIGH 0x800u

uint32_t svm_features;
bool svm_offers_interrupts;

static void pass_msr(uint8_t *bitmap, uint32_t msr)
{
	uint32_t base = msr >= MSR_HIGH ? MSR_BITMAP_HIGH : 0;
	uint32_t bit = (msr & MSR_RANGE_MASK) * 2;

	bitmap[base + bit / 8] &= (uint8_t) ~(3u << (bit % 8));
}

static void want(enum hv_feature feature, uint32_t bit)
{
	if (!hv_use(feature, svm_features & bit))
		svm_features &= ~bit;
}

const char *svm_probe(void)
{
	uint64_t vm_cr = 0;

	if (cpu_cpuid(CPUID_EXTENDED, 0).eax < CPUID_SVM ||
	    !(cpu_cpuid(CPUID_FEATURES, 0).ecx & CPUID_ECX_SVM))
		return hv_absent;
	svm_features = cpu_cpuid(CPUID_SVM, 0).edx;
	if (cpu_rdmsr_safe(MSR_VM_CR, &vm_cr) == 0 && (vm_cr & VM_CR_SVMDIS))
		return svm_features & SVM_HAS_LOCK ? "SVM is locked off by the firmware: enable it "
						     "(\"SVM mode\") in the firmware setup"
						   : "SVM is disabled by the firmware: enable it "
						     "(\"SVM mode\") in the firmware setup";
	if (!(svm_features & SVM_HAS_NPT))
		return "no nested paging (NPT)";
	svm_offers_interrupts = cpu_cpuid(CPUID_HYPERVISOR, 0).ebx == TCG;
	want(HV_NRIPS, SVM_HAS_NRIPS);
	want(HV_FLUSHBYASID, SVM_HAS_FLUSH_BY_ASID);
	want(HV_PAUSEFILTER, SVM_HAS_PAUSE_FILTER);
	want(HV_TSCSCALE, SVM_HAS_TSC_RATIO);
	want(HV_BUSLOCK, SVM_HAS_BUS_LOCK);
	hv_use(HV_XSAVES, cpu_cpuid(CPUID_XSAVE, 1).eax & CPUID_EAX_XSAVES);
	hv_permissions(pass_msr);
	return NULL;
}

bool svm_slat_init(struct ptab *slat)
{
	slat->format = &ptab_npt;
	slat->levels = 4;
	slat->max_page = cpu_cpuid(CPUID_FEATURES, 0).edx & CPUID_EDX_1G ? PTAB_1G : PTAB_2M;
	return false;
}

void svm_cpu_init(struct cpu *cpu)
{
	void *save = page_alloc();

	if (!save)
		refuse("no memory for the SVM host save area");
	cpu_wrmsr(MSR_EFER, cpu_rdmsr(MSR_EFER) | EFER_SVME);
	cpu->host_save_pa = (uint64_t)save;
	cpu_wrmsr(MSR_VM_HSAVE_PA, cpu->host_save_pa);
	cpu->asid_count = cpu_cpuid(CPUID_SVM, 0).ebx;
	cpu->asid_next = 1;
	cpu->asid_generation = 1;
	/* From here on physical interrupts wait for svm_interrupt_window: GIF is 0. */
	__asm__ volatile("clgi; sti" ::: "memory");
}

int64_t svm_vcpu_init(struct vcpu *vcpu)
{
	struct vmcb *vmcb = domain_page_alloc(vcpu->domain);

	if (!vmcb)
		return SAMPO_ENOMEM;
	asid_forget(vcpu);
	vcpu->svm.vmcb = vmcb;
	svm_intercept_always(vmcb);
	if (svm_features & SVM_HAS_PAUSE_FILTER) {
		svm_intercept(vmcb, VMEXIT_PAUSE, true);
		vmcb->pause_count = PAUSE_COUNT;
		vmcb->pause_threshold =
			svm_features & SVM_HAS_PAUSE_THRESHOLD ? PAUSE_THRESHOLD : 0;
	}
	svm_intercept(vmcb, VMEXIT_BUSLOCK, svm_features & SVM_HAS_BUS_LOCK);
	vmcb->iopm_base = (uint64_t)hv_io_bitmap;
	vmcb->msrpm_base = (uint64_t)hv_msr_bitmap;
	vmcb->nested_enable = 1;
	vmcb->ncr3 = vcpu->domain->slat.root;
	vmcb->vintr = VINTR_MASKING;
	return SAMPO_OK;
}

void svm_vcpu_free(struct vcpu *vcpu)
{
	if (vcpu->svm.vmcb)
		domain_page_free(vcpu->domain, vcpu->svm.vmcb);
	vcpu->svm.vmcb = NULL;
}

void svm_detach(struct vcpu *vcpu)
{
	asid_forget(vcpu);
	vcpu->svm.vmcb->clean = 0; /* another CPU has cached nothing of it */
}

void svm_load(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vcpu->svm.vmcb;
	uint64_t scale = vcpu->domain->tsc_scale;

	svm_vmload((uint64_t)vmcb);
	if (vmcb->tsc_offset != vcpu->tsc_offset) {
		vmcb->tsc_offset = vcpu->tsc_offset;
		vmcb->clean &= ~CLEAN_INTERCEPTS;
	}
	if (svm_features & SVM_HAS_TSC_RATIO && vcpu->cpu->tsc_scale != scale) {
		vcpu->cpu->tsc_scale = scale;
		cpu_wrmsr(MSR_TSC_RATIO, scale);
	}
}

void svm_save(struct vcpu *vcpu)
{
	svm_vmsave((uint64_t)vcpu->svm.vmcb);
}

/* A member for each operation of HV_OPS. */
const struct hv_ops svm_ops = {
	.name = "SVM",
	.probe = svm_probe,
	.cpu_init = svm_cpu_init,
	.slat_init = svm_slat_init,
	.interrupt_window = svm_interrupt_window,
	.idle = svm_idle,
	.vcpu_init = svm_vcpu_init,
	.vcpu_free = svm_vcpu_free,
	.detach = svm_detach,
	.vcpu_reset = svm_vcpu_reset,
	.load = svm_load,
	.save = svm_save,
	.run = svm_run,
	.fetch_few = svm_fetch_few,
	.advance = svm_advance,
	.trap = svm_trap,
	.interruptible = svm_interruptible,
	.nmi_allowed = svm_nmi_allowed,
	.inject = svm_inject,
	.window = svm_window,
	.lapic = svm_lapic,
	.fetch = svm_fetch,
	.store = svm_store,
	.store_rip = svm_store_rip,
	.cr_access = svm_cr_access,
	.dump = svm_dump,
};
