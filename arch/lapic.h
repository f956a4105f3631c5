/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC, the CPU's as a guest's: SDM volume 3, chapter 11. */
#pragma once

/* Registers by offset / 16, which is also the x2APIC MSR - 0x800 (SDM tables 11-1, 11-6). */
enum {
	LAPIC_ID = 0x02,
	LAPIC_VERSION = 0x03,
	LAPIC_TPR = 0x08,
	LAPIC_APR = 0x09,
	LAPIC_PPR = 0x0a,
	LAPIC_EOI = 0x0b,
	LAPIC_LDR = 0x0d,
	LAPIC_DFR = 0x0e,
	LAPIC_SVR = 0x0f,
	LAPIC_ISR = 0x10, /* eight each: a bit for each vector */
	LAPIC_TMR = 0x18,
	LAPIC_IRR = 0x20,
	LAPIC_ESR = 0x28,
	LAPIC_ICR = 0x30,
	LAPIC_ICR_HIGH = 0x31,
	LAPIC_LVT_TIMER = 0x32,
	LAPIC_LVT_THERMAL = 0x33,
	LAPIC_LVT_PERF = 0x34,
	LAPIC_LVT_LINT0 = 0x35,
	LAPIC_LVT_LINT1 = 0x36,
	LAPIC_LVT_ERROR = 0x37,
	LAPIC_INITIAL_COUNT = 0x38,
	LAPIC_CURRENT_COUNT = 0x39,
	LAPIC_DIVIDE = 0x3e,
	LAPIC_SELF_IPI = 0x3f,
	LAPIC_REGISTERS = 0x40
};

#define SVR_ENABLE     0x100u
#define LVT_MASKED     0x10000u
#define TIMER_MODE     0x60000u
#define TIMER_DEADLINE 0x40000u
#define ICR_BUSY       0x1000u
