/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of the CPU in which a guest begins. */
#include <string.h>

#include "guests/dom0/load/load.h"

#define CODE_REAL 0x9bu /* present, code, readable, accessed */
#define DATA_REAL 0x93u
#define LDT       0x82u
#define TSS_BUSY  0x8bu
#define FLAT      0xc00u /* 4 KiB granularity, 32 bits */
/* Where Linux wants its segments (Documentation/arch/x86/boot.rst); other
 * protocols leave the selectors open. */
#define BOOT_CS 0x10
#define BOOT_DS 0x18

static const enum sampo_sreg data_segments[] = {SAMPO_ES, SAMPO_SS, SAMPO_DS, SAMPO_FS, SAMPO_GS};

static void set_data(struct sampo_exit *regs, struct sampo_segment segment)
{
	for (unsigned i = 0; i < 5; i++)
		regs->seg[data_segments[i]] = segment;
}

void regs_reset(struct sampo_exit *regs)
{
	memset(regs->gpr, 0, sizeof(regs->gpr));
	regs->rip = 0xfff0;
	regs->rflags = 2;
	regs->seg[SAMPO_CS] = (struct sampo_segment){0xf000, CODE_REAL, 0xffff, 0xffff0000};
	set_data(regs, (struct sampo_segment){0, DATA_REAL, 0xffff, 0});
	regs->seg[SAMPO_GDTR] = (struct sampo_segment){0, 0, 0xffff, 0};
	regs->seg[SAMPO_IDTR] = (struct sampo_segment){0, 0, 0xffff, 0};
	regs->seg[SAMPO_LDTR] = (struct sampo_segment){0, LDT, 0xffff, 0};
	regs->seg[SAMPO_TR] = (struct sampo_segment){0, TSS_BUSY, 0xffff, 0};
	regs->cr0 = 0x60000010;
	regs->cr2 = regs->cr3 = regs->cr4 = regs->cr8 = regs->efer = 0;
	regs->dr6 = 0xffff0ff0;
	regs->dr7 = 0x400;
	regs->pat = 0x0007040600070406;
	regs->xcr0 = 1;
	regs->star = regs->lstar = regs->cstar = regs->sfmask = 0;
	regs->kernel_gs_base = 0;
	regs->sysenter_cs = regs->sysenter_esp = regs->sysenter_eip = 0;
	regs->apic_base = 0xfee00900;
	regs->interruptibility = 0;
	regs->inject = 0;
}

void regs_protected(struct sampo_exit *regs, uint32_t entry)
{
	regs->rip = entry;
	regs->cr0 = 0x11; /* PE, ET */
	regs->seg[SAMPO_CS] = (struct sampo_segment){BOOT_CS, CODE_REAL | FLAT, 0xffffffff, 0};
	set_data(regs, (struct sampo_segment){BOOT_DS, DATA_REAL | FLAT, 0xffffffff, 0});
	regs->seg[SAMPO_TR] = (struct sampo_segment){0, TSS_BUSY, 0x67, 0};
}

void regs_real(struct sampo_exit *regs, uint16_t segment, uint16_t offset)
{
	regs->rip = offset;
	regs->cr0 = 0x10;
	regs->seg[SAMPO_CS] =
		(struct sampo_segment){segment, CODE_REAL, 0xffff, (uint64_t)segment << 4};
	/* The interrupt vector table is at 0, as after any firmware. */
	regs->seg[SAMPO_IDTR] = (struct sampo_segment){0, 0, 0x3ff, 0};
}
