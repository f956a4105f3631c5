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

void net_register(struct netdev *dev)
{
	struct netdev **end = &netdevs;
	unsigned number = 0;

	for (; *end; end = &(*end)->next)
		number++;
	dev->next = NULL;
	*end = dev;
	snprintf(dev->name, sizeof(dev->name), "eth%u", number);
}

struct netdev *net_first(void)
{
	return netdevs;
}
