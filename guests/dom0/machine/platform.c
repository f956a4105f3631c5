/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/machine/platform.h"

#include <stdlib.h>

#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/chipset.h"
#include "guests/dom0/machine/debugcon.h"
#include "guests/dom0/machine/fwcfg.h"
#include "guests/dom0/machine/hotplug.h"
#include "guests/dom0/machine/i8042.h"
#include "guests/dom0/machine/pvpanic.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

/* The interrupt controllers come first: the others use them. */
static const struct {
	int (*init)(struct vm *vm);
	void (*reset)(struct vm *vm);
	int (*resume)(struct vm *vm);
} device[] = {
	{pic_init, pic_reset, pic_resume},
	{ioapic_init, ioapic_reset, ioapic_resume},
	{pit_init, pit_reset, pit_resume},
	{cmos_init, cmos_reset, cmos_resume},
	{acpi_init, acpi_reset, acpi_resume},
	{i8042_init, i8042_reset, i8042_resume},
	{pci_init, pci_reset, pci_resume},
	{chipset_init, chipset_reset, chipset_resume},
	{fwcfg_init, fwcfg_reset, fwcfg_resume},
	{debugcon_init, debugcon_reset, debugcon_resume},
	{pvpanic_init, pvpanic_reset, pvpanic_init},
	{hotplug_init, hotplug_reset, hotplug_resume},
};

#define DEVICES (sizeof(device) / sizeof(device[0]))

static void free_platform(struct vm *vm)
{
	struct platform *platform = vm->platform;

	timer_cancel(&platform->pit);
	timer_cancel(&platform->rtc);
	timer_cancel(&platform->ioapic);
	free(platform->fwcfg);
	free(platform);
	vm->platform = NULL;
}

static bool allocate(struct vm *vm)
{
	struct platform *platform = calloc(1, sizeof(*platform));

	if (!platform)
		return false;
	platform->vm = vm;
	vm->platform = platform;
	return true;
}

static bool attach_devices(struct vm *vm)
{
	for (unsigned i = 0; i < DEVICES; i++)
		if (device[i].init(vm) != 0)
			return false;
	for (unsigned i = 0; i < UART_COUNT; i++)
		if (uart_init(vm, i) != 0)
			return false;
	return true;
}

static const char *attach(struct vm *vm)
{
	if (!allocate(vm))
		return "no memory for the devices";
	if (attach_devices(vm))
		return NULL;
	free_platform(vm);
	return "no room on the bus for the devices";
}

void platform_wall_set(void)
{
	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		if (vm->platform)
			cmos_wall_set(vm);
}

int platform_resume(struct vm *vm)
{
	if (!allocate(vm))
		return -1;
	for (unsigned i = 0; i < DEVICES; i++)
		if (device[i].resume(vm) != 0)
			return -1;
	for (unsigned i = 0; i < UART_COUNT; i++)
		if (uart_resume(vm, i) != 0)
			return -1;
	return 0;
}

static void reset(struct vm *vm)
{
	for (unsigned i = 0; i < DEVICES; i++)
		device[i].reset(vm);
	for (unsigned i = 0; i < UART_COUNT; i++)
		uart_reset(vm, i);
}

const struct vm_part platform_part = {
	.attach = attach,
	.reset = reset,
	.button = acpi_power_button,
	.free = free_platform,
};
