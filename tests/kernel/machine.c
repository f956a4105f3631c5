/* SPDX-License-Identifier: BSD-2-Clause */
/* What the machine's handle gives: its memory that is no RAM, ports, devices, pins, time. */
#include <stdio.h>
#include <string.h>

#include "tests/kernel/abi.h"

#define UNKNOWN       99u
#define SLOT          12u
#define PCI           0xcf8u
#define CMOS          0x70u
#define RTC_IRQ       8u
#define RTC_RATE      0x26u /* 1024 Hz */
#define FIRST         (EVENT_FREE + 1)
#define VECTORS       128u
#define ASLEEP_ROUNDS 500u

static uint32_t region_of(uint64_t flags, uint64_t base, uint64_t size, int64_t wanted,
			  const char *what)
{
	char name[64];
	uint32_t region;

	snprintf(name, sizeof(name), "machine: %s", what);
	expect(sampo_region_of_machine(machine, flags, base, size, &region), wanted, name);
	return region;
}

static void refused(uint64_t flags, uint64_t base, uint64_t size, int64_t wanted, const char *what)
{
	uint32_t region = region_of(flags, base, size, wanted, what);

	if (region)
		sampo_handle_close(region);
}

static void memory(uint64_t base, uint64_t size, int64_t wanted, const char *what)
{
	refused(SAMPO_REGION_PHYSICAL, base, size, wanted, what);
}

static void ports(uint64_t base, uint64_t count, int64_t wanted, const char *what)
{
	refused(SAMPO_REGION_PORTS, base, count, wanted, what);
}

static void physical(void)
{
	/* With an IOMMU nobody tells where its RAM is: any RAM will do then. */
	uint64_t own = sampo_boot_info->dma_offset ? sampo_boot_info->dma_offset : 8 * BLOCK;
	const uint8_t *rom = (const uint8_t *)(uintptr_t)slot_address(SLOT);
	uint32_t region;

	refused(0, 0xf0000, PAGE, SAMPO_EINVAL, "neither memory nor ports");
	refused(SAMPO_REGION_2M, 0, BLOCK, SAMPO_EINVAL, "blocks");
	refused(SAMPO_REGION_PHYSICAL | SAMPO_REGION_PORTS, 0x80, 1, SAMPO_EINVAL, "both");
	refused(1ull << 32 | SAMPO_REGION_PHYSICAL, 0xf0000, PAGE, SAMPO_EINVAL, "high flags");
	memory(0xf0000, 0, SAMPO_EINVAL, "no memory");
	memory(0xf0001, PAGE, SAMPO_EINVAL, "memory, no page");
	memory(0xf0000, PAGE + 1, SAMPO_EINVAL, "memory, no pages");
	memory(~0ull << 12, PAGE, SAMPO_EINVAL, "memory, the last page of 64 bits");
	memory(~0ull << 12, 2 * PAGE, SAMPO_EINVAL, "memory that wraps");
	memory(0xf0000, ~0ull << 12, SAMPO_EINVAL, "memory whose size wraps");
	memory(1ull << 52, PAGE, SAMPO_EINVAL, "memory beyond the CPU's addresses");
	memory(own, PAGE, SAMPO_ERIGHT, "its own RAM");
	memory(own - PAGE, 2 * PAGE, SAMPO_ERIGHT, "into its own RAM");
	memory(0, PAGE, SAMPO_ERIGHT, "page 0");
	memory(0x1000, PAGE, SAMPO_ERIGHT, "low RAM");
	memory(0x100000, PAGE, SAMPO_ERIGHT, "the kernel");
	memory(0x100000, BLOCK, SAMPO_ERIGHT, "all of the kernel");
	memory(0xff000, 2 * PAGE, SAMPO_ERIGHT, "up to the kernel");
	memory(0xfee00000, PAGE, SAMPO_ERIGHT, "the local APIC");
	memory(0xfeefa000, PAGE, SAMPO_ERIGHT, "the addresses of messages");
	memory(0xfec00000, PAGE, SAMPO_ERIGHT, "the I/O APIC");
	memory(0xfebff000, 3 * PAGE, SAMPO_ERIGHT, "around the I/O APIC");
	memory(0xf0000000, 0x10000000, SAMPO_ERIGHT, "the whole hole");
	memory(0, 1ull << 32, SAMPO_ERIGHT, "everything");

	region = region_of(SAMPO_REGION_PHYSICAL, 0xf0000, 16 * PAGE, SAMPO_OK, "the BIOS");
	must(sampo_region_map(region, 0, slot_address(SLOT), 0, SAMPO_MAP_R, 16 * PAGE), "map");
	check(rom[0xfff0] == 0xea, "machine: the BIOS's first instruction", "%x", rom[0xfff0]);
	expect(sampo_log(machine, SAMPO_LOG_WRITE, rom, 1), SAMPO_EFAULT,
	       "log: from memory that is no RAM");
	expect(sampo_port(region, 0, 1, 0, NULL), SAMPO_EINVAL, "port: in memory");
	must(sampo_handle_close(region), "handle_close");
	check(rom[0xfff0] == 0xea, "machine: a mapping keeps the BIOS", "%x", rom[0xfff0]);
	must(sampo_region_unmap(self, slot_address(SLOT), 16 * PAGE), "unmap");
}

static void port_ranges(void)
{
	static const struct {
		uint16_t port;
		const char *what;
	} kept[] = {
		{0x20, "the first PIC"},
		{0xa1, "the second PIC"},
		{0x40, "the PIT"},
		{0x61, "the PIT's gate"},
		{0x64, "the keyboard controller"},
		{0x92, "port A"},
		{0xb2, "the SMI's port"},
		{0x3f8, "the console"},
		{0x3ff, "its last port"},
	};

	for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		ports(kept[i].port, 1, SAMPO_ERIGHT, kept[i].what);
	ports(0x3f0, 16, SAMPO_ERIGHT, "around the console");
	ports(0, 0x10000, SAMPO_ERIGHT, "all ports");
	ports(0x80, 0, SAMPO_EINVAL, "no port");
	ports(0x10000, 1, SAMPO_EINVAL, "port 0x10000");
	ports(0xffff, 2, SAMPO_EINVAL, "ports beyond the last");
	ports(0xffff, ~0ull, SAMPO_EINVAL, "ports that wrap");
	ports(0xffff, 1, SAMPO_OK, "the last port");
	ports(0x400, 1, SAMPO_OK, "a port behind the console");
}

static void configuration(void)
{
	uint32_t region = region_of(SAMPO_REGION_PORTS, PCI - 4, 12, SAMPO_OK, "PCI"), reader;
	uint64_t value = 0;

	expect(sampo_port(region, 12, 1, 0, NULL), SAMPO_EINVAL, "port: behind the last");
	expect(sampo_port(region, 9, 4, 0, NULL), SAMPO_EINVAL, "port: across the last");
	expect(sampo_port(region, ~0ull, 4, 0, NULL), SAMPO_EINVAL, "port: before the first");
	expect(sampo_port(region, 1ull << 32, 4, 0, NULL), SAMPO_EINVAL, "port: a high offset");
	expect(sampo_port(region, 0, 0, 0, NULL), SAMPO_EINVAL, "port: no byte");
	expect(sampo_port(region, 0, 3, 0, NULL), SAMPO_EINVAL, "port: 3 bytes");
	expect(sampo_port(region, 0, 8, 0, NULL), SAMPO_EINVAL, "port: 8 bytes");
	expect(sampo_port(region, 0, 1ull << 32 | 4, 0, NULL), SAMPO_EINVAL, "port: high bytes");
	expect(sampo_port(machine, 0, 1, 0, NULL), SAMPO_EHANDLE, "port: no region");
	/* The reset register, in every way that an access can meet it. */
	expect(sampo_port(region, 5, 1 | SAMPO_PORT_WRITE, 6, NULL), SAMPO_ERIGHT, "port: reset");
	expect(sampo_port(region, 5, 2 | SAMPO_PORT_WRITE, 6, NULL), SAMPO_ERIGHT,
	       "reset and next");
	expect(sampo_port(region, 4, 2 | SAMPO_PORT_WRITE, 0x606, NULL), SAMPO_ERIGHT,
	       "port: reset and the one before");
	for (unsigned offset = 2; offset < 6; offset++)
		if (offset != 4)
			expect(sampo_port(region, offset, 4 | SAMPO_PORT_WRITE, 0x06060606, NULL),
			       SAMPO_ERIGHT, "port: reset in four bytes");
	expect(sampo_port(region, 5, 1, 0, NULL), SAMPO_ERIGHT, "port: reset, read");
	expect(sampo_port(region, 4, 4 | SAMPO_PORT_WRITE, 0x80000000, NULL), SAMPO_OK,
	       "port: PCI's address");
	expect(sampo_port(region, 8, 4, 0, &value), SAMPO_OK, "port: PCI's data");
	check((value & 0xffff) == 0x8086, "port: the host bridge", "%llx",
	      (unsigned long long)value);
	expect(sampo_port(region, 10, 2, 0, &value), SAMPO_OK, "port: half of it");
	check(value >> 16 == 0 && value, "port: no more than asked for", "%llx",
	      (unsigned long long)value);
	expect(sampo_region_map(region, 0, slot_address(SLOT), 0, SAMPO_MAP_R, PAGE), SAMPO_EINVAL,
	       "map: ports");
	must(sampo_handle_copy(region, 0, SAMPO_R_READ, &reader), "handle_copy");
	expect(sampo_port(reader, 8, 4, 0, &value), SAMPO_OK, "port: read with READ");
	expect(sampo_port(reader, 4, 4 | SAMPO_PORT_WRITE, 0, NULL), SAMPO_ERIGHT,
	       "port: write with READ");
	must(sampo_handle_close(reader) | sampo_handle_close(region), "handle_close");
}

static void rights(void)
{
	uint16_t power = sampo_by_vmcall || option_word("no-interrupts") ? POWER_BOCHS : POWER_QEMU;
	uint32_t weak, none, region;

	must(sampo_handle_copy(machine, 0, SAMPO_R_ALL & ~SAMPO_R_POWER, &weak), "handle_copy");
	must(sampo_handle_copy(machine, 0, SAMPO_R_READ, &none), "handle_copy");
	expect(sampo_region_of_machine(weak, SAMPO_REGION_PORTS, power, 2, &region), SAMPO_ERIGHT,
	       "machine: PM1 control without POWER");
	expect(sampo_region_of_machine(weak, SAMPO_REGION_PORTS, power - 4, 64, &region),
	       SAMPO_ERIGHT, "machine: around PM1 control without POWER");
	ports(power, 2, SAMPO_OK, "PM1 control");
	expect(sampo_region_of_machine(none, SAMPO_REGION_PORTS, 0x80, 1, &region), SAMPO_ERIGHT,
	       "machine: ports without CREATE");
	expect(sampo_device_create(none, 0x10, 0, 0, &region), SAMPO_ERIGHT,
	       "device without CREATE");
	expect(sampo_machine(weak, SAMPO_MACHINE_RESET), SAMPO_ERIGHT, "RESET without POWER");
	expect(sampo_machine(weak, SAMPO_MACHINE_POWEROFF), SAMPO_ERIGHT, "POWEROFF without POWER");
	expect(sampo_machine(weak, UNKNOWN), SAMPO_ENOSYS, "machine: no such op");
	must(sampo_handle_close(weak) | sampo_handle_close(none), "handle_close");
}

#define DEVICES 1024u

static void devices(void)
{
	uint32_t device, other, made = 0;
	static uint32_t many[DEVICES];

	expect(sampo_device_create(machine, 0x10000, 0, 0, &device), SAMPO_EINVAL,
	       "device: beyond");
	expect(sampo_device_create(machine, 1ull << 63, 0, 0, &device), SAMPO_EINVAL,
	       "device: far beyond");
	expect(sampo_device_create(machine, 0xffff, 0, 0, &device), SAMPO_OK, "device: the last");
	expect(sampo_device_create(machine, 0xffff, 0, 0, &other), SAMPO_EEXIST, "device: twice");
	must(sampo_handle_close(device), "handle_close");
	expect(sampo_device_create(machine, 0xffff, 0, 0, &device), SAMPO_OK, "device: again");
	while (made < DEVICES && !sampo_device_create(machine, made, 0, 0, &many[made]))
		made++;
	check(made == DEVICES, "device: of each bus", "%u", made);
	while (made)
		must(sampo_handle_close(many[--made]), "handle_close");
	must(sampo_handle_close(device), "handle_close");
}

static uint32_t event_at(unsigned bit)
{
	uint32_t event;

	must(sampo_event_create(self, SAMPO_EVENT_BIT, bit, 0, &event), "event");
	return event;
}

static void messages(void)
{
	static uint32_t many[VECTORS];
	uint32_t event = event_at(FIRST), device, reader;
	uint64_t message = 0, first;
	unsigned n = 0, wrong = 0;

	must(sampo_device_create(machine, 0x1230, 0, 0, &device), "device_create");
	must(sampo_handle_copy(device, 0, SAMPO_R_READ, &reader), "handle_copy");
	expect(sampo_irq(device, SAMPO_IRQ_BIND, event, 0, NULL), SAMPO_EHANDLE, "irq: no event");
	expect(sampo_irq(event, UNKNOWN, device, 0, NULL), SAMPO_ENOSYS, "irq: no such op");
	expect(sampo_irq(event, SAMPO_IRQ_BIND, event, 0, NULL), SAMPO_EHANDLE, "irq: of an event");
	expect(sampo_irq(event, SAMPO_IRQ_BIND, 0, 0, NULL), SAMPO_EHANDLE, "irq: of nothing");
	expect(sampo_irq(event, SAMPO_IRQ_BIND, reader, 0, NULL), SAMPO_ERIGHT, "irq: READ only");
	expect(sampo_irq(event, SAMPO_IRQ_ACK, 0, 0, NULL), SAMPO_EINVAL, "irq: ACK of nothing");
	expect(sampo_irq(event, SAMPO_IRQ_UNBIND, 0, 0, NULL), SAMPO_EINVAL, "UNBIND of nothing");
	expect(sampo_irq(event, SAMPO_IRQ_BIND, device, 0, &first), SAMPO_OK, "irq: a message");
	check(first >> 52 == 0xfee &&
		      ((first & 0xff) >= 32 || sampo_boot_info->flags & SAMPO_BOOT_REMAPS),
	      "irq: what to send", "%llx", (unsigned long long)first);
	expect(sampo_irq(event, SAMPO_IRQ_BIND, device, 0, NULL), SAMPO_EEXIST, "irq: twice");
	expect(sampo_irq(event, SAMPO_IRQ_BIND, machine, 5, NULL), SAMPO_EEXIST, "irq: a pin too");
	expect(sampo_irq(event, SAMPO_IRQ_ACK, 0, 0, NULL), SAMPO_OK, "irq: ACK of a message");
	expect(sampo_irq(event, SAMPO_IRQ_UNBIND, 0, 0, NULL), SAMPO_OK, "irq: UNBIND");
	expect(sampo_irq(event, SAMPO_IRQ_UNBIND, 0, 0, NULL), SAMPO_EINVAL, "irq: UNBIND twice");
	while (n < VECTORS) {
		many[n] = event_at(FIRST);
		if (sampo_irq(many[n++], SAMPO_IRQ_BIND, device, 0, &message))
			break;
		wrong += n > 1 && message == first;
	}
	check(n == VECTORS && !wrong, "irq: a message for each vector", "%u, %u of them the same",
	      n, wrong);
	expect(sampo_irq(event, SAMPO_IRQ_BIND, device, 0, NULL), SAMPO_ENOMEM, "irq: one more");
	must(sampo_handle_close(many[--n]), "handle_close");
	expect(sampo_irq(event, SAMPO_IRQ_BIND, device, 0, NULL), SAMPO_OK,
	       "irq: an event that goes gives it back");
	/* A binding keeps the device. */
	must(sampo_handle_close(device) | sampo_handle_close(reader), "handle_close");
	expect(sampo_device_create(machine, 0x1230, 0, 0, &device), SAMPO_EEXIST,
	       "device: still bound");
	while (n)
		must(sampo_handle_close(many[--n]), "handle_close");
	must(sampo_handle_close(event), "handle_close");
	expect(sampo_device_create(machine, 0x1230, 0, 0, &device), SAMPO_OK,
	       "device: not any more");
	must(sampo_handle_close(device), "handle_close");
}

static uint32_t cmos;

static uint8_t cmos_read(uint8_t reg)
{
	uint64_t value = 0;

	must(sampo_port(cmos, 0, 1 | SAMPO_PORT_WRITE, reg, NULL), "CMOS");
	must(sampo_port(cmos, 1, 1, 0, &value), "CMOS");
	return (uint8_t)value;
}

static void cmos_write(uint8_t reg, uint8_t value)
{
	must(sampo_port(cmos, 0, 1 | SAMPO_PORT_WRITE, reg, NULL), "CMOS");
	must(sampo_port(cmos, 1, 1 | SAMPO_PORT_WRITE, value, NULL), "CMOS");
}

/* Did it come within so many milliseconds? */
static bool comes(unsigned ms)
{
	uint64_t end = rdtsc() + ms * tsc_per_ms;
	struct event_bits bits;

	do {
		must(sampo_wait(end, 0), "wait");
		events_take(&bits);
		if (event_taken(&bits, FIRST))
			return true;
	} while (rdtsc() < end);
	return false;
}

/* The clock's periodic interrupt: its line stays up until register C has been read. */
static void pins(void)
{
	uint32_t event = event_at(FIRST), other = event_at(FIRST + 1);

	expect(sampo_irq(event, SAMPO_IRQ_BIND, machine, 1u << 18, NULL), SAMPO_EINVAL,
	       "pin: flags");
	expect(sampo_irq(event, SAMPO_IRQ_BIND, machine, 1ull << 32, NULL), SAMPO_EINVAL,
	       "pin: high flags");
	expect(sampo_irq(event, SAMPO_IRQ_BIND, machine, 4, NULL), SAMPO_EEXIST,
	       "pin: the console's");
	expect(sampo_irq(event, SAMPO_IRQ_BIND, machine, 0xfff0, NULL), SAMPO_ENODEV,
	       "pin: no such one");
	cmos = region_of(SAMPO_REGION_PORTS, CMOS, 2, SAMPO_OK, "CMOS");
	cmos_write(0x0a, RTC_RATE);
	cmos_write(0x0b, cmos_read(0x0b) | 0x40);
	cmos_read(0x0c);
	expect(sampo_irq(event, SAMPO_IRQ_BIND, machine, RTC_IRQ, NULL), SAMPO_OK, "pin: edges");
	expect(sampo_irq(other, SAMPO_IRQ_BIND, machine, RTC_IRQ, NULL), SAMPO_EEXIST,
	       "pin: taken");
	cmos_read(0x0c);
	check(comes(1000), "pin: an edge", "none");
	cmos_read(0x0c);
	check(comes(1000), "pin: the next edge", "none");
	expect(sampo_irq(event, SAMPO_IRQ_UNBIND, 0, 0, NULL), SAMPO_OK, "pin: UNBIND");
	cmos_read(0x0c);
	comes(0);
	check(!comes(20), "pin: nothing when unbound", "something");

	expect(sampo_irq(event, SAMPO_IRQ_BIND, machine, RTC_IRQ | SAMPO_PIN_LEVEL, NULL), SAMPO_OK,
	       "pin: a level");
	cmos_read(0x0c);
	check(comes(1000), "pin: the level", "nothing");
	check(!comes(20), "pin: it is masked then", "it came again");
	expect(sampo_irq(event, SAMPO_IRQ_ACK, 0, 0, NULL), SAMPO_OK, "pin: ACK");
	check(comes(1000), "pin: the level is still there", "nothing");
	cmos_write(0x0b, cmos_read(0x0b) & ~0x40);
	cmos_read(0x0c);
	expect(sampo_irq(event, SAMPO_IRQ_ACK, 0, 0, NULL), SAMPO_OK, "pin: ACK again");
	comes(0);
	check(!comes(20), "pin: it is quiet", "it came again");
	must(sampo_handle_close(event) | sampo_handle_close(other) | sampo_handle_close(cmos),
	     "handle_close");
}

static void move_to(unsigned cpu)
{
	static uint64_t map[4];

	map[0] = 1ull << cpu;
	must(sampo_vcpu_ctl(sampo_boot_info->vcpu, SAMPO_VCPU_AFFINITY, (uint64_t)map), "AFFINITY");
}

/*
 * CPU 0 sleeps and takes an interrupt, and at the same time CPU 1 closes its event and makes
 * another one, which lies where the first one was. The clock's line is up all the time, so that
 * the interrupt comes when the pin is acknowledged.
 */
static void taken_asleep(void)
{
	static struct sampo_machine_info info;
	uint32_t event, fresh;
	struct event_bits bits;
	unsigned wrong = 0;

	must(sampo_object_info(machine, SAMPO_INFO_MACHINE, &info, sizeof(info), 0, NULL),
	     "machine info");
	if (info.cpus < 2)
		return;
	cmos = region_of(SAMPO_REGION_PORTS, CMOS, 2, SAMPO_OK, "CMOS");
	cmos_write(0x0a, RTC_RATE);
	cmos_write(0x0b, cmos_read(0x0b) | 0x40);
	for (unsigned i = 0; i < ASLEEP_ROUNDS; i++) {
		move_to(0);
		event = event_at(FIRST);
		must(sampo_irq(event, SAMPO_IRQ_BIND, machine, RTC_IRQ | SAMPO_PIN_LEVEL, NULL),
		     "BIND");
		move_to(1);
		must(sampo_irq(event, SAMPO_IRQ_ACK, 0, 0, NULL), "ACK");
		for (volatile unsigned n = i % 64; n; n--)
			;
		must(sampo_handle_close(event), "handle_close");
		fresh = event_at(FIRST + 1);
		events_take(&bits);
		wrong += event_taken(&bits, FIRST + 1);
		must(sampo_handle_close(fresh), "handle_close");
	}
	check(!wrong, "pin: taken by a CPU that sleeps, while its event goes",
	      "%u times another event was raised", wrong);
	move_to(0);
	cmos_write(0x0b, cmos_read(0x0b) & ~0x40);
	cmos_read(0x0c);
	must(sampo_handle_close(cmos), "handle_close");
}

void test_machine(void)
{
	physical();
	port_ranges();
	configuration();
	rights();
	devices();
	messages();
	pins();
	taken_asleep();
}
