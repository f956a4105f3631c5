/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server of one page, GET /metrics. Each connection has one piece of memory: for the head that it
 * sends, and for a piece of the answer, which the next one follows when the client has it. There is
 * a small number of connections; one more comes in the place of the oldest of those whose address
 * has the most. lwIP's reports are noted, and a work item does what is due, so that a connection
 * ends from the event loop alone.
 */
#include "guests/dom0/web/web.h"

#include <lwip/ip_addr.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/cmdline.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/web/metrics.h"
#include "guests/dom0/web/request.h"
#include "guests/lib/guest.h"

#define WORD "metrics="

#define CONNECTIONS      16u
#define CONNECTIONS_MOST 24u    /* with those that are about to end */
#define PIECE            4096u  /* of the answer */
#define IN_FLIGHT        8192u  /* bytes of an answer that the client does not have yet */
#define STEPS            64u    /* of an answer in one go */
#define UNREAD           65536u /* bytes behind a request that are thrown away before an end */
#define SECOND           1000000000ull
#define REQUEST_NS       (10 * SECOND)  /* from a head's first byte, or the start, to its end */
#define IDLE_NS          (150 * SECOND) /* between an answer and the next request */
#define ANSWER_NS        (60 * SECOND)

/* A chunk (RFC 9112, 7.1): its size in four digits with a line's end, and an end of its own. */
#define CHUNK_HEAD 6u
#define CHUNK_END  2u

enum state { IDLE, IN_HEAD, ANSWERS };

struct connection {
	struct connection *next; /* an older one */
	struct tcp_pcb *pcb;     /* NULL: lwIP has freed it */
	uint32_t address;
	enum state state;
	uint64_t since_ns; /* that it is in this state */
	bool ended;        /* the client sends no more, or has nothing to send for too long */
	bool dropped;      /* the rest of the answer does not matter */
	size_t unread, in_flight;
	struct request request;
	struct metrics metrics;
	struct work work;
	bool ready, last; /* the piece is to be written; no other one follows it */
	size_t at, used;  /* of the piece */
	char piece[PIECE];
};

static struct connection *newest;
static unsigned count;
static struct timer look_timer;

static void become(struct connection *c, enum state state)
{
	c->state = state;
	c->since_ns = clock_ns();
}

/* --- ends --- */

static void leave_pcb(struct connection *c)
{
	struct tcp_pcb *pcb = c->pcb;

	if (!pcb)
		return;
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
	if (c->dropped || tcp_close(pcb) != ERR_OK)
		tcp_abort(pcb);
}

static void end(struct connection *c)
{
	struct connection **at = &newest;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	count--;
	leave_pcb(c);
	free(c);
}

static void drop(struct connection *c)
{
	c->dropped = true;
	work_queue(&c->work);
}

/* --- the answer --- */

__attribute__((format(printf, 2, 3))) static void put(struct connection *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	c->used += (size_t)vsnprintf(c->piece + c->used, PIECE - c->used, format, args);
	va_end(args);
}

static void put_refusal(struct connection *c, unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason, *text;
	} known[] = {
		{400, "Bad Request", "The request is none of HTTP/1.1.\n"},
		{404, "Not Found", "The one page is /metrics.\n"},
		{405, "Method Not Allowed", "The methods are GET and HEAD.\n"},
		{414, "URI Too Long", "The first line of the request is too long.\n"},
		{431, "Request Header Fields Too Large", "The head of the request is too long.\n"},
		{505, "HTTP Version Not Supported", "The version is HTTP/1.1.\n"},
	};
	unsigned i = 0;

	while (known[i].status != status)
		i++;
	put(c,
	    "HTTP/1.1 %u %s\r\n%sContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Length: %u\r\n%s\r\n%s",
	    status, known[i].reason, status == 405 ? "Allow: GET, HEAD\r\n" : "",
	    (unsigned)strlen(known[i].text), c->request.close ? "Connection: close\r\n" : "",
	    c->request.head_only ? "" : known[i].text);
}

static void put_page_head(struct connection *c)
{
	put(c,
	    "HTTP/1.1 200 OK\r\n"
	    "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n%s%s\r\n",
	    c->request.chunks ? "Transfer-Encoding: chunked\r\n" : "",
	    c->request.close ? "Connection: close\r\n" : "");
}

/* The request has come: the answer's head is the first piece. */
static void begin_answer(struct connection *c)
{
	unsigned status = c->request.status;

	if (!status && strcmp(c->request.path, "/metrics") != 0)
		status = 404;
	if (status)
		put_refusal(c, status);
	else
		put_page_head(c);
	c->metrics = (struct metrics){0};
	c->ready = true;
	c->last = status || c->request.head_only;
	become(c, ANSWERS);
	work_queue(&c->work);
}

static bool has_room(const struct connection *c)
{
	return c->used + METRICS_LINE + CHUNK_END <= PIECE;
}

/* The piece is full or the last one. A chunk of no bytes is the end of them all. */
static void end_chunk(struct connection *c)
{
	char head[CHUNK_HEAD + 1];

	if (c->used == CHUNK_HEAD) {
		c->used = 0;
	} else {
		snprintf(head, sizeof(head), "%04x\r\n", (unsigned)(c->used - CHUNK_HEAD));
		memcpy(c->piece, head, CHUNK_HEAD);
		put(c, "\r\n");
	}
	if (c->last)
		put(c, "0\r\n\r\n");
}

/* Goes on with the next piece, some steps at a time. */
static void make_piece(struct connection *c)
{
	if (!c->used && c->request.chunks)
		c->used = CHUNK_HEAD;
	for (unsigned i = 0; i < STEPS && !c->metrics.ended && has_room(c); i++)
		c->used += metrics_step(&c->metrics, c->piece + c->used);
	c->last = c->metrics.ended;
	c->ready = c->last || !has_room(c);
	if (c->ready && c->request.chunks)
		end_chunk(c);
}

/* Gives lwIP what it takes of the piece. */
static void write_piece(struct connection *c)
{
	size_t n = c->used - c->at, room = tcp_sndbuf(c->pcb);

	if (n > room)
		n = room;
	if (n && tcp_write(c->pcb, c->piece + c->at, (u16_t)n, TCP_WRITE_FLAG_COPY) == ERR_OK) {
		c->at += n;
		c->in_flight += n;
		tcp_output(c->pcb);
	}
	if (c->at < c->used)
		return;
	c->at = c->used = 0;
	c->ready = false;
}

static void answer(struct connection *c)
{
	if (!c->ready && !c->last && c->in_flight + PIECE <= IN_FLIGHT)
		make_piece(c);
	if (c->ready)
		write_piece(c);
	if (!c->ready && !c->last && c->in_flight + PIECE <= IN_FLIGHT)
		work_queue(&c->work);
}

/* All of the answer is on its way. The next request may come with the client's last
 * acknowledgement, before this is known as one. */
static void answered(struct connection *c)
{
	if (c->request.close || c->ended)
		return;
	c->request = (struct request){0};
	c->last = false;
	become(c, IDLE);
}

/* Has the connection no more use? What is on its way arrives before an end. */
static bool is_over(const struct connection *c)
{
	if (!c->pcb || c->dropped)
		return true;
	if (c->in_flight)
		return false;
	return c->state == ANSWERS ? c->last && !c->ready : c->ended;
}

static void run(struct work *work)
{
	struct connection *c = work->context;

	if (c->state == ANSWERS && c->pcb && !c->dropped) {
		answer(c);
		if (c->last && !c->ready)
			answered(c);
	}
	if (is_over(c))
		end(c);
}

/* --- the request --- */

/* Bytes behind a request are another one that the client sends without an answer to the first, or
 * a body: the connection ends when the answer is out. */
static void throw_away(struct connection *c, size_t n)
{
	if (!n)
		return;
	c->request.close = true;
	c->unread += n;
	if (c->unread > UNREAD)
		drop(c);
}

static void take(struct connection *c, const uint8_t *bytes, size_t n)
{
	size_t taken = 0;

	if (c->state == ANSWERS) {
		throw_away(c, n);
		return;
	}
	if (c->state == IDLE)
		become(c, IN_HEAD);
	if (!request_feed(&c->request, bytes, n, &taken))
		return;
	throw_away(c, n - taken);
	begin_answer(c);
}

/* --- lwIP's calls --- */

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t err)
{
	struct connection *c = arg;

	(void)err;
	if (!data) {
		c->ended = true;
		work_queue(&c->work);
		return ERR_OK;
	}
	for (const struct pbuf *part = data; part; part = part->next)
		take(c, part->payload, part->len);
	tcp_recved(pcb, data->tot_len);
	pbuf_free(data);
	return ERR_OK;
}

static err_t sent(void *arg, struct tcp_pcb *pcb, u16_t n)
{
	struct connection *c = arg;

	(void)pcb;
	c->in_flight -= n;
	work_queue(&c->work);
	return ERR_OK;
}

static void failed(void *arg, err_t err)
{
	struct connection *c = arg;

	(void)err;
	c->pcb = NULL;
	work_queue(&c->work);
}

/* --- limits --- */

static unsigned connections_of(uint32_t address)
{
	unsigned n = 0;

	for (const struct connection *c = newest; c; c = c->next)
		n += !c->dropped && c->address == address;
	return n;
}

/* Drops the oldest connection of an address that has the most. */
static void drop_one(void)
{
	struct connection *one = NULL;
	unsigned most = 0;

	for (struct connection *c = newest; c; c = c->next) {
		unsigned n = c->dropped ? 0 : connections_of(c->address);

		if (!n || n < most)
			continue;
		most = n;
		one = c;
	}
	if (one)
		drop(one);
}

static void look(struct timer *timer)
{
	static const uint64_t patience[] = {
		[IDLE] = IDLE_NS,
		[IN_HEAD] = REQUEST_NS,
		[ANSWERS] = ANSWER_NS,
	};

	(void)timer;
	for (struct connection *c = newest; c; c = c->next) {
		bool late = clock_ns() - c->since_ns > patience[c->state];

		c->dropped |= late && (c->state == ANSWERS || c->in_flight);
		c->ended |= late;
		/* A piece for which the stack had no memory is tried again. */
		work_queue(&c->work);
	}
	if (newest)
		timer_set(&look_timer, clock_ns() + SECOND);
}

static err_t accept_connection(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct connection *c;
	unsigned live = 0;

	(void)arg;
	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	for (c = newest; c; c = c->next)
		live += !c->dropped;
	if (live >= CONNECTIONS)
		drop_one();
	c = count < CONNECTIONS_MOST ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return ERR_MEM; /* lwIP ends the connection */
	c->pcb = pcb;
	c->address = ip4_addr_get_u32(ip_2_ip4(&pcb->remote_ip));
	c->work = (struct work){.run = run, .context = c};
	become(c, IN_HEAD);
	c->next = newest;
	newest = c;
	count++;
	if (!look_timer.deadline)
		timer_set(&look_timer, clock_ns() + SECOND);
	tcp_arg(pcb, c);
	tcp_recv(pcb, received);
	tcp_sent(pcb, sent);
	tcp_err(pcb, failed);
	return ERR_OK;
}

/* --- start --- */

/* Returns NULL, or the error. Connections here are the first that lwIP ends if it has no room for
 * one more, and none of them ends others. */
static const char *listen_on(uint16_t port)
{
	struct tcp_pcb *pcb = tcp_new(), *listener;

	if (!pcb)
		return "no memory";
	tcp_setprio(pcb, TCP_PRIO_MIN);
	if (tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK) {
		tcp_abort(pcb);
		return "the port is in use";
	}
	listener = tcp_listen_with_backlog(pcb, CONNECTIONS);
	if (!listener) {
		tcp_abort(pcb);
		return "no memory";
	}
	tcp_accept(listener, accept_connection);
	return NULL;
}

static const char *start(uint16_t port)
{
	struct stack_status status;

	if (!port)
		return "a port is a number from 1 to 65535";
	stack_status(&status);
	if (!status.enabled)
		return "dom0 has no network (ip=off)";
	timer_init(&look_timer, look, NULL);
	return listen_on(port);
}

void web_start(const char *cmdline)
{
	const char *value = cmdline_word(cmdline, WORD);
	uint16_t port = value ? cmdline_port(value) : 0;
	const char *wrong = value ? start(port) : NULL;

	if (wrong)
		printf(LOG_ERR "metrics: " WORD ": %s\n", wrong);
	else if (value)
		printf(LOG_WARNING "metrics: all stations that reach TCP port %u may read the "
				   "counters of all guests\n",
		       port);
}
