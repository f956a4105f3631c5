/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/rpc/xdr.c */
/* XDR: the bytes of each kind of value, and bounds. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "guests/dom0/rpc/xdr.h"

static struct xdr_in in_of(const struct xdr_out *out)
{
	return (struct xdr_in){.at = out->bytes, .left = out->used};
}

static void numbers(void **state)
{
	static const uint8_t expected[] = {0x12, 0x34, 0x56, 0x78, 0xff, 0xff, 0xff, 0xfe,
					   1,    2,    3,    4,    5,    6,    7,    8};
	struct xdr_out out = {.most = 100};
	struct xdr_in in;

	(void)state;
	xdr_put_u32(&out, 0x12345678);
	xdr_put_i32(&out, -2);
	xdr_put_u64(&out, 0x0102030405060708ull);
	assert_int_equal(out.used, sizeof(expected));
	assert_memory_equal(out.bytes, expected, sizeof(expected));
	in = in_of(&out);
	assert_int_equal(xdr_u32(&in), 0x12345678);
	assert_int_equal(xdr_i32(&in), -2);
	assert_true(xdr_u64(&in) == 0x0102030405060708ull);
	assert_false(in.bad);
	assert_int_equal(xdr_u32(&in), 0);
	assert_true(in.bad);
	free(out.bytes);
}

static void texts(void **state)
{
	static const uint8_t expected[] = {0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o', 0, 0, 0,
					   0, 0, 0, 1, 0,   0,   0,   1,   'x', 0, 0, 0};
	struct xdr_out out = {.most = 100};
	struct xdr_in in;
	char text[6];

	(void)state;
	xdr_put_text(&out, "hello");
	xdr_put_some_text(&out, "x");
	assert_int_equal(out.used, sizeof(expected));
	assert_memory_equal(out.bytes, expected, sizeof(expected));
	in = in_of(&out);
	xdr_text(&in, text, sizeof(text));
	assert_string_equal(text, "hello");
	assert_true(xdr_maybe_text(&in, text, sizeof(text)));
	assert_string_equal(text, "x");
	assert_false(in.bad);
	in = in_of(&out);
	xdr_text(&in, text, 5); /* no room for the end */
	assert_true(in.bad);
	assert_string_equal(text, "");
	free(out.bytes);
}

/* Lengths that lie, a zero in a text, and true in another form. */
static void lies(void **state)
{
	static const uint8_t longer[] = {0, 0, 0, 9, 'a', 'b', 'c', 'd'};
	static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0};
	static const uint8_t unpadded[] = {0, 0, 0, 3, 'a', 'b', 'c'};
	static const uint8_t zero[] = {0, 0, 0, 3, 'a', 0, 'c', 0};
	static const uint8_t odd_true[] = {1, 0, 0, 0, 0, 0, 0, 0};
	const struct {
		const uint8_t *bytes;
		size_t n;
	} wrong[] = {{longer, 8}, {huge, 8}, {unpadded, 7}, {zero, 8}, {longer, 3}, {longer, 0}};
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct xdr_in in = {.at = wrong[i].bytes, .left = wrong[i].n};

		memset(text, 'z', sizeof(text));
		xdr_text(&in, text, sizeof(text));
		assert_true(in.bad);
		assert_string_equal(text, "");
	}
	struct xdr_in in = {.at = odd_true, .left = 8};

	assert_true(xdr_maybe_text(&in, text, sizeof(text)));
	assert_false(in.bad);
}

static void parameters(void **state)
{
	struct xdr_out out = {.most = 1000};
	struct xdr_parameter p;
	struct xdr_in in;

	(void)state;
	xdr_put_number(&out, "quota", XDR_LLONG, (uint64_t)-1);
	xdr_put_number(&out, "small", XDR_INT, (uint64_t)-3);
	xdr_put_number(&out, "count", XDR_UINT, 7);
	xdr_put_field_text(&out, "name", "eth0");
	in = in_of(&out);
	xdr_parameter(&in, &p);
	assert_string_equal(p.field, "quota");
	assert_true((int64_t)p.number == -1);
	xdr_parameter(&in, &p);
	assert_true((int64_t)p.number == -3);
	xdr_parameter(&in, &p);
	assert_int_equal(p.type, XDR_UINT);
	assert_true(p.number == 7);
	xdr_parameter(&in, &p);
	assert_int_equal(p.type, XDR_TEXT);
	assert_false(in.bad);
	assert_int_equal(in.left, 0);
	free(out.bytes);
}

/* The bound holds, and nothing is written behind it. */
static void most(void **state)
{
	struct xdr_out out = {.most = 10};

	(void)state;
	xdr_put_u64(&out, 1);
	assert_false(out.failed);
	xdr_put_u32(&out, 1);
	assert_true(out.failed);
	assert_int_equal(out.used, 8);
	xdr_set_u32(&out, 4, 0x01020304);
	free(out.bytes);
	out = (struct xdr_out){.most = 100000};
	for (unsigned i = 0; i < 25000; i++)
		xdr_put_u32(&out, i);
	assert_false(out.failed);
	xdr_put_bytes(&out, "", 0);
	assert_true(out.failed);
	assert_int_equal(out.bytes[99999], 24999 & 255);
	free(out.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),    cmocka_unit_test(texts), cmocka_unit_test(lies),
		cmocka_unit_test(parameters), cmocka_unit_test(most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
