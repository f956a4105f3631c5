/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AHCI controllers and the state of their ports (AHCI 1.3.1, chapter 10).
 * Nothing waits: a port's timer looks again every millisecond while the port
 * is between two states, and each state has a time limit.
 */
#include "drivers/block/ahci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/ata.h"

#define MS               1000000ull
#define STEP_NS          MS
#define LIMIT_STOP       (500 * MS) /* 10.1.2 */
#define LIMIT_EMPTY      (50 * MS)  /* for anything to appear on the link */
#define LIMIT_LINK       (5000 * MS)
#define LIMIT_BUSY       (20000 * MS) /* a disk spinning up */
#define LIMIT_HANDOFF    (2000 * MS)  /* 10.6.3 */
#define LIMIT_CONTROLLER (1000 * MS)
#define MAX_TRIES        3

static void port_enter(struct ahci_port *port, enum ahci_state state, uint64_t limit)
{
	uint64_t now = clock_ns();

	port->state = state;
	port->limit = now + limit;
	timer_set(&port->timer, now + STEP_NS);
}

static void register_disk(struct ahci_port *port)
{
	static unsigned disks;
	char *name = port->disk.name;

	/* sda to sdz, then sdaa */
	if (disks < 26)
		snprintf(name, sizeof(port->disk.name), "sd%c", (char)('a' + disks));
	else
		snprintf(name, sizeof(port->disk.name), "sd%c%c",
			 (char)('a' + (disks / 26 - 1) % 26), (char)('a' + disks % 26));
	disks++;
	port->registered = true;
	port->disk.driver = port;
	port->disk.submit = ahci_submit;
	blk_register(&port->disk, NULL);
}

/* Disks get their names in the order of ports, once all have been looked at. */
static void port_searched(struct ahci_port *port)
{
	struct ahci *hba = port->hba;

	if (!(hba->searching & 1u << port->number)) {
		if (port->state == PORT_READY && !port->registered)
			register_disk(port);
		return;
	}
	hba->searching &= ~(1u << port->number);
	if (hba->searching)
		return;
	for (unsigned i = 0; i < AHCI_PORTS; i++)
		if (hba->port[i] && hba->port[i]->state == PORT_READY && !hba->port[i]->registered)
			register_disk(hba->port[i]);
	blk_release();
}

void ahci_gone(struct ahci_port *port, const char *why)
{
	timer_cancel(&port->timer);
	port->ticking = false;
	port->state = PORT_EMPTY;
	port->disk.lost = true;
	port->regs->cmd &= ~CMD_ST;
	port->regs->is = ~0u;
	port->regs->ie = PIS_PCS | PIS_PRCS; /* for a disk plugged in later */
	if (why)
		driver_log("ahci %s: port %u: %s%s%s\n", port->hba->pci->name, port->number,
			   port->registered ? port->disk.name : "", port->registered ? " " : "",
			   why);
	ahci_fail_all(port);
	port_searched(port);
}

/*
 * Takes the port out of service and back: stops the command engine, with a
 * COMRESET if `hard`, and starts it again. Commands in flight are suspect.
 */
void ahci_recover(struct ahci_port *port, bool hard)
{
	if (port->active && !port->identifying)
		port->suspect |= port->active;
	else if (port->active)
		port->identifying = false;
	port->active = 0;
	port->ticking = false;
	port->hard = hard || port->state != PORT_READY;
	port->regs->cmd &= ~CMD_ST;
	port_enter(port, PORT_STOP, LIMIT_STOP);
}

static void comreset(struct ahci_port *port)
{
	port->identify = true;
	port->regs->sctl = (port->regs->sctl & ~0xfu) | DET_PRESENT;
	port_enter(port, PORT_RESET, 0);
}

/* 10.3.1 */
static void port_start(struct ahci_port *port)
{
	port->regs->serr = ~0u;
	port->regs->is = ~0u;
	port->regs->ie = PIE_ALL;
	port->regs->cmd |= CMD_ST;
	if (port->identify) {
		port->state = PORT_IDENTIFY;
		ahci_issue_identify(port);
		return;
	}
	port->state = PORT_READY;
	ahci_kick(port);
}

static void step_stop(struct ahci_port *port, bool late)
{
	uint32_t status = port->regs->tfd;

	if (port->regs->cmd & CMD_CR && !late) {
		timer_set(&port->timer, clock_ns() + STEP_NS);
		return;
	}
	if (port->dying) {
		ahci_gone(port, port->dying);
		port->dying = NULL;
		return;
	}
	if (port->hard || late || status & (ATA_STATUS_BSY | ATA_STATUS_DRQ))
		comreset(port);
	else
		port_start(port);
}

static void step_link(struct ahci_port *port, bool late)
{
	uint32_t det = DET(port->regs->ssts);

	if (det == DET_ONLINE) {
		port->regs->serr = ~0u;
		port_enter(port, PORT_BUSY, LIMIT_BUSY);
		return;
	}
	/* A disk that was there may need time to come back; a port where
	 * nothing ever answers is empty. */
	if (!late &&
	    (det || port->registered || clock_ns() < port->limit - LIMIT_LINK + LIMIT_EMPTY)) {
		timer_set(&port->timer, clock_ns() + STEP_NS);
		return;
	}
	ahci_gone(port, det || port->registered ? "no link" : NULL);
}

static void step_busy(struct ahci_port *port, bool late)
{
	bool busy = port->regs->tfd & (ATA_STATUS_BSY | ATA_STATUS_DRQ);

	if (busy && !late) {
		timer_set(&port->timer, clock_ns() + STEP_NS);
		return;
	}
	if (busy)
		ahci_gone(port, "stays busy");
	else if (port->regs->sig != SIG_DISK)
		ahci_gone(port, port->regs->sig == 0xeb140101 ? "optical drive, not used"
							      : "not a disk, not used");
	else if (!ahci_port_alloc(port))
		ahci_gone(port, "no memory that the controller reaches");
	else
		port_start(port);
}

static void port_timer(struct timer *timer)
{
	struct ahci_port *port = timer->context;
	bool late = clock_ns() >= port->limit;

	switch (port->state) {
	case PORT_STOP:
		step_stop(port, late);
		break;
	case PORT_RESET: /* for at least 1 ms (10.4.2) */
		port->regs->sctl &= ~0xfu;
		port_enter(port, PORT_LINK, LIMIT_LINK);
		break;
	case PORT_LINK:
		step_link(port, late);
		break;
	case PORT_BUSY:
		step_busy(port, late);
		break;
	case PORT_IDENTIFY:
	case PORT_READY:
		ahci_tick(port);
		break;
	case PORT_EMPTY:
		break;
	}
}

/* The disk has the size and the name of the one that was registered here. */
static bool same_disk(const struct blkdev *disk, const struct ata_info *info, uint64_t sectors)
{
	return disk->sectors == sectors && !strcmp(disk->serial, info->serial) &&
	       !strcmp(disk->model, info->model);
}

void ahci_identified(struct ahci_port *port, bool good)
{
	struct ata_info info;
	const char *why;
	uint64_t sectors;

	if (!good) {
		/* The port is being reset: that leads here again. */
		if (++port->tries >= MAX_TRIES)
			ahci_gone(port, "cannot be identified");
		return;
	}
	port->tries = 0;
	why = ata_identify(port->area->identify, &info);
	if (why) {
		ahci_gone(port, why);
		return;
	}
	sectors = info.blocks * (info.logical_block / BLK_SECTOR);
	if (port->registered && !same_disk(&port->disk, &info, sectors)) {
		ahci_gone(port, "was replaced by another disk, not used");
		return;
	}
	memcpy(port->disk.serial, info.serial, sizeof(info.serial));
	memcpy(port->disk.model, info.model, sizeof(info.model));
	port->disk.sectors = sectors;
	port->disk.logical_block = info.logical_block;
	port->disk.physical_block = info.physical_block;
	port->disk.can_flush = info.write_cache;
	port->disk.can_discard = info.trim;
	port->disk.max_sectors = COMMAND_MAX_SECTORS;
	port->ncq = port->hba->ncq && info.queue_depth;
	port->slots = port->ncq && info.queue_depth < port->hba->slots ? info.queue_depth
								       : port->hba->slots;
	port->slots = port->slots == 32 ? ~0u : (1u << port->slots) - 1;
	port->identify = false;
	port->state = PORT_READY;
	port->disk.lost = false;
	port_searched(port);
	ahci_kick(port);
}

/* Is it a power of two? A link that changes again and again is logged the first time, the second,
 * the fourth, and so on. */
static bool is_logged(unsigned times)
{
	return __builtin_popcount(times) == 1;
}

/* Something was plugged in or out, or the link was lost for a moment. */
static void link_changed(struct ahci_port *port)
{
	port->regs->serr = ~0u;
	switch (port->state) {
	case PORT_EMPTY:
		if (!DET(port->regs->ssts))
			return;
		port->tries = 0;
		port->strikes = 0;
		ahci_recover(port, true);
		return;
	case PORT_IDENTIFY:
	case PORT_READY:
		if (is_logged(port->flaps + 1))
			driver_log("ahci %s: port %u: link changed\n", port->hba->pci->name,
				   port->number);
		port->flaps++;
		ahci_recover(port, true);
		return;
	default: /* on the way already */
		return;
	}
}

static void port_interrupt(struct ahci_port *port)
{
	uint32_t status = port->regs->is;

	/* First clear, then look: a later event raises an interrupt anew. */
	port->regs->is = status;
	if (port->state == PORT_READY || port->state == PORT_IDENTIFY)
		ahci_complete(port, status);
	if (status & (PIS_PCS | PIS_PRCS))
		link_changed(port);
	else if (port->state == PORT_READY)
		ahci_kick(port);
}

static void ahci_interrupt(void *context, unsigned vector)
{
	struct ahci *hba = context;
	uint32_t status = hba->regs->is;

	(void)vector;
	for (uint32_t bits = status & hba->present; bits; bits &= bits - 1)
		port_interrupt(hba->port[__builtin_ctz(bits)]);
	hba->regs->is = status; /* after the ports' (10.7.2.1) */
}

static struct ahci_port *port_create(struct ahci *hba, unsigned number)
{
	struct ahci_port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->hba = hba;
	port->number = number;
	port->regs = &hba->regs->port[number];
	port->area = dma_alloc(sizeof(*port->area), &port->area_bus);
	if (!port->area || (!hba->address64 && (port->area_bus + sizeof(*port->area)) >> 32)) {
		dma_free(port->area, sizeof(*port->area));
		free(port);
		return NULL;
	}
	timer_init(&port->timer, port_timer, port);
	port->regs->clb = (uint32_t)port->area_bus;
	port->regs->clbu = (uint32_t)(port->area_bus >> 32);
	port->regs->fb = (uint32_t)(port->area_bus + offsetof(struct ahci_area, received));
	port->regs->fbu = (uint32_t)((port->area_bus + offsetof(struct ahci_area, received)) >> 32);
	port->regs->cmd |= CMD_ICC_ACTIVE | CMD_SUD | CMD_POD | CMD_FRE;
	return port;
}

static void ports_start(struct ahci *hba)
{
	uint32_t implemented = hba->regs->pi;
	uint64_t size = hba->pci->bar[5].size;

	for (unsigned i = 0; i < AHCI_PORTS; i++) {
		if (!(implemented & 1u << i) || offsetof(struct ahci_regs, port[i + 1]) > size)
			continue;
		hba->port[i] = port_create(hba, i);
		if (!hba->port[i]) {
			driver_log("ahci %s: port %u: no memory that the controller reaches\n",
				   hba->pci->name, i);
			continue;
		}
		hba->present |= 1u << i;
	}
	hba->searching = hba->present & ~hba->lonely;
	if (!hba->searching)
		blk_release();
	hba->regs->is = ~0u;
	hba->polled = !pci_irq_setup(hba->pci, 1, ahci_interrupt, hba);
	hba->regs->ghc |= GHC_IE;
	for (unsigned i = 0; i < AHCI_PORTS; i++)
		if (hba->port[i])
			comreset(hba->port[i]);
}

static void controller_timer(struct timer *timer)
{
	struct ahci *hba = timer->context;
	uint64_t now = clock_ns();

	/* First a look, then the clock: dom0 itself may have stood still. */
	if (hba->regs->cap != ~0u && !(hba->regs->ghc & GHC_HR)) {
		hba->regs->ghc |= GHC_AE;
		ports_start(hba);
		return;
	}
	if (now < hba->limit && hba->regs->cap != ~0u) {
		timer_set(timer, now + STEP_NS);
		return;
	}
	driver_log("ahci %s: the controller does not come out of reset, not used\n",
		   hba->pci->name);
	blk_release();
}

/* Where the firmware has started the link and nothing has answered until now,
 * nobody waits for a disk: if one comes it is taken as plugged in then. */
static void find_lonely(struct ahci *hba)
{
	uint64_t size = hba->pci->bar[5].size;

	for (unsigned i = 0; i < AHCI_PORTS; i++) {
		const volatile struct ahci_port_regs *port = &hba->regs->port[i];

		if (hba->regs->pi & 1u << i && offsetof(struct ahci_regs, port[i + 1]) <= size &&
		    port->cmd & CMD_SUD && !DET(port->ssts))
			hba->lonely |= 1u << i;
	}
}

static void controller_reset(struct ahci *hba)
{
	uint64_t now = clock_ns();

	hba->regs->ghc |= GHC_AE;
	find_lonely(hba);
	hba->regs->ghc |= GHC_HR; /* 10.4.3 */
	timer_init(&hba->timer, controller_timer, hba);
	hba->limit = now + LIMIT_CONTROLLER;
	timer_set(&hba->timer, now + STEP_NS);
}

/* The firmware lets go of the controller (10.6.3), or has had its time. */
static void handoff_timer(struct timer *timer)
{
	struct ahci *hba = timer->context;

	if (hba->regs->bohc & BOHC_BOS && clock_ns() < hba->limit)
		timer_set(timer, clock_ns() + STEP_NS);
	else
		controller_reset(hba);
}

static bool ahci_probe(struct pci_device *pci)
{
	struct ahci *hba;

	if (pci->class_code != 0x010601)
		return false;
	hba = calloc(1, sizeof(*hba));
	if (!hba)
		return false;
	pci_enable(pci, "ahci");
	hba->pci = pci;
	if (pci->bar[5].size >= offsetof(struct ahci_regs, port))
		hba->regs = pci_map(pci, 5);
	if (!hba->regs || hba->regs->cap == ~0u) {
		driver_log("ahci %s: no registers\n", pci->name);
		free(hba);
		return false;
	}
	hba->slots = CAP_SLOTS(hba->regs->cap);
	hba->address64 = hba->regs->cap & CAP_S64A;
	hba->ncq = hba->regs->cap & CAP_SNCQ;
	blk_hold();
	if (!(hba->regs->cap2 & CAP2_BOH) || !(hba->regs->bohc & BOHC_BOS)) {
		controller_reset(hba);
		return true;
	}
	hba->regs->bohc |= BOHC_OOS;
	timer_init(&hba->timer, handoff_timer, hba);
	hba->limit = clock_ns() + LIMIT_HANDOFF;
	timer_set(&hba->timer, clock_ns() + STEP_NS);
	return true;
}

const struct pci_driver ahci_driver = {"ahci", ahci_probe};
