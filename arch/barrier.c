/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/barrier.h"

#include "arch/cpu.h"
#include "arch/guard.h"
#include "arch/msr.h"
#include "arch/trap.h"
#include "kernel/base/log.h"
#include "kernel/cpu/percpu.h"
#include "kernel/object/domain.h"
#include "kernel/vcpu/vcpu.h"

#define VENDOR_INTEL   0x756e6547u /* leaf 0 EBX: "Genu", "Auth", "Hygo" */
#define VENDOR_AMD     0x68747541u
#define VENDOR_HYGON   0x6f677948u
#define LEAF_TOPOLOGY  0xbu
#define LEAF_AMD_CORES 0x8000001eu
#define ARCH_CAPS      (1u << 29) /* leaf 7 EDX */
#define AUTOMATIC_IBRS (1u << 8)  /* 80000021 EAX */
#define V_SPEC_CTRL    (1u << 20) /* 8000000A EDX: VMCBs have the guest's */
#define CPUID_SVM      0x8000000au
#define DE_CFG_LFENCE  0x2ull  /* LFENCE_SERIALIZE (APM 2 3.2.3) */
#define BP_CFG_REDUCE  0x10ull /* BP_SPEC_REDUCE */
#define THUNKS         16u     /* by register; see thunk.S */
#define THUNK_BYTES    64u
#define THUNK_JUMP     3u    /* bytes */
#define JMP            0xe9u /* with a displacement of 32 bits from its end */
#define JMP_BYTES      5

struct mitigate_plan mitigations;
uint32_t guest_spec_ctrl, first_spec_ctrl, sibling_mask;
uint64_t guest_efer = EFER_GUEST, guest_arch_caps;
/* For entry.S: GUARD_*; ring 0's SPEC_CTRL; a selector for VERW, any that can be written to. */
uint32_t guards, ring0_spec_ctrl;
const uint16_t guard_selector = 0x10;

_Static_assert(offsetof(struct vcpu, spec_ctrl) == GUARD_SPEC_CTRL, "guard.h");
_Static_assert(offsetof(struct vcpu, spec_own) == GUARD_SPEC_OWN, "guard.h");

extern char thunk_retpolines[], thunk_jumps[];
extern const char svm_enter_guarded[], vmx_enter_guarded[], vmx_exit_guarded[];

/* In cpu.trained and cpu.cached: one that is gone, or several. */
#define GONE ((void *)1)

static struct mitigate_words words;
static bool virtual_spec_ctrl, has_ibpb, has_flush;
static uint32_t microcode_logged;

bool barrier_option(const char *word)
{
	return mitigate_word(&words, word);
}

/* SDM 3A 9.11.7.1: the loader wrote 0, CPUID puts the revision there. AMD has it always. */
static uint32_t microcode(bool intel)
{
	uint64_t value = 0;

	if (intel)
		cpu_wrmsr_safe(MSR_MICROCODE, 0);
	cpu_cpuid(1, 0);
	cpu_rdmsr_safe(MSR_MICROCODE, &value);
	return (uint32_t)(intel ? value >> 32 : value);
}

static uint32_t threads(const struct mitigate_cpu *cpu, uint32_t leaf, uint32_t ext)
{
	if (leaf >= LEAF_TOPOLOGY && cpu_cpuid(LEAF_TOPOLOGY, 0).ebx)
		return 1u << (cpu_cpuid(LEAF_TOPOLOGY, 0).eax & 7);
	if (cpu->amd && ext >= LEAF_AMD_CORES)
		return cpu_cpuid(LEAF_AMD_CORES, 0).ebx & 0xff00 ? 2 : 1;
	return 1;
}

static void identify(struct mitigate_cpu *cpu)
{
	struct cpu_cpuid first = cpu_cpuid(0, 0), id = cpu_cpuid(1, 0);
	uint32_t ext = cpu_cpuid(0x80000000, 0).eax, family = id.eax >> 8 & 15;
	uint32_t edx = first.eax >= 7 ? cpu_cpuid(7, 0).edx : 0;

	*cpu = (struct mitigate_cpu){
		.intel = first.ebx == VENDOR_INTEL,
		.amd = first.ebx == VENDOR_AMD || first.ebx == VENDOR_HYGON,
		.guest = id.ecx >> 31,
		.family = family == 15 ? 15 + (id.eax >> 20 & 0xff) : family,
		.model = (id.eax >> 4 & 15) | (id.eax >> 12 & 0xf0),
		.stepping = id.eax & 15,
		.leaf7_ebx = first.eax >= 7 ? cpu_cpuid(7, 0).ebx : 0,
		.leaf7_edx = edx,
		.leaf7_2_edx = first.eax >= 7 && cpu_cpuid(7, 0).eax >= 2 ? cpu_cpuid(7, 2).edx : 0,
		.ext8_ebx = ext >= 0x80000008 ? cpu_cpuid(0x80000008, 0).ebx : 0,
		.ext21_eax = ext >= 0x80000021 ? cpu_cpuid(0x80000021, 0).eax : 0,
		.ext21_ecx = ext >= 0x80000021 ? cpu_cpuid(0x80000021, 0).ecx : 0,
	};
	cpu->microcode = microcode(cpu->intel);
	if (edx & ARCH_CAPS)
		cpu_rdmsr_safe(MSR_ARCH_CAPS, &cpu->arch_caps);
	sibling_mask = threads(cpu, first.eax, ext) - 1;
	cpu->siblings = sibling_mask && !words.smt_off;
	if (!words.smt_off)
		sibling_mask = 0;
	virtual_spec_ctrl =
		cpu->amd && ext >= CPUID_SVM && cpu_cpuid(CPUID_SVM, 0).edx & V_SPEC_CTRL;
}

/* SDM 4 table 2-2 and APM 2 3.2.9: the bits that this CPU's SPEC_CTRL has. */
static uint32_t spec_ctrl_bits(const struct mitigate_cpu *cpu)
{
	uint32_t edx = cpu->leaf7_edx, two = cpu->leaf7_2_edx, ebx = cpu->ext8_ebx;

	if (cpu->amd)
		return (ebx >> 14 & 3) | (ebx >> 24 & 1) << 2 | (ebx >> 28 & 1) << 7;
	return (edx >> 26 & 3) | (edx >> 31) << 2 | (two & 1) << 7 | (two >> 1 & 1) * 0x18u |
	       (two >> 2 & 1) * 0x60u | (two >> 3 & 1) << 8 | (two >> 4 & 1) << 10;
}

/* Where each thunk's retpoline is, its jump is put. */
static void plain_thunks(void)
{
	for (unsigned i = 0; i < THUNKS; i++)
		__builtin_memcpy(thunk_retpolines + i * THUNK_BYTES, thunk_jumps + i * THUNK_BYTES,
				 THUNK_JUMP);
}

void barrier_put_jump(void *at, const void *to)
{
	int32_t distance = (int32_t)((const char *)to - (char *)at - JMP_BYTES);

	*(uint8_t *)at = JMP;
	__builtin_memcpy((char *)at + 1, &distance, sizeof(distance));
}

/* The usual ways in and out of guests begin with a jump to the guarded ones. */
static void guard(void)
{
	barrier_put_jump((void *)svm_enter, svm_enter_guarded);
	barrier_put_jump((void *)vmx_enter, vmx_enter_guarded);
	barrier_put_jump((void *)vmx_exit, vmx_exit_guarded);
}

static void log_plan(const struct mitigate_cpu *cpu)
{
	log_print("kernel: CPU family %x model %x stepping %x; mitigations:", cpu->family,
		  cpu->model, cpu->stepping);
	for (unsigned i = 0; i < MITIGATION_COUNT; i++)
		if (mitigations.on >> i & 1)
			log_print(" %s", mitigation_names[i]);
	log_print("%s\n", mitigations.on ? "" : " none");
	if (cpu->siblings && mitigations.on & (DO_L1D | DO_VERW))
		log_print("kernel: guests on two threads of a core can spy on each other: "
			  "smt=off parks one\n");
}

void barrier_init(void)
{
	struct mitigate_cpu cpu;

	identify(&cpu);
	mitigations = mitigate_plan(&cpu, &words);
	ring0_spec_ctrl = mitigations.spec_ctrl;
	/* Where IBRS must be written at each exit, a guest is better off without it. */
	first_spec_ctrl = ring0_spec_ctrl & (mitigations.on & DO_IBRS ? ~SPEC_IBRS : ~0u);
	guest_spec_ctrl = words.off ? 0 : spec_ctrl_bits(&cpu);
	guest_arch_caps = cpu.arch_caps;
	if (cpu.ext21_eax & AUTOMATIC_IBRS && !words.off)
		guest_efer |= EFER_AIBRSE;
	has_ibpb = cpu.intel ? cpu.leaf7_edx >> 26 & 1 : cpu.ext8_ebx >> 12 & 1;
	has_flush = cpu.leaf7_edx >> 28 & 1;
	guards = (guest_spec_ctrl && !virtual_spec_ctrl ? GUARD_SPEC : 0) |
		 (mitigations.on & DO_VERW ? GUARD_VERW : 0) |
		 (mitigations.on & DO_IBRS ? GUARD_IBRS : 0) |
		 (mitigations.on & DO_IBPB_EXIT ? GUARD_IBPB : 0) |
		 (mitigations.on & DO_RSB ? GUARD_RSB : 0);
	if (!(mitigations.on & DO_RETPOLINE))
		plain_thunks();
	if (guards)
		guard();
	log_plan(&cpu);
}

void barrier_msrs(uint8_t *bitmap, bool own, void (*pass)(uint8_t *bitmap, uint32_t msr))
{
	if (has_ibpb)
		pass(bitmap, MSR_PRED_CMD);
	if (has_flush)
		pass(bitmap, MSR_FLUSH_CMD);
	if (virtual_spec_ctrl || (own && guest_spec_ctrl))
		pass(bitmap, MSR_SPEC_CTRL);
}

/* Under another hypervisor an MSR may be there or not. */
static void set_bits(uint32_t msr, uint64_t bits)
{
	uint64_t value;

	if (cpu_rdmsr_safe(msr, &value) || (value & bits) == bits)
		return;
	cpu_wrmsr_safe(msr, value | bits);
}

void barrier_cpu_init(void)
{
	uint32_t revision = microcode(cpu_cpuid(0, 0).ebx == VENDOR_INTEL);

	if (revision != microcode_logged)
		log_print("kernel: CPU %u has microcode %x\n", this_cpu()->id, revision);
	microcode_logged = revision;
	if (mitigations.spec_ctrl)
		cpu_wrmsr(MSR_SPEC_CTRL, mitigations.spec_ctrl);
	if (mitigations.on & DO_AUTOIBRS)
		set_bits(MSR_EFER, EFER_AIBRSE);
	if (mitigations.on & DO_LFENCE)
		set_bits(MSR_DE_CFG, DE_CFG_LFENCE);
	if (mitigations.on & DO_BP_REDUCE)
		set_bits(MSR_BP_CFG, BP_CFG_REDUCE);
}

static void carry_out(uint32_t barriers)
{
	if (barriers & (DO_IBPB | DO_IBPB_DOM0))
		cpu_wrmsr(MSR_PRED_CMD, 1);
	if (barriers & DO_L1D)
		cpu_wrmsr(MSR_FLUSH_CMD, 1);
}

/*
 * cpu.trained is the guest's vCPU that has run since the predictions were forgotten last,
 * cpu.cached the domain whose data the L1 cache has: NULL is none, or dom0's. dom0 may read all
 * memory of a guest, so it need not be kept from steering that one, unless the guest is PRIVATE; a
 * guest goes on behind dom0 with its own predictions.
 */
void barrier_switch(struct cpu *cpu, const struct vcpu *to)
{
	bool private = to->domain->flags & SAMPO_DOMAIN_PRIVATE;
	uint32_t barriers = 0;

	if (!to->domain->id) {
		if (cpu->trained)
			barriers = mitigations.barriers[GUEST_TO_DOM0];
		if (barriers & DO_IBPB_DOM0)
			cpu->trained = NULL;
		cpu->cached = NULL;
	} else {
		if ((cpu->trained && cpu->trained != to) || (private && !cpu->cached))
			barriers = mitigations.barriers[GUEST_TO_GUEST] & DO_IBPB;
		if (cpu->cached != to->domain)
			barriers |= mitigations.barriers[DOM0_TO_GUEST];
		cpu->trained = to;
		cpu->cached = to->domain;
	}
	carry_out(barriers);
}

void barrier_touched(const struct domain *domain)
{
	struct cpu *cpu = this_cpu();

	if (!(mitigations.on & DO_L1D) || cpu->cached == domain)
		return;
	cpu->cached = GONE;
	if (cpu->loaded)
		cpu->loaded->pending |= VCPU_PEND_CACHE;
}

void barrier_cache(struct cpu *cpu, struct vcpu *vcpu)
{
	vcpu->pending &= ~VCPU_PEND_CACHE;
	/* Where it must be loaded first, barrier_switch comes. */
	if (!vcpu->domain->id || cpu->loaded != vcpu || cpu->cached == vcpu->domain)
		return;
	cpu->cached = vcpu->domain;
	carry_out(mitigations.barriers[DOM0_TO_GUEST]);
}

void barrier_forget(struct cpu *cpu, const struct vcpu *vcpu)
{
	if (cpu->trained == vcpu)
		cpu->trained = GONE;
	if (cpu->cached == vcpu->domain)
		cpu->cached = GONE;
}
