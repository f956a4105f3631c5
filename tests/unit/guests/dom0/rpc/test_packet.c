/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/rpc/packet.c guests/dom0/rpc/error.c */
/* Messages in a stream of bytes, cut anywhere; and the numbers of errors. */
#include "tests/unit/unit.h"

#include <string.h>

#include "guests/dom0/rpc/error.h"
#include "guests/dom0/rpc/packet.h"

static const struct packet call = {PACKET_REMOTE, 1, 23, PACKET_CALL, 7, PACKET_OK};
static const struct packet data = {PACKET_REMOTE, 1, 201, PACKET_STREAM, 8, PACKET_CONTINUE};

static uint8_t bytes[4096];
static size_t used;

static void add(const struct packet *packet, const char *payload, size_t n)
{
	packet_write(bytes + used, packet, n);
	memcpy(bytes + used + PACKET_HEADER, payload, n);
	used += PACKET_HEADER + n;
}

/* What a reader finds, as text, if the stream comes in pieces of so many bytes. */
static const char *read_in(size_t piece_bytes, size_t most)
{
	static char found[256];
	struct packet_reader reader = {.most = most};

	found[0] = 0;
	for (size_t at = 0, taken, piece = 0, n; at < used;) {
		n = used - at < piece_bytes ? used - at : piece_bytes;
		switch (packet_read(&reader, bytes + at, n, &taken, &piece)) {
		case PACKET_NOTHING:
			assert_int_equal(taken, n);
			break;
		case PACKET_WHOLE:
			strcat(found, reader.skipped ? "(skipped)" : "(");
			if (!reader.skipped && reader.used)
				strncat(found, (const char *)reader.payload, reader.used);
			strcat(found, reader.skipped ? "" : ")");
			packet_next(&reader);
			break;
		case PACKET_PIECE:
			assert_true(piece);
			strncat(found, (const char *)bytes + at + taken, piece);
			packet_took(&reader, piece);
			taken += piece;
			break;
		case PACKET_WRONG:
			strcat(found, "wrong");
			taken = used;
			break;
		}
		at += taken;
	}
	packet_free(&reader);
	return found;
}

static void cut_anywhere(void **state)
{
	(void)state;
	used = 0;
	add(&call, "one", 3);
	add(&data, "-data-", 6);
	add(&data, "", 0);
	add(&call, "", 0);
	add(&call, "a longer one", 12);
	for (size_t piece = 1; piece <= used; piece++)
		assert_string_equal(read_in(piece, 100), "(one)-data-()()(a longer one)");
	/* A payload beyond the bound is read over, and the next message is found. */
	for (size_t piece = 1; piece <= used; piece++)
		assert_string_equal(read_in(piece, 11), "(one)-data-()()(skipped)");
}

static void header(void **state)
{
	static const uint8_t expected[PACKET_HEADER] = {
		0, 0,  0, 31, 0x20, 0, 0x80, 0x86, 0, 0, 0, 1, 0, 0,
		0, 23, 0, 0,  0,    0, 0,    0,    0, 7, 0, 0, 0, 0,
	};

	(void)state;
	used = 0;
	add(&call, "one", 3);
	assert_memory_equal(bytes, expected, sizeof(expected));
}

static void wrong(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} change[] = {{3, 27}, {0, 0x7f}, {0, 2}, {19, 7}, {16, 0xff}, {27, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(change) / sizeof(change[0]); i++) {
		used = 0;
		add(&call, "one", 3);
		bytes[change[i].at] = change[i].value;
		if (change[i].at == 0 && change[i].value == 2)
			bytes[3] = 5; /* one byte more than libvirt's bound */
		assert_string_equal(read_in(used, 100), "wrong");
	}
}

/* A promise of 32 MiB costs nothing before it is kept. */
static void promise(void **state)
{
	struct packet_reader reader = {.most = PACKET_CALL_MOST};
	size_t taken, piece;

	(void)state;
	used = 0;
	add(&call, "one", 3);
	bytes[1] = 4; /* 256 KiB */
	assert_int_equal(packet_read(&reader, bytes, used, &taken, &piece), PACKET_NOTHING);
	assert_true(reader.room <= 512);
	packet_free(&reader);
}

static void errors(void **state)
{
	(void)state;
	assert_int_equal(error_of("Requested operation is not valid: domain is paused"),
			 ERROR_INVALID);
	assert_int_equal(error_of("Operation not supported: saving"), ERROR_UNSUPPORTED);
	assert_int_equal(error_of("invalid argument: x"), ERROR_INVALID_ARG);
	assert_int_equal(error_of("the name 'x' is used already"), ERROR_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_anywhere), cmocka_unit_test(header), cmocka_unit_test(wrong),
		cmocka_unit_test(promise),      cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
