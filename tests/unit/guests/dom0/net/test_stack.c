/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/lwip.c guests/dom0/net/ipconf.c */
/* libs: lwip */
/* flags: -Dprintf=say */
/* dom0's network stack on a switch and a clock of the test's: a DHCP server
 * that answers or not, cables, pings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/net/switch.h"

#define SECOND 1000000000ull
#define TIMERS 8
#define WORKS  8

static uint64_t now = SECOND;
static struct timer *timers[TIMERS];
static struct work *works[WORKS];
static struct net_port *port;
static struct netdev nic = {.name = "eth0", .mac = {0x52, 0x54, 0, 1, 2, 3}};
static bool server_answers;
static char said[8192];
static uint8_t last_frame[2048];
static unsigned last_bytes, discovers, requests;

int say(const char *format, ...)
{
	size_t used = strlen(said);
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(said + used, sizeof(said) - used, format, args);
	va_end(args);
	return n;
}

/* --- the loop ------------------------------------------------------------- */

uint64_t clock_ns(void)
{
	return now;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
	for (unsigned i = 0; i < TIMERS; i++) {
		if (timers[i] == timer)
			return;
		if (!timers[i]) {
			timers[i] = timer;
			return;
		}
	}
	fail();
}

void timer_set(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
}

void timer_cancel(struct timer *timer)
{
	timer->deadline = 0;
}

void work_queue(struct work *work)
{
	if (work->queued)
		return;
	work->queued = 1;
	for (unsigned i = 0; i < WORKS; i++)
		if (!works[i]) {
			works[i] = work;
			return;
		}
	fail();
}

static void run_work(void)
{
	for (bool again = true; again;) {
		again = false;
		for (unsigned i = 0; i < WORKS; i++) {
			struct work *work = works[i];

			if (!work)
				continue;
			works[i] = NULL;
			work->queued = 0;
			work->run(work);
			again = true;
		}
	}
}

static void pass(uint64_t ns)
{
	uint64_t end = now + ns;

	for (;;) {
		struct timer *next = NULL;

		run_work();
		for (unsigned i = 0; i < TIMERS; i++)
			if (timers[i] && timers[i]->deadline &&
			    (!next || timers[i]->deadline < next->deadline))
				next = timers[i];
		if (!next || next->deadline > end)
			break;
		if (next->deadline > now)
			now = next->deadline;
		next->deadline = 0;
		next->fire(next);
	}
	now = end;
}

/* --- the network ---------------------------------------------------------- */

const struct netdev *uplink_card(void)
{
	return &nic;
}

const struct net_port *uplink_port(void)
{
	static struct net_port uplink;

	uplink.link_up = nic.link_up;
	return &uplink;
}

void switch_add(struct net_port *added)
{
	port = added;
}

static void give(const uint8_t *frame, unsigned bytes)
{
	struct net_piece piece[2] = {{frame, 20}, {frame + 20, bytes - 20}};

	assert_true(port->deliver(port, piece, 2, bytes));
	port->deliver_done(port);
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned sum16(const uint8_t *at, unsigned bytes, unsigned sum)
{
	for (unsigned i = 0; i + 1 < bytes; i += 2)
		sum += (unsigned)at[i] << 8 | at[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Answers a DISCOVER with an OFFER and a REQUEST with an ACK (RFC 2131). */
static void answer(const uint8_t *ask, uint8_t type)
{
	static const uint8_t options[] = {
		99, 130, 83,  99,  53,  1, 0, 54, 4,  10, 0, 2, 2, 51, 4,  0, 0, 0x0e, 0x10,
		1,  4,   255, 255, 255, 0, 3, 4,  10, 0,  2, 2, 6, 4,  10, 0, 2, 3,    255,
	};
	uint8_t f[14 + 20 + 8 + 236 + 64] = {0};
	uint8_t *ip = f + 14, *udp = ip + 20, *dhcp = udp + 8;
	unsigned bytes = sizeof(f) - 14;

	memcpy(f, ask + 6, 6);
	memcpy(f + 6, "\x52\x55\x0a\x00\x02\x02", 6);
	put16(f + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, bytes);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, "\x0a\x00\x02\x02", 4);
	memset(ip + 16, 255, 4);
	put16(ip + 10, ~sum16(ip, 20, 0) & 0xffff);
	put16(udp, 67);
	put16(udp + 2, 68);
	put16(udp + 4, bytes - 20);
	memcpy(dhcp, ask + 42, 236);
	dhcp[0] = 2;
	memcpy(dhcp + 16, "\x0a\x00\x02\x0f", 4);
	memcpy(dhcp + 236, options, sizeof(options));
	dhcp[236 + 6] = type;
	give(f, sizeof(f));
}

void switch_input(struct net_port *from, const struct net_piece *piece, unsigned pieces)
{
	assert_ptr_equal(from, port);
	last_bytes = 0;
	for (unsigned i = 0; i < pieces; i++) {
		assert_true(last_bytes + piece[i].bytes <= sizeof(last_frame));
		memcpy(last_frame + last_bytes, piece[i].data, piece[i].bytes);
		last_bytes += piece[i].bytes;
	}
	assert_memory_equal(last_frame + 6, port->mac, 6);
	/* UDP to port 67: the message's type is its first option */
	if (last_bytes < 300 || last_frame[12] != 8 || last_frame[13] || last_frame[23] != 17 ||
	    last_frame[37] != 67)
		return;
	uint8_t type = last_frame[42 + 236 + 4 + 2];
	discovers += type == 1;
	requests += type == 3;
	if (server_answers && (type == 1 || type == 3))
		answer(last_frame, type == 1 ? 2 : 5);
}

void switch_flush(void)
{
}

/* --- the tests, in this order --------------------------------------------- */

static struct stack_status status(void)
{
	struct stack_status s;

	stack_status(&s);
	return s;
}

static void off(void **state)
{
	(void)state;
	assert_false(status().enabled);
	stack_start("ip=off");
	assert_false(status().enabled);
	stack_start("ip=nonsense");
	assert_false(status().enabled);
	assert_non_null(strstr(said, "ip="));
	assert_null(port);
}

static void cable_out(void **state)
{
	(void)state;
	stack_start("other=1 ip=dhcp");
	assert_non_null(strstr(said, "cable out"));
	pass(5 * SECOND);
	assert_true(status().enabled && status().dhcp && !status().cable);
	assert_int_equal(discovers, 0);
	/* locally administered, not the card's own */
	assert_true(port->mac[0] & 2);
	assert_memory_not_equal(port->mac, nic.mac, 6);
}

static void no_answer(void **state)
{
	(void)state;
	said[0] = '\0';
	nic.link_up = true;
	pass(30 * SECOND);
	assert_true(status().cable);
	assert_true(discovers > 1);
	assert_non_null(strstr(said, "eth0: cable connected"));
	assert_non_null(strstr(said, "no DHCP server answers"));
	assert_int_equal(status().address, 0);
}

static void lease(void **state)
{
	(void)state;
	said[0] = '\0';
	server_answers = true;
	pass(120 * SECOND);
	assert_int_equal(status().address, inet_addr("10.0.2.15"));
	assert_int_equal(status().mask, inet_addr("255.255.255.0"));
	assert_int_equal(status().gateway, inet_addr("10.0.2.2"));
	assert_int_equal(status().dns, inet_addr("10.0.2.3"));
	assert_string_equal(status().dhcp_state, "bound");
	assert_int_equal(status().lease_seconds, 3600);
	assert_non_null(strstr(said, "address 10.0.2.15 gateway 10.0.2.2"));
}

static void ping(void **state)
{
	uint8_t f[14 + 20 + 8 + 32] = {0};
	uint8_t *ip = f + 14, *icmp = ip + 20;
	uint8_t arp[42] = {0};

	(void)state;
	/* It learns us from our ARP request and answers that. */
	memset(arp, 255, 6);
	memcpy(arp + 6, "\x52\x55\x0a\x00\x02\x02", 6);
	memcpy(arp + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	memcpy(arp + 22, arp + 6, 6);
	memcpy(arp + 28, "\x0a\x00\x02\x02", 4);
	memcpy(arp + 38, "\x0a\x00\x02\x0f", 4);
	last_bytes = 0;
	give(arp, sizeof(arp));
	run_work();
	assert_int_equal(last_bytes, 42);
	assert_int_equal(last_frame[21], 2);

	memcpy(f, port->mac, 6);
	memcpy(f + 6, arp + 6, 6);
	put16(f + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, sizeof(f) - 14);
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, "\x0a\x00\x02\x02\x0a\x00\x02\x0f", 8);
	put16(ip + 10, ~sum16(ip, 20, 0) & 0xffff);
	icmp[0] = 8;
	put16(icmp + 2, ~sum16(icmp, 40, 0) & 0xffff);
	last_bytes = 0;
	give(f, sizeof(f));
	run_work();
	assert_int_equal(last_bytes, sizeof(f));
	assert_int_equal(last_frame[34], 0); /* echo reply */
}

/* Frames faster than the stack runs: bounded, dropped, and it goes on. */
static void flood(void **state)
{
	uint8_t f[64] = {0};
	struct net_piece piece = {f, sizeof(f)};
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		taken += port->deliver(port, &piece, 1, sizeof(f));
	assert_in_range(taken, 1, 128);
	port->deliver_done(port);
	run_work();
	assert_true(port->deliver(port, &piece, 1, sizeof(f)));
	port->deliver_done(port);
	run_work();
}

static void cable_pulled(void **state)
{
	(void)state;
	said[0] = '\0';
	nic.link_up = false;
	pass(2 * SECOND);
	assert_non_null(strstr(said, "eth0: cable out"));
	assert_false(status().cable);
	requests = 0;
	nic.link_up = true;
	pass(60 * SECOND);
	assert_true(requests > 0); /* asks whether the address is still good */
	assert_int_equal(status().address, inet_addr("10.0.2.15"));
}

static void lease_runs_out(void **state)
{
	(void)state;
	said[0] = '\0';
	server_answers = false;
	pass(2 * 3600 * SECOND);
	assert_int_equal(status().address, 0);
	assert_non_null(strstr(said, "address 10.0.2.15 lost"));
	assert_non_null(strstr(said, "no DHCP server answers"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off),          cmocka_unit_test(cable_out),
		cmocka_unit_test(no_answer),    cmocka_unit_test(lease),
		cmocka_unit_test(ping),         cmocka_unit_test(flood),
		cmocka_unit_test(cable_pulled), cmocka_unit_test(lease_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
