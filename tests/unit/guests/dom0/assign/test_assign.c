/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c guests/dom0/assign/[a-z]*.c */
/* sources: drivers/pci/pci.c drivers/pci/msi.c drivers/pci/sriov.c */
/* flags: -include tests/unit/sampo_assign.h */
/*
 * A function of a model machine is given to a guest: an endpoint behind a PCIe port, with all that
 * a function has. The kernel counts handles and remembers what it was asked for.
 */
#include "tests/unit/log_mock.h"
#include "tests/unit/unit.h"

#include "tests/unit/mock_vm.h"
#include "tests/unit/pci_model.h"

#include "guests/dom0/assign/assign.h"
#include "guests/dom0/assign/function.h"
#include "guests/dom0/assign/group.h"
#include "guests/dom0/base/memory.h"

#define ECAM      0xb0000000u
#define REGISTERS 0xd0000000u
#define BAR_PORTS 2u
#define DOMAIN    77u
#define MS        1000000ull

enum { HOST, PORT, CARD, OTHER };

static struct sampo_boot boot_info;
const struct sampo_boot *boot = &boot_info;
const struct pci_driver *const pci_drivers[] = {NULL};

static uint8_t extended_space[FUNCTIONS][4096] __attribute__((aligned(8)));
static uint8_t registers[0x20000] __attribute__((aligned(4096)));
static struct {
	int handles, regions, windows, devices;
	unsigned maps, unmaps, irqs, raises, readies, quiets, entered, pins;
	uint64_t map_gpa[16], map_bytes[16], map_base[16];
	uint64_t msi_address, msi_data; /* of the latest event */
	uint64_t requester;
	uint32_t port_value, irq_source;
	irq_handler *pin;
	void *pin_context;
	int64_t device_status, irq_status;
} seen;
static uint64_t region_base[64];
static struct work *queued;

/* --- the machine --- */

uint32_t ports_open(uint16_t base, uint32_t count)
{
	(void)count;
	return base == 0xcf8 ? PCI_PORTS : BAR_PORTS;
}

uint32_t port_read(uint32_t ports, uint32_t offset, unsigned bytes)
{
	return ports == PCI_PORTS ? model_read(offset, bytes) : offset | bytes << 8;
}

void port_write(uint32_t ports, uint32_t offset, unsigned bytes, uint32_t value)
{
	if (ports == PCI_PORTS)
		model_write(offset, bytes, value);
	else
		seen.port_value = value | offset << 8;
}

volatile void *registers_map(uint64_t base, uint64_t bytes)
{
	for (unsigned i = 0; i < FUNCTIONS; i++)
		if (base == ECAM + (uint64_t)model[i].bdf * 4096)
			return extended_space[i];
	assert_true(base >= REGISTERS && base + bytes <= REGISTERS + sizeof(registers));
	seen.windows++;
	return registers + (base - REGISTERS);
}

void registers_unmap(volatile void *at, uint64_t bytes)
{
	(void)at;
	(void)bytes;
	seen.windows--;
}

uint32_t device_open(uint16_t requester, const char *name)
{
	(void)requester;
	(void)name;
	fail();
	return 0;
}

bool irq_message_bind(uint32_t device, irq_handler *handler, void *context, unsigned vector,
		      irq_program *program, void *function)
{
	(void)device;
	(void)handler;
	(void)context;
	(void)vector;
	(void)program;
	(void)function;
	fail();
	return false;
}

bool irq_pin_bind(unsigned pin, enum irq_trigger trigger, irq_handler *handler, void *context,
		  unsigned vector)
{
	(void)vector;
	assert_int_equal(pin, 11);
	assert_int_equal(trigger, IRQ_LEVEL_LOW);
	seen.pin = handler;
	seen.pin_context = context;
	seen.pins++;
	return true;
}

void irq_pin_unbind(unsigned pin, irq_handler *handler, void *context)
{
	(void)pin;
	assert_ptr_equal(handler, seen.pin);
	assert_ptr_equal(context, seen.pin_context);
	seen.pins--;
}

/* --- the kernel --- */

static int64_t handle(uint32_t *to)
{
	static uint32_t next = 100;

	*to = next++;
	seen.handles++;
	return SAMPO_OK;
}

int64_t sampo_handle_close(uint32_t closed)
{
	assert_true(closed != 0);
	seen.handles--;
	return SAMPO_OK;
}

int64_t sampo_region_of_machine(uint32_t machine, uint64_t flags, uint64_t base, uint64_t size,
				uint32_t *region)
{
	(void)machine;
	assert_int_equal(flags, SAMPO_REGION_PHYSICAL);
	assert_int_equal(base % 4096 | size % 4096, 0);
	handle(region);
	region_base[*region % 64] = base;
	return SAMPO_OK;
}

int64_t sampo_region_map(uint32_t region, uint32_t domain, uint64_t gpa, uint64_t offset,
			 uint64_t perms, uint64_t bytes)
{
	unsigned n = seen.maps++ % 16;

	assert_int_equal(domain, DOMAIN);
	assert_int_equal(offset, 0);
	assert_int_equal(perms, SAMPO_MAP_R | SAMPO_MAP_W);
	seen.map_gpa[n] = gpa;
	seen.map_bytes[n] = bytes;
	seen.map_base[n] = region_base[region % 64];
	return SAMPO_OK;
}

int64_t sampo_region_unmap(uint32_t domain, uint64_t gpa, uint64_t bytes)
{
	(void)gpa;
	(void)bytes;
	assert_int_equal(domain, DOMAIN);
	seen.unmaps++;
	return SAMPO_OK;
}

int64_t sampo_event_create(uint32_t domain, uint64_t kind, uint64_t a, uint64_t b, uint32_t *event)
{
	assert_int_equal(domain, DOMAIN);
	assert_int_equal(kind, SAMPO_EVENT_MSI);
	seen.msi_address = a;
	seen.msi_data = b;
	return handle(event);
}

int64_t sampo_irq(uint32_t event, uint64_t op, uint32_t source, uint64_t pin, uint64_t *message)
{
	(void)event;
	(void)pin;
	if (op == SAMPO_IRQ_UNBIND) {
		seen.irqs--;
		return SAMPO_OK;
	}
	assert_int_equal(op, SAMPO_IRQ_BIND);
	assert_true(source != 0);
	if (seen.irq_status)
		return seen.irq_status;
	seen.irqs++;
	*message = 0xfee00018ull << 32 | (0x100 + seen.irqs);
	return SAMPO_OK;
}

int64_t sampo_event_raise(uint32_t event)
{
	(void)event;
	seen.raises++;
	return SAMPO_OK;
}

int64_t sampo_object_info(uint32_t of, uint64_t what, void *to, uint64_t bytes, uint64_t first,
			  uint64_t *written)
{
	(void)written;
	assert_int_equal(of, DOMAIN);
	assert_int_equal(what, SAMPO_INFO_BUS);
	assert_int_equal(bytes, 8);
	*(uint64_t *)to = first;
	seen.entered++;
	return SAMPO_OK;
}

int64_t sampo_device_create(uint32_t machine, uint64_t requester, uint32_t domain, uint64_t name,
			    uint32_t *device)
{
	(void)machine;
	assert_int_equal(domain, DOMAIN);
	assert_memory_equal(&name, "linux\0\0", 8);
	/* All of the RAM is there, and the function has been reset. */
	assert_true(seen.entered * (2ull << 20) >= mock_vm.ram_bytes);
	seen.requester = requester;
	if (seen.device_status)
		return seen.device_status;
	seen.devices++;
	return handle(device);
}

/* --- dom0 around it --- */

void work_queue(struct work *work)
{
	assert_null(queued);
	work->queued = 1;
	queued = work;
}

static void run_work(void)
{
	while (queued) {
		struct work *work = queued;

		queued = NULL;
		work->queued = 0;
		work->run(work);
	}
}

void blk_hold(void)
{
	fail();
}

void blk_release(void)
{
	fail();
}

void vm_became_ready(struct vm *vm)
{
	(void)vm;
	seen.readies++;
}

void vm_became_quiet(struct vm *vm)
{
	(void)vm;
	seen.quiets++;
}

/* --- the model machine --- */

static void put(uint8_t *to, unsigned offset, unsigned bytes, uint32_t value)
{
	memcpy(to + offset, &value, bytes);
}

static uint32_t hw(unsigned n, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	memcpy(&value, model[n].config + offset, bytes);
	return value;
}

static void make_function(unsigned n, uint16_t bdf, uint32_t id, uint32_t class_code)
{
	model[n] = (struct model){.there = true, .bdf = bdf};
	put(model[n].config, 0, 4, id);
	put(model[n].config, 8, 4, class_code << 8 | 2);
	put(model[n].writable, 4, 2, 0x0547);
	put(model[n].config, 6, 2, 0x0010);
	memset(extended_space[n], 0, 4096);
}

static void make_port(void)
{
	make_function(PORT, 0x08, 0x000c1b36, 0x060400);
	model[PORT].config[0x0e] = 1;
	model[PORT].config[0x19] = model[PORT].config[0x1a] = 1;
	put(model[PORT].writable, 0x3e, 2, 0x40);
	model[PORT].config[0x34] = 0x40;
	put(model[PORT].config, 0x40, 4, 0x00420010); /* a root port */
	put(extended_space[PORT], 0x100, 4, 0x0001000d);
	put(extended_space[PORT], 0x104, 2, 0x005f);
}

static void make_card(void)
{
	uint8_t *c, *w;

	make_function(CARD, 0x100, 0x56781234, 0x010802);
	c = model[CARD].config;
	w = model[CARD].writable;
	put(c, 0x10, 4, REGISTERS | 4);
	put(w, 0x10, 4, 0xffffc000);
	put(w, 0x14, 4, 0xffffffff);
	put(c, 0x18, 4, 0xc001);
	put(w, 0x18, 4, 0xffffffe0);
	put(c, 0x20, 4, REGISTERS + 0x10000);
	put(w, 0x20, 4, 0xffffff00);
	put(c, 0x2c, 4, 0x9abcdef0);
	put(c, 0x3c, 4, 0x0000010b);
	c[0x34] = 0x40;
	put(c, 0x40, 4, 0xfec35001); /* PM, PMEs from every state */
	put(c, 0x44, 2, 0x8000);
	put(w, 0x44, 2, 0x8103);
	put(c, 0x50, 4, 0x018a7005); /* MSI: 64 bits, masks, 32 messages */
	put(w, 0x52, 2, 0x0071);
	put(w, 0x54, 4, 0xfffffffc);
	put(w, 0x58, 4, 0xffffffff);
	put(w, 0x5c, 2, 0xffff);
	put(w, 0x60, 4, 0xffffffff);
	put(c, 0x64, 4, 0x00000003);
	put(c, 0x70, 4, 0x0102b010); /* PCIe, version 2, endpoint with a slot's flag */
	put(c, 0x74, 4, 0x10008fc2); /* with a reset */
	put(c, 0x78, 2, 0x2810);
	put(w, 0x78, 2, 0xffff);
	put(c, 0x7a, 2, 0x0009);
	put(w, 0x7a, 2, 0xffff);
	put(c, 0x7c, 4, 0x00437c11);
	put(c, 0x94, 4, 0x0000001f);
	put(w, 0x98, 2, 0xffff);
	put(c, 0xb0, 4, 0x0002c011); /* MSI-X: three entries */
	put(w, 0xb2, 2, 0xc000);
	put(c, 0xb4, 4, 0x2000);
	put(c, 0xb8, 4, 0x3000);
	put(c, 0xc0, 4, 0x1234d003); /* VPD, which is hidden */
	put(c, 0xc4, 4, 0xcccccccc);
	put(c, 0xd0, 4, 0x77080009); /* the vendor's own */
	put(c, 0xd4, 4, 0x11223344);
	put(w, 0xd4, 4, 0xffffffff);
	put(extended_space[CARD], 0x100, 4, 0x15020001); /* AER */
	put(extended_space[CARD], 0x104, 4, 0xaaaaaaaa);
	put(extended_space[CARD], 0x150, 4, 0x1601000f); /* ATS */
	put(extended_space[CARD], 0x154, 4, 0xbbbbbbbb);
	put(extended_space[CARD], 0x160, 4, 0x18010003); /* serial number */
	put(extended_space[CARD], 0x164, 4, 0x00c0ffee);
	put(extended_space[CARD], 0x180, 4, 0x00010010); /* SR-IOV */
	put(extended_space[CARD], 0x184, 4, 0xdddddddd);
}

static bool reserve_all(const struct pci_device *dev)
{
	(void)dev;
	return true;
}

/* The functions of a scan are there for good: only tests scan again. */
static void scan(void)
{
	for (struct pci_device *dev = pci_first(), *next; dev; dev = next) {
		next = dev->next;
		free(dev);
	}
	pci_start(reserve_all);
	assign_start();
}

static int power_on(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	memset(model, 0, sizeof(model));
	memset(registers, 0, sizeof(registers));
	queued = NULL;
	mock_power_on();
	mock_config.hostdevs = 1;
	mock_config.hostdev[0].requester = 0x100;
	mock_vm.domain = DOMAIN;
	memcpy(mock_vm.name, "linux", 6);
	boot_info.flags = SAMPO_BOOT_IOMMU | SAMPO_BOOT_REMAPS;
	make_function(HOST, 0, 0x29c08086, 0x060000);
	make_port();
	make_card();
	pci_extended_at(ECAM, 0, 255);
	scan();
	memset(&seen, 0, sizeof(seen));
	return 0;
}

/* The guest ends, and nothing is left. */
static int power_off(void **state)
{
	(void)state;
	if (mock_vm.assign) {
		assign_part.detach(&mock_vm);
		run_work();
		mock_advance(200 * MS);
		run_work();
		assert_true(assign_part.quiet(&mock_vm));
		assert_int_equal(seen.irqs, 0);
		assign_part.free(&mock_vm);
	}
	assert_int_equal(seen.handles, 0);
	assert_int_equal(seen.windows, 0);
	assert_int_equal(seen.pins, 0);
	mock_power_off();
	return 0;
}

static void start(void)
{
	const char *wrong = assign_part.attach(&mock_vm);

	if (wrong)
		fail_msg("%s", wrong);
	assert_false(assign_part.ready(&mock_vm));
	mock_advance(200 * MS);
	run_work();
	assert_true(assign_part.ready(&mock_vm));
	assert_int_equal(seen.readies, 1);
	assert_null(assign_part.boot(&mock_vm));
}

/* The guest's configuration space. */
static uint32_t get(unsigned offset, unsigned bytes)
{
	return (uint32_t)bus_read(&mock_vm, BUS_MMIO, PCI_ECAM_BASE + 0x8000 + offset, bytes);
}

static void set(unsigned offset, unsigned bytes, uint32_t value)
{
	bus_write(&mock_vm, BUS_MMIO, PCI_ECAM_BASE + 0x8000 + offset, bytes, value);
}

/* --- tests --- */

static void test_header(void **state)
{
	(void)state;
	start();
	assert_int_equal(get(0, 4), 0x56781234);
	assert_int_equal(get(8, 4), 0x01080202);
	assert_int_equal(get(0x2c, 4), 0x9abcdef0);
	assert_int_equal(get(0x0e, 1), 0);
	assert_int_equal(get(0x3d, 1), 1);
	assert_int_equal(get(0x30, 4), 0); /* no ROM */
	assert_int_equal(seen.requester, 0x100);
	/* The guest's command register: of its bits the function gets the master's. */
	assert_int_equal(get(4, 2), 3);
	assert_int_equal(hw(CARD, 4, 2) & 7, 3);
	set(4, 2, 0xffff);
	assert_int_equal(get(4, 2), 0x0407);
	assert_int_equal(hw(CARD, 4, 2), 0x0407);
	set(4, 2, 0);
	assert_int_equal(hw(CARD, 4, 2), 0x0003);
	/* Errors are live, and a 1 clears them. */
	put(model[CARD].config, 6, 2, 0x2010);
	put(model[CARD].writable, 6, 2, 0xf900);
	assert_int_equal(get(6, 2), 0x2010);
	set(6, 2, 0x0010);
	assert_int_equal(hw(CARD, 6, 2), 0x0010); /* the model stores what is written */
	assert_string_equal(assign_owner(pci_at(0x100)), "linux");
}

/* Every bit of the first 256 bytes: what a guest can change of its own view, and of the function.
 */
static void test_every_bit(void **state)
{
	uint8_t before[256], real[256];

	(void)state;
	start();
	set(4, 2, 0);
	for (unsigned i = 0; i < 256; i++)
		before[i] = (uint8_t)get(i, 1);
	memcpy(real, model[CARD].config, 256);
	for (unsigned i = 0x40; i < 256; i++) {
		bool mine = i == 0x44 || i == 0x52 || (i >= 0x54 && i < 0x5e) || i == 0x60 ||
			    i == 0x78 || i == 0x79 || i == 0x7a || i == 0xb3;

		if (mine)
			continue;
		set(i, 1, 0xff);
		set(i, 1, 0x00);
		assert_int_equal(get(i, 1), before[i]);
		assert_int_equal(model[CARD].config[i], real[i]);
	}
}

static void test_capabilities(void **state)
{
	(void)state;
	start();
	assert_int_equal(get(0x34, 1), 0x40);
	assert_int_equal(get(0x40, 4), 0x00c35001); /* PM: no PME, no D1, no D2 */
	assert_int_equal(get(0x44, 4), 8);          /* keeps its state */
	set(0x44, 2, 0xffff);
	assert_int_equal(get(0x44, 4), 0xb);
	assert_int_equal(hw(CARD, 0x44, 2), 0x8000);
	set(0x44, 2, 0);
	assert_int_equal(get(0x50, 4), 0x01807005); /* one message */
	assert_int_equal(get(0x70, 4), 0x0092b010); /* integrated, no slot */
	assert_int_equal(get(0x74, 4), 0x10008fc2 & ~0x18u);
	assert_int_equal(get(0x78, 2), 0x2810);
	assert_int_equal(hw(CARD, 0x78, 2), 0x2010);
	set(0x78, 2, 0x57ff);
	assert_int_equal(hw(CARD, 0x78, 2), 0x5010); /* no larger payload, no reports */
	/* What the function writes past the CPUs' caches a guest's WBINVD would not show. */
	set(0x78, 2, 0x5810);
	assert_int_equal(hw(CARD, 0x78, 2), 0x5010);
	assert_int_equal(get(0x78, 2), 0x5810);
	assert_int_equal(get(0x7c, 4), 0); /* no link */
	assert_int_equal(get(0x80, 4), 0);
	assert_int_equal(get(0x94, 4), 0x1f);
	assert_int_equal(get(0xb0, 4), 0x0002d011); /* the list leads past VPD */
	assert_int_equal(get(0xc0, 4), 0);
	assert_int_equal(get(0xc4, 4), 0);
	assert_int_equal(get(0xd0, 4), 0x77080009);
	put(model[CARD].config, 0xd4, 4, 0x55667788); /* live */
	assert_int_equal(get(0xd4, 4), 0x55667788);
	set(0xd4, 4, 0);
	assert_int_equal(hw(CARD, 0xd4, 4), 0x55667788);
}

static void test_extended(void **state)
{
	(void)state;
	start();
	assert_int_equal(get(0x100, 4), 0x16020001);
	assert_int_equal(get(0x102, 2), 0x1602);
	assert_int_equal(get(0x104, 4), 0xaaaaaaaa);
	assert_int_equal(get(0x150, 4), 0);
	assert_int_equal(get(0x154, 4), 0);
	assert_int_equal(get(0x160, 4), 0x00010003);
	assert_int_equal(get(0x164, 4), 0x00c0ffee);
	assert_int_equal(get(0x180, 4), 0);
	assert_int_equal(get(0x184, 4), 0);
	assert_int_equal(get(0xffc, 4), 0);
	set(0x104, 4, 0);
	assert_int_equal(get(0x104, 4), 0xaaaaaaaa);
	/* Where the first one is hidden, one that says nothing is in its place. */
	power_off(NULL);
	power_on(NULL);
	put(extended_space[CARD], 0x100, 4, 0x16010010);
	start();
	assert_int_equal(get(0x100, 4), 0x16010000);
	assert_int_equal(get(0x104, 4), 0);
	assert_int_equal(get(0x160, 4), 0x00010003);
}

/* Pages of the table come to dom0, the others are mapped where the guest has put the BAR. */
static void test_bars(void **state)
{
	(void)state;
	start();
	assert_int_equal(get(0x10, 4), 0xc0000004);
	assert_int_equal(get(0x14, 4), 0);
	assert_int_equal(get(0x18, 4), 0xc001);
	assert_int_equal(get(0x20, 4), 0xc0004000);
	assert_int_equal(seen.maps, 1);
	assert_true(seen.map_gpa[0] == 0xc0000000 && seen.map_base[0] == REGISTERS);
	assert_int_equal(seen.map_bytes[0], 0x2000);
	set(4, 2, 0);
	assert_int_equal(seen.unmaps, 1);
	set(0x10, 4, 0xffffffff);
	set(0x14, 4, 0xffffffff);
	assert_int_equal(get(0x10, 4), 0xffffc004);
	assert_int_equal(get(0x14, 4), 0xffffffff);
	set(0x10, 4, 0x10000000);
	set(0x14, 4, 0x50);
	assert_int_equal(seen.maps, 1);
	set(4, 2, 2);
	assert_int_equal(seen.maps, 2);
	assert_true(seen.map_gpa[1] == 0x5010000000);
	/* Bytes beside the table and the pending bits go to the function. */
	put(registers, 0x2040, 4, 0x12345678);
	put(registers, 0x3000, 4, 5);
	assert_int_equal(read32(0x5010002040), 0x12345678);
	assert_int_equal(bus_read(&mock_vm, BUS_MMIO, 0x5010002042, 1), 0x34);
	write32(0x5010002048, 0xaabbccdd);
	assert_int_equal(*(uint32_t *)(registers + 0x2048), 0xaabbccdd);
	assert_int_equal(read32(0x5010003000), 5);
	assert_int_equal(read32(0x5010000000), 0xffffffff); /* the guest has it mapped */
	/* A BAR that is smaller than a page, and ports. */
	put(registers, 0x10010, 4, 77);
	assert_int_equal(read32(0xc0004010), 77);
	set(4, 2, 3);
	assert_int_equal(in16(0xc006), 0x206);
	out8(0xc003, 9);
	assert_int_equal(seen.port_value, 0x309);
}

/* The guest's message is an event's; the function sends the kernel's. */
static void test_msix(void **state)
{
	const uint64_t table = 0xc0002000;
	const uint32_t *real = (const uint32_t *)(registers + 0x2000);

	(void)state;
	start();
	put(registers, 0x2000 + 12, 4, 0);
	assert_int_equal(read32(table + 12), 1);
	write32(table, 0xfee03003);
	write32(table + 4, 0);
	write32(table + 8, 0x4055);
	write32(table + 12, 0);
	assert_int_equal(seen.irqs, 0); /* not enabled */
	set(0xb2, 2, 0x8000);
	assert_int_equal(hw(CARD, 0xb2, 2), 0x8002);
	assert_int_equal(seen.irqs, 1);
	assert_int_equal(seen.msi_address, 0xfee03000);
	assert_int_equal(seen.msi_data, 0x4055);
	assert_int_equal(real[0], 0xfee00018);
	assert_int_equal(real[2], 0x101);
	assert_int_equal(real[3], 0);
	assert_int_equal(real[7], 1); /* the others are masked */
	assert_int_equal(real[11], 1);
	assert_int_equal(read32(table), 0xfee03000); /* the guest reads its own */
	assert_int_equal(read32(table + 8), 0x4055);
	assert_int_equal(bus_read(&mock_vm, BUS_MMIO, table + 8, 8), 0x4055);
	/* Masked by the function's own bit: pending bits come. */
	write32(table + 12, 1);
	assert_int_equal(real[3], 1);
	assert_int_equal(seen.irqs, 1);
	write32(table + 12, 0);
	assert_int_equal(seen.irqs, 1);
	assert_int_equal(seen.raises, 0);
	/* To another CPU of the guest: one that was on its way comes there. */
	write32(table + 12, 1);
	write32(table, 0xfee07000);
	write32(table + 12, 0);
	assert_int_equal(seen.irqs, 1);
	assert_int_equal(seen.msi_address, 0xfee07000);
	assert_int_equal(seen.raises, 1);
	assert_int_equal(real[3], 0);
	/* All masked; off. */
	set(0xb2, 2, 0xc000);
	assert_int_equal(hw(CARD, 0xb2, 2) & 0xc000, 0xc000);
	set(0xb2, 2, 0);
	assert_int_equal(hw(CARD, 0xb2, 2) & 0x8000, 0);
	assert_int_equal(seen.irqs, 0);
	/* No interrupt is left: the vector stays masked. */
	seen.irq_status = SAMPO_ENOMEM;
	set(0xb2, 2, 0x8000);
	assert_int_equal(real[3], 1);
	assert_int_equal(seen.irqs, 0);
	seen.irq_status = SAMPO_OK;
	write32(table + 12, 0);
	assert_int_equal(real[3], 0);
	/* Odd accesses, and beyond the table. */
	bus_write(&mock_vm, BUS_MMIO, table + 9, 1, 0xff);
	assert_int_equal(read32(table + 8), 0x4055);
	write32(table + 48, 3);
	assert_int_equal(real[12], 3);
}

/* A table amid a page: an access across its begin reaches no register of the table. */
static void test_across(void **state)
{
	const uint64_t table = 0xc0002020;
	const uint32_t *real = (const uint32_t *)(registers + 0x2020);

	(void)state;
	put(model[CARD].config, 0xb4, 4, 0x2020);
	scan();
	start();
	write32(table, 0xfee03000);
	write32(table + 8, 0x4055);
	write32(table + 12, 0);
	set(0xb2, 2, 0x8000);
	assert_int_equal(real[0], 0xfee00018);
	bus_write(&mock_vm, BUS_MMIO, table - 4, 8, 0xfee0000000000000);
	bus_write(&mock_vm, BUS_MMIO, table - 2, 4, 0xffffffff);
	assert_int_equal(real[0], 0xfee00018);
	assert_int_equal(real[-1], 0);
	assert_int_equal(bus_read(&mock_vm, BUS_MMIO, table - 4, 8) >> 32, 0xfee03000);
	write32(table - 4, 0x12345678);
	assert_int_equal(real[-1], 0x12345678);
	assert_int_equal(read32(table - 4), 0x12345678);
}

static void test_msi(void **state)
{
	(void)state;
	start();
	set(0x54, 4, 0xfee05000);
	set(0x58, 4, 0);
	set(0x5c, 2, 0x41);
	assert_int_equal(seen.irqs, 0);
	set(0x52, 2, 0x0001);
	assert_int_equal(seen.irqs, 1);
	assert_int_equal(seen.msi_address, 0xfee05000);
	assert_int_equal(seen.msi_data, 0x41);
	assert_int_equal(hw(CARD, 0x54, 4), 0xfee00018);
	assert_int_equal(hw(CARD, 0x58, 4), 0);
	assert_int_equal(hw(CARD, 0x5c, 2), 0x101);
	assert_int_equal(hw(CARD, 0x52, 2) & 0x71, 1);
	assert_int_equal(get(0x54, 4), 0xfee05000);
	assert_int_equal(get(0x5c, 2), 0x41);
	/* The mask is the function's, and so are its pending bits. */
	set(0x60, 4, 0xffffffff);
	assert_int_equal(hw(CARD, 0x60, 4), 1);
	assert_int_equal(get(0x60, 4), 1);
	assert_int_equal(get(0x64, 4), 1);
	set(0x5c, 2, 0x42);
	assert_int_equal(seen.msi_data, 0x42);
	assert_int_equal(seen.irqs, 1);
	assert_int_equal(seen.raises, 1);
	set(0x52, 2, 0);
	assert_int_equal(hw(CARD, 0x52, 2) & 1, 0);
	assert_int_equal(seen.irqs, 0);
}

static void asserts_pin(bool up)
{
	put(model[CARD].config, 6, 2, up ? 0x18 : 0x10);
	seen.pin(seen.pin_context, 0);
}

/* The pin: kept quiet from the interrupt until the guest has ended it. */
static void test_pin(void **state)
{
	(void)state;
	start();
	assert_int_equal(seen.pins, 1);
	assert_int_equal(hw(CARD, 4, 2) & 0x400, 0);
	asserts_pin(false); /* another function has the pin, too */
	assert_int_equal(mock_state.ioapic.line, 0);
	asserts_pin(true);
	assert_int_equal(hw(CARD, 4, 2) & 0x400, 0x400);
	assert_int_equal(mock_state.ioapic.line, 1 << 17);
	seen.pin(seen.pin_context, 0);
	pci_intx_ended(&mock_vm, 2);
	assert_int_equal(mock_state.ioapic.line, 0);
	assert_int_equal(hw(CARD, 4, 2) & 0x400, 0);
	/* The guest has its pin off, or uses messages. */
	asserts_pin(true);
	set(4, 2, 0x403);
	assert_int_equal(mock_state.ioapic.line, 0);
	assert_int_equal(hw(CARD, 4, 2) & 0x400, 0x400);
	set(4, 2, 3);
	assert_int_equal(hw(CARD, 4, 2) & 0x400, 0);
	set(0x52, 2, 1);
	assert_int_equal(hw(CARD, 4, 2) & 0x400, 0x400);
	set(0x52, 2, 0);
	assert_int_equal(hw(CARD, 4, 2) & 0x400, 0);
}

/* A reset of the guest resets the function, and the guest waits for it. */
static void test_reset(void **state)
{
	(void)state;
	start();
	set(4, 2, 7);
	set(0x52, 2, 1);
	put(model[CARD].config, 0x10, 4, 4); /* a reset takes BARs away */
	platform_part.reset(&mock_vm);
	assign_part.reset(&mock_vm);
	assert_false(assign_part.quiet(&mock_vm));
	assert_int_equal(seen.irqs, 0);
	assert_int_equal(hw(CARD, 4, 2) & 4, 0);
	assert_int_equal(seen.devices, 1);
	mock_advance(50 * MS);
	assert_int_equal(hw(CARD, 0x78, 2) & 0x8000, 0x8000);
	assert_int_equal(seen.quiets, 0);
	model[CARD].there = false; /* it does not answer */
	mock_advance(200 * MS);
	assert_int_equal(seen.quiets, 0);
	model[CARD].there = true;
	mock_advance(100 * MS);
	assert_int_equal(seen.quiets, 1);
	assert_int_equal(hw(CARD, 0x10, 4), REGISTERS | 4);
	assert_int_equal(hw(CARD, 0x78, 2) & 0x8000, 0);
	assert_null(assign_part.boot(&mock_vm));
	assert_int_equal(get(4, 2), 3);
	assert_int_equal(seen.devices, 1); /* it is the guest's all the time */
}

/* The guest resets the function by itself, and sees nothing of it meanwhile. */
static void test_guest_reset(void **state)
{
	(void)state;
	start();
	set(4, 2, 7);
	set(0x10, 4, 0xc8000000);
	set(0x52, 2, 1);
	assert_int_equal(seen.irqs, 1);
	set(0x78, 1, 0xff);
	assert_int_equal(get(4, 2), 7); /* the lower byte has no such bit */
	set(0x78, 2, 0x8000);
	put(model[CARD].config, 0x10, 4, 4);
	for (unsigned i = 0; i < 10; i++, mock_advance(5 * MS)) {
		assert_int_equal(get(4, 2), 0xffff);
		assert_int_equal(get(0x100, 4), 0xffffffff);
		set(4, 2, 7); /* is lost */
		set(0x78, 2, 0x8000);
	}
	assert_int_equal(seen.irqs, 0);
	assert_int_equal(hw(CARD, 4, 2) & 4, 0);
	assert_int_equal(hw(CARD, 0x78, 2) & 0x8000, 0x8000);
	mock_advance(300 * MS);
	assert_int_equal(get(0, 4), 0x56781234);
	assert_int_equal(get(4, 2), 0);
	assert_int_equal(get(0x10, 4), 4);
	assert_int_equal(get(0x52, 2) & 1, 0);
	assert_int_equal(get(0x78, 2) & 0x8000, 0);
	assert_int_equal(hw(CARD, 0x10, 4), REGISTERS | 4);
	set(0x10, 4, 0xc8000000);
	set(4, 2, 7);
	set(0x52, 2, 1);
	assert_int_equal(get(0x10, 4), 0xc8000004);
	assert_int_equal(hw(CARD, 4, 2) & 4, 4);
	assert_int_equal(seen.irqs, 1);
	assert_int_equal(seen.map_gpa[(seen.maps - 1) % 16] & ~0xffffull, 0xc8000000);
	assert_int_equal(seen.devices, 1);
	assert_int_equal(seen.readies, 1);
	/* A reset of the guest comes in between: BARs are where firmware puts them. */
	set(0x78, 2, 0x8000);
	mock_advance(50 * MS);
	platform_part.reset(&mock_vm);
	assign_part.reset(&mock_vm);
	assert_false(assign_part.quiet(&mock_vm));
	mock_advance(300 * MS);
	assert_true(assign_part.quiet(&mock_vm));
	assert_int_equal(get(4, 2), 3);
	assert_int_not_equal(get(0x10, 4), 4);
	/* ... and one from which it does not come back. */
	set(0x78, 2, 0x8000);
	put(model[CARD].config, 0, 4, 0xffffffff);
	mock_advance(62000 * MS);
	put(model[CARD].config, 0, 4, 0x56781234);
	assert_int_equal(get(4, 2), 0xffff);
	assign_forget(pci_at(0x100));
}

/* The advanced features' reset, where PCI Express has none. */
static void test_advanced(void **state)
{
	(void)state;
	put(model[CARD].config, 0x74, 4, 0x8fc2);
	put(model[CARD].config, 0xc0, 4, 0x0306d013); /* AF in the place of VPD */
	put(model[CARD].config, 0xc4, 4, 0x00000000);
	put(model[CARD].writable, 0xc4, 4, 0x00000001);
	scan();
	assert_null(assign_part.attach(&mock_vm));
	mock_advance(1 * MS);
	assert_int_equal(hw(CARD, 0xc4, 1), 1);
	assert_int_equal(hw(PORT, 0x3e, 2) & 0x40, 0);
	assert_int_equal(hw(CARD, 0x78, 2) & 0x8000, 0);
	put(model[CARD].config, 0x10, 4, 4);
	mock_advance(200 * MS);
	run_work();
	assert_null(assign_part.boot(&mock_vm));
	assert_int_equal(hw(CARD, 0x10, 4), REGISTERS | 4);
	assert_int_equal(get(0x74, 4), 0x10008fc2);
	assert_int_equal(get(0xc0, 4), 0); /* the guest does not see AF */
	/* Without PCI Express its own status says whether transactions are pending. */
	power_off(NULL);
	power_on(NULL);
	model[CARD].config[0x51] = 0xc0;
	put(model[CARD].config, 0xc0, 4, 0x0306d013);
	put(model[CARD].config, 0xc4, 4, 0x00000100);
	put(model[CARD].writable, 0xc4, 4, 0x00000001);
	scan();
	assert_null(assign_part.attach(&mock_vm));
	mock_advance(50 * MS);
	assert_int_equal(hw(CARD, 0xc4, 1), 0);
	put(model[CARD].config, 0xc4, 4, 0x00000000);
	mock_advance(20 * MS);
	assert_int_equal(hw(CARD, 0xc4, 1), 1);
	mock_advance(200 * MS);
	run_work();
	assert_true(assign_part.ready(&mock_vm));
}

/* The way to D3hot and back, on the root's bus, where nothing else is left. */
static void test_power(void **state)
{
	(void)state;
	model[CARD].bdf = 0x10;
	mock_config.hostdev[0].requester = 0x10;
	put(model[CARD].config, 0x74, 4, 0x8fc2);
	scan();
	assert_null(assign_part.attach(&mock_vm));
	mock_advance(1 * MS);
	assert_int_equal(hw(CARD, 0x44, 2) & 3, 3);
	put(model[CARD].config, 0x10, 4, 4);
	mock_advance(12 * MS);
	assert_int_equal(hw(CARD, 0x44, 2) & 3, 0);
	assert_int_equal(hw(CARD, 0x10, 4), 4); /* it is not touched before it has settled */
	mock_advance(200 * MS);
	run_work();
	assert_null(assign_part.boot(&mock_vm));
	assert_int_equal(hw(CARD, 0x10, 4), REGISTERS | 4);
	/* One that keeps its state in D3hot has no reset. */
	power_off(NULL);
	power_on(NULL);
	model[CARD].bdf = 0x10;
	mock_config.hostdev[0].requester = 0x10;
	put(model[CARD].config, 0x74, 4, 0x8fc2);
	put(model[CARD].config, 0x44, 2, 8);
	scan();
	assert_non_null(strstr(assign_part.attach(&mock_vm), "no bridge has one for it"));
}

static void test_dead(void **state)
{
	(void)state;
	start();
	assign_part.reset(&mock_vm);
	put(model[CARD].config, 0, 4, 0xffffffff);
	mock_advance(59000 * MS);
	assert_false(assign_part.quiet(&mock_vm));
	mock_advance(2000 * MS);
	assert_true(assign_part.quiet(&mock_vm));
	assert_non_null(strstr(assign_part.boot(&mock_vm), "does not answer after its reset"));
	assign_part.detach(&mock_vm);
	mock_advance(62000 * MS);
	assert_int_equal(seen.handles, 1); /* of the piece of its BAR: it belongs to nobody */
	assign_part.free(&mock_vm);
	assert_null(assign_owner(pci_at(0x100)));
	put(model[CARD].config, 0, 4, 0x56781234);
	assert_non_null(strstr(assign_part.attach(&mock_vm), "did not come back from a reset"));
}

/* The guest ends at any time. */
static void test_end(void **state)
{
	(void)state;
	for (unsigned ms = 0; ms < 150; ms += 10) {
		const char *wrong = assign_part.attach(&mock_vm);

		if (wrong)
			fail_msg("%s", wrong);
		mock_advance(ms * MS);
		power_off(NULL);
		power_on(NULL);
	}
	start();
	assign_part.reset(&mock_vm);
	mock_advance(20 * MS);
}

static const char *refusal(void)
{
	const char *text = assign_part.attach(&mock_vm);

	if (!text)
		fail_msg("it was not refused");
	assert_null(mock_vm.assign);
	return text;
}

static void test_refused(void **state)
{
	(void)state;
	boot_info.flags = 0;
	assert_non_null(strstr(refusal(), "no IOMMU in use"));
	assert_false(assign_reserves(pci_at(0x100)));
	boot_info.flags = SAMPO_BOOT_IOMMU;
	assert_non_null(strstr(refusal(), "does not remap interrupts"));
	boot_info.flags |= SAMPO_BOOT_REMAPS;
	assert_true(assign_reserves(pci_at(0x100)));
	assert_false(assign_reserves(pci_at(0x08)));
	mock_config.hostdev[0].requester = 0x208;
	assert_non_null(strstr(refusal(), "02:01.0: there is no such device"));
	mock_config.hostdev[0].requester = 0x08;
	assert_non_null(strstr(refusal(), "a bridge or a part of the machine itself"));
	mock_config.hostdev[0].requester = 0x100;
	pci_at(0x100)->driver = "nvme";
	assert_non_null(strstr(refusal(), "dom0 uses it (nvme)"));
	pci_at(0x100)->driver = NULL;
	seen.device_status = SAMPO_EEXIST;
	assert_null(assign_part.attach(&mock_vm));
	mock_advance(200 * MS);
	run_work();
	assert_non_null(strstr(assign_part.boot(&mock_vm), "the IOMMU: refused"));
	power_off(NULL);
	power_on(NULL);
	seen.device_status = SAMPO_EBUSY;
	assert_null(assign_part.attach(&mock_vm));
	mock_advance(200 * MS);
	run_work();
	assert_non_null(strstr(assign_part.boot(&mock_vm), "firmware uses it, too"));
	power_off(NULL);
	power_on(NULL);
	/* No reset of its own: its bus's. */
	put(model[CARD].config, 0x74, 4, 0x8fc2);
	put(model[CARD].config, 0x44, 2, 8);
	start();
	power_off(NULL);
	power_on(NULL);
	/* Another function on the bus has no part in that. */
	make_function(OTHER, 0x101, 0x11112222, 0x020000);
	put(model[CARD].config, 0x74, 4, 0x8fc2);
	put(model[CARD].config, 0x44, 2, 8);
	model[CARD].config[0x0e] = 0x80;
	scan();
	assert_non_null(strstr(refusal(), "it has no reset of its own, and others share its bus"));
	put(model[CARD].config, 0x74, 4, 0x10008fc2);
	assert_non_null(strstr(refusal(), "goes together with 01:00.1"));
	/* No interrupt. */
	power_on(NULL);
	model[CARD].config[0x34] = 0x70;
	model[CARD].config[0x71] = 0;
	put(model[CARD].writable, 4, 2, 7);
	scan();
	assert_non_null(strstr(refusal(), "its pin cannot be shared"));
	put(model[CARD].config, 0x3c, 2, 0);
	scan();
	assert_non_null(strstr(refusal(), "no pin"));
}

static void test_groups(void **state)
{
	(void)state;
	/* The port has ACS, which is on now: port and card are apart. */
	assert_int_equal(extended_space[PORT][0x106], 0x1d);
	assert_int_equal(group_of(pci_at(0)), 0);
	assert_int_equal(group_of(pci_at(0x08)), 1);
	assert_int_equal(group_of(pci_at(0x100)), 2);
	/* Without it they are one, and so are functions of a device without it. */
	memset(extended_space[PORT], 0, 4096);
	make_function(OTHER, 0x101, 0x11112222, 0x020000);
	model[CARD].config[0x0e] = 0x80;
	scan();
	assert_int_equal(group_of(pci_at(0x100)), 1);
	assert_int_equal(group_of(pci_at(0x101)), 1);
	make_port();
	scan();
	assert_int_equal(group_of(pci_at(0x08)), 1);
	assert_int_equal(group_of(pci_at(0x100)), 2);
	assert_int_equal(group_of(pci_at(0x101)), 2);
	/* Both for one guest. */
	mock_config.hostdevs = 2;
	mock_config.hostdev[1].requester = 0x101;
	put(model[OTHER].config, 0x44, 2, 0);
	model[OTHER].config[0x34] = 0x40;
	put(model[OTHER].config, 0x40, 4, 0x00030001);
	put(model[OTHER].config, 0x3c, 4, 0x0000010b);
	assert_true(group_has_own_requests(pci_at(0x100)));
	/* A bridge to conventional PCI. */
	put(model[PORT].config, 0x40, 4, 0x00720010);
	assert_false(group_has_own_requests(pci_at(0x100)));
	assert_non_null(strstr(refusal(), "behind a bridge to conventional PCI"));
}

static const char *told;
static unsigned tells;

static void tell(const char *failure)
{
	told = failure;
	tells++;
}

static void test_operator(void **state)
{
	(void)state;
	assert_non_null(assign_reset_function(pci_at(0x08), tell));
	assert_null(assign_reset_function(pci_at(0x100), tell));
	assert_non_null(assign_reset_function(pci_at(0x100), tell));
	assert_non_null(strstr(refusal(), "it is being reset"));
	mock_advance(200 * MS);
	assert_int_equal(tells, 1);
	assert_null(told);
	start();
	assert_string_equal(assign_reset_function(pci_at(0x100), tell), "it is in use");
}

static int forget_all(void **state)
{
	(void)state;
	memset(model, 0, sizeof(model));
	scan();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, power_on, power_off)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_header),   TEST(test_every_bit),   TEST(test_capabilities),
		TEST(test_extended), TEST(test_bars),        TEST(test_msix),
		TEST(test_msi),      TEST(test_pin),         TEST(test_reset),
		TEST(test_end),      TEST(test_refused),     TEST(test_groups),
		TEST(test_operator), TEST(test_guest_reset), TEST(test_advanced),
		TEST(test_power),    TEST(test_across),      TEST(test_dead),
	};

	return cmocka_run_group_tests(tests, NULL, forget_all);
}
