/* SPDX-License-Identifier: BSD-2-Clause */
/* Wires that are TCP connections of lwIP's. */
#include <lwip/ip_addr.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "guests/dom0/rpc/wire.h"

/* lwIP keeps copies of the data on their way, in one heap for all connections: they share this. */
#define IN_FLIGHT (384u << 10)
/* The least room for a part of what is to be written. Without it each acknowledgement lets one
 * segment go, which is acknowledged at once by itself: an interrupt and a round of the event loop
 * for each. */
#define LEAST_ROOM    (8u * TCP_MSS)
#define LINGER        4u      /* half seconds for a peer's bytes behind the end */
#define PEER_SILENT   120000u /* milliseconds until a silent peer is asked whether it is there */
#define PEER_ASKED    15000u
#define PEER_QUESTION 6u

struct tcp_wire {
	struct wire wire;
	struct tcp_pcb *pcb;
	size_t in_flight;
};

struct listener {
	wire_taker *taker;
};

static unsigned wires;

static void forget(struct tcp_wire *t)
{
	if (t->pcb) {
		tcp_arg(t->pcb, NULL);
		tcp_recv(t->pcb, NULL);
		tcp_sent(t->pcb, NULL);
		tcp_err(t->pcb, NULL);
	}
	wires--;
	free(t);
}

/* Returns how many bytes go now: all of n, or a part that is worth a burst of segments. While some
 * are in flight, acknowledgements make more room, and there is another call. */
static size_t room_for(const struct tcp_wire *t, size_t n)
{
	size_t share = IN_FLIGHT / wires;
	size_t least = share / 2 < LEAST_ROOM ? share / 2 : LEAST_ROOM;
	size_t room = share > t->in_flight ? share - t->in_flight : 0;

	if (room > tcp_sndbuf(t->pcb))
		room = tcp_sndbuf(t->pcb);
	if (n <= room)
		return n;
	return t->in_flight && room < least ? 0 : room;
}

static size_t write_wire(struct wire *wire, const uint8_t *bytes, size_t n)
{
	struct tcp_wire *t = (struct tcp_wire *)wire;

	n = room_for(t, n);
	if (!n || tcp_write(t->pcb, bytes, (u16_t)n, TCP_WRITE_FLAG_COPY) != ERR_OK)
		return 0;
	t->in_flight += n;
	tcp_output(t->pcb);
	return n;
}

static void consumed(struct wire *wire, size_t n)
{
	tcp_recved(((struct tcp_wire *)wire)->pcb, (u16_t)n);
}

static void abort_wire(struct wire *wire)
{
	struct tcp_wire *t = (struct tcp_wire *)wire;
	struct tcp_pcb *pcb = t->pcb;

	forget(t);
	tcp_abort(pcb);
}

static void end_pcb(struct tcp_pcb *pcb)
{
	tcp_recv(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	if (tcp_close(pcb) != ERR_OK)
		tcp_abort(pcb);
}

static err_t read_over(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t err)
{
	(void)arg;
	(void)err;
	if (!data) {
		end_pcb(pcb);
		return ERR_OK;
	}
	tcp_recved(pcb, data->tot_len);
	pbuf_free(data);
	return ERR_OK;
}

static err_t lingered(void *arg, struct tcp_pcb *pcb)
{
	(void)arg;
	tcp_recv(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	tcp_abort(pcb);
	return ERR_ABRT;
}

/* lwIP answers bytes that come for a closed connection with a reset, for which the peer would throw
 * away what it has not read yet: a refused client its alert. So they are read over for a while,
 * unless another connection needs the memory. */
static void close_wire(struct wire *wire)
{
	struct tcp_wire *t = (struct tcp_wire *)wire;
	struct tcp_pcb *pcb = t->pcb;

	forget(t);
	tcp_setprio(pcb, TCP_PRIO_MIN);
	tcp_recv(pcb, read_over);
	tcp_poll(pcb, lingered, LINGER);
	if (tcp_shutdown(pcb, 0, 1) != ERR_OK)
		end_pcb(pcb);
}

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t err)
{
	struct tcp_wire *t = arg;

	(void)err;
	if (!data) {
		t->wire.user->ended(t->wire.context);
		forget(t);
		end_pcb(pcb);
		return ERR_OK;
	}
	for (const struct pbuf *part = data; part; part = part->next)
		t->wire.user->received(t->wire.context, part->payload, part->len);
	pbuf_free(data);
	return ERR_OK;
}

static err_t sent(void *arg, struct tcp_pcb *pcb, u16_t n)
{
	struct tcp_wire *t = arg;

	(void)pcb;
	t->in_flight -= n;
	t->wire.user->room(t->wire.context);
	return ERR_OK;
}

/* lwIP has freed the connection. */
static void failed(void *arg, err_t err)
{
	struct tcp_wire *t = arg;

	(void)err;
	t->pcb = NULL;
	t->wire.user->ended(t->wire.context);
	forget(t);
}

static err_t accept_wire(void *arg, struct tcp_pcb *pcb, err_t err)
{
	const struct listener *listener = arg;
	struct tcp_wire *t;

	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return ERR_MEM;
	wires++;
	t->pcb = pcb;
	t->wire.write = write_wire;
	t->wire.consumed = consumed;
	t->wire.close = close_wire;
	t->wire.abort = abort_wire;
	snprintf(t->wire.peer, sizeof(t->wire.peer), "%s:%u", ipaddr_ntoa(&pcb->remote_ip),
		 pcb->remote_port);
	tcp_nagle_disable(pcb);
	ip_set_option(pcb, SOF_KEEPALIVE);
	pcb->keep_idle = PEER_SILENT;
	pcb->keep_intvl = PEER_ASKED;
	pcb->keep_cnt = PEER_QUESTION;
	if (!listener->taker(&t->wire)) {
		t->pcb = NULL;
		forget(t);
		return ERR_MEM; /* lwIP ends the connection */
	}
	tcp_arg(pcb, t);
	tcp_recv(pcb, received);
	tcp_sent(pcb, sent);
	tcp_err(pcb, failed);
	return ERR_OK;
}

/* Returns the listening connection, or NULL with the error in *wrong. */
static struct tcp_pcb *listen_on(uint16_t port, const char **wrong)
{
	struct tcp_pcb *pcb = tcp_new(), *listening;

	*wrong = "no memory";
	if (!pcb)
		return NULL;
	if (tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK) {
		*wrong = "the port is in use";
		tcp_abort(pcb);
		return NULL;
	}
	listening = tcp_listen(pcb);
	if (!listening)
		tcp_abort(pcb);
	return listening;
}

/* A listener lives as long as dom0. */
const char *tcp_wires(uint16_t port, wire_taker *taker)
{
	struct listener *listener = malloc(sizeof(*listener));
	const char *wrong = "no memory";
	struct tcp_pcb *listening = listener ? listen_on(port, &wrong) : NULL;

	if (!listening) {
		free(listener);
		return wrong;
	}
	listener->taker = taker;
	tcp_arg(listening, listener);
	tcp_accept(listening, accept_wire);
	return NULL;
}
