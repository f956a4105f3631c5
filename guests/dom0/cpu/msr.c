/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSRs that the kernel leaves to the monitor: those that only have to be
 * remembered, those that never change (msr_model.c), and KVM's clocks, two structures in the
 * guest's memory that say how its TSC relates to nanoseconds since its start
 * and to Unix time (Linux's Documentation/virt/kvm/x86/msr.rst). The TSC is
 * constant, so they are written once, when the guest asks.
 */
#include "guests/dom0/cpu/msr.h"

#include "drivers/env.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/cpu/msr_model.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vcpu.h"
#include "guests/lib/sampo.h"

#define MSR_MICROCODE     0x8bu
#define MSR_MTRR_CAP      0xfeu
#define MSR_ARCH_CAPS     0x10au
#define MSR_MCG_CAP       0x179u
#define MSR_MCG_STATUS    0x17au
#define MSR_MISC_ENABLE   0x1a0u
#define MSR_DEBUGCTL      0x1d9u
#define MSR_MTRR_BASE0    0x200u
#define MSR_MTRR_DEF_TYPE 0x2ffu
#define MSR_XSS           0xda0u
#define MSR_KVM_WALL_OLD  0x11u
#define MSR_KVM_CLOCK_OLD 0x12u
#define MSR_KVM_WALL      0x4b564d00u
#define MSR_KVM_CLOCK     0x4b564d01u

/* Of IA32_ARCH_CAPABILITIES what says that the CPU is immune, or clears by VERW: RDCL_NO, IBRS_ALL,
 * RSBA, SKIP_L1DFL, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO, those of MMIO stale data, FB_CLEAR,
 * RRSBA, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO, RFDS_CLEAR, ITS_NO. Not those that announce MSRs. */
#define ARCH_CAPS_MASK    (0x17fu | 7u << 13 | 1u << 17 | 3u << 19 | 1u << 24 | 7u << 26 | 1ull << 62)
#define DEBUGCTL_BTF      0x2u
#define MTRR_CAP_VALUE    0x508u /* eight variable ranges, fixed ones, write combining */
#define MISC_ENABLE_RESET 1u     /* fast strings */
#define CLOCK_ENABLE      1u
#define CLOCK_STABLE      1u
#define CLOCK_STOPPED     2u /* the guest clears it */

/* SDM 3A 12.11.2.2: 64K, 16K, 4K. */
static const uint16_t fixed[MSR_MTRR_FIXED] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
					       0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

struct kvm_clock {
	uint32_t version, pad0;
	uint64_t tsc_timestamp, system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad[2];
} __attribute__((packed));

struct kvm_wall {
	uint32_t version, sec, nsec;
} __attribute__((packed));

/* Where the value of an MSR is that is remembered, or NULL. KVM's have an old and a new number. */
static uint64_t *stored(struct msr_state *s, uint32_t msr)
{
	if (msr - MSR_MTRR_BASE0 < MSR_MTRR_VARIABLE)
		return &s->mtrr_variable[msr - MSR_MTRR_BASE0];
	for (unsigned i = 0; i < MSR_MTRR_FIXED; i++)
		if (msr == fixed[i])
			return &s->mtrr_fixed[i];
	switch (msr) {
	case MSR_MTRR_DEF_TYPE:
		return &s->mtrr_type;
	case MSR_MISC_ENABLE:
		return &s->misc_enable;
	case MSR_KVM_WALL:
	case MSR_KVM_WALL_OLD:
		return &s->kvm_wall;
	case MSR_KVM_CLOCK:
	case MSR_KVM_CLOCK_OLD:
		return &s->kvm_clock;
	default:
		return NULL;
	}
}

/* 32.32 */
static uint64_t ns_per_tick(const struct vm *vm)
{
	return (1000000ull << 32) / vm_tsc_khz(vm);
}

/* A bad address is the guest's affair. */
static void write_clock(struct vm *vm, uint64_t gpa)
{
	struct kvm_clock time = {.version = 2, .flags = CLOCK_STABLE};
	uint64_t factor = ns_per_tick(vm);

	/* (ticks << shift) * mul >> 32, where mul has 32 bits; the guest's TSC
	 * was 0 when its clock was. */
	while (factor >> time.shift >> 32)
		time.shift++;
	time.mul = (uint32_t)(factor >> time.shift);
	vm_write(vm, gpa, &time, sizeof(time));
}

/* No vCPU runs: the version changes for those that have been stopped in the middle of a read. */
static void mark_clock(struct vm *vm, uint64_t gpa)
{
	struct kvm_clock time;

	if (!vm_read(vm, gpa, &time, sizeof(time)))
		return;
	time.version += 2;
	time.flags |= CLOCK_STOPPED;
	vm_write(vm, gpa, &time, sizeof(time));
}

/* Unix time when the guest's TSC was 0. */
static void write_wall(struct vm *vm, uint64_t gpa, uint64_t tsc)
{
	uint64_t passed = (uint64_t)((unsigned __int128)tsc * ns_per_tick(vm) >> 32);
	uint64_t ns = clock_wall_ns() - passed;
	struct kvm_wall wall = {
		.version = 2,
		.sec = (uint32_t)(ns / 1000000000),
		.nsec = (uint32_t)(ns % 1000000000),
	};

	vm_write(vm, gpa, &wall, sizeof(wall));
}

uint64_t msr_arch_capabilities(void)
{
	struct sampo_machine_info machine = {0};

	sampo_object_info(boot->machine, SAMPO_INFO_MACHINE, &machine, sizeof(machine), 0, NULL);
	return machine.arch_caps & ARCH_CAPS_MASK;
}

/* The guest's CPUID leaf 0 is the first of its page. */
static bool is_amd(const struct vcpu *v)
{
	return msr_vendor_is_amd(v->page->cpuid[0].ebx);
}

static bool read(const struct vcpu *v, uint32_t msr, uint64_t *value)
{
	struct msr_state *s = &v->vm->state->msr[v->index];
	const uint64_t *remembered = stored(s, msr);

	switch (msr) {
	case MSR_MTRR_CAP:
		*value = MTRR_CAP_VALUE;
		return true;
	case MSR_ARCH_CAPS:
		*value = msr_arch_capabilities();
		return *value != 0;
	case MSR_MICROCODE: /* none that a guest could load; no bank, no error */
	case MSR_MCG_CAP:
	case MSR_MCG_STATUS:
	case MSR_XSS: /* nothing to be set */
		*value = 0;
		return true;
	case MSR_DEBUGCTL:
		*value = v->exit->debugctl;
		return true;
	default:
		if (!remembered)
			return msr_model_read(is_amd(v), msr, value);
		*value = *remembered;
		return true;
	}
}

static bool write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	struct msr_state *s = &v->vm->state->msr[v->index];
	uint64_t *remembered = stored(s, msr);

	switch (msr) {
	case MSR_MICROCODE:
	case MSR_MCG_STATUS:
		return true;
	case MSR_DEBUGCTL: /* branch records are not kept */
		v->exit->debugctl = value & DEBUGCTL_BTF;
		v->exit->dirty = SAMPO_DIRTY_SYSTEM;
		return true;
	case MSR_XSS:
		return !value;
	default:
		if (!remembered)
			return msr_model_read(is_amd(v), msr, &value);
	}
	*remembered = value;
	if (remembered == &s->kvm_wall)
		write_wall(v->vm, value, v->exit->tsc);
	else if (remembered == &s->kvm_clock && value & CLOCK_ENABLE)
		write_clock(v->vm, value & ~(uint64_t)CLOCK_ENABLE);
	return true;
}

void msr_reset(struct msr_state *s)
{
	*s = (struct msr_state){.misc_enable = MISC_ENABLE_RESET};
}

void msr_stopped(struct vm *vm)
{
	for (unsigned i = 0; i < vm->config->vcpus; i++) {
		uint64_t clock = vm->state->msr[i].kvm_clock;

		if (clock & CLOCK_ENABLE)
			mark_clock(vm, clock & ~(uint64_t)CLOCK_ENABLE);
	}
}

bool msr_exit(struct vcpu *v)
{
	struct sampo_exit *exit = v->exit;
	uint64_t *gpr = exit->gpr, value = gpr[SAMPO_RDX] << 32 | (uint32_t)gpr[SAMPO_RAX];
	uint32_t msr = (uint32_t)exit->qualification;

	if (exit->write ? !write(v, msr, value) : !read(v, msr, &value))
		return false;
	if (!exit->write) {
		gpr[SAMPO_RAX] = (uint32_t)value;
		gpr[SAMPO_RDX] = value >> 32;
	}
	exit->dirty |= SAMPO_DIRTY_ADVANCE;
	return true;
}
