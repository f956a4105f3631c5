/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of drivers and the list of network devices. */
#include <stdio.h>

#include "drivers/net.h"
#include "drivers/pci.h"

extern const struct pci_driver ahci_driver, nvme_driver, ide_driver, e1000_driver;

const struct pci_driver *const pci_drivers[] = {
	&ahci_driver, &nvme_driver, &ide_driver, &e1000_driver, NULL,
};

static struct netdev *netdevs;

void net_name(struct netdev *dev)
{
	unsigned number = 0;

	for (const struct netdev *d = netdevs; d; d = d->next)
		number++;
	snprintf(dev->name, sizeof(dev->name), "eth%u", number);
}

void net_register(struct netdev *dev)
{
	struct netdev **end = &netdevs;

	while (*end)
		end = &(*end)->next;
	dev->next = NULL;
	*end = dev;
}

struct netdev *net_first(void)
{
	return netdevs;
}
