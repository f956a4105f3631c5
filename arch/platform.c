/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/platform.h"

#include "arch/acpi.h"
#include "arch/apic.h"
#include "arch/cpu.h"
#include "arch/ioapic.h"
#include "arch/tsc.h"
#include "kernel/base/panic.h"

#define PM1_SCI_EN 0x0001u /* of PM1 control: ACPI 6.5, 4.8.3.2 */
#define WAIT_NS    100000000u

struct acpi_info acpi;

void platform_setup(const uint8_t rsdp[36])
{
	if (!acpi_parse(&acpi, rsdp))
		refuse("the boot loader gave no ACPI tables");
	pic_disable();
	if (!acpi.pm_timer || !tsc_setup())
		refuse("no clock to measure the TSC with (the ACPI PM timer)");
	if (!apic_setup())
		refuse("this CPU has no usable local APIC");
	ioapic_setup();
}

void platform_acpi_mode(void)
{
	if (acpi.smi_command && acpi.pm1a_control && !(port_in16(acpi.pm1a_control) & PM1_SCI_EN))
		port_out8(acpi.smi_command, acpi.acpi_enable);
}

void platform_reset(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) no_idt = {0, 0};

	port_out8(PORT_RESET, 0x02); /* the chipset's reset control register */
	port_out8(PORT_RESET, 0x06);
	tsc_delay_ns(WAIT_NS);
	port_out8(0x64, 0xfe); /* the keyboard controller's reset line */
	tsc_delay_ns(WAIT_NS);
	__asm__ volatile("lidt %0; ud2" ::"m"(no_idt)); /* triple fault */
	__builtin_unreachable();
}
