/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/attach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/tune.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"

#define WAIT_NS 10000000000ull /* for a guest to give a device up */
#define LOOK_NS 20000000u

/* A change at work. */
struct job {
	char name[CONFIG_NAME]; /* of the guest */
	struct vm_config *device;
	struct vm_config *next; /* the description that the guest gets; NULL: it stays */
	struct timer timer;     /* looks whether a device has gone */
	uint64_t deadline;
	define_done *done;
	void *context;
};

static const char out_of_memory[] = "dom0 is out of memory";
static const char not_found[] = "operation failed: the domain has no such device";

/* --- the description of a device ---------------------------------------------------------------
 */

static const char before[] = "<domain type='sampo'><name>device</name><memory>2048</memory><os>"
			     "<type>hvm</type><kernel>none</kernel></os><devices>";
static const char behind[] = "</devices></domain>";

/* A document may begin with its declaration, which nothing else may stand before. */
static size_t declaration(const char *xml, size_t bytes)
{
	size_t at = 0;

	while (at < bytes && strchr(" \t\r\n", xml[at]) && xml[at])
		at++;
	if (bytes - at < 6 || memcmp(xml + at, "<?xml", 5) != 0 || !strchr(" \t\r\n", xml[at + 5]))
		return 0;
	while (at + 1 < bytes && (xml[at] != '?' || xml[at + 1] != '>'))
		at++;
	return at + 1 < bytes ? at + 2 : 0;
}

/* Returns a description with that device alone, which the parser of descriptions reads as any
 * other; NULL: *wrong is the reason, or "". */
static struct vm_config *read_device(const char *xml, size_t bytes, struct config_error *error,
				     const char **wrong)
{
	size_t skip = declaration(xml, bytes), used = sizeof(before) - 1;
	struct vm_config *config = NULL;
	char *text = bytes <= ATTACH_XML ? malloc(sizeof(before) + bytes + sizeof(behind)) : NULL;

	*wrong = bytes <= ATTACH_XML ? out_of_memory
				     : "XML error: the description of a device is too long";
	if (!text)
		return NULL;
	memcpy(text, before, used);
	memcpy(text + used, xml + skip, bytes - skip);
	used += bytes - skip;
	memcpy(text + used, behind, sizeof(behind) - 1);
	used += sizeof(behind) - 1;
	config = config_parse("XML", text, used, error);
	free(text);
	*wrong = config ? NULL : "";
	if (config && config->disks + config->nics + config->hostdevs == 1)
		return config;
	if (config)
		*wrong = "Operation not supported: a device that is no disk, no interface and no "
			 "function of the machine";
	config_free(config);
	return NULL;
}

/* As libvirt does: three bytes behind QEMU's prefix. */
static void make_mac(struct vm_config *device)
{
	uint8_t *mac = device->nic[0].mac;

	if (!device->nics || !device->nic[0].mac_made)
		return;
	do
		arc4random_buf(mac + 3, 3);
	while (vm_find_mac(mac, NULL));
	device->nic[0].mac_made = false;
}

/* --- a device in a description -----------------------------------------------------------------
 */

static int find_disk(const struct vm_config *config, const struct config_disk *disk)
{
	for (uint32_t i = 0; i < config->disks; i++)
		if (!strcmp(config->disk[i].target, disk->target))
			return (int)i;
	return -1;
}

static int find_nic(const struct vm_config *config, const struct config_nic *nic)
{
	if (nic->mac_made)
		return config->nics == 1 ? 0 : -1;
	for (uint32_t i = 0; i < config->nics; i++)
		if (!memcmp(config->nic[i].mac, nic->mac, 6))
			return (int)i;
	return -1;
}

static int find_hostdev(const struct vm_config *config, const struct config_hostdev *hostdev)
{
	for (uint32_t i = 0; i < config->hostdevs; i++)
		if (config->hostdev[i].requester == hostdev->requester)
			return (int)i;
	return -1;
}

/* The place of the device among those of its kind, -1: there is none. */
static int find(const struct vm_config *config, const struct vm_config *device)
{
	if (device->disks)
		return find_disk(config, &device->disk[0]);
	if (device->nics)
		return find_nic(config, &device->nic[0]);
	return find_hostdev(config, &device->hostdev[0]);
}

/* The array of the device's kind. */
struct array {
	uint8_t *at;
	const void *device;
	size_t bytes;
	uint32_t *count, most;
};

static struct array array_of(struct vm_config *config, const struct vm_config *device)
{
	if (device->disks)
		return (struct array){(uint8_t *)config->disk, device->disk,
				      sizeof(config->disk[0]), &config->disks, CONFIG_DISKS};
	if (device->nics)
		return (struct array){(uint8_t *)config->nic, device->nic, sizeof(config->nic[0]),
				      &config->nics, CONFIG_NICS};
	return (struct array){(uint8_t *)config->hostdev, device->hostdev,
			      sizeof(config->hostdev[0]), &config->hostdevs, CONFIG_HOSTDEVS};
}

static const char *add(struct vm_config *config, const struct vm_config *device)
{
	struct array array = array_of(config, device);

	if (find(config, device) >= 0)
		return device->disks ? "the guest has a disk of this target already"
				     : "the guest has this device already";
	if (*array.count == array.most)
		return "the guest has as many devices of this kind as it can have";
	memcpy(array.at + *array.count * array.bytes, array.device, array.bytes);
	++*array.count;
	return NULL;
}

static const char *take(struct vm_config *config, const struct vm_config *device)
{
	struct array array = array_of(config, device);
	int found = find(config, device);
	uint32_t at = (uint32_t)found;

	if (found < 0)
		return not_found;
	--*array.count;
	memmove(array.at + at * array.bytes, array.at + (at + 1) * array.bytes,
		(*array.count - at) * array.bytes);
	return NULL;
}

/* An interface keeps its address, which the new description need not name. */
static const char *replace(struct vm_config *config, const struct vm_config *device)
{
	struct array array = array_of(config, device);
	int at = find(config, device);
	uint8_t mac[6];

	if (at < 0)
		return not_found;
	memcpy(mac, config->nic[device->nics ? at : 0].mac, sizeof(mac));
	memcpy(array.at + (size_t)at * array.bytes, array.device, array.bytes);
	if (device->nics)
		memcpy(config->nic[at].mac, mac, sizeof(mac));
	return NULL;
}

/* The description that the guest has from its next start on. */
static const char *make_next(const struct vm *vm, enum attach_action action, struct job *job)
{
	static const char *(*const actions[])(struct vm_config * config,
					      const struct vm_config *device) = {
		[ATTACH_DEVICE] = add,
		[ATTACH_UPDATE] = replace,
		[ATTACH_DETACH] = take,
	};
	const char *wrong;

	job->next = malloc(sizeof(*job->next));
	if (!job->next)
		return out_of_memory;
	*job->next = *(vm->next_config ? vm->next_config : vm_own_config(vm));
	wrong = actions[action](job->next, job->device);
	return wrong ? wrong : vm_may_define(job->next);
}

/* --- the end of a change -----------------------------------------------------------------------
 */

static void free_job(struct job *job)
{
	config_free(job->device);
	config_free(job->next);
	free(job);
}

/* The guest has the device, or has it no more: the description follows. */
static void live_done(struct job *job, const char *wrong)
{
	struct vm_config *next = wrong ? NULL : job->next;
	struct vm *vm = vm_find_name(job->name);
	define_done *done = job->done;
	void *context = job->context;

	if (next)
		job->next = NULL;
	if (next && vm)
		wrong = redefine_guest(vm, next, done, context);
	else
		config_free(next);
	if (wrong || !next || !vm)
		done(context, vm, wrong, "");
	free_job(job);
}

static void plugged(void *context, const char *wrong)
{
	live_done(context, wrong);
}

/* --- the guest that runs -----------------------------------------------------------------------
 */

static const char *plug(struct vm *vm, struct job *job)
{
	const char *wrong;

	if (job->device->hostdevs)
		return "Operation not supported: a function of the machine comes with the guest's "
		       "start alone";
	if (job->device->disks)
		return virtio_plug_disk(vm, &job->device->disk[0], plugged, job);
	wrong = virtio_plug_nic(vm, &job->device->nic[0]);
	if (!wrong)
		live_done(job, NULL);
	return wrong;
}

/* The guest may start again or end meanwhile. */
static void look(struct timer *timer)
{
	struct job *job = timer->context;
	const struct vm *vm = vm_find_name(job->name);
	bool runs = vm && vm->id, has = runs && find(vm->config, job->device) >= 0;

	if (!has && !(runs && virtio_is_leaving(vm)))
		live_done(job, NULL);
	else if (clock_ns() < job->deadline)
		timer_set(timer, clock_ns() + LOOK_NS);
	else if (!has)
		live_done(job, NULL);
	else
		live_done(job, "the guest has not given it up yet: it goes when the guest does so "
			       "or starts again");
}

static const char *unplug(struct vm *vm, struct job *job)
{
	int at = find(vm->config, job->device);
	const char *wrong;

	if (at < 0)
		return not_found;
	if (job->device->hostdevs)
		return "Operation not supported: a function of the machine goes with the guest's "
		       "end alone";
	if (job->device->nics) { /* the one that is meant, though others may come meanwhile */
		job->device->nic[0] = vm->config->nic[at];
		job->device->nic[0].mac_made = false;
	}
	wrong = virtio_unplug(vm, job->device->disks ? VIRTIO_BLK : VIRTIO_NET, (unsigned)at);
	if (wrong)
		return wrong;
	job->deadline = clock_ns() + WAIT_NS;
	timer_init(&job->timer, look, job);
	timer_set(&job->timer, clock_ns() + LOOK_NS);
	return NULL;
}

const char *attach_link(struct vm *vm, unsigned nic, bool up)
{
	struct vm_config *config = vm_live_config(vm);

	if (!config)
		return out_of_memory;
	if (!virtio_net_link(vm, nic, up))
		return "the guest has no such device";
	config->nic[nic].link_down = !up;
	return NULL;
}

/* The name of the network and of the interface are labels. */
static const char *update(struct vm *vm, struct job *job)
{
	const struct config_nic *nic = &job->device->nic[0];
	int at = find(vm->config, job->device);
	const char *wrong;

	if (at < 0)
		return not_found;
	if (!job->device->nics)
		return "Operation not supported: a change of a disk or a function of a running "
		       "domain";
	if (nic->vlan != vm->config->nic[at].vlan)
		return "Operation not supported: a change of the VLAN of a running domain's "
		       "interface";
	wrong = attach_link(vm, (unsigned)at, !nic->link_down);
	if (!wrong)
		live_done(job, NULL);
	return wrong;
}

/* --- the beginning -----------------------------------------------------------------------------
 */

/* libvirt's rules. */
static const char *choose(const struct vm *vm, unsigned *affects)
{
	if (*affects == TUNE_CURRENT)
		*affects = vm->id ? TUNE_LIVE : TUNE_CONFIG;
	if (*affects & TUNE_LIVE && !vm->id)
		return tune_not_running;
	if (*affects & TUNE_CONFIG && vm->transient)
		return "Requested operation is not valid: transient domains do not have any "
		       "persistent config";
	return NULL;
}

static const char *begin(struct vm *vm, struct job *job, enum attach_action action,
			 unsigned affects)
{
	static const char *(*const actions[])(struct vm * vm, struct job * job) = {
		[ATTACH_DEVICE] = plug,
		[ATTACH_UPDATE] = update,
		[ATTACH_DETACH] = unplug,
	};
	const char *wrong = affects & TUNE_CONFIG ? make_next(vm, action, job) : NULL;

	if (wrong)
		return wrong;
	if (affects & TUNE_LIVE)
		return actions[action](vm, job);
	live_done(job, NULL);
	return NULL;
}

const char *attach_change(struct vm *vm, enum attach_action action, const char *xml, size_t bytes,
			  unsigned affects, struct config_error *error, define_done *done,
			  void *context)
{
	const char *wrong = choose(vm, &affects);
	struct vm_config *device = wrong ? NULL : read_device(xml, bytes, error, &wrong);
	struct job *job = device ? calloc(1, sizeof(*job)) : NULL;

	if (!job) {
		config_free(device);
		return wrong ? wrong : out_of_memory;
	}
	if (action == ATTACH_DEVICE)
		make_mac(device);
	job->device = device;
	job->done = done;
	job->context = context;
	snprintf(job->name, sizeof(job->name), "%s", vm->name);
	wrong = begin(vm, job, action, affects);
	if (wrong)
		free_job(job);
	return wrong;
}
