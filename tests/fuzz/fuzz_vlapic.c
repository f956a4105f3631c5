/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/vcpu/vlapic.c */
/*
 * A local APIC under any sequence of accesses, messages and hours. After each step what it says of
 * itself is compared with what the registers in its page say, looked at bit by bit.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/msr.h"
#include "kernel/vcpu/vlapic.h"

#define KHZ 2500000u

static uint32_t page[LAPIC_REGISTERS * 4];
static struct vlapic v;
static uint64_t now;

#define expect(condition) ((condition) ? (void)0 : abort())

static uint32_t reg(unsigned n)
{
	return page[n * 4];
}

static bool bit(unsigned first, unsigned vector)
{
	return reg(first + vector / 32) >> vector % 32 & 1;
}

static unsigned highest(unsigned first)
{
	for (unsigned vector = 255; vector > 0; vector--)
		if (bit(first, vector))
			return vector;
	return 0;
}

/* SDM 3A 11.8.3.1: the processor priority, and what may be delivered. */
static void check_priority(void)
{
	unsigned irr = highest(LAPIC_IRR), isr = highest(LAPIC_ISR), tpr = reg(LAPIC_TPR);
	unsigned ppr = tpr >> 4 >= isr >> 4 ? tpr : isr & 0xf0;

	expect(reg(LAPIC_PPR) == ppr);
	expect(vlapic_pending(&v) == (irr >> 4 > ppr >> 4 ? irr : 0));
	/* Held back by the TPR alone: CR8 must be watched. */
	if (irr >> 4 <= ppr >> 4)
		expect(!(v.pending & VLAPIC_BLOCKED) == !(irr >> 4 > isr >> 4));
	expect(vlapic_highest(&v, LAPIC_IRR) == irr);
	expect(vlapic_highest(&v, LAPIC_ISR) == isr);
}

static void check_registers(void)
{
	expect(!(reg(LAPIC_IRR) & 0xffff) && !(reg(LAPIC_ISR) & 0xffff));
	expect(reg(LAPIC_ID) == v.id);
	expect(!(reg(LAPIC_TPR) >> 8) && !(reg(LAPIC_SVR) >> 9));
	for (unsigned n = LAPIC_LVT_TIMER; n <= LAPIC_LVT_ERROR; n++) {
		expect(!(reg(n) & 0xfff85000));
		expect(vlapic_enabled(&v) || reg(n) & LVT_MASKED);
	}
	for (unsigned n = 0; n < LAPIC_REGISTERS; n++)
		for (unsigned unused = 1; unused < 4; unused++)
			expect(!page[n * 4 + unused]);
}

static void check_timer(void)
{
	struct vlapic copy = v;
	uint64_t count = 0;
	bool counts = (reg(LAPIC_LVT_TIMER) & TIMER_DEADLINE) == 0;

	expect(v.timer_period >= v.period_min && v.period_min > 0);
	if (v.apic_base & APIC_BASE_X2APIC)
		expect(!vlapic_msr_read(&copy, MSR_X2APIC + LAPIC_CURRENT_COUNT, &count, now));
	else if (v.apic_base & APIC_BASE_ENABLE)
		count = vlapic_mmio_read(&copy, LAPIC_CURRENT_COUNT * 16, now);
	expect(count <= reg(LAPIC_INITIAL_COUNT));
	if (count && counts)
		expect(v.deadline != VLAPIC_NEVER);
}

static void check_effect(int flags, const struct vlapic_effect *effect)
{
	const struct vlapic_message *m = &effect->message;

	if (flags < 0) /* #GP */
		return;
	expect(!(flags & ~(VLAPIC_DO_TIMER | VLAPIC_DO_EOI | VLAPIC_DO_SEND | VLAPIC_DO_SYNC)));
	if (flags & VLAPIC_DO_EOI)
		expect(effect->vector >= 16 && bit(LAPIC_TMR, effect->vector) &&
		       !bit(LAPIC_ISR, effect->vector));
	if (!(flags & VLAPIC_DO_SEND))
		return;
	expect(m->mode == VLAPIC_FIXED || m->mode == VLAPIC_LOWEST || m->mode == VLAPIC_NMI ||
	       m->mode == VLAPIC_INIT || m->mode == VLAPIC_STARTUP);
	expect(m->shorthand < 4);
	if (m->mode == VLAPIC_FIXED || m->mode == VLAPIC_LOWEST)
		expect(m->vector >= 16);
}

/* Time goes on, by jumps of any length. */
static void tick(uint64_t delta)
{
	now += delta < UINT64_MAX - now ? delta : 0;
	if (vlapic_tick(&v, now))
		expect(vlapic_left(&v, now));
	expect(!vlapic_tick(&v, now));
}

/* The guest has written its TSC: a timer that counts has as far to go as before. */
static void shift(uint64_t delta)
{
	uint64_t left = vlapic_left(&v, now);

	vlapic_shift_tsc(&v, delta);
	now += delta;
	if ((reg(LAPIC_LVT_TIMER) & TIMER_DEADLINE) == 0)
		expect(vlapic_left(&v, now) == left);
	vlapic_tick(&v, now);
}

static void msi(uint64_t address, uint32_t data)
{
	struct vlapic_message m;

	if (!vlapic_decode_msi(address, data, &m))
		return;
	expect(m.dest == VLAPIC_ALL || m.dest < 0xff);
	if (vlapic_match(&v, m.dest, m.logical) && m.mode == VLAPIC_FIXED)
		vlapic_accept(&v, m.vector, m.level);
}

static void take(void)
{
	uint8_t vector = vlapic_pending(&v);

	if (!vector)
		return;
	vlapic_take(&v, vector);
	expect(!bit(LAPIC_IRR, vector) && bit(LAPIC_ISR, vector));
	if (!vlapic_alone(&v, vector))
		return;
	expect(highest(LAPIC_ISR) == vector && !highest(LAPIC_IRR) && !bit(LAPIC_TMR, vector));
	if (now & 1)
		vlapic_end(&v);
}

static void accept(uint8_t vector, bool level)
{
	bool taken = vlapic_accept(&v, vector, level);

	expect(taken == (vlapic_enabled(&v) && vector >= 16));
	if (taken)
		expect(bit(LAPIC_IRR, vector) && bit(LAPIC_TMR, vector) == level);
}

static void step(uint8_t what, uint8_t which, uint64_t value)
{
	static const uint32_t msrs[] = {MSR_APIC_BASE, MSR_TSC_DEADLINE, MSR_APIC_BASE,
					MSR_TSC_DEADLINE};
	uint32_t msr = which & 0x40 ? msrs[which & 3] : MSR_X2APIC + (which & 0x3f);
	struct vlapic_effect effect = {0};
	uint64_t got;

	switch (what % 12) {
	case 0:
	case 1:
		check_effect(vlapic_msr_write(&v, msr, value, now, &effect), &effect);
		break;
	case 2:
		vlapic_msr_read(&v, msr, &got, now);
		break;
	case 3:
	case 4:
		check_effect(vlapic_mmio_write(&v, which << 4, (uint32_t)value, now, &effect),
			     &effect);
		break;
	case 5:
		vlapic_mmio_read(&v, which << 4 | (value & 1), now);
		break;
	case 6:
		accept(which, value & 1);
		break;
	case 7:
		take();
		break;
	case 8:
		tick(value >> (which & 63));
		break;
	case 9:
		vlapic_set_cr8(&v, which);
		break;
	case 10:
		msi(0xfee00000 | (value >> 32 & 0xfffff), (uint32_t)value);
		break;
	default: /* rarely, or nothing stays for long */
		if (which == 0)
			vlapic_reset(&v);
		else if (which == 1)
			vlapic_init(&v, value & 63, value & 64, KHZ);
		else if (which < 64)
			vlapic_msr_write(&v, MSR_APIC_BASE, 0xfee00000 | (which & 3) << 10, now,
					 &effect);
		else
			shift(value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t value;

	memset(page, 0, sizeof(page));
	v = (struct vlapic){.reg = (void *)page};
	now = 1;
	vlapic_init(&v, 3, false, KHZ);
	v.reg[LAPIC_SVR].value = 0x1ff;
	for (; size >= 10; data += 10, size -= 10) {
		memcpy(&value, data + 2, sizeof(value));
		/* All that has come due is done before anything else, as the kernel does it. */
		vlapic_tick(&v, now);
		step(data[0], data[1], value);
		check_priority();
		check_registers();
		check_timer();
	}
	return 0;
}
