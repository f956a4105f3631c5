/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks and interfaces that come to a running guest and leave it. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/virtio/life.h"
#include "guests/dom0/vm/vm.h"
#include "guests/dom0/vm/watch.h"

static const char out_of_memory[] = "dom0 is out of memory";
static const char no_slot[] = "the guest's PCI bus has no free slot";

#define WHY 256u /* bytes of the reason for a failure */

/* The device is in the description of the run still or already. */
static void tell(const struct virtio_device *dev, enum vm_event event)
{
	const struct vm_config *config = dev->vm->config;
	char alias[CONFIG_ALIAS];

	if (dev->type->type == VIRTIO_BLK)
		config_disk_alias(alias, &config->disk[dev->ordinal]);
	else
		config_nic_alias(alias, &config->nic[dev->ordinal]);
	vm_tell_device(dev->vm, event, alias);
}

static struct virtio_machine *running(const struct vm *vm)
{
	struct virtio_machine *machine = virtio_machine_of(vm);

	return machine && !machine->leaving ? machine : NULL;
}

static unsigned free_index(const struct vm *vm)
{
	unsigned index = 0;

	while (index < MACHINE_VIRTIO_DEVICES && vm->state->virtio[index].type)
		index++;
	return index;
}

/* The device is the last of its type in the description by now. */
static const char *plug(struct virtio_machine *machine, const struct virtio_type *type,
			unsigned ordinal, virtio_plugged *plugged, void *context)
{
	unsigned index = free_index(machine->vm);
	unsigned slot = machine->transport->free_slot(machine->vm);
	struct virtio_device *dev;
	const char *wrong;

	if (index == MACHINE_VIRTIO_DEVICES || !slot)
		return no_slot;
	wrong = virtio_device_add(machine, index, type, ordinal, slot);
	if (wrong)
		return wrong;
	dev = machine->device[index];
	dev->plugged = plugged;
	dev->plug_context = context;
	if (dev->waits)
		return NULL;
	machine->transport->added(dev);
	tell(dev, VM_EVENT_DEVICE_ADDED);
	virtio_plug_end(dev, NULL);
	return NULL;
}

void virtio_plug_end(struct virtio_device *dev, const char *wrong)
{
	virtio_plugged *plugged = dev->plugged;

	dev->plugged = NULL;
	if (plugged)
		plugged(dev->plug_context, wrong);
}

const char *virtio_plug_disk(struct vm *vm, const struct config_disk *disk, virtio_plugged *plugged,
			     void *context)
{
	struct virtio_machine *machine = running(vm);
	struct vm_config *config;
	const char *wrong;

	if (!machine)
		return "the guest is ending";
	for (uint32_t i = 0; i < vm->config->disks; i++)
		if (!strcmp(vm->config->disk[i].target, disk->target))
			return "the guest has a disk of this target already";
	if (vm->config->disks == CONFIG_DISKS)
		return "the guest has as many disks as it can have";
	config = vm_live_config(vm);
	if (!config)
		return out_of_memory;
	config->disk[config->disks++] = *disk;
	wrong = plug(machine, &virtio_blk_type, config->disks - 1, plugged, context);
	if (wrong)
		config->disks--;
	return wrong;
}

static bool has_mac(const struct vm_config *config, const uint8_t mac[6])
{
	for (uint32_t i = 0; i < config->nics; i++)
		if (!memcmp(config->nic[i].mac, mac, sizeof(config->nic[i].mac)))
			return true;
	return false;
}

/* The guest's other descriptions may have the address: the one by which it started, of an interface
 * that it has given up since, and that of its next start. */
const char *virtio_plug_nic(struct vm *vm, const struct config_nic *nic)
{
	struct virtio_machine *machine = running(vm);
	struct vm_config *config;
	const char *wrong;

	if (!machine)
		return "the guest is ending";
	if (vm_find_mac(nic->mac, vm) || has_mac(vm->config, nic->mac))
		return "a guest has this MAC address already";
	if (vm->config->nics == CONFIG_NICS)
		return "the guest has as many interfaces as it can have";
	config = vm_live_config(vm);
	if (!config)
		return out_of_memory;
	config->nic[config->nics++] = *nic;
	wrong = plug(machine, &virtio_net_type, config->nics - 1, NULL, NULL);
	if (wrong)
		config->nics--;
	return wrong;
}

const char *virtio_unplug(struct vm *vm, uint32_t type, unsigned ordinal)
{
	struct virtio_device *dev = virtio_find(vm, type, ordinal);

	if (!dev)
		return "the guest has no such device";
	if (dev->waits)
		return "the image of the disk is being opened still";
	if (!vm_live_config(vm))
		return out_of_memory;
	dev->transport->ask(dev);
	return NULL;
}

static void take_out(struct vm_config *config, uint32_t type, unsigned ordinal)
{
	if (type == VIRTIO_BLK) {
		config->disks--;
		memmove(&config->disk[ordinal], &config->disk[ordinal + 1],
			(config->disks - ordinal) * sizeof(config->disk[0]));
	} else {
		config->nics--;
		memmove(&config->nic[ordinal], &config->nic[ordinal + 1],
			(config->nics - ordinal) * sizeof(config->nic[0]));
	}
}

static bool remove_device(struct virtio_device *dev)
{
	uint32_t type = dev->type->type;
	unsigned ordinal = dev->ordinal;
	struct vm *vm = dev->vm;
	struct virtio_machine *machine = virtio_machine_of(vm);
	struct vm_config *config = vm_live_config(vm);

	if (!config)
		return false;
	virtio_device_remove(dev);
	take_out(config, type, ordinal);
	for (unsigned i = 0; i < machine->devices; i++) {
		struct virtio_device *other = virtio_by_instance(vm, i);

		if (!other || other->type->type != type || other->ordinal < ordinal)
			continue;
		other->ordinal--;
		other->state->ordinal--;
	}
	return true;
}

bool virtio_eject(struct virtio_device *dev)
{
	if (!vm_live_config(dev->vm))
		return false;
	tell(dev, VM_EVENT_DEVICE_REMOVED);
	return remove_device(dev);
}

bool virtio_is_leaving(const struct vm *vm)
{
	const struct virtio_machine *machine = running(vm);

	for (unsigned i = 0; machine && i < machine->devices; i++)
		if (machine->device[i] && machine->device[i]->gone)
			return true;
	return false;
}

/* The operator hears of it when the device is gone. */
static void give_up(struct virtio_device *dev, const char *why)
{
	virtio_plugged *plugged = dev->plugged;
	void *context = dev->plug_context;

	dev->plugged = NULL;
	remove_device(dev);
	if (plugged)
		plugged(context, why);
}

void virtio_plug_ready(struct virtio_device *dev)
{
	const char *trouble = dev->type->trouble(dev);
	char why[WHY] = "";

	if (trouble)
		snprintf(why, sizeof(why), "%s", trouble);
	else if (!virtio_device_show(dev, dev->transport->free_slot(dev->vm)))
		snprintf(why, sizeof(why), "%s", no_slot);
	else
		dev->transport->added(dev);
	if (*why) {
		give_up(dev, why);
		return;
	}
	tell(dev, VM_EVENT_DEVICE_ADDED);
	virtio_plug_end(dev, NULL);
}
