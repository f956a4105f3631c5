/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/lwip.c guests/dom0/base/cmdline.c guests/dom0/net/ipconf.c guests/dom0/net/ntp.c guests/dom0/machine/calendar.c */
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

#include <lwip/tcp.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/net/ntp.h"
#include "guests/dom0/net/switch.h"

#define SECOND 1000000000ull
#define TIMERS 8
#define WORKS  8

static uint64_t now = SECOND;
static uint64_t wall_at_zero = 1800000000ull * SECOND; /* 2027-01-15 08:00:00 */
static struct timer *timers[TIMERS];
static struct work *works[WORKS];
static struct net_port *port;
static struct netdev nic = {.name = "eth0", .mac = {0x52, 0x54, 0, 1, 2, 3}};
static bool server_answers;
static char said[8192];
static uint8_t last_frame[2048];
static unsigned last_bytes, discovers, requests;
/* The time server: the Unix time that it says, in 2^-32 seconds; 0: it does not answer. */
static uint64_t server_time;
static unsigned time_requests, walls_set;
static int answers = 1; /* to each question */
static bool old_question;
static unsigned fires; /* of timers: as many exits of dom0 */

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

uint64_t clock_wall_ns(void)
{
	return wall_at_zero + now;
}

void clock_set_wall_ns(uint64_t wall_ns)
{
	wall_at_zero = wall_ns - now;
}

void platform_wall_set(void)
{
	walls_set++;
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
		fires++;
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

static void (*uplink_changed)(void);

void uplink_watch(void (*changed)(void))
{
	uplink_changed = changed;
}

static void plug(bool in)
{
	nic.link_up = in;
	uplink_changed();
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
		99, 130, 83,   99,   53, 1, 0,   54,  4,   10, 0, 2, 2,  51,  4,
		0,  0,   0x0e, 0x10, 1,  4, 255, 255, 255, 0,  3, 4, 10, 0,   2,
		2,  6,   4,    10,   0,  2, 3,   42,  4,   10, 0, 2, 9,  255,
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

/* Answers an ARP request of dom0's. */
static void answer_arp(const uint8_t *ask)
{
	uint8_t f[42];

	memcpy(f, ask, sizeof(f));
	memcpy(f, ask + 6, 6);
	memcpy(f + 6, "\x52\x55\x0a\x00\x02\x02", 6);
	f[21] = 2;
	memcpy(f + 22, f + 6, 6);
	memcpy(f + 28, ask + 38, 4);
	memcpy(f + 32, ask + 6, 6);
	memcpy(f + 38, ask + 28, 4);
	give(f, sizeof(f));
}

static void put_time(uint8_t *at, uint64_t unix_time)
{
	uint64_t ntp = unix_time + (2208988800ull << 32);

	for (unsigned i = 0; i < 8; i++)
		at[i] = (uint8_t)(ntp >> (56 - 8 * i));
}

/* RFC 4330: the server's answer repeats the time in the question. */
static void answer_time(const uint8_t *ask)
{
	uint8_t f[14 + 20 + 8 + 48] = {0};
	uint8_t *ip = f + 14, *udp = ip + 20, *ntp = udp + 8;

	memcpy(f, ask + 6, 6);
	memcpy(f + 6, "\x52\x55\x0a\x00\x02\x02", 6);
	put16(f + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, sizeof(f) - 14);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, ask + 30, 4);
	memcpy(ip + 16, ask + 26, 4);
	put16(ip + 10, ~sum16(ip, 20, 0) & 0xffff);
	put16(udp, 123);
	memcpy(udp + 2, ask + 34, 2);
	put16(udp + 4, 8 + 48);
	ntp[0] = 0x24; /* version 4, server */
	ntp[1] = 1;
	memcpy(ntp + 24, ask + 42 + 40, 8);
	ntp[24] = (uint8_t)(ntp[24] ^ old_question);
	put_time(ntp + 32, server_time);
	put_time(ntp + 40, server_time);
	for (int i = 0; i < answers; i++)
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
	if (last_bytes == 42 && last_frame[12] == 8 && last_frame[13] == 6 && last_frame[21] == 1 &&
	    memcmp(last_frame + 28, last_frame + 38, 4) != 0)
		answer_arp(last_frame);
	if (last_bytes == 90 && last_frame[23] == 17 && last_frame[37] == 123) {
		time_requests++;
		if (server_time)
			answer_time(last_frame);
	}
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
	stack_start("other=1 ip=dhcp dns=10.0.2.53");
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
	plug(true);
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
	/* The command line's, not the server's. */
	assert_int_equal(status().dns, inet_addr("10.0.2.53"));
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

/* --- an idle connection --- */

#define SYN 2u
#define ACK 16u

static struct tcp_pcb *connection;
static err_t connection_error;

static void lost(void *context, err_t error)
{
	(void)context;
	connection = NULL;
	connection_error = error;
}

static err_t accepted(void *context, struct tcp_pcb *pcb, err_t error)
{
	(void)context;
	(void)error;
	connection = pcb;
	tcp_err(pcb, lost);
	ip_set_option(pcb, SOF_KEEPALIVE);
	pcb->keep_idle = 120000;
	pcb->keep_intvl = 15000;
	pcb->keep_cnt = 6;
	return ERR_OK;
}

/* A segment of the peer's, without data. */
static void segment(unsigned flags, uint32_t number, uint32_t acknowledged)
{
	uint8_t f[60] = {0};
	uint8_t *ip = f + 14, *tcp = ip + 20;

	memcpy(f, port->mac, 6);
	memcpy(f + 6, "\x52\x55\x0a\x00\x02\x02", 6);
	put16(f + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 40);
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, "\x0a\x00\x02\x02\x0a\x00\x02\x0f", 8);
	put16(ip + 10, ~sum16(ip, 20, 0) & 0xffff);
	put16(tcp, 4000);
	put16(tcp + 2, 16509);
	put16(tcp + 4, number >> 16);
	put16(tcp + 6, number);
	put16(tcp + 8, acknowledged >> 16);
	put16(tcp + 10, acknowledged);
	tcp[12] = 0x50;
	tcp[13] = (uint8_t)flags;
	put16(tcp + 14, 8192);
	put16(tcp + 16, ~sum16(ip + 12, 28, 6 + 20) & 0xffff);
	give(f, sizeof(f));
	run_work();
}

static uint32_t number_of_last(void)
{
	const uint8_t *at = last_frame + 38;

	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Data are sent again if nobody acknowledges them, also behind a rest; an idle connection costs
 * next to no timers; a peer that is gone is found all the same. */
static void idle_connection(void **state)
{
	struct tcp_pcb *listener = tcp_new();
	uint32_t number;

	(void)state;
	assert_int_equal(tcp_bind(listener, IP_ADDR_ANY, 16509), ERR_OK);
	listener = tcp_listen(listener);
	tcp_accept(listener, accepted);
	segment(SYN, 1000, 0);
	assert_int_equal(last_frame[47], SYN | ACK);
	number = number_of_last() + 1;
	segment(ACK, 1001, number);
	assert_non_null(connection);

	pass(60 * SECOND);
	fires = 0;
	pass(50 * SECOND);
	assert_in_range(fires, 0, 3);

	last_bytes = 0;
	assert_int_equal(tcp_write(connection, "data", 4, TCP_WRITE_FLAG_COPY), ERR_OK);
	tcp_output(connection);
	assert_int_equal(last_bytes, 58);
	last_bytes = 0;
	pass(SECOND);
	assert_int_equal(last_bytes, 0); /* the time of the rest counts for nothing */
	pass(4 * SECOND);
	assert_int_equal(last_bytes, 58); /* once more */
	segment(ACK, 1001, number + 4);
	pass(20 * SECOND);
	fires = 0;
	pass(80 * SECOND);
	assert_in_range(fires, 0, 4);
	assert_non_null(connection);

	/* 120 s, and six questions of 15 s, each answered by nobody. */
	pass(150 * SECOND);
	assert_null(connection);
	assert_int_equal(connection_error, ERR_ABRT);
	tcp_close(listener);
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
	plug(false);
	pass(2 * SECOND);
	assert_non_null(strstr(said, "eth0: cable out"));
	assert_false(status().cable);
	requests = 0;
	plug(true);
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

/* Seconds that the wall clock is away from a Unix time. */
static int64_t away(uint64_t unix_seconds)
{
	return (int64_t)(clock_wall_ns() / 1000000) - (int64_t)(unix_seconds * 1000);
}

/* The server says this time, and dom0 asks. */
static struct ntp_status ask(uint64_t unix_seconds, bool any)
{
	struct ntp_status s;

	pass(60 * SECOND);
	server_time = unix_seconds << 32;
	said[0] = '\0';
	walls_set = 0;
	assert_null(ntp_ask(any));
	pass(SECOND);
	ntp_status(&s);
	return s;
}

static void time_by_dhcp(void **state)
{
	struct ntp_status s;

	(void)state;
	ntp_status(&s);
	assert_string_equal(s.server, "10.0.2.9");
	assert_false(s.set);
	assert_true(time_requests > 0);
	s = ask(1900000000, false);
	assert_true(s.set && s.taken == 1 && !s.refused);
	assert_in_range(away(1900000000), 900, 1100);
	assert_int_equal(walls_set, 1);
	assert_non_null(strstr(said, "time: 2030-03-17 17:46:40 UTC, by 10.0.2.9; the clock was "));
	assert_non_null(strstr(said, " s slow"));
	time_requests = 0;
	pass(3700 * SECOND);
	assert_int_equal(time_requests, 1); /* an hour later, and the answer is far away now */
	ntp_status(&s);
	assert_int_equal(s.refused, 1);
	assert_non_null(strstr(said, "is refused: it is more than 1000 s away"));
}

static void time_bounds(void **state)
{
	uint64_t wall = clock_wall_ns() / SECOND + 60;
	struct ntp_status s = ask(wall + 900, false);

	(void)state;
	assert_int_equal(s.taken, 2);
	assert_in_range(away(wall + 900), 900, 1100);
	wall = clock_wall_ns() / SECOND + 60;
	s = ask(wall + 2000, false);
	assert_int_equal(s.refused, 2);
	assert_int_equal(walls_set, 0);
	s = ask(wall - 86400, true); /* the operator says so */
	assert_int_equal(s.taken, 3);
	assert_in_range(away(wall - 86400), 900, 1100);
	assert_non_null(strstr(said, " s fast"));
	s = ask(1767225599, true); /* 2025, and 2100 */
	assert_int_equal(s.refused, 3);
	s = ask(4102444800, true);
	assert_int_equal(s.refused, 4);
	s = ask(2085978496, true); /* no time at all is second 0 of the second era */
	assert_int_equal(s.refused, 5);
	wall = clock_wall_ns() / SECOND + 60;
	old_question = true; /* an answer to another question is none */
	s = ask(wall + 5, false);
	assert_true(s.taken == 3 && s.refused == 5);
	old_question = false;
	/* The stack asks again by itself. The same answer once more is none either. */
	answers = 3;
	s = ask(wall + 70, false);
	assert_true(s.taken == 5 && s.refused == 5);
	answers = 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off),
		cmocka_unit_test(cable_out),
		cmocka_unit_test(no_answer),
		cmocka_unit_test(lease),
		cmocka_unit_test(ping),
		cmocka_unit_test(time_by_dhcp),
		cmocka_unit_test(time_bounds),
		cmocka_unit_test(flood),
		cmocka_unit_test(idle_connection),
		cmocka_unit_test(cable_pulled),
		cmocka_unit_test(lease_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
