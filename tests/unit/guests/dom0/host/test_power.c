/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/host/power.c */
/* flags: -include tests/unit/sampo_machine.h */
/* What is written where when the machine is turned off or reset. */
#include "tests/unit/unit.h"

#include "drivers/env.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/host/firmware.h"

#define PORTS 4

static struct sampo_boot info = {.machine = 1};
const struct sampo_boot *boot = &info;

static struct firmware_power facts;
static struct {
	uint16_t base;
	uint32_t value, writes[4];
	unsigned written;
} port[PORTS]; /* by handle - 1 */
static int opened;
static uint64_t waited, last_op;
static unsigned sci_after; /* reads until ACPI mode */
static volatile uint8_t memory;
static int64_t answer;
static bool refused;

struct firmware_power firmware_power(const uint8_t rsdp[36])
{
	assert_ptr_equal(rsdp, info.rsdp);
	return facts;
}

int64_t sampo_machine(uint32_t machine, uint64_t op)
{
	assert_int_equal(machine, 1);
	last_op = op;
	return answer;
}

uint32_t ports_open(uint16_t base, uint32_t count)
{
	assert_int_equal(count, base == 0x700 ? 1 : 2);
	if (refused)
		return 0;
	for (unsigned i = 0; i < PORTS; i++) {
		if (port[i].base && port[i].base != base)
			continue;
		port[i].base = base;
		opened++;
		return i + 1;
	}
	fail();
	return 0;
}

void ports_close(uint32_t ports)
{
	opened -= ports != 0;
}

uint32_t port_read(uint32_t ports, uint32_t offset, unsigned bytes)
{
	assert_true(ports && offset == 0 && bytes == 2);
	if (sci_after && last_op == SAMPO_MACHINE_POWEROFF && !--sci_after)
		port[ports - 1].value |= 1;
	return port[ports - 1].value;
}

void port_write(uint32_t ports, uint32_t offset, unsigned bytes, uint32_t value)
{
	assert_true(offset == 0);
	if (!ports)
		return;
	assert_int_equal(bytes, port[ports - 1].base == 0x700 ? 1 : 2);
	port[ports - 1].writes[port[ports - 1].written++] = value;
}

volatile void *registers_map(uint64_t base, uint64_t bytes)
{
	assert_true(base == 0xfed12345 && bytes == 1);
	return refused ? NULL : &memory;
}

void clock_delay_ns(uint64_t ns)
{
	waited += ns;
}

static int start(void **state)
{
	(void)state;
	memset(port, 0, sizeof(port));
	memset(&facts, 0, sizeof(facts));
	waited = 0;
	last_op = ~0ull;
	sci_after = 0;
	memory = 0;
	answer = SAMPO_OK;
	refused = false;
	return 0;
}

static int end(void **state)
{
	(void)state;
	return opened;
}

static void test_poweroff(void **state)
{
	(void)state;
	facts = (struct firmware_power){
		.pm1_control = {0x604, 0x1804}, .sleep_type = {5, 2}, .sleeps = true};
	port[0].base = 0x604;
	port[0].value = 0x1c02;
	sci_after = 5;
	assert_non_null(host_poweroff()); /* it came back: the machine goes on */
	assert_int_equal(last_op, SAMPO_MACHINE_POWEROFF);
	assert_int_equal(port[0].written, 2);
	assert_int_equal(port[0].writes[0], 0x1403);
	assert_int_equal(port[0].writes[1], 0x3403);
	assert_int_equal(port[1].writes[1], 0x2800);
	assert_true(waited >= 1000000000 && waited < 3000000000);
}

static void test_no_poweroff(void **state)
{
	(void)state;
	facts.pm1_control[0] = 0x604; /* what S5 is nobody says */
	assert_non_null(host_poweroff());
	assert_int_equal(last_op, SAMPO_MACHINE_POWEROFF);
	assert_int_equal(port[0].written, 0);
	assert_true(waited < 3000000000);
	start(NULL);
	facts.sleeps = true; /* but no register */
	assert_non_null(host_poweroff());
	assert_int_equal(port[0].written, 0);
	start(NULL);
	facts.sleeps = true;
	facts.pm1_control[0] = 0x604;
	answer = SAMPO_ERIGHT;
	assert_string_equal(host_poweroff(), "refused");
	assert_int_equal(port[0].written, 0);
}

static void test_reset(void **state)
{
	(void)state;
	facts = (struct firmware_power){.reset_space = 1, .reset_value = 6, .reset = 0x700};
	host_reset();
	assert_int_equal(port[0].base, 0x700);
	assert_int_equal(port[0].writes[0], 6);
	assert_int_equal(last_op, SAMPO_MACHINE_RESET); /* if that was not enough */
	start(NULL);
	facts = (struct firmware_power){.reset_space = 0, .reset_value = 7, .reset = 0xfed12345};
	host_reset();
	assert_int_equal(memory, 7);
	assert_int_equal(last_op, SAMPO_MACHINE_RESET);
	start(NULL);
	facts = (struct firmware_power){.reset_space = 2, .reset_value = 7, .reset = 0x700};
	host_reset(); /* in configuration space: not known how */
	assert_int_equal(port[0].base, 0);
	assert_int_equal(last_op, SAMPO_MACHINE_RESET);
	for (uint8_t space = 0; space < 2; space++) {
		start(NULL);
		refused = true;
		facts = (struct firmware_power){.reset_space = space, .reset = 0xfed12345};
		host_reset();
		assert_int_equal(last_op, SAMPO_MACHINE_RESET);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_poweroff, start, end),
		cmocka_unit_test_setup_teardown(test_no_poweroff, start, end),
		cmocka_unit_test_setup_teardown(test_reset, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
