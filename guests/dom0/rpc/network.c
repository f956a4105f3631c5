/* SPDX-License-Identifier: BSD-2-Clause */
/* The switch as a network, and the machine's cards as interfaces. */
#include <stdio.h>
#include <string.h>

#include "drivers/net.h"
#include "guests/dom0/base/mac.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/documents.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/lists.h"

/* virConnectListAllNetworksFlags: the switch is active, persistent and starts by itself. */
#define NETWORK_ROWS 3u

static bool network_is_listed(uint32_t flags)
{
	static const struct {
		uint32_t all, is;
	} row[NETWORK_ROWS] = {{1 | 2, 2}, {4 | 8, 4}, {16 | 32, 16}};

	for (unsigned i = 0; i < NETWORK_ROWS; i++)
		if (flags & row[i].all && !(flags & row[i].is))
			return false;
	return true;
}

static void put_network(struct xdr_out *out)
{
	uint8_t uuid[16];

	config_uuid(NETWORK_UUID, uuid);
	xdr_put_text(out, NETWORK_NAME);
	xdr_put_fixed(out, uuid, sizeof(uuid));
}

/* The network as argument; false after call_fail. */
static bool read_network(struct call *call)
{
	uint8_t uuid[16], own[16];
	char name[256];

	xdr_text(&call->in, name, sizeof(name));
	xdr_fixed(&call->in, uuid, sizeof(uuid));
	config_uuid(NETWORK_UUID, own);
	if (call_read(call) && memcmp(uuid, own, sizeof(own)) != 0)
		call_fail(call, ERROR_NO_NETWORK,
			  "Network not found: no network with matching uuid (%s)", name);
	return !call->code;
}

void networks_list(struct call *call)
{
	bool results = xdr_i32(&call->in);
	uint32_t flags = xdr_u32(&call->in);
	struct list list = list_begin(&call->out, results);

	if (network_is_listed(flags) && list_one(&list))
		put_network(&call->out);
	list_end(&list);
}

void networks_count(struct call *call)
{
	xdr_put_u32(&call->out, 1);
}

void networks_names(struct call *call)
{
	bool any = xdr_i32(&call->in) > 0;

	xdr_put_u32(&call->out, any);
	if (any)
		xdr_put_text(&call->out, NETWORK_NAME);
}

void networks_by_name(struct call *call)
{
	char name[256];

	xdr_text(&call->in, name, sizeof(name));
	if (!call_read(call))
		return;
	if (strcmp(name, NETWORK_NAME) != 0)
		call_fail(call, ERROR_NO_NETWORK,
			  "Network not found: no network with matching name '%s'", name);
	else
		put_network(&call->out);
}

void networks_by_uuid(struct call *call)
{
	uint8_t uuid[16], own[16];

	xdr_fixed(&call->in, uuid, sizeof(uuid));
	config_uuid(NETWORK_UUID, own);
	if (memcmp(uuid, own, sizeof(own)) != 0)
		call_fail(call, ERROR_NO_NETWORK,
			  "Network not found: no network with matching uuid");
	else
		put_network(&call->out);
}

void networks_xml(struct call *call)
{
	size_t begin;

	if (!read_network(call))
		return;
	begin = document_begin(&call->out);
	network_document(document_put, &call->out);
	document_end(&call->out, begin);
}

/* It is active, persistent and starts by itself. */
void networks_yes(struct call *call)
{
	if (read_network(call))
		xdr_put_i32(&call->out, 1);
}

/* Others give guests their addresses. */
void networks_leases(struct call *call)
{
	if (read_network(call))
		answer_empty_list(call);
}

void networks_bridge(struct call *call)
{
	if (read_network(call))
		xdr_put_text(&call->out, NETWORK_BRIDGE);
}

/* --- cards --- */

static void put_card(struct xdr_out *out, const struct netdev *card)
{
	char mac[MAC_TEXT];

	xdr_put_text(out, card->name);
	xdr_put_text(out, mac_text(mac, card->mac));
}

/* virConnectListAllInterfacesFlags: all cards are active. */
void cards_list(struct call *call)
{
	bool results = xdr_i32(&call->in);
	uint32_t flags = xdr_u32(&call->in);
	struct list list = list_begin(&call->out, results);

	for (const struct netdev *card = net_first(); card; card = card->next)
		if ((!flags || flags & 2) && list_one(&list))
			put_card(&call->out, card);
	list_end(&list);
}

/* NULL after call_fail. */
static const struct netdev *read_card(struct call *call)
{
	const struct netdev *card = net_first();
	char name[64];

	xdr_text(&call->in, name, sizeof(name));
	if (!call_read(call))
		return NULL;
	while (card && strcmp(card->name, name) != 0)
		card = card->next;
	if (!card)
		call_fail(call, ERROR_NO_INTERFACE,
			  "Interface not found: couldn't find interface named '%s'", name);
	return card;
}

void cards_by_name(struct call *call)
{
	const struct netdev *card = read_card(call);

	if (card)
		put_card(&call->out, card);
}

void cards_is_active(struct call *call)
{
	if (read_card(call))
		xdr_put_i32(&call->out, 1);
}
