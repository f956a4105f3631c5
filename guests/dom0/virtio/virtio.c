/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of a guest: how they come, go, are reset and are taken over. */
#include "guests/dom0/virtio/virtio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/virtio/device.h"
#include "guests/dom0/virtio/pci.h"
#include "guests/dom0/vm/vm.h"

#define FIRST_SLOT 1u

/* vm->virtio. It outlives the guest until its disks are quiet. */
struct virtio_machine {
	struct vm *vm;
	bool leaving; /* detach when quiet */
	unsigned devices;
	struct virtio_device *device[MACHINE_VIRTIO_DEVICES];
};

static struct virtio_machine *machine_of(const struct vm *vm)
{
	return vm->virtio;
}

static bool machine_quiet(const struct virtio_machine *machine)
{
	for (unsigned i = 0; i < machine->devices; i++)
		if (!machine->device[i]->type->quiet(machine->device[i]))
			return false;
	return true;
}

struct virtio_device *virtio_find(const struct vm *vm, uint32_t type, unsigned ordinal)
{
	struct virtio_machine *machine = machine_of(vm);

	if (!machine || machine->leaving)
		return NULL;
	for (unsigned i = 0; i < machine->devices; i++)
		if (machine->device[i]->type->type == type &&
		    machine->device[i]->ordinal == ordinal)
			return machine->device[i];
	return NULL;
}

struct virtio_device *virtio_by_instance(const struct vm *vm, uint32_t instance)
{
	struct virtio_machine *machine = machine_of(vm);

	if (!machine || machine->leaving || instance >= machine->devices)
		return NULL;
	return machine->device[instance];
}

/* --- one device ----------------------------------------------------------- */

static void stop_queues(struct virtio_device *dev)
{
	for (unsigned i = 0; i < dev->type->queues; i++)
		queue_stop(&dev->queue[i]);
}

/* The state after power-on, section 4.1.4.3.1; what is offered stays. */
static void reset_state(struct virtio_device *dev)
{
	struct virtio_state *state = dev->state;

	state->negotiated = 0;
	state->offered_select = state->negotiated_select = 0;
	state->queue_select = 0;
	state->config_msix = VIRTIO_NO_VECTOR;
	state->isr = 0;
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
		state->queue[i] = (struct virtqueue_state){
			.size = VIRTIO_QUEUE_SIZE,
			.msix = VIRTIO_NO_VECTOR,
		};
	}
	state->resetting = 0;
	state->status = 0;
}

void virtio_device_reset(struct virtio_device *dev)
{
	stop_queues(dev);
	dev->type->stop(dev);
	virtio_pci_quiet(dev);
	if (dev->type->quiet(dev))
		reset_state(dev);
	else
		dev->state->resetting = 1; /* until virtio_became_quiet */
}

/* Sections 2.1.2 and 4.1.4.3: say it in the status, and tell the driver. */
void virtio_broken(struct virtio_device *dev, const char *why)
{
	if (dev->state->status & VIRTIO_S_NEEDS_RESET)
		return;
	bool running = virtio_running(dev);

	dev->state->status |= VIRTIO_S_NEEDS_RESET;
	stop_queues(dev);
	vm_log(dev->vm, "virtio-%s %u stopped until its driver resets it: %s", dev->type->name,
	       dev->ordinal, why);
	if (running)
		virtio_config_changed(dev);
}

void virtio_config_changed(struct virtio_device *dev)
{
	dev->state->config_generation++;
	if (dev->state->status & VIRTIO_S_DRIVER_OK)
		virtio_pci_config_interrupt(dev);
}

void virtio_device_start(struct virtio_device *dev)
{
	dev->type->start(dev);
	for (unsigned i = 0; i < dev->type->queues; i++)
		virtio_notify(&dev->queue[i]);
}

void virtio_notify(struct virtqueue *queue)
{
	if (queue_live(queue) && virtio_running(queue->dev))
		queue->dev->type->notify(queue->dev, queue);
}

void virtio_return_all(struct virtqueue *queue)
{
	if (!queue_live(queue))
		return;
	for (uint16_t head = 0; head <= queue->mask; head++) {
		struct queue_used used = {.head = head};

		if (queue->state->in_flight[head / 64] >> (head % 64) & 1)
			queue_push(queue, &used, 1);
	}
	queue_signal(queue);
}

/* The device's queues are as the state says; an earlier dom0 made them. */
static void adopt(struct virtio_device *dev)
{
	if (dev->state->resetting) {
		reset_state(dev);
		return;
	}
	if (dev->state->status & VIRTIO_S_NEEDS_RESET)
		return;
	for (unsigned i = 0; i < dev->type->queues; i++) {
		struct virtqueue *queue = &dev->queue[i];

		if (!queue->state->enabled)
			continue;
		const char *wrong = queue_start(queue, dev->state->negotiated);
		if (!wrong)
			wrong = queue_recover(queue);
		if (wrong) {
			virtio_broken(dev, wrong);
			return;
		}
	}
	if (virtio_running(dev))
		virtio_device_start(dev);
}

/* Which types a configuration asks for, in the order of their slots: disks,
 * interfaces, console, random numbers. The ordinal-th of them in *ordinal. */
static const struct virtio_type *wanted(const struct vm_config *config, unsigned index,
					unsigned *ordinal)
{
	const struct {
		const struct virtio_type *type;
		unsigned count;
	} list[] = {
		{&virtio_blk_type, config->disks},
		{&virtio_net_type, config->nics},
		{&virtio_console_type, config->virtio_console},
		{&virtio_rng_type, config->rng},
	};

	for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		*ordinal = index;
		if (index < list[i].count)
			return list[i].type;
		index -= list[i].count;
	}
	return NULL;
}

static void free_device(struct virtio_device *dev)
{
	virtio_pci_detach(dev);
	dev->type->detach(dev);
	free(dev);
}

static const char *attach(struct virtio_machine *machine, const struct vm_config *config,
			  bool fresh)
{
	unsigned ordinal, index = machine->devices;
	const struct virtio_type *type = wanted(config, index, &ordinal);
	struct virtio_device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return "out of memory";
	dev->vm = machine->vm;
	dev->instance = index;
	dev->ordinal = ordinal;
	dev->type = type;
	dev->state = &machine->vm->state->virtio[index];
	for (unsigned i = 0; i < type->queues; i++) {
		dev->queue[i].dev = dev;
		dev->queue[i].vm = dev->vm;
		dev->queue[i].index = i;
		dev->queue[i].state = &dev->state->queue[i];
	}
	if (fresh) {
		memset(dev->state, 0, sizeof(*dev->state));
		reset_state(dev);
		dev->state->slot = FIRST_SLOT + index;
		dev->state->queues = (uint8_t)type->queues;
		dev->state->offered =
			VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
		dev->state->type = type->type;
	} else if (dev->state->type != type->type || dev->state->slot != FIRST_SLOT + index ||
		   dev->state->queues != type->queues) {
		free(dev);
		return "the guest's devices are not those of its description";
	}

	const char *wrong = type->attach(dev, config, fresh);
	if (wrong) {
		free(dev);
		return wrong;
	}
	machine->device[machine->devices++] = dev;
	if (virtio_pci_attach(dev, fresh))
		return NULL;
	machine->devices--;
	free_device(dev);
	return "no room on the PCI bus";
}

/* --- all devices of a guest ----------------------------------------------- */

static void reset_all(struct vm *vm)
{
	struct virtio_machine *machine = machine_of(vm);

	if (!machine || machine->leaving)
		return;
	for (unsigned i = 0; i < machine->devices; i++)
		virtio_device_reset(machine->device[i]);
}

static void free_machine(struct virtio_machine *machine)
{
	struct vm *vm = machine->vm;

	for (unsigned i = 0; i < machine->devices; i++)
		free_device(machine->device[i]);
	free(machine);
	vm->virtio = NULL;
}

static void detach_all(struct vm *vm)
{
	struct virtio_machine *machine = machine_of(vm);

	if (!machine || machine->leaving)
		return;
	machine->leaving = true;
	for (unsigned i = 0; i < machine->devices; i++) {
		struct virtio_device *dev = machine->device[i];

		virtio_pci_detach(dev);
		stop_queues(dev);
		dev->type->stop(dev);
	}
	if (machine_quiet(machine))
		free_machine(machine);
}

static const char *attach_each(struct virtio_machine *machine, bool fresh)
{
	const struct vm_config *config = machine->vm->config;
	const char *wrong = NULL;
	unsigned ordinal;

	while (!wrong && wanted(config, machine->devices, &ordinal)) {
		if (machine->devices == MACHINE_VIRTIO_DEVICES)
			wrong = "too many devices";
		else
			wrong = attach(machine, config, fresh);
	}
	return wrong;
}

static const char *attach_all(struct vm *vm, bool fresh)
{
	static char text[128];
	const struct virtio_type *type;
	struct virtio_machine *machine;
	const char *wrong;
	unsigned ordinal;

	if (vm->virtio)
		return "its disks are still at work";
	machine = calloc(1, sizeof(*machine));
	if (!machine)
		return "out of memory";
	machine->vm = vm;
	vm->virtio = machine;
	wrong = attach_each(machine, fresh);
	if (!wrong) {
		vm->state->virtio_devices = machine->devices;
		return NULL;
	}
	type = wanted(vm->config, machine->devices, &ordinal);
	snprintf(text, sizeof(text), "virtio-%s %u: %s", type ? type->name : "", ordinal, wrong);
	detach_all(vm);
	return text;
}

static const char *attach_fresh(struct vm *vm)
{
	return attach_all(vm, true);
}

const char *virtio_resume(struct vm *vm)
{
	const char *wrong = attach_all(vm, false);
	struct virtio_machine *machine = machine_of(vm);

	for (unsigned i = 0; !wrong && i < machine->devices; i++)
		adopt(machine->device[i]);
	return wrong;
}

static bool quiet(const struct vm *vm)
{
	return !vm->virtio || machine_quiet(vm->virtio);
}

void virtio_became_quiet(struct virtio_device *dev)
{
	struct vm *vm = dev->vm;
	struct virtio_machine *machine = machine_of(vm);

	if (!machine->leaving && dev->state->resetting)
		reset_state(dev);
	if (!machine_quiet(machine))
		return;
	if (machine->leaving)
		free_machine(machine); /* dev is gone now */
	vm_became_quiet(vm);
}

const struct vm_part virtio_part = {
	.attach = attach_fresh,
	.reset = reset_all,
	.detach = detach_all,
	.quiet = quiet,
};
