/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/platform.h"

#include "arch/acpi.h"
#include "arch/apic.h"
#include "arch/cpu.h"
#include "arch/ioapic.h"
#include "arch/paging.h"
#include "arch/tsc.h"
#include "kernel/log.h"
#include "kernel/panic.h"

/* ACPI 6.5, 4.8.3.2: PM1 control */
#define PM1_SCI_EN    0x0001u
#define PM1_SLP_SHIFT 10
#define PM1_SLP_MASK  0x1c00u
#define PM1_SLP_EN    0x2000u

#define WAIT_NS 1000000000u

struct acpi_info acpi;

void platform_setup(const void *rsdp, size_t rsdp_bytes)
{
	if (!acpi_parse(&acpi, rsdp, rsdp_bytes))
		log_print("acpi: no tables found\n");
	pic_disable();
	if (!tsc_setup())
		refuse("no clock to measure the TSC with (PM timer or PIT)");
	if (!apic_setup())
		refuse("this CPU has no usable local APIC");
	ioapic_setup();
}

static void enter_acpi_mode(void)
{
	if (!acpi.smi_command || port_in16(acpi.pm1a_control) & PM1_SCI_EN)
		return;
	port_out8(acpi.smi_command, acpi.acpi_enable);
	for (unsigned i = 0; i < 1000 && !(port_in16(acpi.pm1a_control) & PM1_SCI_EN); i++)
		tsc_delay_ns(WAIT_NS / 1000);
}

static void sleep(uint16_t port, uint8_t type)
{
	uint16_t value;

	if (!port)
		return;
	value = (uint16_t)((port_in16(port) & ~PM1_SLP_MASK) | type << PM1_SLP_SHIFT);
	port_out16(port, value);
	port_out16(port, value | PM1_SLP_EN);
}

void platform_poweroff(void)
{
	if (acpi.s5_valid && acpi.pm1a_control) {
		enter_acpi_mode();
		sleep(acpi.pm1a_control, acpi.s5_type_a);
		sleep(acpi.pm1b_control, acpi.s5_type_b);
		tsc_delay_ns(WAIT_NS);
	}
	log_print("The machine does not turn itself off. You may do it now.\n");
	cpu_cli();
	for (;;)
		cpu_hlt();
}

static void reset_by_acpi(void)
{
	volatile uint8_t *memory;

	if (!acpi.reset_valid)
		return;
	if (acpi.reset.space == 1) {
		port_out8((uint16_t)acpi.reset.address, acpi.reset_value);
	} else if (acpi.reset.space == 0) {
		memory = mmio_map(acpi.reset.address, 1);
		if (memory)
			*memory = acpi.reset_value;
	}
	tsc_delay_ns(WAIT_NS / 10);
}

void platform_reset(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) no_idt = {0, 0};

	reset_by_acpi();
	port_out8(0xcf9, 0x02); /* the chipset's reset control register */
	port_out8(0xcf9, 0x06);
	tsc_delay_ns(WAIT_NS / 10);
	port_out8(0x64, 0xfe); /* the keyboard controller's reset line */
	tsc_delay_ns(WAIT_NS / 10);
	__asm__ volatile("lidt %0; ud2" ::"m"(no_idt)); /* triple fault */
	__builtin_unreachable();
}
