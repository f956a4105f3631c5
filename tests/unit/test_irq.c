/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/irq.c kernel/lock.c tests/host/cpu.c tests/unit/panic_stub.c */
/* From vectors to events, on an I/O APIC and devices that only note what they are told. */
#include "arch/apic.h"
#include "arch/ioapic.h"
#include "kernel/device.h"
#include "kernel/event.h"
#include "kernel/irq.h"
#include "tests/unit/unit.h"

#define DEVICES 3
#define EVENTS  256
#define GSIS    24

static struct device device[DEVICES];
static struct event event[EVENTS];
static unsigned raised[EVENTS];
static struct {
	uint8_t vector;
	bool masked, routed, active_low, level;
} pin[GSIS];
static uint32_t message[DEVICES][2048];
static bool table_fails;

uint32_t apic_id(void)
{
	return 3;
}

struct ioapic_line ioapic_isa_line(uint8_t irq)
{
	if (irq == 9)
		return (struct ioapic_line){.gsi = 9, .level = true};
	return (struct ioapic_line){.gsi = irq == 0 ? 2 : irq};
}

bool ioapic_route(const struct ioapic_line *line, uint8_t vector, uint32_t apic)
{
	assert_int_equal(apic, 3);
	if (line->gsi >= GSIS)
		return false;
	pin[line->gsi].vector = vector;
	pin[line->gsi].masked = true;
	pin[line->gsi].routed = true;
	pin[line->gsi].active_low = line->active_low;
	pin[line->gsi].level = line->level;
	return true;
}

void ioapic_mask(uint32_t gsi, bool masked)
{
	assert_true(gsi < GSIS && pin[gsi].routed);
	pin[gsi].masked = masked;
}

static unsigned number(const struct pci_function *f)
{
	return f->info.bdf;
}

void pci_command(const struct pci_function *f, uint32_t clear, uint32_t set)
{
	device[number(f)].pci.bar_value[0] &= ~clear;
	device[number(f)].pci.bar_value[0] |= set;
}

void pci_msi_set(const struct pci_function *f, uint32_t address, uint32_t data)
{
	assert_int_equal(address, 0xfee03000);
	message[number(f)][0] = data;
}

void pci_messages_off(const struct pci_function *f)
{
	message[number(f)][0] = 0;
}

bool pci_msix_set(const struct pci_function *f, unsigned index, uint32_t address, uint32_t data)
{
	assert_int_equal(address, 0xfee03000);
	if (table_fails)
		return false;
	message[number(f)][index] = data;
	return true;
}

void pci_msix_mask(const struct pci_function *f, unsigned index)
{
	message[number(f)][index] = 0;
}

void event_raise(struct event *e)
{
	raised[e - event]++;
}

/* 0: MSI-X, 300 vectors; 1: MSI; 2: pin only. All have a pin at IRQ 11. */
static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EVENTS; i++)
		irq_unbind_event(&event[i]);
	memset(device, 0, sizeof(device));
	memset(pin, 0, sizeof(pin));
	memset(raised, 0, sizeof(raised));
	memset(message, 0, sizeof(message));
	for (unsigned i = 0; i < DEVICES; i++) {
		device[i].pci.info.bdf = (uint16_t)i;
		device[i].pci.info.irq_pin = 1;
		device[i].pci.info.irq_line = 11;
		device[i].pci.bar_value[0] = PCI_COMMAND_INTX_OFF;
	}
	device[0].pci.info.msix = 300;
	device[0].pci.info.msi = 1;
	device[1].pci.info.msi = 1;
	return 0;
}

static void test_messages(void **state)
{
	(void)state;
	assert_int_equal(irq_bind(&device[0], 0, &event[0]), SAMPO_OK);
	assert_int_equal(irq_bind(&device[0], 7, &event[1]), SAMPO_OK);
	assert_int_equal(irq_bind(&device[1], 0, &event[2]), SAMPO_OK);
	assert_int_equal(irq_bind(&device[0], 7, &event[3]), SAMPO_EEXIST);
	assert_int_equal(irq_bind(&device[0], 300, &event[3]), SAMPO_ENODEV);
	assert_int_equal(irq_bind(&device[0], 1ull << 40, &event[3]), SAMPO_ENODEV);
	assert_int_equal(irq_bind(&device[1], 1, &event[3]), SAMPO_ENODEV);
	assert_int_equal(irq_bind(&device[2], 0, &event[3]), SAMPO_ENODEV);
	irq_handle((uint8_t)message[0][7]);
	irq_handle((uint8_t)message[0][7]);
	irq_handle((uint8_t)message[1][0]);
	assert_int_equal(raised[0], 0);
	assert_int_equal(raised[1], 2);
	assert_int_equal(raised[2], 1);
	assert_int_equal(irq_ack(&device[0], 7), SAMPO_OK);
	assert_int_equal(irq_ack(&device[0], 8), SAMPO_EINVAL);
	assert_int_equal(irq_unbind(&device[0], 7), SAMPO_OK);
	assert_int_equal(message[0][7], 0);
	assert_int_equal(irq_unbind(&device[0], 7), SAMPO_EINVAL);
	irq_handle(IRQ_VECTOR_FIRST + 1); /* it was on its way */
	assert_int_equal(raised[1], 2);
	assert_int_equal(irq_unbind(&device[1], 0), SAMPO_OK);
	assert_int_equal(message[1][0], 0);
	irq_handle(IRQ_VECTOR_LAST);
	table_fails = true;
	assert_int_equal(irq_bind(&device[0], 9, &event[0]), SAMPO_ENOMEM);
	table_fails = false;
	assert_int_equal(irq_bind(&device[0], 9, &event[0]), SAMPO_OK);
}

static void test_all_vectors(void **state)
{
	unsigned bound = 0;

	(void)state;
	while (irq_bind(&device[0], bound, &event[bound]) == SAMPO_OK)
		bound++;
	assert_int_equal(bound, IRQ_VECTOR_LAST - IRQ_VECTOR_FIRST + 1);
	assert_int_equal(irq_bind(&device[0], bound, &event[0]), SAMPO_ENOMEM);
	for (unsigned i = 0; i < bound; i++)
		irq_handle((uint8_t)message[0][i]);
	for (unsigned i = 0; i < bound; i++)
		assert_int_equal(raised[i], 1);
	irq_unbind_event(&event[5]);
	assert_int_equal(irq_bind(&device[1], 0, &event[0]), SAMPO_OK);
	assert_int_equal(irq_bind(&device[2], SAMPO_IRQ_INTX, &event[0]), SAMPO_ENOMEM);
}

static void test_pin(void **state)
{
	(void)state;
	assert_int_equal(irq_bind(&device[2], SAMPO_IRQ_INTX, &event[0]), SAMPO_OK);
	assert_true(pin[11].level && pin[11].active_low && !pin[11].masked);
	assert_int_equal(device[2].pci.bar_value[0], 0); /* INTx enabled */
	irq_handle(pin[11].vector);
	assert_int_equal(raised[0], 1);
	assert_true(pin[11].masked);
	assert_int_equal(irq_ack(&device[2], SAMPO_IRQ_INTX), SAMPO_OK);
	assert_false(pin[11].masked);
	assert_int_equal(irq_unbind(&device[2], SAMPO_IRQ_INTX), SAMPO_OK);
	assert_true(pin[11].masked);
	assert_int_equal(device[2].pci.bar_value[0], PCI_COMMAND_INTX_OFF);
	device[2].pci.info.irq_line = 9; /* as the override says */
	assert_int_equal(irq_bind(&device[2], SAMPO_IRQ_INTX, &event[0]), SAMPO_OK);
	assert_true(pin[9].level && !pin[9].active_low);
	device[1].pci.info.irq_line = 0xff; /* not connected */
	assert_int_equal(irq_bind(&device[1], SAMPO_IRQ_INTX, &event[1]), SAMPO_ENODEV);
	device[1].pci.info.irq_line = 20;
	device[1].pci.info.irq_pin = 0;
	assert_int_equal(irq_bind(&device[1], SAMPO_IRQ_INTX, &event[1]), SAMPO_ENODEV);
}

static void test_shared_pin(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(irq_bind(&device[i], SAMPO_IRQ_INTX, &event[i]), SAMPO_OK);
	irq_handle(pin[11].vector);
	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(raised[i], 1);
	irq_ack(&device[0], SAMPO_IRQ_INTX);
	irq_ack(&device[0], SAMPO_IRQ_INTX); /* twice counts once */
	assert_true(pin[11].masked);
	irq_ack(&device[2], SAMPO_IRQ_INTX);
	assert_true(pin[11].masked);
	irq_unbind_event(&event[1]); /* the one that had not answered */
	assert_false(pin[11].masked);
	irq_handle(pin[11].vector);
	assert_int_equal(raised[1], 1);
	assert_int_equal(raised[2], 2);
	irq_unbind_event(&event[0]);
	assert_true(pin[11].masked);
	irq_unbind_event(&event[2]);
	assert_true(pin[11].masked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_messages, setup),
		cmocka_unit_test_setup(test_all_vectors, setup),
		cmocka_unit_test_setup(test_pin, setup),
		cmocka_unit_test_setup(test_shared_pin, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
