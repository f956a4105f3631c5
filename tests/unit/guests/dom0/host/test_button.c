/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/host/button.c */
/* flags: -include tests/unit/sampo_machine.h */
/* A chipset's fixed events, its SCI, and firmware that is slow or has no button. */
#include "tests/unit/unit.h"

#include "drivers/env.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/host/firmware.h"

#define EVENT   0x600u
#define EVENT_B 0x610u
#define CONTROL 0x604u
#define GPE     0x620u
#define BUTTON  0x100u

static struct sampo_boot info = {.machine = 1};
const struct sampo_boot *boot = &info;

static struct firmware_power facts;
static uint8_t registers[0x800];
static unsigned mode_after; /* reads of PM1 control until ACPI mode */
static irq_handler *handler;
static unsigned presses, asked, logged;
static uint64_t now;
static struct timer *waiting;

struct firmware_power firmware_power(const uint8_t rsdp[36])
{
	assert_ptr_equal(rsdp, info.rsdp);
	return facts;
}

int64_t sampo_machine(uint32_t machine, uint64_t op)
{
	assert_int_equal(machine, 1);
	assert_int_equal(op, SAMPO_MACHINE_ACPI);
	asked++;
	return SAMPO_OK;
}

uint32_t ports_open(uint16_t base, uint32_t count)
{
	assert_true(base == EVENT || base == EVENT_B || base == CONTROL || base == GPE);
	assert_int_equal(count, base == CONTROL ? 2 : base == GPE ? 16 : 4);
	return base;
}

void ports_close(uint32_t ports)
{
	(void)ports;
}

uint32_t port_read(uint32_t ports, uint32_t offset, unsigned bytes)
{
	const uint8_t *at = registers + ports + offset;

	assert_int_equal(bytes, 2);
	if (ports == CONTROL && mode_after && !--mode_after)
		registers[CONTROL] |= 1;
	return at[0] | at[1] << 8;
}

/* Status bits are cleared by writing them. */
void port_write(uint32_t ports, uint32_t offset, unsigned bytes, uint32_t value)
{
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t *at = registers + ports + offset + i;
		bool status = ports != CONTROL && offset == 0;

		*at = status ? *at & ~(value >> 8 * i) : value >> 8 * i;
	}
}

bool irq_pin_bind(unsigned pin, enum irq_trigger trigger, irq_handler *bound, void *context,
		  unsigned vector)
{
	assert_true(pin == 9 && trigger == IRQ_LEVEL_LOW && !context && !vector);
	handler = bound;
	return true;
}

void irq_pin_unbind(unsigned pin, irq_handler *bound, void *context)
{
	(void)context;
	assert_true(pin == 9 && bound == handler);
	handler = NULL;
}

uint64_t clock_ns(void)
{
	return now;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	timer->deadline = deadline_ns;
	waiting = timer;
}

void driver_log(const char *format, ...)
{
	(void)format;
	logged++;
}

static void pressed(void)
{
	presses++;
}

static void wait_for_timers(void)
{
	while (waiting) {
		struct timer *timer = waiting;

		waiting = NULL;
		now = timer->deadline;
		timer->fire(timer);
	}
}

static int start(void **state)
{
	(void)state;
	memset(registers, 0, sizeof(registers));
	memset(registers + GPE + 8, 0xff, 8);
	facts = (struct firmware_power){.pm1_control = {CONTROL},
					.pm1_event = {EVENT, EVENT_B},
					.pm1_event_bytes = 4,
					.gpe = {GPE},
					.gpe_bytes = {16},
					.sci = 9,
					.has_button = true};
	mode_after = 0;
	handler = NULL;
	presses = asked = logged = 0;
	now = 5;
	waiting = NULL;
	return 0;
}

static void test_press(void **state)
{
	(void)state;
	mode_after = 3;
	registers[EVENT + 1] = 1; /* pressed before anybody listened */
	host_button(pressed);
	assert_null(handler);
	wait_for_timers();
	assert_int_equal(asked, 1);
	assert_non_null(handler);
	assert_int_equal(registers[EVENT + 2] | registers[EVENT + 3] << 8, BUTTON);
	assert_int_equal(registers[EVENT_B + 2] | registers[EVENT_B + 3] << 8, 0);
	for (unsigned i = 8; i < 16; i++)
		assert_int_equal(registers[GPE + i], 0);
	assert_int_equal(presses, 0);
	registers[EVENT + 1] = 1;
	handler(NULL, 0);
	assert_int_equal(presses, 1);
	assert_int_equal(registers[EVENT + 1], 0);
	handler(NULL, 0);
	assert_int_equal(presses, 1);
	assert_int_equal(logged, 0);
}

static void test_storm(void **state)
{
	unsigned n = 0;

	(void)state;
	registers[CONTROL] = 1;
	host_button(pressed);
	for (unsigned i = 0; i < 5000; i++) { /* not a storm: 500 in a second */
		now += 2000000;
		handler(NULL, 0);
		assert_non_null(handler);
	}
	for (; handler && n < 10000; n++)
		handler(NULL, 0);
	assert_null(handler);
	assert_true(n <= 1500);
	assert_int_equal(logged, 1);
	assert_int_equal(presses, 0);
}

static void test_no_button(void **state)
{
	(void)state;
	facts.has_button = false;
	host_button(pressed);
	assert_true(!handler && !asked && logged == 1);
	start(state);
	facts.pm1_event_bytes = 2;
	host_button(pressed);
	assert_true(!handler && !asked && logged == 1);
}

static void test_no_mode(void **state)
{
	(void)state;
	host_button(pressed);
	wait_for_timers();
	assert_true(!handler && logged == 1 && now >= 3000000000u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_press, start),
		cmocka_unit_test_setup(test_storm, start),
		cmocka_unit_test_setup(test_no_button, start),
		cmocka_unit_test_setup(test_no_mode, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
