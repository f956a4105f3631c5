/* SPDX-License-Identifier: BSD-2-Clause */
/* The devices of a guest: how they come, go, are reset and are taken over. */
#include "guests/dom0/virtio/life.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define FIRST_SLOT 1u

static bool machine_quiet(const struct virtio_machine *machine)
{
	for (unsigned i = 0; i < machine->devices; i++)
		if (!machine->device[i]->type->quiet(machine->device[i]))
			return false;
	return true;
}

/* --- one device ----------------------------------------------------------- */

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
	virtio_stop_queues(dev);
	dev->type->stop(dev);
	dev->transport->quiet(dev);
	if (dev->type->quiet(dev))
		reset_state(dev);
	else
		dev->state->resetting = 1; /* until became_quiet */
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
	dev->transport->detach(dev);
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
	dev->transport = machine->transport;
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
	if (dev->transport->attach(dev, fresh))
		return NULL;
	machine->devices--;
	free_device(dev);
	return "no room on the PCI bus";
}

/* --- all devices of a guest ----------------------------------------------- */

void virtio_reset_all(struct vm *vm)
{
	struct virtio_machine *machine = virtio_machine_of(vm);

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

void virtio_detach_all(struct vm *vm)
{
	struct virtio_machine *machine = virtio_machine_of(vm);

	if (!machine || machine->leaving)
		return;
	machine->leaving = true;
	for (unsigned i = 0; i < machine->devices; i++) {
		struct virtio_device *dev = machine->device[i];

		dev->transport->detach(dev);
		virtio_stop_queues(dev);
		dev->type->stop(dev);
	}
	if (machine_quiet(machine))
		free_machine(machine);
}

static void became_quiet(struct virtio_device *dev)
{
	struct vm *vm = dev->vm;
	struct virtio_machine *machine = virtio_machine_of(vm);

	if (!machine->leaving && dev->state->resetting)
		reset_state(dev);
	if (!machine_quiet(machine))
		return;
	if (machine->leaving)
		free_machine(machine); /* dev is gone now */
	vm_became_quiet(vm);
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

static const char *attach_all(struct vm *vm, const struct virtio_transport *transport, bool fresh)
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
	machine->transport = transport;
	machine->became_quiet = became_quiet;
	vm->virtio = machine;
	wrong = attach_each(machine, fresh);
	if (!wrong) {
		vm->state->virtio_devices = machine->devices;
		return NULL;
	}
	type = wanted(vm->config, machine->devices, &ordinal);
	snprintf(text, sizeof(text), "virtio-%s %u: %s", type ? type->name : "", ordinal, wrong);
	virtio_detach_all(vm);
	return text;
}

const char *virtio_attach_all(struct vm *vm, const struct virtio_transport *transport)
{
	return attach_all(vm, transport, true);
}

const char *virtio_resume_all(struct vm *vm, const struct virtio_transport *transport)
{
	const char *wrong = attach_all(vm, transport, false);
	struct virtio_machine *machine = virtio_machine_of(vm);

	for (unsigned i = 0; !wrong && i < machine->devices; i++)
		adopt(machine->device[i]);
	return wrong;
}

bool virtio_quiet(const struct vm *vm)
{
	return !vm->virtio || machine_quiet(vm->virtio);
}
