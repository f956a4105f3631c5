/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes from TCP go into the session's queue; a piece of work then shakes hands or decrypts one
 * record. TCP's window opens by the bytes that the session has taken from its queue, and the
 * session takes none while the user has a record that it has not consumed: so a slow user holds
 * back the server.
 */
#include "guests/dom0/net/https.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/altcp.h>
#include <lwip/altcp_tcp.h>
#include <lwip/pbuf.h>
#include <lwip/priv/altcp_priv.h>

#include "guests/dom0/base/loop.h"

struct link {
	struct altcp_pcb *conn;  /* the user's; NULL: it has closed */
	struct altcp_pcb *below; /* NULL: it has ended */
	struct https *https;
	struct server server;
	struct session session;
	struct work work;
	bool open, ended;
	bool told;    /* the user knows of the end */
	size_t given; /* plain bytes that the user has not consumed */
};

/* --- to and from TCP --- */

static void pump_out(struct link *link)
{
	struct queue *out = &link->session.out;

	while (link->below && queue_length(out)) {
		size_t room = altcp_sndbuf(link->below), n = queue_length(out);

		n = n < room ? n : room;
		if (!n || altcp_write(link->below, queue_front(out), (u16_t)n,
				      TCP_WRITE_FLAG_COPY) != ERR_OK)
			break;
		queue_drop(out, n);
	}
	queue_trim(out);
	if (link->below)
		altcp_output(link->below);
}

static void tell_consumed(struct link *link)
{
	size_t n = link->session.taken;

	link->session.taken = 0;
	if (link->below && n)
		altcp_recved(link->below, (u16_t)n);
	queue_trim(&link->session.in);
}

static err_t received(void *context, struct altcp_pcb *below, struct pbuf *data, err_t error)
{
	struct link *link = context;

	(void)below;
	(void)error;
	if (!data) {
		link->ended = true;
		work_queue(&link->work);
		return ERR_OK;
	}
	for (const struct pbuf *part = data; part; part = part->next)
		session_receive(&link->session, part->payload, part->len);
	pbuf_free(data);
	if (!link->open)
		session_shake(&link->session);
	return ERR_OK;
}

static err_t sent(void *context, struct altcp_pcb *below, u16_t n)
{
	(void)below;
	(void)n;
	pump_out(context);
	return ERR_OK;
}

/* The stack has freed the connection. */
static void broken(void *context, err_t error)
{
	struct link *link = context;

	(void)error;
	link->below = NULL;
	link->ended = true;
	work_queue(&link->work);
}

static err_t connected(void *context, struct altcp_pcb *below, err_t error)
{
	struct link *link = context;

	(void)below;
	(void)error;
	session_shake(&link->session);
	return ERR_OK;
}

static void leave_below(struct link *link, bool gently)
{
	struct altcp_pcb *below = link->below;

	link->below = NULL;
	if (!below)
		return;
	altcp_arg(below, NULL);
	altcp_recv(below, NULL);
	altcp_sent(below, NULL);
	altcp_err(below, NULL);
	if (!gently || altcp_close(below) != ERR_OK)
		altcp_abort(below);
}

/* --- ends --- */

/* For the user the connection is gone after this, as after an error of TCP's. */
static void fail(struct link *link, const char *why)
{
	struct altcp_pcb *conn = link->conn;

	link->conn = NULL;
	if (why && !*link->https->why)
		snprintf(link->https->why, sizeof(link->https->why), "%s", why);
	pump_out(link); /* an alert */
	session_forget_input(&link->session);
	tell_consumed(link);
	leave_below(link, true);
	if (conn->err)
		conn->err(conn->arg, ERR_ABRT);
	altcp_free(conn);
	work_queue(&link->work);
}

static void free_link(struct link *link)
{
	leave_below(link, false);
	server_close(&link->server, &link->session);
	free(link);
}

/* --- work --- */

static void fail_shake(struct link *link)
{
	char text[128];

	snprintf(text, sizeof(text), "TLS with the server: %s", session_explain(&link->session));
	fail(link, *link->server.why ? link->server.why : text);
}

static void after_shake(struct link *link)
{
	pump_out(link);
	if (!link->session.status) {
		link->open = true;
		if (link->conn->connected)
			link->conn->connected(link->conn->arg, link->conn, ERR_OK);
		work_queue(&link->work);
	} else if (link->session.status != MBEDTLS_ERR_SSL_WANT_READ) {
		fail_shake(link);
	} else if (queue_length(&link->session.in)) {
		session_shake(&link->session);
	} else if (link->ended) {
		fail(link, "TLS with the server: it has closed the connection in the handshake");
	}
}

static void tell_end(struct link *link)
{
	if (link->told)
		return;
	link->told = true;
	if (link->conn->recv)
		link->conn->recv(link->conn->arg, link->conn, NULL, ERR_OK);
}

static void give(struct link *link, struct pbuf *plain, size_t n)
{
	pbuf_realloc(plain, (u16_t)n);
	link->given += n;
	if (link->conn->recv)
		link->conn->recv(link->conn->arg, link->conn, plain, ERR_OK);
	else
		pbuf_free(plain);
	work_queue(&link->work);
}

/* Decrypts one record into a buffer. */
static void read_on(struct link *link)
{
	struct pbuf *plain;
	int status;

	if (link->given >= SESSION_RECORD || link->told)
		return;
	plain = pbuf_alloc(PBUF_RAW, SESSION_RECORD, PBUF_RAM);
	if (!plain) {
		fail(link, NULL); /* the user takes the transfer up again */
		return;
	}
	status = session_read(&link->session, plain->payload, SESSION_RECORD);
	tell_consumed(link);
	pump_out(link);
	if (status > 0) {
		give(link, plain, (size_t)status);
		return;
	}
	pbuf_free(plain);
	if (status != MBEDTLS_ERR_SSL_WANT_READ || link->ended)
		tell_end(link);
}

static void run(struct work *work)
{
	struct link *link = work->context;

	if (!link->conn) {
		free_link(link);
		return;
	}
	if (link->session.failed) {
		fail(link, NULL);
	} else if (link->open) {
		read_on(link);
	} else {
		tell_consumed(link);
		if (!session_is_shaking(&link->session))
			after_shake(link);
	}
}

/* --- the layer's functions --- */

static void recved_layer(struct altcp_pcb *conn, u16_t n)
{
	struct link *link = conn->state;

	link->given -= n < link->given ? n : link->given;
	if (link->given < SESSION_RECORD)
		work_queue(&link->work);
}

static err_t connect_layer(struct altcp_pcb *conn, const ip_addr_t *address, u16_t port,
			   altcp_connected_fn fn)
{
	struct link *link = conn->state;

	conn->connected = fn;
	return altcp_connect(link->below, address, port, connected);
}

static err_t write_layer(struct altcp_pcb *conn, const void *bytes, u16_t n, u8_t flags)
{
	struct link *link = conn->state;
	size_t done = 0, now = 1;

	(void)flags;
	for (; now && done < n; done += now) {
		now = session_write(&link->session, (const uint8_t *)bytes + done, n - done);
		pump_out(link);
	}
	return done == n ? ERR_OK : ERR_MEM;
}

static err_t output_layer(struct altcp_pcb *conn)
{
	pump_out(conn->state);
	return ERR_OK;
}

static void end_layer(struct altcp_pcb *conn, bool gently)
{
	struct link *link = conn->state;

	if (gently && link->open && !link->session.failed)
		session_end(&link->session);
	pump_out(link);
	session_forget_input(&link->session);
	tell_consumed(link);
	leave_below(link, gently);
	link->conn = NULL;
	altcp_free(conn);
	work_queue(&link->work);
}

static err_t close_layer(struct altcp_pcb *conn)
{
	end_layer(conn, true);
	return ERR_OK;
}

static void abort_layer(struct altcp_pcb *conn)
{
	end_layer(conn, false);
}

static const struct altcp_functions functions = {
	.recved = recved_layer,
	.connect = connect_layer,
	.abort = abort_layer,
	.close = close_layer,
	.write = write_layer,
	.output = output_layer,
};

static bool make_connections(struct link *link, u8_t ip_type)
{
	link->conn = altcp_alloc();
	link->below = altcp_tcp_new_ip_type(ip_type);
	if (link->conn && link->below)
		return true;
	if (link->conn)
		altcp_free(link->conn);
	if (link->below)
		altcp_abort(link->below);
	link->below = NULL;
	return false;
}

struct altcp_pcb *https_new(void *context, u8_t ip_type)
{
	struct https *https = context;
	struct link *link = calloc(1, sizeof(*link));
	const char *wrong = "dom0 is out of memory";

	https->why[0] = 0;
	if (link) {
		link->https = https;
		link->work = (struct work){.run = run, .context = link};
		wrong = server_open(&link->server, https->host, https->unproven, &link->session,
				    &link->work);
		if (!wrong && !make_connections(link, ip_type)) {
			wrong = "dom0 has no memory for a connection";
			server_close(&link->server, &link->session);
		}
	}
	if (wrong) {
		snprintf(https->why, sizeof(https->why), "%s", wrong);
		free(link);
		return NULL;
	}
	link->conn->state = link;
	link->conn->fns = &functions;
	altcp_arg(link->below, link);
	altcp_recv(link->below, received);
	altcp_sent(link->below, sent);
	altcp_err(link->below, broken);
	return link->conn;
}
