/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object/device.h"

#include "kernel/abi.h"
#include "kernel/base/slab.h"
#include "kernel/object/domain.h"

#define CHAINS 256u

static struct slab devices = SLAB_INIT(struct device);

/* By device and function: a chain has at most one for each bus. */
static struct device *chains[CHAINS];

/* What points to the device with this ID, or to NULL at the end of its chain. */
static struct device **find(uint64_t requester)
{
	struct device **link = &chains[requester % CHAINS];

	while (*link && (*link)->requester != requester)
		link = &(*link)->next;
	return link;
}

int64_t device_new(struct domain *owner, uint64_t requester, struct device **result)
{
	struct device **link = find(requester), *device;

	if (requester > UINT16_MAX)
		return SAMPO_EINVAL;
	if (*link)
		return SAMPO_EEXIST;
	device = domain_slab_alloc(owner, &devices);
	if (!device)
		return SAMPO_ENOMEM;
	object_init(&device->object, SAMPO_T_DEVICE);
	device->requester = (uint16_t)requester;
	device->owner = owner;
	object_get(&owner->object);
	*link = *result = device;
	return SAMPO_OK;
}

bool device_take_apart(struct object *object)
{
	struct device *device = CONTAINER_OF(object, struct device, object);
	struct domain *owner = device->owner;

	*find(device->requester) = device->next;
	domain_slab_free(owner, &devices, device);
	object_put(&owner->object);
	return false;
}
