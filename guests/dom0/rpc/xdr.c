/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/rpc/xdr.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_LEAST 256u

static size_t padding(size_t bytes)
{
	return -bytes & 3;
}

/* Returns the next bytes, NULL if there are not so many. */
static const uint8_t *take(struct xdr_in *in, size_t bytes)
{
	const uint8_t *at = in->at;

	if (in->bad || bytes > in->left) {
		in->bad = true;
		return NULL;
	}
	in->at += bytes;
	in->left -= bytes;
	return at;
}

uint32_t xdr_u32(struct xdr_in *in)
{
	const uint8_t *at = take(in, 4);

	return at ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
		  : 0;
}

int32_t xdr_i32(struct xdr_in *in)
{
	return (int32_t)xdr_u32(in);
}

uint64_t xdr_u64(struct xdr_in *in)
{
	uint64_t high = xdr_u32(in);
	uint64_t low = xdr_u32(in);

	return in->bad ? 0 : high << 32 | low;
}

/* libvirt's clients have sent other words than 1 for true. */
bool xdr_is_there(struct xdr_in *in)
{
	return xdr_u32(in) != 0;
}

void xdr_fixed(struct xdr_in *in, void *to, size_t bytes)
{
	const uint8_t *at = take(in, bytes);

	if (at)
		memcpy(to, at, bytes);
	else
		memset(to, 0, bytes);
}

const uint8_t *xdr_bytes(struct xdr_in *in, size_t most, size_t *bytes)
{
	size_t n = xdr_u32(in);
	const uint8_t *at;

	*bytes = 0;
	if (n > most || n > in->left) {
		in->bad = true;
		return NULL;
	}
	at = take(in, n);
	if (!take(in, padding(n)))
		return NULL;
	*bytes = n;
	return at;
}

void xdr_text(struct xdr_in *in, char *to, size_t size)
{
	const uint8_t *at;
	size_t n;

	at = xdr_bytes(in, size - 1, &n);
	if (n && memchr(at, 0, n)) {
		in->bad = true;
		n = 0;
	}
	if (n)
		memcpy(to, at, n);
	to[n] = 0;
}

bool xdr_maybe_text(struct xdr_in *in, char *to, size_t size)
{
	*to = 0;
	if (!xdr_is_there(in))
		return false;
	xdr_text(in, to, size);
	return !in->bad;
}

/* Returns a place for so many bytes more, NULL if there is none. */
static uint8_t *more(struct xdr_out *out, size_t bytes)
{
	size_t room = out->room ? out->room : ROOM_LEAST;
	uint8_t *place;

	if (out->failed || bytes > out->most - out->used) {
		out->failed = true;
		return NULL;
	}
	while (room - out->used < bytes)
		room *= 2;
	room = room < out->most ? room : out->most;
	if (room != out->room) {
		place = realloc(out->bytes, room);
		if (!place) {
			out->failed = true;
			return NULL;
		}
		out->bytes = place;
		out->room = room;
	}
	place = out->bytes + out->used;
	out->used += bytes;
	return place;
}

static void set_u32(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
}

void xdr_put_u32(struct xdr_out *out, uint32_t value)
{
	uint8_t *at = more(out, 4);

	if (at)
		set_u32(at, value);
}

void xdr_put_i32(struct xdr_out *out, int32_t value)
{
	xdr_put_u32(out, (uint32_t)value);
}

void xdr_put_u64(struct xdr_out *out, uint64_t value)
{
	xdr_put_u32(out, (uint32_t)(value >> 32));
	xdr_put_u32(out, (uint32_t)value);
}

void xdr_put_fixed(struct xdr_out *out, const void *bytes, size_t n)
{
	uint8_t *at = n ? more(out, n) : NULL;

	if (at)
		memcpy(at, bytes, n);
}

void xdr_put_bytes(struct xdr_out *out, const void *bytes, size_t n)
{
	static const uint8_t zeros[4];

	xdr_put_u32(out, (uint32_t)n);
	xdr_put_fixed(out, bytes, n);
	xdr_put_fixed(out, zeros, padding(n));
}

void xdr_put_text(struct xdr_out *out, const char *text)
{
	xdr_put_bytes(out, text, strlen(text));
}

void xdr_put_some_text(struct xdr_out *out, const char *text)
{
	xdr_put_u32(out, 1);
	xdr_put_text(out, text);
}

void xdr_set_u32(struct xdr_out *out, size_t at, uint32_t value)
{
	if (!out->failed)
		set_u32(out->bytes + at, value);
}

void xdr_put_number(struct xdr_out *out, const char *field, enum xdr_type type, uint64_t value)
{
	xdr_put_text(out, field);
	xdr_put_u32(out, type);
	if (type == XDR_INT || type == XDR_UINT || type == XDR_BOOLEAN)
		xdr_put_u32(out, (uint32_t)value);
	else
		xdr_put_u64(out, value);
}

void xdr_put_field_text(struct xdr_out *out, const char *field, const char *value)
{
	xdr_put_text(out, field);
	xdr_put_u32(out, XDR_TEXT);
	xdr_put_text(out, value);
}

void xdr_parameter(struct xdr_in *in, struct xdr_parameter *parameter)
{
	size_t n;

	xdr_text(in, parameter->field, sizeof(parameter->field));
	parameter->type = xdr_u32(in);
	parameter->number = 0;
	switch (parameter->type) {
	case XDR_INT:
		parameter->number = (uint64_t)(int64_t)xdr_i32(in);
		break;
	case XDR_UINT:
	case XDR_BOOLEAN:
		parameter->number = xdr_u32(in);
		break;
	case XDR_LLONG:
	case XDR_ULLONG:
	case XDR_DOUBLE:
		parameter->number = xdr_u64(in);
		break;
	case XDR_TEXT:
		xdr_bytes(in, in->left, &n);
		break;
	default:
		in->bad = true;
	}
}
