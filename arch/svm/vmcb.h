/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual machine control block: APM 2 appendix B. */
#pragma once

#include "kernel/abi.h"
#include "kernel/base/types.h"

/* Exit codes (APM 2 appendix C); below 0xa0 the intercept's bit number as well (APM 2 B.1). */
enum vmexit {
	VMEXIT_CR0_WRITE = 0x10,
	VMEXIT_CR4_WRITE = 0x14,
	VMEXIT_CR8_WRITE = 0x18,
	VMEXIT_DR = 0x20,        /* + number; from 0x30 on writes */
	VMEXIT_EXCEPTION = 0x40, /* + vector */
	VMEXIT_INTR = 0x60,
	VMEXIT_NMI = 0x61,
	VMEXIT_INIT = 0x63,
	VMEXIT_VINTR = 0x64,
	VMEXIT_RDPMC = 0x6f,
	VMEXIT_CPUID = 0x72,
	VMEXIT_IRET = 0x74,
	VMEXIT_INVD = 0x76,
	VMEXIT_PAUSE = 0x77,
	VMEXIT_HLT = 0x78,
	VMEXIT_INVLPGA = 0x7a,
	VMEXIT_IOIO = 0x7b,
	VMEXIT_MSR = 0x7c,
	VMEXIT_SHUTDOWN = 0x7f,
	VMEXIT_VMRUN = 0x80,
	VMEXIT_VMMCALL = 0x81,
	VMEXIT_VMLOAD = 0x82,
	VMEXIT_SKINIT = 0x86,
	VMEXIT_WBINVD = 0x89,
	VMEXIT_MONITOR = 0x8a,
	VMEXIT_MWAIT_CONDITIONAL = 0x8c,
	VMEXIT_XSETBV = 0x8d,
	VMEXIT_RDPRU = 0x8e,
	VMEXIT_BUSLOCK = 0xa5,
	VMEXIT_INTERCEPTS, /* behind the last */
	VMEXIT_NPF = 0x400,
};
#define VMEXIT_INVALID 0xffffffffu /* QEMU extends it with zeros */

/* Clean bits: set = unchanged since the last VMRUN (APM 2 15.15.3). */
#define CLEAN_INTERCEPTS  0x001u
#define CLEAN_PERMISSIONS 0x002u
#define CLEAN_TPR         0x008u
#define CLEAN_CR          0x020u
#define CLEAN_DR          0x040u
#define CLEAN_ASID        0x004u
#define CLEAN_ALL         0xfffu

#define TLB_NOTHING    0u
#define TLB_FLUSH_ALL  1u
#define TLB_FLUSH_ASID 3u /* with SVM_HAS_FLUSH_BY_ASID */

/* vintr (offset 0x60) */
#define VINTR_TPR_MASK 0xfu
#define VINTR_IRQ      0x100u
#define VINTR_REQUEST \
	(VINTR_IRQ | 0xfu << 16 | 0x100000u) /* of the highest priority, whatever the TPR */
#define VINTR_MASKING 0x1000000u

#define SHADOW_STI 0x1u

#define EVENT_VALID 0x80000000u

/* exit_info1 of IOIO (APM 2 15.10.2) and of NPF (APM 2 15.25.6) */
#define IOIO_IN     0x1u
#define IOIO_STRING 0x4u
#define IOIO_REP    0x8u
#define NPF_WRITE   0x2u
#define NPF_FETCH   0x10u
#define NPF_WALK    (1ull << 33) /* by the walk of the guest's own tables */

struct vmcb {
	uint32_t intercept[6];
	uint32_t reserved1[9];
	uint16_t pause_threshold, pause_count;
	uint64_t iopm_base, msrpm_base, tsc_offset;
	uint32_t asid;
	uint8_t tlb_control, reserved2[3];
	uint32_t vintr;
	uint8_t vintr_vector, reserved13[3];
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
	uint8_t reserved4[0x120 - 0xe0];
	uint16_t bus_locks; /* that are allowed until the next exit */
	uint8_t reserved12[0x400 - 0x122];

	/* The state save area. Segments in the order of enum sampo_sreg. */
	struct sampo_segment seg[SAMPO_SREGS];
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

#define AT(member, offset) _Static_assert(offsetof(struct vmcb, member) == (offset), "VMCB")
AT(exit_code, 0x70);
AT(insn_bytes, 0xd0);
AT(seg, 0x400);
AT(cr4, 0x548);
AT(pat, 0x668);
_Static_assert(sizeof(struct vmcb) == 4096, "VMCB");
#undef AT
