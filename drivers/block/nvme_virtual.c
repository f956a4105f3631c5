/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual functions of an NVMe controller (NVMe 1.4, 8.5 and 5.22). The controller of the physical
 * function is the primary one, which has queues and interrupts to share. Each virtual function, a
 * secondary controller, gets an even share of what is free and is set online. A reset of the
 * primary controller sets all of them offline: after it they are prepared again. The commands go
 * through the queue of administration, while the disk works.
 */
#include <string.h>

#include "drivers/block/nvme.h"

#define MS          1000000ull
#define POLL_NS     MS
#define LIMIT_ADMIN (5000 * MS)

/* Identify Controller, figure 247. */
#define CONTROLLER_ID   78u
#define CONTROLLER_OACS 256u
#define OACS_VIRTUALIZE 0x80u

/* Primary Controller Capabilities, figure 248: queues, then interrupts 32 bytes further. */
#define PRIMARY_KINDS     4u
#define PRIMARY_TOTAL     32u
#define PRIMARY_OWN       40u
#define PRIMARY_MOST      44u
#define PRIMARY_STEP      46u
#define PRIMARY_INTERRUPT 32u

/* Secondary Controller List, figure 249. */
#define SECONDARY_ENTRY   32u
#define SECONDARY_ENTRIES 127u
#define SECONDARY_NUMBER  8u

/* Virtualization Management: actions, and what they are about. */
#define ACTION_OFFLINE 7u
#define ACTION_ASSIGN  8u
#define ACTION_ONLINE  9u
#define QUEUES         0u
#define INTERRUPTS     1u

static const uint32_t least[2] = {2, 1}; /* of each: the queue of administration, another one */

static uint32_t get(const uint8_t *data, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	memcpy(&value, data + offset, bytes);
	return value;
}

static uint32_t primary(const struct nvme *nvme, unsigned offset, unsigned kind, unsigned bytes)
{
	return get(nvme->data, offset + kind * PRIMARY_INTERRUPT, bytes);
}

static bool is_shared(const struct nvme *nvme, unsigned kind)
{
	return nvme->data[PRIMARY_KINDS] >> kind & 1;
}

static void finish(struct nvme *nvme, const char *failure)
{
	struct nvme_virtual *v = &nvme->virtual;
	bool asked = v->asked;

	timer_cancel(&v->timer);
	v->asked = false;
	if (asked)
		pci_virtual_prepared(nvme->pci, failure);
	else if (failure)
		driver_log("nvme %s: virtual functions: %s\n", nvme->pci->name, failure);
}

/* The queue of administration is nobody else's while the controller runs. */
static void command(struct nvme *nvme, unsigned opcode, uint64_t prp1, uint32_t dword10,
		    uint32_t dword11, void (*next)(struct nvme *nvme, bool good))
{
	uint64_t now = clock_ns();

	nvme_admin(nvme, opcode, 0, prp1, dword10, dword11, next);
	nvme->virtual.limit = now + LIMIT_ADMIN;
	timer_set(&nvme->virtual.timer, now + POLL_NS);
}

static void manage(struct nvme *nvme, unsigned action, unsigned kind, uint32_t id, uint32_t count,
		   void (*next)(struct nvme *nvme, bool good))
{
	command(nvme, ADMIN_VIRTUALIZE, 0, action | kind << 8 | id << 16, count, next);
}

static void identify(struct nvme *nvme, unsigned what, uint32_t id,
		     void (*next)(struct nvme *nvme, bool good))
{
	command(nvme, ADMIN_IDENTIFY, nvme->data_bus, what | id << 16, 0, next);
}

/* --- each virtual function gets its share --- */

/* The secondary controller of the n-th one, NULL: the list has none. */
static const uint8_t *secondary(const struct nvme *nvme, unsigned n)
{
	for (unsigned i = 0; i < nvme->data[0] && i < SECONDARY_ENTRIES; i++) {
		const uint8_t *entry = nvme->data + (i + 1) * SECONDARY_ENTRY;

		if (get(entry, SECONDARY_NUMBER, 2) == n + 1)
			return entry;
	}
	return NULL;
}

static void log_failure(const struct nvme *nvme, const char *what)
{
	uint16_t bdf = pci_virtual_at(nvme->pci, nvme->virtual.current);

	driver_log("nvme %02x:%02x.%x: the virtual function %s\n", bdf >> 8, bdf >> 3 & 31, bdf & 7,
		   what);
}

static void next_action(struct nvme *nvme);

static void acted(struct nvme *nvme, bool good)
{
	static const char *const failure[] = {"cannot be set offline", "gets no queues",
					      "gets no interrupts", "cannot be set online"};

	if (!good) {
		log_failure(nvme, failure[nvme->virtual.action]);
		finish(nvme, "the controller does not prepare them, as the log says");
		return;
	}
	nvme->virtual.action++;
	next_action(nvme);
}

static void next_action(struct nvme *nvme)
{
	struct nvme_virtual *v = &nvme->virtual;
	const uint8_t *entry;
	uint32_t id;

	if (v->action > 3) {
		v->action = 0;
		v->current++;
	}
	if (v->current >= v->count) {
		finish(nvme, NULL);
		return;
	}
	entry = secondary(nvme, v->current);
	if (!entry) {
		log_failure(nvme, "is no controller of the primary one's list");
		finish(nvme, "the controller does not know them, as the log says");
		return;
	}
	id = get(entry, 0, 2);
	if (v->action == 0)
		manage(nvme, ACTION_OFFLINE, 0, id, 0, acted);
	else if (v->action == 3)
		manage(nvme, ACTION_ONLINE, 0, id, 0, acted);
	else if (v->share[v->action - 1])
		manage(nvme, ACTION_ASSIGN, v->action - 1, id, v->share[v->action - 1], acted);
	else
		acted(nvme, true);
}

static void got_secondary(struct nvme *nvme, bool good)
{
	if (!good) {
		finish(nvme, "the controller does not list them");
		return;
	}
	nvme->virtual.current = nvme->virtual.action = 0;
	next_action(nvme);
}

/* An even share of what is free, within what one may have and in the steps that the controller
 * wants. */
static uint32_t share_of(const struct nvme *nvme, unsigned kind)
{
	uint32_t total = primary(nvme, PRIMARY_TOTAL, kind, 4);
	uint32_t own = primary(nvme, PRIMARY_OWN, kind, 2);
	uint32_t share = total > own ? (total - own) / nvme->virtual.count : 0;
	uint32_t most = primary(nvme, PRIMARY_MOST, kind, 2);
	uint32_t step = primary(nvme, PRIMARY_STEP, kind, 2);

	if (share > most)
		share = most;
	return step ? share - share % step : share;
}

/* Virtual functions of a controller that shares nothing have what they need. QEMU's controller
 * knows the commands, but does not say so among its optional ones: its answer tells. */
static void got_primary(struct nvme *nvme, bool good)
{
	if (!good && nvme->virtual.says) {
		finish(nvme, "the controller does not say what it has to share");
		return;
	}
	if (!good || !nvme->virtual.count ||
	    !(is_shared(nvme, QUEUES) || is_shared(nvme, INTERRUPTS))) {
		finish(nvme, NULL);
		return;
	}
	for (unsigned kind = QUEUES; kind <= INTERRUPTS; kind++) {
		uint32_t *share = &nvme->virtual.share[kind];

		*share = is_shared(nvme, kind) ? share_of(nvme, kind) : 0;
		if (is_shared(nvme, kind) && *share < least[kind]) {
			finish(nvme,
			       "the controller has too few free queues or interrupts for so many");
			return;
		}
	}
	identify(nvme, IDENTIFY_SECONDARY, 0, got_secondary);
}

static void begin(struct nvme *nvme)
{
	identify(nvme, IDENTIFY_PRIMARY, nvme->virtual.id, got_primary);
}

static void fire(struct timer *timer)
{
	struct nvme *nvme = timer->context;

	timer_set(timer, clock_ns() + POLL_NS);
	if (nvme->admin_next && clock_ns() >= nvme->virtual.limit)
		nvme_reset(nvme, "does not answer a command of administration");
	else
		nvme_admin_complete(nvme);
}

/* --- for the controller --- */

void nvme_virtual_identified(struct nvme *nvme)
{
	nvme->virtual.id = (uint16_t)get(nvme->data, CONTROLLER_ID, 2);
	nvme->virtual.says = get(nvme->data, CONTROLLER_OACS, 2) & OACS_VIRTUALIZE;
}

void nvme_virtual_runs(struct nvme *nvme)
{
	if (nvme->virtual.count)
		begin(nvme);
}

void nvme_virtual_lost(struct nvme *nvme, const char *why)
{
	struct nvme_virtual *v = &nvme->virtual;

	if (v->begun)
		timer_cancel(&v->timer);
	if (why && v->asked)
		finish(nvme, why);
}

/* --- for PCI --- */

static void made(struct pci_device *dev, unsigned count)
{
	struct nvme *nvme = dev->driver_data;
	struct nvme_virtual *v = &nvme->virtual;

	if (nvme->state == NVME_READY && nvme->admin_next) {
		pci_virtual_prepared(dev, "its controller still prepares those before");
		return;
	}
	if (!v->begun)
		timer_init(&v->timer, fire, nvme);
	v->begun = v->asked = true;
	v->count = count;
	if (count > SECONDARY_ENTRIES)
		finish(nvme, "the driver prepares 127 at most");
	else if (nvme->state == NVME_DEAD)
		finish(nvme, "its controller has been given up");
	else if (nvme->state == NVME_READY)
		begin(nvme);
	/* else it begins when it runs */
}

static void removed(struct pci_device *dev)
{
	struct nvme *nvme = dev->driver_data;

	nvme->virtual.count = 0;
}

const struct pci_virtual_ops nvme_virtual_ops = {made, removed};
