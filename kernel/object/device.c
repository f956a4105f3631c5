/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object/device.h"

#include "kernel/abi.h"
#include "kernel/base/log.h"
#include "kernel/base/slab.h"
#include "kernel/object/domain.h"

#define CHAINS         256u
#define FAULTS_TOLD    16u /* of one device; then it is cut off */
#define FAULTS_AT_ONCE 32u

static struct slab devices = SLAB_INIT(struct device);

/* By device and function: a chain has at most one for each bus. */
static struct device *chains[CHAINS];

/* Returns the pointer that leads to the device with this ID, or to NULL at the end of its chain. */
static struct device **find(uint64_t requester)
{
	struct device **link = &chains[requester % CHAINS];

	while (*link && (*link)->requester != requester)
		link = &(*link)->next;
	return link;
}

/* Without an IOMMU every device reaches all memory: none can be given away. A device that firmware
 * uses as well would take what firmware does with it into another domain. */
static int64_t attach(struct domain *owner, uint16_t requester, struct domain *domain)
{
	int64_t status = SAMPO_OK;

	if (!iommu.ops)
		return domain == owner ? SAMPO_OK : SAMPO_ENODEV;
	if (!iommu_covers(requester))
		return SAMPO_ENODEV;
	if (domain != owner && iommu_firmware_uses(requester))
		return SAMPO_EBUSY;
	lock(&domain->lock);
	if (!domain->io.table.root)
		status = iommu_open(&domain->io, domain);
	unlock(&domain->lock);
	return status ? status : iommu_attach(requester, &domain->io);
}

int64_t device_new(struct domain *owner, uint64_t requester, struct domain *domain, uint64_t name,
		   struct device **result)
{
	struct device **link = find(requester), *device;
	int64_t status;

	if (requester > UINT16_MAX)
		return SAMPO_EINVAL;
	if (domain->state == SAMPO_DOM_DEAD)
		return SAMPO_EDEAD;
	if (*link)
		return SAMPO_EEXIST;
	device = domain_slab_alloc(owner, &devices);
	if (!device)
		return SAMPO_ENOMEM;
	status = attach(owner, (uint16_t)requester, domain);
	if (status) {
		domain_slab_free(owner, &devices, device);
		return status;
	}
	object_init(&device->object, SAMPO_T_DEVICE);
	device->requester = (uint16_t)requester;
	__builtin_memcpy(device->name, &name, sizeof(name));
	device->owner = owner;
	device->domain = domain;
	object_get(&owner->object);
	object_get(&domain->object);
	*link = device;
	*result = device;
	return SAMPO_OK;
}

/* The name without what no terminal should get; "?" for a function that has no object. */
static void put_name(char name[DEVICE_NAME + 1], const struct device *device)
{
	unsigned n = 0;

	for (; device && n < DEVICE_NAME && device->name[n] > ' ' && device->name[n] < 0x7f; n++)
		name[n] = device->name[n];
	if (!n)
		name[n++] = '?';
	name[n] = 0;
}

/* A function that belongs to nobody has no business on its bus: it is cut off at once. */
static void report(const struct iommu_fault *fault)
{
	struct device *device = *find(fault->requester);
	uint32_t count = FAULTS_TOLD;
	char name[DEVICE_NAME + 1];

	if (device) {
		device->faults++;
		count = device->faults;
	}
	if (count > FAULTS_TOLD)
		return;
	put_name(name, device);
	log_print(LOG_WARNING "iommu: %02x:%02x.%x (%s) %s %lx blocked, reason %x\n",
		  fault->requester >> 8, fault->requester >> 3 & 31, fault->requester & 7, name,
		  fault->interrupt ? "interrupt"
		  : fault->write   ? "write to"
				   : "read of",
		  fault->address, fault->code);
	if (count < FAULTS_TOLD)
		return;
	iommu_cut_off(fault->requester);
	log_print(LOG_WARNING "iommu: %02x:%02x.%x (%s) has been cut off: it is no longer a master "
			      "of its bus, and its faults are not told\n",
		  fault->requester >> 8, fault->requester >> 3 & 31, fault->requester & 7, name);
}

/* The n-th error of the units is told for each power of two n. */
static void report_error(const struct iommu_fault *fault)
{
	static uint32_t errors;

	errors++;
	if (!(errors & (errors - 1)))
		log_print(LOG_ERR "iommu: error %u of the units: %s\n", errors, fault->text);
}

static void take_faults(void)
{
	struct iommu_fault fault;

	for (unsigned i = 0; i < FAULTS_AT_ONCE && iommu_fault(&fault); i++) {
		if (fault.text)
			report_error(&fault);
		else
			report(&fault);
	}
}

bool device_take_apart(struct object *object)
{
	struct device *device = CONTAINER_OF(object, struct device, object);
	struct domain *owner = device->owner;

	if (iommu.ops) {
		iommu_attach(device->requester, NULL);
		take_faults(); /* they are of this owner, and not of the next one */
	}
	*find(device->requester) = device->next;
	object_put(&device->domain->object);
	domain_slab_free(owner, &devices, device);
	object_put(&owner->object);
	return false;
}

void device_poll_faults(void)
{
	if (!iommu.ops || !manage_try())
		return;
	take_faults();
	manage_unlock();
}
