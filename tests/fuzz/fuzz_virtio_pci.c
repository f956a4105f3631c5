/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/virtio/life.c guests/dom0/virtio/plug.c guests/dom0/virtio/device.c guests/dom0/virtio/queue.c guests/dom0/virtio/blk.c drivers/block/claim.c */
/* sources: guests/dom0/virtio/blk_io.c guests/dom0/virtio/blk_tune.c guests/dom0/virtio/blk_error.c guests/dom0/virtio/blk_image.c guests/dom0/virtio/throttle.c guests/dom0/virtio/net.c guests/dom0/virtio/console.c */
/* sources: guests/dom0/virtio/rng.c guests/dom0/net/switch.c guests/dom0/net/offload.c guests/dom0/config/alias.c guests/dom0/base/mac.c guests/dom0/vm/watch.c */
/* sources: guests/dom0/virtio/pci.c guests/dom0/machine/pci.c guests/dom0/machine/pci_config.c */
/* sources: guests/dom0/machine/msix.c guests/dom0/machine/hotplug.c guests/dom0/vm/bus.c */
/* flags: -include tests/unit/sampo_stub.h -DVIRTIO_MOCK_PCI */
/*
 * A guest that does anything to all of its virtio devices: registers by ports
 * and by memory, configuration space, rings, while disks end their work, time
 * goes by and the machine is reset. In the end everything must become quiet
 * and be given back.
 */
#include "guests/dom0/base/memory.h"
#include "guests/dom0/machine/hotplug.h"
#include "guests/dom0/machine/platform.h"
#include "tests/fuzz/input.h"
#include "tests/unit/virtio_mock.h"

#define DEVICES 5u
#define DATA    0x40000u

uint8_t stub_doorbells[65536];
unsigned stub_events;
const struct sampo_boot *boot;
static struct sampo_boot mock_boot;
static struct platform platform;
static struct driver_queue driver[DEVICES][VIRTIO_QUEUES];
static void (*raised[64])(void *context);
static void *raised_context[64];

int event_alloc(void (*function)(void *context), void *context)
{
	for (int i = 0; i < 64; i++)
		if (!raised[i]) {
			raised[i] = function;
			raised_context[i] = context;
			return i;
		}
	return -1;
}

void event_free(int bit)
{
	raised[bit] = NULL;
}

void vm_irq(struct vm *vm, unsigned gsi, bool level)
{
	(void)vm;
	(void)gsi;
	(void)level;
}

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	(void)vm;
	(void)address;
	(void)data;
}

void pic_set(struct vm *vm, unsigned irq, bool level)
{
	(void)vm;
	(void)irq;
	(void)level;
}

void acpi_reset_control(struct vm *vm, uint8_t value)
{
	(void)vm;
	(void)value;
}

void acpi_event(struct vm *vm, unsigned number)
{
	(void)vm;
	(void)number;
}

/* --- the guest's means ---------------------------------------------------- */

static uint32_t next32(struct input *in)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < 4; i++)
		value = value << 8 | next(in);
	return value;
}

static uint64_t base_of(unsigned device, unsigned bar)
{
	return mock_state.pci.function[device + 1].bar_base[bar];
}

static void registers(struct input *in, uint8_t what)
{
	unsigned device = what % DEVICES, bar = what & 0x20 ? 2 : 0;
	enum bus_space space = bar ? BUS_MMIO : BUS_PIO;
	uint8_t offset = next(in);
	unsigned size = 1u << (next(in) & (bar ? 3 : 1));
	uint64_t base = base_of(device, bar);

	if (base == PCI_NO_BASE || offset + size > 0x100)
		return;
	if (what & 0x10)
		bus_write(&mock_vm, space, base + offset, size, next32(in));
	else
		bus_read(&mock_vm, space, base + offset, size);
}

static void configuration(struct input *in)
{
	uint8_t slot = next(in) % (DEVICES + 2), offset = next(in), how = next(in);
	unsigned size = 1u << how % 3, low = (unsigned)(offset & 3 & ~(size - 1));

	bus_write(&mock_vm, BUS_PIO, 0xcf8, 4, 0x80000000u | slot << 11 | (offset & 0xfc));
	if (how & 0x80)
		bus_write(&mock_vm, BUS_PIO, 0xcfc + low, size, next32(in));
	else
		bus_read(&mock_vm, BUS_PIO, 0xcfc + low, size);
}

static void reg(unsigned device, unsigned offset, unsigned size, uint32_t value)
{
	uint64_t base = base_of(device, 0);

	if (base != PCI_NO_BASE)
		bus_write(&mock_vm, BUS_PIO, base + offset, size, value);
}

/* What a proper driver does, so that the rest is reached. */
static void bring_up(struct input *in)
{
	unsigned device = next(in) % DEVICES;
	uint16_t size = (uint16_t)(1u << next(in) % 9);
	uint32_t features = next32(in);

	reg(device, 0x14, 1, 0);
	reg(device, 0x14, 1, 3);
	for (unsigned half = 0; half < 2; half++) {
		uint32_t offered = (uint32_t)(mock_state.virtio[device].offered >> (32 * half));

		reg(device, 0x08, 4, half);
		reg(device, 0x0c, 4, half ? offered : offered & features);
	}
	reg(device, 0x14, 1, 0x0b);
	for (unsigned q = 0; q < mock_state.virtio[device].queues; q++) {
		struct driver_queue *queue = &driver[device][q];

		driver_init(queue, 0x1000 + (device * 2 + q) * 0x4000u, size);
		reg(device, 0x16, 2, q);
		reg(device, 0x18, 2, size);
		reg(device, 0x20, 4, (uint32_t)queue->desc_gpa);
		reg(device, 0x28, 4, (uint32_t)queue->avail_gpa);
		reg(device, 0x30, 4, (uint32_t)queue->used_gpa);
		reg(device, 0x1c, 2, 1);
	}
	reg(device, 0x14, 1, 0x0f);
}

/* A chain of descriptors, of a shape that devices take or nearly so. */
static void offer(struct input *in)
{
	unsigned device = next(in) % DEVICES, q = next(in) % VIRTIO_QUEUES;
	struct driver_queue *queue = &driver[device][q];
	unsigned n = 1 + next(in) % 6, at;
	uint16_t head;

	if (!queue->size)
		return;
	head = next(in) % queue->size;
	at = head;
	for (unsigned i = 0; i < n; i++) {
		uint8_t how = next(in);
		uint16_t to = (uint16_t)((at + 1) % queue->size);
		uint32_t bytes = how & 1 ? next(in) : how & 2 ? 512u << (how >> 5) : 16;

		driver_desc(queue, at, DATA + next(in) * 0x1001u, bytes,
			    (uint16_t)((i + 1 < n ? DRIVER_NEXT : 0) |
				       (how & 4 ? DRIVER_WRITE : 0) |
				       (how & 0x18 ? 0 : how & DRIVER_INDIRECT)),
			    to);
		at = to;
	}
	driver_avail(queue, head);
	if (next(in) & 1)
		reg(device, 0xc0 + q * 4, 2, q);
}

static void memory(struct input *in)
{
	unsigned at = next32(in) % 0x60000u, n = next(in) % 32;

	while (n--)
		mock_vm.ram[at++] = next(in);
}

static void ring(struct input *in)
{
	unsigned bit = next(in) % 64;

	if (raised[bit])
		raised[bit](raised_context[bit]);
}

/* The operator attaches and detaches, the guest reads and writes the registers of hot-plug. */
static void plug(struct input *in)
{
	static const struct config_disk disk = {.source = "sda1", .target = "vdb"};
	struct config_nic nic = {.mac = {2, 0, 0, 0, 1, next(in) & 3}};

	switch (next(in) & 7) {
	case 0:
		virtio_plug_disk(&mock_vm, &disk, NULL, NULL);
		break;
	case 1:
		virtio_plug_nic(&mock_vm, &nic);
		break;
	case 2:
		virtio_unplug(&mock_vm, VIRTIO_BLK, next(in) & 1);
		break;
	case 3:
		virtio_unplug(&mock_vm, VIRTIO_NET, next(in) & 3);
		break;
	case 4:
	case 5:
		bus_write(&mock_vm, BUS_PIO, HOTPLUG_PORT + 8, 4, next32(in));
		break;
	case 6:
		bus_write(&mock_vm, BUS_PIO, HOTPLUG_PORT + (next(in) & 7), 1u << next(in) % 3,
			  next32(in));
		break;
	default:
		bus_read(&mock_vm, BUS_PIO, HOTPLUG_PORT + (next(in) & 7), 1u << next(in) % 3);
		break;
	}
}

static void step(struct input *in)
{
	uint8_t what = next(in);
	char text[3] = "ab";

	switch (what >> 4 & 7) {
	case 0:
	case 1:
	case 2:
	case 3:
		registers(in, what);
		break;
	case 4:
		if (what & 8)
			configuration(in);
		else if (what & 1)
			plug(in);
		else
			memory(in);
		break;
	case 5:
		bring_up(in);
		break;
	case 6:
		offer(in);
		break;
	default:
		if ((what & 15) < 6)
			mock_disk_step();
		else if ((what & 15) < 10)
			mock_run_work();
		else if ((what & 15) == 10)
			ring(in);
		else if ((what & 15) == 11)
			mock_time(next(in) * 1000000ull);
		else if ((what & 15) == 12)
			virtio_console_input(&mock_vm, text, 2);
		else if ((what & 15) == 13)
			mock_disk_status = next(in) % 3;
		else if ((what & 15) == 14)
			virtio_net_link(&mock_vm, next(in) & 1, next(in) & 1);
		else
			virtio_part.reset(&mock_vm);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	boot = &mock_boot;
	if (!mock_vm.ram)
		mock_vm.ram = malloc(MOCK_RAM);
	memset(mock_vm.ram, 0, 0x160000);
	memset(&mock_state, 0, sizeof(mock_state));
	memset(driver, 0, sizeof(driver));
	memset(&mock_vm.bus, 0, sizeof(mock_vm.bus));
	mock_vm.ram_bytes = MOCK_RAM;
	mock_vm.ram_bus = mock_bus;
	mock_vm.state = &mock_state;
	mock_vm.platform = &platform;
	memset(&platform, 0, sizeof(platform));
	strcpy(mock_config.kernel, "kernel");
	mock_config.disks = 1;
	strcpy(mock_config.disk[0].source, "sda1");
	strcpy(mock_config.disk[0].target, "vda");
	mock_config.nics = 2;
	for (unsigned i = 0; i < 2; i++)
		memcpy(mock_config.nic[i].mac, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(i + 1)}, 6);
	mock_config.virtio_console = mock_config.rng = true;
	if (pci_init(&mock_vm) || hotplug_init(&mock_vm) || !mock_attach())
		abort();
	while (in.size)
		step(&in);
	mock_disk_status = BLK_OK;
	virtio_part.detach(&mock_vm);
	mock_settle();
	if (mock_vm.virtio || mock_disk.user || stub_events || mock_dma)
		abort();
	for (unsigned i = 0; i < sizeof(stub_doorbells); i++)
		if (stub_doorbells[i])
			abort();
	return 0;
}
