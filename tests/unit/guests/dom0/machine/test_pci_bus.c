/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
#include "tests/unit/unit.h"

#include "tests/unit/mock_vm.h"

#define INSTANCE 7

static struct {
	uint32_t instance;
	uint64_t offset, value;
	unsigned size, writes, moves, config_writes, ends;
	uint64_t from, to;
} seen;

static uint64_t device_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	(void)vm;
	seen.instance = instance;
	return offset | size << 8;
}

static void device_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
			 uint64_t value)
{
	(void)vm;
	seen.instance = instance;
	seen.offset = offset;
	seen.size = size;
	seen.value = value;
	seen.writes++;
}

static void moved(struct vm *vm, uint32_t instance, unsigned bar, uint64_t from, uint64_t to)
{
	(void)vm;
	(void)instance;
	if (bar != 0)
		return;
	seen.moves++;
	seen.from = from;
	seen.to = to;
}

static void config_written(struct vm *vm, uint32_t instance, unsigned offset, unsigned size,
			   uint32_t value)
{
	(void)vm;
	(void)instance;
	seen.value = value;
	seen.offset = offset;
	seen.size = size;
	seen.config_writes++;
}

static uint32_t extended_read(struct vm *vm, uint32_t instance, unsigned offset, unsigned size)
{
	(void)vm;
	seen.instance = instance;
	return offset | size << 16;
}

static void intx_ended(struct vm *vm, uint32_t instance)
{
	seen.instance = instance;
	seen.ends++;
	pci_intx(vm, 2, false);
}

static const struct io_ops device_ops = {device_read, device_write};
static const struct pci_ops ops = {
	.bar = {&device_ops, NULL, &device_ops},
	.bar_moved = moved,
	.config_written = config_written,
};
static const struct pci_ids ids = {
	.vendor = 0x1af4,
	.device = 0x1042,
	.subvendor = 0x1af4,
	.subdevice = 2,
	.class_code = 0x018000,
	.revision = 1,
	.intx = true,
};

/* A function with large BARs. */
static const struct pci_ops large_ops = {
	.bar = {&device_ops, NULL, &device_ops, NULL, &device_ops},
	.extended_read = extended_read,
	.intx_ended = intx_ended,
};

static void add(unsigned slot)
{
	static const uint8_t body[14] = {16, 1};

	assert_int_equal(pci_add_function(&mock_vm, slot, &ids, &ops, INSTANCE), 0);
	assert_int_equal(pci_add_bar(&mock_vm, slot, 0, BUS_PIO, 256), 0);
	assert_int_equal(pci_add_bar(&mock_vm, slot, 1, BUS_MMIO, 4096), 0);
	assert_int_equal(pci_add_bar(&mock_vm, slot, 2, BUS_MMIO, 4096), 0);
	assert_int_equal(pci_add_capability(&mock_vm, slot, 9, body, sizeof(body)), 0x40);
	assert_int_equal(pci_add_msix(&mock_vm, slot, 1, 3), 0);
	pci_enable_bars(&mock_vm, slot);
}

static int power_on(void **state)
{
	(void)state;
	mock_power_on();
	memset(&seen, 0, sizeof(seen));
	add(1);
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static int power_off(void **state)
{
	(void)state;
	mock_power_off();
	return 0;
}

static void at(unsigned slot, unsigned offset)
{
	out32(0xcf8, 0x80000000u | slot << 11 | (offset & 0xfc));
}

static uint32_t get(unsigned slot, unsigned offset)
{
	at(slot, offset);
	return in32(0xcfc);
}

static void set(unsigned slot, unsigned offset, uint32_t value)
{
	at(slot, offset);
	out32(0xcfc, value);
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(get(0, 0), 0x00081b36);
	assert_int_equal(get(0, 8) >> 8, 0x060000);
	assert_int_equal(get(1, 0), 0x10421af4);
	assert_int_equal(get(1, 8), 0x01800001);
	assert_int_equal(get(1, 0x2c), 0x00021af4);
	assert_int_equal(get(1, 0x3c), 0x0000010a);
	assert_int_equal(get(2, 0), 0xffffffff);
	set(1, 0, 0);
	assert_int_equal(get(1, 0), 0x10421af4);
	at(1, 8);
	assert_int_equal(in8(0xcff), 0x01);
	assert_int_equal(in16(0xcfe), 0x0180);
	/* Other functions, other buses, not enabled. */
	out32(0xcf8, 0x80000900);
	assert_int_equal(in32(0xcfc), 0xffffffff);
	out32(0xcf8, 0x80010800);
	assert_int_equal(in32(0xcfc), 0xffffffff);
	out32(0xcf8, 0x00000800);
	assert_int_equal(in32(0xcfc), 0xffffffff);
	out32(0xcf8, 0xffffffff);
	assert_int_equal(in32(0xcf8), 0x80fffffc);
}

static void test_capabilities(void **state)
{
	(void)state;
	assert_int_equal(get(1, 4) >> 16 & 0x10, 0x10);
	assert_int_equal(get(1, 0x34) & 0xff, 0x40);
	assert_int_equal(get(1, 0x40), 0x01105009);
	assert_int_equal(get(1, 0x50), 0x00020011);
	assert_int_equal(get(1, 0x54), 0x00000001);
	assert_int_equal(get(1, 0x58), 0x00000801);
	set(1, 0x50, 0xffffffff);
	assert_int_equal(get(1, 0x50), 0xc0020011);
}

static void test_sizing(void **state)
{
	uint32_t bar0 = get(1, 0x10), bar1 = get(1, 0x14);

	(void)state;
	assert_int_equal(bar0, 0xc001);
	assert_int_equal(bar1, 0xfe000000);
	set(1, 4, 0);
	assert_int_equal(seen.moves, 1);
	assert_int_equal(seen.from, 0xc000);
	assert_true(seen.to == PCI_NO_BASE);
	assert_int_equal(in8(0xc000), 0xff);
	set(1, 0x10, 0xffffffff);
	assert_int_equal(get(1, 0x10), 0xffffff01);
	set(1, 0x14, 0xffffffff);
	assert_int_equal(get(1, 0x14), 0xfffff000);
	set(1, 0x24, 0xffffffff); /* none */
	assert_int_equal(get(1, 0x24), 0);
	set(1, 0x30, 0xffffffff); /* no ROM */
	assert_int_equal(get(1, 0x30), 0);
	set(1, 0x10, bar0);
	set(1, 0x14, bar1);
	set(1, 4, 7);
	assert_int_equal(seen.moves, 2);
	assert_int_equal(seen.to, 0xc000);
	assert_true(pci_bus_master(&mock_vm, 1));
	assert_int_equal(in8(0xc012), 0x12);
}

static void test_moving(void **state)
{
	(void)state;
	assert_int_equal(in16(0xc010), 0x210);
	assert_int_equal(seen.instance, INSTANCE);
	set(1, 0x10, 0xd000);
	assert_int_equal(seen.moves, 2);
	assert_int_equal(seen.to, 0xd000);
	assert_int_equal(in8(0xc010), 0xff);
	assert_int_equal(in16(0xd010), 0x210);
	set(1, 0x18, 0xc0000000);
	assert_int_equal(read32(0xc0000020), 0x420);
	/* Not where RAM or other devices are. */
	set(1, 0x18, 0x00100000);
	assert_int_equal(read32(0x00100020), 0xffffffff);
	set(1, 0x18, 0xfec00000);
	assert_int_equal(read32(0xfec00000), mock_state.ioapic.select);
	set(1, 0x18, 0xfee00000);
	assert_int_equal(read32(0xfee00020), 0xffffffff);
	set(1, 0x10, 0x300); /* on top of COM1 */
	assert_int_equal(in8(0x3fd), 0x60);
	assert_int_equal(in8(0x300), 0xff);
	set(1, 0x10, 0);
	assert_int_equal(in8(0x04), 0xff);
	set(1, 0x10, 0xffffff00);
	assert_int_equal(in8(0xff04), 0xff);
	set(1, 0x10, 0xff00);
	assert_int_equal(in8(0xff04), 0x04);
}

/* What cannot be decoded reads as off, and as on again where it can be. */
static void test_not_decoded(void **state)
{
	(void)state;
	assert_int_equal(get(1, 4) & 3, 3);
	set(1, 0x18, 0x00100000); /* RAM */
	assert_int_equal(get(1, 4) & 3, 1);
	set(1, 0x18, MOCK_RAM); /* behind it */
	assert_int_equal(get(1, 4) & 3, 3);
	assert_int_equal(read32(MOCK_RAM + 0x20), 0x420);
	set(1, 0x18, 0xfffff000); /* the last page */
	assert_int_equal(read32(0xfffff020), 0x420);
	set(1, 0x18, 0xfee00000);
	assert_int_equal(get(1, 4) & 3, 1);
	set(1, 0x18, 0xfed00000);
	set(1, 0x10, 0x300);
	assert_int_equal(get(1, 4) & 3, 2);
	set(1, 0x10, 0x12345600); /* there are 64 KiB of ports */
	assert_int_equal(get(1, 4) & 3, 2);
	set(1, 0x10, 0x1200);
	assert_int_equal(get(1, 4) & 3, 3);
	assert_int_equal(in8(0x1205), 5);
	set(1, 4, 0);
	assert_int_equal(get(1, 4) & 3, 0);
}

static uint32_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

/* Wherever BARs are put: each is decoded there, or its function's decoding reads as off. */
static void test_anywhere(void **state)
{
	static const uint32_t places[] = {
		0,          0x100,      0x300,      0x1000,          0xc000,     0xc100,
		0xff00,     0x10000,    0x100000,   MOCK_RAM - 4096, MOCK_RAM,   0x10000000,
		0xbffff000, 0xc0000000, 0xfe000000, 0xfe001000,      0xfec00000, 0xfee00000,
		0xfee01000, 0xfffff000, 0xffffffff};
	unsigned decoded = 0, off = 0;

	(void)state;
	add(2);
	add(3);
	for (unsigned n = 0; n < 20000; n++) {
		unsigned slot = 1 + any(3);

		if (any(4))
			set(slot, 0x10 + 4 * any(3), places[any(21)]);
		else
			set(slot, 4, any(4) ? 3 : any(4));
		for (unsigned i = 0; i < 9; i++) {
			const struct pci_function *f = &mock_state.pci.function[1 + i / 3];
			uint32_t value = get(1 + i / 3, 0x10 + 4 * (i % 3)),
				 size = (uint32_t)f->bar_size[i % 3];
			bool on = get(1 + i / 3, 4) & (value & 1 ? 1 : 2);
			uint64_t base = f->bar_base[i % 3];

			if (base == PCI_NO_BASE) {
				off++;
				assert_true(!on || value >> 8 == 0xffffff);
				continue;
			}
			decoded++;
			assert_int_equal(base, value & ~(size - 1));
			assert_true(value & 1 ? base + size <= 0x10000 : base >= MOCK_RAM);
			if (i % 3 != 1) /* not the table of MSI-X */
				assert_int_equal(value & 1 ? in8((uint16_t)(base + 7))
							   : read32(base + 8) & 0xff,
						 value & 1 ? 7 : 8);
		}
	}
	assert_true(decoded > 10000 && off > 10000);
}

/* Two BARs change places; in between one lies on top of the other. */
static void test_swap(void **state)
{
	(void)state;
	add(2);
	assert_int_equal(get(2, 0x10), 0xc101);
	set(1, 0x10, 0xc100);
	set(2, 0x10, 0xc000);
	assert_int_equal(in8(0xc105), 0x05);
	assert_int_equal(in8(0xc005), 0x05);
	assert_true(mock_state.pci.function[1].bar_base[0] == 0xc100);
	assert_true(mock_state.pci.function[2].bar_base[0] == 0xc000);
}

static void test_msix(void **state)
{
	const uint64_t table = 0xfe000000;

	(void)state;
	set(1, 0x50, 0x80000000);
	assert_true(pci_msix_enabled(&mock_vm, 1));
	assert_int_equal(read32(table + 12), 1); /* masked after reset */
	bus_write(&mock_vm, BUS_MMIO, table + 16, 8, 0xfee01003);
	write32(table + 24, 0x4055);
	pci_msix_raise(&mock_vm, 1, 1);
	assert_int_equal(mock_seen.msis, 0);
	assert_int_equal(read32(table + 0x800), 2);
	write32(table + 0x800, 0); /* read-only */
	assert_int_equal(read32(table + 0x800), 2);
	write32(table + 28, 0xfffffffe);
	assert_int_equal(mock_seen.msis, 1);
	assert_int_equal(mock_seen.msi[0].address, 0xfee01000);
	assert_int_equal(mock_seen.msi[0].data, 0x4055);
	assert_int_equal(read32(table + 28), 0);
	assert_int_equal(read32(table + 0x800), 0);
	pci_msix_raise(&mock_vm, 1, 1);
	assert_int_equal(mock_seen.msis, 2);
	/* The mask of the whole function. */
	set(1, 0x50, 0xc0000000);
	pci_msix_raise(&mock_vm, 1, 1);
	assert_int_equal(mock_seen.msis, 2);
	set(1, 0x50, 0x80000000);
	assert_int_equal(mock_seen.msis, 3);
	pci_msix_raise(&mock_vm, 1, 3);
	pci_msix_raise(&mock_vm, 1, ~0u);
	pci_msix_raise(&mock_vm, 9, 0);
	set(1, 0x50, 0);
	pci_msix_raise(&mock_vm, 1, 1);
	assert_int_equal(mock_seen.msis, 3);
	/* Odd accesses. */
	assert_int_equal(bus_read(&mock_vm, BUS_MMIO, table + 24, 8), 0x4055);
	assert_int_equal(bus_read(&mock_vm, BUS_MMIO, table + 25, 1), 0x40);
	bus_write(&mock_vm, BUS_MMIO, table + 25, 1, 0xff);
	assert_int_equal(read32(table + 24), 0x4055);
	assert_int_equal(read32(table + 48), 0);
	bus_write(&mock_vm, BUS_MMIO, table + 0xff8, 8, ~0ull);
	assert_int_equal(bus_read(&mock_vm, BUS_MMIO, table + 0xff9, 4), 0);
}

static void test_intx(void **state)
{
	(void)state;
	add(5); /* shares GSI 17 with slot 1 */
	pci_intx(&mock_vm, 1, true);
	assert_int_equal(mock_state.ioapic.line, 1 << 17);
	assert_int_equal(mock_state.pic.chip[1].line, 1 << 2); /* IRQ 10 */
	assert_int_equal(get(1, 4) >> 16 & 8, 8);
	pci_intx(&mock_vm, 5, true);
	pci_intx(&mock_vm, 1, false);
	assert_int_equal(mock_state.ioapic.line, 1 << 17);
	set(5, 4, 0x403); /* interrupts disabled */
	assert_int_equal(mock_state.ioapic.line, 0);
	assert_int_equal(mock_state.pic.chip[1].line, 0);
	set(5, 4, 0x003);
	assert_int_equal(get(5, 0x3c) & 0xff, 10);
	assert_int_equal(mock_state.ioapic.line, 1 << 17);
	set(5, 0x50, 0x80000000); /* MSI-X takes over */
	assert_int_equal(mock_state.ioapic.line, 0);
	set(5, 0x50, 0);
	pci_intx(&mock_vm, 5, false);
	assert_int_equal(mock_state.ioapic.line, 0);
}

static void test_limits(void **state)
{
	uint8_t body[256] = {0};

	(void)state;
	assert_int_equal(pci_add_function(&mock_vm, 1, &ids, &ops, 0), -1);
	assert_int_equal(pci_add_function(&mock_vm, 32, &ids, &ops, 0), -1);
	assert_int_equal(pci_add_bar(&mock_vm, 1, 0, BUS_PIO, 256), -1);
	assert_int_equal(pci_add_bar(&mock_vm, 1, 6, BUS_PIO, 256), -1);
	assert_int_equal(pci_add_bar(&mock_vm, 1, 3, BUS_PIO, 512), -1);
	assert_int_equal(pci_add_bar(&mock_vm, 1, 3, BUS_MMIO, 4095), -1);
	assert_int_equal(pci_add_bar(&mock_vm, 2, 3, BUS_MMIO, 4096), -1);
	assert_int_equal(pci_add_bar(&mock_vm, 1, 3, BUS_MMIO, 0x80000000), -1);
	assert_int_equal(pci_add_capability(&mock_vm, 1, 9, body, 255), 0);
	assert_int_equal(pci_add_capability(&mock_vm, 1, 9, body, 0xa0), 0x5c);
	assert_int_equal(pci_add_capability(&mock_vm, 1, 9, body, 2), 0);
	assert_int_equal(pci_add_msix(&mock_vm, 1, 1, 3), -1);
}

static void test_reset_and_resume(void **state)
{
	struct machine_state saved;

	(void)state;
	set(1, 0x10, 0xd000);
	set(1, 4, 0x407);
	set(1, 0x3c, 0xff);
	set(1, 0x50, 0x80000000);
	pci_intx(&mock_vm, 1, true);
	saved = mock_state;
	mock_power_on();
	platform_part.free(&mock_vm);
	memset(&mock_vm.bus, 0, sizeof(mock_vm.bus));
	mock_state = saved;
	assert_int_equal(platform_resume(&mock_vm), 0);
	pci_resume_function(&mock_vm, 1, &ops, 9);
	assert_int_equal(in8(0xd003), 0x03);
	assert_int_equal(seen.instance, 9);
	assert_true(seen.from == PCI_NO_BASE);
	assert_int_equal(read32(0xfe00000c), 1);

	platform_part.reset(&mock_vm);
	assert_int_equal(get(1, 0x10), 0xc001);
	assert_int_equal(get(1, 4), 0x00100003);
	assert_int_equal(get(1, 0x3c), 0x010a);
	assert_false(pci_msix_enabled(&mock_vm, 1));
	assert_int_equal(in8(0xd003), 0xff);
	assert_int_equal(in8(0xc003), 0x03);
	assert_int_equal(mock_state.ioapic.line, 0);

	pci_remove_function(&mock_vm, 1);
	assert_int_equal(get(1, 0), 0xffffffff);
	assert_int_equal(in8(0xc003), 0xff);
	add(1); /* in the places that are free again */
	assert_int_equal(get(1, 0x10), 0xc001);
}

static void test_config_hook(void **state)
{
	(void)state;
	at(1, 0x3c);
	out8(0xcfc, 5);
	assert_int_equal(seen.config_writes, 1);
	assert_int_equal(seen.offset, 0x3c);
	assert_int_equal(seen.size, 1);
	pci_writable(&mock_vm, 1)[0x44] = 0x0f;
	set(1, 0x44, 0xffffffff);
	assert_int_equal(pci_config(&mock_vm, 1)[0x44], 0x0f);
	assert_null(pci_config(&mock_vm, 3));
	assert_null(pci_config(&mock_vm, 32));
}

static uint64_t ecam(unsigned slot, unsigned offset)
{
	return PCI_ECAM_BASE + (slot << 15) + offset;
}

static uint64_t ecam_get(uint64_t address, unsigned size)
{
	return bus_read(&mock_vm, BUS_MMIO, address, size);
}

/* Configuration space in memory is the one at the ports, and goes on behind it. */
static void test_ecam(void **state)
{
	(void)state;
	for (unsigned offset = 0; offset < 256; offset += 4) {
		assert_int_equal(ecam_get(ecam(0, offset), 4), get(0, offset));
		assert_int_equal(ecam_get(ecam(1, offset), 4), get(1, offset));
	}
	assert_int_equal(ecam_get(ecam(1, 0), 1), 0xf4);
	assert_int_equal(ecam_get(ecam(1, 2), 2), 0x1042);
	assert_true(ecam_get(ecam(1, 0), 8) == (get(1, 0) | (uint64_t)get(1, 4) << 32));
	/* Across the border of a dword, which no driver does. */
	assert_int_equal(ecam_get(ecam(1, 1), 4), get(1, 0) >> 8 | get(1, 4) << 24);
	/* No extended capabilities: zeros up to the end, and nothing is written there. */
	assert_int_equal(ecam_get(ecam(1, 0xfe), 4), 0);
	for (unsigned offset = 256; offset < 4096; offset += 4) {
		write32(ecam(1, offset), 0xffffffff);
		assert_int_equal(ecam_get(ecam(1, offset), 4), 0);
	}
	/* Other functions and other slots are not there; the last byte is the range's. */
	assert_int_equal(ecam_get(ecam(1, 0x1000), 4), 0xffffffff);
	assert_int_equal(ecam_get(ecam(1, 0xfff), 2), 0xff00);
	assert_int_equal(ecam_get(ecam(2, 0), 2), 0xffff);
	assert_int_equal(ecam_get(ecam(2, 0x100), 1), 0xff);
	assert_true(ecam_get(ecam(31, 0x7ff8), 8) == UINT64_MAX);
	write32(ecam(2, 4), 7);
	write32(ecam(1, 0x1004), 0);
	/* Writes do what they do at the ports. */
	write32(ecam(1, 0x18), 0xe0000000);
	assert_int_equal(get(1, 0x18), 0xe0000000);
	assert_int_equal(read32(0xe0000020), 0x420);
	bus_write(&mock_vm, BUS_MMIO, ecam(1, 0x3c), 1, 9);
	assert_int_equal(get(1, 0x3c) & 0xff, 9);
	bus_write(&mock_vm, BUS_MMIO, ecam(1, 0x10), 8, 0xd1000000d000ull);
	assert_int_equal(get(1, 0x10), 0xd001);
	assert_int_equal(get(1, 0x14), 0xd000);
	/* No BAR covers it. */
	set(1, 0x18, (uint32_t)PCI_ECAM_BASE);
	assert_int_equal(get(1, 4) & 2, 0);
	assert_int_equal(ecam_get(ecam(0, 0), 4), get(0, 0));
}

static void add_large(void)
{
	assert_int_equal(pci_add_function(&mock_vm, 2, &ids, &large_ops, INSTANCE), 0);
	assert_int_equal(
		pci_add_large_bar(&mock_vm, 2, 0, 8ull << 30, PCI_BAR_WIDE | PCI_BAR_PREFETCH), 0);
	assert_int_equal(pci_add_large_bar(&mock_vm, 2, 2, 1 << 20, PCI_BAR_WIDE), 0);
	assert_int_equal(pci_add_large_bar(&mock_vm, 2, 4, 512, 0), 0);
	pci_enable_bars(&mock_vm, 2);
}

/* BARs of 64 bits: sized, moved below and above 4 GiB, reset. */
static void test_wide(void **state)
{
	(void)state;
	add_large();
	assert_int_equal(get(2, 0x10), 0xc);
	assert_int_equal(get(2, 0x14), 0x40);
	assert_int_equal(get(2, 0x18), 0xc0000004);
	assert_int_equal(get(2, 0x1c), 0);
	assert_int_equal(get(2, 0x20), 0xc0100000);
	assert_int_equal(read32(PCI_HIGH_BASE + 0x20), 0x420);
	assert_int_equal(read32(PCI_HIGH_BASE + (8ull << 30) - 4), 0xfffffffc);
	assert_int_equal(read32(0xc0000020), 0x420);
	assert_int_equal(read32(0xc0100020), 0x420);
	/* Sizes, decoding being on. */
	set(2, 0x10, 0xffffffff);
	set(2, 0x14, 0xffffffff);
	assert_int_equal(get(2, 0x10), 0xc);
	assert_int_equal(get(2, 0x14), 0xfffffffe);
	assert_int_equal(get(2, 4) & 2, 2);
	set(2, 0x14, 0x60);
	assert_int_equal(read32(0x6000000020), 0x420);
	assert_int_equal(read32(PCI_HIGH_BASE + 0x20), 0xffffffff);
	set(2, 0x18, 0xffffffff);
	assert_int_equal(get(2, 0x18), 0xfff00004);
	set(2, 0x1c, 0xffffffff);
	set(2, 0x18, 0xd0000000);
	set(2, 0x1c, 0x70);
	assert_int_equal(read32(0x70d0000020), 0x420);
	set(2, 0x1c, 0x10000); /* there are 48 bits */
	assert_int_equal(get(2, 4) & 2, 0);
	set(2, 0x1c, 0);
	assert_int_equal(get(2, 4) & 2, 2);
	assert_int_equal(read32(0xd0000020), 0x420);
	/* RAM is not covered. */
	mock_vm.ram_bytes = 40ull << 30;
	set(2, 0x1c, 1);
	assert_int_equal(get(2, 4) & 2, 0);
	set(2, 0x1c, 0x28 / 4);
	assert_int_equal(read32(0xad0000020), 0x420);
	mock_vm.ram_bytes = MOCK_RAM;
	platform_part.reset(&mock_vm);
	assert_int_equal(get(2, 0x14), 0x40);
	assert_int_equal(get(2, 0x18), 0xc0000004);
	assert_int_equal(get(2, 0x1c), 0);
	assert_int_equal(read32(0xc0000020), 0x420);
	/* What does not fit. */
	assert_int_equal(pci_add_function(&mock_vm, 3, &ids, &large_ops, INSTANCE), 0);
	assert_int_equal(pci_add_large_bar(&mock_vm, 3, 0, 1ull << 30, 0), -1);
	assert_int_equal(pci_add_large_bar(&mock_vm, 3, 5, 4096, PCI_BAR_WIDE), -1);
	assert_int_equal(pci_add_large_bar(&mock_vm, 3, 0, 1ull << 38, PCI_BAR_WIDE), -1);
	assert_int_equal(pci_add_large_bar(&mock_vm, 3, 0, 1ull << 37, PCI_BAR_WIDE), 0);
	mock_vm.ram_bytes = 300ull << 30;
	assert_int_equal(pci_add_large_bar(&mock_vm, 3, 2, 1ull << 30, PCI_BAR_WIDE), -1);
	mock_vm.ram_bytes = MOCK_RAM;
}

/* A device hears of the end of its pin's interrupt, and its extended space is its own. */
static void test_device_hooks(void **state)
{
	(void)state;
	add_large();
	assert_int_equal(ecam_get(ecam(2, 0x104), 2), 0x104);
	assert_int_equal(ecam_get(ecam(2, 0xffc), 4), 0xffc | 4 << 16);
	set(1, 0x3c, 0x12345678);
	assert_int_equal(seen.value, 0x12345678);
	pci_intx_ended(&mock_vm, 4);
	assert_int_equal(seen.ends, 0);
	pci_intx(&mock_vm, 2, true);
	pci_intx_ended(&mock_vm, 0xb);
	assert_int_equal(seen.ends, 0);
	write32(0xfec00000, 0x10 + 2 * 18); /* pin 18: vector 0x51, level */
	write32(0xfec00010, 0x8051);
	assert_int_equal(mock_seen.msis, 1);
	ioapic_eoi(&mock_vm, 0x51);
	assert_int_equal(seen.ends, 1);
	assert_int_equal(seen.instance, INSTANCE);
	assert_int_equal(mock_state.ioapic.line, 0);
	assert_int_equal(mock_seen.msis, 1);
	/* The PICs: IRQ 10, at the second one's input 2. */
	pci_intx(&mock_vm, 2, true);
	for (unsigned chip = 0; chip < 2; chip++) {
		uint16_t port = chip ? 0xa0 : 0x20;

		out8(port, 0x11);
		out8(port + 1, 0x20 + 8 * chip);
		out8(port + 1, chip ? 2 : 4);
		out8(port + 1, 1);
		out8(port + 1, 0);
	}
	out8(0x4d1, 0x0c);
	assert_int_equal(pic_ack(&mock_vm), 0x2a);
	out8(0xa0, 0x62);
	assert_int_equal(seen.ends, 2);
	out8(0x20, 0x62);
	assert_int_equal(mock_state.pic.intr, 0);
	/* IRQ 11 is no line of slot 2's. */
	add(3);
	pci_intx(&mock_vm, 2, true);
	pci_intx(&mock_vm, 3, true);
	assert_int_equal(mock_state.pic.chip[1].line, 3 << 2);
	assert_int_equal(pic_ack(&mock_vm), 0x2a);
	out8(0xa0, 0x63);
	assert_int_equal(seen.ends, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_identity, power_on),
		cmocka_unit_test_setup(test_capabilities, power_on),
		cmocka_unit_test_setup(test_sizing, power_on),
		cmocka_unit_test_setup(test_moving, power_on),
		cmocka_unit_test_setup(test_not_decoded, power_on),
		cmocka_unit_test_setup(test_anywhere, power_on),
		cmocka_unit_test_setup(test_swap, power_on),
		cmocka_unit_test_setup(test_msix, power_on),
		cmocka_unit_test_setup(test_intx, power_on),
		cmocka_unit_test_setup(test_limits, power_on),
		cmocka_unit_test_setup(test_reset_and_resume, power_on),
		cmocka_unit_test_setup(test_config_hook, power_on),
		cmocka_unit_test_setup(test_ecam, power_on),
		cmocka_unit_test_setup(test_wide, power_on),
		cmocka_unit_test_setup(test_device_hooks, power_on),
	};

	return cmocka_run_group_tests(tests, NULL, power_off);
}
