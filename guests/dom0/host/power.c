/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine is turned off, or reset, as its firmware says. */
#include "drivers/env.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/host/firmware.h"
#include "guests/lib/sampo.h"

/* ACPI 6.5, 4.8.3.2: PM1 control */
#define PM1_SCI_EN    0x0001u
#define PM1_SLP_SHIFT 10
#define PM1_SLP_MASK  0x1c00u
#define PM1_SLP_EN    0x2000u

#define WAIT_NS  1000000000u
#define STEP_NS  1000000u
#define DRAIN_NS 5000000u /* the last characters leave the UART */

static void enter_sleep(uint32_t ports, uint8_t type)
{
	uint32_t value;

	if (!ports)
		return;
	value = (port_read(ports, 0, 2) & ~PM1_SLP_MASK) | (uint32_t)type << PM1_SLP_SHIFT;
	port_write(ports, 0, 2, value);
	port_write(ports, 0, 2, value | PM1_SLP_EN);
}

static uint32_t open_control(uint16_t port)
{
	return port ? ports_open(port, 2) : 0;
}

const char *host_poweroff(void)
{
	struct firmware_power power = firmware_power(boot->rsdp);
	int64_t status = sampo_machine(boot->machine, SAMPO_MACHINE_POWEROFF);
	uint32_t a, b;

	if (status)
		return sampo_strerror(status);
	a = open_control(power.pm1_control[0]);
	b = open_control(power.pm1_control[1]);
	for (unsigned i = 0; i < WAIT_NS / STEP_NS && a && !(port_read(a, 0, 2) & PM1_SCI_EN); i++)
		clock_delay_ns(STEP_NS);
	if (power.sleeps) {
		enter_sleep(a, power.sleep_type[0]);
		enter_sleep(b, power.sleep_type[1]);
		clock_delay_ns(WAIT_NS);
	}
	ports_close(a);
	ports_close(b);
	return "its firmware has no way to turn it off: you may do it now";
}

const char *host_reset(void)
{
	struct firmware_power power = firmware_power(boot->rsdp);
	volatile uint8_t *memory;
	uint32_t ports;

	clock_delay_ns(DRAIN_NS);
	if (power.reset && power.reset_space == 0) {
		memory = registers_map(power.reset, 1);
		if (memory)
			*memory = power.reset_value;
	} else if (power.reset && power.reset_space == 1 && power.reset <= UINT16_MAX) {
		ports = ports_open((uint16_t)power.reset, 1);
		port_write(ports, 0, 1, power.reset_value);
		ports_close(ports);
	}
	clock_delay_ns(WAIT_NS / 10);
	return sampo_strerror(sampo_machine(boot->machine, SAMPO_MACHINE_RESET));
}
