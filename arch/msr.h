/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers by number (SDM volume 4, APM volume 2 appendix A), and bits of these and
 * of other registers. */
#pragma once

/* Both vendors' permission bitmaps begin with MSRs from 0 and from here, 0x2000 of each. */
#define MSR_HIGH       0xc0000000u
#define MSR_RANGE_MASK 0x1fffu

#define MSR_TSC            0x00000010u
#define MSR_APIC_BASE      0x0000001bu
#define MSR_TSC_ADJUST     0x0000003bu
#define MSR_SPEC_CTRL      0x00000048u
#define MSR_PRED_CMD       0x00000049u
#define MSR_MICROCODE      0x0000008bu
#define MSR_ARCH_CAPS      0x0000010au
#define MSR_FLUSH_CMD      0x0000010bu
#define MSR_SYSENTER_CS    0x00000174u
#define MSR_SYSENTER_ESP   0x00000175u
#define MSR_SYSENTER_EIP   0x00000176u
#define MSR_MISC_ENABLE    0x000001a0u
#define MSR_PAT            0x00000277u
#define MSR_TSC_DEADLINE   0x000006e0u
#define MSR_X2APIC         0x00000800u /* + register offset / 16 */
#define MSR_X2APIC_LAST    0x000008ffu
#define MSR_XSS            0x00000da0u
#define MSR_KVM_STEAL      0x4b564d03u
#define MSR_KVM_EOI        0x4b564d04u
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_CSTAR          0xc0000083u
#define MSR_SFMASK         0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX        0xc0000103u
#define MSR_TSC_RATIO      0xc0000104u
#define MSR_DE_CFG         0xc0011029u
#define MSR_BP_CFG         0xc001102eu
#define MSR_VM_CR          0xc0010114u
#define MSR_VM_HSAVE_PA    0xc0010117u

#define RFLAGS_TF 0x100ull
#define RFLAGS_IF 0x200ull
#define CR0_PE    0x1ull
#define CR0_TS    0x8ull
#define CR0_ET    0x10ull
#define CR0_PG    0x80000000ull
#define CR4_VMXE  0x2000ull

#define APIC_BASE_BSP    0x100u
#define APIC_BASE_X2APIC 0x400u
#define APIC_BASE_ENABLE 0x800u

#define EFER_SCE    0x0001u
#define EFER_LME    0x0100u
#define EFER_LMA    0x0400u
#define EFER_NXE    0x0800u
#define EFER_SVME   0x1000u
#define EFER_AIBRSE 0x200000u
#define EFER_GUEST  ((uint64_t)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) /* what one may have */

#define DEBUGCTL_BTF 0x2ull /* TF stops at branches */

#define DR6_HITS  0xfull /* B0 to B3 */
#define DR6_BS    0x4000ull
#define DR6_GUEST 0xe00full /* what can be set */
#define DR6_FIXED 0xffff0ff0ull
