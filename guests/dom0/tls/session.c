/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/tls/session.h"

#include <stdio.h>
#include <string.h>

#define OUT_AT_MOST 16384u /* of a handshake's bytes, and of one record */

/* --- called by mbedTLS, in a handshake on the stack of slow computations --- */

static int take_in(void *context, unsigned char *to, size_t n)
{
	struct session *session = context;
	size_t there = queue_length(&session->in);

	if (!there)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (n > there)
		n = there;
	memcpy(to, queue_front(&session->in), n);
	queue_drop(&session->in, n);
	session->taken += n;
	return (int)n;
}

/* Takes all: records are as many as the user of this side writes, and they are few in a handshake.
 */
static int put_out(void *context, const unsigned char *bytes, size_t n)
{
	struct session *session = context;

	if (queue_length(&session->out) + n > OUT_AT_MOST || !queue_put(&session->out, bytes, n)) {
		session->failed = true;
		return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	}
	session->alerted |= n && *bytes == MBEDTLS_SSL_MSG_ALERT;
	return (int)n;
}

/* The alert for an error of the handshake; mbedTLS sends none for some, as where a client has no
 * certificate (RFC 5246, 7.2.2). 0: none is due. */
static uint8_t alert_for(int status)
{
	switch (status) {
	case 0:
	case MBEDTLS_ERR_SSL_WANT_READ:
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		return 0;
	case MBEDTLS_ERR_SSL_INVALID_RECORD:
		return MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE;
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
		return MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR;
	default:
		return MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE;
	}
}

static void shake(struct slow *slow)
{
	struct session *session = slow->context;
	uint8_t alert;

	/* Bytes may come before the user has heard of the end: a handshake that has failed would
	 * take them for other messages than they are, and its reason would be lost. */
	if (session->status != MBEDTLS_ERR_SSL_WANT_READ) {
		work_queue(session->work);
		return;
	}
	session->status = mbedtls_ssl_handshake(&session->ssl);
	alert = alert_for(session->status);
	if (alert && !session->alerted && !session->failed && !slow_is_dropped())
		mbedtls_ssl_send_alert_message(&session->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert);
	work_queue(session->work);
}

/* --- for the user --- */

bool session_open(struct session *session, const mbedtls_ssl_config *config, struct work *work)
{
	memset(session, 0, sizeof(*session));
	session->status = MBEDTLS_ERR_SSL_WANT_READ;
	session->work = work;
	session->shake = (struct slow){.run = shake, .context = session};
	mbedtls_ssl_init(&session->ssl);
	if (mbedtls_ssl_setup(&session->ssl, config))
		return false;
	mbedtls_ssl_set_bio(&session->ssl, session, put_out, take_in, NULL);
	return true;
}

void session_close(struct session *session)
{
	slow_drop(&session->shake);
	mbedtls_ssl_free(&session->ssl);
	queue_free(&session->in);
	queue_free(&session->out);
}

void session_receive(struct session *session, const uint8_t *bytes, size_t n)
{
	if (!queue_put(&session->in, bytes, n))
		session->failed = true;
	work_queue(session->work);
}

void session_shake(struct session *session)
{
	slow_queue(&session->shake);
}

bool session_is_shaking(const struct session *session)
{
	return session->shake.queued;
}

void session_forget_input(struct session *session)
{
	session->taken += queue_length(&session->in);
	queue_free(&session->in);
}

const char *session_explain(const struct session *session)
{
	static char text[96];

	switch (session->status) {
	case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
		return "it has no certificate";
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		return "it does not accept this side's certificate, or nothing of what is offered";
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
		return "no memory";
	case MBEDTLS_ERR_SSL_INVALID_RECORD:
		return "it sends bytes that are no TLS";
	default:
		snprintf(text, sizeof(text), "the handshake has failed (mbedTLS's error -%#x)",
			 (unsigned)-session->status);
		return text;
	}
}

size_t session_write(struct session *session, const uint8_t *bytes, size_t n)
{
	int status;

	if (session->failed || queue_length(&session->out) || !n)
		return 0;
	status = mbedtls_ssl_write(&session->ssl, bytes, n);
	if (status > 0)
		return (size_t)status;
	session->failed = true;
	return 0;
}

int session_read(struct session *session, uint8_t *plain, size_t room)
{
	int status = mbedtls_ssl_read(&session->ssl, plain, room);

	return status == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? 0 : status;
}

void session_end(struct session *session)
{
	mbedtls_ssl_close_notify(&session->ssl);
}
