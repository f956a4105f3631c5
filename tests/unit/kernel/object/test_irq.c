/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/object/irq.c arch/iommu/iommu.c arch/ptab.c kernel/base/lock.c tests/host/cpu.c tests/unit/panic_stub.c tests/unit/iommu_stub.c */
/* From vectors to events, on an I/O APIC and an IOMMU that only note what they are told. */
#include "arch/apic.h"
#include "arch/ioapic.h"
#include "kernel/abi.h"
#include "kernel/base/frame.h"
#include "kernel/console/console.h"
#include "kernel/cpu/percpu.h"
#include "kernel/object/device.h"
#include "kernel/object/event.h"
#include "kernel/object/irq.h"
#include "kernel/vcpu/vcpu.h"
#include "tests/unit/iommu_model.h"
#include "tests/unit/unit.h"

#define EVENTS  256
#define GSIS    24
#define VECTORS (IRQ_VECTOR_LAST - IRQ_VECTOR_FIRST + 1)
#define LEVEL   (SAMPO_PIN_LEVEL | SAMPO_PIN_LOW)

struct cpu *cpu_table[CPUS];
uint32_t cpu_count;
static struct object machine = {.type = SAMPO_T_MACHINE, .refs = 1};
static struct device function = {.object = {.type = SAMPO_T_DEVICE, .refs = 1}, .requester = 0x18};
static struct object *const device = &function.object;
static struct vcpu driver = {.id = 0};
static struct domain drivers = {.vcpu = {&driver}};
static struct event event[EVENTS] = {[0 ... EVENTS - 1] = {.target = &drivers}};
static unsigned charged;
static unsigned raised[EVENTS];
static struct {
	uint8_t vector;
	bool masked, routed, active_low, level;
} pin[GSIS];
static uint64_t message;
static unsigned quiesced;
static uint32_t apic = 3;

uint32_t apic_id(void)
{
	return apic;
}

bool ioapic_id(uint32_t gsi, uint32_t *id)
{
	*id = 0;
	return gsi < GSIS;
}

bool ioapic_route(const struct ioapic_line *line, uint64_t entry)
{
	assert_int_equal(entry >> 56, iommu.remaps ? 0 : apic);
	assert_true(line->gsi < GSIS);
	pin[line->gsi].vector = (uint8_t)entry;
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

void vcpu_charge(struct vcpu *vcpu)
{
	assert_ptr_equal(vcpu, &driver);
	charged += vcpu_is_here(vcpu);
}

void event_raise(struct event *e)
{
	raised[e - event]++;
}

void smp_quiesce(void)
{
	quiesced++;
}

void object_queue(struct object *object)
{
	(void)object;
	fail();
}

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EVENTS; i++)
		irq_unbind(&event[i]);
	memset(pin, 0, sizeof(pin));
	memset(raised, 0, sizeof(raised));
	for (uint32_t irq = 0; irq < ACPI_ISA_IRQS; irq++)
		acpi.isa[irq] = (struct ioapic_line){.gsi = irq ? irq : 2, .level = irq == 9};
	return 0;
}

/* No reference is lost, none too many. */
static int teardown(void **state)
{
	setup(state);
	return machine.refs != 1 || device->refs != 1 || model_entries;
}

static int64_t bind_device(unsigned n)
{
	return irq_bind(&event[n], device, 0, &message);
}

static int64_t bind_pin(unsigned n, uint64_t which)
{
	return irq_bind(&event[n], &machine, which, &message);
}

static void test_messages(void **state)
{
	struct object other = {.type = SAMPO_T_REGION, .refs = 1};

	(void)state;
	assert_int_equal(bind_device(0), SAMPO_OK);
	assert_int_equal(message >> 32, 0xfee03000);
	assert_int_equal(bind_device(1), SAMPO_OK);
	assert_int_equal(bind_device(1), SAMPO_EEXIST);
	assert_int_equal(bind_pin(1, 11), SAMPO_EEXIST);
	assert_int_equal(irq_bind(&event[2], &other, 0, &message), SAMPO_EHANDLE);
	irq_handle((uint8_t)message);
	irq_handle((uint8_t)message);
	assert_int_equal(raised[0], 0);
	assert_int_equal(raised[1], 2);
	assert_int_equal(irq_ack(&event[1]), SAMPO_OK);
	assert_int_equal(irq_ack(&event[2]), SAMPO_EINVAL);
	quiesced = 0;
	assert_int_equal(irq_unbind(&event[1]), SAMPO_OK);
	assert_int_equal(quiesced, 1); /* the event may go now */
	assert_int_equal(irq_unbind(&event[1]), SAMPO_EINVAL);
	assert_int_equal(irq_ack(&event[1]), SAMPO_EINVAL);
	irq_handle((uint8_t)message); /* it was on its way */
	assert_int_equal(raised[1], 2);
	irq_handle(IRQ_VECTOR_LAST);
	assert_int_equal(bind_device(1), SAMPO_OK);
	assert_int_equal(device->refs, 3);
	apic = 254; /* on another CPU */
	assert_int_equal(irq_unbind(&event[1]), SAMPO_OK);
	assert_int_equal(bind_device(1), SAMPO_OK);
	assert_int_equal(message >> 32, 0xfeefe000);
	apic = 255; /* on one that has no place in a message */
	assert_int_equal(bind_device(2), SAMPO_ENODEV);
	assert_int_equal(bind_pin(2, 11), SAMPO_ENODEV);
	apic = 3;
}

static void test_all_vectors(void **state)
{
	bool seen[256] = {false};
	unsigned bound = 0;

	(void)state;
	for (; bind_device(bound) == SAMPO_OK; bound++) {
		assert_false(seen[(uint8_t)message]);
		seen[(uint8_t)message] = true;
	}
	assert_int_equal(bound, VECTORS);
	assert_int_equal(bind_device(bound), SAMPO_ENOMEM);
	assert_int_equal(bind_pin(bound, 11), SAMPO_ENOMEM);
	for (unsigned v = IRQ_VECTOR_FIRST; v <= IRQ_VECTOR_LAST; v++)
		irq_handle((uint8_t)v);
	for (unsigned i = 0; i < bound; i++)
		assert_int_equal(raised[i], 1);
	assert_int_equal(irq_unbind(&event[5]), SAMPO_OK);
	assert_int_equal(bind_pin(bound, 11), SAMPO_OK);
	assert_int_equal(bind_device(5), SAMPO_ENOMEM);
}

static void test_level(void **state)
{
	(void)state;
	assert_int_equal(bind_pin(0, 11 | LEVEL), SAMPO_OK);
	assert_true(pin[11].level && pin[11].active_low && !pin[11].masked);
	irq_handle(pin[11].vector);
	assert_int_equal(raised[0], 1);
	assert_true(pin[11].masked);
	assert_int_equal(irq_ack(&event[0]), SAMPO_OK);
	assert_false(pin[11].masked);
	assert_int_equal(bind_pin(1, 11 | LEVEL),
			 SAMPO_EEXIST); /* whoever shares it shares the event */
	assert_int_equal(irq_unbind(&event[0]), SAMPO_OK);
	assert_true(pin[11].masked);
	assert_int_equal(bind_pin(1, 20 | LEVEL), SAMPO_OK);
	assert_true(pin[20].level && pin[20].active_low);
	assert_int_equal(bind_pin(2, 9), SAMPO_OK); /* as firmware says */
	assert_true(pin[9].level && !pin[9].active_low);
	irq_handle(pin[9].vector);
	assert_true(pin[9].masked);
	irq_unbind(&event[2]); /* and it is the vector of a message then */
	assert_int_equal(bind_device(2), SAMPO_OK);
	irq_handle((uint8_t)message);
	assert_int_equal(irq_ack(&event[2]), SAMPO_OK);
	assert_true(pin[9].masked);
}

static void test_edge(void **state)
{
	(void)state;
	assert_int_equal(bind_pin(0, 14), SAMPO_OK);
	assert_true(!pin[14].level && !pin[14].active_low && !pin[14].masked);
	irq_handle(pin[14].vector);
	irq_handle(pin[14].vector);
	assert_int_equal(raised[0], 2);
	assert_false(pin[14].masked); /* ever: the next would be lost */
	assert_int_equal(irq_ack(&event[0]), SAMPO_OK);
	assert_int_equal(irq_unbind(&event[0]), SAMPO_OK);
	assert_true(pin[14].masked);
	assert_int_equal(bind_pin(0, 0), SAMPO_OK); /* ISA interrupt 0 is wired to 2 */
	assert_true(pin[2].routed && !pin[0].routed);
	assert_int_equal(bind_pin(1, 2), SAMPO_EEXIST);
}

static void test_bad_pins(void **state)
{
	static const uint64_t bad[] = {1u << 18, 1ull << 32 | 11, 1ull << 63, ~0ull};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(bind_pin(0, bad[i]), SAMPO_EINVAL);
	assert_int_equal(bind_pin(0, 24 | LEVEL), SAMPO_ENODEV);
	assert_int_equal(bind_pin(0, 0xff | LEVEL), SAMPO_ENODEV);
	assert_int_equal(bind_pin(0, 0xffff), SAMPO_ENODEV);
	assert_int_equal(bind_pin(0, CONSOLE_IRQ), SAMPO_EEXIST);
	assert_int_equal(bind_pin(0, CONSOLE_IRQ | LEVEL), SAMPO_EEXIST);
	for (unsigned i = 0; i < GSIS; i++)
		assert_false(pin[i].routed);
	assert_int_equal(irq_ack(&event[0]), SAMPO_EINVAL);
}

/* The domain whose device interrupts pays for it, where its vCPU is. */
static void test_charge(void **state)
{
	uint8_t vector;

	(void)state;
	assert_int_equal(bind_device(1), SAMPO_OK);
	vector = (uint8_t)message;
	irq_handle(vector);
	assert_int_equal(charged, 0);
	driver.cpu = this_cpu();
	irq_handle(vector);
	assert_int_equal(charged, 1);
	assert_int_equal(raised[1], 2);
	driver.cpu = NULL;
}

/* With an IOMMU the message says which entry is meant, and that entry is the function's. */
static void test_remapped(void **state)
{
	uint32_t index;

	(void)state;
	iommu.ops = &vtd_ops;
	iommu.remaps = true;
	assert_int_equal(bind_device(0), SAMPO_OK);
	assert_int_equal(message >> 32, 0xfee00010);
	index = (uint32_t)message;
	assert_true(model_entry[index].used);
	assert_int_equal(model_entry[index].requester, 0x18);
	assert_int_equal(model_entry[index].to.apic_id, 3);
	irq_handle(model_entry[index].to.vector);
	assert_int_equal(raised[0], 1);
	assert_int_equal(bind_device(1), SAMPO_OK);
	assert_int_not_equal((uint32_t)message, index);
	assert_int_equal(irq_unbind(&event[0]), SAMPO_OK);
	assert_false(model_entry[index].used);
	assert_int_equal(bind_pin(0, 11 | LEVEL), SAMPO_OK);
	assert_int_equal(model_entries, 2);
	irq_handle(pin[11].vector);
	assert_int_equal(raised[0], 2);
	setup(NULL);
	assert_int_equal(model_entries, 0);
	iommu.remaps = false;
	iommu.ops = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_vectors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_level, setup, teardown),
		cmocka_unit_test_setup_teardown(test_edge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_pins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remapped, setup, teardown),
	};

	this_cpu()->lines = page_alloc();
	cpu_table[0] = this_cpu();
	cpu_count = 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
