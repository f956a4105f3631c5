/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/rpc/tcp.c */
/* Wires on connections of the test's: how much goes at a time, and how they close. */
#include "tests/unit/unit.h"

#include <lwip/pbuf.h>
#include <lwip/tcp.h>

#include "guests/dom0/rpc/wire.h"

const ip_addr_t ip_addr_any;

static struct tcp_pcb listening, pcb;
static tcp_accept_fn accepts;
static size_t written, rooms, ends, recved;
static bool is_closed, is_aborted, is_shut;
static struct wire *wire;

struct tcp_pcb *tcp_new(void)
{
	return &listening;
}

err_t tcp_bind(struct tcp_pcb *of, const ip_addr_t *address, u16_t port)
{
	(void)of;
	(void)address;
	(void)port;
	return ERR_OK;
}

struct tcp_pcb *tcp_listen_with_backlog(struct tcp_pcb *of, u8_t backlog)
{
	(void)backlog;
	return of;
}

void tcp_arg(struct tcp_pcb *of, void *arg)
{
	of->callback_arg = arg;
}

void tcp_accept(struct tcp_pcb *of, tcp_accept_fn fn)
{
	(void)of;
	accepts = fn;
}

void tcp_recv(struct tcp_pcb *of, tcp_recv_fn fn)
{
	of->recv = fn;
}

void tcp_sent(struct tcp_pcb *of, tcp_sent_fn fn)
{
	of->sent = fn;
}

void tcp_err(struct tcp_pcb *of, tcp_err_fn fn)
{
	of->errf = fn;
}

void tcp_poll(struct tcp_pcb *of, tcp_poll_fn fn, u8_t interval)
{
	of->poll = fn;
	of->pollinterval = interval;
}

void tcp_setprio(struct tcp_pcb *of, u8_t prio)
{
	of->prio = prio;
}

err_t tcp_write(struct tcp_pcb *of, const void *bytes, u16_t n, u8_t flags)
{
	(void)bytes;
	(void)flags;
	assert_true(n <= of->snd_buf);
	of->snd_buf = (tcpwnd_size_t)(of->snd_buf - n);
	written += n;
	return ERR_OK;
}

err_t tcp_output(struct tcp_pcb *of)
{
	(void)of;
	return ERR_OK;
}

void tcp_recved(struct tcp_pcb *of, u16_t n)
{
	(void)of;
	recved += n;
}

err_t tcp_close(struct tcp_pcb *of)
{
	(void)of;
	is_closed = true;
	return ERR_OK;
}

err_t tcp_shutdown(struct tcp_pcb *of, int rx, int tx)
{
	(void)of;
	assert_true(!rx && tx);
	is_shut = true;
	return ERR_OK;
}

void tcp_abort(struct tcp_pcb *of)
{
	(void)of;
	is_aborted = true;
}

char *ip4addr_ntoa(const ip4_addr_t *address)
{
	(void)address;
	return "10.0.0.2";
}

u8_t pbuf_free(struct pbuf *p)
{
	(void)p;
	return 1;
}

/* --- the user --- */

static void received(void *context, const uint8_t *bytes, size_t n)
{
	(void)context;
	(void)bytes;
	(void)n;
}

static void room(void *context)
{
	(void)context;
	rooms++;
}

static void ended(void *context)
{
	(void)context;
	ends++;
}

static const struct wire_user user = {.received = received, .room = room, .ended = ended};

static bool take(struct wire *new_wire)
{
	wire = new_wire;
	wire->user = &user;
	return true;
}

static int connect_one(void **state)
{
	static bool listens;

	(void)state;
	if (!listens)
		assert_null(tcp_wires(16514, take));
	listens = true;
	memset(&pcb, 0, sizeof(pcb));
	pcb.snd_buf = TCP_SND_BUF;
	is_closed = is_aborted = is_shut = false;
	written = rooms = ends = recved = 0;
	assert_int_equal(accepts(listening.callback_arg, &pcb, ERR_OK), ERR_OK);
	return 0;
}

static size_t put(size_t n)
{
	static uint8_t bytes[4 * TCP_SND_BUF];

	return wire->write(wire, bytes, n);
}

static void acknowledge(size_t n)
{
	pcb.snd_buf = (tcpwnd_size_t)(pcb.snd_buf + n);
	pcb.sent(pcb.callback_arg, &pcb, (u16_t)n);
}

/* One acknowledged segment is no reason to send one: some go at a time. */
static void test_bursts(void **state)
{
	unsigned bursts = 0;

	(void)state;
	assert_int_equal(put(4 * TCP_SND_BUF), TCP_SND_BUF);
	for (unsigned i = 1; i <= 64; i++) {
		size_t before = written;

		acknowledge(TCP_MSS);
		assert_int_equal(rooms, i);
		put(2 * TCP_SND_BUF);
		assert_true(written == before || written - before >= 8u * TCP_MSS);
		bursts += written != before;
	}
	assert_int_equal(bursts, 8);
	/* The rest of a message goes as soon as it fits. */
	acknowledge(TCP_MSS);
	assert_int_equal(put(100), 100);
	wire->abort(wire);
	assert_true(is_aborted);
}

/* With nothing in flight there is no acknowledgement to wait for. */
static void test_no_standstill(void **state)
{
	(void)state;
	pcb.snd_buf = 100;
	assert_int_equal(put(4000), 100);
	assert_int_equal(put(4000), 0);
	acknowledge(100);
	assert_int_equal(put(4000), 100);
	wire->abort(wire);
}

/* What the peer still sends is read over: a reset would take what it has yet to read. */
static void test_closes(void **state)
{
	struct pbuf data = {.len = 700, .tot_len = 700};

	(void)state;
	wire->close(wire);
	assert_true(is_shut && !is_closed && !is_aborted);
	assert_int_equal(pcb.prio, TCP_PRIO_MIN);
	assert_int_equal(pcb.recv(pcb.callback_arg, &pcb, &data, ERR_OK), ERR_OK);
	assert_int_equal(recved, 700);
	assert_int_equal(pcb.recv(pcb.callback_arg, &pcb, NULL, ERR_OK), ERR_OK);
	assert_true(is_closed && !is_aborted && !pcb.poll);
	/* Not for ever. */
	connect_one(NULL);
	wire->close(wire);
	assert_int_equal(pcb.pollinterval, 4);
	assert_int_equal(pcb.poll(pcb.callback_arg, &pcb), ERR_ABRT);
	assert_true(is_aborted);
	assert_int_equal(ends, 0);
}

static void test_peer_closes(void **state)
{
	(void)state;
	assert_int_equal(pcb.recv(pcb.callback_arg, &pcb, NULL, ERR_OK), ERR_OK);
	assert_int_equal(ends, 1);
	assert_true(is_closed && !is_shut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bursts, connect_one),
		cmocka_unit_test_setup(test_no_standstill, connect_one),
		cmocka_unit_test_setup(test_closes, connect_one),
		cmocka_unit_test_setup(test_peer_closes, connect_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
