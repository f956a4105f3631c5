/* SPDX-License-Identifier: BSD-2-Clause */
/* The uplink: the first physical NIC as a port of the switch. */
#include <string.h>

#include "guests/dom0/net.h"

static struct net_port uplink;

static bool uplink_deliver(struct net_port *port, const struct net_piece *piece, unsigned pieces,
			   unsigned bytes)
{
	struct netdev *dev = port->context;

	(void)bytes;
	return dev->send(dev, piece, pieces);
}

static void uplink_deliver_done(struct net_port *port)
{
	struct netdev *dev = port->context;

	dev->flush(dev);
}

static void received(struct netdev *dev, const void *frame, size_t bytes)
{
	struct net_piece piece = {.data = frame, .bytes = (uint32_t)bytes};

	if (bytes <= NET_FRAME_MAX)
		switch_input(dev->user, &piece, 1);
}

static void received_all(struct netdev *dev)
{
	(void)dev;
	switch_flush();
}

static void link_changed(struct netdev *dev)
{
	struct net_port *port = dev->user;

	port->link_up = dev->link_up;
}

bool uplink_start(void)
{
	struct netdev *dev = net_first();

	if (!dev || uplink.context)
		return dev != NULL;
	strncpy(uplink.name, dev->name, sizeof(uplink.name) - 1);
	uplink.trunk = true;
	uplink.link_up = dev->link_up;
	uplink.deliver = uplink_deliver;
	uplink.deliver_done = uplink_deliver_done;
	uplink.context = dev;
	switch_add(&uplink);
	dev->user = &uplink;
	dev->receive = received;
	dev->receive_done = received_all;
	dev->link_changed = link_changed;
	return true;
}
