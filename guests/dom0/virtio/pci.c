/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio over PCI, virtio 1.2 section 4.1: registers, notification, interrupts.
 *
 * BAR 0 has all registers as I/O ports, so that no access needs an instruction
 * decoded and a notification is a doorbell of the kernel; BAR 2 has the same
 * in memory, for drivers that prefer that; BAR 1 is the MSI-X table.
 */
#include "guests/dom0/virtio/pci.h"

#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/machine/hotplug.h"
#include "guests/dom0/machine/pci.h"
#include "guests/dom0/virtio/life.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/cpu.h"
#include "guests/lib/sampo.h"

#define IO_BAR     0u
#define MSIX_BAR   1u
#define MEMORY_BAR 2u

/* Layout of BAR 0 and BAR 2. */
#define COMMON           0x00u
#define ISR              0x40u
#define DEVICE           0x80u
#define NOTIFY           0xc0u
#define NOTIFY_STEP      4u
#define NOTIFY_BYTES     2u /* that a driver writes: the queue's index */
#define BAR_USED         0x100u
#define MEMORY_BAR_BYTES 0x1000u

#define PCI_VENDOR_VIRTIO 0x1af4u
#define PCI_DEVICE_MODERN 0x1040u
#define PCI_SUBDEVICE     0x1100u

/* Section 4.1.4, struct virtio_pci_cap, from its third byte on. */
#define CAP_COMMON 1u
#define CAP_NOTIFY 2u
#define CAP_ISR    3u
#define CAP_DEVICE 4u
#define CAP_PCI    5u
struct capability {
	uint8_t length, type, bar, id, padding[2];
	uint32_t offset, bytes;
	uint32_t extra; /* notify: multiplier; PCI: the window's data */
} __attribute__((packed));
/* Offsets within the whole capability. */
#define CAP_BAR    4u
#define CAP_OFFSET 8u
#define CAP_BYTES  12u
#define CAP_DATA   16u
#define CAP_END    20u

/* Section 4.1.4.3, struct virtio_pci_common_cfg. */
enum {
	OFFERED_SELECT = 0x00,
	OFFERED = 0x04,
	NEGOTIATED_SELECT = 0x08,
	NEGOTIATED = 0x0c,
	CONFIG_MSIX = 0x10,
	NUM_QUEUES = 0x12,
	STATUS = 0x14,
	GENERATION = 0x15,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_MSIX = 0x1a,
	QUEUE_ENABLE = 0x1c,
	QUEUE_NOTIFY_OFF = 0x1e,
	QUEUE_DESC = 0x20,
	QUEUE_AVAIL = 0x28,
	QUEUE_USED = 0x30,
	QUEUE_NOTIFY_DATA = 0x38,
};

#define ISR_QUEUE  1u
#define ISR_CONFIG 2u

/* --- interrupts ----------------------------------------------------------- */

static void interrupt(struct virtio_device *dev, uint16_t vector, uint8_t isr)
{
	unsigned slot = dev->state->slot;

	if (pci_msix_enabled(dev->vm, slot)) {
		if (vector != VIRTIO_NO_VECTOR)
			pci_msix_raise(dev->vm, slot, vector);
		return;
	}
	dev->state->isr |= isr;
	pci_intx(dev->vm, slot, true);
}

static void queue_interrupt(struct virtio_device *dev, uint16_t msix)
{
	interrupt(dev, msix, ISR_QUEUE);
}

static void config_interrupt(struct virtio_device *dev)
{
	interrupt(dev, dev->state->config_msix, ISR_CONFIG);
}

static void pin_down(struct virtio_device *dev)
{
	dev->state->isr = 0;
	pci_intx(dev->vm, dev->state->slot, false);
}

static uint8_t read_isr(struct virtio_device *dev)
{
	uint8_t isr = dev->state->isr;

	pin_down(dev);
	return isr;
}

/* --- the common configuration --------------------------------------------- */

static struct virtqueue_state *selected(struct virtio_device *dev)
{
	unsigned index = dev->state->queue_select;

	return index < dev->type->queues ? &dev->state->queue[index] : NULL;
}

static uint32_t half(uint64_t value, uint32_t select)
{
	return select > 1 ? 0 : (uint32_t)(value >> (32 * select));
}

static void set_half(uint64_t *value, unsigned high, uint32_t to)
{
	*value &= high ? 0xffffffffull : ~0xffffffffull;
	*value |= (uint64_t)to << (high ? 32 : 0);
}

static uint32_t queue_get(struct virtio_device *dev, unsigned offset)
{
	const struct virtqueue_state *queue = selected(dev);

	if (!queue) /* size 0: there is no such queue */
		return offset == QUEUE_MSIX ? VIRTIO_NO_VECTOR : 0;
	switch (offset) {
	case QUEUE_SIZE:
		return queue->size;
	case QUEUE_MSIX:
		return queue->msix;
	case QUEUE_ENABLE:
		return queue->enabled;
	case QUEUE_NOTIFY_OFF:
	case QUEUE_NOTIFY_DATA:
		return dev->state->queue_select;
	case QUEUE_DESC:
	case QUEUE_DESC + 4:
		return half(queue->desc, offset / 4 % 2);
	case QUEUE_AVAIL:
	case QUEUE_AVAIL + 4:
		return half(queue->avail, offset / 4 % 2);
	case QUEUE_USED:
	case QUEUE_USED + 4:
		return half(queue->used, offset / 4 % 2);
	default:
		return 0;
	}
}

static uint32_t common_get(struct virtio_device *dev, unsigned offset)
{
	const struct virtio_state *state = dev->state;

	switch (offset) {
	case OFFERED_SELECT:
		return state->offered_select;
	case OFFERED:
		return half(state->offered, state->offered_select);
	case NEGOTIATED_SELECT:
		return state->negotiated_select;
	case NEGOTIATED:
		return half(state->negotiated, state->negotiated_select);
	case CONFIG_MSIX:
		return state->config_msix;
	case NUM_QUEUES:
		return state->queues;
	case STATUS:
		return state->status;
	case GENERATION:
		return state->config_generation;
	case QUEUE_SELECT:
		return state->queue_select;
	default:
		return queue_get(dev, offset);
	}
}

static uint16_t vector(const struct virtio_device *dev, uint16_t wanted)
{
	return wanted <= dev->type->queues ? wanted : VIRTIO_NO_VECTOR;
}

static void enable_queue(struct virtio_device *dev)
{
	struct virtqueue_state *state = selected(dev);
	struct virtqueue *queue = &dev->queue[dev->state->queue_select];

	if (!(dev->state->status & VIRTIO_S_FEATURES_OK))
		return;
	const char *wrong = queue_start(queue, dev->state->negotiated);
	if (wrong)
		virtio_broken(dev, wrong);
	else
		state->enabled = 1;
}

static void queue_set(struct virtio_device *dev, unsigned offset, uint32_t value)
{
	struct virtqueue_state *queue = selected(dev);

	if (!queue || dev->state->resetting)
		return;
	if (offset == QUEUE_MSIX) {
		queue->msix = vector(dev, (uint16_t)value);
		return;
	}
	/* The rest is fixed once the queue is in use (4.1.4.3.2). */
	if (queue->enabled || (dev->state->status & VIRTIO_S_NEEDS_RESET))
		return;
	switch (offset) {
	case QUEUE_SIZE:
		queue->size = (uint16_t)value;
		break;
	case QUEUE_ENABLE:
		if (value == 1)
			enable_queue(dev);
		break;
	case QUEUE_DESC:
	case QUEUE_DESC + 4:
		set_half(&queue->desc, offset / 4 % 2, value);
		break;
	case QUEUE_AVAIL:
	case QUEUE_AVAIL + 4:
		set_half(&queue->avail, offset / 4 % 2, value);
		break;
	case QUEUE_USED:
	case QUEUE_USED + 4:
		set_half(&queue->used, offset / 4 % 2, value);
		break;
	default:
		break;
	}
}

/* Section 3.1.1: bits are only ever added, by steps; 0 resets. */
static void set_status(struct virtio_device *dev, uint8_t value)
{
	struct virtio_state *state = dev->state;

	if (value == 0) {
		if (!state->resetting)
			virtio_device_reset(dev);
		return;
	}
	if (state->resetting)
		return;
	uint8_t added = value & (uint8_t)~state->status;
	added &= VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_DRIVER_OK |
		 VIRTIO_S_FEATURES_OK | VIRTIO_S_FAILED;
	/* Features not offered, or a driver of the time before 1.0, are
	 * refused by not taking FEATURES_OK (section 3.1.1 step 5). */
	if ((added & VIRTIO_S_FEATURES_OK) &&
	    ((state->negotiated & ~state->offered) || !(state->negotiated & VIRTIO_F_VERSION_1)))
		added &= (uint8_t)~VIRTIO_S_FEATURES_OK;
	state->status |= added & (uint8_t)~VIRTIO_S_DRIVER_OK;
	if (!(added & VIRTIO_S_DRIVER_OK) || !(state->status & VIRTIO_S_FEATURES_OK))
		return;
	state->status |= VIRTIO_S_DRIVER_OK;
	if (virtio_running(dev))
		virtio_device_start(dev);
}

static void common_set(struct virtio_device *dev, unsigned offset, uint32_t value)
{
	struct virtio_state *state = dev->state;

	switch (offset) {
	case OFFERED_SELECT:
		state->offered_select = value;
		break;
	case NEGOTIATED_SELECT:
		state->negotiated_select = value;
		break;
	case NEGOTIATED:
		if (state->negotiated_select <= 1 && !(state->status & VIRTIO_S_FEATURES_OK))
			set_half(&state->negotiated, state->negotiated_select, value);
		break;
	case CONFIG_MSIX:
		state->config_msix = vector(dev, (uint16_t)value);
		break;
	case STATUS:
		set_status(dev, (uint8_t)value);
		break;
	case QUEUE_SELECT:
		state->queue_select = (uint16_t)value;
		break;
	default:
		queue_set(dev, offset, value);
		break;
	}
}

/* --- BAR 0 and BAR 2 ------------------------------------------------------ */

static uint64_t mask(unsigned size)
{
	return size >= 8 ? ~0ull : (1ull << (8 * size)) - 1;
}

static uint64_t config_read(struct virtio_device *dev, unsigned offset, unsigned size)
{
	uint8_t space[VIRTIO_CONFIG_BYTES + 8] = {0};
	uint64_t value = 0;

	dev->type->config(dev, space);
	memcpy(&value, space + offset, size);
	return value;
}

static uint64_t registers_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	struct virtio_device *dev = virtio_by_instance(vm, instance);
	unsigned at = (unsigned)offset;
	uint64_t value = 0;

	if (!dev || offset >= BAR_USED)
		return 0;
	if (at >= DEVICE && at < NOTIFY)
		return config_read(dev, at - DEVICE, size);
	if (at == ISR)
		return read_isr(dev);
	if (at >= ISR)
		return 0;
	value = common_get(dev, at);
	if (size == 8)
		value |= (uint64_t)common_get(dev, at + 4) << 32;
	return value & mask(size);
}

static void registers_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
			    uint64_t value)
{
	struct virtio_device *dev = virtio_by_instance(vm, instance);
	unsigned at = (unsigned)offset;

	if (!dev || offset >= BAR_USED)
		return;
	if (at >= NOTIFY) {
		unsigned index = (at - NOTIFY) / NOTIFY_STEP;

		if (index < dev->type->queues)
			virtio_notify(&dev->queue[index]);
		return;
	}
	if (at >= ISR)
		return;
	common_set(dev, at, (uint32_t)value);
	if (size == 8)
		common_set(dev, at + 4, (uint32_t)(value >> 32));
}

static const struct io_ops registers = {registers_read, registers_write};

/* --- the window in configuration space, section 4.1.4.9 ------------------- */

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* The capability if an access to the configuration space touches its data and the driver's settings
 * there make sense, else NULL. */
static uint8_t *window(struct vm *vm, uint32_t instance, unsigned offset, unsigned size)
{
	struct virtio_device *dev = virtio_by_instance(vm, instance);

	if (!dev || !dev->state->pci_window)
		return NULL;
	if (offset + size <= dev->state->pci_window + CAP_DATA ||
	    offset >= dev->state->pci_window + CAP_END)
		return NULL;
	uint8_t *cap = pci_config(vm, dev->state->slot) + dev->state->pci_window;
	uint32_t at = get32(cap + CAP_OFFSET), bytes = get32(cap + CAP_BYTES);

	if (cap[CAP_BAR] != IO_BAR && cap[CAP_BAR] != MEMORY_BAR)
		return NULL;
	if ((bytes != 1 && bytes != 2 && bytes != 4) || at % bytes || at >= BAR_USED)
		return NULL;
	return cap;
}

static bool window_read(struct vm *vm, uint32_t instance, unsigned offset, unsigned size)
{
	uint8_t *cap = window(vm, instance, offset, size);

	if (!cap)
		return true;
	uint32_t value = (uint32_t)registers_read(vm, instance, get32(cap + CAP_OFFSET),
						  get32(cap + CAP_BYTES));
	memcpy(cap + CAP_DATA, &value, sizeof(value));
	return true;
}

static void window_written(struct vm *vm, uint32_t instance, unsigned offset, unsigned size,
			   uint32_t value)
{
	uint8_t *cap = window(vm, instance, offset, size);

	(void)value; /* it is in the capability */
	if (!cap)
		return;
	uint32_t bytes = get32(cap + CAP_BYTES);
	registers_write(vm, instance, get32(cap + CAP_OFFSET), bytes,
			get32(cap + CAP_DATA) & mask(bytes));
}

/* --- doorbells ------------------------------------------------------------ */

static void rung(void *context)
{
	struct virtqueue *queue = context;
	struct vm *vm = queue->dev->vm;
	uint64_t start = rdtsc();

	virtio_notify(queue);
	vm->dom0_tsc += rdtsc() - start;
}

static void doorbell_remove(struct virtio_doorbell *bell)
{
	if (bell->event)
		sampo_handle_close(bell->event);
	bell->event = 0;
}

/* Without a doorbell the write comes as a port access: slower, no less right.
 */
static void doorbell_add(struct virtio_device *dev, struct virtio_doorbell *bell, uint64_t port)
{
	if (bell->bit < 0 || port + NOTIFY_STEP > 0x10000)
		return;
	if (sampo_event_create(boot->domain, SAMPO_EVENT_BIT, (uint64_t)bell->bit, 0, &bell->event))
		bell->event = 0;
	else if (sampo_doorbell(bell->event, dev->vm->domain, (uint32_t)port, NOTIFY_BYTES))
		doorbell_remove(bell);
}

static void doorbell_make(struct virtio_device *dev, unsigned index)
{
	struct virtio_doorbell *bell = &dev->doorbell[index];

	bell->queue = &dev->queue[index];
	bell->bit = event_alloc(rung, bell->queue);
}

static void doorbell_free(struct virtio_doorbell *bell)
{
	doorbell_remove(bell);
	if (bell->bit >= 0)
		event_free(bell->bit);
	bell->bit = -1;
}

static void bar_moved(struct vm *vm, uint32_t instance, unsigned bar, uint64_t from, uint64_t to)
{
	struct virtio_device *dev = virtio_by_instance(vm, instance);

	(void)from;
	if (!dev || bar != IO_BAR)
		return;
	for (unsigned i = 0; i < dev->type->queues; i++) {
		doorbell_remove(&dev->doorbell[i]);
		if (to != PCI_NO_BASE)
			doorbell_add(dev, &dev->doorbell[i], to + NOTIFY + i * NOTIFY_STEP);
	}
}

/* --- the function --------------------------------------------------------- */

static void ejected(struct vm *vm, uint32_t instance)
{
	struct virtio_device *dev = virtio_by_instance(vm, instance);

	if (dev)
		virtio_eject(dev);
}

static const struct pci_ops function_ops = {
	.bar = {[IO_BAR] = &registers, [MEMORY_BAR] = &registers},
	.bar_moved = bar_moved,
	.config_read = window_read,
	.config_written = window_written,
	.eject = ejected,
};

static bool add_capability(struct virtio_device *dev, unsigned bar, uint8_t type, uint32_t offset,
			   uint32_t bytes)
{
	bool more = type == CAP_NOTIFY || type == CAP_PCI;
	size_t length = sizeof(struct capability) - (more ? 0 : 4);
	struct capability cap = {
		.length = (uint8_t)(length + 2),
		.type = type,
		.bar = (uint8_t)bar,
		.offset = offset,
		.bytes = bytes,
		.extra = type == CAP_NOTIFY ? NOTIFY_STEP : 0,
	};
	unsigned at = pci_add_capability(dev->vm, dev->state->slot, PCI_CAP_VENDOR, &cap, length);

	if (at && type == CAP_PCI) {
		uint8_t *writable = pci_writable(dev->vm, dev->state->slot);

		dev->state->pci_window = (uint8_t)at;
		writable[at + CAP_BAR] = 0xff;
		memset(writable + at + CAP_OFFSET, 0xff, CAP_END - CAP_OFFSET);
	}
	return at != 0;
}

static bool add_registers(struct virtio_device *dev, unsigned bar)
{
	return add_capability(dev, bar, CAP_COMMON, COMMON, ISR - COMMON) &&
	       add_capability(dev, bar, CAP_ISR, ISR, 1) &&
	       add_capability(dev, bar, CAP_DEVICE, DEVICE, NOTIFY - DEVICE) &&
	       add_capability(dev, bar, CAP_NOTIFY, NOTIFY, BAR_USED - NOTIFY);
}

static bool add_function(struct virtio_device *dev)
{
	struct vm *vm = dev->vm;
	unsigned slot = dev->state->slot;
	const struct pci_ids ids = {
		.vendor = PCI_VENDOR_VIRTIO,
		.device = (uint16_t)(PCI_DEVICE_MODERN + dev->type->type),
		.subvendor = PCI_VENDOR_VIRTIO,
		.subdevice = PCI_SUBDEVICE,
		.class_code = dev->type->class_code,
		.revision = 1,
		.intx = true,
	};

	return !pci_add_function(vm, slot, &ids, &function_ops, dev->instance) &&
	       !pci_add_bar(vm, slot, IO_BAR, BUS_PIO, BAR_USED) &&
	       !pci_add_bar(vm, slot, MSIX_BAR, BUS_MMIO, MEMORY_BAR_BYTES) &&
	       !pci_add_bar(vm, slot, MEMORY_BAR, BUS_MMIO, MEMORY_BAR_BYTES) &&
	       add_registers(dev, IO_BAR) && add_registers(dev, MEMORY_BAR) &&
	       add_capability(dev, IO_BAR, CAP_PCI, 0, 0) &&
	       !pci_add_msix(vm, slot, MSIX_BAR, dev->type->queues + 1);
}

static bool attach(struct virtio_device *dev, bool fresh)
{
	for (unsigned i = 0; i < dev->type->queues; i++)
		doorbell_make(dev, i);
	if (!fresh) {
		pci_resume_function(dev->vm, dev->state->slot, &function_ops, dev->instance);
		return true;
	}
	return add_function(dev);
}

static void detach(struct virtio_device *dev)
{
	for (unsigned i = 0; i < dev->type->queues; i++)
		doorbell_free(&dev->doorbell[i]);
}

static void remove_function(struct virtio_device *dev)
{
	pci_remove_function(dev->vm, dev->state->slot);
	hotplug_removed(dev->vm, dev->state->slot);
}

static void added(struct virtio_device *dev)
{
	hotplug_added(dev->vm, dev->state->slot);
}

static void ask(struct virtio_device *dev)
{
	hotplug_ask(dev->vm, dev->state->slot);
}

static bool is_asked(const struct virtio_device *dev)
{
	return hotplug_is_asked(dev->vm, dev->state->slot);
}

static unsigned free_slot(struct vm *vm)
{
	unsigned slot = pci_free_slot(vm);

	return slot < PCI_SLOTS ? slot : 0;
}

static const struct virtio_transport pci_transport = {
	.attach = attach,
	.detach = detach,
	.remove = remove_function,
	.added = added,
	.ask = ask,
	.is_asked = is_asked,
	.free_slot = free_slot,
	.quiet = pin_down,
	.interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
};

/* Firmware enables the BARs of what is there at the start. A device that comes later is enabled by
 * the guest, where the guest has a place for it. */
static const char *attach_all(struct vm *vm)
{
	const char *wrong = virtio_attach_all(vm, &pci_transport);

	for (uint32_t i = 0; !wrong && i < MACHINE_VIRTIO_DEVICES; i++) {
		const struct virtio_device *dev = virtio_by_instance(vm, i);

		if (dev)
			pci_enable_bars(vm, dev->state->slot);
	}
	return wrong;
}

const char *virtio_resume(struct vm *vm)
{
	return virtio_resume_all(vm, &pci_transport);
}

const struct vm_part virtio_part = {
	.attach = attach_all,
	.ready = virtio_ready,
	.boot = virtio_boot,
	.reset = virtio_reset_all,
	.resume = virtio_go_on_all,
	.detach = virtio_detach_all,
	.quiet = virtio_quiet,
};
