/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device that sends messages of others, or messages that nobody has told it. Words on the command
 * line: `vt-d` for the format of that unit's messages; `compatible`: the emulator lets messages of
 * the compatibility format pass, whatever the kernel has set.
 */
#include <string.h>

#include "tests/kernel/abi.h"
#include "tests/kernel/edu.h"
#include "tests/kernel/iommu.h"

#define FIRST        (EVENT_FREE + 1)
#define OTHERS       127u    /* with the device's own one all vectors of a CPU */
#define OTHER_DEVICE 0x00fau /* the disk controller of QEMU's q35, 00:1f.2 */
#define NO_DEVICE    0x1230u
#define PLAIN        0xfee00000ull
#define BROADCAST    0xfeeff000ull
#define FIRST_VECTOR 0x20u
#define LAST_VECTOR  0xffu
#define WRITTEN      4u    /* bytes of a message */
#define MANY         1100u /* more than the units' tables have entries for */

/* Messages of VT-d's remappable format: VT-d 5.1.2.2. Of AMD-Vi the index is the data. */
#define REMAPPABLE    0xfee00010ull
#define SUBHANDLE     8ull
#define INDEX         5
#define VTD_INDEXES   1280u /* some more than the table has */
#define AMD_INDEXES   512u
#define VTD_OF(index) ((REMAPPABLE | (uint64_t)(index) << INDEX) << 32)

static uint32_t event, others[OTHERS];
static uint64_t message, others_message[OTHERS];

/* How many of the events were raised until now, and a moment later? */
static unsigned raised(void)
{
	uint64_t end = rdtsc() + 2 * tsc_per_ms;
	struct event_bits bits;
	unsigned n = 0;

	do {
		must(sampo_wait(end, 0), "wait");
		events_take(&bits);
		for (unsigned i = 0; i <= OTHERS; i++)
			n += event_taken(&bits, FIRST + i);
	} while (rdtsc() < end);
	return n;
}

static void send(uint64_t what)
{
	edu_set_message(what);
	edu_interrupt();
}

static void bind(uint32_t *bound, unsigned bit, uint32_t device, uint64_t *told)
{
	must(sampo_event_create(self, SAMPO_EVENT_BIT, bit, 0, bound), "event_create");
	must(sampo_irq(*bound, SAMPO_IRQ_BIND, device, 0, told), "BIND");
}

static void expect_right_one(const char *name)
{
	unsigned before = raised(), after;

	edu_set_master(true); /* if it was cut off */
	send(message);
	after = raised();
	check(!before && after == 1, name, "%u events before the right message, %u by it", before,
	      after);
}

/* --- forged ones --- */

/* As if nothing were remapped: a vector for this CPU, for all, and messages of other kinds (NMI,
 * INIT, start-up IPI, SMI, ExtINT), of which none may reach the kernel. */
static void compatibility_format(void)
{
	static const uint16_t kinds[] = {0x200, 0x400, 0x500, 0x608, 0x700};

	for (uint64_t vector = FIRST_VECTOR; vector <= LAST_VECTOR; vector++) {
		if (vector == (message & UINT32_MAX))
			continue;
		send(PLAIN << 32 | vector);
		send(BROADCAST << 32 | vector);
	}
	expect_right_one("iommu: vectors of the device's choice");
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		send(PLAIN << 32 | kinds[i]);
	expect_right_one("iommu: messages of other kinds");
}

/* Another function's entries: the index is right, the requester ID is not. */
static void of_another(void)
{
	for (unsigned i = 0; i < OTHERS; i++)
		send(others_message[i]);
	expect_right_one("iommu: messages of another device");
}

/* Every index, among them entries of I/O APICs' pins and those that are bound to nothing. */
static void every_index(void)
{
	if (option_word("vt-d")) {
		for (unsigned i = 0; i < VTD_INDEXES; i++) {
			if (VTD_OF(i) == message)
				continue;
			send(VTD_OF(i));
			send(VTD_OF(0) | SUBHANDLE << 32 | i);
		}
	} else {
		for (unsigned i = 0; i < AMD_INDEXES; i++)
			if (i != (message & UINT32_MAX))
				send(PLAIN << 32 | i);
	}
	expect_right_one("iommu: messages of every index");
}

static void store_message(uint64_t what)
{
	static uint64_t data[PAGE / 8] __attribute__((aligned(4096)));

	data[0] = what & UINT32_MAX;
	edu_load(sampo_gpa(data), WRITTEN);
	edu_store(what >> 32, WRITTEN);
}

/* A write of DMA to the messages' addresses is a message (PCI 3.0, 6.8.2). QEMU gives it a
 * requester ID that is not the device's, so there is no control: the device's own message does not
 * come. */
static void by_dma(void)
{
	if (option_word("vt-d")) {
		store_message(VTD_OF(0));
		store_message(others_message[0]);
		expect_right_one("iommu: by DMA messages of others");
	}
	if (option_word("compatible"))
		return;
	store_message(PLAIN << 32 | FIRST_VECTOR * 2);
	store_message(PLAIN << 32 | (others_message[1] & UINT32_MAX));
	expect_right_one("iommu: by DMA vectors of the device's choice");
}

static void unbound(void)
{
	uint64_t told;
	uint32_t fresh;

	must(sampo_irq(event, SAMPO_IRQ_UNBIND, 0, 0, NULL), "UNBIND");
	send(message);
	check(!raised(), "iommu: a message that is not bound any more", "an event is raised");
	for (unsigned i = 0; i < MANY; i++) {
		must(sampo_irq(event, SAMPO_IRQ_BIND, device_handle(), 0, &told), "BIND");
		must(sampo_irq(event, SAMPO_IRQ_UNBIND, 0, 0, NULL), "UNBIND");
	}
	bind(&fresh, FIRST, device_handle(), &message);
	must(sampo_handle_close(event), "handle_close");
	event = fresh;
	expect_right_one("iommu: bound again and again");
}

/* Its interrupts are its driver's, whose domain is another. */
static void of_a_domain(void)
{
	uint32_t domain;

	must(sampo_handle_close(event), "handle_close");
	device_take();
	edu_set_master(true);
	send(message);
	check(!raised(), "iommu: a message of a device of nobody", "an event is raised");
	must(sampo_domain_create(machine, 0, KERNEL_PAGES, 1024, &domain), "domain_create");
	device_give(domain, "edu-dom");
	bind(&event, FIRST, device_handle(), &message);
	send(message);
	check(raised() == 1, "iommu: a message of a domain's device", "no event is raised");
	must(sampo_handle_close(event), "handle_close");
	device_take();
	must(sampo_handle_close(domain), "handle_close");
}

void test_iommu_interrupts(void)
{
	uint32_t other;

	expect(sampo_device_create(machine, NO_DEVICE, self, 0, &other), SAMPO_ENODEV,
	       "iommu: a function that no unit has");
	device_give(self, "edu-int");
	must(sampo_device_create(machine, OTHER_DEVICE, self, 0, &other), "device_create");
	bind(&event, FIRST, device_handle(), &message);
	for (unsigned i = 0; i < OTHERS; i++)
		bind(&others[i], FIRST + 1 + i, other, &others_message[i]);
	expect_right_one("iommu: the device's own message");
	if (!option_word("compatible"))
		compatibility_format();
	of_another();
	every_index();
	by_dma();
	unbound();
	of_a_domain();
	for (unsigned i = 0; i < OTHERS; i++)
		must(sampo_handle_close(others[i]), "handle_close");
	must(sampo_handle_close(other), "handle_close");
}
