/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual machine control block: APM 2 appendix B. */
#pragma once

#include "kernel/types.h"

/* Intercept bits: word << 5 | bit (APM 2 15.9, B-1). */
enum svm_intercept {
	INTERCEPT_CR8_WRITE = 0 << 5 | 24,
	INTERCEPT_INTR = 3 << 5 | 0,
	INTERCEPT_NMI = 3 << 5 | 1,
	INTERCEPT_SMI = 3 << 5 | 2,
	INTERCEPT_INIT = 3 << 5 | 3,
	INTERCEPT_VINTR = 3 << 5 | 4,
	INTERCEPT_RDPMC = 3 << 5 | 15,
	INTERCEPT_CPUID = 3 << 5 | 18,
	INTERCEPT_IRET = 3 << 5 | 20,
	INTERCEPT_INVD = 3 << 5 | 22,
	INTERCEPT_PAUSE = 3 << 5 | 23,
	INTERCEPT_HLT = 3 << 5 | 24,
	INTERCEPT_INVLPGA = 3 << 5 | 26,
	INTERCEPT_IOIO = 3 << 5 | 27,
	INTERCEPT_MSR = 3 << 5 | 28,
	INTERCEPT_SHUTDOWN = 3 << 5 | 31,
	INTERCEPT_VMRUN = 4 << 5 | 0,
	INTERCEPT_VMMCALL = 4 << 5 | 1,
	INTERCEPT_VMLOAD = 4 << 5 | 2,
	INTERCEPT_VMSAVE = 4 << 5 | 3,
	INTERCEPT_STGI = 4 << 5 | 4,
	INTERCEPT_CLGI = 4 << 5 | 5,
	INTERCEPT_SKINIT = 4 << 5 | 6,
	INTERCEPT_WBINVD = 4 << 5 | 9,
	INTERCEPT_MONITOR = 4 << 5 | 10,
	INTERCEPT_MWAIT = 4 << 5 | 11,
	INTERCEPT_MWAIT_ARMED = 4 << 5 | 12,
	INTERCEPT_XSETBV = 4 << 5 | 13,
	INTERCEPT_RDPRU = 4 << 5 | 14,
};

/* Clean bits: set = unchanged since the last VMRUN (APM 2 15.15.3). */
#define CLEAN_INTERCEPTS 0x001u
#define CLEAN_TPR 0x008u
#define CLEAN_CR 0x020u
#define CLEAN_DR 0x040u
#define CLEAN_ASID 0x004u
#define CLEAN_ALL 0xfffu

#define TLB_NOTHING 0u
#define TLB_FLUSH_ALL 1u

/* vintr (offset 0x60) */
#define VINTR_TPR_MASK 0xfu
#define VINTR_IRQ 0x100u
#define VINTR_PRIORITY_MAX (0xfu << 16)
#define VINTR_IGNORE_TPR 0x100000u
#define VINTR_MASKING 0x1000000u

#define SHADOW_STI 0x1u

#define EVENT_VALID 0x80000000u

struct vmcb_segment {
	uint16_t selector, attrib;
	uint32_t limit;
	uint64_t base;
};

struct vmcb {
	uint32_t intercept[6];
	uint32_t reserved1[9];
	uint16_t pause_threshold, pause_count;
	uint64_t iopm_base, msrpm_base, tsc_offset;
	uint32_t asid;
	uint8_t tlb_control, reserved2[3];
	uint64_t vintr;
	uint64_t shadow;
	uint64_t exit_code, exit_info1, exit_info2, exit_int_info;
	uint64_t nested_enable;
	uint64_t avic_bar, ghcb;
	uint64_t event;
	uint64_t ncr3;
	uint64_t lbr_enable;
	uint32_t clean, reserved3;
	uint64_t next_rip;
	uint8_t insn_bytes, insn[15];
	uint8_t reserved4[0x400 - 0xe0];

	/* The state save area. Segments in the order of enum sampo_sreg. */
	struct vmcb_segment seg[10];
	uint8_t reserved5[0x4cb - 0x4a0];
	uint8_t cpl;
	uint32_t reserved6;
	uint64_t efer;
	uint8_t reserved7[0x548 - 0x4d8];
	uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
	uint8_t reserved8[0x5d8 - 0x580];
	uint64_t rsp;
	uint8_t reserved9[0x5f8 - 0x5e0];
	uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
	uint8_t reserved10[0x668 - 0x648];
	uint64_t pat, debugctl;
	uint8_t reserved11[0x1000 - 0x678];
} __attribute__((packed, aligned(4096)));

_Static_assert(offsetof(struct vmcb, pause_threshold) == 0x3c, "VMCB");
_Static_assert(offsetof(struct vmcb, asid) == 0x58, "VMCB");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x70, "VMCB");
_Static_assert(offsetof(struct vmcb, nested_enable) == 0x90, "VMCB");
_Static_assert(offsetof(struct vmcb, event) == 0xa8, "VMCB");
_Static_assert(offsetof(struct vmcb, clean) == 0xc0, "VMCB");
_Static_assert(offsetof(struct vmcb, insn_bytes) == 0xd0, "VMCB");
_Static_assert(offsetof(struct vmcb, seg) == 0x400, "VMCB");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "VMCB");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "VMCB");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "VMCB");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "VMCB");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "VMCB");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "VMCB");
_Static_assert(offsetof(struct vmcb, pat) == 0x668, "VMCB");
_Static_assert(sizeof(struct vmcb) == 4096, "VMCB");
