/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/vcpu/vlapic.c */
#include "arch/msr.h"
#include "kernel/vcpu/vlapic.h"
#include "tests/unit/unit.h"

#define KHZ     2500000u /* 2.5 ticks per count of the timer */
#define X(reg)  (MSR_X2APIC + (reg))
#define ENABLED 0x1ff

static uint32_t page[LAPIC_REGISTERS * 4];
static struct vlapic v = {.reg = (void *)page};
static struct vlapic_effect effect;

static int wr(uint32_t msr, uint64_t value)
{
	return vlapic_msr_write(&v, msr, value, 0, &effect);
}

static int wr_at(uint32_t msr, uint64_t value, uint64_t now)
{
	return vlapic_msr_write(&v, msr, value, now, &effect);
}

static uint64_t rd_at(uint32_t msr, uint64_t now)
{
	uint64_t value = 0xdead;

	assert_int_equal(vlapic_msr_read(&v, msr, &value, now), 0);
	return value;
}

static uint64_t rd(uint32_t msr)
{
	return rd_at(msr, 0);
}

static void mmio_wr(uint32_t offset, uint32_t value)
{
	vlapic_mmio_write(&v, offset, value, 0, &effect);
}

static uint32_t mmio_rd(uint32_t offset)
{
	return vlapic_mmio_read(&v, offset, 0);
}

static void xapic(uint32_t id)
{
	effect = (struct vlapic_effect){0};
	vlapic_init(&v, id, id == 0, KHZ);
	mmio_wr(0xf0, ENABLED);
}

static void x2apic(uint32_t id)
{
	xapic(id);
	assert_true(wr(MSR_APIC_BASE, 0xfee00c00 | (id ? 0 : 0x100)) > 0);
	assert_int_equal(wr(X(0x0f), ENABLED), 0);
}

static void test_power_up(void **state)
{
	(void)state;
	vlapic_init(&v, 3, false, KHZ);
	assert_int_equal(rd(MSR_APIC_BASE), 0xfee00800);
	assert_int_equal(mmio_rd(0x20), 3u << 24);
	assert_int_equal(mmio_rd(0x30), 0x50014);
	assert_int_equal(mmio_rd(0xf0), 0xff);
	assert_int_equal(mmio_rd(0xe0), 0xffffffff);
	for (uint32_t offset = 0x320; offset <= 0x370; offset += 0x10)
		assert_int_equal(mmio_rd(offset), 0x10000);
	assert_int_equal(vlapic_pending(&v), 0);
	assert_false(vlapic_accept(&v, 0x40, false)); /* software-disabled */
	assert_true(vlapic_extint_allowed(&v));
	assert_int_equal(v.deadline, VLAPIC_NEVER);
	vlapic_init(&v, 0, true, KHZ);
	assert_int_equal(rd(MSR_APIC_BASE), 0xfee00900);
	assert_true(sizeof(v) <= 1024);
}

static void test_priorities(void **state)
{
	(void)state;
	x2apic(0);
	assert_true(vlapic_accept(&v, 0x41, false));
	assert_int_equal(vlapic_pending(&v), 0x41);
	assert_true(vlapic_accept(&v, 0xef, false));
	assert_true(vlapic_accept(&v, 0x80, false));
	assert_int_equal(vlapic_pending(&v), 0xef);
	vlapic_take(&v, 0xef);
	assert_int_equal(vlapic_pending(&v), 0);
	assert_int_equal(rd(X(0x0a)), 0xe0);
	assert_true(vlapic_accept(&v, 0xe1, false)); /* the same class waits */
	assert_int_equal(vlapic_pending(&v), 0);
	assert_true(vlapic_accept(&v, 0xf0, false)); /* nested */
	assert_int_equal(vlapic_pending(&v), 0xf0);
	vlapic_take(&v, 0xf0);
	assert_int_equal(rd(X(0x17)), 0x18000);
	assert_int_equal(wr(X(0x0b), 0), 0); /* ends 0xf0 */
	assert_int_equal(vlapic_pending(&v), 0);
	assert_int_equal(wr(X(0x0b), 0), 0); /* ends 0xef */
	assert_int_equal(vlapic_pending(&v), 0xe1);
	vlapic_take(&v, 0xe1);
	assert_int_equal(wr(X(0x0b), 0), 0);
	assert_int_equal(vlapic_pending(&v), 0x80);
	assert_int_equal(rd(X(0x24)), 1);
	assert_int_equal(rd(X(0x22)), 2);
}

static void test_tpr(void **state)
{
	(void)state;
	x2apic(0);
	assert_int_equal(wr(X(0x08), 0x4f), VLAPIC_DO_SYNC);
	assert_int_equal(rd(X(0x0a)), 0x4f);
	assert_int_equal(vlapic_cr8(&v), 4);
	vlapic_accept(&v, 0x4f, false);
	assert_int_equal(vlapic_pending(&v), 0);
	assert_true(v.pending & VLAPIC_BLOCKED);
	vlapic_set_cr8(&v, 4); /* nothing new: the lower half stays */
	assert_int_equal(rd(X(0x08)), 0x4f);
	vlapic_set_cr8(&v, 3);
	assert_int_equal(rd(X(0x08)), 0x30);
	assert_int_equal(vlapic_pending(&v), 0x4f);
	assert_false(v.pending & VLAPIC_BLOCKED);
	vlapic_take(&v, 0x4f);
	assert_int_equal(rd(X(0x0a)), 0x40);
	vlapic_accept(&v, 0x4e, false);
	assert_false(v.pending & VLAPIC_BLOCKED); /* blocked by what is in service */
	assert_int_equal(wr(X(0x08), 0x100), -1);
}

static void test_level_eoi(void **state)
{
	(void)state;
	x2apic(0);
	vlapic_accept(&v, 0x30, true);
	assert_int_equal(rd(X(0x19)), 1 << 16);
	vlapic_take(&v, 0x30);
	assert_int_equal(wr(X(0x0b), 0), VLAPIC_DO_EOI);
	assert_int_equal(effect.vector, 0x30);
	assert_int_equal(wr(X(0x0b), 0), 0); /* nothing in service */
	vlapic_accept(&v, 0x30, false);
	assert_int_equal(rd(X(0x19)), 0);
	vlapic_take(&v, 0x30);
	assert_int_equal(wr(X(0x0b), 0), 0);
	assert_int_equal(wr(X(0x0b), 1), -1);
}

/* The CPU changes the registers and delivers: what it does not know is told, the rest is looked up.
 */
static void test_hardware(void **state)
{
	(void)state;
	x2apic(0);
	v.hardware = true;
	v.reg[LAPIC_ISR + 2].value = 1; /* 0x40 in service */
	vlapic_update(&v);
	assert_int_equal(rd(X(0x0a)), 0x40);
	assert_true(vlapic_accept(&v, 0x31, false));
	assert_int_equal(vlapic_pending(&v), 0); /* it ends no HLT */
	assert_true(v.pending & VLAPIC_BLOCKED); /* but the CPU must hear of it */
	v.pending &= ~VLAPIC_BLOCKED;
	v.reg[LAPIC_IRR + 7].value = 2; /* a self-IPI of 0xe1 */
	vlapic_update(&v);
	assert_int_equal(vlapic_pending(&v), 0xe1);
	assert_int_equal(vlapic_highest(&v, LAPIC_ISR), 0x40);
	v.pending &= ~VLAPIC_BLOCKED;
	assert_true(vlapic_accept(&v, 0xf2, true));
	assert_int_equal(vlapic_pending(&v), 0xf2);
	assert_true(v.pending & VLAPIC_BLOCKED);
	vlapic_init(&v, 0, true, KHZ);
	assert_false(v.hardware);
	assert_int_equal(vlapic_pending(&v), 0);
}

static void test_every_vector(void **state)
{
	(void)state;
	x2apic(0);
	for (unsigned vector = 16; vector < 256; vector++) {
		assert_true(vlapic_accept(&v, (uint8_t)vector, vector & 1));
		assert_int_equal(vlapic_pending(&v), vector);
	}
	for (unsigned vector = 255; vector >= 16; vector--) {
		assert_int_equal(vlapic_pending(&v), vector);
		vlapic_take(&v, (uint8_t)vector);
		assert_int_equal(wr(X(0x0b), 0), vector & 1 ? VLAPIC_DO_EOI : 0);
	}
	assert_int_equal(vlapic_pending(&v), 0);
	assert_int_equal(vlapic_highest(&v, LAPIC_IRR) | vlapic_highest(&v, LAPIC_ISR), 0);
}

static void test_apic_base(void **state)
{
	(void)state;
	xapic(0x25);
	assert_int_equal(wr(MSR_APIC_BASE, 0xfee00400), -1);    /* x2APIC without enable */
	assert_int_equal(wr(MSR_APIC_BASE, 0xfee00801), -1);    /* reserved */
	assert_int_equal(wr(MSR_APIC_BASE, 0x100fee00800), -1); /* the registers do not move */
	assert_int_equal(wr(MSR_APIC_BASE, 0xfed00800), -1);
	assert_int_equal(rd(MSR_APIC_BASE), 0xfee00800);
	assert_int_equal(wr(X(0x02), 0), -1); /* not in x2APIC mode */
	vlapic_accept(&v, 0x77, false);
	assert_true(wr(MSR_APIC_BASE, 0xfee00c00) & VLAPIC_DO_SYNC);
	assert_int_equal(vlapic_pending(&v), 0x77);
	assert_int_equal(rd(X(0x02)), 0x25);
	assert_int_equal(rd(X(0x0d)), 2 << 16 | 1 << 5);
	assert_int_equal(mmio_rd(0x30), 0);                  /* the page is gone */
	assert_int_equal(wr(MSR_APIC_BASE, 0xfee00800), -1); /* back to xAPIC: not so */
	assert_int_equal(wr(MSR_APIC_BASE, 0xfee00c00), VLAPIC_DO_SYNC);
	assert_true(wr(MSR_APIC_BASE, 0xfee00000) & VLAPIC_DO_TIMER);
	assert_int_equal(vlapic_pending(&v), 0);
	assert_false(vlapic_accept(&v, 0x40, false));
	assert_false(vlapic_match(&v, VLAPIC_ALL, false));
	assert_int_equal(wr(MSR_APIC_BASE, 0xfee00c00), -1); /* disabled to x2APIC */
	assert_int_equal(mmio_rd(0xf0), 0);
	assert_true(wr(MSR_APIC_BASE, 0xfee00800) & VLAPIC_DO_SYNC);
	assert_int_equal(mmio_rd(0xf0), 0xff);
	assert_int_equal(mmio_rd(0x20), 0x25u << 24);
}

static void test_x2apic_faults(void **state)
{
	static const uint8_t read_only[] = {0x02, 0x03, 0x0a, 0x0d, 0x10,
					    0x17, 0x18, 0x20, 0x27, 0x39};
	static const uint8_t absent[] = {0x00, 0x01, 0x04, 0x09, 0x0c, 0x0e,
					 0x2f, 0x31, 0x3a, 0x3d, 0x40, 0xff};
	uint64_t value;

	(void)state;
	x2apic(0);
	for (unsigned i = 0; i < sizeof(read_only); i++) {
		rd(X(read_only[i]));
		assert_int_equal(wr(X(read_only[i]), 0), -1);
	}
	for (unsigned i = 0; i < sizeof(absent); i++) {
		assert_int_equal(vlapic_msr_read(&v, X(absent[i]), &value, 0), -1);
		assert_int_equal(wr(X(absent[i]), 0), -1);
	}
	assert_int_equal(vlapic_msr_read(&v, X(0x0b), &value, 0), -1); /* write-only */
	assert_int_equal(vlapic_msr_read(&v, X(0x3f), &value, 0), -1);
	assert_int_equal(wr(X(0x0f), 0x200), -1);
	assert_int_equal(wr(X(0x28), 1), -1);
	assert_int_equal(wr(X(0x28), 0), 0);
	assert_int_equal(wr(X(0x32), 0x80000), -1);
	assert_int_equal(wr(X(0x35), 0x20000), -1);
	assert_int_equal(wr(X(0x37), 0x100), -1);
	assert_int_equal(wr(X(0x38), 1ull << 32), -1);
	assert_int_equal(wr(X(0x3e), 4), -1);
	assert_int_equal(wr(X(0x3f), 0x100), -1);
	assert_int_equal(wr(X(0x30), 0x2000), -1);
	assert_int_equal(wr(X(0x30), 1 << 20), -1);
}

static void test_self_ipi(void **state)
{
	(void)state;
	x2apic(7);
	assert_int_equal(wr(X(0x3f), 0x55), 0);
	assert_int_equal(vlapic_pending(&v), 0x55);
	assert_int_equal(wr(X(0x30), 0x40066), 0); /* shorthand self */
	assert_int_equal(vlapic_pending(&v), 0x66);
	assert_int_equal(wr(X(0x30), 7ull << 32 | 0x77), 0); /* to itself by id */
	assert_int_equal(vlapic_pending(&v), 0x77);
	assert_int_equal(rd(X(0x30)), 7ull << 32 | 0x77);
	assert_int_equal(rd(X(0x28)), 0);
	assert_int_equal(wr(X(0x3f), 5), 0); /* illegal vector */
	assert_int_equal(wr(X(0x30), 5), 0);
	assert_int_equal(rd(X(0x28)), 0);
	assert_int_equal(wr(X(0x28), 0), 0);
	assert_int_equal(rd(X(0x28)), 0x20);
	assert_int_equal(wr(X(0x28), 0), 0);
	assert_int_equal(rd(X(0x28)), 0);
}

static void test_message(void **state)
{
	(void)state;
	x2apic(0);
	assert_int_equal(wr(X(0x30), 0x1234500000844u), VLAPIC_DO_SEND); /* logical, fixed */
	assert_int_equal(effect.message.dest, 0x12345);
	assert_int_equal(effect.message.vector, 0x44);
	assert_int_equal(effect.message.mode, VLAPIC_FIXED);
	assert_true(effect.message.logical);
	assert_false(effect.message.level);
	assert_int_equal(wr(X(0x30), 0x8c0fe), VLAPIC_DO_SEND); /* all and self, level bits */
	assert_int_equal(effect.message.shorthand, VLAPIC_ALL_AND_SELF);
	assert_false(effect.message.level);
	assert_int_equal(vlapic_pending(&v), 0);
	assert_int_equal(wr(X(0x30), 1ull << 32 | 0x4500), VLAPIC_DO_SEND);
	assert_int_equal(effect.message.mode, VLAPIC_INIT);
	assert_int_equal(wr(X(0x30), 1ull << 32 | 0x8500), 0); /* INIT deassert */
	assert_int_equal(wr(X(0x30), 1ull << 32 | 0x0609), VLAPIC_DO_SEND);
	assert_int_equal(effect.message.mode, VLAPIC_STARTUP);
	assert_int_equal(effect.message.vector, 9);
	assert_int_equal(wr(X(0x30), 1ull << 32 | 0x0400), VLAPIC_DO_SEND);
	assert_int_equal(effect.message.mode, VLAPIC_NMI);
	assert_int_equal(wr(X(0x30), 0x0700), 0); /* nobody has ExtINT by IPI */
	assert_int_equal(wr(X(0x30), 0x0200), 0);

	xapic(2);
	mmio_wr(0x310, 0xff000000);
	assert_int_equal(vlapic_mmio_write(&v, 0x300, 0x5031, 0, &effect), VLAPIC_DO_SEND);
	assert_int_equal(effect.message.dest, VLAPIC_ALL);
	assert_int_equal(mmio_rd(0x300), 0x4031);
	assert_int_equal(mmio_rd(0x310), 0xff000000);
	mmio_wr(0x310, 0x02000000);
	assert_int_equal(vlapic_mmio_write(&v, 0x300, 0x32, 0, &effect), 0);
	assert_int_equal(vlapic_pending(&v), 0x32);
}

static void test_match(void **state)
{
	(void)state;
	x2apic(0x13);
	assert_true(vlapic_match(&v, 0x13, false));
	assert_false(vlapic_match(&v, 0x12, false));
	assert_true(vlapic_match(&v, VLAPIC_ALL, false));
	assert_true(vlapic_match(&v, 0x1000f, true));
	assert_false(vlapic_match(&v, 0x10007, true));
	assert_false(vlapic_match(&v, 0x0000f, true));
	xapic(0x13);
	assert_true(vlapic_match(&v, 0x13, false));
	assert_false(vlapic_match(&v, 0x13, true)); /* LDR not set */
	mmio_wr(0xd0, 0x04123456);
	assert_int_equal(mmio_rd(0xd0), 0x04000000);
	assert_true(vlapic_match(&v, 0x06, true));
	assert_false(vlapic_match(&v, 0x03, true));
	mmio_wr(0xe0, 0x00000000); /* cluster model */
	assert_int_equal(mmio_rd(0xe0), 0x0fffffff);
	mmio_wr(0xd0, 0x32000000);
	assert_true(vlapic_match(&v, 0x33, true));
	assert_false(vlapic_match(&v, 0x31, true));
	assert_false(vlapic_match(&v, 0x23, true));
	assert_true(vlapic_match(&v, 0xf2, true)); /* every cluster */
	assert_false(vlapic_match(&v, 0xf1, true));
	assert_true(vlapic_match(&v, VLAPIC_ALL, true));
}

static void test_msi(void **state)
{
	struct vlapic_message m;

	(void)state;
	assert_false(vlapic_decode_msi(0xfed00000, 0, &m));
	assert_false(vlapic_decode_msi(0x1fee00000, 0, &m));
	assert_true(vlapic_decode_msi(0xfee12004, 0x41c3, &m));
	assert_int_equal(m.dest, 0x12);
	assert_true(m.logical);
	assert_int_equal(m.mode, VLAPIC_LOWEST);
	assert_int_equal(m.vector, 0xc3);
	assert_false(m.level);
	assert_true(vlapic_decode_msi(0xfeeff000, 0x8030, &m));
	assert_int_equal(m.dest, VLAPIC_ALL);
	assert_false(m.logical);
	assert_true(m.level);
	/* The redirection hint: one of them. */
	assert_true(vlapic_decode_msi(0xfee0300c, 0x0030, &m));
	assert_true(m.logical);
	assert_int_equal(m.mode, VLAPIC_LOWEST);
	assert_true(vlapic_decode_msi(0xfee03008, 0x0430, &m));
	assert_int_equal(m.mode, VLAPIC_NMI);
}

/* The PIC's line at LINT0 goes up. */
static void test_lint0(void **state)
{
	(void)state;
	x2apic(0);
	assert_false(vlapic_lint0_rises(&v)); /* masked */
	wr(X(0x35), 0x700);
	assert_false(vlapic_lint0_rises(&v));
	assert_true(vlapic_extint_allowed(&v));
	assert_int_equal(vlapic_pending(&v), 0);
	wr(X(0x35), 0x400);
	assert_true(vlapic_lint0_rises(&v));
	assert_false(vlapic_extint_allowed(&v));
	assert_int_equal(vlapic_pending(&v), 0);
	wr(X(0x35), 0x053);
	assert_false(vlapic_lint0_rises(&v));
	assert_int_equal(vlapic_pending(&v), 0x53);
	wr(X(0x35), 0x10400);
	assert_false(vlapic_lint0_rises(&v));
}

static void test_one_shot(void **state)
{
	(void)state;
	x2apic(0);
	assert_int_equal(wr(X(0x32), 0x30), VLAPIC_DO_TIMER); /* no longer masked */
	assert_int_equal(wr(X(0x32), 0x30), 0);
	assert_int_equal(wr_at(X(0x3e), 0xb, 0), VLAPIC_DO_TIMER); /* by 1 */
	assert_int_equal(wr_at(X(0x38), 1000, 10000), VLAPIC_DO_TIMER);
	assert_int_equal(v.deadline, 12500);
	assert_int_equal(rd_at(X(0x39), 10000), 1000);
	assert_in_range(rd_at(X(0x39), 11250), 499, 500);
	assert_int_equal(rd_at(X(0x39), 12500), 0);
	assert_int_equal(rd_at(X(0x39), 99999), 0);
	assert_false(vlapic_tick(&v, 12499));
	assert_true(vlapic_tick(&v, 12500));
	assert_int_equal(vlapic_pending(&v), 0x30);
	assert_int_equal(v.deadline, VLAPIC_NEVER);
	assert_false(vlapic_tick(&v, 99999));
	assert_int_equal(rd(X(0x38)), 1000);
	/* Divided by 16, and stopped. */
	wr(X(0x3e), 3);
	wr_at(X(0x38), 1000, 0);
	assert_int_equal(v.deadline, 40000);
	wr_at(X(0x38), 0, 5000);
	assert_int_equal(v.deadline, VLAPIC_NEVER);
	assert_int_equal(rd_at(X(0x39), 6000), 0);
	/* The largest of all. */
	wr(X(0x3e), 0xa);
	wr_at(X(0x38), UINT32_MAX, 0);
	assert_int_equal(v.deadline, UINT32_MAX * 128ull * 5 / 2);
	assert_in_range(rd_at(X(0x39), 0), UINT32_MAX - 8u, UINT32_MAX);
}

static void test_dividers(void **state)
{
	static const struct {
		uint32_t value, by;
	} divider[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};

	(void)state;
	x2apic(0);
	for (unsigned i = 0; i < 8; i++) {
		wr(X(0x3e), divider[i].value);
		assert_int_equal(rd(X(0x3e)), divider[i].value);
		wr_at(X(0x38), 1000, 0);
		assert_int_equal(v.deadline, 2500u * divider[i].by);
	}
	/* Changed on the way: what is left counts at the new rate. */
	wr(X(0x3e), 11);
	wr_at(X(0x38), 1000, 0);
	wr_at(X(0x3e), 0, 1250);
	assert_in_range(v.deadline, 1250 + 2 * 1245, 1250 + 2 * 1250);
}

static void test_periodic(void **state)
{
	(void)state;
	vlapic_period_min_us = 20;
	x2apic(0);
	wr(X(0x32), 0x20031);
	wr(X(0x3e), 0xb);
	wr_at(X(0x38), 100000, 1000);
	assert_int_equal(v.deadline, 251000);
	assert_true(vlapic_tick(&v, 251007));
	assert_int_equal(v.deadline, 501000); /* no drift */
	assert_int_equal(vlapic_pending(&v), 0x31);
	assert_in_range(rd_at(X(0x39), 376000), 49999, 50000);
	assert_in_range(rd_at(X(0x39), 501000 + 125000), 49999, 50000); /* late tick */
	vlapic_take(&v, 0x31);
	assert_true(vlapic_tick(&v, 501000 + 250000 * 7 + 3)); /* seven missed */
	assert_int_equal(v.deadline, 501000 + 250000 * 8);
	/* A flood is slowed down. */
	vlapic_period_min_us = 200;
	x2apic(0);
	wr(X(0x32), 0x20031);
	wr(X(0x3e), 0xb);
	wr_at(X(0x38), 1, 0);
	vlapic_tick(&v, 3);
	assert_true(v.deadline >= 500000); /* 200 us */
	/* Masked: it runs, but nothing comes. */
	x2apic(0);
	wr(X(0x32), 0x30031);
	wr_at(X(0x38), 100000, 0);
	assert_true(vlapic_tick(&v, v.deadline));
	assert_int_equal(vlapic_pending(&v), 0);
	assert_true(v.deadline != VLAPIC_NEVER);
}

static void test_deadline(void **state)
{
	(void)state;
	x2apic(0);
	assert_int_equal(wr(MSR_TSC_DEADLINE, 5000), 0); /* not in that mode */
	assert_int_equal(rd(MSR_TSC_DEADLINE), 0);
	wr(X(0x38), 1000);
	assert_int_equal(wr(X(0x32), 0x40032), VLAPIC_DO_TIMER); /* disarms */
	assert_int_equal(v.deadline, VLAPIC_NEVER);
	assert_int_equal(wr_at(MSR_TSC_DEADLINE, 5000, 4000), VLAPIC_DO_TIMER);
	assert_int_equal(rd(MSR_TSC_DEADLINE), 5000);
	assert_int_equal(wr(X(0x38), 7), 0); /* ignored */
	assert_int_equal(rd(X(0x38)), 0);
	assert_int_equal(rd_at(X(0x39), 4500), 0);
	vlapic_shift_tsc(&v, 100);
	assert_int_equal(v.deadline, 5000);
	assert_true(vlapic_tick(&v, 5000));
	assert_int_equal(vlapic_pending(&v), 0x32);
	assert_int_equal(rd(MSR_TSC_DEADLINE), 0);
	vlapic_take(&v, 0x32);
	wr(X(0x0b), 0);
	assert_int_equal(wr_at(MSR_TSC_DEADLINE, 10, 6000), VLAPIC_DO_TIMER); /* past: at once */
	assert_int_equal(vlapic_next(&v, 6000), 0);
	assert_true(vlapic_tick(&v, 6000));
	assert_int_equal(vlapic_pending(&v), 0x32);
	assert_int_equal(v.deadline, VLAPIC_NEVER);
	wr_at(MSR_TSC_DEADLINE, 9000, 6000);
	wr_at(MSR_TSC_DEADLINE, 0, 6000);
	assert_int_equal(v.deadline, VLAPIC_NEVER);
	wr_at(MSR_TSC_DEADLINE, 9000, 6000);
	assert_int_equal(wr(X(0x32), 0x32), VLAPIC_DO_TIMER);
	assert_int_equal(v.deadline, VLAPIC_NEVER);
	wr_at(X(0x38), 1000, 0);
	vlapic_shift_tsc(&v, -100ull);
	assert_int_equal(v.deadline, 5000 - 100);
}

/* Nobody ticks a timer that is masked: what it shows, and its phase, are right all the same. */
static void test_masked(void **state)
{
	(void)state;
	x2apic(0);
	wr(X(0x32), 0x30031);
	assert_int_equal(vlapic_next(&v, v.deadline), VLAPIC_NEVER);
	wr(X(0x3e), 0xb);
	wr_at(X(0x38), 400000, 0); /* 1,000,000 ticks */
	assert_in_range(rd_at(X(0x39), 250000), 299999, 300000);
	assert_in_range(rd_at(X(0x39), 7250000), 299999, 300000);
	/* Unmasked: what has expired before is not told, and the phase is the old one. */
	assert_int_equal(wr_at(X(0x32), 0x20031, 7250000), VLAPIC_DO_TIMER);
	assert_int_equal(vlapic_next(&v, v.deadline), 0);
	assert_int_equal(vlapic_pending(&v), 0);
	assert_int_equal(vlapic_left(&v, 7250000), 750000);
	assert_true(vlapic_tick(&v, 8000000));
	assert_int_equal(vlapic_pending(&v), 0x31);
	/* Masked again; as a one-shot it is over. */
	wr_at(X(0x32), 0x10031, 8500000);
	assert_in_range(rd_at(X(0x39), 8500000), 199999, 200000);
	assert_int_equal(rd_at(X(0x39), 9500000), 0);
	wr_at(X(0x32), 0x00031, 9500000);
	assert_int_equal(v.deadline, VLAPIC_NEVER);
	/* A deadline that comes while it is masked is lost. */
	wr_at(X(0x32), 0x50031, 9500000);
	wr_at(MSR_TSC_DEADLINE, 9600000, 9500000);
	assert_int_equal(rd_at(MSR_TSC_DEADLINE, 9550000), 9600000);
	assert_int_equal(rd_at(MSR_TSC_DEADLINE, 9600000), 0);
	vlapic_take(&v, 0x31);
	wr(X(0x0b), 0);
	assert_int_equal(wr_at(X(0x32), 0x40031, 9700000), VLAPIC_DO_TIMER);
	assert_int_equal(vlapic_pending(&v), 0);
	assert_int_equal(vlapic_left(&v, 9700000), VLAPIC_NEVER);
}

/* The shortest period is the machine owner's choice. */
static void test_period_min(void **state)
{
	(void)state;
	vlapic_period_min_us = 1000;
	x2apic(0);
	wr(X(0x32), 0x20031);
	wr(X(0x3e), 0xb);
	wr_at(X(0x38), 1, 0);
	vlapic_tick(&v, 3);
	assert_in_range(v.deadline, 2500000, 2500010);
	vlapic_period_min_us = 0;
	vlapic_init(&v, 0, true, 400);
	assert_true(v.period_min > 0);
	vlapic_period_min_us = 200;
}

/* Any deadline is compared as the CPU does: what is far is not past. */
static void test_far_deadline(void **state)
{
	static const uint64_t far[] = {1ull << 62, 1ull << 63, 0xf000000000000000u, UINT64_MAX - 1};

	(void)state;
	x2apic(0);
	wr(X(0x32), 0x40061);
	for (unsigned i = 0; i < sizeof(far) / sizeof(*far); i++) {
		assert_int_equal(wr_at(MSR_TSC_DEADLINE, far[i], 5000), VLAPIC_DO_TIMER);
		assert_int_equal(vlapic_left(&v, 5000), far[i] - 5000);
		assert_false(vlapic_tick(&v, 6000));
		assert_int_equal(rd_at(MSR_TSC_DEADLINE, 6000), far[i]);
		assert_int_equal(vlapic_left(&v, far[i] - 1), 1);
		assert_int_equal(vlapic_left(&v, far[i]), 0);
		assert_int_equal(vlapic_left(&v, far[i] + 1), 0);
		assert_int_equal(rd_at(MSR_TSC_DEADLINE, far[i]), 0); /* expired, not told yet */
	}
	assert_int_equal(vlapic_pending(&v), 0);
	assert_true(vlapic_tick(&v, UINT64_MAX));
	assert_int_equal(vlapic_pending(&v), 0x61);
	assert_int_equal(vlapic_left(&v, 0), VLAPIC_NEVER);
}

/* A counting timer goes on over the end of the guest's TSC. */
static void test_tsc_wraps(void **state)
{
	const uint64_t start = 0 - 100000ull;

	(void)state;
	x2apic(0);
	wr(X(0x32), 0x20031);
	wr(X(0x3e), 0xb);
	wr_at(X(0x38), 400000, start); /* 1,000,000 ticks */
	assert_int_equal(v.deadline, 900000);
	assert_int_equal(vlapic_left(&v, start), 1000000);
	assert_false(vlapic_tick(&v, start));
	assert_false(vlapic_tick(&v, 0));
	assert_in_range(rd_at(X(0x39), 0), 359999, 360000);
	assert_true(vlapic_tick(&v, 900000));
	assert_int_equal(v.deadline, 1900000);
	/* Late, from before the end until after it. */
	wr_at(X(0x38), 400000, start - 2000000);
	assert_true(vlapic_tick(&v, 0));
	assert_int_equal(vlapic_left(&v, 0), 900000);
}

static void test_disable(void **state)
{
	(void)state;
	x2apic(0);
	wr(X(0x35), 0x700);
	assert_true(vlapic_extint_allowed(&v));
	wr(X(0x35), 0x10700);
	assert_false(vlapic_extint_allowed(&v));
	wr(X(0x35), 0x400);
	assert_false(vlapic_extint_allowed(&v));
	vlapic_accept(&v, 0x40, false);
	wr(X(0x0f), 0xff);
	assert_int_equal(rd(X(0x35)), 0x10400);
	assert_false(vlapic_accept(&v, 0x50, false));
	assert_int_equal(vlapic_pending(&v), 0x40); /* what came before is kept */
	wr(X(0x35), 0x700);
	assert_int_equal(rd(X(0x35)), 0x10700); /* cannot be unmasked */
	assert_true(vlapic_extint_allowed(&v));
	wr(X(0x35), 0x15700);
	assert_int_equal(rd(X(0x35)), 0x10700); /* read-only bits */
}

static void test_errors(void **state)
{
	(void)state;
	x2apic(0);
	wr(X(0x37), 0xfe);
	assert_false(vlapic_accept(&v, 3, false));
	assert_int_equal(vlapic_pending(&v), 0xfe);
	wr(X(0x28), 0);
	assert_int_equal(rd(X(0x28)), 0x40);
	wr(X(0x37), 0x03); /* an illegal error vector must not recurse */
	assert_false(vlapic_accept(&v, 3, false));
	wr(X(0x32), 0x02);
	wr_at(X(0x38), 1, 0);
	assert_true(vlapic_tick(&v, 1000000));
	xapic(0);
	assert_int_equal(mmio_rd(0x3a0), 0);
	mmio_wr(0x280, 0);
	assert_int_equal(mmio_rd(0x280), 0x80);
	mmio_wr(0xff0, 1);
	mmio_wr(0x280, 0);
	assert_int_equal(mmio_rd(0x280), 0x80);
	mmio_wr(0x20, 0x5000000); /* read-only: no error */
	for (uint32_t offset = 0x100; offset < 0x280; offset += 0x10)
		mmio_wr(offset, 1);
	mmio_wr(0x280, 0);
	assert_int_equal(mmio_rd(0x280), 0);
	assert_int_equal(mmio_rd(0x20), 0);
	assert_int_equal(mmio_rd(0x38), 0); /* between registers */
}

static void test_reset(void **state)
{
	(void)state;
	x2apic(9);
	vlapic_accept(&v, 0x99, true);
	vlapic_take(&v, 0x99);
	wr(X(0x08), 0x20);
	vlapic_reset(&v);
	assert_int_equal(rd(MSR_APIC_BASE), 0xfee00c00);
	assert_int_equal(rd(X(0x02)), 9);
	assert_int_equal(rd(X(0x0d)), 1 << 9);
	assert_int_equal(rd(X(0x0f)), 0xff);
	assert_int_equal(rd(X(0x0a)), 0);
	assert_int_equal(v.deadline, VLAPIC_NEVER);
}

/* Random accesses: the cached answer must be the computed one. */
static void test_random(void **state)
{
	uint64_t seed = 1, now = 0;

	(void)state;
	x2apic(0);
	for (unsigned i = 0; i < 200000; i++) {
		unsigned highest_irr = 0, highest_isr = 0;
		uint32_t r, tpr;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		r = (uint32_t)(seed >> 32);
		now += r & 0xffff;
		switch (r >> 29) {
		case 0:
		case 1:
			vlapic_accept(&v, (uint8_t)(r >> 8), r & 1);
			break;
		case 2:
		case 3:
			if (vlapic_pending(&v))
				vlapic_take(&v, vlapic_pending(&v));
			break;
		case 4:
			wr(X(0x0b), 0);
			break;
		case 5:
			vlapic_set_cr8(&v, r & 7);
			break;
		default:
			wr_at(X(r >> 8 & 0x3f), seed & (r & 1 ? 0xff : 0x7ffff), now);
			vlapic_tick(&v, now);
			assert_true(v.deadline > now);
			rd_at(X(0x39), now);
			if ((r & 0xff) == 0)
				x2apic(0);
		}
		tpr = v.reg[LAPIC_TPR].value;
		for (unsigned vector = 16; vector < 256; vector++) {
			if (v.reg[LAPIC_IRR + vector / 32].value >> vector % 32 & 1)
				highest_irr = vector;
			if (v.reg[LAPIC_ISR + vector / 32].value >> vector % 32 & 1)
				highest_isr = vector;
		}
		if (highest_irr >> 4 > highest_isr >> 4 && highest_irr >> 4 > tpr >> 4)
			assert_int_equal(vlapic_pending(&v), highest_irr);
		else
			assert_int_equal(vlapic_pending(&v), 0);
		assert_int_equal(!!(v.pending & VLAPIC_BLOCKED),
				 highest_irr >> 4 > highest_isr >> 4 &&
					 highest_irr >> 4 <= tpr >> 4);
	}
}

/* An interrupt whose end need not be told to anybody. */
static void test_alone(void **state)
{
	(void)state;
	x2apic(0);
	assert_true(vlapic_accept(&v, 0x50, false));
	vlapic_take(&v, 0x50);
	assert_true(vlapic_alone(&v, 0x50));
	assert_true(vlapic_accept(&v, 0x40, false)); /* another one waits */
	assert_false(vlapic_alone(&v, 0x50));
	vlapic_end(&v);
	vlapic_take(&v, 0x40);
	assert_true(vlapic_alone(&v, 0x40));
	assert_true(vlapic_accept(&v, 0x5f, false));
	vlapic_take(&v, 0x5f); /* two are in service, in one word */
	assert_false(vlapic_alone(&v, 0x5f));
	vlapic_end(&v);
	vlapic_end(&v);
	assert_true(vlapic_accept(&v, 0x60, true)); /* a level */
	vlapic_take(&v, 0x60);
	assert_false(vlapic_alone(&v, 0x60));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_up),   cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_hardware),   cmocka_unit_test(test_tpr),
		cmocka_unit_test(test_level_eoi),  cmocka_unit_test(test_every_vector),
		cmocka_unit_test(test_apic_base),  cmocka_unit_test(test_x2apic_faults),
		cmocka_unit_test(test_self_ipi),   cmocka_unit_test(test_message),
		cmocka_unit_test(test_match),      cmocka_unit_test(test_msi),
		cmocka_unit_test(test_one_shot),   cmocka_unit_test(test_dividers),
		cmocka_unit_test(test_periodic),   cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_masked),     cmocka_unit_test(test_lint0),
		cmocka_unit_test(test_period_min), cmocka_unit_test(test_far_deadline),
		cmocka_unit_test(test_tsc_wraps),  cmocka_unit_test(test_disable),
		cmocka_unit_test(test_errors),     cmocka_unit_test(test_reset),
		cmocka_unit_test(test_random),     cmocka_unit_test(test_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
