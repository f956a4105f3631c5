/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The uplink: a port of the switch behind which there is one physical NIC at a time, the active
 * one. `uplink=eth1` on dom0's command line names it. `uplink=eth0,eth1` makes a bond in mode
 * active-backup, which needs nothing of the switches outside: the first of them that has a cable
 * is active and stays so until its cable is out; frames that come to the others are dropped. With
 * no such word the first NIC that has a cable is active for good, since another one may lead to
 * another network.
 */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/cmdline.h"
#include "guests/dom0/base/mac.h"
#include "guests/dom0/net/merge.h"
#include "guests/dom0/net/switch.h"
#include "guests/lib/guest.h"

#define CARDS     16u
#define WORD      "uplink="
#define SEPARATOR ","

static struct net_port uplink;
static struct netdev *card[CARDS]; /* in the order in which they are tried */
static unsigned cards;
static struct netdev *active; /* NULL: none had a cable yet */
static bool fails_over;
static void (*watcher)(void); /* NULL: none */
static struct merger merger;  /* of a batch of received frames; nothing stays in it */

static bool uplink_deliver(struct net_port *port, const struct net_piece *piece, unsigned pieces,
			   unsigned bytes)
{
	const struct net_offload *left = port->offload;

	(void)bytes;
	return active && active->send(active, piece, pieces, left && left->needs ? left : NULL);
}

static void uplink_deliver_done(struct net_port *port)
{
	(void)port;
	if (active)
		active->flush(active);
}

static unsigned takes(const uint8_t *frame)
{
	return switch_takes(&uplink, frame);
}

static void put(const struct net_piece *piece, unsigned pieces, const struct net_offload *offload)
{
	switch_input_offload(&uplink, piece, pieces, offload);
}

static void received(struct netdev *dev, const void *frame, size_t bytes, bool verified)
{
	if (dev == active && bytes <= NET_FRAME_MAX)
		merge_input(&merger, frame, (unsigned)bytes, verified);
}

static void received_all(struct netdev *dev)
{
	(void)dev;
	merge_flush(&merger);
	switch_flush();
}

static struct netdev *first_with_cable(void)
{
	for (unsigned i = 0; i < cards; i++)
		if (card[i]->link_up)
			return card[i];
	return NULL;
}

static void look(void)
{
	struct netdev *before = active, *next = before;

	if (!before || (fails_over && !before->link_up))
		next = first_with_cable();
	if (next)
		active = next;
	uplink.link_up = active && active->link_up;
	if (watcher)
		watcher();
	uplink.takes = active ? active->takes : 0;
	if (active == before)
		return;
	strncpy(uplink.name, active->name, sizeof(uplink.name) - 1);
	if (!before)
		return;
	printf(LOG_WARNING "net: %s is without a cable: %s takes over\n", before->name,
	       active->name);
	switch_announce(&uplink);
}

static void link_changed(struct netdev *dev)
{
	(void)dev;
	look();
}

static struct netdev *find(const char *name, size_t length)
{
	for (struct netdev *dev = net_first(); dev; dev = dev->next)
		if (strlen(dev->name) == length && !memcmp(dev->name, name, length))
			return dev;
	return NULL;
}

static void add(struct netdev *dev)
{
	if (cards == CARDS) {
		printf(LOG_WARNING "net: %s is not used: an uplink has at most %u network cards\n",
		       dev->name, CARDS);
		return;
	}
	card[cards++] = dev;
	dev->receive = received;
	dev->receive_done = received_all;
	dev->link_changed = link_changed;
}

static bool is_card(const struct netdev *dev)
{
	for (unsigned i = 0; i < cards; i++)
		if (card[i] == dev)
			return true;
	return false;
}

static void add_named(const char *names)
{
	size_t end = strcspn(names, " \t\n");

	while (end) {
		size_t length = strcspn(names, SEPARATOR " \t\n");
		struct netdev *dev = find(names, length);

		if (!dev)
			printf(LOG_WARNING "net: " WORD "%.*s: there is no such network card\n",
			       (int)length, names);
		else if (!is_card(dev))
			add(dev);
		end -= length;
		names += length;
		if (end) {
			names++;
			end--;
		}
	}
	fails_over = true;
}

const char *uplink_role(const struct netdev *dev)
{
	if (dev == active)
		return "active";
	if (!is_card(dev))
		return "not used";
	return fails_over || !active ? "backup" : "not used";
}

const struct netdev *uplink_card(void)
{
	return active ? active : cards ? card[0] : NULL;
}

void uplink_watch(void (*changed)(void))
{
	watcher = changed;
}

const struct net_port *uplink_port(void)
{
	return &uplink;
}

void uplink_start(const char *cmdline)
{
	char mac[MAC_TEXT];
	const char *names = cmdline_word(cmdline, WORD);

	if (names)
		add_named(names);
	else
		for (struct netdev *dev = net_first(); dev; dev = dev->next)
			add(dev);
	if (!cards)
		return;
	strncpy(uplink.name, card[0]->name, sizeof(uplink.name) - 1);
	uplink.trunk = true;
	uplink.deliver = uplink_deliver;
	uplink.deliver_done = uplink_deliver_done;
	merger.takes = takes;
	merger.put = put;
	merge_init(&merger);
	look();
	switch_add(&uplink);
	for (struct netdev *dev = net_first(); dev; dev = dev->next)
		printf("net: %s %s, cable %s, %s\n", dev->name, mac_text(mac, dev->mac),
		       dev->link_up ? "connected" : "out", uplink_role(dev));
}
