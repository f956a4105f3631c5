/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/switch.c guests/dom0/net/offload.c */
/* The switch: who gets which frame, with which tag, and who may send as whom. */
#include "guests/dom0/net/switch.h"
#include "tests/unit/unit.h"

#define PORTS  6u
#define SECOND 1000000000ull

static uint64_t now;

uint64_t clock_ns(void)
{
	return now;
}

struct mock_port {
	struct net_port port;
	bool full;
	unsigned frames, done, bytes;
	uint8_t last[2048];
};

static struct mock_port ports[PORTS];

static bool deliver(struct net_port *port, const struct net_piece *piece, unsigned pieces,
		    unsigned bytes)
{
	struct mock_port *mock = port->context;

	if (mock->full)
		return false;
	mock->frames++;
	mock->bytes = 0;
	for (unsigned i = 0; i < pieces; i++) {
		memcpy(mock->last + mock->bytes, piece[i].data, piece[i].bytes);
		mock->bytes += piece[i].bytes;
	}
	assert_int_equal(mock->bytes, bytes);
	return true;
}

static void deliver_done(struct net_port *port)
{
	((struct mock_port *)port->context)->done++;
}

/* Port 0 is a trunk, the others are guests with addresses 02:..:N. */
static void setup(void)
{
	now += 1000 * SECOND;
	for (unsigned i = 0; i < PORTS; i++) {
		switch_remove(&ports[i].port);
		memset(&ports[i], 0, sizeof(ports[i]));
		ports[i].port.link_up = true;
		ports[i].port.deliver = deliver;
		ports[i].port.deliver_done = deliver_done;
		ports[i].port.context = &ports[i];
		ports[i].port.trunk = i == 0;
		if (i) {
			ports[i].port.mac[0] = 2;
			ports[i].port.mac[5] = (uint8_t)i;
		}
	}
}

static void join(unsigned n, ...)
{
	va_list list;

	va_start(list, n);
	while (n--)
		switch_add(&ports[va_arg(list, unsigned)].port);
	va_end(list);
}

static void clear(void)
{
	switch_flush();
	for (unsigned i = 0; i < PORTS; i++)
		ports[i].frames = ports[i].done = ports[i].bytes = 0;
}

static uint8_t frame[2048];

static void address(uint8_t *at, unsigned station)
{
	memset(at, 0, 6);
	at[0] = station == ~0u ? 0xff : 2;
	at[4] = (uint8_t)(station >> 8);
	at[5] = (uint8_t)station;
	if (station == ~0u)
		memset(at, 0xff, 6);
}

/* Sends a frame in as many pieces; tag ~0u: none. */
static void send_frame(unsigned port, unsigned to, unsigned from, unsigned tag, unsigned bytes,
		       unsigned pieces)
{
	struct net_piece piece[160];
	unsigned at = 12;

	address(frame, to);
	address(frame + 6, from);
	if (tag != ~0u) {
		frame[at++] = 0x81;
		frame[at++] = 0x00;
		frame[at++] = (uint8_t)(tag >> 8);
		frame[at++] = (uint8_t)tag;
	}
	frame[at++] = 0x08;
	frame[at++] = 0x06;
	for (; at < bytes; at++)
		frame[at] = (uint8_t)(at * 7);
	for (unsigned i = 0; i < pieces; i++) {
		unsigned start = bytes * i / pieces;

		piece[i].data = frame + start;
		piece[i].bytes = bytes * (i + 1) / pieces - start;
	}
	switch_input(&ports[port].port, piece, pieces);
}

static void simple(unsigned port, unsigned to, unsigned from)
{
	send_frame(port, to, from, ~0u, 64, 1);
}

#define EVERYBODY          ~0u
#define expect_frames(...) check_frames((const unsigned[PORTS]){__VA_ARGS__})

static void check_frames(const unsigned expected[PORTS])
{
	for (unsigned i = 0; i < PORTS; i++)
		assert_int_equal(ports[i].frames, expected[i]);
	clear();
}

static void forwards_and_floods(void **unused)
{
	(void)unused;
	setup();
	join(4, 0u, 1u, 2u, 3u);
	simple(1, EVERYBODY, 1);
	assert_int_equal(ports[2].bytes, 64);
	assert_memory_equal(ports[2].last, frame, 64);
	switch_flush();
	assert_int_equal(ports[2].done, 1);
	switch_flush();
	assert_int_equal(ports[2].done, 1);
	expect_frames(1, 0, 1, 1);
	/* Guests are known before they say anything. */
	simple(1, 3, 1);
	expect_frames(0, 0, 0, 1);
	/* A station outside: unknown, then learned. */
	simple(1, 0x900, 1);
	expect_frames(1, 0, 1, 1);
	simple(0, 1, 0x900);
	expect_frames(0, 1);
	simple(2, 0x900, 2);
	expect_frames(1);
	/* Not back to where it came from. */
	simple(0, 0x900, 0x901);
	expect_frames(0);
	/* Forgotten after a while. */
	now += 400 * SECOND;
	simple(2, 0x900, 2);
	expect_frames(1, 1, 0, 1);
	simple(2, 1, 2);
	expect_frames(0, 1);
}

static void counts(void **unused)
{
	(void)unused;
	setup();
	join(2, 1u, 2u);
	simple(1, 2, 1);
	assert_int_equal(ports[1].port.rx_frames, 1);
	assert_int_equal(ports[1].port.rx_bytes, 64);
	assert_int_equal(ports[2].port.tx_frames, 1);
	assert_int_equal(ports[2].port.tx_bytes, 64);
	ports[2].full = true;
	simple(1, 2, 1);
	assert_int_equal(ports[2].port.dropped, 1);
	ports[2].full = false;
	ports[2].port.link_up = false;
	simple(1, 2, 1);
	simple(2, 1, 2);
	assert_int_equal(ports[2].port.dropped, 3);
	assert_int_equal(ports[2].port.tx_frames, 1);
	assert_int_equal(ports[1].port.tx_frames, 0);
}

static void sizes_and_pieces(void **unused)
{
	struct net_piece none = {frame, 0};

	(void)unused;
	setup();
	join(2, 1u, 2u);
	switch_input(&ports[1].port, &none, 1);
	switch_input(&ports[1].port, NULL, 0);
	send_frame(1, 2, 1, ~0u, 13, 1);
	send_frame(1, 2, 1, ~0u, 1515, 1);
	assert_int_equal(ports[1].port.dropped, 4);
	expect_frames(0);
	send_frame(1, 2, 1, ~0u, 14, 1);
	send_frame(1, 2, 1, ~0u, 1514, 1);
	expect_frames(0, 0, 2);
	for (unsigned pieces = 1; pieces <= 132; pieces++) {
		send_frame(1, 2, 1, ~0u, 300, pieces);
		assert_int_equal(ports[2].bytes, 300);
		assert_memory_equal(ports[2].last, frame, 300);
		expect_frames(0, 0, 1);
	}
	send_frame(1, 2, 1, ~0u, 300, 150);
	expect_frames(0);
}

static void refuses_false_senders(void **unused)
{
	(void)unused;
	setup();
	join(3, 0u, 1u, 2u);
	/* another guest's address */
	simple(2, EVERYBODY, 1);
	expect_frames(0);
	simple(0, EVERYBODY, 1);
	expect_frames(0);
	assert_int_equal(ports[2].port.dropped, 1);
	/* that of a station outside, the gateway's */
	simple(0, 1, 0x900);
	expect_frames(0, 1);
	simple(2, EVERYBODY, 0x900);
	expect_frames(0);
	simple(1, 0x900, 1);
	expect_frames(1);
	/* a group's */
	simple(2, 1, EVERYBODY);
	expect_frames(0);
	/* an address that was learned of a guest moves to another guest */
	simple(1, EVERYBODY, 0x700);
	expect_frames(1, 0, 1);
	simple(2, EVERYBODY, 0x700);
	expect_frames(1, 1);
	simple(1, 0x700, 1);
	expect_frames(0, 0, 1);
}

static void table_is_shared_fairly(void **unused)
{
	(void)unused;
	setup();
	join(3, 0u, 1u, 2u);
	simple(0, 2, 0x9000);
	for (unsigned i = 0; i < 60000; i++)
		simple(1, 2, 0x10000 + i);
	clear();
	assert_true(ports[1].port.learned <= 64);
	simple(2, 0x9000, 2);
	expect_frames(1);
	/* The trunk may fill more, never a guest's own place. */
	for (unsigned i = 0; i < 60000; i++)
		simple(0, 2, 0x20000 + i);
	clear();
	assert_true(ports[0].port.learned <= 768);
	simple(0, 2, 0x9000);
	simple(0, 1, 0x9000);
	expect_frames(0, 1, 1);
	switch_remove(&ports[0].port);
	assert_int_equal(ports[0].port.learned, 0);
}

static unsigned tag_of(unsigned port)
{
	const uint8_t *at = ports[port].last + 12;

	return at[0] == 0x81 && at[1] == 0 ? (unsigned)(at[2] << 8 | at[3]) : ~0u;
}

static void vlans(void **unused)
{
	(void)unused;
	setup();
	ports[1].port.vlan = ports[2].port.vlan = 5;
	ports[3].port.vlan = 6;
	join(5, 0u, 1u, 2u, 3u, 4u);
	/* within the VLAN, and with a tag on the trunk */
	simple(1, EVERYBODY, 1);
	assert_int_equal(tag_of(0), 5);
	assert_int_equal(ports[0].bytes, 68);
	assert_memory_equal(ports[0].last + 16, frame + 12, 52);
	assert_int_equal(tag_of(2), ~0u);
	assert_int_equal(ports[2].bytes, 64);
	expect_frames(1, 0, 1);
	/* not into another, even if the station is known there */
	simple(1, 3, 1);
	expect_frames(1, 0, 1);
	/* from the trunk, without its tag */
	send_frame(0, 1, 0x900, 5, 68, 1);
	assert_int_equal(ports[1].bytes, 64);
	assert_memory_equal(ports[1].last + 12, frame + 16, 52);
	expect_frames(0, 1);
	send_frame(0, EVERYBODY, 0x900, 6, 68, 3);
	expect_frames(0, 0, 0, 1);
	send_frame(0, EVERYBODY, 0x900, 7, 68, 1);
	expect_frames(0);
	simple(0, EVERYBODY, 0x900);
	expect_frames(0, 0, 0, 0, 1);
	/* A station is another one in each VLAN. */
	simple(4, 0x900, 4);
	expect_frames(1);
	/* Guests cannot hop by tags, but say how urgent it is. */
	send_frame(4, EVERYBODY, 4, 5, 68, 1);
	send_frame(1, EVERYBODY, 1, 6, 68, 1);
	send_frame(1, EVERYBODY, 1, 5, 68, 1);
	expect_frames(0);
	send_frame(1, EVERYBODY, 1, 0xe000, 68, 1);
	assert_int_equal(tag_of(0), 0xe005);
	assert_int_equal(ports[2].bytes, 64);
	expect_frames(1, 0, 1);
	/* a tag that is not all there */
	send_frame(0, EVERYBODY, 0x900, 5, 18, 1);
	expect_frames(0, 1, 1);
	frame[12] = 0x81;
	frame[13] = 0;
	switch_input(&ports[0].port, &(struct net_piece){frame, 17}, 1);
	expect_frames(0);
	/* the longest frame gets its tag */
	send_frame(1, EVERYBODY, 1, ~0u, 1514, 2);
	assert_int_equal(ports[0].bytes, 1518);
	expect_frames(1, 0, 1);
	send_frame(0, 1, 0x900, 5, 1518, 2);
	assert_int_equal(ports[1].bytes, 1514);
	expect_frames(0, 1);
}

/* All zero is an address like others, not a free place in the table. */
static void zero_address(void **unused)
{
	struct net_piece piece = {frame, 64};

	(void)unused;
	setup();
	join(2, 1u, 2u);
	memset(frame, 0, 64);
	address(frame, 2);
	switch_input(&ports[1].port, &piece, 1);
	expect_frames(0, 0, 1);
	memset(frame, 0, 64);
	address(frame + 6, 2);
	switch_input(&ports[2].port, &piece, 1);
	expect_frames(0, 1);
}

static void link_local_stays(void **unused)
{
	static const uint8_t stp[6] = {0x01, 0x80, 0xc2, 0, 0, 0};
	struct net_piece piece = {frame, 64};

	(void)unused;
	setup();
	join(2, 1u, 2u);
	simple(1, 2, 1);
	clear();
	memcpy(frame, stp, 6);
	switch_input(&ports[1].port, &piece, 1);
	expect_frames(0);
	frame[5] = 0x20;
	switch_input(&ports[1].port, &piece, 1);
	expect_frames(0, 0, 1);
}

/* A guest that sends from many addresses fills what is free, and drives out only its own. */
static void drives_out_its_own(void **unused)
{
	(void)unused;
	setup();
	join(4, 0u, 1u, 2u, 3u);
	for (unsigned i = 0; i < 40; i++)
		simple(2, EVERYBODY, 0x4000 + i);
	for (unsigned round = 0; round < 600; round++) {
		now += SECOND / 8;
		for (unsigned i = 0; i < 64; i++)
			simple(1, EVERYBODY, 0x5000 + round * 64 + i);
		ports[1].port.learned = 0; /* as if it could learn without end */
	}
	clear();
	for (unsigned i = 0; i < 40; i++)
		simple(3, 0x4000 + i, 3);
	expect_frames(0, 0, 40);
}

/* The own address of each of 1,000 guests is theirs alone. */
static void many_guests(void **unused)
{
	static struct net_port guest[1000];

	(void)unused;
	setup();
	join(2, 0u, 1u);
	for (unsigned i = 0; i < 1000; i++) {
		guest[i] = (struct net_port){.deliver = deliver, .deliver_done = deliver_done};
		address(guest[i].mac, 0x1000 + i);
		switch_add(&guest[i]);
		assert_int_equal(guest[i].learned, 1);
	}
	for (unsigned i = 0; i < 1000; i++)
		simple(1, EVERYBODY, 0x1000 + i);
	assert_int_equal(ports[1].port.dropped, 1000);
	expect_frames(0);
	for (unsigned i = 0; i < 1000; i++)
		switch_remove(&guest[i]);
}

/* The address that a guest names by ARP is heard, and the frame goes on as it was. */
static void hears_arp(void **unused)
{
	static const uint8_t request[] = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 2, 18};
	struct net_piece piece[3] = {{frame, 20}, {frame + 20, 9}, {frame + 29, 13}};

	(void)unused;
	setup();
	join(3, 0u, 1u, 2u);
	memset(frame, 0, sizeof(frame));
	address(frame, EVERYBODY);
	address(frame + 6, 1);
	memcpy(frame + 12, "\x08\x06", 2);
	memcpy(frame + 14, request, sizeof(request));
	switch_input(&ports[1].port, piece, 3);
	assert_int_equal(ports[1].port.ipv4, 0x0a000212);
	assert_int_equal(ports[2].bytes, 42);
	assert_memory_equal(ports[2].last, frame, 42);
	expect_frames(1, 0, 1);
	piece[2].bytes = 2; /* cut off before the address */
	frame[31] = 99;
	switch_input(&ports[1].port, piece, 3);
	assert_int_equal(ports[1].port.ipv4, 0x0a000212);
	assert_int_equal(ports[2].bytes, 31);
	expect_frames(1, 0, 1);
}

/* Another card has taken over: each guest's address leaves through it, with the guest's tag. */
static void announces(void **unused)
{
	(void)unused;
	setup();
	ports[2].port.vlan = 7;
	join(3, 0u, 1u, 2u);
	simple(0, EVERYBODY, 0x900); /* stands outside: nothing to tell of it */
	clear();
	switch_announce(&ports[0].port);
	assert_int_equal(ports[0].frames, 2);
	assert_int_equal(ports[0].done, 1);
	assert_int_equal(ports[1].frames + ports[2].frames, 0);
	clear();
	switch_remove(&ports[1].port);
	switch_announce(&ports[0].port);
	assert_int_equal(ports[0].frames, 1);
	assert_int_equal(ports[0].bytes, 64);
	assert_memory_equal(ports[0].last, "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\2\x81\0\0\7\x80\x35",
			    18);
	assert_memory_equal(ports[0].last + 18,
			    "\0\1\x08\0\6\4\0\3\2\0\0\0\0\2\0\0\0\0\2\0\0\0\0\2\0\0\0\0", 28);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwards_and_floods),
		cmocka_unit_test(counts),
		cmocka_unit_test(sizes_and_pieces),
		cmocka_unit_test(refuses_false_senders),
		cmocka_unit_test(table_is_shared_fairly),
		cmocka_unit_test(vlans),
		cmocka_unit_test(zero_address),
		cmocka_unit_test(link_local_stays),
		cmocka_unit_test(drives_out_its_own),
		cmocka_unit_test(announces),
		cmocka_unit_test(hears_arp),
		cmocka_unit_test(many_guests),
	};

	return cmocka_run_group_tests_name("switch", tests, NULL, NULL);
}
