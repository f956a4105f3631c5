/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/acpi.c */
/* What the kernel reads of the host's ACPI tables: a small machine's, then broken in many ways. */
#include "arch/acpi.h"
#include "arch/paging.h"
#include "kernel/base/log.h"
#include "tests/unit/firmware.h"

static struct acpi_info info;

void *phys_map(uint64_t pa, size_t bytes, uint32_t flags)
{
	assert_int_equal(flags, PTAB_R);
	return (void *)firmware_at(pa, bytes);
}

void log_print(const char *format, ...)
{
	(void)format;
}

static void check_madt(void)
{
	assert_int_equal(info.cpus, 3);
	assert_int_equal(info.cpu[1], 4);
	assert_int_equal(info.cpu[2], 0x1234);
	assert_int_equal(info.ioapics, 2);
	assert_int_equal(info.ioapic[1].address, 0xfec01000);
	assert_int_equal(info.ioapic[1].gsi_base, 24);
	assert_int_equal(info.isa[0].gsi, 2);
	assert_false(info.isa[0].level);
	assert_int_equal(info.isa[1].gsi, 1);
	assert_int_equal(info.isa[9].gsi, 9);
	assert_true(info.isa[9].level);
	assert_false(info.isa[9].active_low);
	assert_int_equal(info.isa[10].gsi, 20);
	assert_true(info.isa[10].active_low);
}

static void test_rsdt(void **state)
{
	(void)state;
	build();
	assert_true(acpi_parse(&info, memory + RSDP));
	check_madt();
	assert_int_equal(info.pm1a_control, 0x604);
	assert_int_equal(info.pm1b_control, 0);
	assert_int_equal(info.pm_timer, 0x608);
	assert_int_equal(info.reset, 0xcf9);
	assert_int_equal(info.smi_command, 0xb2);
	assert_int_equal(info.acpi_enable, 2);
}

static void test_xsdt(void **state)
{
	uint8_t copy[36];

	(void)state;
	build();
	make_rsdp_2();
	memcpy(copy, memory + RSDP, sizeof(copy));
	memset(memory + RSDP, 0, 36); /* it is not looked for */
	assert_true(acpi_parse(&info, copy));
	check_madt();
	assert_int_equal(info.pm_timer, 0);
	memory[XSDT + 50] ^= 1; /* a broken XSDT: the RSDT serves */
	assert_true(acpi_parse(&info, copy));
	assert_int_equal(info.pm_timer, 0x608);
	copy[33] ^= 1; /* the extended checksum */
	assert_true(acpi_parse(&info, copy));
	assert_int_equal(info.pm_timer, 0x608);
	copy[3] ^= 1;
	assert_false(acpi_parse(&info, copy));
	memset(copy, 0, sizeof(copy)); /* none given */
	assert_false(acpi_parse(&info, copy));
}

static void test_broken_madt(void **state)
{
	(void)state;
	build();
	memory[MADT + 45] = 0; /* an entry without length */
	table(MADT, "APIC", 200);
	assert_true(acpi_parse(&info, memory + RSDP));
	assert_int_equal(info.cpus, 0);
	build();
	table(MADT, "APIC", 44 + 8 + 3); /* ends within an entry */
	assert_true(acpi_parse(&info, memory + RSDP));
	assert_int_equal(info.cpus, 1);
	build();
	memory[MADT + 60]++; /* a wrong sum */
	assert_true(acpi_parse(&info, memory + RSDP));
	assert_int_equal(info.cpus + info.ioapics, 0);
	build();
	put(MADT + 4, 0xffffffff, 4);
	assert_true(acpi_parse(&info, memory + RSDP));
	assert_int_equal(info.ioapics, 0);
}

static void test_full(void **state)
{
	uint32_t at = MADT + 44;

	(void)state;
	build();
	for (unsigned i = 0; i < 300; i++)
		at = entry(at, (uint8_t[]){0, 8, 0, (uint8_t)i, 1, 0, 0, 0});
	for (unsigned i = 0; i < 80; i++)
		at = entry(at, (uint8_t[]){1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0});
	for (unsigned i = 0; i < 40; i++)
		at = entry(at, (uint8_t[]){2, 10, 0, 1, 1, 0, 0, 0, 0, 0});
	assert_true(at < MADT + 0x1000);
	table(MADT, "APIC", at - MADT);
	assert_true(acpi_parse(&info, memory + RSDP));
	assert_int_equal(info.cpus, 300); /* all are counted, the first ones noted */
	assert_int_equal(info.cpu[ACPI_CPUS - 1], 255);
	assert_int_equal(info.ioapics, ACPI_IOAPICS);
}

static void test_old_fadt(void **state)
{
	(void)state;
	build();
	table(FADT, "FACP", 116); /* revision 1 has no reset register */
	assert_true(acpi_parse(&info, memory + RSDP));
	assert_int_equal(info.reset, 0);
	assert_int_equal(info.pm1a_control, 0x604);
	build();
	put(FADT + 116, 0, 1); /* a register in memory is no port */
	put(FADT + 64, 0, 4);
	put(FADT + 172, 1, 1);
	put(FADT + 176, 0x1804, 8);
	put(FADT + 76, 0x12345, 4);
	table(FADT, "FACP", 244);
	assert_true(acpi_parse(&info, memory + RSDP));
	assert_int_equal(info.pm1a_control, 0x1804);
	assert_int_equal(info.pm_timer, 0);
	assert_int_equal(info.reset, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsdt),     cmocka_unit_test(test_xsdt),
		cmocka_unit_test(test_full),     cmocka_unit_test(test_broken_madt),
		cmocka_unit_test(test_old_fadt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
