/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "tests/unit/mock_vm.h"

static int power_on(void **state)
{
	(void)state;
	mock_power_on();
	return 0;
}

static int power_off(void **state)
{
	(void)state;
	mock_power_off();
	return 0;
}

static bool sci(void)
{
	return mock_state.ioapic.line >> 9 & 1;
}

static void test_power_button(void **state)
{
	(void)state;
	assert_int_equal(in16(0x604), 1); /* in ACPI mode already */
	acpi_power_button(&mock_vm);
	assert_false(sci()); /* not enabled, but not forgotten */
	out16(0x602, 0x0100);
	assert_true(sci());
	assert_int_equal(in16(0x600), 0x0100);
	out16(0x600, 0x0100);
	assert_false(sci());
	assert_int_equal(in32(0x600), 0x01000000);
	acpi_power_button(&mock_vm);
	acpi_power_button(&mock_vm);
	assert_true(sci());
	out8(0x603, 0);
	assert_false(sci());
}

static void test_sleep(void **state)
{
	(void)state;
	out16(0x604, 0x0001);
	assert_int_equal(mock_seen.requests, 0);
	out16(0x604, 0x3401); /* S-something that we don't have */
	assert_int_equal(mock_seen.requests, 0);
	out16(0x604, 0x2001);
	assert_int_equal(mock_seen.request, VM_REQ_POWEROFF);
	assert_int_equal(in16(0x604), 0x0001);
}

static void test_reset_register(void **state)
{
	(void)state;
	out8(0xcf9, 0x02);
	assert_int_equal(in8(0xcf9), 0x02);
	assert_int_equal(mock_seen.requests, 0);
	out8(0xcf9, 0x06);
	assert_int_equal(mock_seen.requests, 1);
	assert_int_equal(mock_seen.request, VM_REQ_RESET);
	out32(0xcf8, 0x80000600); /* the address, not the register */
	assert_int_equal(mock_seen.requests, 1);
}

static void test_keyboard_controller(void **state)
{
	(void)state;
	assert_int_equal(in8(0x64), 0x1c);
	out8(0x64, 0xaa);
	assert_int_equal(in8(0x64), 0x1d);
	assert_int_equal(in8(0x60), 0x55);
	assert_int_equal(in8(0x64), 0x1c);
	out8(0x64, 0x60);
	out8(0x60, 0x47);
	out8(0x64, 0x20);
	assert_int_equal(in8(0x60), 0x47);
	out8(0x60, 0xff); /* to the keyboard: nobody answers */
	assert_int_equal(in8(0x64), 0x1c);
	out8(0x64, 0xd1);
	out8(0x60, 0x03);
	assert_int_equal(mock_seen.requests, 0);
	assert_int_equal(in8(0x92), 0x02);
	out8(0x64, 0xfe);
	assert_int_equal(mock_seen.requests, 1);
	out8(0x64, 0xd1);
	out8(0x60, 0x02);
	assert_int_equal(mock_seen.requests, 2);
	out8(0x92, 0x03);
	assert_int_equal(mock_seen.requests, 3);
	assert_int_equal(mock_seen.request, VM_REQ_RESET);
}

static void test_timer(void **state)
{
	uint32_t before, after;

	(void)state;
	before = in32(0x608);
	mock_advance(1000000000);
	after = in32(0x608);
	assert_in_range(after - before, 3579544, 3579546);
	assert_int_equal(in8(0x609), after >> 8 & 0xff);
	assert_int_equal(in16(0x60a), after >> 16);
	mock_advance(1199864031881); /* 2^32 ticks, rounded down */
	assert_in_range(after - in32(0x608), 0, 1);
	out32(0x608, 0);
	assert_int_equal(in8(0x60c), 0xff);
}

static void test_gpe(void **state)
{
	(void)state;
	out8(0x622, 0x05);
	out8(0x623, 0x80);
	assert_int_equal(in32(0x620), 0x80050000);
	mock_state.acpi.gpe_status[1] = 0x80;
	out8(0x620, 0xff);
	assert_true(sci());
	out16(0x620, 0x8000);
	assert_false(sci());
}

/* The tables, as a guest walks them. */

static const uint8_t *table(uint64_t address, uint64_t bytes)
{
	const uint8_t *p = vm_mem(&mock_vm, address, bytes);

	assert_non_null(p);
	assert_true(address >= 0xf0000 && address + bytes <= 0xfb000);
	return p;
}

static uint32_t u32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, 4);
	return value;
}

static uint64_t u64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, 8);
	return value;
}

static void assert_sum(const uint8_t *p, uint32_t bytes)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + p[i]);
	assert_int_equal(sum, 0);
}

static const uint8_t *checked(uint64_t address, const char *signature)
{
	const uint8_t *p = table(address, 36);

	assert_memory_equal(p, signature, 4);
	p = table(address, u32(p + 4));
	assert_sum(p, u32(p + 4));
	return p;
}

static void test_tables(void **state)
{
	const uint8_t *rsdp, *xsdt, *rsdt, *fadt, *madt, *mcfg;
	unsigned types[5] = {0};

	(void)state;
	assert_int_equal(acpi_build(&mock_vm), 0xf0000);
	rsdp = table(0xf0000, 36);
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_sum(rsdp, 20);
	assert_sum(rsdp, 36);
	assert_int_equal(rsdp[15], 2);
	rsdt = checked(u32(rsdp + 16), "RSDT");
	xsdt = checked(u64(rsdp + 24), "XSDT");
	assert_int_equal(u32(rsdt + 4), 36 + 5 * 4);
	assert_int_equal(u32(xsdt + 4), 36 + 5 * 8);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(u32(rsdt + 36 + 4 * i), u64(xsdt + 36 + 8 * i));
	fadt = checked(u64(xsdt + 36), "FACP");
	assert_int_equal(u32(fadt + 4), 268);
	checked(u32(fadt + 40), "DSDT");
	assert_int_equal(u64(fadt + 140), u32(fadt + 40));
	assert_memory_equal(table(u32(fadt + 36), 64), "FACS", 4);
	assert_int_equal(u32(fadt + 36) % 64, 0);
	assert_int_equal(u32(fadt + 56), 0x600);
	assert_int_equal(u32(fadt + 64), 0x604);
	assert_int_equal(u32(fadt + 76), 0x608);
	assert_int_equal(u32(fadt + 80), 0x620);
	assert_int_equal(u64(fadt + 120), 0xcf9);
	assert_int_equal(fadt[128], 6);
	madt = checked(u64(xsdt + 44), "APIC");
	for (uint32_t i = 44; i < u32(madt + 4); i += madt[i + 1]) {
		assert_in_range(madt[i], 0, 4);
		assert_true(madt[i + 1] != 0);
		types[madt[i]]++;
	}
	assert_int_equal(types[0], 1);
	assert_int_equal(types[1], 1);
	assert_int_equal(types[2], 2);
	assert_int_equal(types[4], 1);
	checked(u64(xsdt + 52), "SSDT");
	mcfg = checked(u64(xsdt + 60), "MCFG");
	assert_int_equal(u32(mcfg + 4), 60); /* one range: segment 0, bus 0 alone */
	assert_true(u64(mcfg + 44) == PCI_ECAM_BASE);
	assert_int_equal(u32(mcfg + 52), 0);
	checked(u64(xsdt + 68), "WAET");
}

/* Two threads each of three cores, on two sockets. */
static void test_processors(void **state)
{
	static const uint8_t ids[] = {0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13};
	const uint8_t *xsdt, *p;

	(void)state;
	mock_config.vcpus = 12;
	mock_config.cores = 3;
	mock_config.threads = 2;
	assert_int_equal(acpi_build(&mock_vm), 0xf0000);
	xsdt = table(u64(table(0xf0000, 36) + 24), 68);
	p = checked(u64(xsdt + 44), "APIC") + 44;
	for (unsigned i = 0; i < 12; i++, p += 8) {
		assert_int_equal(p[0], 0);
		assert_int_equal(p[2], i);
		assert_int_equal(p[3], ids[i]);
		assert_int_equal(u32(p + 4), 1);
	}
	assert_int_equal(p[0], 1);
}

static void test_small_ram(void **state)
{
	(void)state;
	mock_vm.ram_bytes = 0xf0000;
	assert_int_equal(acpi_build(&mock_vm), 0);
}

/* ACPICA's disassembler reads every table without a complaint. */
static void test_disassembly(void **state)
{
	char name[] = "/tmp/sampo-acpi-XXXXXX", command[256];
	const uint8_t *xsdt, *fadt, *p;
	uint64_t address[5];

	(void)state;
	mock_config.vcpus = mock_config.cores = 64;
	assert_int_equal(acpi_build(&mock_vm), 0xf0000);
	xsdt = table(u64(table(0xf0000, 36) + 24), 68);
	for (unsigned i = 0; i < 4; i++)
		address[i] = u64(xsdt + 36 + 8 * i);
	fadt = table(address[0], 268);
	address[4] = u32(fadt + 40);
	assert_non_null(mkdtemp(name));
	for (unsigned i = 0; i < 5; i++) {
		char file[64];
		FILE *f;

		p = table(address[i], 36);
		snprintf(file, sizeof(file), "%s/t%u.aml", name, i);
		f = fopen(file, "wb");
		assert_non_null(f);
		assert_int_equal(fwrite(p, 1, u32(p + 4), f), u32(p + 4));
		fclose(f);
		snprintf(command, sizeof(command),
			 "cd %s && iasl -d t%u.aml >t%u.log 2>&1 && "
			 "! grep -qiE 'warning|error|invalid|bad' t%u.log",
			 name, i, i, i);
		assert_int_equal(system(command), 0);
	}
	snprintf(command, sizeof(command), "rm -r %s", name);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_power_button, power_on),
		cmocka_unit_test_setup(test_sleep, power_on),
		cmocka_unit_test_setup(test_reset_register, power_on),
		cmocka_unit_test_setup(test_keyboard_controller, power_on),
		cmocka_unit_test_setup(test_timer, power_on),
		cmocka_unit_test_setup(test_gpe, power_on),
		cmocka_unit_test_setup(test_tables, power_on),
		cmocka_unit_test_setup(test_processors, power_on),
		cmocka_unit_test_setup(test_small_ram, power_on),
		cmocka_unit_test_setup(test_disassembly, power_on),
	};

	return cmocka_run_group_tests(tests, NULL, power_off);
}
