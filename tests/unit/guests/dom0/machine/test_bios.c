/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/machine/bios.c guests/dom0/machine/smbios.c guests/dom0/vm/ram.c */
/* What a PC's firmware leaves below 1 MiB, as kernels look for it. */
#include "tests/unit/unit.h"

#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/bios.h"
#include "guests/dom0/vm/vm.h"

static uint8_t memory[2 << 20];
static struct vm_config config;
static struct sampo_vcpu_page page;
static struct vm vm = {.config = &config, .ram = memory, .ram_bytes = sizeof(memory)};

uint64_t clock_wall_ns(void)
{
	return (86400ull * 20000 + 43200) * 1000000000; /* noon */
}

const struct sampo_vcpu_page *vm_vcpu_page(const struct vm *of, unsigned vcpu)
{
	assert_ptr_equal(of, &vm);
	assert_int_equal(vcpu, 0);
	return &page;
}

static uint32_t u16(uint64_t address)
{
	return memory[address] | (uint32_t)memory[address + 1] << 8;
}

static uint32_t u32(uint64_t address)
{
	return u16(address) | u16(address + 2) << 16;
}

static void assert_sum(uint64_t address, uint32_t bytes)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + memory[address + i]);
	assert_int_equal(sum, 0);
}

/* Where a signature is on a multiple of 16. */
static uint64_t find(uint64_t from, uint64_t to, const char *signature)
{
	for (uint64_t at = from; at < to; at += 16)
		if (!memcmp(memory + at, signature, strlen(signature)))
			return at;
	fail_msg("no %s", signature);
	return 0;
}

static int start(void **state)
{
	(void)state;
	memset(memory, 0xa5, sizeof(memory));
	memset(&config, 0, sizeof(config));
	strcpy(config.name, "name-of-the-guest");
	config.vcpus = 6;
	config.cores = 3;
	config.threads = 2;
	for (uint8_t i = 0; i < 16; i++)
		config.uuid[i] = (uint8_t)(0x10 * i + i);
	page.cpuids = 1;
	page.cpuid[0] = (struct sampo_cpuid){1ull << 32, 0x800f12, 0, 0, 0x178bfbff};
	bios_build(&vm);
	return 0;
}

static void test_data(void **state)
{
	(void)state;
	assert_int_equal(u16(0x40e) << 4, 0x9fc00);
	assert_int_equal(u16(0x413), 639);
	assert_int_equal(memory[0x9fc00], 1); /* KiB */
	assert_int_equal(u16(0x400), 0x3f8);
	assert_int_equal(u16(0x402), 0x2f8);
	assert_int_equal(u16(0x404), 0);
	assert_int_equal(u16(0x410) >> 9 & 7, 2); /* serial ports */
	assert_int_equal(u32(0x46c), 0x1800b0 / 2);
	assert_int_equal(memory[0x500], 0xa5);
	assert_int_equal(memory[0x9fbff], 0xa5);
	assert_int_equal(memory[0xa0000], 0xa5);
}

/* Each vector and the reset vector lead to code that does what its comment says. */
static void test_code(void **state)
{
	static const uint8_t out_cf9[] = {0xba, 0xf9, 0x0c, 0xb0, 0x02, 0xee, 0xb0, 0x06, 0xee};
	uint64_t code = (u16(0xffff3) << 4) + u16(0xffff1);

	(void)state;
	assert_int_equal(memory[0xffff0], 0xea);
	assert_memory_equal(memory + code + 1, out_cf9, sizeof(out_cf9));
	for (unsigned i = 0; i < 256; i++) {
		code = (u16(4 * i + 2) << 4) + u16(4 * i);
		assert_int_equal(memory[code + 8], 0xcf);
	}
}

static void test_mp(void **state)
{
	uint64_t pointer = find(0xf0000, 0x100000, "_MP_"), table = u32(pointer + 4),
		 at = table + 44;
	unsigned counts[5] = {0}, boot = 0, entries = u16(table + 34);

	(void)state;
	assert_sum(pointer, 16);
	assert_memory_equal(memory + table, "PCMP", 4);
	assert_sum(table, u16(table + 4));
	assert_int_equal(u32(table + 36), 0xfee00000);
	for (unsigned i = 0; i < entries; i++) {
		uint8_t type = memory[at];

		assert_true(type < 5);
		counts[type]++;
		if (type == 0) {
			assert_int_equal(memory[at + 1], config_apic_id(&config, counts[0] - 1));
			assert_int_equal(u32(at + 4), 0x800f12);
			assert_int_equal(u32(at + 8), 0x178bfbff);
			boot += memory[at + 3] >> 1 & 1;
		}
		if (type == 3 && memory[at + 4] == 0) /* PCI: INTA# of a slot */
			assert_int_equal(memory[at + 7], 16 + (memory[at + 5] >> 2) % 4);
		if (type == 3 && memory[at + 4] == 1 && memory[at + 5] == 0)
			assert_int_equal(memory[at + 7], 2);
		at += type == 0 ? 20 : 8;
	}
	assert_int_equal(at, table + u16(table + 4));
	assert_int_equal(boot, 1);
	assert_int_equal(counts[0], 6);
	assert_int_equal(counts[1], 2);
	assert_int_equal(counts[2], 1);
	assert_int_equal(counts[3], 15 + 31);
	assert_int_equal(counts[4], 2);
}

static const char *string(uint64_t structure, unsigned number)
{
	const char *s = (const char *)memory + structure + memory[structure + 1];

	while (--number)
		s += strlen(s) + 1;
	return s;
}

static void test_smbios(void **state)
{
	static const uint8_t uuid[16] = {0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
					 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	uint64_t entry = find(0xf0000, 0x100000, "_SM_"), at = u32(entry + 0x18), end;
	unsigned count = u16(entry + 0x1c), seen = 0;

	(void)state;
	assert_int_equal(memory[entry + 5], 31);
	assert_sum(entry, 31);
	assert_sum(entry + 16, 15);
	end = at + u16(entry + 0x16);
	assert_true(end <= 0xfe05b);
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *s = memory + at;
		uint64_t next = at + s[1];

		assert_int_equal(u16(at + 2), i);
		seen |= s[0] < 32 ? 1u << s[0] : 0;
		if (s[0] == 1) {
			assert_string_equal(string(at, s[4]), "Sampo");
			assert_string_equal(string(at, s[5]), "Virtual Machine");
			assert_string_equal(string(at, s[7]), "name-of-the-guest");
			assert_memory_equal(s + 8, uuid, 16);
		}
		while (memory[next] || memory[next + 1])
			next++;
		assert_true(next + 2 - at <= u16(entry + 8));
		at = next + 2;
		assert_int_equal(s[0] == 127, i + 1 == count);
	}
	assert_int_equal(at, end);
	assert_int_equal(seen, 1 | 2 | 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_data, start),
		cmocka_unit_test_setup(test_code, start),
		cmocka_unit_test_setup(test_mp, start),
		cmocka_unit_test_setup(test_smbios, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
