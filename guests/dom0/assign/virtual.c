/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtual functions come and go: who may have them made, and what follows for groups. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block.h"
#include "guests/dom0/assign/assign.h"
#include "guests/dom0/assign/function.h"
#include "guests/dom0/assign/group.h"
#include "guests/lib/guest.h"

#define WORD   "vfs="
#define SPACES " \t"

static void add_groups(struct pci_device *physical)
{
	for (struct pci_device *dev = pci_first(); dev; dev = dev->next)
		if (dev->physical == physical)
			group_add(dev);
}

static const char *check_users(const struct pci_device *physical)
{
	static char why[80];

	for (const struct pci_device *dev = pci_first(); dev; dev = dev->next) {
		const char *owner = assign_owner(dev);

		if (dev->physical != physical || (!owner && !assign_is_resetting(dev)))
			continue;
		if (owner)
			snprintf(why, sizeof(why), "guest '%.32s' has %s", owner, dev->name);
		else
			snprintf(why, sizeof(why), "%s is being reset", dev->name);
		return why;
	}
	return NULL;
}

/* The one that waits for the end of it, beside the groups. */
struct making {
	struct making *next;
	struct pci_device *dev;
	void (*done)(struct pci_device *dev, const char *failure);
};
static struct making *makings;

static void made(struct pci_device *dev, const char *failure)
{
	struct making **link = &makings, *m;

	while ((*link)->dev != dev)
		link = &(*link)->next;
	m = *link;
	*link = m->next;
	if (!failure)
		add_groups(dev);
	m->done(dev, failure);
	free(m);
}

const char *assign_virtual_make(struct pci_device *dev, unsigned count,
				void (*done)(struct pci_device *dev, const char *failure))
{
	const char *owner = assign_owner(dev), *wrong = check_users(dev);
	struct making *m;

	if (owner)
		return "a guest has the function itself";
	if (assign_is_resetting(dev))
		return "it is being reset";
	if (pci_virtual_busy(dev))
		return "its virtual functions are being made or removed";
	if (wrong)
		return wrong;
	m = malloc(sizeof(*m));
	if (!m)
		return "dom0 is out of memory";
	*m = (struct making){makings, dev, done};
	makings = m;
	for (struct pci_device *one = pci_first(); one && !count; one = one->next)
		if (one->physical == dev) {
			group_remove(one);
			assign_forget(one);
		}
	wrong = pci_virtual_make(dev, count, made);
	if (wrong) {
		makings = m->next;
		free(m);
	}
	return wrong;
}

/* --- with the machine's start --- */

static void complain(const char *word, size_t n, const char *why)
{
	printf(LOG_ERR "dom0: " WORD "%.*s: %s\n", (int)n, word, why);
}

/* The disks' list is released: guests may start. */
static void made_at_start(struct pci_device *dev, const char *failure)
{
	if (failure)
		complain(dev->name, strlen(dev->name), failure);
	blk_release();
}

/* As in "01:00.0/2". Returns what is wrong with it, or NULL. */
static const char *make_at_start(const char *word, size_t n)
{
	unsigned bus, slot, function, count;
	int used = 0;
	struct pci_device *dev;
	const char *wrong;

	if (strspn(word, "0123456789abcdefABCDEF:./") != n || /* sscanf takes signs and spaces */
	    sscanf(word, "%2x:%2x.%1x/%4u%n", &bus, &slot, &function, &count, &used) != 4 ||
	    (size_t)used != n || slot > 31 || function > 7)
		return "not a function and a number, as 01:00.0/2";
	dev = pci_at((uint16_t)(bus << 8 | slot << 3 | function));
	if (!dev)
		return "there is no such device";
	blk_hold();
	wrong = assign_virtual_make(dev, count, made_at_start);
	if (wrong)
		blk_release();
	return wrong;
}

void assign_virtual_start(const char *cmdline)
{
	for (const char *at = cmdline + strspn(cmdline, SPACES); *at; at += strspn(at, SPACES)) {
		size_t n = strcspn(at, SPACES), skip = strlen(WORD);
		const char *wrong = NULL;

		if (!strncmp(at, WORD, skip))
			wrong = make_at_start(at + skip, n - skip);
		if (wrong)
			complain(at + skip, n - skip, wrong);
		at += n;
	}
}
