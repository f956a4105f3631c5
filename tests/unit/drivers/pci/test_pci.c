/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: drivers/pci/pci.c drivers/pci/msi.c */
/* Functions, BARs, capabilities and interrupts, on model configuration spaces. */
#include "tests/unit/log_mock.h"
#include "tests/unit/unit.h"

#include "tests/unit/pci_model.h"

#define REGISTERS 0xfe000000u
#define BAR_PAGE  0x10000u
#define BAR_PORTS 2u /* handle */
#define DEVICE    7u

static uint8_t table[BAR_PAGE];
static unsigned maps, opens, bound, most, pins_taken;
static bool refuse_map;
static irq_program *program_again;
static struct {
	unsigned pin, vector;
	enum irq_trigger trigger;
} pin[4];
static uint32_t port_seen[4];

const struct pci_driver *const pci_drivers[] = {NULL};

uint32_t ports_open(uint16_t base, uint32_t count)
{
	if (base == 0xcf8 && count == 8)
		return PCI_PORTS;
	assert_int_equal(base, 0xc040);
	assert_int_equal(count, 32);
	opens++;
	return BAR_PORTS;
}

uint32_t port_read(uint32_t ports, uint32_t offset, unsigned bytes)
{
	if (ports == PCI_PORTS)
		return model_read(offset, bytes);
	assert_int_equal(ports, BAR_PORTS);
	return offset | bytes << 16;
}

void port_write(uint32_t ports, uint32_t offset, unsigned bytes, uint32_t value)
{
	if (ports == PCI_PORTS) {
		model_write(offset, bytes, value);
		return;
	}
	assert_int_equal(ports, BAR_PORTS);
	memcpy(port_seen, (uint32_t[]){offset, bytes, value}, 12);
}

volatile void *registers_map(uint64_t base, uint64_t bytes)
{
	assert_true(base >= REGISTERS && base + bytes <= REGISTERS + BAR_PAGE);
	maps++;
	return refuse_map ? NULL : table + (base - REGISTERS);
}

void registers_unmap(volatile void *registers, uint64_t bytes)
{
	(void)registers;
	(void)bytes;
}

uint32_t device_open(uint16_t requester, const char *name)
{
	assert_non_null(name);
	assert_int_equal(requester, 0x18);
	return DEVICE;
}

bool irq_message_bind(uint32_t device, irq_handler *handler, void *context, unsigned vector,
		      irq_program *program, void *function)
{
	struct irq_message message = {0x1fee01000, 0x41 + bound};

	assert_int_equal(device, DEVICE);
	assert_non_null(handler);
	assert_ptr_equal(context, table);
	if (bound == most)
		return false;
	assert_int_equal(vector, bound++);
	program(function, vector, &message);
	program_again = program;
	return true;
}

bool irq_pin_bind(unsigned which, enum irq_trigger trigger, irq_handler *handler, void *context,
		  unsigned vector)
{
	(void)handler;
	(void)context;
	pin[pins_taken].pin = which;
	pin[pins_taken].trigger = trigger;
	pin[pins_taken++].vector = vector;
	return which != 0xff;
}

static void nothing(void *context, unsigned vector)
{
	(void)context;
	(void)vector;
}

static uint32_t config(unsigned i, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	memcpy(&value, model[i].config + offset, bytes);
	return value;
}

static struct pci_device *found;
static unsigned others; /* that no driver can use */

/* What a scan finds for drivers: how many. */
static unsigned scan(void)
{
	struct pci_device *next, **last = &found, *dev;
	unsigned n = 0;

	for (; found; found = next) {
		next = found->next;
		free(found);
	}
	others = 0;
	for (dev = pci_scan(); dev; dev = next) {
		next = dev->next;
		dev->next = NULL;
		if (dev->endpoint) {
			*last = dev;
			last = &dev->next;
			n++;
		} else {
			assert_true(!dev->bar[0].size && !dev->driver);
			others++;
			free(dev);
		}
	}
	return n;
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

static int start(void **state)
{
	(void)state;
	memset(model, 0, sizeof(model));
	memset(table, 0, sizeof(table));
	maps = opens = bound = pins_taken = 0;
	most = 100;
	refuse_map = false;
	return 0;
}

static int end(void **state)
{
	memset(model, 0, sizeof(model));
	(void)state;
	return (int)scan();
}

static void test_probe(void **state)
{
	const struct pci_device *f;

	(void)state;
	make(0, 0x0110, 0x020000);
	assert_int_equal(scan(), 1);
	f = found;
	assert_int_equal(f->bdf, 0x0110);
	assert_string_equal(f->name, "01:02.0");
	assert_int_equal(f->vendor, 0x8086);
	assert_int_equal(f->device, 0x10d3);
	assert_int_equal(f->subvendor, 0x8086);
	assert_int_equal(f->class_code, 0x020000);
	assert_int_equal(f->irq_line, 11);
	assert_int_equal(f->irq_pin, 1);
	assert_int_equal(f->bar[0].base, 0xfe000000);
	assert_int_equal(f->bar[0].size, 0x10000);
	assert_false(f->bar[0].io);
	assert_int_equal(f->bar[1].size, 0);
	assert_int_equal(f->bar[2].base, 0xc040);
	assert_int_equal(f->bar[2].size, 32);
	assert_true(f->bar[2].io);
	assert_int_equal(f->bar[3].base, 0xfea80000);
	assert_int_equal(f->bar[3].size, 4096);
	assert_int_equal(f->bar[4].size, 0);
	assert_int_equal(f->msi, 1);
	assert_int_equal(f->msix, 5);
	assert_int_equal(f->msix_bar, 0);
	assert_int_equal(f->msix_offset, 0x2000);
	assert_int_equal(sized_while_decoding, 0);
	assert_int_equal(config(0, 0x10, 4), 0xfe00000c);
	assert_int_equal(config(0, 0x18, 4), 0xc041);
	/* It is quiet: no bus master, no INTx, no messages. */
	assert_int_equal(config(0, 4, 2), 0x0403);
}

static void test_odd_bars(void **state)
{
	struct model *m = make(0, 0, 0x010802);

	(void)state;
	put(m, 0x10, 0x0000000c, 0xffff0000, 4); /* firmware gave it no place */
	put(m, 0x24, 0xfffff004, 0xfffff000, 4); /* 64 bits in the last one */
	assert_int_equal(scan(), 1);
	assert_int_equal(found->bar[0].size, 0);
	assert_int_equal(found->bar[5].base, 0xfffff000);
	assert_int_equal(found->msix, 0); /* its table was in BAR0 */
	m = make(0, 0, 0x010802);
	put(m, 0x10, 0x0000000c, 0xffff0000, 4);
	put(m, 0x14, 0x00000080, UINT32_MAX, 4);
	assert_int_equal(scan(), 1);
	assert_int_equal(found->bar[0].base, 0x8000000000);
	assert_int_equal(found->bar[0].size, 0x10000);
	for (unsigned i = 0; i < 4; i++) { /* a table that goes beyond its BAR, or is in none */
		static const uint32_t bad[] = {0xfff8, 0x2, 0x6, 0x7};

		m = make(0, 0, 0x010802);
		put(m, 0xe4, bad[i], 0, 4);
		assert_int_equal(scan(), 1);
		assert_int_equal(found->msix, 0);
	}
}

static void test_bridge(void **state)
{
	static const uint32_t classes[] = {0x060000, 0x060100, 0x080020, 0x080600, 0x050000};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct model before = *make(0, 0, classes[i]);

		assert_int_equal(scan(), 0);
		assert_int_equal(others, 1);
		assert_memory_equal(&before, &model[0], sizeof(before));
	}
	put(make(0, 0, 0x020000), 0x0e, 1, 0, 1); /* header of a bridge */
	assert_int_equal(scan(), 0);
	put(&model[0], 0x18, 0x050403, 0, 3); /* primary, secondary, last bus */
	assert_int_equal(pci_scan()->secondary, 4);
	assert_int_equal(pci_first()->header, PCI_HEADER_BRIDGE);
	free(pci_first());
}

static void put_extended(unsigned offset, uint32_t value)
{
	memcpy(table + 0x8000 + offset, &value, 4);
}

/* The function's configuration space is at table + 0x8000. */
static void test_extended(void **state)
{
	(void)state;
	make(0, 0x08, 0x020000);
	assert_int_equal(scan(), 1);
	assert_int_equal(pci_read(found, 0x100, 4), UINT32_MAX); /* nobody has said where it is */
	assert_int_equal(pci_find_extended(found, 0x0e), 0);
	pci_extended_at(REGISTERS, 1, 0xff); /* other buses */
	assert_int_equal(pci_read(found, 0x100, 2), 0xffff);
	pci_extended_at(REGISTERS, 0, 0xff);
	put_extended(0x100, 0x14010001); /* AER, then at 0x140 */
	put_extended(0x140, 0xffc10010); /* SR-IOV, then at 0xffc */
	put_extended(0xffc, 0x1001000e); /* ARI, and back to the first */
	put_extended(0x14c, 0x00070004);
	assert_int_equal(pci_find_extended(found, 0x01), 0x100);
	assert_int_equal(pci_find_extended(found, PCI_EXT_SRIOV), 0x140);
	assert_int_equal(pci_find_extended(found, 0x0e), 0xffc);
	assert_int_equal(pci_find_extended(found, 0x0d), 0); /* the loop ends */
	assert_int_equal(pci_read(found, 0x14e, 2), 7);
	assert_int_equal(pci_read(found, 0x14c, 1), 4);
	assert_int_equal(pci_read(found, 0x1000, 4), UINT32_MAX);
	assert_int_equal(maps, 1);
	put_extended(0x140, 0x00010010); /* the list ends in the first 256 bytes */
	assert_int_equal(pci_find_extended(found, 0x0e), 0);
	pci_extended_at(0, 0, 0);
}

static void test_capability_loop(void **state)
{
	struct model *m = make(0, 0, 0x020000);

	(void)state;
	assert_int_equal(scan(), 1);
	put(m, 0xa0, 0xc810, 0, 4); /* from the last back to the first */
	assert_int_equal(pci_find_capability(found, 0x09), 0);
	put(m, 0x34, 0x10, 0, 1); /* into the header */
	assert_int_equal(pci_find_capability(found, PCI_CAP_MSI), 0);
	put(m, 0x34, 0xd3, 0, 1); /* the lowest bits do not count */
	assert_int_equal(pci_find_capability(found, PCI_CAP_MSI), 0xd0);
	put(m, 6, 0, 0, 2); /* no list */
	assert_int_equal(pci_find_capability(found, PCI_CAP_MSI), 0);
}

static void test_scan(void **state)
{
	(void)state;
	make(0, 0x0000, 0x060000);
	put(make(1, 0x00f8, 0x060100), 0x0e, 0x80, 0, 1);
	make(2, 0x00fa, 0x010601); /* a function of a multi-function device */
	make(3, 0xe108, 0x010802); /* on a root bus of its own */
	assert_int_equal(scan(), 2);
	assert_int_equal(found->bdf, 0x00fa);
	assert_int_equal(found->next->bdf, 0xe108);
	model[1].config[0x0e] = 0; /* not multi-function: the other is an alias */
	assert_int_equal(scan(), 1);
	make(3, 0xe108, 0x030000); /* a display goes on showing messages */
	assert_int_equal(scan(), 1);
	assert_int_equal(config(3, 4, 2), 0x0407);
}

static void test_enable(void **state)
{
	(void)state;
	make(0, 0x18, 0x020000);
	assert_int_equal(scan(), 1);
	put(&model[0], 0x10, 0, 0xffff0000, 4); /* the device has lost a BAR */
	pci_enable(found, "eth0");
	assert_int_equal(config(0, 4, 2), 0x0407);
	assert_int_equal(config(0, 0x10, 4) & 0xfffffff0, 0xfe000000);
}

static void test_registers(void **state)
{
	(void)state;
	make(0, 0x18, 0x020000);
	assert_int_equal(scan(), 1);
	assert_ptr_equal(pci_map(found, 0), table);
	assert_ptr_equal(pci_map(found, 0), table);
	assert_int_equal(maps, 1);
	assert_null(pci_map(found, 1));
	assert_null(pci_map(found, 2));
	assert_null(pci_map(found, 6));
	assert_int_equal(pci_port_read(found, 2, 4, 2), 0x20004);
	pci_port_write(found, 2, 31, 1, 0x55);
	assert_memory_equal(port_seen, ((uint32_t[]){31, 1, 0x55}), 12);
	assert_int_equal(opens, 1);
	assert_int_equal(pci_port_read(found, 0, 0, 2), 0xffff);
	assert_int_equal(pci_port_read(found, 5, 0, 4), 0xffffffff);
	pci_port_write(found, 0, 0, 4, 1);
	assert_int_equal(port_seen[0], 31);
}

static uint32_t word(unsigned offset)
{
	uint32_t value;

	memcpy(&value, table + 0x2000 + offset, 4);
	return value;
}

static void test_msix(void **state)
{
	(void)state;
	make(0, 0x18, 0x020000);
	assert_int_equal(scan(), 1);
	memset(table + 0x2000, 0x11, 80);
	assert_int_equal(pci_irq_setup(found, 0, nothing, table), 0);
	assert_int_equal(pci_irq_setup(found, 2, nothing, table), 2);
	assert_int_equal(config(0, 0xe2, 2), 0x8004);
	assert_int_equal(config(0, 4, 2) & 2, 2);
	assert_int_equal(word(16), 0xfee01000);
	assert_int_equal(word(20), 1);
	assert_int_equal(word(24), 0x42);
	assert_int_equal(word(28), 0);
	assert_int_equal(word(12), 0);
	assert_int_equal(word(44), 1); /* the others are masked */
	assert_int_equal(word(76), 1);
	assert_int_equal(word(80), 0);                                    /* beyond the table */
	program_again(found, 1, &(struct irq_message){0xfee02000, 0x77}); /* to another CPU */
	assert_int_equal(word(16), 0xfee02000);
	assert_int_equal(word(20), 0);
	assert_int_equal(word(24), 0x77);
	assert_int_equal(word(28), 0);
	assert_int_equal(word(0), 0xfee01000); /* vector 0 goes where it went */
	program_again(found, 1, NULL);         /* to nobody */
	assert_int_equal(word(28), 1);
	assert_int_equal(word(12), 0);
	assert_int_equal(config(0, 0xe2, 2), 0x8004);
	pci_messages_off(found);
	assert_int_equal(config(0, 0xe2, 2), 0x0004);
}

/* As many as the function, then as the environment has. */
static void test_msix_most(void **state)
{
	(void)state;
	make(0, 0x18, 0x020000);
	assert_int_equal(scan(), 1);
	assert_int_equal(pci_irq_setup(found, 9, nothing, table), 5);
	start(NULL);
	make(0, 0x18, 0x020000);
	most = 3;
	assert_int_equal(scan(), 1);
	assert_int_equal(pci_irq_setup(found, 9, nothing, table), 3);
	assert_int_equal(word(60), 1);
}

static void test_msi(void **state)
{
	(void)state;
	make(0, 0x18, 0x020000);
	refuse_map = true; /* no MSI-X then */
	assert_int_equal(scan(), 1);
	assert_int_equal(pci_irq_setup(found, 4, nothing, table), 1);
	assert_int_equal(config(0, 0xd2, 2), 0x0081);
	assert_int_equal(config(0, 0xd4, 4), 0xfee01000);
	assert_int_equal(config(0, 0xd8, 4), 1);
	assert_int_equal(config(0, 0xdc, 2), 0x41);
	program_again(found, 0, NULL);
	assert_int_equal(config(0, 0xd2, 2), 0x0080);
	assert_int_equal(config(0, 4, 2) & 0x400, 0x400); /* and no INTx instead */
	program_again(found, 0, &(struct irq_message){0xfee02000, 0x77});
	assert_int_equal(config(0, 0xd2, 2), 0x0081);
	assert_int_equal(config(0, 0xd4, 4), 0xfee02000);
	assert_int_equal(config(0, 0xd8, 4), 0);
	assert_int_equal(config(0, 0xdc, 2), 0x77);
	pci_messages_off(found);
	assert_int_equal(config(0, 0xd2, 2), 0x0080);
	start(NULL);
	make(0, 0x18, 0x020000);
	put(&model[0], 0xd2, 0, 0x71, 2); /* 32 bits: the data is elsewhere */
	put(&model[0], 0xd8, 0, UINT32_MAX, 4);
	refuse_map = true;
	assert_int_equal(scan(), 1);
	assert_int_equal(pci_irq_setup(found, 1, nothing, table), 1);
	assert_int_equal(config(0, 0xd8, 4), 0x41);
}

static void test_pin(void **state)
{
	(void)state;
	make(0, 0x18, 0x020000);
	most = 0; /* no messages to be had */
	assert_int_equal(scan(), 1);
	assert_int_equal(pci_irq_setup(found, 4, nothing, table), 1);
	assert_int_equal(pins_taken, 1);
	assert_int_equal(pin[0].pin, 11);
	assert_int_equal(pin[0].trigger, IRQ_LEVEL_LOW);
	assert_int_equal(config(0, 4, 2) & 0x400, 0); /* INTx enabled */
	assert_int_equal(config(0, 0xe2, 2), 0x0004); /* and no message */
	assert_int_equal(config(0, 0xd2, 2), 0x0080);
	put(&model[0], 0x3c, 0x01ff, 0, 2); /* not connected */
	assert_int_equal(scan(), 1);
	assert_int_equal(pci_irq_setup(found, 1, nothing, table), 0);
	assert_int_equal(config(0, 4, 2) & 0x400, 0x400);
	put(&model[0], 0x3c, 0x000b, 0, 2); /* no pin */
	assert_int_equal(scan(), 1);
	assert_int_equal(pci_irq_setup(found, 1, nothing, table), 0);
}

static void test_legacy_ide(void **state)
{
	struct model *m = make(0, 0x18, 0x010180);

	(void)state;
	put(m, 6, 0, 0, 2); /* no capabilities */
	assert_int_equal(scan(), 1);
	assert_true(pci_legacy_ide(found, 0) && pci_legacy_ide(found, 1));
	assert_false(pci_legacy_ide(found, 2));
	assert_int_equal(found->bar[0].base, 0x1f0);
	assert_int_equal(found->bar[1].base, 0x3f6);
	assert_int_equal(found->bar[2].base, 0x170);
	assert_int_equal(found->bar[3].base, 0x376);
	assert_int_equal(pci_irq_setup(found, 2, nothing, table), 2);
	assert_int_equal(pin[0].pin, 14);
	assert_int_equal(pin[1].pin, 15);
	assert_int_equal(pin[1].vector, 1);
	assert_int_equal(pin[1].trigger, IRQ_EDGE_HIGH);
	put(m, 8, 0x01018502, 0, 4); /* native: as its BARs and its pin say */
	assert_int_equal(scan(), 1);
	assert_int_equal(found->bar[0].base, 0xfe000000);
	assert_int_equal(pci_irq_setup(found, 2, nothing, table), 1);
	assert_int_equal(pin[2].pin, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_probe, start, end),
		cmocka_unit_test_setup_teardown(test_odd_bars, start, end),
		cmocka_unit_test_setup_teardown(test_bridge, start, end),
		cmocka_unit_test_setup_teardown(test_extended, start, end),
		cmocka_unit_test_setup_teardown(test_capability_loop, start, end),
		cmocka_unit_test_setup_teardown(test_scan, start, end),
		cmocka_unit_test_setup_teardown(test_enable, start, end),
		cmocka_unit_test_setup_teardown(test_registers, start, end),
		cmocka_unit_test_setup_teardown(test_msix, start, end),
		cmocka_unit_test_setup_teardown(test_msix_most, start, end),
		cmocka_unit_test_setup_teardown(test_msi, start, end),
		cmocka_unit_test_setup_teardown(test_pin, start, end),
		cmocka_unit_test_setup_teardown(test_legacy_ide, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
