/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/cpu/walk.c guests/dom0/vm/ram.c */
/* A guest's page tables in all the modes, with rights, faults and the bits
 * that the CPU sets. */
#include "tests/unit/unit.h"

#include "guests/dom0/cpu/insn.h"

#define RAM   (1u << 20)
#define P     1u
#define W     2u
#define U     4u
#define A     0x20u
#define D     0x40u
#define LARGE 0x80u
#define NX    (1ull << 63)

#define CR0  0x80010001ull /* PG, WP, PE */
#define PAE  0x20ull
#define PSE  0x10ull
#define LONG 0xd00ull /* NXE, LMA, LME */

static struct vm vm;
static struct sampo_exit regs;
static uint8_t ram[RAM] __attribute__((aligned(8)));
static uint64_t gpa;
static uint32_t code;

static int start(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	memset(&regs, 0, sizeof(regs));
	memset(ram, 0, sizeof(ram));
	vm.ram = ram;
	vm.ram_bytes = RAM;
	regs.cr0 = CR0;
	regs.cr3 = 0x1000;
	return 0;
}

static uint64_t *entry64(uint64_t at, unsigned index)
{
	return (uint64_t *)(void *)(ram + at) + index;
}

static uint32_t *entry32(uint64_t at, unsigned index)
{
	return (uint32_t *)(void *)(ram + at) + index;
}

/* 0x7f80_4020_3xxx through entries 255, 1, 1, 3 at 1000h, 2000h, 3000h, 4000h */
#define LINEAR 0x7f8040203000ull
static void make_long(void)
{
	regs.cr4 = PAE;
	regs.efer = LONG;
	*entry64(0x1000, 255) = 0x2000 | P | W | U;
	*entry64(0x2000, 1) = 0x3000 | P | W | U;
	*entry64(0x3000, 1) = 0x4000 | P | W | U;
	*entry64(0x4000, 3) = 0xd0005000 | P | W | U;
}

static enum walk_result go(uint64_t linear, unsigned access)
{
	gpa = code = 0;
	return walk(&vm, &regs, linear, access, &gpa, &code);
}

static void test_no_paging(void **state)
{
	(void)state;
	regs.cr0 = 1;
	assert_int_equal(go(0x1234567890, 0), WALK_OK);
	assert_int_equal(gpa, 0x34567890);
}

static void test_long(void **state)
{
	(void)state;
	make_long();
	assert_int_equal(go(LINEAR + 0x123, 0), WALK_OK);
	assert_int_equal(gpa, 0xd0005123);
	assert_int_equal(*entry64(0x1000, 255), 0x2000 | P | W | U | A);
	assert_int_equal(*entry64(0x4000, 3), 0xd0005000 | P | W | U | A);
	assert_int_equal(go(LINEAR, WALK_WRITE), WALK_OK);
	assert_int_equal(*entry64(0x4000, 3), 0xd0005000 | P | W | U | A | D);
	assert_int_equal(*entry64(0x3000, 1), 0x4000 | P | W | U | A);
	assert_int_equal(go(LINEAR + 0x1000, WALK_WRITE), WALK_FAULT);
	assert_int_equal(code, 2);
}

static void test_large_pages(void **state)
{
	(void)state;
	make_long();
	*entry64(0x3000, 1) = 0x40000000 | P | W | U | LARGE;
	assert_int_equal(go(LINEAR + 0x123, WALK_WRITE), WALK_OK);
	assert_int_equal(gpa, 0x40003123);
	assert_true(*entry64(0x3000, 1) & D);
	*entry64(0x2000, 1) = 0x1c0000000 | P | W | U | LARGE;
	assert_int_equal(go(LINEAR + 0x123, 0), WALK_OK);
	assert_int_equal(gpa, 0x1c0203123);
	assert_false(*entry64(0x2000, 1) & D);
}

static void test_rights(void **state)
{
	(void)state;
	make_long();
	*entry64(0x3000, 1) &= ~(uint64_t)W;
	assert_int_equal(go(LINEAR, WALK_WRITE), WALK_FAULT);
	assert_int_equal(code, 3);
	assert_false(*entry64(0x4000, 3) & A);
	regs.cr0 &= ~0x10000ull; /* WP off: the supervisor may */
	assert_int_equal(go(LINEAR, WALK_WRITE), WALK_OK);
	regs.seg[SAMPO_SS].attrib = 3 << 5; /* CPL 3 may not */
	assert_int_equal(go(LINEAR, WALK_WRITE), WALK_FAULT);
	assert_int_equal(code, 7);
	assert_int_equal(go(LINEAR, 0), WALK_OK);
	*entry64(0x1000, 255) &= ~(uint64_t)U;
	assert_int_equal(go(LINEAR, 0), WALK_FAULT);
	assert_int_equal(code, 5);
	assert_int_equal(go(LINEAR, WALK_IMPLICIT), WALK_OK);
}

static void test_fetch_rights(void **state)
{
	(void)state;
	make_long();
	assert_int_equal(go(LINEAR, WALK_FETCH), WALK_OK);
	regs.cr4 |= 1 << 20; /* SMEP */
	assert_int_equal(go(LINEAR, WALK_FETCH), WALK_FAULT);
	assert_int_equal(code, 0x11);
	*entry64(0x4000, 3) &= ~(uint64_t)U;
	assert_int_equal(go(LINEAR, WALK_FETCH), WALK_OK);
	*entry64(0x2000, 1) |= NX;
	assert_int_equal(go(LINEAR, WALK_FETCH), WALK_FAULT);
	assert_int_equal(code, 0x11);
	assert_int_equal(go(LINEAR, 0), WALK_OK);
	regs.efer &= ~0x800ull; /* NXE off: the bit is reserved */
	assert_int_equal(go(LINEAR, 0), WALK_FAULT);
	assert_int_equal(code, 9);
}

static void test_smap(void **state)
{
	(void)state;
	make_long();
	regs.cr4 |= 1 << 21;
	assert_int_equal(go(LINEAR, 0), WALK_FAULT);
	assert_int_equal(code, 1);
	regs.rflags = 1 << 18; /* AC */
	assert_int_equal(go(LINEAR, 0), WALK_OK);
	assert_int_equal(go(LINEAR, WALK_IMPLICIT), WALK_FAULT);
	regs.rflags = 0;
	*entry64(0x4000, 3) &= ~(uint64_t)U;
	assert_int_equal(go(LINEAR, 0), WALK_OK);
}

static void test_tables_outside_ram(void **state)
{
	(void)state;
	make_long();
	*entry64(0x2000, 1) = 0xd0000000 | P | W | U;
	assert_int_equal(go(LINEAR, 0), WALK_BROKEN);
	regs.cr3 = 0xfffffffff000;
	assert_int_equal(go(LINEAR, 0), WALK_BROKEN);
}

/* PAE: three levels, the top one 4 entries at 32 bytes, without rights. */
static void test_pae(void **state)
{
	(void)state;
	regs.cr4 = PAE;
	regs.cr3 = 0x1020;
	*entry64(0x1020, 3) = 0x2000 | P;
	*entry64(0x2000, 1) = 0x3000 | P | W;
	*entry64(0x3000, 2) = 0x23000 | P | W;
	assert_int_equal(go(0xc0202abc, WALK_WRITE), WALK_OK);
	assert_int_equal(gpa, 0x23abc);
	assert_int_equal(*entry64(0x1020, 3), 0x2000 | P);
	*entry64(0x2000, 1) = 0x200000 | P | W | LARGE;
	assert_int_equal(go(0xffffffffc0202abc, 0), WALK_OK);
	assert_int_equal(gpa, 0x202abc);
	assert_int_equal(go(0x80000000, 0), WALK_FAULT);
	assert_int_equal(code, 0);
}

static void test_legacy(void **state)
{
	(void)state;
	*entry32(0x1000, 0x301) = 0x2000 | P | W;
	*entry32(0x2000, 2) = 0xfec00000 | P | W;
	assert_int_equal(go(0xc0402010, WALK_WRITE), WALK_OK);
	assert_int_equal(gpa, 0xfec00010);
	assert_int_equal(*entry32(0x2000, 2), 0xfec00000 | P | W | A | D);
	assert_int_equal(*entry32(0x2000, 3), 0);
	/* bit 7 of a directory entry means nothing without CR4.PSE */
	*entry32(0x1000, 0x301) |= LARGE;
	assert_int_equal(go(0xc0402010, 0), WALK_OK);
	regs.cr4 = PSE;
	/* PSE-36: 4 MiB at 0x3_0080_0000 */
	*entry32(0x1000, 0x301) = 0x00800000 | 3 << 13 | P | W | LARGE;
	assert_int_equal(go(0xc0402010, 0), WALK_OK);
	assert_int_equal(gpa, 0x300802010);
}

static void test_modes(void **state)
{
	(void)state;
	regs.cr0 = 0;
	assert_int_equal(cpu_mode(&regs), MODE_16);
	regs.cr0 = CR0;
	assert_int_equal(cpu_mode(&regs), MODE_16);
	regs.seg[SAMPO_CS].attrib = 0xc9b;
	assert_int_equal(cpu_mode(&regs), MODE_32);
	regs.rflags = 1 << 17;
	assert_int_equal(cpu_mode(&regs), MODE_16);
	regs.rflags = 0;
	regs.seg[SAMPO_CS].attrib = 0xa9b;
	assert_int_equal(cpu_mode(&regs), MODE_16);
	regs.efer = LONG;
	assert_int_equal(cpu_mode(&regs), MODE_64);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_paging),
		TEST(test_long),
		TEST(test_large_pages),
		TEST(test_rights),
		TEST(test_fetch_rights),
		TEST(test_smap),
		TEST(test_tables_outside_ram),
		TEST(test_pae),
		TEST(test_legacy),
		TEST(test_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
