/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's power button. In ACPI mode (ACPI 6.5, 4.8.2) the chipset raises one interrupt, the
 * SCI, for a handful of fixed events and for general-purpose events, which only the firmware's AML
 * can explain. dom0 has no AML interpreter, so it enables the button alone.
 */
#include "drivers/env.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/host/firmware.h"
#include "guests/lib/sampo.h"

#define BUTTON     0x0100u     /* of PM1 status and enable: ACPI 6.5, 4.8.3.1 */
#define PM1_SCI_EN 0x0001u     /* of PM1 control */
#define PM1_BYTES  4u          /* status and enable, at least */
#define MODE_NS    3000000000u /* for the change into ACPI mode */
#define MODE_STEP  10000000u
#define STORM      1000u /* interrupts without a press within STORM_NS */
#define STORM_NS   1000000000u

static struct {
	uint32_t status[2]; /* ports, by handle; 0: none */
	uint32_t half;      /* bytes from status to enable */
	uint16_t sci;
	void (*pressed)(void);
	uint64_t storm_since;
	unsigned interrupts;
} button;

static struct firmware_power firmware;
static struct timer mode_timer;
static uint64_t mode_deadline;

/* Writes the bits that the chipset has raised back to it, which clears them; returns these bits. */
static uint32_t take_events(void)
{
	uint32_t events = 0;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t raised;

		if (!button.status[i])
			continue;
		raised = port_read(button.status[i], 0, 2) & 0xffff;
		port_write(button.status[i], 0, 2, raised);
		events |= raised;
	}
	return events;
}

static void sci(void *context, unsigned vector);

/* An interrupt that does not end would take dom0's whole time. */
static void watch_storm(void)
{
	uint64_t now = clock_ns();

	if (now - button.storm_since > STORM_NS) {
		button.storm_since = now;
		button.interrupts = 0;
	}
	if (++button.interrupts < STORM)
		return;
	irq_pin_unbind(button.sci, sci, NULL);
	driver_log("power: the SCI (interrupt %u) does not end: masked, the power button is dead\n",
		   button.sci);
}

static void sci(void *context, unsigned vector)
{
	(void)context;
	(void)vector;
	if (take_events() & BUTTON)
		button.pressed();
	else
		watch_storm();
}

static void mask_gpes(void)
{
	for (unsigned block = 0; block < 2; block++) {
		unsigned half = firmware.gpe_bytes[block] / 2;
		uint32_t ports =
			half && firmware.gpe[block] ? ports_open(firmware.gpe[block], half * 2) : 0;

		for (unsigned i = 0; ports && i < half; i++)
			port_write(ports, half + i, 1, 0);
		ports_close(ports);
	}
}

static bool in_acpi_mode(void)
{
	uint32_t control = firmware.pm1_control[0] ? ports_open(firmware.pm1_control[0], 2) : 0;
	bool on = control && port_read(control, 0, 2) & PM1_SCI_EN;

	ports_close(control);
	return on;
}

static void listen(void)
{
	button.half = firmware.pm1_event_bytes / 2;
	for (unsigned i = 0; i < 2; i++)
		if (firmware.pm1_event[i])
			button.status[i] = ports_open(firmware.pm1_event[i], button.half * 2);
	mask_gpes();
	take_events();
	for (unsigned i = 0; i < 2; i++)
		if (button.status[i])
			port_write(button.status[i], button.half, 2, i ? 0 : BUTTON);
	if (!button.status[0] || !irq_pin_bind(button.sci, IRQ_LEVEL_LOW, sci, NULL, 0))
		driver_log(
			"power: the SCI (interrupt %u) cannot be had: the power button is dead\n",
			button.sci);
}

/* The firmware's SMI handler changes the mode; some take their time. */
static void wait_for_mode(struct timer *timer)
{
	if (in_acpi_mode())
		listen();
	else if (clock_ns() < mode_deadline)
		timer_set(timer, clock_ns() + MODE_STEP);
	else
		driver_log(
			"power: the firmware does not enter ACPI mode: the power button is dead\n");
}

void host_button(void (*pressed)(void))
{
	firmware = firmware_power(boot->rsdp);
	button.pressed = pressed;
	button.sci = firmware.sci;
	if (!firmware.has_button || firmware.pm1_event_bytes < PM1_BYTES) {
		driver_log("power: the firmware has no power button that works without AML\n");
		return;
	}
	sampo_machine(boot->machine, SAMPO_MACHINE_ACPI);
	mode_deadline = clock_ns() + MODE_NS;
	timer_init(&mode_timer, wait_for_mode, NULL);
	wait_for_mode(&mode_timer);
}
