/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/vlapic.h"

#include "arch/msr.h"

/* Registers by offset / 16, which is also the x2APIC MSR - 0x800 (SDM tables 11-1, 11-6). */
enum {
	REG_ID = 0x02,
	REG_VERSION = 0x03,
	REG_TPR = 0x08,
	REG_APR = 0x09,
	REG_PPR = 0x0a,
	REG_EOI = 0x0b,
	REG_LDR = 0x0d,
	REG_DFR = 0x0e,
	REG_SVR = 0x0f,
	REG_ISR = 0x10,
	REG_TMR = 0x18,
	REG_IRR = 0x20,
	REG_ESR = 0x28,
	REG_ICR = 0x30,
	REG_ICR_HIGH = 0x31,
	REG_LVT = 0x32,
	REG_INITIAL_COUNT = 0x38,
	REG_CURRENT_COUNT = 0x39,
	REG_DIVIDE = 0x3e,
	REG_SELF_IPI = 0x3f
};

#define VERSION (0x14u | (VLAPIC_LVTS - 1) << 16)

#define SVR_ENABLE     0x100u
#define SVR_VALID      0x1ffu
#define LVT_MASKED     0x10000u
#define LVT_READ_ONLY  0x5000u /* delivery status and remote IRR: never set here */
#define TIMER_MODE     0x60000u
#define TIMER_PERIODIC 0x20000u
#define TIMER_DEADLINE 0x40000u

#define ESR_SEND_ILLEGAL     0x20u
#define ESR_RECEIVE_ILLEGAL  0x40u
#define ESR_ILLEGAL_REGISTER 0x80u

#define ICR_BUSY  0x1000u
#define ICR_VALID 0xcdfffu

#define PERIOD_MIN_NS 20000u /* so that a guest cannot drown in its own timer */

/* Where a register is in struct vlapic (0: it is not simply read), which bits of it may be set
 * (in x2APIC mode others fault), and whether only the xAPIC page has it. */
#define AT(member) offsetof(struct vlapic, member)
static const struct {
	uint32_t at, valid;
	bool xapic;
} registers[0x40] = {
	[REG_ID] = {AT(id), 0},
	[REG_VERSION] = {AT(version), 0},
	[REG_TPR] = {AT(tpr), 0xff},
	[REG_PPR] = {AT(ppr), 0},
	[REG_LDR] = {AT(ldr), 0},
	[REG_DFR] = {AT(dfr), 0, true},
	[REG_SVR] = {AT(svr), SVR_VALID},
	[REG_ISR... REG_ISR + 7] = {AT(isr.word), 0},
	[REG_TMR... REG_TMR + 7] = {AT(tmr), 0},
	[REG_IRR... REG_IRR + 7] = {AT(irr.word), 0},
	[REG_ESR] = {AT(esr), 0},
	[REG_ICR] = {AT(icr), 0, true},
	[REG_ICR_HIGH] = {AT(icr) + 4, 0, true},
	[REG_LVT + VLAPIC_LVT_TIMER] = {AT(lvt[0]), 0x700ff | LVT_READ_ONLY},
	[REG_LVT + VLAPIC_LVT_THERMAL] = {AT(lvt[1]), 0x107ff | LVT_READ_ONLY},
	[REG_LVT + VLAPIC_LVT_PERF] = {AT(lvt[2]), 0x107ff | LVT_READ_ONLY},
	[REG_LVT + VLAPIC_LVT_LINT0] = {AT(lvt[3]), 0x1a7ff | LVT_READ_ONLY},
	[REG_LVT + VLAPIC_LVT_LINT1] = {AT(lvt[4]), 0x1a7ff | LVT_READ_ONLY},
	[REG_LVT + VLAPIC_LVT_ERROR] = {AT(lvt[5]), 0x100ff | LVT_READ_ONLY},
	[REG_INITIAL_COUNT] = {AT(timer_count), UINT32_MAX},
	[REG_DIVIDE] = {AT(timer_divide), 0xb},
};

static bool is_x2apic(const struct vlapic *v)
{
	return v->apic_base & APIC_BASE_X2APIC;
}

static void bits_clear(struct vlapic_bits *bits, unsigned vector)
{
	if (!(bits->word[vector / 64] &= ~(1ull << vector % 64)))
		bits->used &= ~(1u << vector / 64);
}

/* 0: none, since vectors below 16 are never set. */
static unsigned bits_highest(const struct vlapic_bits *bits)
{
	unsigned i;

	if (!bits->used)
		return 0;
	i = 31u - (unsigned)__builtin_clz(bits->used);
	return i * 64 + 63u - (unsigned)__builtin_clzll(bits->word[i]);
}

/* A vector is delivered if its class, its upper half, is above the classes of
 * the TPR and of what is in service (SDM 11.8.3.1). */
static void update_pending(struct vlapic *v)
{
	unsigned vector = bits_highest(&v->irr);

	v->pending = -1;
	v->tpr_blocks = false;
	if (!vector)
		return;
	if (vector >> 4 > v->ppr >> 4)
		v->pending = (int32_t)vector;
	else
		v->tpr_blocks = vector >> 4 > bits_highest(&v->isr) >> 4;
}

void vlapic_update(struct vlapic *v)
{
	unsigned isr = bits_highest(&v->isr);

	v->ppr = v->tpr >> 4 >= isr >> 4 ? v->tpr : isr & 0xf0;
	update_pending(v);
}

static void set_irr(struct vlapic *v, uint8_t vector, bool level)
{
	uint64_t bit = 1ull << vector % 64;

	v->irr.word[vector / 64] |= bit;
	v->irr.used |= 1u << vector / 64;
	if (level)
		v->tmr[vector / 64] |= bit;
	else
		v->tmr[vector / 64] &= ~bit;
	if (vector >> 4 <= v->ppr >> 4) {
		update_pending(v);
	} else if (vector > v->pending) {
		v->pending = vector;
		v->tpr_blocks = false;
	}
}

static void raise_error(struct vlapic *v, uint32_t bit)
{
	uint32_t lvt = v->lvt[VLAPIC_LVT_ERROR];

	v->esr_next |= bit;
	if (!(lvt & LVT_MASKED) && (lvt & 0xff) >= 16)
		set_irr(v, (uint8_t)lvt, false);
}

bool vlapic_accept(struct vlapic *v, uint8_t vector, bool level)
{
	if (!(v->svr & SVR_ENABLE))
		return false;
	if (vector < 16) {
		raise_error(v, ESR_RECEIVE_ILLEGAL);
		return false;
	}
	set_irr(v, vector, level);
	return true;
}

void vlapic_take(struct vlapic *v, uint8_t vector)
{
	bits_clear(&v->irr, vector);
	v->isr.word[vector / 64] |= 1ull << vector % 64;
	v->isr.used |= 1u << vector / 64;
	v->ppr = vector & 0xf0;
	v->pending = -1; /* what else there is has no higher class */
	v->tpr_blocks = false;
}

static int end_of_interrupt(struct vlapic *v, struct vlapic_effect *effect)
{
	unsigned vector = bits_highest(&v->isr);

	if (!vector)
		return 0;
	bits_clear(&v->isr, vector);
	vlapic_update(v);
	if (!(v->tmr[vector / 64] >> vector % 64 & 1))
		return 0;
	effect->vector = (uint8_t)vector;
	return VLAPIC_DO_EOI;
}

static int send(struct vlapic *v, uint64_t icr, struct vlapic_effect *effect)
{
	struct vlapic_message m = {
		.vector = (uint8_t)icr,
		.mode = icr >> 8 & 7,
		.logical = icr >> 11 & 1,
		.shorthand = icr >> 18 & 3,
		.dest = (uint32_t)(icr >> 32),
	};
	bool deassert = (icr & 0xc000) == 0x8000;

	v->icr = icr & ~(uint64_t)ICR_BUSY;
	if (!is_x2apic(v))
		m.dest = m.dest >> 24 == 0xff ? VLAPIC_ALL : m.dest >> 24;
	switch (m.mode) {
	case VLAPIC_FIXED:
	case VLAPIC_LOWEST:
		if (m.vector < 16) {
			raise_error(v, ESR_SEND_ILLEGAL);
			return 0;
		}
		if (m.shorthand != VLAPIC_SELF && (m.shorthand || m.logical || m.dest != v->id))
			break;
		vlapic_accept(v, m.vector, false);
		return 0;
	case VLAPIC_INIT:
		if (deassert) /* only synchronizes arbitration IDs, which are no more */
			return 0;
		break;
	case VLAPIC_NMI:
	case VLAPIC_STARTUP:
		break;
	default:
		return 0;
	}
	effect->message = m;
	return VLAPIC_DO_SEND;
}

static uint32_t timer_mode(const struct vlapic *v)
{
	return v->lvt[VLAPIC_LVT_TIMER] & TIMER_MODE;
}

/* Divide configuration 0..2, 3 (in bit 3): 2, 4, ... 128, 1 (SDM 11.5.4). */
static unsigned divide_shift(const struct vlapic *v)
{
	return ((v->timer_divide & 3) + (v->timer_divide >> 1 & 4) + 1) & 7;
}

static uint64_t scale(uint64_t value, uint64_t factor)
{
	return (uint64_t)((unsigned __int128)value * factor >> 32);
}

static uint32_t current_count(const struct vlapic *v, uint64_t now)
{
	uint64_t left = v->deadline - now, count;

	if (v->deadline == VLAPIC_NEVER || timer_mode(v) == TIMER_DEADLINE)
		return 0;
	if (now >= v->deadline) /* expired, but nobody has called vlapic_tick() yet */
		left = timer_mode(v) == TIMER_PERIODIC
			       ? v->timer_period - (now - v->deadline) % v->timer_period
			       : 0;
	count = scale(left, v->counts_per_tick) >> divide_shift(v);
	return count < v->timer_count ? (uint32_t)count : v->timer_count;
}

/* `count` to go now, the initial count on later rounds. */
static int start_timer(struct vlapic *v, uint32_t count, uint64_t now)
{
	unsigned shift = divide_shift(v);

	if (timer_mode(v) == TIMER_DEADLINE)
		return 0;
	v->timer_period = scale((uint64_t)v->timer_count << shift, v->ticks_per_count);
	if (v->timer_period < v->period_min)
		v->timer_period = v->period_min;
	v->deadline = VLAPIC_NEVER;
	if (count)
		v->deadline = now + scale((uint64_t)count << shift, v->ticks_per_count);
	return VLAPIC_DO_TIMER;
}

bool vlapic_expire(struct vlapic *v, uint64_t now)
{
	uint32_t lvt = v->lvt[VLAPIC_LVT_TIMER];

	if (v->deadline == VLAPIC_NEVER)
		return false;
	if ((lvt & TIMER_MODE) != TIMER_PERIODIC)
		v->deadline = VLAPIC_NEVER;
	else /* rounds that were missed are lost: the IRR holds one of them anyway */
		v->deadline += v->timer_period * (1 + (now - v->deadline) / v->timer_period);
	if (!(lvt & LVT_MASKED))
		vlapic_accept(v, (uint8_t)lvt, false);
	return true;
}

void vlapic_shift_tsc(struct vlapic *v, uint64_t delta)
{
	if (v->deadline != VLAPIC_NEVER && timer_mode(v) != TIMER_DEADLINE)
		v->deadline += delta;
}

static int write_deadline(struct vlapic *v, uint64_t value, uint64_t now)
{
	if (timer_mode(v) != TIMER_DEADLINE)
		return 0;
	v->deadline = value ? value : VLAPIC_NEVER;
	vlapic_tick(v, now);
	return VLAPIC_DO_TIMER;
}

static int write_lvt(struct vlapic *v, unsigned i, uint32_t value)
{
	uint32_t old = v->lvt[i];

	value &= registers[REG_LVT + i].valid & ~LVT_READ_ONLY;
	if (!(v->svr & SVR_ENABLE))
		value |= LVT_MASKED;
	v->lvt[i] = value;
	if (i != VLAPIC_LVT_TIMER || !((old ^ value) & TIMER_DEADLINE))
		return 0;
	v->timer_count = 0; /* into or out of deadline mode disarms (SDM 11.5.4.1) */
	v->deadline = VLAPIC_NEVER;
	return VLAPIC_DO_TIMER;
}

static void write_svr(struct vlapic *v, uint32_t value)
{
	v->svr = value & SVR_VALID;
	if (!(v->svr & SVR_ENABLE))
		for (unsigned i = 0; i < VLAPIC_LVTS; i++)
			v->lvt[i] |= LVT_MASKED;
}

/* What both modes have in common; -1: there is no such register to write. */
static int write_register(struct vlapic *v, unsigned reg, uint32_t value, uint64_t now,
			  struct vlapic_effect *effect)
{
	uint32_t left;

	switch (reg) {
	case REG_TPR:
		v->tpr = value & 0xff;
		vlapic_update(v);
		return 0;
	case REG_EOI:
		return end_of_interrupt(v, effect);
	case REG_SVR:
		write_svr(v, value);
		return 0;
	case REG_ESR:
		v->esr = v->esr_next;
		v->esr_next = 0;
		return 0;
	case REG_LVT ... REG_LVT + VLAPIC_LVTS - 1:
		return write_lvt(v, reg - REG_LVT, value);
	case REG_INITIAL_COUNT:
		if (timer_mode(v) != TIMER_DEADLINE)
			v->timer_count = value;
		return start_timer(v, value, now);
	case REG_DIVIDE:
		left = current_count(v, now);
		v->timer_divide = value & 0xb;
		return start_timer(v, left, now);
	default:
		return -1;
	}
}

/* What both modes have in common; false: there is no such register to read. */
static bool read_register(const struct vlapic *v, unsigned reg, uint64_t now, uint32_t *value)
{
	uint32_t at;

	if (reg >= COUNT_OF(registers))
		return false;
	if (reg == REG_CURRENT_COUNT) {
		*value = current_count(v, now);
		return true;
	}
	at = registers[reg].at;
	if (!at || (registers[reg].xapic && is_x2apic(v)))
		return false;
	if (reg >= REG_ISR && reg < REG_IRR + 8)
		at += reg % 8 * 4;
	__builtin_memcpy(value, (const char *)v + at, sizeof(*value));
	return true;
}

static void enter_x2apic(struct vlapic *v)
{
	v->ldr = v->id >> 4 << 16 | 1u << (v->id & 15); /* SDM 11.12.10.2 */
	v->icr = (uint32_t)v->icr;
}

/* Transitions: SDM 11.12.5 and figure 11-27. */
static int write_base(struct vlapic *v, uint64_t value)
{
	uint64_t old = v->apic_base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	uint64_t new = value &(APIC_BASE_ENABLE | APIC_BASE_X2APIC);

	if (value & v->base_reserved || new == APIC_BASE_X2APIC)
		return -1;
	if (new > APIC_BASE_ENABLE ? !old : new &&old > APIC_BASE_ENABLE)
		return -1; /* disabled to x2APIC, or back from there to xAPIC */
	v->apic_base = value;
	if (old == new)
		return VLAPIC_DO_MODE;
	if (!new)
		vlapic_reset(v);
	else if (new > APIC_BASE_ENABLE)
		enter_x2apic(v);
	return VLAPIC_DO_MODE | VLAPIC_DO_TIMER;
}

int vlapic_msr_write(struct vlapic *v, uint32_t msr, uint64_t value, uint64_t now,
		     struct vlapic_effect *effect)
{
	unsigned reg = msr - MSR_X2APIC;

	if (msr == MSR_TSC_DEADLINE)
		return write_deadline(v, value, now);
	if (msr == MSR_APIC_BASE)
		return write_base(v, value);
	if (!is_x2apic(v))
		return -1;
	if (reg == REG_EOI)
		return value ? -1 : end_of_interrupt(v, effect);
	if (reg == REG_ICR)
		return value & ~(0xffffffff00000000u | ICR_VALID) ? -1 : send(v, value, effect);
	if (reg == REG_SELF_IPI) {
		if (value > 0xff)
			return -1;
		if (value < 16)
			raise_error(v, ESR_SEND_ILLEGAL);
		else
			vlapic_accept(v, (uint8_t)value, false);
		return 0;
	}
	if (reg > REG_SELF_IPI || value & ~(uint64_t)registers[reg].valid)
		return -1;
	return write_register(v, reg, (uint32_t)value, now, effect);
}

int vlapic_msr_read(const struct vlapic *v, uint32_t msr, uint64_t *value, uint64_t now)
{
	unsigned reg = msr - MSR_X2APIC;
	uint32_t low;

	if (msr == MSR_APIC_BASE) {
		*value = v->apic_base;
		return 0;
	}
	if (msr == MSR_TSC_DEADLINE) {
		*value = timer_mode(v) == TIMER_DEADLINE && v->deadline != VLAPIC_NEVER
				 ? v->deadline
				 : 0;
		return 0;
	}
	if (!is_x2apic(v))
		return -1;
	if (reg == REG_ICR) {
		*value = v->icr;
		return 0;
	}
	if (!read_register(v, reg, now, &low))
		return -1;
	*value = low;
	return 0;
}

/* The page answers in xAPIC mode only, at multiples of 16. */
static bool is_xapic_access(const struct vlapic *v, uint32_t offset)
{
	return !is_x2apic(v) && v->apic_base & APIC_BASE_ENABLE && !(offset & 15);
}

uint32_t vlapic_mmio_read(struct vlapic *v, uint32_t offset, uint64_t now)
{
	unsigned reg = offset >> 4;
	uint32_t value = 0;

	if (!is_xapic_access(v, offset) || reg == REG_APR || reg == REG_EOI)
		return 0;
	if (!read_register(v, reg, now, &value))
		raise_error(v, ESR_ILLEGAL_REGISTER);
	return reg == REG_ID ? value << 24 : value;
}

int vlapic_mmio_write(struct vlapic *v, uint32_t offset, uint32_t value, uint64_t now,
		      struct vlapic_effect *effect)
{
	int flags;

	if (!is_xapic_access(v, offset))
		return 0;
	switch (offset >> 4) {
	case REG_LDR:
		v->ldr = value & 0xff000000;
		return 0;
	case REG_DFR:
		v->dfr = value | 0x0fffffff;
		return 0;
	case REG_ICR:
		return send(v, (v->icr & 0xffffffff00000000u) | (value & ICR_VALID), effect);
	case REG_ICR_HIGH:
		v->icr = (uint32_t)v->icr | (uint64_t)(value & 0xff000000) << 32;
		return 0;
	case REG_ID: /* read-only registers */
	case REG_VERSION:
	case REG_PPR:
	case REG_CURRENT_COUNT:
		return 0;
	default:
		flags = write_register(v, offset >> 4, value, now, effect);
		if (flags >= 0)
			return flags;
		raise_error(v, ESR_ILLEGAL_REGISTER);
		return 0;
	}
}

bool vlapic_match(const struct vlapic *v, uint32_t dest, bool logical)
{
	uint32_t ldr = v->ldr >> 24;

	if (!(v->apic_base & APIC_BASE_ENABLE))
		return false;
	if (dest == VLAPIC_ALL)
		return true;
	if (!logical)
		return dest == v->id;
	if (is_x2apic(v))
		return dest >> 16 == v->ldr >> 16 && dest & v->ldr & 0xffff;
	if (v->dfr >> 28 == 0xf) /* the flat model */
		return dest & ldr;
	return dest >> 4 == ldr >> 4 && dest & ldr & 0xf;
}

bool vlapic_decode_msi(uint64_t address, uint32_t data, struct vlapic_message *message)
{
	uint32_t dest = (uint32_t)address >> 12 & 0xff;

	if (address >> 20 != 0xfee)
		return false;
	*message = (struct vlapic_message){
		.dest = dest == 0xff ? VLAPIC_ALL : dest,
		.vector = (uint8_t)data,
		.mode = data >> 8 & 7,
		.logical = address >> 2 & 1,
		.level = data >> 15 & 1,
	};
	return true;
}

bool vlapic_enabled(const struct vlapic *v)
{
	return v->svr & SVR_ENABLE;
}

bool vlapic_extint_allowed(const struct vlapic *v)
{
	if (!vlapic_enabled(v))
		return true; /* as if there were no local APIC: the PIC has the pin */
	return (v->lvt[VLAPIC_LVT_LINT0] & (LVT_MASKED | 0x700)) == VLAPIC_EXTINT << 8;
}

void vlapic_reset(struct vlapic *v)
{
	v->irr = v->isr = (struct vlapic_bits){0};
	__builtin_memset(v->tmr, 0, sizeof(v->tmr));
	for (unsigned i = 0; i < VLAPIC_LVTS; i++)
		v->lvt[i] = LVT_MASKED;
	v->tpr = 0;
	v->svr = 0xff;
	v->dfr = UINT32_MAX;
	v->ldr = v->esr = v->esr_next = 0;
	v->icr = 0;
	v->timer_count = v->timer_divide = 0;
	v->timer_period = v->period_min;
	v->deadline = VLAPIC_NEVER;
	if (is_x2apic(v))
		enter_x2apic(v);
	vlapic_update(v);
}

void vlapic_init(struct vlapic *v, uint32_t id, bool bsp, uint64_t tsc_khz, unsigned phys_bits)
{
	*v = (struct vlapic){
		.id = id,
		.version = VERSION,
		.apic_base = 0xfee00000u | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0),
		.base_reserved = ~((1ull << phys_bits) - 1) | 0x2ff,
		.ticks_per_count = (tsc_khz << 32) / (VLAPIC_TIMER_HZ / 1000),
		.counts_per_tick = ((uint64_t)(VLAPIC_TIMER_HZ / 1000) << 32) / tsc_khz + 1,
	};
	v->period_min = scale(PERIOD_MIN_NS, v->ticks_per_count);
	vlapic_reset(v);
}
