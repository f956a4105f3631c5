/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses to control registers: what the architecture allows takes effect
 * (SDM 3A, 2.5), and forbidden values of XCR0, and reserved bits of CR3 and
 * CR4, raise #GP. Others of CR0, CR3 and CR4 are crash.c's, because emulators do not check them
 * all.
 */
#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"

#define CR0_MP        0x2ull
#define CR0_EM        0x4ull
#define CR0_TS        0x8ull
#define CR0_NE        0x20ull
#define CR0_WP        0x10000ull
#define CR0_AM        0x40000ull
#define CR0_CD        0x40000000ull
#define CR4_TSD       0x4ull
#define CR4_DE        0x8ull
#define CR4_MCE       0x40ull
#define CR4_PGE       0x80ull
#define CR4_OSFXSR    0x200ull
#define CR4_OSXSAVE   0x40000ull
#define CR4_VMXE      0x2000ull
#define CPUID_1_XSAVE (1u << 26)

static uint64_t cr0, cr3, cr4;

static void taken(const char *name, unsigned cr, uint64_t value)
{
	uint64_t old = 0, now = 0;
	int fault;

	try_read_cr(cr, &old);
	fault = try_write_cr(cr, value);
	try_read_cr(cr, &now);
	check(fault == NO_FAULT && now == value, name, "vector %d, %#llx", fault,
	      (unsigned long long)now);
	try_write_cr(cr, old);
}

static void check_cr0(void)
{
	taken("CR0: TS", 0, cr0 | CR0_TS);
	taken("CR0: WP off", 0, cr0 & ~CR0_WP);
	taken("CR0: EM and MP", 0, (cr0 ^ CR0_EM) | CR0_MP);
	taken("CR0: CD", 0, cr0 | CR0_CD);
	taken("CR0: AM", 0, cr0 | CR0_AM);
	taken("CR0: NE", 0, cr0 | CR0_NE);
}

static void check_small_instructions(void)
{
	uint64_t now = 0, msw = 0;

	try_write_cr(0, cr0 | CR0_TS);
	__asm__ volatile("clts");
	try_read_cr(0, &now);
	check(!(now & CR0_TS), "CLTS", "%#llx", (unsigned long long)now);
	__asm__ volatile("smsw %0" : "=r"(msw));
	check((msw & 0xffff) == (cr0 & 0xffff & ~CR0_TS), "SMSW", "%#llx", (unsigned long long)msw);
	__asm__ volatile("lmsw %w0" : : "r"((uint16_t)(cr0 | CR0_TS)));
	try_read_cr(0, &now);
	check(now == (cr0 | CR0_TS), "LMSW", "%#llx", (unsigned long long)now);
	try_write_cr(0, cr0);
}

static void check_cr4(void)
{
	taken("CR4: PGE", 4, cr4 ^ CR4_PGE);
	taken("CR4: MCE on", 4, cr4 | CR4_MCE);
	taken("CR4: MCE off", 4, cr4 & ~CR4_MCE);
	taken("CR4: MCE and DE", 4, (cr4 ^ CR4_MCE) | CR4_DE);
	taken("CR4: DE", 4, cr4 | CR4_DE);
	taken("CR4: TSD", 4, cr4 | CR4_TSD);
	taken("CR4: OSFXSR", 4, cr4 | CR4_OSFXSR);
}

/* Bits that no CPU has, or this guest's has not. */
static void refused(const char *name, unsigned cr, uint64_t value)
{
	uint64_t now = 0, old = 0;
	int fault;

	try_read_cr(cr, &old);
	fault = try_write_cr(cr, value);
	try_read_cr(cr, &now);
	check(fault == VECTOR_GP && now == old, name, "vector %d, %#llx", fault,
	      (unsigned long long)now);
}

static void check_reserved(void)
{
	for (unsigned i = 0; i < 3; i++) {
		refused("CR4: bit 31", 4, cr4 | 1ull << 31);
		refused("CR4: bit 40", 4, cr4 | 1ull << 40);
		refused("CR4: VMXE", 4, cr4 | CR4_VMXE);
		refused("CR3: bit 60", 3, cr3 | 1ull << 60);
	}
}

static void check_cr3(void)
{
	taken("CR3: reload", 3, cr3);
	taken("CR3: cache bits", 3, cr3 | 0x18);
}

static void check_cr8(void)
{
	taken("CR8: 15", 8, 15);
	taken("CR8: 0", 8, 0);
}

static void check_xcr0(void)
{
	uint32_t leaf[4], low, high;
	int fault;

	cpuid(1, 0, leaf);
	if (!(leaf[2] & CPUID_1_XSAVE))
		return;
	fault = try_xsetbv(0, 3);
	check(fault == VECTOR_UD, "XSETBV without OSXSAVE", "vector %d", fault);
	try_write_cr(4, cr4 | CR4_OSXSAVE);
	fault = try_xsetbv(0, 2);
	check(fault == VECTOR_GP, "XCR0 without x87", "vector %d", fault);
	fault = try_xsetbv(0, 5);
	check(fault == VECTOR_GP, "XCR0: AVX without SSE", "vector %d", fault);
	fault = try_xsetbv(0, 1ull << 62 | 3);
	check(fault == VECTOR_GP, "XCR0: reserved bit", "vector %d", fault);
	fault = try_xsetbv(7, 3);
	check(fault == VECTOR_GP, "XSETBV: no such register", "vector %d", fault);
	fault = try_xsetbv(0, 3);
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	check(fault == NO_FAULT && low == 3 && !high, "XCR0", "vector %d, %#x", fault, low);
	try_write_cr(4, cr4);
}

int main(void)
{
	faults_init();
	try_read_cr(0, &cr0);
	try_read_cr(3, &cr3);
	try_read_cr(4, &cr4);
	check_cr0();
	check_small_instructions();
	check_cr3();
	check_cr4();
	check_reserved();
	check_cr8();
	check_xcr0();
	check_end();
	guest_poweroff();
}
