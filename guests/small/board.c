/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of the main board as their drivers use them: PICs, PIT, RTC,
 * UART, I/O APIC, ACPI, PCI. */
#include <string.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/lapic.h"
#include "guests/lib/pci.h"
#include "guests/lib/sampo.h"
#include "guests/lib/tsc.h"

#define PIC_BASE     0x20u
#define PIC_MASTER   0x20u
#define PIC_SLAVE    0xa0u
#define PIC_EOI      0x20u
#define LINT0_EXTINT 0x700u

#define PIT_HZ     1193182u
#define PIT_100_HZ 11932u

#define COM1 0x3f8u

#define IOAPIC       0xfec00000u
#define ENTRY_LEVEL  0x8000u
#define ENTRY_MASKED 0x10000u
#define PIN_TIMER    2u
#define PIN_RTC      8u
#define VECTOR_TIMER 0x51u
#define VECTOR_RTC   0x61u

#define PM1_CONTROL 0x604u
#define PM_TIMER    0x608u
#define PM_HZ       3579545ull

#define RNG_VENDOR 0x1af4u
#define RNG_DEVICE 0x1044u
#define SOMEWHERE  0xe400u /* ports that are free */

static uint64_t khz;

static uint64_t ms_since(uint64_t start)
{
	return (rdtsc() - start) / khz;
}

static void pic_eoi(unsigned vector)
{
	if (vector >= PIC_BASE + 8)
		outb(PIC_SLAVE, PIC_EOI);
	if (vector < PIC_BASE + 16)
		outb(PIC_MASTER, PIC_EOI);
}

/* Takes `count` interrupts of a vector within `ms`; how many came. */
static unsigned take(unsigned vector, unsigned count, unsigned ms)
{
	uint64_t start = rdtsc(), before = interrupt_count[vector], last = before;

	while (interrupt_count[vector] - before < count && ms_since(start) < ms) {
		interrupts_on();
		cpu_relax();
		interrupts_off();
		if (interrupt_count[vector] != last)
			pic_eoi(vector);
		last = interrupt_count[vector];
	}
	return (unsigned)(interrupt_count[vector] - before);
}

static void pic_init(void)
{
	outb(PIC_MASTER, 0x11);
	outb(PIC_SLAVE, 0x11);
	outb(PIC_MASTER + 1, PIC_BASE);
	outb(PIC_SLAVE + 1, PIC_BASE + 8);
	outb(PIC_MASTER + 1, 0x04);
	outb(PIC_SLAVE + 1, 0x02);
	outb(PIC_MASTER + 1, 0x01);
	outb(PIC_SLAVE + 1, 0x01);
	outb(PIC_MASTER + 1, 0xff);
	outb(PIC_SLAVE + 1, 0xff);
}

static void pit_start(unsigned channel, unsigned mode, unsigned count)
{
	outb(0x43, (uint8_t)(channel << 6 | 0x30 | mode << 1));
	outb((uint16_t)(0x40 + channel), (uint8_t)count);
	outb((uint16_t)(0x40 + channel), (uint8_t)(count >> 8));
}

static uint8_t cmos_read(uint8_t reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static void cmos_write(uint8_t reg, uint8_t value)
{
	outb(0x70, reg);
	outb(0x71, value);
}

static void check_pic_and_pit(void)
{
	uint64_t start;
	unsigned n, ms;

	pic_init();
	check(inb(PIC_MASTER + 1) == 0xff, "PIC's mask reads back", "%#x", inb(PIC_MASTER + 1));
	wrmsr(X2APIC_LVT_LINT0, LINT0_EXTINT);
	pit_start(0, 2, PIT_100_HZ);
	check(take(PIC_BASE, 1, 50) == 0, "masked IRQ 0", "taken");
	outb(PIC_MASTER + 1, 0xfe);
	take(PIC_BASE, 1, 1000);
	start = rdtsc();
	n = take(PIC_BASE, 20, 2000);
	ms = (unsigned)ms_since(start);
	check(n >= 20 && ms >= 180, "PIT ticks by PIC", "%u ticks in %u ms", n, ms);
	start = rdtsc();
	for (n = 0; n < 5; n++) {
		halt_once();
		outb(PIC_MASTER, PIC_EOI);
	}
	check(ms_since(start) >= 30, "PIT wakes HLT", "%u ms", (unsigned)ms_since(start));
	/* A tick of the periodic counter may still be held by the PIC: it is taken while a long
	 * one-shot counts. */
	pit_start(0, 0, 0xffff);
	take(PIC_BASE, 1, 10);
	pit_start(0, 0, PIT_100_HZ);
	n = take(PIC_BASE, 2, 100);
	check(n == 1, "PIT one-shot", "%u ticks", n);
	outb(PIC_MASTER + 1, 0xff);
}

/*
 * A counter against the TSC. The machine may stand still at any point, so the
 * time between the two readings is known only to lie between two others.
 */
struct reading {
	uint64_t before, after;
	uint32_t count;
};

static struct reading reading(uint32_t (*count)(void))
{
	struct reading r = {.before = rdtsc()};

	r.count = count();
	r.after = rdtsc();
	return r;
}

static bool ticks_fit(const struct reading *a, const struct reading *b, uint32_t ticks, uint64_t hz)
{
	uint64_t least = (b->before - a->after) / khz * hz / 1000;
	uint64_t most = ((b->after - a->before) / khz + 1) * hz / 1000 + 1;

	/* The two crystals need not agree to the last digit. */
	return ticks + ticks / 1000 + hz / 1000 >= least && ticks - ticks / 1000 <= most;
}

static uint32_t pit_count(void)
{
	uint32_t low;

	outb(0x43, 0x80);
	low = inb(0x42);
	return low | (uint32_t)inb(0x42) << 8;
}

static uint32_t pm_count(void)
{
	return inl(PM_TIMER);
}

static void check_pit_count(void)
{
	struct reading first, second;
	uint64_t start;

	outb(0x61, 0x01);
	pit_start(2, 2, 0);
	start = rdtsc();
	first = reading(pit_count);
	while (ms_since(start) < 10)
		;
	second = reading(pit_count);
	if ((second.after - first.before) / khz < 50) /* once around is 55 ms */
		check(ticks_fit(&first, &second, (first.count - second.count) & 0xffff, PIT_HZ),
		      "PIT counts down", "%u to %u", first.count, second.count);
	pit_start(2, 0, 0xffff);
	start = rdtsc();
	if (ms_since(start) < 50)
		check(!(inb(0x61) & 0x20) || ms_since(start) > 50, "OUT2 is low", "high");
	while (ms_since(start) < 60)
		;
	check(inb(0x61) & 0x20, "OUT2 rises", "still low");
	outb(0x61, 0);
}

static void check_rtc(void)
{
	unsigned n, year, ms;
	uint64_t start;

	while (cmos_read(0x0a) & 0x80)
		;
	year = cmos_read(0x32) * 0x100u + cmos_read(9);
	check(year >= 0x2020 && year <= 0x2199 && cmos_read(8) <= 0x12 && cmos_read(7) <= 0x31,
	      "RTC has a date", "year %x", year);
	check(cmos_read(0x0d) == 0x80, "RTC has power", "%#x", cmos_read(0x0d));
	outb(PIC_MASTER + 1, 0xfb);
	outb(PIC_SLAVE + 1, 0xfe);
	cmos_write(0x0a, 0x2a); /* 64 Hz */
	cmos_write(0x0b, 0x42);
	cmos_read(0x0c);
	start = rdtsc();
	for (n = 0; n < 10 && take(PIC_BASE + 8, 1, 1000); n++)
		cmos_read(0x0c);
	ms = (unsigned)ms_since(start);
	check(n == 10 && ms >= 120, "RTC ticks by the second PIC", "%u in %u ms", n, ms);
	take(PIC_BASE + 8, 1, 1000);
	check(take(PIC_BASE + 8, 1, 50) == 0, "RTC waits for register C", "it went on");
	cmos_write(0x0b, 0x02);
	cmos_read(0x0c);
	outb(PIC_SLAVE + 1, 0xff);
	outb(PIC_MASTER + 1, 0xff);
}

static void check_uart(void)
{
	unsigned n;
	uint8_t id;

	check((inb(COM1 + 5) & 0x60) == 0x60, "the transmitter is empty", "%#x", inb(COM1 + 5));
	outb(PIC_MASTER + 1, 0xef);
	outb(COM1 + 2, 0x01);
	outb(COM1 + 1, 0x02);
	n = take(PIC_BASE + 4, 1, 1000);
	id = inb(COM1 + 2);
	outb(COM1 + 1, 0);
	outb(PIC_MASTER + 1, 0xff);
	check(n == 1 && id == 0xc2, "UART interrupts", "%u, IIR %#x", n, id);
	outb(COM1 + 4, 0x1a);
	id = inb(COM1 + 6) & 0xf0;
	outb(COM1 + 4, 0x03);
	check(id == 0x90, "UART's loop", "MSR %#x", id);
}

static volatile uint32_t *const ioapic = (volatile uint32_t *)(uintptr_t)IOAPIC;

static uint32_t ioapic_read(unsigned index)
{
	ioapic[0] = index;
	return ioapic[4];
}

static void ioapic_write(unsigned index, uint32_t value)
{
	ioapic[0] = index;
	ioapic[4] = value;
}

static void ioapic_route(unsigned pin, uint32_t low)
{
	ioapic_write(0x11 + 2 * pin, 0);
	ioapic_write(0x10 + 2 * pin, low);
}

static void check_ioapic(void)
{
	unsigned n, ms;
	uint64_t start;

	wrmsr(X2APIC_LVT_LINT0, LVT_MASKED);
	check(ioapic_read(1) >> 16 == 23, "I/O APIC has 24 pins", "%u", ioapic_read(1) >> 16);
	pit_start(0, 2, PIT_100_HZ);
	check(take(VECTOR_TIMER, 1, 50) == 0, "masked pin", "taken");
	ioapic_route(PIN_TIMER, VECTOR_TIMER);
	take(VECTOR_TIMER, 1, 1000);
	start = rdtsc();
	n = take(VECTOR_TIMER, 20, 2000);
	ms = (unsigned)ms_since(start);
	check(n >= 20 && ms >= 180, "PIT ticks by I/O APIC", "%u ticks in %u ms", n, ms);
	ioapic_route(PIN_TIMER, ENTRY_MASKED);
	check(take(VECTOR_TIMER, 2, 50) < 2, "masked again", "taken");
	pit_start(0, 0, 1);
}

/* A line that stays up interrupts again after each EOI. */
static void check_level(void)
{
	unsigned n;

	cmos_write(0x0b, 0x02);
	cmos_read(0x0c);
	ioapic_route(PIN_RTC, VECTOR_RTC | ENTRY_LEVEL);
	cmos_write(0x0b, 0x42);
	n = take(VECTOR_RTC, 10, 1000);
	check(n >= 10, "level comes again", "%u times", n);
	cmos_write(0x0b, 0x02);
	cmos_read(0x0c);
	take(VECTOR_RTC, 1, 10); /* one may have been under way */
	n = take(VECTOR_RTC, 1, 50);
	check(n == 0, "level ends", "%u more", n);
	check(!(ioapic_read(0x10 + 2 * PIN_RTC) & 0x4000), "remote IRR is clear", "set");
	ioapic_route(PIN_RTC, ENTRY_MASKED);
}

static bool sum_is_0(const uint8_t *p, uint32_t bytes)
{
	uint8_t sum = 0;

	while (bytes--)
		sum = (uint8_t)(sum + *p++);
	return sum == 0;
}

static void check_acpi(void)
{
	const struct hvm_start_info *info = guest_boot_info;
	const uint8_t *rsdp = (const uint8_t *)(uintptr_t)info->rsdp, *xsdt, *table;
	struct reading first = reading(pm_count), second;
	uint64_t start = rdtsc(), address;
	unsigned good = 0, all = 0;
	uint32_t bytes;

	while (ms_since(start) < 20)
		;
	second = reading(pm_count);
	check(ticks_fit(&first, &second, second.count - first.count, PM_HZ), "PM timer runs",
	      "%u ticks", second.count - first.count);
	check(inw(PM1_CONTROL) & 1, "in ACPI mode", "%#x", inw(PM1_CONTROL));
	check(rsdp && !memcmp(rsdp, "RSD PTR ", 8) && sum_is_0(rsdp, 36), "RSDP", "at %#llx",
	      (unsigned long long)info->rsdp);
	if (!rsdp)
		return;
	memcpy(&address, rsdp + 24, 8);
	xsdt = (const uint8_t *)(uintptr_t)address;
	memcpy(&bytes, xsdt + 4, 4);
	check(sum_is_0(xsdt, bytes), "XSDT", "its sum");
	for (uint32_t at = 36; at + 8 <= bytes; at += 8) {
		uint32_t size;

		memcpy(&address, xsdt + at, 8);
		table = (const uint8_t *)(uintptr_t)address;
		memcpy(&size, table + 4, 4);
		good += sum_is_0(table, size);
		all++;
	}
	check(all >= 2 && good == all, "tables", "%u of %u good", good, all);
}

/* BAR 2 has the same registers in memory: decoded wherever no RAM is, or off. */
static void check_memory_bar(unsigned slot)
{
	static const uint32_t places[] = {0x40000000, 0xbffff000, 0xd0000000, 0xfed40000,
					  0xfffff000};
	uint32_t bar = pci_config_read(slot, 0x18, 4), ram;

	pci_config_write(slot, 4, 2, 3);
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		volatile uint16_t *at = (volatile uint16_t *)(uintptr_t)(places[i] + 0x12);

		pci_config_write(slot, 0x18, 4, places[i]);
		check(*at == 1 && (pci_config_read(slot, 4, 2) & 2), "a memory BAR moves", "%x: %u",
		      places[i], *at);
	}
	ram = *(volatile uint32_t *)0x500012;
	pci_config_write(slot, 0x18, 4, 0x500000);
	check(*(volatile uint32_t *)0x500012 == ram, "RAM is before a BAR", "%#x",
	      *(volatile uint32_t *)0x500012);
	check(!(pci_config_read(slot, 4, 2) & 2), "and the BAR is off", "%#x",
	      pci_config_read(slot, 4, 2));
	pci_config_write(slot, 0x18, 4, bar);
	check(pci_config_read(slot, 4, 2) & 2, "and on again", "%#x", pci_config_read(slot, 4, 2));
}

/* An I/O BAR: anywhere in 64 KiB where nothing else is. */
static void check_port_bar(unsigned slot)
{
	static const uint16_t places[] = {0x500, 0x1000, 0x5600, 0xff00};
	uint32_t bar = pci_config_read(slot, 0x10, 4);

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		pci_config_write(slot, 0x10, 4, places[i]);
		check(inw((uint16_t)(places[i] + 0x12)) == 1, "a BAR of ports moves", "%x",
		      places[i]);
	}
	pci_config_write(slot, 0x10, 4, 0x300); /* on COM1 */
	check(!(pci_config_read(slot, 4, 2) & 1), "a BAR on another device is off", "%#x",
	      pci_config_read(slot, 4, 2));
	pci_config_write(slot, 0x10, 4, bar);
}

static void check_pci(void)
{
	int slot = pci_find(RNG_VENDOR, RNG_DEVICE);
	uint32_t bar, size;

	check(pci_config_read(0, 8, 4) >> 8 == 0x060000, "host bridge", "class %#x",
	      pci_config_read(0, 8, 4) >> 8);
	check(pci_config_read(31, 0, 4) == ~0u, "an empty slot", "%#x", pci_config_read(31, 0, 4));
	if (slot <= 0)
		return; /* this machine has nothing to try */
	bar = pci_config_read((unsigned)slot, 0x10, 4);
	pci_config_write((unsigned)slot, 4, 2, 0);
	pci_config_write((unsigned)slot, 0x10, 4, ~0u);
	size = ~(pci_config_read((unsigned)slot, 0x10, 4) & ~3u) + 1;
	check(bar & 1 && size == 256, "a BAR's size", "%#x", size);
	check(inb((uint16_t)(bar & ~3u)) == 0xff, "nothing decoded", "an answer");
	pci_config_write((unsigned)slot, 0x10, 4, SOMEWHERE);
	pci_config_write((unsigned)slot, 4, 2, 1);
	/* Common configuration: the number of queues. */
	check(inw(SOMEWHERE + 0x12) == 1, "a BAR moves", "%u", inw(SOMEWHERE + 0x12));
	check(inw((uint16_t)((bar & ~3u) + 0x12)) == 0xffff, "and leaves its place", "an answer");
	pci_config_write((unsigned)slot, 0x10, 4, bar);
	check(inw((uint16_t)((bar & ~3u) + 0x12)) == 1, "and comes back", "no answer");
	check_memory_bar((unsigned)slot);
	check_port_bar((unsigned)slot);
}

int main(void)
{
	faults_init();
	interrupts_init();
	khz = tsc_khz();
	lapic_enable();
	check_pic_and_pit();
	check_pit_count();
	check_rtc();
	check_uart();
	check_ioapic();
	check_level();
	check_acpi();
	check_pci();
	check_end();
	guest_poweroff();
}
