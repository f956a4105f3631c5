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
	for (unsigned i = 0; i < machine->devices; i++) {
		const struct virtio_device *dev = machine->device[i];

		if (dev && !dev->type->quiet(dev))
			return false;
	}
	return true;
}

/* --- one device ----------------------------------------------------------- */

/* The state after power-on, section 4.1.4.3.1; the features offered stay. */
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

/* The types in the order of their slots, and how many of each a description has. */
#define TYPES 4u
static const struct virtio_type *type_at(const struct vm_config *config, unsigned n,
					 unsigned *count)
{
	const struct {
		const struct virtio_type *type;
		unsigned count;
	} list[TYPES] = {
		{&virtio_blk_type, config->disks},
		{&virtio_net_type, config->nics},
		{&virtio_console_type, config->virtio_console},
		{&virtio_rng_type, config->rng},
	};

	*count = list[n].count;
	return list[n].type;
}

/* The index-th device that a configuration asks for: disks, interfaces, console, random numbers. It
 * is the ordinal-th of its type. */
static const struct virtio_type *wanted(const struct vm_config *config, unsigned index,
					unsigned *ordinal)
{
	for (unsigned n = 0; n < TYPES; n++) {
		unsigned count;
		const struct virtio_type *type = type_at(config, n, &count);

		*ordinal = index;
		if (index < count)
			return type;
		index -= count;
	}
	return NULL;
}

/* The type of a device in a state, or NULL if the description does not have the device. */
static const struct virtio_type *described(const struct vm_config *config,
					   const struct virtio_state *state)
{
	for (unsigned n = 0; n < TYPES; n++) {
		unsigned count;
		const struct virtio_type *type = type_at(config, n, &count);

		if (type->type == state->type)
			return state->ordinal < count ? type : NULL;
	}
	return NULL;
}

static void free_device(struct virtio_device *dev)
{
	virtio_plug_end(dev, "the guest is ending");
	dev->transport->detach(dev);
	dev->type->detach(dev);
	free(dev);
}

static void fresh_state(struct virtio_device *dev, unsigned slot)
{
	struct virtio_state *state = dev->state;

	memset(state, 0, sizeof(*state));
	reset_state(dev);
	state->type = dev->type->type;
	state->slot = slot;
	state->ordinal = (uint8_t)dev->ordinal;
	state->queues = (uint8_t)dev->type->queues;
	state->offered = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
}

static struct virtio_device *allocate(struct virtio_machine *machine, unsigned index,
				      const struct virtio_type *type, unsigned ordinal)
{
	struct virtio_device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return NULL;
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
		dev->doorbell[i].bit = -1;
	}
	return dev;
}

static bool is_ready(const struct virtio_device *dev)
{
	return !dev->type->ready || dev->type->ready(dev);
}

static const char *attach(struct virtio_machine *machine, struct virtio_device *dev, bool fresh)
{
	const char *wrong = dev->type->attach(dev, machine->vm->config, fresh);

	if (wrong) {
		if (fresh)
			dev->state->type = 0;
		free(dev);
		return wrong;
	}
	machine->device[dev->instance] = dev;
	if (machine->devices <= dev->instance)
		machine->devices = dev->instance + 1;
	dev->waits = fresh && machine->made && !is_ready(dev);
	if (dev->waits) {
		dev->state->slot = 0;
		return NULL;
	}
	if (dev->transport->attach(dev, fresh))
		return NULL;
	machine->device[dev->instance] = NULL;
	if (fresh)
		dev->state->type = 0;
	dev->transport->remove(dev);
	free_device(dev);
	return "no room on the PCI bus";
}

const char *virtio_device_add(struct virtio_machine *machine, unsigned index,
			      const struct virtio_type *type, unsigned ordinal, unsigned slot)
{
	struct virtio_device *dev = allocate(machine, index, type, ordinal);

	if (!dev)
		return "out of memory";
	fresh_state(dev, slot);
	return attach(machine, dev, true);
}

bool virtio_device_show(struct virtio_device *dev, unsigned slot)
{
	dev->state->slot = slot;
	if (!slot)
		return false;
	dev->waits = !dev->transport->attach(dev, true);
	if (dev->waits) {
		dev->transport->detach(dev);
		dev->transport->remove(dev);
	}
	return !dev->waits;
}

/* The device that an earlier dom0 has made. */
static const char *take_over(struct virtio_machine *machine, unsigned index)
{
	const struct virtio_state *state = &machine->vm->state->virtio[index];
	const struct virtio_type *type = described(machine->vm->config, state);
	struct virtio_device *dev;

	if (!state->type)
		return NULL;
	if (!type || state->queues != type->queues)
		return "the guest's devices are not those of its description";
	dev = allocate(machine, index, type, state->ordinal);
	return dev ? attach(machine, dev, false) : "out of memory";
}

/* The device has left the bus, and nothing of it reads or writes the guest's memory. */
static void forget(struct virtio_device *dev)
{
	struct virtio_machine *machine = virtio_machine_of(dev->vm);

	machine->device[dev->instance] = NULL;
	dev->state->type = 0;
	free_device(dev);
}

void virtio_device_remove(struct virtio_device *dev)
{
	dev->gone = true;
	dev->transport->detach(dev);
	if (!dev->waits)
		dev->transport->remove(dev);
	virtio_stop_queues(dev);
	dev->type->stop(dev);
	if (dev->type->quiet(dev))
		forget(dev);
}

/* --- all devices of a guest ----------------------------------------------- */

void virtio_reset_all(struct vm *vm)
{
	struct virtio_machine *machine = virtio_machine_of(vm);

	if (!machine || machine->leaving)
		return;
	for (unsigned i = 0; i < machine->devices; i++) {
		struct virtio_device *dev = virtio_by_instance(vm, i);

		if (!dev || dev->waits)
			continue;
		if (!(dev->transport->is_asked(dev) && virtio_eject(dev)))
			virtio_device_reset(dev);
	}
}

void virtio_go_on_all(struct vm *vm)
{
	for (unsigned i = 0; i < MACHINE_VIRTIO_DEVICES; i++) {
		struct virtio_device *dev = virtio_by_instance(vm, i);

		if (dev && dev->type->resume)
			dev->type->resume(dev);
	}
}

static void free_machine(struct virtio_machine *machine)
{
	struct vm *vm = machine->vm;

	for (unsigned i = 0; i < machine->devices; i++)
		if (machine->device[i])
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

		if (!dev)
			continue;
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

	if (!machine->leaving && dev->gone)
		forget(dev);
	else if (!machine->leaving && dev->state->resetting)
		reset_state(dev);
	if (!machine_quiet(machine))
		return;
	if (machine->leaving)
		free_machine(machine); /* dev is gone now */
	vm_became_quiet(vm);
}

static const char *attach_each(struct virtio_machine *machine, unsigned *index)
{
	const struct virtio_type *type;
	const char *wrong = NULL;
	unsigned ordinal;

	for (*index = 0; !wrong; ++*index) {
		type = wanted(machine->vm->config, *index, &ordinal);
		if (!type)
			return NULL;
		if (*index == MACHINE_VIRTIO_DEVICES)
			wrong = "too many devices";
		else
			wrong = virtio_device_add(machine, *index, type, ordinal,
						  FIRST_SLOT + *index);
	}
	--*index;
	return wrong;
}

static const char *take_over_each(struct virtio_machine *machine, unsigned *index)
{
	const char *wrong = NULL;

	for (*index = 0; !wrong && *index < MACHINE_VIRTIO_DEVICES; ++*index)
		wrong = take_over(machine, *index);
	--*index;
	return wrong;
}

static const char *attach_all(struct vm *vm, const struct virtio_transport *transport, bool fresh)
{
	static char text[128];
	const struct virtio_type *type;
	struct virtio_machine *machine;
	const char *wrong;
	unsigned index, ordinal;

	if (vm->virtio)
		return "its disks are still at work";
	machine = calloc(1, sizeof(*machine));
	if (!machine)
		return "out of memory";
	machine->vm = vm;
	machine->transport = transport;
	machine->became_quiet = became_quiet;
	vm->virtio = machine;
	wrong = fresh ? attach_each(machine, &index) : take_over_each(machine, &index);
	machine->made = !wrong;
	if (!wrong)
		return NULL;
	type = wanted(vm->config, index, &ordinal);
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
		if (machine->device[i])
			adopt(machine->device[i]);
	return wrong;
}

bool virtio_quiet(const struct vm *vm)
{
	return !vm->virtio || machine_quiet(vm->virtio);
}

void virtio_became_ready(struct virtio_device *dev)
{
	if (dev->waits)
		virtio_plug_ready(dev);
	else
		vm_became_ready(dev->vm);
}

bool virtio_ready(const struct vm *vm)
{
	const struct virtio_machine *machine = virtio_machine_of(vm);

	for (unsigned i = 0; i < machine->devices; i++) {
		const struct virtio_device *dev = machine->device[i];

		if (dev && !is_ready(dev))
			return false;
	}
	return true;
}

const char *virtio_boot(struct vm *vm)
{
	const struct virtio_machine *machine = virtio_machine_of(vm);
	const char *wrong = NULL;

	for (unsigned i = 0; i < machine->devices && !wrong; i++) {
		const struct virtio_device *dev = machine->device[i];

		if (dev && dev->type->trouble)
			wrong = dev->type->trouble(dev);
	}
	return wrong;
}
