/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts that both vendors have in common. */
#include "arch/hv.h"

#include "arch/barrier.h"
#include "arch/debugreg.h"
#include "arch/msr.h"
#include "arch/up.h"
#include "kernel/base/log.h"
#include "kernel/base/options.h"
#include "kernel/cpu/percpu.h"
#include "kernel/vcpu/vcpu.h"

/* Room for the JMP that hv_bind puts there; until then it stops. */
#define JUMP(type, name, arguments)                               \
	__asm__(".pushsection .text.hv\n.globl hv_op_" #name "\n" \
		"hv_op_" #name ":\n.fill 8, 1, 0xcc\n.popsection\n");
HV_OPS(JUMP)
#undef JUMP

static const char *const features[] = {
#define NAME(name, text) text,
	HV_FEATURES(NAME)
#undef NAME
};
static uint32_t without, used;

static const char *const exit_names[] = {
#define NAME(name, text) text,
	EXIT_KINDS(NAME)
#undef NAME
};

#define CR0_PAGED 0x80000001ull /* PG and PE */

const char hv_absent[] = "";
const struct hv_ops *hv_bound;

uint8_t hv_io_bitmap[3 * 4096] __attribute__((aligned(4096)));
uint8_t hv_msr_bitmap[HV_MSR_BITMAPS * HV_MSR_BITMAP] __attribute__((aligned(4096)));

/* In the control block or switched by load and save: the guest's own. */
static const uint32_t passed_msrs[] = {
	MSR_STAR,    MSR_LSTAR,          MSR_CSTAR,       MSR_SFMASK,       MSR_FS_BASE,
	MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
	MSR_PAT,
};

const char *exit_kind_name(enum exit_kind kind)
{
	return kind < EXIT_KIND_COUNT ? exit_names[kind] : "?";
}

bool hv_option(const char *word)
{
	for (unsigned i = 0; i < COUNT_OF(features); i++) {
		if (!option_denies(word, features[i]))
			continue;
		without |= i == HV_ALL ? ~(1u << HV_ALL | 1u << HV_EAGERFPU) : 1u << i;
		return true;
	}
	return false;
}

bool hv_use(enum hv_feature feature, bool present)
{
	present &= !(without >> feature & 1);
	used |= (uint32_t)present << feature;
	return present;
}

bool hv_uses(enum hv_feature feature)
{
	return used >> feature & 1;
}

void hv_bind(const struct hv_ops *ops)
{
	hv_bound = ops;
#define BIND(type, name, arguments) barrier_put_jump((void *)hv_op_##name, (void *)ops->name);
	HV_OPS(BIND)
#undef BIND
}

void hv_log_features(void)
{
	log_print("kernel: %s%s", hv_bound->name, used & ~1u ? " with" : "");
	for (unsigned i = 1; i < COUNT_OF(features); i++)
		log_print("%s%s", used >> i & 1 ? " " : "", used >> i & 1 ? features[i] : "");
	log_print("\n");
}

void hv_permissions(void (*pass)(uint8_t *bitmap, uint32_t msr))
{
	__builtin_memset(hv_io_bitmap, 0xff, sizeof(hv_io_bitmap));
	__builtin_memset(hv_msr_bitmap, 0xff, sizeof(hv_msr_bitmap));
	for (unsigned own = 0; own < HV_MSR_BITMAPS; own++) {
		uint8_t *bitmap = hv_msr_bitmap + own * HV_MSR_BITMAP;

		for (unsigned i = 0; i < COUNT_OF(passed_msrs); i++)
			pass(bitmap, passed_msrs[i]);
		barrier_msrs(bitmap, own, pass);
	}
}

static uint64_t canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address ? address : 0;
}

void hv_store(struct vcpu *vcpu, const struct sampo_exit *page)
{
	struct sampo_exit s = *page;

	/* The page may change meanwhile: nothing of it is read again. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < SAMPO_SREGS; i++)
		s.seg[i].attrib &= 0xfff;
	s.efer &= guest_efer;
	s.efer &= ~(uint64_t)EFER_LMA;
	/* SDM 3A 10.8.5: LMA is no state of its own, it says that both are on. */
	if (s.efer & EFER_LME && (s.cr0 & CR0_PAGED) == CR0_PAGED)
		s.efer |= EFER_LMA;
	s.dr6 = (s.dr6 & DR6_GUEST) | DR6_FIXED;
	s.dr7 = (s.dr7 & 0xffff2bffull) | 0x400ull;
	s.debugctl &= DEBUGCTL_BTF; /* the branch records are the CPU's, not a guest's */
	s.lstar = canonical(s.lstar);
	s.cstar = canonical(s.cstar);
	s.kernel_gs_base = canonical(s.kernel_gs_base);
	s.sfmask = (uint32_t)s.sfmask;
	s.sysenter_cs = (uint32_t)s.sysenter_cs;
	hv->store(vcpu, &s);
	if (s.dr7 & DR7_ENABLES && vcpu->cpu->debug != vcpu)
		vcpu->pending |= VCPU_PEND_DEBUG;
}

/* SDM 3B 18.3.1.4, 18.4.3: with BTF set the trap comes behind branches only, and it clears BTF. */
void hv_single_step(struct vcpu *vcpu)
{
	struct sampo_exit s;

	vcpu_unload(vcpu);
	hv->fetch(vcpu, &s);
	if (s.debugctl & DEBUGCTL_BTF)
		return;
	s.dr6 = (s.dr6 & ~DR6_HITS) | DR6_BS;
	s.debugctl = 0;
	hv->store(vcpu, &s);
	vcpu_inject(vcpu, VCPU_DB, 0);
}

/* SDM 3A table 9-1 */
void hv_reset(struct vcpu *vcpu)
{
	static const struct sampo_exit reset = {
		.seg = {[0 ... SAMPO_SREGS - 1] = {0, 0x93, 0xffff, 0},
			[SAMPO_CS] = {0xf000, 0x9b, 0xffff, 0xffff0000},
			[SAMPO_LDTR] = {0, 0x82, 0xffff, 0},
			[SAMPO_TR] = {0, 0x8b, 0xffff, 0}},
		.cr0 = 0x60000010,
		.pat = 0x0007040600070406ull,
	};

	hv_store(vcpu, &reset);
	hv->store_rip(vcpu, 0xfff0, 2);
	hv->vcpu_reset(vcpu);
}
