/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 8254 (Intel data sheet 231164). Nothing counts: what a counter shows is
 * computed from the clock when somebody looks. Only channel 0, whose output is
 * IRQ 0, needs a timer, and only while its interrupt is unmasked somewhere.
 */
#include "guests/dom0/machine/pit.h"

#include "guests/dom0/base/loop.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define PIT_HZ   1193182ull
#define NS_PER_S 1000000000ull

/* A guest that asks for more ticks than this gets them merged. */
#define SHORTEST_PERIOD_NS 100000u

#define REFRESH_NS 15085u /* DRAM refresh, seen in bit 4 of port 0x61 */

#define ACCESS_LATCH 0u
#define ACCESS_LOW   1u
#define ACCESS_HIGH  2u
#define ACCESS_BOTH  3u
#define READ_BACK    3u

#define SPEAKER_GATE 0x01u

static struct pit_channel *channel(struct vm *vm, unsigned n)
{
	return &vm->state->pit.channel[n];
}

static uint64_t ticks_of_ns(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * PIT_HZ / NS_PER_S);
}

/* The first nanosecond at which that many ticks have passed. */
static uint64_t ns_of_ticks(uint64_t ticks)
{
	return (uint64_t)(((unsigned __int128)ticks * NS_PER_S + PIT_HZ - 1) / PIT_HZ);
}

static bool gate_starts(const struct pit_channel *c)
{
	return c->mode == 1 || c->mode == 5;
}

static bool repeats(const struct pit_channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

/* Does the counter stand still? Then it shows `paused` ticks. */
static bool stands(const struct pit_channel *c)
{
	if (!c->loaded)
		return true;
	return gate_starts(c) ? !c->triggered : !c->gate;
}

static uint64_t ticks(const struct pit_channel *c)
{
	return stands(c) ? c->paused : ticks_of_ns(clock_ns() - c->start);
}

static void start(struct pit_channel *c, uint64_t after_ticks)
{
	c->start = clock_ns() - ns_of_ticks(after_ticks);
	c->paused = 0;
}

static bool output(const struct pit_channel *c)
{
	uint64_t t = ticks(c);

	if (!c->loaded)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
		return t >= c->count;
	case 1:
		return !c->triggered || t >= c->count;
	case 2:
		return !c->gate || t % c->count != c->count - 1;
	case 3:
		return !c->gate || t % c->count < (c->count + 1) / 2;
	default:
		return t != c->count || stands(c);
	}
}

static uint16_t to_bcd(uint32_t n)
{
	return (uint16_t)(n % 10 | n / 10 % 10 << 4 | n / 100 % 10 << 8 | n / 1000 % 10 << 12);
}

static uint32_t from_bcd(uint16_t n)
{
	return (n & 15u) + (n >> 4 & 15u) * 10 + (n >> 8 & 15u) * 100 + (n >> 12) * 1000u;
}

/* The counting element's value. */
static uint16_t counter(const struct pit_channel *c)
{
	uint64_t t = ticks(c);
	uint32_t round = c->bcd ? 10000 : 65536, left;

	if (!repeats(c))
		left = (uint32_t)((c->count + round - t % round) % round);
	else if (c->mode == 2)
		left = (uint32_t)(c->count - t % c->count);
	else /* counts by two, twice */
		left = (uint32_t)(c->count - 2 * t % c->count);
	return c->bcd ? to_bcd(left % round) : (uint16_t)left;
}

/* How often OUT has risen since the counter was loaded. */
static uint64_t rises(const struct pit_channel *c)
{
	uint64_t t = ticks(c);

	if (stands(c))
		return 0;
	if (repeats(c))
		return t / c->count;
	return t >= c->count + (c->mode >= 4 ? 1u : 0u);
}

static void set_timer(struct vm *vm)
{
	struct pit_state *s = &vm->state->pit;
	struct pit_channel *c = &s->channel[0];
	struct platform *platform = vm->platform;
	uint64_t next, soonest;

	if (stands(c) || !vm_irq0_wanted(vm) || (!repeats(c) && s->ticks_fired > 0)) {
		timer_cancel(&platform->pit);
		return;
	}
	next = repeats(c) ? (s->ticks_fired + 1) * c->count : c->count + (c->mode >= 4 ? 1u : 0u);
	next = c->start + ns_of_ticks(next);
	soonest = clock_ns() + SHORTEST_PERIOD_NS;
	if (repeats(c) && next < soonest && c->count < ticks_of_ns(SHORTEST_PERIOD_NS))
		next = soonest;
	timer_set(&platform->pit, next);
}

void pit_sync(struct vm *vm)
{
	struct pit_state *s = &vm->state->pit;
	uint64_t now = rises(&s->channel[0]);

	if (now > s->ticks_fired) {
		s->ticks_fired = now;
		vm_irq(vm, 0, false);
		vm_irq(vm, 0, true);
	}
	set_timer(vm);
}

static void fire(struct timer *timer)
{
	struct platform *platform = timer->context;

	pit_sync(platform->vm);
}

/* Channel 0 begins anew. */
static void restarted(struct vm *vm)
{
	struct pit_state *s = &vm->state->pit;

	s->ticks_fired = 0;
	vm_irq(vm, 0, output(&s->channel[0]));
	set_timer(vm);
}

static void load(struct vm *vm, unsigned n, uint16_t value)
{
	struct pit_channel *c = channel(vm, n);
	uint32_t count = c->bcd ? from_bcd(value) : value;

	if (n == 0)
		pit_sync(vm);
	c->count = count != 0 ? count : c->bcd ? 10000u : 65536u;
	/* A count of 1 means nothing in modes 2 and 3. */
	if (repeats(c) && c->count == 1)
		c->count = 2;
	c->loaded = 1;
	/* Modes 1 and 5 go on until the gate rises again. */
	if (!gate_starts(c))
		start(c, 0);
	if (n == 0)
		restarted(vm);
}

static void set_gate(struct pit_channel *c, bool gate)
{
	bool was = c->gate;

	if (gate == was)
		return;
	if (!gate) {
		if (!gate_starts(c))
			c->paused = (uint32_t)(repeats(c) ? 0 : ticks(c) % 65536);
		c->gate = 0;
		return;
	}
	c->gate = 1;
	if (gate_starts(c)) {
		c->triggered = c->loaded;
		start(c, 0);
	} else if (c->loaded) {
		start(c, c->paused);
	}
}

static void latch_count(struct pit_channel *c)
{
	if (c->count_latched)
		return;
	c->latch = counter(c);
	c->count_latched = c->access == ACCESS_BOTH ? 2 : 1;
}

static void latch_status(struct pit_channel *c)
{
	if (c->status_latched)
		return;
	c->status = (uint8_t)((output(c) ? 0x80u : 0) | (c->loaded ? 0 : 0x40u) |
			      (unsigned)c->access << 4 | (unsigned)c->mode << 1 | c->bcd);
	c->status_latched = 1;
}

static void read_back(struct vm *vm, uint8_t command)
{
	for (unsigned n = 0; n < 3; n++) {
		if (!(command >> (n + 1) & 1))
			continue;
		if (!(command & 0x20))
			latch_count(channel(vm, n));
		if (!(command & 0x10))
			latch_status(channel(vm, n));
	}
}

static void write_control(struct vm *vm, uint8_t value)
{
	unsigned n = value >> 6, access = value >> 4 & 3, mode = value >> 1 & 7;
	struct pit_channel *c;

	if (n == READ_BACK) {
		read_back(vm, value);
		return;
	}
	c = channel(vm, n);
	if (access == ACCESS_LATCH) {
		latch_count(c);
		return;
	}
	if (n == 0)
		pit_sync(vm);
	*c = (struct pit_channel){
		.count = c->count,
		.gate = c->gate,
		.access = (uint8_t)access,
		.mode = (uint8_t)(mode > 5 ? mode - 4 : mode),
		.bcd = value & 1,
	};
	if (n == 0)
		restarted(vm);
}

static uint8_t read_channel(struct pit_channel *c)
{
	uint16_t value;
	bool high;

	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	value = c->count_latched ? c->latch : counter(c);
	if (c->access == ACCESS_BOTH) {
		high = c->read_high;
		c->read_high = !high;
	} else {
		high = c->access == ACCESS_HIGH;
	}
	if (c->count_latched)
		c->count_latched--;
	return (uint8_t)(high ? value >> 8 : value);
}

static void write_channel(struct vm *vm, unsigned n, uint8_t value)
{
	struct pit_channel *c = channel(vm, n);

	if (c->access == ACCESS_LOW) {
		load(vm, n, value);
	} else if (c->access == ACCESS_HIGH) {
		load(vm, n, (uint16_t)(value << 8));
	} else if (!c->write_high) {
		c->write_low_byte = value;
		c->write_high = 1;
	} else {
		c->write_high = 0;
		load(vm, n, (uint16_t)(value << 8 | c->write_low_byte));
	}
}

static uint64_t pit_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	(void)instance;
	for (unsigned i = 0; i < size; i++) {
		uint64_t at = offset + i;
		uint8_t byte = at < 3 ? read_channel(channel(vm, (unsigned)at)) : 0xff;

		value |= (uint64_t)byte << (8 * i);
	}
	return value;
}

static void pit_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
		      uint64_t value)
{
	(void)instance;
	for (unsigned i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(value >> (8 * i));

		if (offset + i == 3)
			write_control(vm, byte);
		else
			write_channel(vm, (unsigned)(offset + i), byte);
	}
}

static uint64_t speaker_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	struct pit_state *s = &vm->state->pit;
	uint8_t value = s->speaker;

	(void)instance;
	(void)offset;
	(void)size;
	if (clock_ns() / REFRESH_NS & 1)
		value |= 0x10;
	if (output(&s->channel[2]))
		value |= 0x20;
	return value;
}

static void speaker_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
			  uint64_t value)
{
	struct pit_state *s = &vm->state->pit;

	(void)instance;
	(void)offset;
	(void)size;
	s->speaker = value & 0x0f;
	set_gate(&s->channel[2], value & SPEAKER_GATE);
}

static const struct io_ops pit_ops = {pit_read, pit_write};
static const struct io_ops speaker_ops = {speaker_read, speaker_write};

void pit_reset(struct vm *vm)
{
	struct pit_state *s = &vm->state->pit;
	struct platform *platform = vm->platform;

	timer_cancel(&platform->pit);
	*s = (struct pit_state){.epoch = clock_epoch_ns()};
	for (unsigned n = 0; n < 3; n++)
		s->channel[n] = (struct pit_channel){
			.count = 65536,
			.access = ACCESS_BOTH,
			.mode = 3,
			.gate = n != 2,
		};
	/* Firmware leaves the tick of 18.2 Hz running. */
	s->channel[0].loaded = 1;
	start(&s->channel[0], 0);
}

int pit_resume(struct vm *vm)
{
	struct pit_state *s = &vm->state->pit;
	struct platform *platform = vm->platform;
	uint64_t epoch = clock_epoch_ns();

	timer_init(&platform->pit, fire, platform);
	for (unsigned n = 0; n < 3; n++)
		s->channel[n].start += s->epoch - epoch;
	s->epoch = epoch;
	if (bus_add(vm, BUS_PIO, 0x40, 4, &pit_ops, 0) != 0 ||
	    bus_add(vm, BUS_PIO, 0x61, 1, &speaker_ops, 0) != 0)
		return -1;
	pit_sync(vm);
	return 0;
}

int pit_init(struct vm *vm)
{
	pit_reset(vm);
	return pit_resume(vm);
}
