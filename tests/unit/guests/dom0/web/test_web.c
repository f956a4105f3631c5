/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/web/web.c guests/dom0/web/request.c guests/dom0/base/cmdline.c */
/*
 * The server on connections and a clock of the test's: what it sends in which order, how much of it
 * is on its way at a time, and which connections end.
 */
#include "guests/dom0/web/web.h"

#include <lwip/pbuf.h>
#include <lwip/tcp.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/web/metrics.h"
#include "tests/unit/unit.h"
#include "tests/unit/works_mock.h"

#define SECOND 1000000000ull
#define PEERS  32u
#define LINES  300u
#define GET    "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
#define END    "\r\n0\r\n\r\n"

/* The client's end of a connection. */
struct peer {
	struct tcp_pcb pcb;
	tcp_recv_fn recv;
	tcp_sent_fn sent;
	tcp_err_fn err;
	bool closed, aborted;
	size_t on_its_way;
	char got[65536];
	size_t used;
};

static struct peer peers[PEERS];
static uint64_t now = SECOND;
static struct timer *timer;
const ip_addr_t ip_addr_any;
static struct tcp_pcb listener;
static tcp_accept_fn accept_one;
static bool no_memory;
static unsigned steps;

/* --- the loop --- */

uint64_t clock_ns(void)
{
	return now;
}

void timer_init(struct timer *one, void (*fire)(struct timer *), void *context)
{
	*one = (struct timer){.fire = fire, .context = context};
	timer = one;
}

void timer_set(struct timer *one, uint64_t deadline)
{
	one->deadline = deadline;
}

/* One turn. Returns false if there was nothing to do. */
static bool turn(void)
{
	steps = 0;
	return works_run();
}

static void settle(void)
{
	for (unsigned i = 0; i < 10000 && turn(); i++)
		;
	assert_false(turn());
}

static void pass(uint64_t seconds)
{
	for (uint64_t i = 0; i < seconds; i++) {
		now += SECOND;
		if (timer->deadline && timer->deadline <= now) {
			timer->deadline = 0;
			timer->fire(timer);
		}
		settle();
	}
}

/* --- the page: lines of one length --- */

size_t metrics_step(struct metrics *metrics, char line[METRICS_LINE])
{
	assert_true(++steps <= 64 * PEERS);
	metrics->ended = ++metrics->part == 3 * LINES;
	if (metrics->part % 3)
		return 0;
	return (size_t)snprintf(line, METRICS_LINE, "line_%05u_of_the_page %0*u\n", metrics->part,
				metrics->part % 6 ? 1 : 200, 1);
}

/* --- lwIP --- */

static struct peer *peer_of(const struct tcp_pcb *pcb)
{
	return (struct peer *)pcb;
}

struct tcp_pcb *tcp_new(void)
{
	return &listener;
}

err_t tcp_bind(struct tcp_pcb *pcb, const ip_addr_t *address, u16_t port)
{
	(void)address;
	pcb->local_port = port;
	return port == 1 ? ERR_USE : ERR_OK;
}

void tcp_setprio(struct tcp_pcb *pcb, u8_t prio)
{
	pcb->prio = prio;
}

struct tcp_pcb *tcp_listen_with_backlog(struct tcp_pcb *pcb, u8_t backlog)
{
	assert_true(backlog);
	return pcb;
}

void tcp_accept(struct tcp_pcb *pcb, tcp_accept_fn function)
{
	(void)pcb;
	accept_one = function;
}

void tcp_arg(struct tcp_pcb *pcb, void *arg)
{
	pcb->callback_arg = arg;
}

void tcp_recv(struct tcp_pcb *pcb, tcp_recv_fn function)
{
	peer_of(pcb)->recv = function;
}

void tcp_sent(struct tcp_pcb *pcb, tcp_sent_fn function)
{
	peer_of(pcb)->sent = function;
}

void tcp_err(struct tcp_pcb *pcb, tcp_err_fn function)
{
	peer_of(pcb)->err = function;
}

void tcp_recved(struct tcp_pcb *pcb, u16_t n)
{
	assert_false(peer_of(pcb)->closed);
	assert_true(n);
}

err_t tcp_write(struct tcp_pcb *pcb, const void *bytes, u16_t n, u8_t flags)
{
	struct peer *peer = peer_of(pcb);

	assert_true(flags & TCP_WRITE_FLAG_COPY && !peer->closed && !peer->aborted);
	if (no_memory)
		return ERR_MEM;
	assert_true(n <= pcb->snd_buf && peer->used + n < sizeof(peer->got));
	memcpy(peer->got + peer->used, bytes, n);
	peer->used += n;
	peer->on_its_way += n;
	pcb->snd_buf = (u16_t)(pcb->snd_buf - n);
	return ERR_OK;
}

err_t tcp_output(struct tcp_pcb *pcb)
{
	(void)pcb;
	return ERR_OK;
}

err_t tcp_close(struct tcp_pcb *pcb)
{
	peer_of(pcb)->closed = true;
	return ERR_OK;
}

void tcp_abort(struct tcp_pcb *pcb)
{
	peer_of(pcb)->aborted = true;
}

u8_t pbuf_free(struct pbuf *pbuf)
{
	(void)pbuf;
	return 1;
}

void stack_status(struct stack_status *status)
{
	*status = (struct stack_status){.enabled = true};
}

/* --- clients --- */

static bool connect(unsigned i, uint32_t address)
{
	memset(&peers[i], 0, sizeof(peers[i]));
	peers[i].pcb.snd_buf = 46720;
	ip4_addr_set_u32(ip_2_ip4(&peers[i].pcb.remote_ip), address);
	return accept_one(NULL, &peers[i].pcb, ERR_OK) == ERR_OK;
}

static void say(unsigned i, const char *text)
{
	struct pbuf pbuf = {.payload = (void *)(uintptr_t)text};

	pbuf.len = pbuf.tot_len = (u16_t)strlen(text);
	assert_int_equal(peers[i].recv(peers[i].pcb.callback_arg, &peers[i].pcb, &pbuf, ERR_OK),
			 ERR_OK);
}

static void finish(unsigned i)
{
	peers[i].recv(peers[i].pcb.callback_arg, &peers[i].pcb, NULL, ERR_OK);
}

/* Takes the bytes that are on their way. */
static size_t acknowledge(unsigned i)
{
	size_t n = peers[i].on_its_way;

	peers[i].on_its_way = 0;
	peers[i].pcb.snd_buf = (u16_t)(peers[i].pcb.snd_buf + n);
	if (n)
		peers[i].sent(peers[i].pcb.callback_arg, &peers[i].pcb, (u16_t)n);
	return n;
}

static void read_all(unsigned i)
{
	do {
		settle();
		assert_true(peers[i].on_its_way <= 8192);
	} while (acknowledge(i));
	settle();
}

static bool is_open(unsigned i)
{
	return !peers[i].closed && !peers[i].aborted;
}

/* Joins the chunks behind an answer's head and compares them with the page. */
static void check_page(unsigned i)
{
	char *at = strstr(peers[i].got, "\r\n\r\n");
	static char page[65536];
	size_t used = 0, size;

	assert_non_null(at);
	at += 4;
	while ((size = strtoul(at, &at, 16))) {
		assert_true(size <= 4096 && !memcmp(at, "\r\n", 2) &&
			    !memcmp(at + 2 + size, "\r\n", 2));
		memcpy(page + used, at + 2, size);
		used += size;
		at += size + 4;
	}
	assert_memory_equal(at, "\r\n\r\n", 4);
	page[used] = 0;
	for (unsigned part = 3; part <= 3 * LINES; part += 3) {
		char line[METRICS_LINE];

		snprintf(line, sizeof(line), "line_%05u_of_the_page ", part);
		assert_non_null(strstr(page, line));
	}
}

static int set_up(void **state)
{
	(void)state;
	no_memory = false;
	if (!accept_one)
		web_start("dom0 ip=x metrics=9177");
	assert_int_equal(listener.local_port, 9177);
	assert_int_equal(listener.prio, TCP_PRIO_MIN);
	return 0;
}

/* All connections are over by the end of a test. */
static int tear_down(void **state)
{
	(void)state;
	pass(400);
	for (unsigned i = 0; i < PEERS; i++)
		assert_true(!peers[i].pcb.callback_arg);
	assert_int_equal(timer->deadline, 0);
	return 0;
}

static void a_page(void **state)
{
	(void)state;
	assert_true(connect(0, 1));
	say(0, "GET /met");
	settle();
	say(0, "rics HTTP/1.1\r\nHost: a\r\n\r\n");
	read_all(0);
	assert_memory_equal(peers[0].got, "HTTP/1.1 200 OK\r\n", 17);
	assert_memory_equal(peers[0].got + peers[0].used - strlen(END), END, strlen(END));
	check_page(0);
	/* The connection stays for the next one, which comes with the last acknowledgement. */
	assert_true(is_open(0));
	peers[0].used = 0;
	say(0, GET);
	settle();
	while (peers[0].on_its_way == 8192 ||
	       memcmp(peers[0].got + peers[0].used - 7, END, 7) != 0) {
		acknowledge(0);
		settle();
	}
	say(0, "HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	peers[0].used = 0;
	read_all(0);
	peers[0].got[peers[0].used] = 0;
	assert_non_null(strstr(peers[0].got, "Connection: close\r\n\r\n"));
	assert_true(peers[0].closed && !peers[0].aborted);
}

static void refusals(void **state)
{
	static const struct {
		const char *request, *answer;
	} known[] = {
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 404 "},
		{"x\r\n", "HTTP/1.1 400 "},
		{"PUT / HTTP/1.1\r\n", "HTTP/1.1 405 "},
		{"GET / HTTP/2.0\r\n", "HTTP/1.1 505 "},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_true(connect(i, 1));
		say(i, known[i].request);
		settle();
		/* What is on its way arrives first. */
		assert_true(is_open(i));
		read_all(i);
		assert_memory_equal(peers[i].got, known[i].answer, strlen(known[i].answer));
		assert_true(peers[i].closed);
	}
}

/* A client that reads nothing costs its piece of memory, and the connection after a minute. */
static void no_reader(void **state)
{
	size_t used;

	(void)state;
	assert_true(connect(0, 1));
	say(0, GET);
	settle();
	used = peers[0].used;
	assert_true(used > 4096 && used <= 8192);
	say(0, GET);
	pass(59);
	assert_int_equal(peers[0].used, used);
	assert_true(is_open(0));
	pass(3);
	assert_true(peers[0].aborted);
	/* One that reads its page, and then nothing. */
	assert_true(connect(1, 1));
	say(1, GET);
	read_all(1);
	pass(149);
	assert_true(is_open(1));
	pass(3);
	assert_true(peers[1].closed);
	/* One that floods while its answer is on its way. */
	assert_true(connect(2, 1));
	say(2, GET);
	settle();
	for (unsigned i = 0; i < 3000 && peers[2].pcb.callback_arg; i++) {
		say(2, GET);
		settle();
	}
	assert_true(peers[2].aborted);
}

static void slow_heads(void **state)
{
	(void)state;
	assert_true(connect(0, 1) && connect(1, 1));
	for (unsigned i = 0; i < 9; i++) {
		say(1, "G");
		pass(1);
	}
	assert_true(is_open(0) && is_open(1));
	pass(3);
	assert_true(!is_open(0) && !is_open(1));
	assert_int_equal(peers[1].used, 0);
}

/* Those of an address with many connections go first, its oldest one at first. */
static void crowds(void **state)
{
	(void)state;
	assert_true(connect(0, 7));
	for (unsigned i = 1; i < 16; i++)
		assert_true(connect(i, i > 12 ? 9 : 8));
	settle();
	assert_true(connect(16, 10));
	settle();
	assert_true(is_open(0) && peers[1].aborted && is_open(2));
	for (unsigned i = 17; i < 30; i++) {
		assert_true(connect(i, 8));
		settle();
	}
	assert_true(is_open(0) && is_open(13) && is_open(14) && is_open(15) && is_open(16));
	/* More at once than the loop can end. */
	memset(&peers[1], 0, sizeof(peers[1]));
	for (unsigned i = 1, taken = 0; i < 13; i++) {
		taken += connect(i, 8);
		assert_true(taken <= 8);
	}
	say(0, GET);
	read_all(0);
	check_page(0);
}

/* The stack has no memory for a while; the client goes; the client says no more. */
static void ends(void **state)
{
	(void)state;
	assert_true(connect(0, 1));
	no_memory = true;
	say(0, GET);
	settle();
	assert_int_equal(peers[0].used, 0);
	no_memory = false;
	pass(1);
	read_all(0);
	check_page(0);
	assert_true(connect(1, 1));
	say(1, GET);
	settle();
	peers[1].err(peers[1].pcb.callback_arg, ERR_RST);
	peers[1].pcb.callback_arg = NULL;
	settle();
	assert_true(is_open(1));
	assert_true(connect(2, 1));
	say(2, GET);
	finish(2);
	read_all(2);
	check_page(2);
	assert_true(peers[2].closed);
	assert_true(connect(3, 1));
	say(3, "GET");
	finish(3);
	settle();
	assert_true(peers[3].closed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_page, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(slow_heads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(crowds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
