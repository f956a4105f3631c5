/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
/*
 * A hostile guest: any access of any size at the ports and addresses of the
 * platform devices, in any order, with time passing in between. Besides the
 * sanitizers, invariants of the machine are checked.
 */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/machine/fwcfg.h"
#include "guests/dom0/machine/hotplug.h"
#include "tests/unit/mock_vm.h"

#define MACHINE_SLOTS 4

static uint64_t device_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	(void)vm;
	(void)instance;
	if (size == 0 || size > 8 || offset + size > 4096)
		abort();
	return offset;
}

static void device_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
			 uint64_t value)
{
	(void)value;
	device_read(vm, instance, offset, size);
}

static uint64_t decoded[MACHINE_SLOTS][PCI_BARS];

/* What the callbacks say must fit together. */
static void moved(struct vm *vm, uint32_t instance, unsigned bar, uint64_t from, uint64_t to)
{
	(void)vm;
	if (decoded[instance][bar] != from || from == to)
		abort();
	decoded[instance][bar] = to;
}

/* The device stays away; another may come to its slot. */
static void ejected(struct vm *vm, uint32_t instance)
{
	if (!hotplug_is_asked(vm, instance))
		abort();
	pci_remove_function(vm, instance);
	hotplug_removed(vm, instance);
	if (hotplug_is_asked(vm, instance))
		abort();
}

static const struct io_ops device_ops = {device_read, device_write};
static const struct pci_ops ops = {
	.bar = {&device_ops, NULL, &device_ops},
	.bar_moved = moved,
	.eject = ejected,
};

static void add(unsigned slot)
{
	static const uint8_t body[14] = {16, 1};
	const struct pci_ids ids = {.vendor = 0x1af4, .device = 0x1041, .intx = true};

	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		decoded[slot][bar] = PCI_NO_BASE;
	if (pci_add_function(&mock_vm, slot, &ids, &ops, slot) != 0 ||
	    pci_add_bar(&mock_vm, slot, 0, BUS_PIO, 256) != 0 ||
	    pci_add_bar(&mock_vm, slot, 1, BUS_MMIO, 4096) != 0 ||
	    pci_add_bar(&mock_vm, slot, 2, BUS_MMIO, 4096) != 0 ||
	    pci_add_capability(&mock_vm, slot, PCI_CAP_VENDOR, body, sizeof(body)) == 0 ||
	    pci_add_msix(&mock_vm, slot, 1, 3) != 0)
		abort();
	pci_enable_bars(&mock_vm, slot);
}

static void check(void)
{
	const struct pci_state *pci = &mock_state.pci;

	for (unsigned slot = 1; slot < MACHINE_SLOTS; slot++)
		for (unsigned bar = 0; bar < 3; bar++)
			if (pci->function[slot].present &&
			    pci->function[slot].bar_base[bar] != decoded[slot][bar])
				abort();
	if (mock_seen.extint != mock_state.pic.intr)
		abort();
	if (mock_state.uart[0].input_count > UART_INPUT)
		abort();
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		if (mock_state.ioapic.entry[pin] & 0x00fffffffffe1000ull)
			abort();
}

static uint16_t port(uint8_t choice)
{
	static const uint16_t ports[] = {
		0x20,
		0x21,
		0xa0,
		0xa1,
		0x4d0,
		0x4d1,
		0x40,
		0x41,
		0x42,
		0x43,
		0x61,
		0x70,
		0x71,
		0x60,
		0x64,
		0x92,
		0x3f8,
		0x3f9,
		0x3fa,
		0x3fb,
		0x3fc,
		0x3fd,
		0x3fe,
		0x3ff,
		0x2f8,
		0x2f9,
		0x600,
		0x601,
		0x602,
		0x604,
		0x608,
		0x60a,
		0x620,
		0x622,
		0xcf8,
		0xcf9,
		0xcfc,
		0xcfd,
		0xcfe,
		0xcff,
		0xc000,
		0xc100,
		0x80,
		0x402,
		0x510,
		0x511,
		0x514,
		0x518,
		HOTPLUG_PORT,
		HOTPLUG_PORT + 2,
		HOTPLUG_PORT + 4,
		HOTPLUG_PORT + 8,
	};

	return ports[choice % (sizeof(ports) / sizeof(ports[0]))];
}

struct step {
	uint8_t what, where, size, flags;
	uint32_t value;
};

static void io(const struct step *s, unsigned size)
{
	uint16_t p = port(s->where);

	if (s->flags & 1)
		bus_write(&mock_vm, BUS_PIO, p, size, s->value);
	else
		bus_read(&mock_vm, BUS_PIO, p, size);
}

static void mmio(const struct step *s, unsigned size)
{
	static const uint64_t base[] = {IOAPIC_BASE, 0xfe000000, 0xfe001000, 0xfe002000};
	uint64_t address = base[s->where & 3] + (s->where >> 2);

	if (s->flags & 2)
		address += 0x7f0;
	if (s->flags & 1)
		bus_write(&mock_vm, BUS_MMIO, address, size, s->value | (uint64_t)s->value << 32);
	else
		bus_read(&mock_vm, BUS_MMIO, address, size);
}

/* A register of a function, so that BARs are reached often. */
static void config(const struct step *s, unsigned size)
{
	uint32_t at = (uint32_t)(s->where & 3) << 11 | (uint32_t)(s->where & 0xfc);

	bus_write(&mock_vm, BUS_PIO, 0xcf8, 4, 0x80000000u | at);
	if (s->flags & 1)
		bus_write(&mock_vm, BUS_PIO, 0xcfc + (s->flags >> 1 & 3), size, s->value);
	else
		bus_read(&mock_vm, BUS_PIO, 0xcfc + (s->flags >> 1 & 3), size);
}

static void plug(unsigned slot)
{
	if (pci_config(&mock_vm, slot)) {
		hotplug_ask(&mock_vm, slot);
		return;
	}
	add(slot);
	hotplug_added(&mock_vm, slot);
}

static void outside(const struct step *s)
{
	switch (s->where & 7) {
	case 0:
		/* At most 8192 periodic interrupts and 10000 ticks a second. */
		if (!mock_advance_bounded(s->value % 1000000000, 20000))
			abort();
		break;
	case 1:
		uart_input(&mock_vm, s->flags & 1, (const uint8_t *)&s->value, s->size & 3);
		break;
	case 2:
		pci_intx(&mock_vm, s->size, s->flags & 1);
		break;
	case 3:
		pci_msix_raise(&mock_vm, s->size & 3, s->flags);
		break;
	case 4:
		ioapic_eoi(&mock_vm, s->flags);
		break;
	case 5:
		pic_ack(&mock_vm);
		break;
	case 6:
		if (s->flags & 1)
			acpi_power_button(&mock_vm);
		else
			plug(1 + s->size % (MACHINE_SLOTS - 1));
		break;
	default:
		if (s->flags == 0)
			platform_part.reset(&mock_vm);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct step s;

	mock_set_wall(1767225600);
	/* The first byte of the first step chooses between a kernel and firmware. */
	mock_firmware = bytes && *data & 0x80;
	mock_config.debugcon = mock_firmware;
	mock_power_on();
	if (mock_firmware && fwcfg_build(&mock_vm))
		abort();
	for (unsigned slot = 1; slot < MACHINE_SLOTS; slot++)
		add(slot);
	for (; bytes >= sizeof(s); data += sizeof(s), bytes -= sizeof(s)) {
		unsigned size;

		memcpy(&s, data, sizeof(s));
		size = 1u << (s.size & 3);
		switch (s.what & 3) {
		case 0:
			io(&s, size < 8 ? size : 1);
			break;
		case 1:
			mmio(&s, size);
			break;
		case 2:
			config(&s, size < 8 ? size : 1);
			break;
		default:
			outside(&s);
			break;
		}
		check();
	}
	mock_power_off();
	return 0;
}
