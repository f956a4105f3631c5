/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
/* What firmware asks for: as it asks, and as no firmware would. */
#include "tests/unit/unit.h"

#include "guests/dom0/machine/fwcfg.h"
#include "tests/unit/mock_vm.h"

#define ACCESS 0x1000u /* where the structure of a transfer is */
#define DATA   0x2000u
#define ERROR  0x01000000u /* big-endian 1 */

static int power_on(void **state)
{
	(void)state;
	memset(&mock_config, 0, sizeof(mock_config));
	mock_firmware = true;
	mock_power_on();
	return 0;
}

static int power_off(void **state)
{
	(void)state;
	mock_power_off();
	mock_firmware = false;
	return 0;
}

static void build(void)
{
	assert_null(fwcfg_build(&mock_vm));
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void read_item(uint16_t select, void *to, size_t bytes)
{
	out16(0x510, select);
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)to)[i] = in8(0x511);
}

/* Returns the file's item, 0 if there is none. */
static uint16_t find(const char *name, uint32_t *bytes)
{
	uint8_t directory[4 + 64 * FWCFG_ITEMS];

	read_item(FWCFG_DIRECTORY, directory, sizeof(directory));
	for (uint32_t i = 0; i < be32(directory); i++) {
		const uint8_t *entry = directory + 4 + 64 * i;

		if (strcmp((const char *)entry + 8, name) != 0)
			continue;
		*bytes = be32(entry);
		return (uint16_t)(entry[4] << 8 | entry[5]);
	}
	return 0;
}

static uint32_t file(const char *name, void *to, size_t room)
{
	uint32_t bytes = 0;
	uint16_t select = find(name, &bytes);

	assert_int_not_equal(select, 0);
	assert_true(bytes <= room);
	read_item(select, to, bytes);
	return bytes;
}

/* Returns the control word that the guest finds. */
static uint32_t transfer(uint32_t control, uint32_t length, uint64_t address)
{
	uint32_t *at = (uint32_t *)(mock_vm.ram + ACCESS);
	uint64_t big = __builtin_bswap64(address);

	at[0] = __builtin_bswap32(control);
	at[1] = __builtin_bswap32(length);
	memcpy(at + 2, &big, sizeof(big));
	out32(0x514, 0);
	out32(0x518, __builtin_bswap32(ACCESS));
	return at[0];
}

static void test_items(void **state)
{
	uint8_t bytes[20];
	uint16_t cpus;

	(void)state;
	mock_config.vcpus = mock_config.cores = 3;
	build();
	read_item(FWCFG_SIGNATURE, bytes, 6);
	assert_memory_equal(bytes, "QEMU\0\0", 6);
	read_item(FWCFG_ID, bytes, 4);
	assert_memory_equal(bytes, "\3\0\0\0", 4);
	read_item(FWCFG_CPUS, &cpus, 2);
	assert_int_equal(cpus, 3);
	read_item(0x7777, bytes, 4);
	assert_memory_equal(bytes, "\0\0\0\0", 4);
	assert_int_equal(in32(0x514), 0x554d4551); /* QEMU CFG */
	assert_int_equal(in32(0x518), 0x47464320);
	assert_int_equal(in16(0x510), 0);
}

static void test_transfers(void **state)
{
	(void)state;
	build();
	memset(mock_vm.ram + DATA, 0xee, 16);
	assert_int_equal(transfer(0x0000000a, 6, DATA), 0); /* select item 0, and read */
	assert_memory_equal(mock_vm.ram + DATA, "QEMU\0\0\xee", 7);
	assert_int_equal(transfer(0x0000000c, 2, 0), 0); /* select, and skip */
	assert_int_equal(transfer(2, 2, DATA), 0);
	assert_memory_equal(mock_vm.ram + DATA, "MU", 2);
	assert_int_equal(transfer(0, 0, 0), 0);
}

static void test_bad_transfers(void **state)
{
	(void)state;
	build();
	assert_int_equal(transfer(0x00000018, 4, DATA), ERROR); /* nothing can be written */
	assert_int_equal(transfer(0x0000000a, 8, MOCK_RAM - 4), ERROR);
	assert_int_equal(transfer(0x0000000a, 8, UINT64_MAX - 3), ERROR);
	assert_int_equal(transfer(0x0000000a, FWCFG_TRANSFER + 1, 0), ERROR);
	assert_int_equal(transfer(0x0000000c, UINT32_MAX, 0), 0);
	assert_int_equal(transfer(4, UINT32_MAX, 0), 0); /* the end stays the end */
	assert_int_equal(transfer(2, 4, DATA), 0);
	assert_memory_equal(mock_vm.ram + DATA, "\0\0\0\0", 4);
	out32(0x514, 0xffffffff); /* the structure is where no memory is */
	out32(0x518, 0xffffffff);
	/* Over itself. */
	assert_int_equal(transfer(0x0000000a, 16, ACCESS), 0);
}

/* Does what firmware does by the script, with the tables at an odd place, and checks all sums. */
static uint8_t tables[ACPI_BYTES];
static uint8_t rsdp[ACPI_RSDP_BYTES];
#define PLACE 0x7f0000u

static uint8_t *by_name(const char *name)
{
	assert_true(!strcmp(name, "etc/acpi/tables") || !strcmp(name, "etc/acpi/rsdp"));
	return strcmp(name, "etc/acpi/rsdp") ? tables : rsdp;
}

static uint8_t total(const uint8_t *p, uint32_t bytes)
{
	uint8_t sum = 0;

	while (bytes--)
		sum = (uint8_t)(sum + *p++);
	return sum;
}

static void run_entry(const uint8_t *e)
{
	uint32_t command, word[3];
	uint64_t value = 0;
	uint8_t *at;

	memcpy(&command, e, 4);
	at = by_name((const char *)e + 4);
	switch (command) {
	case 1:
		break;
	case 2:
		assert_string_equal((const char *)e + 60, "etc/acpi/tables");
		memcpy(word, e + 116, 4);
		memcpy(&value, at + word[0], e[120]);
		value += PLACE;
		memcpy(at + word[0], &value, e[120]);
		break;
	case 3:
		memcpy(word, e + 60, 12);
		at[word[0]] = (uint8_t)(at[word[0]] - total(at + word[1], word[2]));
		assert_int_equal(total(at + word[1], word[2]), 0);
		break;
	default:
		fail_msg("command %u", command);
	}
}

static const uint8_t *table_at(uint64_t address, const char *signature)
{
	const uint8_t *at = tables + (address - PLACE);
	uint32_t length;

	assert_true(address >= PLACE && address < PLACE + sizeof(tables) - 36);
	assert_memory_equal(at, signature, 4);
	memcpy(&length, at + 4, 4);
	if (memcmp(signature, "FACS", 4) != 0)
		assert_int_equal(total(at, length), 0);
	return at;
}

static void test_table_loader(void **state)
{
	static const char *const names[] = {"FACP", "APIC", "SSDT", "MCFG", "WAET"};
	uint8_t script[128 * 40];
	uint32_t bytes, pointer;
	uint64_t wide;
	const uint8_t *root, *fadt;

	(void)state;
	build();
	file("etc/acpi/tables", tables, sizeof(tables));
	assert_int_equal(file("etc/acpi/rsdp", rsdp, sizeof(rsdp)), sizeof(rsdp));
	bytes = file("etc/table-loader", script, sizeof(script));
	assert_int_equal(bytes % 128, 0);
	for (uint32_t i = 0; i < bytes; i += 128)
		run_entry(script + i);
	assert_int_equal(total(rsdp, 20), 0);
	assert_int_equal(total(rsdp, sizeof(rsdp)), 0);
	memcpy(&pointer, rsdp + 16, 4);
	root = table_at(pointer, "RSDT");
	for (unsigned i = 0; i < 5; i++) {
		memcpy(&pointer, root + 36 + 4 * i, 4);
		table_at(pointer, names[i]);
	}
	memcpy(&wide, rsdp + 24, 8);
	root = table_at(wide, "XSDT");
	memcpy(&wide, root + 36, 8);
	fadt = table_at(wide, "FACP");
	memcpy(&pointer, fadt + 36, 4);
	table_at(pointer, "FACS");
	memcpy(&pointer, fadt + 40, 4);
	table_at(pointer, "DSDT");
	memcpy(&wide, fadt + 140, 8);
	table_at(wide, "DSDT");
}

static void test_memory(void **state)
{
	uint8_t map[40];
	uint64_t size;

	(void)state;
	mock_vm.ram_bytes = 5ull << 30;
	build();
	assert_int_equal(file("etc/e820", map, sizeof(map)), 40);
	memcpy(&size, map + 8, 8);
	assert_int_equal(size, 3ull << 30);
	memcpy(&size, map + 20, 8);
	assert_int_equal(size, 4ull << 30);
	memcpy(&size, map + 28, 8);
	assert_int_equal(size, 2ull << 30);
	mock_vm.ram_bytes = MOCK_RAM;
	build();
	assert_int_equal(file("etc/e820", map, sizeof(map)), 20);
}

static bool has_text(const uint8_t *data, uint32_t bytes, const char *text)
{
	size_t n = strlen(text);

	for (uint32_t i = 0; i + n <= bytes; i++)
		if (!memcmp(data + i, text, n))
			return true;
	return false;
}

static void test_smbios(void **state)
{
	uint8_t entry[31], table[1024];
	uint32_t bytes;

	(void)state;
	strcpy(mock_config.name, "guest-1");
	build();
	assert_int_equal(file("etc/smbios/smbios-anchor", entry, sizeof(entry)), 31);
	assert_int_equal(total(entry, sizeof(entry)), 0);
	assert_memory_equal(entry, "_SM_", 4);
	bytes = file("etc/smbios/smbios-tables", table, sizeof(table));
	assert_int_equal(bytes, entry[22] | entry[23] << 8);
	assert_true(has_text(table, bytes, "guest-1"));
}

static void device(unsigned n, uint32_t type, uint8_t ordinal, uint32_t slot)
{
	mock_state.virtio[n].type = type;
	mock_state.virtio[n].ordinal = ordinal;
	mock_state.virtio[n].slot = slot;
}

static void order_is(const char *expected)
{
	char text[1024] = "";
	uint32_t bytes;

	build();
	if (!*expected) {
		assert_int_equal(find("bootorder", &bytes), 0);
		return;
	}
	assert_int_equal(file("bootorder", text, sizeof(text)), strlen(expected) + 1);
	assert_string_equal(text, expected);
}

static void test_boot_order(void **state)
{
	(void)state;
	mock_config.disks = 2;
	mock_config.nics = 1;
	device(0, VIRTIO_BLK, 0, 1);
	device(1, VIRTIO_BLK, 1, 2);
	device(2, VIRTIO_NET, 0, 3);
	device(3, VIRTIO_RNG, 0, 4);
	device(4, VIRTIO_BLK, 7, 0); /* gone */
	order_is("/pci@i0cf8/scsi@1/disk@0,0\n");
	mock_config.boot_dev[0] = BOOT_NETWORK;
	order_is("/pci@i0cf8/ethernet@3/ethernet-phy@0\n");
	mock_config.boot_dev[1] = BOOT_DISK;
	order_is("/pci@i0cf8/ethernet@3/ethernet-phy@0\n/pci@i0cf8/scsi@1/disk@0,0\n");
	mock_config.boot_dev[0] = mock_config.boot_dev[1] = BOOT_CDROM;
	order_is("");
	mock_config.disk[0].boot_order = 2;
	mock_config.disk[1].boot_order = 1;
	order_is("/pci@i0cf8/scsi@2/disk@0,0\n/pci@i0cf8/scsi@1/disk@0,0\n");
}

static void test_wishes(void **state)
{
	uint8_t value[4];
	uint32_t bytes;

	(void)state;
	build();
	assert_int_equal(find("etc/sercon-port", &bytes), 0);
	mock_config.bios_serial = mock_config.boot_menu = mock_config.bios_reboot_given = true;
	mock_config.boot_menu_ms = 3000;
	mock_config.bios_reboot_ms = -1;
	build();
	file("etc/sercon-port", value, 4);
	assert_memory_equal(value, "\xf8\x03", 2);
	file("etc/boot-menu-wait", value, 4);
	assert_memory_equal(value, "\xb8\x0b", 2);
	file("etc/boot-fail-wait", value, 4);
	assert_memory_equal(value, "\xff\xff\xff\xff", 4);
	read_item(FWCFG_BOOT_MENU, value, 2);
	assert_memory_equal(value, "\1\0", 2);
}

/* The bridge that firmware knows, with the registers that it writes; BARs have no place. */
static void test_bridge(void **state)
{
	static const struct pci_ids ids = {.vendor = 0x1af4, .device = 0x1042};

	(void)state;
	out32(0xcf8, 0x80000000);
	assert_int_equal(in32(0xcfc), 0x12378086);
	out32(0xcf8, 0x8000002c);
	assert_int_equal(in32(0xcfc), 0x11001af4);
	out32(0xcf8, 0x80000058);
	out32(0xcfc, 0xffffffff);
	assert_int_equal(in32(0xcfc), 0x33333300);
	assert_int_equal(pci_add_function(&mock_vm, 1, &ids, NULL, 0), 0);
	assert_int_equal(pci_add_bar(&mock_vm, 1, 0, BUS_PIO, 64), 0);
	pci_enable_bars(&mock_vm, 1);
	out32(0xcf8, 0x80000810);
	assert_int_equal(in32(0xcfc), 1);
	out32(0xcf8, 0x80000804);
	assert_int_equal(in16(0xcfc), 0);
	out32(0xcf8, 0x80000810);
	out32(0xcfc, 0xc000);
	platform_part.reset(&mock_vm);
	out32(0xcf8, 0x80000810);
	assert_int_equal(in32(0xcfc), 1);
	out32(0xcf8, 0x80000058);
	assert_int_equal(in32(0xcfc), 0);
}

static void test_debug_port(void **state)
{
	(void)state;
	assert_int_equal(in8(0x402), 0xff);
	mock_power_off();
	mock_config.debugcon = true;
	mock_power_on();
	assert_int_equal(in8(0x402), 0xe9);
	for (const char *c = "Sea\x1b\nBIOS\n\n"; *c; c++)
		out8(0x402, (uint8_t)*c);
	assert_int_equal(mock_seen.logs, 2);
	assert_string_equal(mock_seen.log, "firmware: BIOS");
	for (unsigned i = 0; i < 1000; i++)
		out8(0x402, 'x');
	assert_int_equal(mock_seen.logs, 2 + 1000 / 127);
}

/* A guest with a kernel has none of it. */
static void test_without_firmware(void **state)
{
	(void)state;
	mock_power_off();
	mock_firmware = false;
	mock_power_on();
	assert_int_equal(in8(0x511), 0xff);
	out32(0xcf8, 0x80000000);
	assert_int_equal(in32(0xcfc), 0x00081b36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_items, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_transfers, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_bad_transfers, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_table_loader, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_memory, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_smbios, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_boot_order, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_wishes, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_bridge, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_debug_port, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_without_firmware, power_on, power_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
