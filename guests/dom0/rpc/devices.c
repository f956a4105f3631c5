/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's devices. */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/manage/documents.h"
#include "guests/dom0/manage/nodedev.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/lists.h"

/* virConnectListAllNodeDeviceFlags: kinds of devices, and whether they are active. */
#define DEVICES_SYSTEM   1u
#define DEVICES_PCI      2u
#define DEVICES_INACTIVE (1u << 30)
#define DEVICES_ACTIVE   (1u << 31)

static bool is_pci(const struct nodedev *device)
{
	return *device->parent;
}

static bool is_listed(const struct nodedev *device, uint32_t flags)
{
	uint32_t kinds = flags & ~(DEVICES_INACTIVE | DEVICES_ACTIVE);

	if (flags & DEVICES_INACTIVE && !(flags & DEVICES_ACTIVE))
		return false;
	return !kinds || kinds & (is_pci(device) ? DEVICES_PCI : DEVICES_SYSTEM);
}

/* An array that the caller frees; NULL after call_fail. */
static struct nodedev *all(struct call *call, unsigned *count)
{
	struct nodedev *device = nodedev_all(count);

	if (!device)
		call_fail(call, ERROR_NO_MEMORY, "dom0 is out of memory");
	return device;
}

void devices_list(struct call *call)
{
	bool results = xdr_i32(&call->in);
	uint32_t flags = xdr_u32(&call->in);
	struct list list = list_begin(&call->out, results);
	unsigned count;
	struct nodedev *device = all(call, &count);

	for (unsigned i = 0; device && i < count; i++)
		if (is_listed(&device[i], flags) && list_one(&list))
			xdr_put_text(&call->out, device[i].name);
	list_end(&list);
	free(device);
}

/* The older calls choose by one kind's name. */
static bool has_kind(const struct nodedev *device, const char *kind)
{
	return !*kind || !strcmp(kind, is_pci(device) ? "pci" : "system");
}

static uint32_t list_kind(struct call *call, const char *kind, uint32_t most, struct list *list)
{
	unsigned count;
	struct nodedev *device = all(call, &count);
	uint32_t n = 0;

	for (unsigned i = 0; device && i < count; i++) {
		if (!has_kind(&device[i], kind) || n == most)
			continue;
		n++;
		if (list && list_one(list))
			xdr_put_text(&call->out, device[i].name);
	}
	free(device);
	return n;
}

void devices_count(struct call *call)
{
	char kind[64];

	xdr_maybe_text(&call->in, kind, sizeof(kind));
	if (call_read(call))
		xdr_put_u32(&call->out, list_kind(call, kind, UINT32_MAX, NULL));
}

void devices_names(struct call *call)
{
	struct list list;
	char kind[64];
	int32_t most;

	xdr_maybe_text(&call->in, kind, sizeof(kind));
	most = xdr_i32(&call->in);
	if (!call_read(call))
		return;
	list = list_begin(&call->out, true);
	list_kind(call, kind, most < 0 ? 0 : (uint32_t)most, &list);
	list_end_short(&list);
}

/* False after call_fail. */
static bool read_device(struct call *call, struct nodedev *device)
{
	char name[64];

	xdr_text(&call->in, name, sizeof(name));
	if (call_read(call) && !nodedev_find(name, device))
		call_fail(call, ERROR_NO_NODE_DEVICE,
			  "Node device not found: no node device with matching name '%s'", name);
	return !call->code;
}

void devices_by_name(struct call *call)
{
	struct nodedev device;

	if (read_device(call, &device))
		xdr_put_text(&call->out, device.name);
}

void devices_xml(struct call *call)
{
	struct nodedev device;
	size_t begin;

	if (!read_device(call, &device))
		return;
	begin = document_begin(&call->out);
	nodedev_document(&device, document_put, &call->out);
	document_end(&call->out, begin);
}

void devices_parent(struct call *call)
{
	struct nodedev device;

	if (!read_device(call, &device))
		return;
	if (*device.parent)
		xdr_put_some_text(&call->out, device.parent);
	else
		xdr_put_u32(&call->out, 0);
}
