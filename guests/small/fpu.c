/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FPU's, SSE's and AVX's registers survive exits and other guests: run two
 * of these at the same time, with different words "seed=N".
 */
#include <stdio.h>
#include <string.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"

#define CR0_EM         0x4ull
#define CR0_MP         0x2ull
#define CR4_OSFXSR     0x200ull
#define CR4_OSXMMEXCPT 0x400ull
#define CR4_OSXSAVE    0x40000ull
#define CPUID_1_XSAVE  (1u << 26)
#define CPUID_1_AVX    (1u << 28)
#define XCR0_SSE       0x3ull
#define XCR0_AVX       0x7ull
#define COM2_SCRATCH   0x2ff
#define ROUNDS         300

/* SDM 1, 13.4: the XSAVE area, standard form. */
#define LEGACY_X87 32 /* 8 registers of 16 bytes, 10 used */
#define LEGACY_XMM 160
#define XMM_BYTES  256
#define HEADER     512
#define YMM_HIGH   576
#define AREA       4096

static _Alignas(64) uint8_t put[AREA], got[AREA];
static uint64_t components;

static void enable(void)
{
	uint32_t leaf[4];
	uint64_t cr0, cr4;

	cpuid(1, 0, leaf);
	try_read_cr(0, &cr0);
	try_read_cr(4, &cr4);
	try_write_cr(0, (cr0 & ~CR0_EM) | CR0_MP);
	cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
	if (leaf[2] & CPUID_1_XSAVE)
		cr4 |= CR4_OSXSAVE;
	try_write_cr(4, cr4);
	if (!(leaf[2] & CPUID_1_XSAVE))
		return;
	components = leaf[2] & CPUID_1_AVX ? XCR0_AVX : XCR0_SSE;
	check(try_xsetbv(0, components) == NO_FAULT, "XSETBV", "fault");
}

static void load(void)
{
	if (!components)
		__asm__ volatile("fxrstor64 %0" : : "m"(put));
	else
		__asm__ volatile("xrstor64 %0" : : "m"(put), "a"((uint32_t)components), "d"(0));
}

static void store(void)
{
	if (!components)
		__asm__ volatile("fxsave64 %0" : "=m"(got));
	else
		__asm__ volatile("xsave64 %0" : "+m"(got) : "a"((uint32_t)components), "d"(0));
}

static void fill(uint64_t *seed)
{
	memset(put, 0, sizeof(put));
	put[0] = 0x7f; /* FCW: all exceptions masked */
	put[1] = 0x03;
	put[4] = 0xff;  /* tags: all in use */
	put[24] = 0x80; /* MXCSR */
	put[25] = 0x1f;
	for (unsigned r = 0; r < 8; r++)
		for (unsigned i = 0; i < 10; i++)
			put[LEGACY_X87 + r * 16 + i] = (uint8_t)random_next(seed);
	for (unsigned i = 0; i < XMM_BYTES; i++) {
		put[LEGACY_XMM + i] = (uint8_t)random_next(seed);
		put[YMM_HIGH + i] = (uint8_t)random_next(seed);
	}
	put[HEADER] = (uint8_t)components;
}

static void exits(unsigned round)
{
	uint32_t leaf[4];

	for (unsigned i = 0; i < 20; i++) {
		cpuid(0, 0, leaf);
		outb(COM2_SCRATCH, (uint8_t)round);
		inb(COM2_SCRATCH);
	}
	for (unsigned i = 0; i < 2000; i++)
		cpu_relax();
}

static bool same(unsigned from, unsigned bytes)
{
	return !memcmp(put + from, got + from, bytes);
}

static bool same_x87(void)
{
	for (unsigned r = 0; r < 8; r++)
		if (!same(LEGACY_X87 + r * 16, 10))
			return false;
	return same(0, 2);
}

/* Before anything is loaded, nothing of another guest may be seen. */
static void check_fresh(void)
{
	unsigned bytes = 0;

	store();
	for (unsigned i = 0; i < XMM_BYTES; i++) {
		bytes += got[LEGACY_XMM + i] != 0;
		bytes += got[YMM_HIGH + i] != 0;
	}
	check(!bytes, "registers are fresh", "%u bytes are not 0", bytes);
}

int main(void)
{
	uint64_t seed = option("seed", 1);
	unsigned x87 = 0, sse = 0, avx = 0;

	faults_init();
	enable();
	check_fresh();
	for (unsigned i = 0; i < ROUNDS; i++) {
		fill(&seed);
		load();
		exits(i);
		store();
		x87 += !same_x87();
		sse += !same(LEGACY_XMM, XMM_BYTES) || !same(24, 2);
		if (components == XCR0_AVX)
			avx += !same(YMM_HIGH, XMM_BYTES);
	}
	check(!x87, "x87 state", "%u of %u lost", x87, ROUNDS);
	check(!sse, "SSE state", "%u of %u lost", sse, ROUNDS);
	check(!avx, "AVX state", "%u of %u lost", avx, ROUNDS);
	check_end();
	guest_poweroff();
}
