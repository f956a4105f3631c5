/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MC146818A (Motorola data sheet ADI856R2). The time is computed from the wall
 * clock when it is read, flags when register C is read; a timer is set only
 * for an interrupt that is enabled and not yet raised.
 */
#include "guests/dom0/machine/cmos.h"

#include "guests/dom0/base/loop.h"
#include "guests/dom0/machine/calendar.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define REG_SECOND       0x00u
#define REG_SECOND_ALARM 0x01u
#define REG_MINUTE       0x02u
#define REG_MINUTE_ALARM 0x03u
#define REG_HOUR         0x04u
#define REG_HOUR_ALARM   0x05u
#define REG_WEEKDAY      0x06u
#define REG_DAY          0x07u
#define REG_MONTH        0x08u
#define REG_YEAR         0x09u
#define REG_A            0x0au
#define REG_B            0x0bu
#define REG_C            0x0cu
#define REG_D            0x0du
#define REG_CENTURY      0x32u /* as the FADT says */

#define A_UIP           0x80u
#define A_DIVIDER       0x70u
#define A_DIVIDER_RESET 0x60u /* and 0x70 */
#define A_RATE          0x0fu
#define B_SET           0x80u
#define B_INTERRUPTS    0x70u
#define B_BINARY        0x04u
#define B_24H           0x02u
#define C_IRQ           0x80u
#define C_PERIODIC      0x40u
#define C_ALARM         0x20u
#define C_UPDATE        0x10u
#define D_VALID         0x80u

#define ALARM_ANY 0xc0u /* both bits set: any value matches */
#define HOUR_PM   0x80u

#define RTC_IRQ     8u
#define NS_PER_S    1000000000ll
#define UIP_NS      244000ll     /* the flag comes this long before the update */
#define SECONDS_MIN 0ll          /* 1970 */
#define SECONDS_MAX 7258118399ll /* the end of 2199 */

static struct cmos_state *cmos(struct vm *vm)
{
	return &vm->state->cmos;
}

static bool runs(const struct cmos_state *s)
{
	return !(s->reg[REG_B] & B_SET) && (s->reg[REG_A] & A_DIVIDER_RESET) != A_DIVIDER_RESET;
}

static int64_t now_ns(const struct cmos_state *s)
{
	return (int64_t)clock_wall_ns() + s->offset_ns;
}

static uint8_t encode(const struct cmos_state *s, unsigned value)
{
	return (uint8_t)(s->reg[REG_B] & B_BINARY ? value : value % 10 | value / 10 << 4);
}

static unsigned decode(const struct cmos_state *s, uint8_t value)
{
	return s->reg[REG_B] & B_BINARY ? value : (value & 15u) + (value >> 4) * 10u;
}

static uint8_t encode_hour(const struct cmos_state *s, unsigned hour)
{
	if (s->reg[REG_B] & B_24H)
		return encode(s, hour);
	return encode(s, (hour + 11) % 12 + 1) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const struct cmos_state *s, uint8_t value)
{
	if (s->reg[REG_B] & B_24H)
		return decode(s, value);
	return decode(s, value & 0x7f) % 12 + (value & HOUR_PM ? 12 : 0);
}

/* Date and time into the registers. */
static void show(struct cmos_state *s)
{
	struct calendar t;

	calendar_from_seconds(now_ns(s) / NS_PER_S, &t);
	s->reg[REG_SECOND] = encode(s, t.second);
	s->reg[REG_MINUTE] = encode(s, t.minute);
	s->reg[REG_HOUR] = encode_hour(s, t.hour);
	s->reg[REG_WEEKDAY] = encode(s, t.weekday + 1);
	s->reg[REG_DAY] = encode(s, t.day);
	s->reg[REG_MONTH] = encode(s, t.month);
	s->reg[REG_YEAR] = encode(s, t.year % 100);
	s->reg[REG_CENTURY] = encode(s, t.year / 100);
}

/* The clock starts from the time in the registers. */
static void take(struct cmos_state *s, int64_t subsecond_ns)
{
	struct calendar t = {
		.second = decode(s, s->reg[REG_SECOND]),
		.minute = decode(s, s->reg[REG_MINUTE]),
		.hour = decode_hour(s, s->reg[REG_HOUR]),
		.day = decode(s, s->reg[REG_DAY]),
		.month = decode(s, s->reg[REG_MONTH]),
		.year = decode(s, s->reg[REG_CENTURY]) * 100 + decode(s, s->reg[REG_YEAR]),
	};
	int64_t seconds = calendar_to_seconds(&t);

	if (seconds < SECONDS_MIN)
		seconds = SECONDS_MIN;
	if (seconds > SECONDS_MAX)
		seconds = SECONDS_MAX;
	s->offset_ns = seconds * NS_PER_S + subsecond_ns - (int64_t)clock_wall_ns();
	s->seconds_done = seconds;
}

/* Period of the periodic interrupt, 0 if off (data sheet, table 5). */
static uint64_t period_ns(const struct cmos_state *s)
{
	unsigned rate = s->reg[REG_A] & A_RATE;

	if (rate == 0)
		return 0;
	if (rate <= 2)
		rate += 7;
	return ((uint64_t)NS_PER_S << (rate - 1)) / 32768;
}

static bool alarm_field(const struct cmos_state *s, unsigned reg, unsigned value)
{
	uint8_t alarm = s->reg[reg];

	if ((alarm & ALARM_ANY) == ALARM_ANY)
		return true;
	return reg == REG_HOUR_ALARM ? decode_hour(s, alarm) == value : decode(s, alarm) == value;
}

/* The first second after `after` at which the alarm goes off; INT64_MAX if it
 * never does. */
static int64_t next_alarm(const struct cmos_state *s, int64_t after)
{
	int64_t t = after + 1, end = after + 86400;

	while (t <= end) {
		if (!alarm_field(s, REG_HOUR_ALARM, (unsigned)(t / 3600 % 24)))
			t += 3600 - t % 3600;
		else if (!alarm_field(s, REG_MINUTE_ALARM, (unsigned)(t / 60 % 60)))
			t += 60 - t % 60;
		else if (!alarm_field(s, REG_SECOND_ALARM, (unsigned)(t % 60)))
			t++;
		else
			return t;
	}
	return INT64_MAX;
}

/* Sets the flags of all that has happened up to now. */
static void catch_up(struct cmos_state *s)
{
	uint64_t period = period_ns(s), periods;
	int64_t second = now_ns(s) / NS_PER_S;

	if (runs(s) && second > s->seconds_done) {
		s->reg[REG_C] |= C_UPDATE;
		if (next_alarm(s, s->seconds_done) <= second)
			s->reg[REG_C] |= C_ALARM;
		s->seconds_done = second;
	}
	if (period != 0) {
		periods = clock_wall_ns() / period;
		if (periods > s->periods_done)
			s->reg[REG_C] |= C_PERIODIC;
		s->periods_done = periods;
	}
}

/* When the next flag that is to interrupt comes up, in wall clock time. */
static uint64_t next_event(const struct cmos_state *s)
{
	uint64_t next = UINT64_MAX, period = period_ns(s), at;
	int64_t second = INT64_MAX;

	if (runs(s) && s->reg[REG_B] & C_UPDATE)
		second = s->seconds_done + 1;
	else if (runs(s) && s->reg[REG_B] & C_ALARM)
		second = next_alarm(s, s->seconds_done);
	if (second != INT64_MAX)
		next = (uint64_t)(second * NS_PER_S - s->offset_ns);
	if (period != 0 && s->reg[REG_B] & C_PERIODIC) {
		at = (s->periods_done + 1) * period;
		next = at < next ? at : next;
	}
	return next;
}

static void set_timer(struct vm *vm)
{
	struct platform *platform = vm->platform;
	uint64_t wall = clock_wall_ns(), next;

	/* While the line is up nothing more can happen. */
	next = cmos(vm)->line ? UINT64_MAX : next_event(cmos(vm));
	if (next == UINT64_MAX)
		timer_cancel(&platform->rtc);
	else
		timer_set(&platform->rtc, clock_ns() + (next > wall ? next - wall : 0));
}

static void update(struct vm *vm)
{
	struct cmos_state *s = cmos(vm);
	uint8_t line;

	catch_up(s);
	line = (s->reg[REG_B] & s->reg[REG_C] & B_INTERRUPTS) != 0;
	s->reg[REG_C] = (uint8_t)((s->reg[REG_C] & ~C_IRQ) | (line ? C_IRQ : 0));
	if (line != s->line) {
		s->line = line;
		vm_irq(vm, RTC_IRQ, line);
	}
	set_timer(vm);
}

static void fire(struct timer *timer)
{
	struct platform *platform = timer->context;

	update(platform->vm);
}

static uint8_t read_c(struct vm *vm)
{
	uint8_t value;

	update(vm);
	value = cmos(vm)->reg[REG_C];
	cmos(vm)->reg[REG_C] = 0;
	update(vm);
	return value;
}

static uint8_t read_a(const struct cmos_state *s)
{
	bool updating = runs(s) && now_ns(s) % NS_PER_S >= NS_PER_S - UIP_NS;

	return s->reg[REG_A] | (updating ? A_UIP : 0);
}

static bool is_time(unsigned reg)
{
	return reg <= REG_YEAR ? reg >= REG_WEEKDAY || !(reg & 1) : reg == REG_CENTURY;
}

static uint8_t read_register(struct vm *vm)
{
	struct cmos_state *s = cmos(vm);

	if (s->index == REG_A)
		return read_a(s);
	if (s->index == REG_C)
		return read_c(vm);
	if (is_time(s->index) && runs(s))
		show(s);
	return s->reg[s->index];
}

/* Registers A and B: the clock may stop, or start from the registers. */
static void write_mode(struct vm *vm, uint8_t value)
{
	struct cmos_state *s = cmos(vm);
	bool ran = runs(s), divider = (s->reg[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;

	update(vm);
	if (ran)
		show(s);
	if (s->index == REG_A)
		s->reg[REG_A] = value & (uint8_t)~A_UIP;
	else /* B_SET inhibits the update interrupt for good */
		s->reg[REG_B] = value & B_SET ? value & (uint8_t)~C_UPDATE : value;
	if (!ran && runs(s))
		/* The divider chain's first update comes after half a second. */
		take(s, divider ? NS_PER_S / 2 : 0);
	if (period_ns(s) != 0)
		s->periods_done = clock_wall_ns() / period_ns(s);
	update(vm);
}

static void write_register(struct vm *vm, uint8_t value)
{
	struct cmos_state *s = cmos(vm);
	int64_t subsecond = now_ns(s) % NS_PER_S;

	switch (s->index) {
	case REG_A:
	case REG_B:
		write_mode(vm, value);
		return;
	case REG_C:
	case REG_D:
		return;
	default:
		break;
	}
	update(vm);
	if (is_time(s->index) && runs(s)) {
		show(s);
		s->reg[s->index] = value;
		take(s, subsecond);
	} else {
		s->reg[s->index] = value;
	}
	update(vm);
}

static uint64_t cmos_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	uint8_t index = cmos(vm)->index;

	(void)instance;
	if (offset == 1)
		return read_register(vm);
	return size == 1 ? index : index | (uint64_t)read_register(vm) << 8;
}

static void cmos_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
		       uint64_t value)
{
	(void)instance;
	if (offset == 0) {
		cmos(vm)->index = value & 0x7f; /* bit 7 masks NMIs */
		value >>= 8;
	}
	if (offset == 1 || size > 1)
		write_register(vm, (uint8_t)value);
}

static const struct io_ops cmos_ops = {cmos_read, cmos_write};

static void put16(struct cmos_state *s, unsigned reg, uint64_t value)
{
	s->reg[reg] = (uint8_t)value;
	s->reg[reg + 1] = (uint8_t)(value >> 8);
}

/* Memory sizes where PC firmware keeps them. */
static void put_memory(struct cmos_state *s, uint64_t ram)
{
	uint64_t low = ram < VM_RAM_BELOW_4G ? ram : VM_RAM_BELOW_4G;
	uint64_t kib = low > 1 << 20 ? (low - (1 << 20)) >> 10 : 0;
	uint64_t above_16m = low > 16 << 20 ? (low - (16 << 20)) >> 16 : 0;
	uint64_t above_4g = (ram - low) >> 16;

	kib = kib < 65535 ? kib : 65535;
	put16(s, 0x15, 640);
	put16(s, 0x17, kib);
	put16(s, 0x30, kib);
	put16(s, 0x34, above_16m < 65535 ? above_16m : 65535);
	put16(s, 0x5b, above_4g);
	s->reg[0x5d] = (uint8_t)(above_4g >> 16);
}

/* The check sum over 0x10-0x2d that firmware sets keep at 0x2e. */
static void put_checksum(struct cmos_state *s)
{
	unsigned sum = 0;

	for (unsigned reg = 0x10; reg <= 0x2d; reg++)
		sum += s->reg[reg];
	s->reg[0x2e] = (uint8_t)(sum >> 8);
	s->reg[0x2f] = (uint8_t)sum;
}

/* A machine reset: the clock has a battery and goes on, interrupts end. */
void cmos_reset(struct vm *vm)
{
	struct cmos_state *s = cmos(vm);

	s->reg[REG_B] &= (uint8_t) ~(B_INTERRUPTS | B_SET);
	s->reg[REG_C] = 0;
	s->index = 0;
	update(vm);
}

/* The time in between has not been, or is once more: no flag tells of it, and the next second's
 * does. */
void cmos_wall_set(struct vm *vm)
{
	struct cmos_state *s = cmos(vm);

	s->seconds_done = now_ns(s) / NS_PER_S;
	if (period_ns(s) != 0)
		s->periods_done = clock_wall_ns() / period_ns(s);
	set_timer(vm);
}

int cmos_resume(struct vm *vm)
{
	struct platform *platform = vm->platform;

	timer_init(&platform->rtc, fire, platform);
	cmos(vm)->index &= 0x7f;
	set_timer(vm);
	return bus_add(vm, BUS_PIO, 0x70, 2, &cmos_ops, 0);
}

int cmos_init(struct vm *vm)
{
	struct cmos_state *s = cmos(vm);

	*s = (struct cmos_state){.offset_ns = 0};
	s->reg[REG_A] = 0x26; /* 32768 Hz crystal, 1024 Hz periodic rate */
	s->reg[REG_B] = B_24H;
	s->reg[REG_D] = D_VALID;
	s->seconds_done = now_ns(s) / NS_PER_S;
	put_memory(s, vm->ram_bytes);
	put_checksum(s);
	return cmos_resume(vm);
}
