/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XDR (RFC 4506), as libvirt's protocol uses it: numbers with the most significant byte first,
 * texts and opaque bytes with a length in front and zeros behind, up to a multiple of 4.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Arguments to be read. A value beyond the end, longer than its bound, or a text with a zero in it
 * sets `bad`, and from then on everything reads as 0 or "".
 */
struct xdr_in {
	const uint8_t *at;
	size_t left;
	bool bad;
};

uint32_t xdr_u32(struct xdr_in *in);
int32_t xdr_i32(struct xdr_in *in);
uint64_t xdr_u64(struct xdr_in *in);
/* Returns true if the optional value follows. */
bool xdr_is_there(struct xdr_in *in);
/* Bytes without a length in front. */
void xdr_fixed(struct xdr_in *in, void *to, size_t bytes);
/* Returns a place in the arguments and its length, of at most `most` bytes. */
const uint8_t *xdr_bytes(struct xdr_in *in, size_t most, size_t *bytes);
/* A text of less than `size` bytes without a zero among them; its end is added. */
void xdr_text(struct xdr_in *in, char *to, size_t size);
/* The same, if it is there; else "". */
bool xdr_maybe_text(struct xdr_in *in, char *to, size_t size);

/*
 * A result to be written, of at most `most` bytes. `bytes` is from malloc and the caller's to free.
 * A value that does not fit, or for which there is no memory, sets `failed`.
 */
struct xdr_out {
	uint8_t *bytes;
	size_t used, room, most;
	bool failed;
};

void xdr_put_u32(struct xdr_out *out, uint32_t value);
void xdr_put_i32(struct xdr_out *out, int32_t value);
void xdr_put_u64(struct xdr_out *out, uint64_t value);
void xdr_put_fixed(struct xdr_out *out, const void *bytes, size_t n);
void xdr_put_bytes(struct xdr_out *out, const void *bytes, size_t n);
void xdr_put_text(struct xdr_out *out, const char *text);
/* An optional text that is there. */
void xdr_put_some_text(struct xdr_out *out, const char *text);
/* Sets a number that has been written at that place. */
void xdr_set_u32(struct xdr_out *out, size_t at, uint32_t value);

/* libvirt's typed parameters: a name, a type and a value. */
enum xdr_type { XDR_INT = 1, XDR_UINT, XDR_LLONG, XDR_ULLONG, XDR_DOUBLE, XDR_BOOLEAN, XDR_TEXT };
#define XDR_FIELD 80u /* with the end */

void xdr_put_number(struct xdr_out *out, const char *field, enum xdr_type type, uint64_t value);
void xdr_put_field_text(struct xdr_out *out, const char *field, const char *value);

struct xdr_parameter {
	char field[XDR_FIELD];
	enum xdr_type type;
	uint64_t number; /* of a type with a sign, as that */
};
/* Reads one. The bits of a double stay as they are, and texts are left out. */
void xdr_parameter(struct xdr_in *in, struct xdr_parameter *parameter);
