/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/merge.c guests/dom0/net/offload.c */
/* fuzz: -max_len=600 */
/*
 * Frames from the wire, some of them TCP segments in a row, with any bytes changed: each that went
 * into the merger comes out once, as it was, by itself or cut from a long frame; and segments that
 * nobody has changed keep their order.
 */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/net/headers.h"
#include "guests/dom0/net/merge.h"
#include "guests/dom0/net/offload.h"
#include "tests/fuzz/input.h"

#define FRAMES  60u
#define STREAMS 10u

struct frame {
	uint8_t *data; /* a block of just its size */
	unsigned bytes, stream;
	bool changed, back;
};

static struct merger merger;
static struct frame all[FRAMES];
static unsigned frames, receiver_takes, last[STREAMS];

static unsigned takes(const uint8_t *frame)
{
	(void)frame;
	return receiver_takes;
}

static void comes_back(const uint8_t *data, unsigned bytes)
{
	for (unsigned i = 0; i < frames; i++) {
		struct frame *f = &all[i];

		if (f->back || f->bytes != bytes || memcmp(f->data, data, bytes))
			continue;
		f->back = true;
		if (!f->changed && i < last[f->stream])
			abort();
		if (!f->changed)
			last[f->stream] = i;
		return;
	}
	abort();
}

static bool cut(void *unused, const struct net_piece *piece, unsigned pieces, unsigned bytes,
		const struct net_offload *left)
{
	uint8_t data[NET_FRAME_MAX];
	unsigned at = 0;

	(void)unused;
	if (left || bytes > sizeof(data))
		abort();
	for (unsigned i = 0; i < pieces; i++) {
		memcpy(data + at, piece[i].data, piece[i].bytes);
		at += piece[i].bytes;
	}
	comes_back(data, bytes);
	return true;
}

static void put(const struct net_piece *piece, unsigned pieces, const struct net_offload *offload)
{
	struct net_offload checked = *offload;
	unsigned bytes = 0;

	if (!offload->needs) {
		comes_back(piece->data, piece->bytes);
		return;
	}
	for (unsigned i = 0; i < pieces; i++)
		bytes += piece[i].bytes;
	if (bytes > NET_LONG_FRAME || offload->needs & ~receiver_takes ||
	    !offload_check(&checked, piece->data, piece->bytes, bytes) ||
	    checked.headers != piece->bytes)
		abort();
	offload_complete(&checked, 0, piece->data, piece + 1, pieces - 1, cut, NULL);
}

static void set_sums(uint8_t *frame, unsigned bytes, unsigned link, unsigned tcp)
{
	uint8_t *ip = frame + link, *sum = frame + tcp + TCP_CHECKSUM;
	bool ip4 = type_of(frame) == TYPE_IPV4;
	uint64_t addresses = ip4 ? net_sum(ip + IP4_ADDRESSES, 8) : net_sum(ip + IP6_ADDRESSES, 32);

	put_be16(sum, 0);
	put_sum(sum, net_fold(addresses + net_sum_of_be16(PROTOCOL_TCP) +
			      net_sum_of_be16(bytes - tcp) + net_sum(frame + tcp, bytes - tcp)));
	if (!ip4)
		return;
	put_be16(ip + IP4_CHECKSUM, 0);
	put_sum(ip + IP4_CHECKSUM, net_sum(ip, IP4_LEAST));
}

/* A segment of a stream, of which `at` is the next byte. */
static void one(struct input *in, uint32_t at[STREAMS])
{
	static uint8_t data[NET_FRAME_MAX];
	struct frame *f = &all[frames++];
	unsigned stream = next(in) % STREAMS, how = next(in), edits = how >> 5;
	unsigned link = stream & 1 ? ETHERNET + VLAN_TAG : ETHERNET, options = stream & 4 ? 12 : 0;
	unsigned tcp = link + (stream & 2 ? IP6_BYTES : IP4_LEAST), bytes;
	unsigned n = how & 1 ? next(in) : 100;
	uint8_t *ip = data + link;

	memset(data, (int)stream, sizeof(data));
	bytes = tcp + TCP_LEAST + options + n;
	if (stream & 1)
		put_be16(data + ETHERTYPE, TYPE_VLAN);
	put_be16(ip - 2, stream & 2 ? TYPE_IPV6 : TYPE_IPV4);
	if (stream & 2) {
		ip[0] = 0x60;
		put_be16(ip + IP6_LENGTH, bytes - tcp);
		ip[IP6_NEXT] = PROTOCOL_TCP;
	} else {
		ip[0] = 0x45;
		put_be16(ip + IP4_LENGTH, bytes - link);
		put_be16(ip + IP4_ID, 7);
		put_be16(ip + IP4_FRAGMENT, IP4_DONT);
		ip[IP4_PROTOCOL] = PROTOCOL_TCP;
	}
	put_be32(data + tcp + TCP_SEQUENCE, at[stream]);
	at[stream] += n;
	data[tcp + TCP_DATA] = (uint8_t)((TCP_LEAST + options) / 4 << 4);
	data[tcp + TCP_FLAGS] = how & 2 ? TCP_ACK | TCP_PUSH : TCP_ACK;
	set_sums(data, bytes, link, tcp);
	f->changed = edits;
	while (edits--)
		data[next(in) % 100] = next(in);
	if (how & 4)
		bytes = ETHERNET + next(in) * 5u;
	else if (how & 8 && f->changed)
		set_sums(data, bytes, link, tcp);
	f->changed |= how & 4;
	f->stream = stream;
	f->bytes = bytes;
	f->back = false;
	f->data = malloc(bytes);
	memcpy(f->data, data, bytes);
	merge_input(&merger, f->data, bytes, !f->changed && how & 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint32_t at[STREAMS] = {0};

	merge_init(&merger);
	merger.takes = takes;
	merger.put = put;
	receiver_takes = next(&in) ^ 15;
	memset(last, 0, sizeof(last));
	frames = 0;
	while (in.size && frames < FRAMES)
		one(&in, at);
	merge_flush(&merger);
	for (unsigned i = 0; i < frames; i++) {
		if (!all[i].back)
			abort();
		free(all[i].data);
	}
	return 0;
}
