/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/base/env.c */
/* flags: -include tests/unit/sampo_machine.h */
/* Ports, registers and interrupts for drivers, on a kernel that notes its calls or refuses them. */
#include "tests/unit/unit.h"

#include "drivers/env.h"
#include "guests/dom0/base/cpuset.h"
#include "guests/dom0/base/env.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"

#define PIN_LEVEL_LOW (SAMPO_PIN_LEVEL | SAMPO_PIN_LOW)
#define WINDOW        0x4000000000ull

static struct sampo_boot info = {.machine = 1, .domain = 2, .vcpu = 3};
const struct sampo_boot *boot = &info;

static int handles, bits, windows, calls, fail_at;
static bool window_busy;
static struct {
	uint64_t flags, base, size, gpa, perms, bytes;
	uint32_t source;
	uint64_t pin;
	unsigned acks, handled_before_ack;
	void (*raised)(void *context);
	void *context;
} seen;
static unsigned handled[4];
static unsigned cpu, unbound, raises;
static int refused_cpu, refused_binds; /* where an interrupt cannot be bound, how often */
static struct irq_message programmed[4];
static unsigned silenced[4];
static uint32_t pins; /* that have been bound */
static bool messages_gone;

static bool fails(void)
{
	return ++calls == fail_at;
}

static int64_t handle(uint32_t *to)
{
	*to = 0;
	if (fails())
		return SAMPO_ENOMEM;
	*to = (uint32_t)(100 + ++handles);
	return SAMPO_OK;
}

int64_t sampo_handle_close(uint32_t closed)
{
	assert_true(closed > 100);
	handles--;
	return SAMPO_OK;
}

int64_t sampo_region_of_machine(uint32_t machine, uint64_t flags, uint64_t base, uint64_t size,
				uint32_t *region)
{
	assert_int_equal(machine, 1);
	seen.flags = flags;
	seen.base = base;
	seen.size = size;
	return handle(region);
}

int64_t sampo_region_map(uint32_t region, uint32_t domain, uint64_t gpa, uint64_t offset,
			 uint64_t perms, uint64_t bytes)
{
	assert_true(region > 100 && domain == 2 && offset == 0);
	seen.gpa = gpa;
	seen.perms = perms;
	seen.bytes = bytes;
	return fails() ? SAMPO_ENOMEM : SAMPO_OK;
}

int64_t sampo_port(uint32_t region, uint64_t offset, uint64_t bytes, uint32_t value, uint64_t *read)
{
	if (region <= 100 || offset > 8)
		return SAMPO_EINVAL;
	assert_true(!(bytes & SAMPO_PORT_WRITE) == (read != NULL));
	if (read)
		*read = offset | bytes << 8;
	seen.base = value;
	return SAMPO_OK;
}

int64_t sampo_event_create(uint32_t domain, uint64_t kind, uint64_t a, uint64_t b, uint32_t *event)
{
	assert_true(domain == 2 && kind == SAMPO_EVENT_BIT && a == 5 && b == 0);
	return handle(event);
}

int64_t sampo_irq(uint32_t event, uint64_t op, uint32_t source, uint64_t pin, uint64_t *message)
{
	assert_true(event > 100);
	if (op == SAMPO_IRQ_ACK) {
		seen.acks++;
		seen.handled_before_ack = handled[0] + handled[1] + handled[2];
		return SAMPO_OK;
	}
	if (op == SAMPO_IRQ_UNBIND) {
		unbound++;
		return SAMPO_OK;
	}
	assert_int_equal(op, SAMPO_IRQ_BIND);
	seen.source = source;
	seen.pin = pin;
	if (source == 1)
		pins |= 1u << pin % 32;
	else if (messages_gone)
		return SAMPO_ENOMEM;
	if (refused_binds && refused_cpu == (int)cpu && refused_binds--)
		return SAMPO_ENODEV;
	if (message)
		*message = (0xfee00000ull | cpu << 12) << 32 | 0x41;
	return fails() ? SAMPO_ENOMEM : SAMPO_OK;
}

int64_t sampo_event_raise(uint32_t event)
{
	assert_true(event > 100);
	raises++;
	return SAMPO_OK;
}

int64_t sampo_vcpu_ctl(uint32_t vcpu, uint64_t op, uint64_t value)
{
	const struct cpuset *set = (const void *)(uintptr_t)value;

	assert_true(vcpu == 3 && op == SAMPO_VCPU_AFFINITY);
	for (unsigned i = 0; i < 4; i++) {
		if (!cpuset_has(set, i))
			continue;
		cpu = i;
		return SAMPO_OK;
	}
	return SAMPO_EINVAL;
}

int64_t sampo_object_info(uint32_t vcpu, uint64_t what, void *to, uint64_t bytes, uint64_t first,
			  uint64_t *written)
{
	struct sampo_vcpu_info *vcpu_info = to;

	(void)written;
	assert_true(vcpu == 3 && what == SAMPO_INFO_VCPU && bytes == sizeof(*vcpu_info) && !first);
	*vcpu_info = (struct sampo_vcpu_info){.cpu = cpu};
	return SAMPO_OK;
}

int64_t sampo_device_create(uint32_t machine, uint64_t requester, uint32_t domain, uint64_t name,
			    uint32_t *device)
{
	assert_true(machine == 1 && requester == 0x18 && domain == 2);
	assert_int_equal(name, 0x656d766e); /* "nvme" */
	return handle(device);
}

int event_alloc(void (*raised)(void *context), void *context)
{
	if (fails())
		return -1;
	seen.raised = raised;
	seen.context = context;
	bits++;
	return 5;
}

void event_free(int bit)
{
	bits -= bit >= 0;
}

bool window_take(uint64_t address, uint64_t bytes)
{
	assert_true(address % 4096 == 0 && bytes % 4096 == 0 && bytes);
	windows += !window_busy;
	return !window_busy;
}

uint64_t window_alloc(uint64_t bytes, uint64_t align)
{
	(void)bytes;
	(void)align;
	if (fails())
		return 0;
	windows++;
	return WINDOW;
}

void window_free(uint64_t address)
{
	(void)address;
	windows--;
}

void memory_unmap(void *address, uint64_t bytes)
{
	seen.gpa = (uintptr_t)address;
	seen.bytes = bytes;
	windows--;
}

static void on_interrupt(void *context, unsigned vector)
{
	assert_ptr_equal(context, handled);
	handled[vector]++;
}

static void program(void *function, unsigned vector, const struct irq_message *message)
{
	assert_ptr_equal(function, programmed);
	if (message)
		programmed[vector] = *message;
	else
		silenced[vector]++;
}

static int start(void **state)
{
	(void)state;
	cpu = 1;
	unbound = raises = 0;
	refused_binds = 0;
	pins = 0;
	memset(programmed, 0, sizeof(programmed));
	memset(silenced, 0, sizeof(silenced));
	handles = bits = windows = calls = fail_at = 0;
	window_busy = false;
	memset(&seen, 0, sizeof(seen));
	memset(handled, 0, sizeof(handled));
	return 0;
}

static void test_ports(void **state)
{
	uint32_t ports = ports_open(0xc040, 32);

	(void)state;
	assert_true(ports > 100 && seen.flags == SAMPO_REGION_PORTS);
	assert_true(seen.base == 0xc040 && seen.size == 32);
	assert_int_equal(port_read(ports, 4, 2), 0x204);
	port_write(ports, 4, 4, 0x12345678);
	assert_int_equal(seen.base, 0x12345678);
	assert_int_equal(port_read(ports, 9, 1), 0xff);
	assert_int_equal(port_read(0, 0, 2), 0xffff);
	assert_int_equal(port_read(0, 0, 4), 0xffffffff);
	ports_close(ports);
	ports_close(0);
	assert_int_equal(handles, 0);
	fail_at = calls + 1;
	assert_int_equal(ports_open(0x20, 2), 0);
}

static void test_registers(void **state)
{
	(void)state;
	assert_ptr_equal(registers_map(0xfe012345, 0x1000), 0xfe012345);
	assert_true(seen.flags == SAMPO_REGION_PHYSICAL && seen.base == 0xfe012000);
	assert_true(seen.size == 0x2000 && seen.bytes == 0x2000);
	assert_true(seen.gpa == 0xfe012000 && seen.perms == (SAMPO_MAP_R | SAMPO_MAP_W));
	assert_int_equal(handles, 0);
	assert_int_equal(windows, 1);
	window_busy = true; /* the place is taken */
	assert_ptr_equal(registers_map(0xfe000010, 16), WINDOW + 0x10);
	assert_int_equal(seen.gpa, WINDOW);
	assert_int_equal(seen.bytes, 0x1000);
	assert_ptr_equal(firmware_map(0xff0, 0x20), WINDOW + 0xff0);
	assert_int_equal(seen.perms, SAMPO_MAP_R);
	assert_int_equal(seen.bytes, 0x2000);
	assert_int_equal(windows, 3);
	firmware_unmap((void *)(WINDOW + 0xff0), 0x20);
	assert_int_equal(seen.gpa, WINDOW);
	assert_int_equal(windows, 2);
	for (int i = 1; i <= 3; i++) { /* no region, no place, no mapping */
		calls = 0;
		fail_at = i;
		assert_null(registers_map(0xfe000000, 0x1000));
		assert_int_equal(handles, 0);
		assert_int_equal(windows, 2);
	}
}

static void test_message(void **state)
{
	uint32_t device = device_open(0x18, "nvme");

	(void)state;
	for (int i = 1; i <= 3; i++) {
		calls = 0;
		fail_at = i;
		assert_false(
			irq_message_bind(device, on_interrupt, handled, 1, program, programmed));
		assert_int_equal(handles, 1);
		assert_int_equal(bits, 0);
		assert_int_equal(programmed[1].address, 0);
	}
	assert_true(irq_message_bind(device, on_interrupt, handled, 2, program, programmed));
	assert_int_equal(programmed[2].address, 0xfee01000);
	assert_int_equal(programmed[2].data, 0x41);
	assert_int_equal(seen.source, device);
	seen.raised(seen.context);
	assert_int_equal(handled[2], 1);
	assert_int_equal(seen.acks, 0); /* nothing is masked */
}

static void test_pins(void **state)
{
	(void)state;
	for (int i = 1; i <= 3; i++) {
		calls = 0;
		fail_at = i;
		assert_false(irq_pin_bind(11, IRQ_LEVEL_LOW, on_interrupt, handled, 0));
		assert_int_equal(handles, 0);
		assert_int_equal(bits, 0);
	}
	assert_true(irq_pin_bind(11, IRQ_LEVEL_LOW, on_interrupt, handled, 0));
	assert_int_equal(seen.source, 1);
	assert_int_equal(seen.pin, 11 | PIN_LEVEL_LOW);
	assert_true(irq_pin_bind(11, IRQ_LEVEL_LOW, on_interrupt, handled, 1)); /* shared */
	assert_int_equal(handles, 1);
	assert_int_equal(bits, 1);
	seen.raised(seen.context);
	assert_true(handled[0] == 1 && handled[1] == 1);
	assert_int_equal(seen.acks, 1);
	assert_int_equal(seen.handled_before_ack, 2);
	assert_false(irq_pin_bind(11, IRQ_EDGE_HIGH, on_interrupt, handled, 2)); /* but not so */
	assert_true(irq_pin_bind(14, IRQ_EDGE_HIGH, on_interrupt, handled, 2));
	assert_int_equal(seen.pin, 14);
	seen.raised(seen.context);
	assert_true(handled[0] == 1 && handled[2] == 1);
	assert_int_equal(seen.acks, 1);
}

/* After the two before it: a message, a level-triggered pin, one that is not. */
static void test_move(void **state)
{
	(void)state;
	assert_null(home_move(2));
	assert_int_equal(cpu, 2);
	assert_int_equal(unbound, 3);
	assert_int_equal(raises, 3); /* an interrupt may have been lost */
	assert_int_equal(programmed[2].address, 0xfee02000);
	assert_int_equal(pins, 1u << 11 | 1u << 14);
	assert_non_null(home_move(7)); /* there is no such CPU */
	assert_non_null(home_move(256));
	assert_int_equal(cpu, 2);
	assert_int_equal(unbound, 3);
}

/* One that cannot have an interrupt on the new CPU keeps all of them where they were. */
static void test_move_back(void **state)
{
	(void)state;
	refused_cpu = 3;
	refused_binds = 2;
	assert_non_null(home_move(3));
	assert_int_equal(cpu, 1);
	assert_int_equal(programmed[2].address, 0xfee01000);
	assert_int_equal(silenced[2], 0);
	assert_int_equal(unbound, 3 + 1); /* two were bound to nothing */
}

/* What is lost on both is said, and had again on the next CPU. */
static void test_move_lost(void **state)
{
	(void)state;
	messages_gone = true;
	assert_non_null(home_move(2));
	assert_int_equal(cpu, 1);
	assert_int_equal(silenced[2], 1);
	messages_gone = false;
	unbound = 0;
	assert_null(home_move(0));
	assert_int_equal(cpu, 0);
	assert_int_equal(unbound, 2);
	assert_int_equal(programmed[2].address, 0xfee00000);
}

static void count(void *context, unsigned vector)
{
	((unsigned *)context)[vector]++;
}

/* After the tests before it: a pin whose last handler has gone is bound again for the next one, and
 * a handler goes with its context. */
static void test_pin_again(void **state)
{
	static unsigned others[3];

	(void)state;
	assert_true(irq_pin_bind(12, IRQ_LEVEL_LOW, count, handled, 0));
	assert_true(irq_pin_bind(12, IRQ_LEVEL_LOW, count, others, 1));
	irq_pin_unbind(12, count, handled);
	assert_int_equal(unbound, 0);
	seen.raised(seen.context);
	assert_true(handled[0] == 0 && others[1] == 1);
	irq_pin_unbind(12, count, handled);
	assert_int_equal(unbound, 0);
	irq_pin_unbind(12, count, others);
	assert_int_equal(unbound, 1);
	pins = 0;
	refused_binds = 1;
	refused_cpu = (int)cpu;
	assert_false(irq_pin_bind(12, IRQ_LEVEL_LOW, count, handled, 0));
	pins = 0;
	assert_true(irq_pin_bind(12, IRQ_LEVEL_LOW, count, handled, 0));
	assert_int_equal(pins, 1u << 12);
	assert_true(irq_pin_bind(12, IRQ_LEVEL_LOW, count, others, 1));
	assert_int_equal(pins, 1u << 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ports, start),
		cmocka_unit_test_setup(test_registers, start),
		cmocka_unit_test_setup(test_message, start),
		cmocka_unit_test_setup(test_pins, start),
		cmocka_unit_test_setup(test_move, start),
		cmocka_unit_test_setup(test_move_back, start),
		cmocka_unit_test_setup(test_move_lost, start),
		cmocka_unit_test_setup(test_pin_again, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
