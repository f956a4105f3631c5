/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's devices, as all of this room see them. */
#include "guests/dom0/virtio/device.h"

#include "guests/dom0/vm/vm.h"

struct virtio_device *virtio_find(const struct vm *vm, uint32_t type, unsigned ordinal)
{
	struct virtio_machine *machine = virtio_machine_of(vm);

	if (!machine || machine->leaving)
		return NULL;
	for (unsigned i = 0; i < machine->devices; i++) {
		struct virtio_device *dev = virtio_by_instance(vm, i);

		if (dev && dev->type->type == type && dev->ordinal == ordinal)
			return dev;
	}
	return NULL;
}

struct virtio_device *virtio_by_instance(const struct vm *vm, uint32_t instance)
{
	struct virtio_machine *machine = virtio_machine_of(vm);

	if (!machine || machine->leaving || instance >= machine->devices)
		return NULL;
	struct virtio_device *dev = machine->device[instance];

	return dev && !dev->gone ? dev : NULL;
}

/* Sections 2.1.2 and 4.1.4.3: say it in the status, and tell the driver. */
void virtio_broken(struct virtio_device *dev, const char *why)
{
	if (dev->state->status & VIRTIO_S_NEEDS_RESET)
		return;
	bool running = virtio_running(dev);

	dev->state->status |= VIRTIO_S_NEEDS_RESET;
	virtio_stop_queues(dev);
	vm_log(dev->vm, "virtio-%s %u stopped until its driver resets it: %s", dev->type->name,
	       dev->ordinal, why);
	if (running)
		virtio_config_changed(dev);
}

void virtio_config_changed(struct virtio_device *dev)
{
	dev->state->config_generation++;
	if (dev->state->status & VIRTIO_S_DRIVER_OK)
		dev->transport->config_interrupt(dev);
}

void virtio_interrupt(struct virtio_device *dev, uint16_t msix)
{
	dev->transport->interrupt(dev, msix);
}

void virtio_became_quiet(struct virtio_device *dev)
{
	virtio_machine_of(dev->vm)->became_quiet(dev);
}
