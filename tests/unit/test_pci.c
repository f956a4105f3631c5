/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/pcidev.c kernel/device.c */
/* Functions, BARs, capabilities and the filter, on model configuration spaces. */
#include "arch/paging.h"
#include "arch/pci.h"
#include "kernel/device.h"
#include "kernel/log.h"
#include "tests/unit/unit.h"

#define FUNCTIONS 4
#define BAR_PAGE  0x10000u

/* config holds the registers, writable which of their bits can be changed. */
struct model {
	bool there;
	uint16_t bdf;
	uint8_t config[256], writable[256];
};

static struct model model[FUNCTIONS];
static uint8_t table[BAR_PAGE];
static unsigned sized_while_decoding;

static struct model *at(uint16_t bdf)
{
	for (unsigned i = 0; i < FUNCTIONS; i++)
		if (model[i].there && model[i].bdf == bdf)
			return &model[i];
	return NULL;
}

uint32_t pci_read(uint16_t bdf, unsigned offset, unsigned bytes)
{
	const struct model *m = at(bdf);
	uint32_t value = UINT32_MAX;

	assert_true(offset % bytes == 0);
	if (m && offset < 256)
		memcpy(&value, m->config + offset, bytes);
	return value & UINT32_MAX >> (32 - 8 * bytes);
}

void pci_write(uint16_t bdf, unsigned offset, unsigned bytes, uint32_t value)
{
	struct model *m = at(bdf);

	assert_non_null(m);
	assert_true(offset % bytes == 0 && offset < 256);
	if (offset >= 0x10 && offset < 0x28 && value == UINT32_MAX && m->config[4] & 3)
		sized_while_decoding++;
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t mask = m->writable[offset + i];

		m->config[offset + i] =
			(uint8_t)((m->config[offset + i] & ~mask) | (value >> 8 * i & mask));
	}
}

volatile void *mmio_map(uint64_t pa, size_t bytes)
{
	assert_true(pa >= 0xfe000000 && pa + bytes <= 0xfe000000 + BAR_PAGE);
	return table + (pa - 0xfe000000);
}

void log_print(const char *format, ...)
{
	(void)format;
}

static void put(struct model *m, unsigned offset, uint32_t value, uint32_t writable, unsigned bytes)
{
	memcpy(m->config + offset, &value, bytes);
	memcpy(m->writable + offset, &writable, bytes);
}

/* BAR0: 64 KiB of memory, 64 bits wide; BAR2: 32 ports; BAR3: 4 KiB; the others: none. */
static struct model *make(unsigned i, uint16_t bdf, uint32_t class)
{
	struct model *m = &model[i];

	*m = (struct model){.there = true, .bdf = bdf};
	put(m, 0, 0x10d38086, 0, 4);
	put(m, 4, 7, 0x0757, 2);
	put(m, 6, 0x0010, 0, 2);
	put(m, 8, class << 8 | 2, 0, 4);
	put(m, 0x0c, 0, 0xffff, 2);
	put(m, 0x10, 0xfe00000c, 0xffff0000, 4);
	put(m, 0x14, 0, 0xffffffff, 4);
	put(m, 0x18, 0xc041, 0xffe0, 4);
	put(m, 0x1c, 0xfea80000, 0xfffff000, 4);
	put(m, 0x2c, 0x00008086, 0, 4);
	put(m, 0x34, 0xc8, 0, 1);
	put(m, 0x3c, 0x010b, 0xff, 2);
	put(m, 0xc8, 0xd001, 0, 4); /* PM */
	put(m, 0xcc, 0, 0x8103, 4);
	put(m, 0xd0, 0x0080e005, 0x0071u << 16, 4); /* MSI, 64 bits */
	put(m, 0xd4, 0, 0xfffffffc, 4);
	put(m, 0xd8, 0, UINT32_MAX, 4);
	put(m, 0xdc, 0, 0xffff, 2);
	put(m, 0xe0, 0x0004a011, 0xc000u << 16, 4); /* MSI-X, 5 entries, at BAR0 + 0x2000 */
	put(m, 0xe4, 0x2000, 0, 4);
	put(m, 0xe8, 0x3000, 0, 4);
	put(m, 0xa0, 0x0010, 0, 4); /* PCIe: the last */
	memset(m->writable + 0xa4, 0xff, 8);
	return m;
}

static void test_probe(void **state)
{
	struct pci_function f;

	(void)state;
	memset(model, 0, sizeof(model));
	make(0, 0x0110, 0x020000);
	assert_false(pci_probe(0x0111, &f));
	assert_true(pci_probe(0x0110, &f));
	assert_true(f.endpoint);
	assert_int_equal(f.info.vendor, 0x8086);
	assert_int_equal(f.info.device, 0x10d3);
	assert_int_equal(f.info.class_code, 0x020000);
	assert_int_equal(f.info.revision, 2);
	assert_int_equal(f.info.irq_line, 11);
	assert_int_equal(f.info.irq_pin, 1);
	assert_int_equal(f.info.bar[0].base, 0xfe000000);
	assert_int_equal(f.info.bar[0].size, 0x10000);
	assert_int_equal(f.info.bar[0].flags, 6);
	assert_int_equal(f.info.bar[1].size, 0);
	assert_int_equal(f.info.bar[2].base, 0xc040);
	assert_int_equal(f.info.bar[2].size, 32);
	assert_int_equal(f.info.bar[2].flags, 1);
	assert_int_equal(f.info.bar[3].base, 0xfea80000);
	assert_int_equal(f.info.bar[3].size, 4096);
	assert_int_equal(f.info.bar[4].size, 0);
	assert_int_equal(f.info.msi, 1);
	assert_int_equal(f.info.msix, 5);
	assert_int_equal(f.msix_table, 0xfe002000);
	assert_int_equal(sized_while_decoding, 0);
	assert_int_equal(pci_read(0x0110, 4, 2), 7);
	assert_int_equal(pci_read(0x0110, 0x10, 4), 0xfe00000c);
	assert_int_equal(pci_read(0x0110, 0x18, 4), 0xc041);
}

static void test_odd_bars(void **state)
{
	struct model *m;
	struct pci_function f;

	(void)state;
	m = make(0, 0, 0x010802);
	put(m, 0x10, 0x0000000c, 0xffff0000, 4); /* firmware gave it no place */
	put(m, 0x24, 0xfffff004, 0xfffff000, 4); /* 64 bits in the last one */
	assert_true(pci_probe(0, &f));
	assert_int_equal(f.info.bar[0].size, 0);
	assert_int_equal(f.info.bar[5].base, 0xfffff000);
	assert_int_equal(f.info.msix, 0); /* its table was in BAR0 */
	assert_int_equal(f.msix_cap, 0);
	m = make(0, 0, 0x010802);
	put(m, 0x10, 0x0000000c, 0xffff0000, 4);
	put(m, 0x14, 0x00000080, UINT32_MAX, 4);
	assert_true(pci_probe(0, &f));
	assert_int_equal(f.info.bar[0].base, 0x8000000000);
	assert_int_equal(f.info.bar[0].size, 0x10000);
	for (unsigned i = 0; i < 3; i++) { /* a table that goes beyond its BAR, or is in none */
		static const uint32_t bad[] = {0xfff8, 0x2, 0x7};

		m = make(0, 0, 0x010802);
		put(m, 0xe4, bad[i], 0, 4);
		assert_true(pci_probe(0, &f));
		assert_int_equal(f.info.msix, 0);
	}
}

static void test_bridge(void **state)
{
	static const uint32_t classes[] = {0x060000, 0x060100, 0x080020, 0x080600, 0x050000};
	struct pci_function f;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		make(0, 0, classes[i]);
		assert_true(pci_probe(0, &f));
		assert_false(f.endpoint);
		assert_int_equal(f.info.bar[0].size, 0);
	}
	put(make(0, 0, 0x020000), 0x0e, 1, 0, 1); /* header of a bridge */
	assert_true(pci_probe(0, &f));
	assert_false(f.endpoint);
}

static void test_capability_loop(void **state)
{
	struct model *m = make(0, 0, 0x020000);

	(void)state;
	put(m, 0xa0, 0xc810, 0, 4); /* from the last back to the first */
	assert_int_equal(pci_find_capability(0, 0x09), 0);
	put(m, 0x34, 0x10, 0, 1); /* into the header */
	assert_int_equal(pci_find_capability(0, PCI_CAP_MSI), 0);
	put(m, 0x34, 0xd3, 0, 1); /* the lowest bits do not count */
	assert_int_equal(pci_find_capability(0, PCI_CAP_MSI), 0xd0);
	put(m, 6, 0, 0, 2); /* no list */
	assert_int_equal(pci_find_capability(0, PCI_CAP_MSI), 0);
}

static void setup_one(void)
{
	memset(model, 0, sizeof(model));
	memset(table, 0, sizeof(table));
	make(0, 0x0018, 0x020000);
	device_count = 0;
	device_setup();
	assert_int_equal(device_count, 1);
}

static void test_scan(void **state)
{
	(void)state;
	memset(model, 0, sizeof(model));
	make(0, 0x0000, 0x060000);
	put(make(1, 0x00f8, 0x060100), 0x0e, 0x80, 0, 1);
	make(2, 0x00fa, 0x010601); /* a function of a multi-function device */
	make(3, 0xe108, 0x010802); /* on a root bus of its own */
	device_count = 0;
	device_setup();
	assert_int_equal(device_count, 2);
	assert_int_equal(device_table[0].pci.info.bdf, 0x00fa);
	assert_int_equal(device_table[1].pci.info.bdf, 0xe108);
	model[1].config[0x0e] = 0; /* not multi-function: the other is an alias */
	device_count = 0;
	device_setup();
	assert_int_equal(device_count, 1);
}

static void test_quiet(void **state)
{
	(void)state;
	setup_one();
	assert_int_equal(pci_read(0x18, 4, 2), 0x0403); /* no bus master, no INTx */
}

static void test_msi(void **state)
{
	struct device *d = device_table;

	(void)state;
	setup_one();
	pci_msi_set(&d->pci, 0xfee01000, 0x41);
	assert_int_equal(pci_read(0x18, 0xd2, 2), 0x0081);
	assert_int_equal(pci_read(0x18, 0xd4, 4), 0xfee01000);
	assert_int_equal(pci_read(0x18, 0xdc, 2), 0x41);
	pci_messages_off(&d->pci);
	assert_int_equal(pci_read(0x18, 0xd2, 2), 0x0080);
	put(&model[0], 0xd2, 0, 0x71, 2); /* 32 bits: the data is elsewhere */
	put(&model[0], 0xd8, 0, UINT32_MAX, 4);
	pci_msi_set(&d->pci, 0xfee02000, 0x42);
	assert_int_equal(pci_read(0x18, 0xd8, 4), 0x42);
}

static uint32_t word(unsigned offset)
{
	uint32_t value;

	memcpy(&value, table + 0x2000 + offset, 4);
	return value;
}

static void test_msix(void **state)
{
	struct device *d = device_table;

	(void)state;
	setup_one();
	assert_true(pci_msix_set(&d->pci, 3, 0xfee00000, 0x55));
	assert_int_equal(pci_read(0x18, 0xe2, 2), 0x8004);
	assert_int_equal(word(48), 0xfee00000);
	assert_int_equal(word(52), 0);
	assert_int_equal(word(56), 0x55);
	assert_int_equal(word(60), 0);
	assert_int_equal(word(12), 1); /* the others are masked */
	assert_int_equal(word(76), 1);
	assert_int_equal(word(80), 0); /* beyond the table */
	assert_true(pci_msix_set(&d->pci, 0, 0xfee00000, 0x56));
	assert_int_equal(word(60), 0); /* a second one leaves the first */
	pci_msix_mask(&d->pci, 3);
	assert_int_equal(word(60), 1);
	pci_messages_off(&d->pci);
	assert_int_equal(pci_read(0x18, 0xe2, 2), 0x0004);
}

static void refused(uint64_t offset, uint64_t bytes)
{
	struct model before = model[0];

	assert_int_equal(device_config_write(device_table, offset, bytes, UINT32_MAX), SAMPO_OK);
	assert_memory_equal(&before, &model[0], sizeof(before));
	assert_int_equal(device_config_write(device_table, offset, bytes, 0), SAMPO_OK);
	assert_memory_equal(&before, &model[0], sizeof(before));
}

static void test_filter(void **state)
{
	struct device *d = device_table;
	uint32_t value;

	(void)state;
	setup_one();
	refused(0x00, 4);
	for (unsigned offset = 0x10; offset < 0x3c; offset += 4)
		refused(offset, 4);
	refused(0xa4, 4); /* PCIe */
	refused(0xa8, 4);
	refused(0xd2, 2); /* MSI */
	refused(0xd4, 4);
	refused(0xdc, 2);
	refused(0xe2, 2); /* MSI-X */
	refused(0x100, 4);
	assert_int_equal(device_config_write(d, 0x3c, 1, 5), SAMPO_OK);
	assert_int_equal(pci_read(0x18, 0x3c, 1), 5);
	assert_int_equal(device_config_write(d, 0xcc, 2, 3), SAMPO_OK);
	assert_int_equal(pci_read(0x18, 0xcc, 2), 3);
	assert_int_equal(device_config_write(d, 0x0c, 4, 0x4010), SAMPO_OK);
	assert_int_equal(pci_read(0x18, 0x0c, 2), 0x4010);
	assert_int_equal(device_config_read(d, 0x10, 4, &value), SAMPO_OK);
	assert_int_equal(value, 0xfe00000c);
	assert_int_equal(device_config_read(d, 0x01, 2, &value), SAMPO_EINVAL);
	assert_int_equal(device_config_read(d, 0, 3, &value), SAMPO_EINVAL);
	assert_int_equal(device_config_read(d, 0, 0, &value), SAMPO_EINVAL);
	assert_int_equal(device_config_read(d, 0x1000, 4, &value), SAMPO_EINVAL);
	assert_int_equal(device_config_write(d, ~3ull, 4, 0), SAMPO_EINVAL);
	assert_int_equal(device_config_write(d, 2, 4, 0), SAMPO_EINVAL);
}

static void test_command(void **state)
{
	struct device *d = device_table;

	(void)state;
	setup_one();
	assert_int_equal(device_config_write(d, 4, 2, 0), SAMPO_OK);
	assert_int_equal(pci_read(0x18, 4, 2), 0x0400); /* INTx is the kernel's */
	put(&model[0], 0x10, 0, 0xffff0000, 4);         /* the device has lost a BAR */
	assert_int_equal(device_config_write(d, 4, 1, 6), SAMPO_OK);
	assert_int_equal(pci_read(0x18, 4, 2), 0x0406);
	assert_int_equal(pci_read(0x18, 0x10, 4) & 0xfffffff0, 0xfe000000);
	assert_int_equal(device_config_write(d, 5, 1, 0x07), SAMPO_OK);
	assert_int_equal(pci_read(0x18, 4, 2), 0x0506); /* SERR only */
	assert_int_equal(device_config_write(d, 4, 4, 0xffff0007), SAMPO_OK);
	assert_int_equal(pci_read(0x18, 4, 2), 0x0407);
}

static void test_bar_pages(void **state)
{
	struct device *d = device_table;

	(void)state;
	setup_one();
	assert_true(device_bar_allowed(d, 0xfe001000));
	assert_false(device_bar_allowed(d, 0xfe002000));
	assert_false(device_bar_allowed(d, 0xfe002fff));
	assert_true(device_bar_allowed(d, 0xfe003000));
	d->pci.msix_table = 0xfe002ff0; /* across two pages */
	assert_false(device_bar_allowed(d, 0xfe002000));
	assert_false(device_bar_allowed(d, 0xfe003000));
	d->pci.info.msix = 0;
	assert_true(device_bar_allowed(d, 0xfe002000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe),     cmocka_unit_test(test_odd_bars),
		cmocka_unit_test(test_bridge),    cmocka_unit_test(test_capability_loop),
		cmocka_unit_test(test_scan),      cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_msi),       cmocka_unit_test(test_msix),
		cmocka_unit_test(test_filter),    cmocka_unit_test(test_command),
		cmocka_unit_test(test_bar_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
