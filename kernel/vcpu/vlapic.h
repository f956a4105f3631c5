/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual local APIC of a vCPU: SDM volume 3, chapter 11 (APIC). Pure
 * logic on one flat structure: time comes in as the guest's TSC, and what the
 * rest of the machine must do comes out as flags. Fixed interrupts to the
 * vCPU itself are delivered here; all else is handed to the caller as a
 * message.
 */
#pragma once

#include "arch/lapic.h"
#include "arch/up.h"
#include "kernel/base/types.h"

#define VLAPIC_TIMER_HZ 1000000000u /* what the initial count counts, before the divider */
#define VLAPIC_NEVER    UINT64_MAX
#define VLAPIC_ALL      UINT32_MAX /* destination: every local APIC */

/* A vector is held back by the TPR alone: look when CR8 is lowered. With
 * `hardware`: there is something in the IRR that hv->lapic has yet to tell. */
#define VLAPIC_BLOCKED 0x100u

/* Delivery modes (SDM 11.6.1, 11.11.2). */
enum vlapic_mode {
	VLAPIC_FIXED = 0,
	VLAPIC_LOWEST = 1,
	VLAPIC_SMI = 2,
	VLAPIC_KICK = 3, /* reserved; here: KVM_HC_KICK_CPU */
	VLAPIC_NMI = 4,
	VLAPIC_INIT = 5,
	VLAPIC_STARTUP = 6,
	VLAPIC_EXTINT = 7
};

/* Destination shorthands of the ICR. */
enum vlapic_shorthand {
	VLAPIC_DEST = 0,
	VLAPIC_SELF = 1,
	VLAPIC_ALL_AND_SELF = 2,
	VLAPIC_ALL_BUT_SELF = 3
};

/* An interrupt message: from the ICR or from an MSI. */
struct vlapic_message {
	uint32_t dest; /* VLAPIC_ALL, or as the sender wrote it */
	uint8_t vector;
	uint8_t mode;      /* enum vlapic_mode */
	uint8_t shorthand; /* enum vlapic_shorthand */
	bool logical;
	bool level; /* level-triggered: its EOI is reported */
};

/* A register as it lies in the page. */
struct vlapic_register {
	uint32_t value, unused[3];
};

struct vlapic {
	/* Highest vector that may be delivered now, or 0; and VLAPIC_BLOCKED. */
	uint32_t pending;
	bool hardware;     /* the CPU has TPR, ISR and IRR, and delivers */
	uint64_t deadline; /* guest TSC at which the timer expires, or VLAPIC_NEVER */
	/* Laid out as the page; the ID not shifted. */
	struct vlapic_register *reg;
	uint64_t used;      /* bit n: reg[n], of ISR or IRR, is not 0 */
	uint64_t apic_base; /* the MSR */
	uint32_t id;
	uint32_t esr_next;        /* what the next write of the ESR shows */
	uint64_t timer_period;    /* in TSC ticks: TMICT expanded */
	uint64_t ticks_per_count; /* TSC ticks per nanosecond, 32.32 */
	uint64_t counts_per_tick; /* its inverse, 32.32 */
	uint64_t period_min;      /* shortest periodic timer, TSC ticks */
};

/* Flags of an access, each a thing that the caller must do then: */
#define VLAPIC_DO_TIMER 0x1 /* `deadline` has changed, and may have passed: vlapic_tick */
#define VLAPIC_DO_EOI   0x2 /* the level-triggered effect->vector has ended */
#define VLAPIC_DO_SEND  0x4 /* deliver effect->message */
#define VLAPIC_DO_SYNC  0x8 /* apic_base or the TPR has changed: hv->lapic */

struct vlapic_effect {
	struct vlapic_message message;
	uint8_t vector;
};

/* Power-up state; `reg` has been set. */
void vlapic_init(struct vlapic *v, uint32_t id, bool bsp, uint64_t tsc_khz);
/* After INIT: as power-up, but ID and APIC_BASE stay (SDM 11.4.7.3). */
void vlapic_reset(struct vlapic *v);

/*
 * MSR_APIC_BASE, MSR_TSC_DEADLINE and 0x800-0x8ff. Both return -1 for #GP; a
 * write otherwise returns VLAPIC_DO_* flags.
 */
int vlapic_msr_read(const struct vlapic *v, uint32_t msr, uint64_t *value, uint64_t now);
int vlapic_msr_write(struct vlapic *v, uint32_t msr, uint64_t value, uint64_t now,
		     struct vlapic_effect *effect);

/* The xAPIC page, by 32-bit accesses; ignored in x2APIC mode. */
uint32_t vlapic_mmio_read(struct vlapic *v, uint32_t offset, uint64_t now);
int vlapic_mmio_write(struct vlapic *v, uint32_t offset, uint32_t value, uint64_t now,
		      struct vlapic_effect *effect);

/* Set a vector in the IRR; false: the APIC is disabled or the vector illegal. */
bool vlapic_accept(struct vlapic *v, uint8_t vector, bool level);

/* The CPU takes the vector that is pending: IRR -> ISR. vlapic_alone: returns true if that one is
 * an edge, and nothing else waits or is in service. vlapic_end: such a one has ended. */
void vlapic_take(struct vlapic *v, uint8_t vector);
bool vlapic_alone(const struct vlapic *v, uint8_t vector);
void vlapic_end(struct vlapic *v);

/* Timer: true if it has expired at `now` (and `deadline` has changed). */
bool vlapic_tick(struct vlapic *v, uint64_t now);
extern uint32_t vlapic_period_min_us; /* of a periodic timer */
/* The guest's TSC has jumped by delta: a counting timer does not notice. */
void vlapic_shift_tsc(struct vlapic *v, uint64_t delta);

/* Is this APIC among the destinations? Not for shorthands. */
bool vlapic_match(const struct vlapic *v, uint32_t dest, bool logical);
/* Decode an MSI. False: the address is not one of the interrupt range. */
bool vlapic_decode_msi(uint64_t address, uint32_t data, struct vlapic_message *message);

bool vlapic_enabled(const struct vlapic *v); /* by software */

/* Does the PIC's INTR line reach the CPU through this APIC? */
bool vlapic_extint_allowed(const struct vlapic *v);

/* The PIC's INTR line, which is wired to LINT0 too, has gone up: in fixed mode that is an edge.
 * Returns true if it is an NMI. */
bool vlapic_lint0_rises(struct vlapic *v);

/* The one to deliver now, or 0. */
static inline uint8_t vlapic_pending(const struct vlapic *v)
{
	return (uint8_t)v->pending;
}

/* CR8 is the upper half of the TPR. */
static inline unsigned vlapic_cr8(const struct vlapic *v)
{
	return v->reg[LAPIC_TPR].value >> 4;
}
static inline void vlapic_set_cr8(struct vlapic *v, unsigned cr8)
{
	if (vlapic_cr8(v) != (cr8 & 15)) {
		v->reg[LAPIC_TPR].value = (cr8 & 15) << 4;
		vlapic_update(v);
	}
}

static inline uint32_t vlapic_timer_mode(const struct vlapic *v)
{
	return v->reg[LAPIC_LVT_TIMER].value & TIMER_MODE;
}

/*
 * Ticks of the guest's TSC until the timer expires; 0: it has expired; VLAPIC_NEVER: it is off.
 * A deadline that the guest wrote is any number, and the CPU compares it with the TSC without a
 * sign (SDM 3A 11.5.4.1). One that was counted is at most some minutes away, on either side, also
 * where the guest's TSC wraps meanwhile.
 */
static inline uint64_t vlapic_left(const struct vlapic *v, uint64_t now)
{
	uint64_t left = v->deadline - now;

	if (v->deadline == VLAPIC_NEVER)
		return VLAPIC_NEVER;
	if (vlapic_timer_mode(v) == TIMER_DEADLINE)
		return now < v->deadline ? left : 0;
	return (int64_t)left > 0 ? left : 0;
}

/* ... until it interrupts. A masked one never does. */
static inline uint64_t vlapic_next(const struct vlapic *v, uint64_t now)
{
	return v->reg[LAPIC_LVT_TIMER].value & LVT_MASKED ? VLAPIC_NEVER : vlapic_left(v, now);
}
