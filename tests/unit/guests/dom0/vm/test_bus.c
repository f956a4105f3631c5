/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/vm/bus.c */
/* The address decoder: who answers, and what happens where nobody does. */
#include "tests/unit/unit.h"

#include <string.h>

#include "guests/dom0/vm/vm.h"

static struct vm vm;
static struct {
	uint32_t instance;
	uint64_t offset, value;
	unsigned size, calls;
} last;

static uint64_t on_read(struct vm *v, uint32_t instance, uint64_t offset, unsigned size)
{
	assert_ptr_equal(v, &vm);
	last.instance = instance;
	last.offset = offset;
	last.size = size;
	last.calls++;
	return 0x1122334455667788;
}

static void on_write(struct vm *v, uint32_t instance, uint64_t offset, unsigned size,
		     uint64_t value)
{
	on_read(v, instance, offset, size);
	last.value = value;
}

static const struct io_ops ops = {on_read, on_write};

static int start(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	memset(&last, 0, sizeof(last));
	return 0;
}

static void test_claimed(void **state)
{
	(void)state;
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x3f8, 8, &ops, 7), 0);
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x60, 1, &ops, 1), 0);
	assert_int_equal(bus_add(&vm, BUS_MMIO, 0xfec00000, 0x1000, &ops, 2), 0);
	assert_int_equal(bus_read(&vm, BUS_PIO, 0x3fd, 1), 0x88);
	assert_int_equal(last.instance, 7);
	assert_int_equal(last.offset, 5);
	bus_write(&vm, BUS_PIO, 0x60, 1, 0x1234);
	assert_int_equal(last.instance, 1);
	assert_int_equal(last.value, 0x34);
	assert_int_equal(bus_read(&vm, BUS_MMIO, 0xfec00ff8, 8), 0x1122334455667788);
	assert_int_equal(last.instance, 2);
	assert_int_equal(last.calls, 3);
}

static void test_unclaimed(void **state)
{
	(void)state;
	assert_int_equal(bus_read(&vm, BUS_PIO, 0, 1), 0xff);
	assert_int_equal(bus_read(&vm, BUS_PIO, 0xffff, 4), 0xffffffff);
	assert_int_equal(bus_read(&vm, BUS_MMIO, 5, 8), UINT64_MAX);
	bus_write(&vm, BUS_PIO, 0x80, 1, 1);
	assert_int_equal(last.calls, 0);
}

/* Partly claimed: bytes go where they belong, the rest reads ones. */
static void test_across_the_end(void **state)
{
	(void)state;
	bus_add(&vm, BUS_PIO, 0x10, 2, &ops, 0);
	assert_int_equal(bus_read(&vm, BUS_PIO, 0x11, 4), 0xffffff88);
	assert_int_equal(last.size, 1);
	assert_int_equal(bus_read(&vm, BUS_PIO, 0xf, 2), 0x88ff);
	bus_write(&vm, BUS_PIO, 0xe, 4, 0xddccbbaa);
	assert_int_equal(last.value, 0xdd);
	assert_int_equal(last.offset, 1);
}

static void test_overlap(void **state)
{
	(void)state;
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x10, 0x10, &ops, 0), 0);
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x1f, 1, &ops, 0), -1);
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x8, 0x9, &ops, 0), -1);
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x0, 0x100, &ops, 0), -1);
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x8, 0x8, &ops, 0), 0);
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x20, 0, &ops, 0), -1);
	assert_int_equal(bus_add(&vm, BUS_MMIO, UINT64_MAX, 2, &ops, 0), -1);
	assert_int_equal(bus_add(&vm, BUS_MMIO, UINT64_MAX, 1, &ops, 3), 0);
	bus_read(&vm, BUS_MMIO, UINT64_MAX, 1);
	assert_int_equal(last.instance, 3);
}

static void test_full_and_remove(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BUS_RANGES; i++)
		assert_int_equal(bus_add(&vm, BUS_PIO, (BUS_RANGES - i) * 4, 4, &ops, i), 0);
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x8000, 4, &ops, 0), -1);
	for (unsigned i = 0; i < BUS_RANGES; i++) {
		bus_read(&vm, BUS_PIO, (BUS_RANGES - i) * 4 + 3, 1);
		assert_int_equal(last.instance, i);
		bus_remove(&vm, BUS_PIO, (BUS_RANGES - i) * 4);
		assert_int_equal(bus_read(&vm, BUS_PIO, (BUS_RANGES - i) * 4 + 3, 1), 0xff);
	}
	bus_remove(&vm, BUS_PIO, 4);
	assert_int_equal(vm.bus.count[BUS_PIO], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_claimed, start),
		cmocka_unit_test_setup(test_unclaimed, start),
		cmocka_unit_test_setup(test_across_the_end, start),
		cmocka_unit_test_setup(test_overlap, start),
		cmocka_unit_test_setup(test_full_and_remove, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
