/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/switch.c guests/dom0/net/offload.c */
/*
 * Any frames, cut and described in any way, from guests, a trunk and a port
 * that takes all: what comes out is in bounds, and complete where it must be.
 */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/net/switch.h"
#include "tests/fuzz/input.h"

#define PORTS 5u

static struct net_port port[PORTS];
static uint64_t now = 1;

uint64_t clock_ns(void)
{
	return now;
}

static bool deliver(struct net_port *to, const struct net_piece *piece, unsigned pieces,
		    unsigned bytes)
{
	unsigned total = 0;
	bool is_long = to->offload && to->offload->needs & (NET_TCP4 | NET_TCP6);

	for (unsigned i = 0; i < pieces; i++) {
		const uint8_t *data = piece[i].data;

		if (!piece[i].bytes)
			abort();
		/* AddressSanitizer checks that both ends can be read. */
		(void)*(const volatile uint8_t *)data;
		(void)*(const volatile uint8_t *)(data + piece[i].bytes - 1);
		total += piece[i].bytes;
	}
	if (total != bytes || bytes < ETHERNET ||
	    bytes > (is_long ? NET_LONG_FRAME : NET_FRAME_MAX))
		abort();
	if (!to->trunk && !is_long && bytes > NET_FRAME_MAX - VLAN_TAG)
		abort();
	if (to->offload && (to->offload->needs & ~to->takes))
		abort();
	if (to->offload && to->offload->headers > bytes)
		abort();
	return bytes % 7;
}

static void deliver_done(struct net_port *to)
{
	(void)to;
}

static uint16_t next16(struct input *in)
{
	uint8_t high = next(in);

	return (uint16_t)(high << 8 | next(in));
}

static uint8_t frame[70000];

/* Mostly of a shape that is looked at closely. */
static void one(struct input *in)
{
	struct net_port *from = &port[next(in) % PORTS];
	struct net_piece piece[48];
	uint8_t what = next(in);
	struct net_offload offload = {
		.needs = what & 15, .verified = what & 16, .same_id = what & 32};
	unsigned pieces = next(in) % 48, bytes = next16(in), at = 0, how = next(in);
	unsigned edits = next(in) % 16;

	if (how & 1)
		bytes %= 1600;
	memset(frame, 0, 256);
	frame[0] = frame[6] = 2;
	frame[5] = next(in) & 7;
	frame[11] = next(in) & 7;
	offload.start = 34;
	offload.offset = 16;
	offload.segment = 1000;
	if (how & 2)
		memcpy(frame + 12, "\x08\x00\x45", 3);
	else
		memcpy(frame + 12, "\x86\xdd\x60", 3);
	if (!(how & 2))
		offload.start = 54;
	frame[how & 2 ? 23 : 20] = 6;
	frame[offload.start + 12] = 0x50;
	while (edits--)
		frame[next(in) % 160] = next(in);
	if (how & 4)
		offload.start = next16(in);
	if (how & 8)
		offload.offset = next16(in);
	if (how & 16)
		offload.segment = next16(in);
	for (unsigned i = 0; i < pieces; i++) {
		unsigned n = i + 1 == pieces ? bytes - at : next(in);

		if (n > bytes - at)
			n = bytes - at;
		piece[i] = (struct net_piece){frame + at, n};
		at += n;
	}
	switch_takes(from, frame);
	switch_input_offload(from, piece, pieces, how & 32 ? &offload : NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	unsigned random_takes = next(&in) & 7;

	memset(port, 0, sizeof(port));
	for (unsigned i = 0; i < PORTS; i++) {
		port[i].link_up = true;
		port[i].deliver = deliver;
		port[i].deliver_done = deliver_done;
		port[i].mac[0] = i ? 2 : 0;
		port[i].mac[5] = (uint8_t)i;
		switch_add(&port[i]);
	}
	port[0].trunk = true;
	port[0].takes = random_takes;
	port[1].takes = NET_CHECKSUM | NET_TCP4 | NET_TCP6 | NET_ODD;
	port[2].takes = NET_CHECKSUM;
	while (in.size) {
		if (next(&in) == 0xff)
			now += 1000000000ull * next(&in);
		one(&in);
		switch_flush();
	}
	for (unsigned i = 0; i < PORTS; i++)
		switch_remove(&port[i]);
	for (unsigned i = 0; i < PORTS; i++)
		if (port[i].learned)
			abort();
	return 0;
}
