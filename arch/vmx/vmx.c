/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX: turning it on, and the life of a vCPU's VMCS. */
#include "arch/vmx/vmx.h"

#include "arch/cpu.h"
#include "arch/lapic.h"
#include "arch/msr.h"
#include "arch/trap.h"
#include "arch/tsc.h"
#include "arch/tss.h"
#include "arch/up.h"
#include "arch/vmx/vmcs.h"
#include "kernel/base/frame.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/vcpu.h"

#define CPUID_ECX_VMX 0x20u /* leaf 1 */
#define FEATURE_LOCK  1ull
#define FEATURE_VMX   4ull /* outside SMX (SDM 3C 24.7) */

/* SDM 3D appendix A */
#define MSR_FEATURE_CONTROL  0x3au
#define MSR_VMX_BASIC        0x480u
#define MSR_VMX_MISC         0x485u
#define MSR_VMX_CR0_FIXED0   0x486u
#define MSR_VMX_CR4_FIXED0   0x488u
#define MSR_VMX_EPT_VPID_CAP 0x48cu
#define BASIC_TRUE_CONTROLS  (1ull << 55)
#define EPT_WALK_4           (1ull << 6)
#define EPT_WB               (1ull << 14)
#define EPT_2M               (1ull << 16)
#define EPT_1G               (1ull << 17)
#define EPT_AD               (1ull << 21)
#define INVEPT_CONTEXT       (1ull << 20 | 1ull << 25)
#define INVVPID_ALL          (1ull << 32 | 1ull << 42)

#define EPTP_WB     6ull
#define EPTP_WALK_4 (3ull << 3)
#define EPTP_AD     (1ull << 6)

#define PREEMPTION_NS 250000u
#define VPIDS         0x10000u
#define PLE_GAP       128u
#define PLE_WINDOW    4096u
#define PML_ENTRIES   512u
#define EXCEPTIONS    (1u << VECTOR_DB | 1u << VECTOR_AC | 1u << VECTOR_MC)
#define HOST_CS       0x08u

/* The MSR bitmaps (SDM 3C 25.6.9): a bit per MSR of two ranges, and the same again for writes. */
#define MSR_BITMAP_HIGH   0x400u
#define MSR_BITMAP_WRITES 0x800u

#define REGISTER(n)   (1ull << (n))
#define VECTORS(n)    (0xffull << (n)) /* eight registers, a bit for each vector */
#define X2APIC_WRITES (REGISTER(LAPIC_TPR) | REGISTER(LAPIC_EOI) | REGISTER(LAPIC_SELF_IPI))
#define X2APIC_READS                                                          \
	(REGISTER(LAPIC_ID) | REGISTER(LAPIC_VERSION) | REGISTER(LAPIC_TPR) | \
	 REGISTER(LAPIC_PPR) | REGISTER(LAPIC_LDR) | VECTORS(LAPIC_ISR) | VECTORS(LAPIC_IRR))

enum { PIN, PROC, PROC2, EXIT, ENTRY, CONTROLS };
enum need { MUST, WANT, NEVER };

/* The MSRs in which the CPU says which controls are possible: without and with "true" controls. */
static const uint32_t control_msr[CONTROLS][2] = {
	[PIN] = {0x481, 0x48d},  [PROC] = {0x482, 0x48e},  [PROC2] = {0x48b, 0x48b},
	[EXIT] = {0x483, 0x48f}, [ENTRY] = {0x484, 0x490},
};

static const struct wish {
	uint32_t mask;
	uint8_t set;
	uint8_t need;
	enum hv_feature feature;
	const char *text;
} wishes[] = {
#define VMX_WISH(name, set, bit, need, feature, text) {name, set, need, feature, text},
	VMX_CONTROLS(VMX_WISH)
#undef VMX_WISH
};

static uint32_t control[CONTROLS];
static uint64_t ept_vpid_cap;
static unsigned preemption_shift;

static uint64_t capabilities(void)
{
	uint64_t cap = cpu_rdmsr(MSR_VMX_EPT_VPID_CAP);

	return hv_use(HV_AD, cap & EPT_AD) ? cap : cap & ~EPT_AD;
}

/*
 * SDM 3D A.3: the low half has the bits that must be 1, the high half those that may be. Every CPU
 * negotiates for itself, so a control that needs another feature is taken back here and nowhere
 * else.
 */
static const char *negotiate(uint32_t *result)
{
	bool exact = cpu_rdmsr(MSR_VMX_BASIC) & BASIC_TRUE_CONTROLS;
	uint64_t possible[CONTROLS] = {0}, nothing;

	for (unsigned i = 0; i < CONTROLS; i++) {
		/* The MSR of the secondary controls is there if they are. */
		if (i == PROC2 && !(possible[PROC] >> 63))
			continue;
		possible[i] = cpu_rdmsr(control_msr[i][exact]);
		result[i] = (uint32_t)possible[i];
	}
	/* Bochs's CPUs, which lack this MSR, deliver while the guest's IF is 0 when
	 * a physical interrupt comes. */
	if (cpu_rdmsr_safe(MSR_MISC_ENABLE, &nothing))
		possible[PROC2] &= ~((uint64_t)PROC2_VID << 32);
	for (unsigned i = 0; i < COUNT_OF(wishes); i++) {
		const struct wish *wish = &wishes[i];
		uint32_t *value = &result[wish->set];
		bool may = possible[wish->set] >> 32 & wish->mask;

		/* SDM 3C 27.2.1.1: the CPU logs writes only with dirty bits. */
		if (wish->feature == HV_PML && may)
			may = capabilities() & EPT_AD;
		may = hv_use(wish->feature, may);

		if (wish->need == NEVER ? *value & wish->mask : wish->need == MUST && !may)
			return wish->text;
		if (may && wish->need != NEVER)
			*value |= wish->mask;
	}
	if (!(result[PIN] & PIN_PREEMPTION)) /* SDM 3C 27.2.1.2: not without it */
		result[EXIT] &= ~EXIT_SAVE_PREEMPTION;
	return NULL;
}

/* SDM 3C 25.6.9: a bit per MSR for reading, and another for writing. */
static void pass_msr(uint8_t *bitmap, uint32_t msr)
{
	uint32_t at = (msr >= MSR_HIGH ? MSR_BITMAP_HIGH : 0) + (msr & MSR_RANGE_MASK) / 8;
	uint8_t bit = (uint8_t)(1u << (msr % 8));

	bitmap[at] &= (uint8_t)~bit;
	bitmap[at + MSR_BITMAP_WRITES] &= (uint8_t)~bit;
}

/* The second page of `bitmap` is the first one with the x2APIC registers that the CPU itself reads
 * and writes for the guest (SDM 3C 30.5). */
static void pass_x2apic(uint8_t *bitmap)
{
	uint8_t *second = bitmap + FRAME_PAGE;

	__builtin_memcpy(second, bitmap, FRAME_PAGE);
	*(uint64_t *)(second + MSR_X2APIC / 8) &= ~X2APIC_READS;
	*(uint64_t *)(second + MSR_BITMAP_WRITES + MSR_X2APIC / 8) &= ~X2APIC_WRITES;
}

const char *vmx_probe(void)
{
	uint64_t feature = 0;
	const char *missing;

	if (!(cpu_cpuid(1, 0).ecx & CPUID_ECX_VMX))
		return hv_absent;
	if (cpu_rdmsr_safe(MSR_FEATURE_CONTROL, &feature) == 0 && (feature & FEATURE_LOCK) &&
	    !(feature & FEATURE_VMX))
		return "locked off by the firmware: enable it (\"Intel VT-x\") in the firmware "
		       "setup";
	missing = negotiate(control);
	if (missing)
		return missing;
	ept_vpid_cap = capabilities();
	preemption_shift = cpu_rdmsr(MSR_VMX_MISC) & 31;
	if (~ept_vpid_cap & (EPT_WALK_4 | EPT_WB))
		return "no EPT of four levels in write-back memory";
	if (~ept_vpid_cap & EPT_2M)
		return "no EPT pages of 2 MiB";
	if (~ept_vpid_cap & (INVEPT_CONTEXT | INVVPID_ALL))
		return "no INVEPT of one context and INVVPID of all";
	hv_permissions(pass_msr);
	for (unsigned i = 0; i < HV_MSR_BITMAPS; i++)
		pass_x2apic(hv_msr_bitmap + i * HV_MSR_BITMAP);
	return NULL;
}

bool vmx_slat_init(struct ptab *slat)
{
	slat->format = ept_vpid_cap & EPT_AD ? &ptab_ept : &ptab_ept_no_ad;
	slat->levels = 4;
	slat->max_page = ept_vpid_cap & EPT_1G ? PTAB_1G : PTAB_2M;
	return control[PROC2] & PROC2_PML;
}

/* A VMXON region or a VMCS: the CPU wants its revision in front. */
static void *stamp(uint32_t *region)
{
	if (region)
		*region = (uint32_t)cpu_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	return region;
}

void vmx_cpu_init(struct cpu *cpu)
{
	uint64_t feature = cpu_rdmsr(MSR_FEATURE_CONTROL), region = (uint64_t)stamp(page_alloc());
	uint32_t here[CONTROLS] = {0};
	bool failed;

	if (!region)
		refuse("no memory for the VMXON region");
	if (negotiate(here) || __builtin_memcmp(here, control, sizeof(here)) ||
	    capabilities() != ept_vpid_cap)
		refuse("CPU %u has not the same VMX as the first", cpu->id);
	if (!(feature & FEATURE_LOCK))
		cpu_wrmsr(MSR_FEATURE_CONTROL, feature | FEATURE_LOCK | FEATURE_VMX);
	cpu_write_cr0(cpu_read_cr0() | cpu_rdmsr(MSR_VMX_CR0_FIXED0));
	cpu_write_cr4(cpu_read_cr4() | cpu_rdmsr(MSR_VMX_CR4_FIXED0) | CR4_VMXE);
	__asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region) : "memory");
	if (failed)
		refuse("the CPU does not enter VMX operation");
	cpu->host_save_pa = region;
	cpu->asid_count = VPIDS;
	cpu->asid_next = 1;
	cpu->asid_generation = 1;
	/* From here on physical interrupts wait for vmx_interrupt_window. */
	cpu_cli();
}

void vmx_use(const struct vcpu *vcpu)
{
	uint64_t pa = (uint64_t)vcpu->vmx.vmcs;

	if (vcpu->cpu->vmcs == pa)
		return;
	__asm__ volatile("vmptrld %0" : : "m"(pa) : "cc", "memory");
	vcpu->cpu->vmcs = pa;
}

/* Out of the CPU's own memory, into its page. */
static void clear(struct vcpu *vcpu)
{
	uint64_t pa = (uint64_t)vcpu->vmx.vmcs;

	__asm__ volatile("vmclear %0" : : "m"(pa) : "cc", "memory");
	if (vcpu->cpu->vmcs == pa)
		vcpu->cpu->vmcs = 0;
	vcpu->vmx.launched = false;
}

/* Fields that are 0 and stay so: the contents of a new VMCS are not defined. */
static const struct vmcs_field *const zero_fields[] = {
	&VMCS_HOST_ES,           &VMCS_HOST_SS,          &VMCS_HOST_DS,
	&VMCS_HOST_FS,           &VMCS_HOST_GS,          &VMCS_HOST_FS_BASE,
	&VMCS_HOST_GS_BASE,      &VMCS_HOST_SYSENTER_CS, &VMCS_HOST_SYSENTER_ESP,
	&VMCS_HOST_SYSENTER_EIP, &VMCS_PAGE_FAULT_MASK,  &VMCS_PAGE_FAULT_MATCH,
	&VMCS_CR3_TARGETS,       &VMCS_EXIT_MSR_STORES,  &VMCS_EXIT_MSR_LOADS,
	&VMCS_ENTRY_MSR_LOADS,   &VMCS_TPR_THRESHOLD,    &VMCS_XSS_EXITING,
	&VMCS_ACTIVITY,          &VMCS_SMBASE,
};

static void init_host(void)
{
	for (unsigned i = 0; i < COUNT_OF(zero_fields); i++)
		vmcs_write(*zero_fields[i], 0);
	vmcs_write(VMCS_HOST_CS, HOST_CS);
	vmcs_write(VMCS_HOST_TR, TSS_SELECTOR);
	vmcs_write(VMCS_HOST_CR0, cpu_read_cr0());
	vmcs_write(VMCS_HOST_CR3, cpu_read_cr3());
	vmcs_write(VMCS_HOST_CR4, cpu_read_cr4());
	vmcs_write(VMCS_HOST_EFER, cpu_rdmsr(MSR_EFER));
	vmcs_write(VMCS_HOST_PAT, cpu_rdmsr(MSR_PAT));
	vmcs_write(VMCS_HOST_IDTR, (uint64_t)idt);
	vmcs_write(VMCS_HOST_RIP, (uint64_t)vmx_exit);
}

/*
 * Bochs holds interrupts back from a guest that was entered with IF=0, until
 * this timer has counted so much time of the guest's over all such entries.
 * After other entries it counts from its highest value: minutes.
 */
void vmx_arm_preemption(struct vcpu *vcpu, bool blind)
{
	uint64_t ticks = tsc_from_ns(PREEMPTION_NS) >> preemption_shift;

	vcpu->vmx.blind = blind;
	if (control[PIN] & PIN_PREEMPTION)
		vmcs_write(VMCS_PREEMPTION_TIMER, blind ? ticks : UINT32_MAX);
}

/*
 * In x2APIC mode the CPU itself has the guest's TPR, ISR and IRR, in the array
 * of vlapic.c, delivers interrupts and does EOIs and self-IPIs without an exit
 * (SDM 3C chapter 30). Vectors that have come otherwise are told to it before the entry.
 */
void vmx_lapic(struct vcpu *vcpu)
{
	struct vlapic *l = &vcpu->lapic;

	vmx_use(vcpu);
	l->hardware = l->apic_base & APIC_BASE_X2APIC && !(~control[PROC2] & PROC2_APICV);
	vmcs_write(VMCS_PROC2_CONTROLS,
		   l->hardware ? control[PROC2] : control[PROC2] & ~PROC2_APICV);
	vmcs_write(VMCS_MSR_BITMAP, (uint64_t)hv_msr_bitmap + (l->hardware ? FRAME_PAGE : 0) +
					    (vcpu->spec_own ? HV_MSR_BITMAP : 0));
	if (!l->hardware)
		return;
	vlapic_reload(l);
	vmcs_write(VMCS_INTERRUPT_STATUS,
		   vlapic_highest(l, LAPIC_ISR) << 8 | vlapic_highest(l, LAPIC_IRR));
	for (unsigned i = 0; i < 8; i += 2)
		vmcs_write(vmcs_nth(VMCS_EOI_EXIT, i / 2),
			   (uint64_t)l->reg[LAPIC_TMR + i + 1].value << 32 |
				   l->reg[LAPIC_TMR + i].value);
	l->pending = 0;
}

/* SDM 3C 29.3.6: the index counts down, to -1 when the log is full. */
void vmx_drain_log(struct vcpu *vcpu)
{
	const uint64_t *log = vcpu->vmx.log;

	if (!log)
		return;
	for (unsigned i = (uint16_t)(vmcs_read(VMCS_PML_INDEX) + 1); i < PML_ENTRIES; i++)
		domain_written(vcpu->domain, log[i]);
	vmcs_write(VMCS_PML_INDEX, PML_ENTRIES - 1);
}

static void init_controls(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = &vcpu->vmx;

	v->proc = control[PROC];
	v->ept_pointer = vcpu->domain->slat.root | EPTP_WB | EPTP_WALK_4 |
			 (ept_vpid_cap & EPT_AD ? EPTP_AD : 0);
	vmcs_write(VMCS_PIN_CONTROLS, control[PIN]);
	vmcs_write(VMCS_PROC_CONTROLS, control[PROC]);
	vmcs_write(VMCS_EXIT_CONTROLS, control[EXIT]);
	vmcs_write(VMCS_ENTRY_CONTROLS, control[ENTRY]);
	/* Without #DB and #AC a guest could recur for ever within one instruction
	 * (CVE-2015-5307, CVE-2015-8104): each delivery must pass by here. */
	vmcs_write(VMCS_EXCEPTION_BITMAP, EXCEPTIONS);
	vmcs_write(VMCS_IO_BITMAP_A, (uint64_t)hv_io_bitmap);
	vmcs_write(VMCS_IO_BITMAP_B, (uint64_t)hv_io_bitmap + FRAME_PAGE);
	vmcs_write(VMCS_APIC_PAGE, (uint64_t)vcpu->lapic.reg);
	vmcs_write(VMCS_EPT_POINTER, v->ept_pointer);
	if (control[PROC2] & PROC2_TSC_SCALING) /* which has 48 bits of fraction */
		vmcs_write(VMCS_TSC_MULTIPLIER, vcpu->domain->tsc_scale << 16);
	vmcs_write(VMCS_LINK_POINTER, ~0ull);
	vmcs_write(VMCS_CR0_MASK, VMX_CR0_HOST);
	vmcs_write(VMCS_CR4_MASK, ~VMX_CR4_GUEST | VMX_CR4_MCE);
	vmx_arm_preemption(vcpu, false);
	if (v->log) {
		vmcs_write(VMCS_PML_ADDRESS, (uint64_t)v->log);
		vmcs_write(VMCS_PML_INDEX, PML_ENTRIES - 1);
	}
	if (control[PROC2] & PROC2_PLE) {
		vmcs_write(VMCS_PLE_GAP, PLE_GAP);
		vmcs_write(VMCS_PLE_WINDOW, PLE_WINDOW);
	}
}

int64_t vmx_vcpu_init(struct vcpu *vcpu)
{
	vcpu->vmx.vmcs = stamp(domain_page_alloc(vcpu->domain));
	if (control[PROC2] & PROC2_PML)
		vcpu->vmx.log = domain_page_alloc(vcpu->domain);
	if (!vcpu->vmx.vmcs || (control[PROC2] & PROC2_PML && !vcpu->vmx.log))
		return SAMPO_ENOMEM;
	asid_forget(vcpu);
	clear(vcpu);
	vmx_use(vcpu);
	init_host();
	init_controls(vcpu);
	return SAMPO_OK;
}

/* Its CPU only may do so (SDM 3C 25.11.1). */
void vmx_detach(struct vcpu *vcpu)
{
	clear(vcpu);
	asid_forget(vcpu);
}

void vmx_vcpu_free(struct vcpu *vcpu)
{
	if (vcpu->vmx.vmcs) {
		clear(vcpu);
		domain_page_free(vcpu->domain, vcpu->vmx.vmcs);
	}
	if (vcpu->vmx.log) /* which may be there without the other */
		domain_page_free(vcpu->domain, vcpu->vmx.log);
	vcpu->vmx.vmcs = NULL;
	vcpu->vmx.log = NULL;
}

/* A member for each operation of HV_OPS. */
const struct hv_ops vmx_ops = {
	.name = "VMX",
	.probe = vmx_probe,
	.cpu_init = vmx_cpu_init,
	.slat_init = vmx_slat_init,
	.interrupt_window = vmx_interrupt_window,
	.idle = vmx_idle,
	.vcpu_init = vmx_vcpu_init,
	.vcpu_free = vmx_vcpu_free,
	.detach = vmx_detach,
	.vcpu_reset = vmx_vcpu_reset,
	.load = vmx_load,
	.save = vmx_save,
	.run = vmx_run,
	.fetch_few = vmx_fetch_few,
	.advance = vmx_advance,
	.trap = vmx_trap,
	.interruptible = vmx_interruptible,
	.nmi_allowed = vmx_nmi_allowed,
	.inject = vmx_inject,
	.window = vmx_window,
	.lapic = vmx_lapic,
	.fetch = vmx_fetch,
	.store = vmx_store,
	.store_rip = vmx_store_rip,
	.cr_access = vmx_cr_access,
	.dump = vmx_dump,
};
