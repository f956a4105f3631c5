/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resets (PCI Express 5.0, 6.6.2 and 7.5.1.3.13; the engineering change notice "Advanced
 * Capabilities for Conventional PCI"; PCI power management 1.2, 5.4.1). Each way is a sequence of
 * steps; a step returns how long it takes, and the timer calls the next one.
 */
#include "guests/dom0/assign/reset.h"

#include <string.h>

#define MS 1000000ull

#define VENDOR           0x00u
#define BRIDGE_CONTROL   0x3eu
#define BRIDGE_BUS_RESET 0x40u
#define SUBORDINATE      0x1au

#define EXPRESS_CAN      0x04u
#define EXPRESS_CAN_FLR  0x10000000u
#define EXPRESS_CONTROL  0x08u
#define EXPRESS_FLR      0x8000u
#define EXPRESS_NO_SNOOP 0x0800u /* on after a reset (PCI Express 5.0, 7.5.3.4) */
#define EXPRESS_STATUS   0x0au
#define EXPRESS_PENDING  0x0020u
#define EXPRESS_CONTROL2 0x28u
#define EXPRESS_LINK     0x10u
#define EXPRESS_VERSION  0x0fu

#define AF_CAN     0x03u
#define AF_CAN_FLR 0x03u /* a reset, and to say that transactions are pending */
#define AF_CONTROL 0x04u
#define AF_STATUS  0x05u
#define AF_PENDING 0x01u

#define PM_CONTROL     4u
#define PM_STATE       0x3u
#define PM_D3          0x3u
#define PM_NO_SOFT_RST 0x8u

#define NOT_READY 0x0001u /* the vendor of a function that is still busy with its reset */

#define PENDING_NS (100 * MS) /* transactions in flight end by themselves */
#define POLL_NS    (10 * MS)
#define PULSE_NS   (2 * MS)
#define SETTLE_NS  (100 * MS)
#define READY_NS   (60000 * MS)

enum { STEP_PENDING, STEP_RESET, STEP_PULSE, STEP_SETTLED, STEP_READY };

static unsigned express(struct pci_device *dev)
{
	return pci_find_capability(dev, PCI_CAP_EXPRESS);
}

/* --- which way --- */

static bool can_reset_function(struct pci_device *dev)
{
	unsigned at = express(dev);

	return at && pci_read(dev, at + EXPRESS_CAN, 4) & EXPRESS_CAN_FLR;
}

static bool can_reset_advanced(struct pci_device *dev)
{
	unsigned at = pci_find_capability(dev, PCI_CAP_AF);

	return at && (pci_read(dev, at + AF_CAN, 1) & AF_CAN_FLR) == AF_CAN_FLR;
}

/* No other function is on the bus or on those behind it. */
static bool is_alone(const struct pci_device *dev, struct pci_device *bridge)
{
	unsigned first = bridge->secondary, last = pci_read(bridge, SUBORDINATE, 1);

	for (const struct pci_device *d = pci_first(); d; d = d->next)
		if (d != dev && d->bdf >> 8 >= first && (unsigned)d->bdf >> 8 <= last)
			return false;
	return true;
}

static bool can_reset_power(struct pci_device *dev)
{
	unsigned at = pci_find_capability(dev, PCI_CAP_PM);

	return at && !(pci_read(dev, at + PM_CONTROL, 2) & PM_NO_SOFT_RST);
}

enum reset_way assign_reset_way(struct pci_device *dev, const char **why)
{
	struct pci_device *bridge = pci_parent(dev);

	if (can_reset_function(dev))
		return RESET_FUNCTION;
	if (can_reset_advanced(dev))
		return RESET_ADVANCED;
	if (bridge && is_alone(dev, bridge))
		return RESET_BUS;
	if (can_reset_power(dev))
		return RESET_POWER;
	*why = bridge ? "it has no reset of its own, and others share its bus"
		      : "it has no reset of its own, and no bridge has one for it";
	return RESET_NONE;
}

/* --- the steps --- */

/* Registers that the guest or firmware has set and that a reset clears, and their bits that stay
 * off. */
static const struct {
	uint8_t offset;
	uint16_t off;
} kept[] = {{EXPRESS_CONTROL, EXPRESS_FLR | EXPRESS_NO_SNOOP},
	    {EXPRESS_LINK, 0},
	    {EXPRESS_CONTROL2, 0}};

static unsigned kept_count(struct pci_device *dev, unsigned at)
{
	return (pci_read(dev, at + 2, 2) & EXPRESS_VERSION) >= 2 ? 3 : 2;
}

static void save(struct assign_reset *r)
{
	unsigned at = express(r->dev);

	for (unsigned i = 0; at && i < kept_count(r->dev, at); i++)
		r->saved[i] = (uint16_t)pci_read(r->dev, at + kept[i].offset, 2);
}

static void restore(struct assign_reset *r)
{
	unsigned at = express(r->dev);

	for (unsigned i = 0; at && i < kept_count(r->dev, at); i++)
		pci_write(r->dev, at + kept[i].offset, 2, r->saved[i] & ~(uint32_t)kept[i].off);
	pci_restore_bars(r->dev);
	pci_change(r->dev, PCI_COMMAND, PCI_COMMAND_MASTER,
		   PCI_COMMAND_INTX_OFF | PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
}

static bool is_pending(struct assign_reset *r)
{
	unsigned at = express(r->dev);

	if (at)
		return pci_read(r->dev, at + EXPRESS_STATUS, 2) & EXPRESS_PENDING;
	at = pci_find_capability(r->dev, PCI_CAP_AF);
	return at && pci_read(r->dev, at + AF_STATUS, 1) & AF_PENDING;
}

static void set_power(struct pci_device *dev, uint32_t state)
{
	pci_change(dev, pci_find_capability(dev, PCI_CAP_PM) + PM_CONTROL, PM_STATE, state);
}

static void finish(struct assign_reset *r, const char *failure)
{
	r->deadline = 0;
	if (!failure)
		restore(r);
	r->done(r, failure);
}

/* The reset begins; a pulse has an end, too. Returns how long the step takes. */
static uint64_t step_reset(struct assign_reset *r)
{
	struct pci_device *dev = r->dev;

	switch (r->way) {
	case RESET_FUNCTION:
		pci_change(dev, express(dev) + EXPRESS_CONTROL, 0, EXPRESS_FLR);
		break;
	case RESET_ADVANCED:
		pci_write(dev, pci_find_capability(dev, PCI_CAP_AF) + AF_CONTROL, 1, 1);
		break;
	case RESET_BUS:
		pci_change(pci_parent(dev), BRIDGE_CONTROL, 0, BRIDGE_BUS_RESET);
		r->step = STEP_PULSE;
		return PULSE_NS;
	case RESET_POWER:
		set_power(dev, PM_D3);
		r->step = STEP_PULSE;
		return POLL_NS;
	case RESET_NONE:
		break;
	}
	r->step = STEP_SETTLED;
	return SETTLE_NS;
}

static uint64_t step_pulse(struct assign_reset *r)
{
	if (r->way == RESET_BUS)
		pci_change(pci_parent(r->dev), BRIDGE_CONTROL, BRIDGE_BUS_RESET, 0);
	else
		set_power(r->dev, 0);
	r->step = STEP_SETTLED;
	return SETTLE_NS;
}

/* Returns how long the next step is away, 0: the reset is over. */
static uint64_t step(struct assign_reset *r, uint64_t now)
{
	uint32_t id;

	switch (r->step) {
	case STEP_PENDING:
		if (is_pending(r) && now < r->deadline)
			return POLL_NS;
		return step_reset(r);
	case STEP_PULSE:
		return step_pulse(r);
	case STEP_SETTLED:
		r->deadline = now + READY_NS;
		r->step = STEP_READY;
		break;
	default:
		break;
	}
	id = pci_read(r->dev, VENDOR, 4);
	if (pci_answers(r->dev)) {
		finish(r, NULL);
		return 0;
	}
	if (now < r->deadline)
		return POLL_NS;
	finish(r, (id & 0xffff) == NOT_READY ? "it is busy for ever after its reset"
					     : "it does not answer after its reset");
	return 0;
}

static void fire(struct timer *timer)
{
	struct assign_reset *r = timer->context;
	uint64_t now = clock_ns(), wait = step(r, now);

	if (wait)
		timer_set(timer, now + wait);
}

void assign_reset_begin(struct assign_reset *r,
			void (*done)(struct assign_reset *reset, const char *failure),
			void *context)
{
	uint64_t now = clock_ns();

	r->done = done;
	r->context = context;
	timer_init(&r->timer, fire, r);
	save(r);
	pci_change(r->dev, PCI_COMMAND, PCI_COMMAND_MASTER, PCI_COMMAND_INTX_OFF);
	pci_messages_off(r->dev);
	r->step = STEP_PENDING;
	r->deadline = now + PENDING_NS;
	timer_set(&r->timer, now);
}
