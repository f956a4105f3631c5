/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/host/acpi.c */
/* What dom0 reads of the host's ACPI tables: how the machine is turned off and reset. */
#include "tests/unit/firmware.h"

#include "guests/dom0/base/env.h"
#include "guests/dom0/host/firmware.h"

static int mapped;
static struct firmware_power power;

/* A copy of exactly these bytes, so that reading one more is seen. */
const void *firmware_map(uint64_t base, uint64_t bytes)
{
	const void *from = firmware_at(base, bytes);

	mapped += from != NULL;
	return from ? memcpy(malloc(bytes), from, bytes) : NULL;
}

void firmware_unmap(const void *at, uint64_t bytes)
{
	(void)bytes;
	mapped--;
	free((void *)at);
}

static void read_it(void)
{
	power = firmware_power(memory + RSDP);
	assert_int_equal(mapped, 0);
}

static void test_rsdt(void **state)
{
	(void)state;
	build();
	read_it();
	assert_int_equal(power.pm1_control[0], 0x604);
	assert_int_equal(power.pm1_control[1], 0);
	assert_true(power.sleeps);
	assert_int_equal(power.sleep_type[0], 5);
	assert_int_equal(power.sleep_type[1], 7);
	assert_int_equal(power.reset_space, 1);
	assert_int_equal(power.reset, 0xcf9);
	assert_int_equal(power.reset_value, 0x0f);
	assert_int_equal(power.sci, 9);
	assert_int_equal(power.pm1_event[0], 0x600);
	assert_int_equal(power.pm1_event[1], 0);
	assert_int_equal(power.pm1_event_bytes, 4);
	assert_int_equal(power.gpe[0], 0x620);
	assert_int_equal(power.gpe_bytes[0], 16);
	assert_int_equal(power.gpe_bytes[1], 0);
	assert_true(power.has_button);
	put(FADT + 112, 1 << 4, 4);
	table(FADT, "FACP", 244);
	read_it();
	assert_false(power.has_button);
}

static void test_xsdt(void **state)
{
	(void)state;
	build();
	make_rsdp_2();
	read_it(); /* it has no FADT */
	assert_false(power.sleeps);
	memory[XSDT + 50] ^= 1; /* a broken XSDT: the RSDT serves */
	read_it();
	assert_true(power.sleeps);
	build();
	make_rsdp_2();
	memory[RSDP + 33] ^= 1; /* the extended checksum */
	read_it();
	assert_true(power.sleeps);
}

static void test_nothing(void **state)
{
	(void)state;
	build();
	memset(memory + RSDP, 0, 36);
	read_it();
	assert_false(power.sleeps);
	assert_int_equal(power.pm1_control[0] | power.reset, 0);
	build();
	memory[FADT + 70] ^= 1; /* a wrong sum */
	read_it();
	assert_int_equal(power.pm1_control[0] | power.reset, 0);
	build();
	memory[DSDT + 60] ^= 1;
	read_it();
	assert_int_equal(power.pm1_control[0], 0x604);
	assert_false(power.sleeps);
	build();
	put(FADT + 4, 0xffffffff, 4);
	read_it();
	assert_int_equal(power.pm1_control[0], 0);
	build();
	put(RSDT + 4, 20, 4);
	read_it();
	assert_int_equal(power.pm1_control[0], 0);
}

static bool s5_of(const uint8_t *aml, uint32_t bytes)
{
	build_dsdt(aml, bytes);
	read_it();
	return power.sleeps;
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
	assert_int_equal(power.sleep_type[0], 0);
	assert_true(s5_of(rooted, sizeof(rooted)));
	assert_int_equal(power.sleep_type[0], 1);
	assert_int_equal(power.sleep_type[1], 3);
	assert_true(s5_of(single, sizeof(single)));
	assert_int_equal(power.sleep_type[0], 6);
	assert_int_equal(power.sleep_type[1], 0);
	assert_false(s5_of(called, sizeof(called)));
	assert_false(s5_of(method, sizeof(method)));
	assert_false(s5_of(strange, sizeof(strange)));
}

static void test_old_fadt(void **state)
{
	(void)state;
	build();
	table(FADT, "FACP", 116); /* revision 1 has no reset register */
	read_it();
	assert_int_equal(power.reset, 0);
	assert_true(power.sleeps);
	build();
	put(FADT + 64, 0, 4);
	put(FADT + 172, 1, 1);
	put(FADT + 176, 0x1804, 8);
	put(FADT + 112, 0, 4); /* its reset register is not supported */
	put(FADT + 140, DSDT, 8);
	put(FADT + 40, 0, 4);
	table(FADT, "FACP", 244);
	read_it();
	assert_int_equal(power.pm1_control[0], 0x1804);
	assert_int_equal(power.reset, 0);
	assert_true(power.sleeps);
}

static struct firmware_ecam read_ecam(void)
{
	struct firmware_ecam ecam = firmware_ecam(memory + RSDP);

	assert_int_equal(mapped, 0);
	return ecam;
}

/* A table of one entry, with a right sum. */
static void put_mcfg(uint64_t base, unsigned segment, uint32_t bytes)
{
	put(MCFG + 44, base, 8);
	put(MCFG + 52, segment, 2);
	put(MCFG + 54, 0x1f10, 2);
	table(MCFG, "MCFG", bytes);
}

static void test_ecam(void **state)
{
	(void)state;
	build();
	assert_int_equal(read_ecam().base, 0xb0000000);
	assert_int_equal(read_ecam().first, 0);
	assert_int_equal(read_ecam().last, 0xff);
	put_mcfg(0x1e0000000, 0, 60);
	assert_int_equal(read_ecam().base, 0x1e0000000);
	assert_int_equal(read_ecam().first, 0x10);
	assert_int_equal(read_ecam().last, 0x1f);
	put_mcfg(0xb0000000, 1, 60); /* another segment */
	assert_int_equal(read_ecam().base, 0);
	put_mcfg(0xb0001000, 0, 60); /* not at the begin of a bus */
	assert_int_equal(read_ecam().base, 0);
	put_mcfg(0xb0000000, 0, 59); /* half an entry */
	assert_int_equal(read_ecam().base, 0);
	put_mcfg(0xb0000000, 0, 60);
	memory[MCFG + 50] ^= 1; /* a wrong sum */
	assert_int_equal(read_ecam().base, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsdt),     cmocka_unit_test(test_xsdt),
		cmocka_unit_test(test_nothing),  cmocka_unit_test(test_s5),
		cmocka_unit_test(test_old_fadt), cmocka_unit_test(test_ecam),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
