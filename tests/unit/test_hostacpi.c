/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/acpi.c */
/* The host's ACPI tables: a small machine built in memory, then broken in many ways. */
#include "arch/acpi.h"
#include "arch/paging.h"
#include "kernel/log.h"
#include "tests/unit/unit.h"

#define RSDP 0xf0040u
#define RSDT 0x100000u
#define XSDT 0x101000u
#define MADT 0x102000u
#define FADT 0x103000u
#define DSDT 0x104000u
#define MCFG 0x105000u
#define HPET 0x106000u
#define SIZE 0x108000u

static uint8_t memory[SIZE];
static struct acpi_info info;

const void *phys_map(uint64_t pa, size_t bytes)
{
	if (pa < 4096 || pa >= SIZE || bytes > SIZE - pa)
		return NULL;
	return memory + pa;
}

void log_print(const char *format, ...)
{
	(void)format;
}

static void put(uint32_t at, uint64_t value, unsigned bytes)
{
	memcpy(memory + at, &value, bytes);
}

static void sum(uint32_t at, uint32_t bytes, uint32_t where)
{
	uint8_t total = 0;

	memory[at + where] = 0;
	for (uint32_t i = 0; i < bytes; i++)
		total = (uint8_t)(total + memory[at + i]);
	memory[at + where] = (uint8_t)-total;
}

static void table(uint32_t at, const char *name, uint32_t bytes)
{
	memcpy(memory + at, name, 4);
	put(at + 4, bytes, 4);
	sum(at, bytes, 9);
}

static uint32_t entry(uint32_t at, const uint8_t *data)
{
	memcpy(memory + at, data, data[1]);
	return at + data[1];
}

static void build_madt(void)
{
	uint32_t at = MADT + 44;

	put(MADT + 36, 0xfee00000, 4);
	at = entry(at, (uint8_t[]){0, 8, 0, 0, 1, 0, 0, 0});
	at = entry(at, (uint8_t[]){0, 8, 1, 4, 1, 0, 0, 0});
	at = entry(at, (uint8_t[]){0, 8, 2, 6, 0, 0, 0, 0}); /* not there */
	at = entry(at, (uint8_t[]){1, 12, 7, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0});
	at = entry(at, (uint8_t[]){1, 12, 8, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0});
	at = entry(at, (uint8_t[]){2, 10, 0, 0, 2, 0, 0, 0, 0, 0});
	at = entry(at, (uint8_t[]){2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0});
	at = entry(at, (uint8_t[]){2, 10, 0, 10, 20, 0, 0, 0, 0x0f, 0});
	at = entry(at, (uint8_t[]){4, 6, 0xff, 0, 0, 1});
	at = entry(at, (uint8_t[]){9, 16, 0, 0, 0x34, 0x12, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0});
	table(MADT, "APIC", at - MADT);
}

static void build_fadt(void)
{
	put(FADT + 40, DSDT, 4);
	put(FADT + 48, 0xb2, 4);
	put(FADT + 52, 2, 1);
	put(FADT + 64, 0x604, 4);
	put(FADT + 76, 0x608, 4);
	put(FADT + 112, 1 << 8 | 1 << 10, 4);
	put(FADT + 116, 0x0801, 2);
	put(FADT + 120, 0xcf9, 8);
	put(FADT + 128, 0x0f, 1);
	table(FADT, "FACP", 244);
}

static void build_dsdt(const uint8_t *aml, uint32_t bytes)
{
	memset(memory + DSDT, 0, 0x1000);
	memcpy(memory + DSDT + 100, aml, bytes);
	table(DSDT, "DSDT", 100 + bytes + 8);
}

static const uint8_t s5[] = {0x08, '_',  'S',  '5',  '_',  0x12, 0x08,
			     0x04, 0x0a, 0x05, 0x0a, 0x07, 0,    0};

static void build(void)
{
	memset(memory, 0, SIZE);
	build_madt();
	build_fadt();
	build_dsdt(s5, sizeof(s5));
	put(MCFG + 44, 0xb0000000, 8);
	put(MCFG + 55, 0xff, 1);
	table(MCFG, "MCFG", 60);
	put(HPET + 44, 0xfed00000, 8);
	table(HPET, "HPET", 56);
	put(RSDT + 36, FADT, 4);
	put(RSDT + 40, MADT, 4);
	put(RSDT + 44, 0, 4);
	put(RSDT + 48, 0xfffffff0, 4);
	put(RSDT + 52, MCFG, 4);
	table(RSDT, "RSDT", 56);
	put(XSDT + 36, HPET, 8);
	put(XSDT + 44, MADT, 8);
	table(XSDT, "XSDT", 52); /* without a FADT, to tell it from the RSDT */
	memcpy(memory + RSDP, "RSD PTR ", 8);
	put(RSDP + 15, 0, 1);
	put(RSDP + 16, RSDT, 4);
	sum(RSDP, 20, 8);
}

static void make_rsdp_2(void)
{
	put(RSDP + 15, 2, 1);
	put(RSDP + 20, 36, 4);
	put(RSDP + 24, XSDT, 8);
	sum(RSDP, 20, 8);
	sum(RSDP, 36, 32);
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
	assert_true(acpi_parse(&info, NULL, 0));
	check_madt();
	assert_int_equal(info.pm1a_control, 0x604);
	assert_int_equal(info.pm1b_control, 0);
	assert_int_equal(info.pm_timer, 0x608);
	assert_true(info.pm_timer_32);
	assert_true(info.reset_valid);
	assert_int_equal(info.reset.space, 1);
	assert_int_equal(info.reset.address, 0xcf9);
	assert_int_equal(info.reset_value, 0x0f);
	assert_true(info.s5_valid);
	assert_int_equal(info.s5_type_a, 5);
	assert_int_equal(info.s5_type_b, 7);
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
	memset(memory + RSDP, 0, 36);
	assert_false(acpi_parse(&info, NULL, 0));
	assert_true(acpi_parse(&info, copy, sizeof(copy)));
	check_madt();
	assert_int_equal(info.pm_timer, 0);
	memory[XSDT + 50] ^= 1; /* a broken XSDT: the RSDT serves */
	assert_true(acpi_parse(&info, copy, sizeof(copy)));
	assert_int_equal(info.pm_timer, 0x608);
	copy[33] ^= 1; /* the extended checksum */
	assert_true(acpi_parse(&info, copy, sizeof(copy)));
	assert_int_equal(info.pm_timer, 0x608);
	copy[3] ^= 1;
	assert_false(acpi_parse(&info, copy, sizeof(copy)));
	assert_false(acpi_parse(&info, copy, 7));
}

static bool s5_of(const uint8_t *aml, uint32_t bytes)
{
	build_dsdt(aml, bytes);
	assert_true(acpi_parse(&info, NULL, 0));
	return info.s5_valid;
}

static void test_s5(void **state)
{
	static const uint8_t seabios[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0};
	static const uint8_t rooted[] = {0x08, '\\', '_',  'S',  '5',  '_', 0x12,
					 0x44, 0x01, 0x02, 0x01, 0x0b, 3,   0};
	static const uint8_t called[] = {0x70, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0, 0, 0, 0};
	static const uint8_t method[] = {0x08, '_', 'S', '5', '_', 0x14, 0x06, 0x04, 0, 0, 0, 0};
	static const uint8_t strange[] = {0x08, '_',  'S',  '5', '_', 0x12,
					  0x06, 0x04, 0x0d, 'a', 0,   0};
	static const uint8_t single[] = {0x08, '_',  'S',  '5',  '_', 0x12,
					 0x04, 0x01, 0x0a, 0x06, 0xff};

	(void)state;
	build();
	assert_true(s5_of(seabios, sizeof(seabios)));
	assert_int_equal(info.s5_type_a, 0);
	assert_true(s5_of(rooted, sizeof(rooted)));
	assert_int_equal(info.s5_type_a, 1);
	assert_int_equal(info.s5_type_b, 3);
	assert_true(s5_of(single, sizeof(single)));
	assert_int_equal(info.s5_type_a, 6);
	assert_int_equal(info.s5_type_b, 0);
	assert_false(s5_of(called, sizeof(called)));
	assert_false(s5_of(method, sizeof(method)));
	assert_false(s5_of(strange, sizeof(strange)));
}

static void test_broken_madt(void **state)
{
	(void)state;
	build();
	memory[MADT + 45] = 0; /* an entry without length */
	table(MADT, "APIC", 200);
	assert_true(acpi_parse(&info, NULL, 0));
	assert_int_equal(info.cpus, 0);
	build();
	table(MADT, "APIC", 44 + 8 + 3); /* ends within an entry */
	assert_true(acpi_parse(&info, NULL, 0));
	assert_int_equal(info.cpus, 1);
	build();
	memory[MADT + 60]++; /* a wrong sum */
	assert_true(acpi_parse(&info, NULL, 0));
	assert_int_equal(info.cpus + info.ioapics, 0);
	build();
	put(MADT + 4, 0xffffffff, 4);
	assert_true(acpi_parse(&info, NULL, 0));
	assert_int_equal(info.ioapics, 0);
}

static void test_full(void **state)
{
	uint32_t at = MADT + 44;

	(void)state;
	build();
	for (unsigned i = 0; i < 300; i++)
		at = entry(at, (uint8_t[]){0, 8, 0, (uint8_t)i, 1, 0, 0, 0});
	for (unsigned i = 0; i < 40; i++)
		at = entry(at, (uint8_t[]){1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0});
	for (unsigned i = 0; i < 40; i++)
		at = entry(at, (uint8_t[]){2, 10, 0, 1, 1, 0, 0, 0, 0, 0});
	assert_true(at < MADT + 0x1000);
	table(MADT, "APIC", at - MADT);
	assert_true(acpi_parse(&info, NULL, 0));
	assert_int_equal(info.cpus, ACPI_CPUS);
	assert_int_equal(info.ioapics, ACPI_IOAPICS);
}

static void test_old_fadt(void **state)
{
	(void)state;
	build();
	table(FADT, "FACP", 116); /* revision 1 has no reset register */
	assert_true(acpi_parse(&info, NULL, 0));
	assert_false(info.reset_valid);
	assert_true(info.s5_valid);
	build();
	put(FADT + 64, 0, 4);
	put(FADT + 172, 1, 1);
	put(FADT + 176, 0x1804, 8);
	put(FADT + 76, 0x12345, 4);
	table(FADT, "FACP", 244);
	assert_true(acpi_parse(&info, NULL, 0));
	assert_int_equal(info.pm1a_control, 0x1804);
	assert_int_equal(info.pm_timer, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsdt), cmocka_unit_test(test_xsdt),
		cmocka_unit_test(test_s5),   cmocka_unit_test(test_broken_madt),
		cmocka_unit_test(test_full), cmocka_unit_test(test_old_fadt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
