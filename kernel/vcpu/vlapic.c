/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/vcpu/vlapic.h"

#include "arch/msr.h"

#define VERSION (0x14u | (LAPIC_LVT_ERROR - LAPIC_LVT_TIMER) << 16)

#define SVR_VALID      0x1ffu
#define LVT_READ_ONLY  0x5000u /* delivery status and remote IRR: never set here */
#define TIMER_PERIODIC 0x20000u

#define ESR_SEND_ILLEGAL     0x20u
#define ESR_RECEIVE_ILLEGAL  0x40u
#define ESR_ILLEGAL_REGISTER 0x80u

#define ICR_VALID 0xcdfffu

#define APIC_BASE_ADDRESS 0xfee00000u
#define APIC_BASE_FLAGS   (APIC_BASE_BSP | APIC_BASE_X2APIC | APIC_BASE_ENABLE)

#define MSI_LOGICAL  0x4u /* in its address */
#define MSI_REDIRECT 0x8u
#define CLUSTER_ALL  0xfu

/* Shorter periods become as long as this; see the kernel's word min-timer-period. */
uint32_t vlapic_period_min_us = 200;

/* Registers that can be read, by their bits, and those that only the xAPIC page has. */
#define BITS(reg, count) (((1ull << (count)) - 1) << (reg))
#define READABLE                                                                             \
	(BITS(LAPIC_ID, 2) | BITS(LAPIC_TPR, 1) | BITS(LAPIC_PPR, 1) | BITS(LAPIC_LDR, 28) | \
	 BITS(LAPIC_ICR, 10) | BITS(LAPIC_DIVIDE, 1))
#define XAPIC_ONLY (BITS(LAPIC_DFR, 1) | BITS(LAPIC_ICR_HIGH, 1))

/* Bits that may be set; in x2APIC mode others fault. */
static const uint32_t valid[LAPIC_REGISTERS] = {
	[LAPIC_TPR] = 0xff,
	[LAPIC_SVR] = SVR_VALID,
	[LAPIC_LVT_TIMER] = 0x700ff | LVT_READ_ONLY,
	[LAPIC_LVT_THERMAL... LAPIC_LVT_PERF] = 0x107ff | LVT_READ_ONLY,
	[LAPIC_LVT_LINT0... LAPIC_LVT_LINT1] = 0x1a7ff | LVT_READ_ONLY,
	[LAPIC_LVT_ERROR] = 0x100ff | LVT_READ_ONLY,
	[LAPIC_INITIAL_COUNT] = UINT32_MAX,
	[LAPIC_DIVIDE] = 0xb,
	[LAPIC_SELF_IPI] = 0xff,
};

#define REG(v, n) ((v)->reg[n].value)

static bool is_x2apic(const struct vlapic *v)
{
	return v->apic_base & APIC_BASE_X2APIC;
}

/* The vector's bit in its words of ISR, TMR and IRR, which are word_of(v, vector)[LAPIC_ISR] and so
 * on. */
static uint32_t bit_of(unsigned vector)
{
	return 1u << vector % 32;
}

static struct vlapic_register *word_of(const struct vlapic *v, unsigned vector)
{
	return v->reg + vector / 32;
}

static inline void clear(struct vlapic *v, unsigned first, unsigned vector)
{
	struct vlapic_register *word = word_of(v, vector) + first;

	word->value &= ~bit_of(vector);
	if (!word->value)
		v->used &= ~(1ull << (first + vector / 32));
}

static inline unsigned highest_bit(uint32_t bits)
{
	return (unsigned)__builtin_clz(bits) ^ 31;
}

void vlapic_reload(struct vlapic *v)
{
	v->used = 0;
	for (unsigned i = 0; i < 8; i++) {
		v->used |= (uint64_t)(REG(v, LAPIC_ISR + i) != 0) << (LAPIC_ISR + i);
		v->used |= (uint64_t)(REG(v, LAPIC_IRR + i) != 0) << (LAPIC_IRR + i);
	}
}

unsigned vlapic_highest(const struct vlapic *v, unsigned first)
{
	uint32_t used = v->used >> first & 0xff;
	unsigned i;

	if (!used)
		return 0;
	i = highest_bit(used);
	return i * 32 + highest_bit(REG(v, first + i));
}

/* A vector is delivered if its class, its upper half, is above the classes of the TPR and of the
 * highest vector in service (SDM 11.8.3.1). */
static void update_pending(struct vlapic *v)
{
	unsigned vector = vlapic_highest(v, LAPIC_IRR);

	v->pending = 0;
	if (!vector)
		return;
	if (vector >> 4 > REG(v, LAPIC_PPR) >> 4)
		v->pending = vector;
	else if (vector >> 4 > vlapic_highest(v, LAPIC_ISR) >> 4)
		v->pending = VLAPIC_BLOCKED;
}

/*
 * The PPR is the TPR, or the class of the highest vector in service if that is higher (SDM
 * 3A 11.8.3.1). `used` has a bit for each word of ISR and IRR that is not 0, so that mostly nothing
 * is searched.
 */
void vlapic_update(struct vlapic *v)
{
	unsigned isr, tpr = REG(v, LAPIC_TPR);

	if (!v->used && !v->hardware) { /* mostly */
		REG(v, LAPIC_PPR) = tpr;
		v->pending = 0;
		return;
	}
	if (v->hardware)
		vlapic_reload(v);
	isr = vlapic_highest(v, LAPIC_ISR);
	REG(v, LAPIC_PPR) = tpr >> 4 >= isr >> 4 ? tpr : isr & 0xf0;
	update_pending(v);
}

static void set_irr(struct vlapic *v, unsigned vector, bool level)
{
	struct vlapic_register *word = word_of(v, vector);
	uint32_t bit = bit_of(vector);

	word[LAPIC_IRR].value |= bit;
	v->used |= 1ull << (LAPIC_IRR + vector / 32);
	if (level)
		word[LAPIC_TMR].value |= bit;
	else
		word[LAPIC_TMR].value &= ~bit;
	if (vector >> 4 <= REG(v, LAPIC_PPR) >> 4)
		vlapic_update(v);
	else if (vector > vlapic_pending(v))
		v->pending = vector;
	if (v->hardware)
		v->pending |= VLAPIC_BLOCKED;
}

static void raise_error(struct vlapic *v, uint32_t bit)
{
	uint32_t lvt = REG(v, LAPIC_LVT_ERROR);

	v->esr_next |= bit;
	if (!(lvt & LVT_MASKED) && (lvt & 0xff) >= 16)
		set_irr(v, lvt & 0xff, false);
}

bool vlapic_accept(struct vlapic *v, uint8_t vector, bool level)
{
	if (!vlapic_enabled(v))
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
	clear(v, LAPIC_IRR, vector);
	word_of(v, vector)[LAPIC_ISR].value |= bit_of(vector);
	v->used |= 1ull << (LAPIC_ISR + vector / 32);
	REG(v, LAPIC_PPR) = vector & 0xf0;
	v->pending = 0; /* what else there is has no higher class */
}

bool vlapic_alone(const struct vlapic *v, uint8_t vector)
{
	const struct vlapic_register *word = word_of(v, vector);

	return v->used == 1ull << (LAPIC_ISR + vector / 32) &&
	       word[LAPIC_ISR].value == bit_of(vector) && !(word[LAPIC_TMR].value & bit_of(vector));
}

static int end_of_interrupt(struct vlapic *v, struct vlapic_effect *effect)
{
	unsigned vector;

	if (v->hardware)
		vlapic_reload(v);
	vector = vlapic_highest(v, LAPIC_ISR);
	if (!vector)
		return 0;
	clear(v, LAPIC_ISR, vector);
	vlapic_update(v);
	if (!(word_of(v, vector)[LAPIC_TMR].value & bit_of(vector)))
		return 0;
	effect->vector = (uint8_t)vector;
	return VLAPIC_DO_EOI;
}

void vlapic_end(struct vlapic *v)
{
	struct vlapic_effect none;

	end_of_interrupt(v, &none);
}

static int send(struct vlapic *v, uint64_t icr, struct vlapic_effect *effect)
{
	struct vlapic_message *m = &effect->message;
	bool deassert = (icr & 0xc000) == 0x8000;

	*m = (struct vlapic_message){
		.vector = (uint8_t)icr,
		.mode = icr >> 8 & 7,
		.logical = icr >> 11 & 1,
		.shorthand = icr >> 18 & 3,
		.dest = (uint32_t)(icr >> 32),
	};
	REG(v, LAPIC_ICR) = (uint32_t)icr & ~ICR_BUSY;
	REG(v, LAPIC_ICR_HIGH) = (uint32_t)(icr >> 32);
	if (!is_x2apic(v))
		m->dest = m->dest >> 24 == 0xff ? VLAPIC_ALL : m->dest >> 24;
	switch (m->mode) {
	case VLAPIC_FIXED:
	case VLAPIC_LOWEST:
		if (m->vector < 16) {
			raise_error(v, ESR_SEND_ILLEGAL);
			return 0;
		}
		if (m->shorthand != VLAPIC_SELF && (m->shorthand || m->logical || m->dest != v->id))
			break;
		vlapic_accept(v, m->vector, false);
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
	return VLAPIC_DO_SEND;
}

/* Divide configuration 0..2, 3 (in bit 3): 2, 4, ... 128, 1 (SDM 11.5.4). */
static unsigned divide_shift(const struct vlapic *v)
{
	return ((REG(v, LAPIC_DIVIDE) & 3) + (REG(v, LAPIC_DIVIDE) >> 1 & 4) + 1) & 7;
}

static uint64_t scale(uint64_t value, uint64_t factor)
{
	return (uint64_t)((unsigned __int128)value * factor >> 32);
}

static uint32_t current_count(const struct vlapic *v, uint64_t now)
{
	uint64_t left = vlapic_left(v, now), count;
	uint32_t initial = REG(v, LAPIC_INITIAL_COUNT);

	if (left == VLAPIC_NEVER || vlapic_timer_mode(v) == TIMER_DEADLINE)
		return 0;
	if (!left &&
	    vlapic_timer_mode(v) == TIMER_PERIODIC) /* vlapic_tick() has not been called yet */
		left = v->timer_period - (now - v->deadline) % v->timer_period;
	count = scale(left, v->counts_per_tick) >> divide_shift(v);
	return count < initial ? (uint32_t)count : initial;
}

/* `count` to go now, the initial count on later rounds. */
static int start_timer(struct vlapic *v, uint32_t count, uint64_t now)
{
	unsigned shift = divide_shift(v);

	if (vlapic_timer_mode(v) == TIMER_DEADLINE)
		return 0;
	v->timer_period = scale((uint64_t)REG(v, LAPIC_INITIAL_COUNT) << shift, v->ticks_per_count);
	if (v->timer_period < v->period_min)
		v->timer_period = v->period_min;
	v->deadline = VLAPIC_NEVER;
	if (count)
		v->deadline = now + scale((uint64_t)count << shift, v->ticks_per_count);
	return VLAPIC_DO_TIMER;
}

bool vlapic_tick(struct vlapic *v, uint64_t now)
{
	uint32_t lvt = REG(v, LAPIC_LVT_TIMER);

	if (vlapic_left(v, now))
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
	if (v->deadline != VLAPIC_NEVER && vlapic_timer_mode(v) != TIMER_DEADLINE)
		v->deadline += delta;
}

static int write_deadline(struct vlapic *v, uint64_t value)
{
	if (vlapic_timer_mode(v) != TIMER_DEADLINE)
		return 0;
	v->deadline = value ? value : VLAPIC_NEVER;
	return VLAPIC_DO_TIMER;
}

/* A timer that has expired until now has done so under the old entry: a masked timer is not ticked.
 */
static int write_lvt(struct vlapic *v, unsigned reg, uint32_t value, uint64_t now)
{
	uint32_t old = REG(v, reg);

	value &= valid[reg] & ~LVT_READ_ONLY;
	if (!vlapic_enabled(v))
		value |= LVT_MASKED;
	if (reg == LAPIC_LVT_TIMER)
		vlapic_tick(v, now);
	REG(v, reg) = value;
	if (reg != LAPIC_LVT_TIMER || !((old ^ value) & (TIMER_DEADLINE | LVT_MASKED)))
		return 0;
	if ((old ^ value) & TIMER_DEADLINE) { /* in or out of that mode: SDM 11.5.4.1 */
		REG(v, LAPIC_INITIAL_COUNT) = 0;
		v->deadline = VLAPIC_NEVER;
	}
	return VLAPIC_DO_TIMER;
}

static void mask_lvts(struct vlapic *v)
{
	for (unsigned i = LAPIC_LVT_TIMER; i <= LAPIC_LVT_ERROR; i++)
		REG(v, i) |= LVT_MASKED;
}

/* Writes that both modes have in common; -1: there is no such register to write. */
static int write_register(struct vlapic *v, unsigned reg, uint32_t value, uint64_t now,
			  struct vlapic_effect *effect)
{
	uint32_t left;

	switch (reg) {
	case LAPIC_TPR:
		REG(v, LAPIC_TPR) = value & 0xff;
		vlapic_update(v);
		return VLAPIC_DO_SYNC;
	case LAPIC_EOI:
		return end_of_interrupt(v, effect);
	case LAPIC_SVR:
		REG(v, LAPIC_SVR) = value & SVR_VALID;
		if (!vlapic_enabled(v))
			mask_lvts(v);
		return 0;
	case LAPIC_ESR:
		REG(v, LAPIC_ESR) = v->esr_next;
		v->esr_next = 0;
		return 0;
	case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
		return write_lvt(v, reg, value, now);
	case LAPIC_INITIAL_COUNT:
		if (vlapic_timer_mode(v) != TIMER_DEADLINE)
			REG(v, LAPIC_INITIAL_COUNT) = value;
		return start_timer(v, value, now);
	case LAPIC_DIVIDE:
		left = current_count(v, now);
		REG(v, LAPIC_DIVIDE) = value & 0xb;
		return start_timer(v, left, now);
	default:
		return -1;
	}
}

static bool is_there(const struct vlapic *v, unsigned reg)
{
	uint64_t readable = is_x2apic(v) ? READABLE & ~XAPIC_ONLY : READABLE;

	return reg < LAPIC_REGISTERS && readable >> reg & 1;
}

/* Reads that both modes have in common; false: there is no such register to read. */
static bool read_register(const struct vlapic *v, unsigned reg, uint64_t now, uint32_t *value)
{
	if (!is_there(v, reg))
		return false;
	*value = reg == LAPIC_CURRENT_COUNT ? current_count(v, now) : REG(v, reg);
	return true;
}

static void enter_x2apic(struct vlapic *v)
{
	REG(v, LAPIC_LDR) = v->id >> 4 << 16 | 1u << (v->id & 15); /* SDM 11.12.10.2 */
	REG(v, LAPIC_ICR_HIGH) = 0;
}

static uint64_t icr_high(const struct vlapic *v)
{
	return (uint64_t)REG(v, LAPIC_ICR_HIGH) << 32;
}

/* Transitions: SDM 11.12.5 and figure 11-27. The registers do not move: the address is refused as
 * one that the machine does not have. */
static int write_base(struct vlapic *v, uint64_t value)
{
	uint64_t old = v->apic_base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	uint64_t new = value &(APIC_BASE_ENABLE | APIC_BASE_X2APIC);

	if ((value & ~(uint64_t)APIC_BASE_FLAGS) != APIC_BASE_ADDRESS || new == APIC_BASE_X2APIC)
		return -1;
	if (new > APIC_BASE_ENABLE ? !old : new &&old > APIC_BASE_ENABLE)
		return -1; /* disabled to x2APIC, or back from there to xAPIC */
	v->apic_base = value;
	if (old == new)
		return VLAPIC_DO_SYNC;
	if (!new)
		vlapic_reset(v);
	else if (new > APIC_BASE_ENABLE)
		enter_x2apic(v);
	return VLAPIC_DO_SYNC | VLAPIC_DO_TIMER;
}

int vlapic_msr_write(struct vlapic *v, uint32_t msr, uint64_t value, uint64_t now,
		     struct vlapic_effect *effect)
{
	unsigned reg = msr - MSR_X2APIC;

	if (reg == LAPIC_EOI && is_x2apic(v))
		return value ? -1 : end_of_interrupt(v, effect);
	if (msr == MSR_TSC_DEADLINE)
		return write_deadline(v, value);
	if (msr == MSR_APIC_BASE)
		return write_base(v, value);
	if (!is_x2apic(v))
		return -1;
	if (reg == LAPIC_ICR)
		return value & ~(0xffffffff00000000u | ICR_VALID) ? -1 : send(v, value, effect);
	if (reg >= LAPIC_REGISTERS || value & ~(uint64_t)valid[reg])
		return -1;
	if (reg != LAPIC_SELF_IPI)
		return write_register(v, reg, (uint32_t)value, now, effect);
	if (value < 16)
		raise_error(v, ESR_SEND_ILLEGAL);
	else
		vlapic_accept(v, (uint8_t)value, false);
	return 0;
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
		*value = vlapic_timer_mode(v) == TIMER_DEADLINE && vlapic_left(v, now) &&
					 v->deadline != VLAPIC_NEVER
				 ? v->deadline
				 : 0;
		return 0;
	}
	if (!is_x2apic(v))
		return -1;
	if (!read_register(v, reg, now, &low))
		return -1;
	*value = reg == LAPIC_ICR ? icr_high(v) | low : low;
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

	if (!is_xapic_access(v, offset) || reg == LAPIC_APR || reg == LAPIC_EOI)
		return 0;
	if (!read_register(v, reg, now, &value))
		raise_error(v, ESR_ILLEGAL_REGISTER);
	return reg == LAPIC_ID ? value << 24 : value;
}

int vlapic_mmio_write(struct vlapic *v, uint32_t offset, uint32_t value, uint64_t now,
		      struct vlapic_effect *effect)
{
	int flags;

	if (!is_xapic_access(v, offset))
		return 0;
	switch (offset >> 4) {
	case LAPIC_LDR:
		REG(v, LAPIC_LDR) = value & 0xff000000;
		return 0;
	case LAPIC_DFR:
		REG(v, LAPIC_DFR) = value | 0x0fffffff;
		return 0;
	case LAPIC_ICR:
		return send(v, icr_high(v) | (value & ICR_VALID), effect);
	case LAPIC_ICR_HIGH:
		REG(v, LAPIC_ICR_HIGH) = value & 0xff000000;
		return 0;
	default:
		flags = write_register(v, offset >> 4, value, now, effect);
		if (flags < 0 && !is_there(v, offset >> 4))
			raise_error(v, ESR_ILLEGAL_REGISTER);
		return flags < 0 ? 0 : flags;
	}
}

bool vlapic_match(const struct vlapic *v, uint32_t dest, bool logical)
{
	uint32_t wide = REG(v, LAPIC_LDR), ldr = wide >> 24;

	if (!(v->apic_base & APIC_BASE_ENABLE))
		return false;
	if (dest == VLAPIC_ALL)
		return true;
	if (!logical)
		return dest == v->id;
	if (is_x2apic(v))
		return dest >> 16 == wide >> 16 && dest & wide & 0xffff;
	if (REG(v, LAPIC_DFR) >> 28 == 0xf) /* the flat model */
		return dest & ldr;
	return (dest >> 4 == ldr >> 4 || dest >> 4 == CLUSTER_ALL) && dest & ldr & 0xf;
}

bool vlapic_decode_msi(uint64_t address, uint32_t data, struct vlapic_message *message)
{
	uint32_t dest = (uint32_t)address >> 12 & 0xff, mode = data >> 8 & 7;

	if (address >> 20 != 0xfee)
		return false;
	/* SDM 3A 11.11.1: with the hint one of its destinations gets it, as with lowest priority.
	 */
	if (mode == VLAPIC_FIXED && address & MSI_REDIRECT)
		mode = VLAPIC_LOWEST;
	*message = (struct vlapic_message){
		.dest = dest == 0xff ? VLAPIC_ALL : dest,
		.vector = (uint8_t)data,
		.mode = (uint8_t)mode,
		.logical = address & MSI_LOGICAL,
		.level = data >> 15 & 1,
	};
	return true;
}

bool vlapic_enabled(const struct vlapic *v)
{
	return REG(v, LAPIC_SVR) & SVR_ENABLE;
}

bool vlapic_extint_allowed(const struct vlapic *v)
{
	if (!vlapic_enabled(v))
		return true; /* as if there were no local APIC: the PIC has the pin */
	return (REG(v, LAPIC_LVT_LINT0) & (LVT_MASKED | 0x700)) == VLAPIC_EXTINT << 8;
}

bool vlapic_lint0_rises(struct vlapic *v)
{
	uint32_t lvt = REG(v, LAPIC_LVT_LINT0), mode = lvt >> 8 & 7;

	if (!vlapic_enabled(v) || lvt & LVT_MASKED)
		return false;
	if (mode == VLAPIC_FIXED)
		vlapic_accept(v, (uint8_t)lvt, false);
	return mode == VLAPIC_NMI;
}

void vlapic_reset(struct vlapic *v)
{
	__builtin_memset(v->reg, 0, LAPIC_REGISTERS * sizeof(*v->reg));
	REG(v, LAPIC_ID) = v->id;
	REG(v, LAPIC_VERSION) = VERSION;
	REG(v, LAPIC_SVR) = 0xff;
	REG(v, LAPIC_DFR) = UINT32_MAX;
	mask_lvts(v);
	v->esr_next = 0;
	v->used = 0;
	v->timer_period = v->period_min;
	v->deadline = VLAPIC_NEVER;
	if (is_x2apic(v))
		enter_x2apic(v);
	vlapic_update(v);
}

void vlapic_init(struct vlapic *v, uint32_t id, bool bsp, uint64_t tsc_khz)
{
	*v = (struct vlapic){
		.reg = v->reg,
		.id = id,
		.apic_base = APIC_BASE_ADDRESS | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0),
		.ticks_per_count = (tsc_khz << 32) / (VLAPIC_TIMER_HZ / 1000),
		.counts_per_tick = ((uint64_t)(VLAPIC_TIMER_HZ / 1000) << 32) / tsc_khz + 1,
	};
	v->period_min = scale(vlapic_period_min_us * 1000ull, v->ticks_per_count) + 1;
	vlapic_reset(v);
}
