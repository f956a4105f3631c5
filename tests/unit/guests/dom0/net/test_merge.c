/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/merge.c guests/dom0/net/offload.c */
/*
 * What the merger gives, cut again by the switch's software, must be what it was given: each frame,
 * byte for byte, and those of a connection in their order.
 */
#include "guests/dom0/net/headers.h"
#include "guests/dom0/net/merge.h"
#include "guests/dom0/net/offload.h"
#include "tests/unit/unit.h"

#define FRAMES 400u
#define STREAM 11u /* offset of a byte that tells connections apart: the sender's address */

struct frame {
	unsigned bytes;
	bool verified, back;
	bool strange; /* may overtake those that wait */
	uint8_t data[1600];
};

static struct merger merger;
static struct frame in[FRAMES];
static unsigned frames, given, longs, backs;
static unsigned receiver_takes;

static unsigned takes(const uint8_t *frame)
{
	(void)frame;
	return receiver_takes;
}

static bool is_it(const struct frame *f, const uint8_t *frame, unsigned bytes)
{
	return !f->back && f->bytes == bytes && !memcmp(f->data, frame, bytes);
}

/* A frame has come back: it must be the next one of its connection, or a strange one. */
static void comes_back(const uint8_t *frame, unsigned bytes)
{
	unsigned i = 0;

	while (i < frames && !(in[i].strange && is_it(&in[i], frame, bytes)))
		i++;
	if (i == frames)
		for (i = 0; i < frames; i++)
			if (!in[i].strange && !in[i].back && in[i].data[STREAM] == frame[STREAM])
				break;
	assert_true(i < frames);
	assert_true(is_it(&in[i], frame, bytes));
	in[i].back = true;
	backs++;
}

static bool cut(void *unused, const struct net_piece *piece, unsigned pieces, unsigned bytes,
		const struct net_offload *left)
{
	uint8_t frame[2000];
	unsigned at = 0;

	(void)unused;
	assert_null(left);
	for (unsigned i = 0; i < pieces; i++) {
		memcpy(frame + at, piece[i].data, piece[i].bytes);
		at += piece[i].bytes;
	}
	assert_int_equal(at, bytes);
	comes_back(frame, bytes);
	return true;
}

static void put(const struct net_piece *piece, unsigned pieces, const struct net_offload *offload)
{
	struct net_offload checked = *offload;
	unsigned bytes = 0;

	given++;
	if (!offload->needs) {
		assert_int_equal(pieces, 1);
		comes_back(piece->data, piece->bytes);
		return;
	}
	longs++;
	for (unsigned i = 0; i < pieces; i++)
		bytes += piece[i].bytes;
	assert_true(bytes <= NET_LONG_FRAME + VLAN_TAG);
	assert_int_equal(offload->needs & ~receiver_takes, 0);
	assert_true(offload_check(&checked, piece->data, piece->bytes, bytes));
	assert_int_equal(checked.headers, piece->bytes);
	offload_complete(&checked, 0, piece->data, piece + 1, pieces - 1, cut, NULL);
}

/* A connection that sends. */
struct sender {
	uint8_t stream;
	bool v6, tag, verified;
	unsigned options; /* bytes of TCP's */
	unsigned mss;
	uint32_t sequence;
	uint16_t id, id_step;
};

static struct sender new_sender(uint8_t stream)
{
	return (struct sender){
		.stream = stream,
		.v6 = random_below(2),
		.tag = random_below(4) == 0,
		.verified = random_below(2),
		.options = 4 * (unsigned)random_below(11),
		.mss = 90 + (unsigned)random_below(1250),
		.sequence = (uint32_t)random64(),
		.id = (uint16_t)random64(),
		.id_step = (uint16_t)random_below(2),
	};
}

static unsigned link_of(const struct sender *s)
{
	return ETHERNET + (s->tag ? VLAN_TAG : 0);
}

static unsigned tcp_of(const struct sender *s)
{
	return link_of(s) + (s->v6 ? IP6_BYTES : IP4_LEAST);
}

/* Both sums of a frame, 16 bits at a time, as RFC 1071 says it. */
static void set_sums(const struct sender *s, struct frame *f)
{
	uint8_t *ip = f->data + link_of(s), *tcp = f->data + tcp_of(s);
	unsigned bytes = f->bytes - tcp_of(s), from = s->v6 ? IP6_ADDRESSES : IP4_ADDRESSES;
	uint32_t sum = 0, ip_sum = 0;

	put_be16(tcp + TCP_CHECKSUM, 0);
	for (unsigned i = 0; i < bytes; i++)
		sum += (uint32_t)tcp[i] << (i & 1 ? 0 : 8);
	for (unsigned i = from; i < from + (s->v6 ? 32 : 8); i++)
		sum += (uint32_t)ip[i] << (i & 1 ? 0 : 8);
	sum += PROTOCOL_TCP + bytes;
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	put_be16(tcp + TCP_CHECKSUM, ~sum);
	if (s->v6)
		return;
	put_be16(ip + IP4_CHECKSUM, 0);
	for (unsigned i = 0; i < IP4_LEAST; i += 2)
		ip_sum += get_be16(ip + i);
	while (ip_sum >> 16)
		ip_sum = (ip_sum >> 16) + (ip_sum & 0xffff);
	put_be16(ip + IP4_CHECKSUM, ~ip_sum);
}

/* The next segment of a connection, with random data; all else is the same in each. */
static struct frame *segment(struct sender *s, unsigned data, uint8_t flags)
{
	struct frame *f = &in[frames++];
	uint8_t *ip = f->data + link_of(s), *tcp = f->data + tcp_of(s);

	assert_true(frames <= FRAMES);
	memset(f, s->stream, sizeof(*f));
	f->back = f->strange = false;
	f->verified = s->verified;
	f->bytes = tcp_of(s) + TCP_LEAST + s->options + data;
	if (s->tag)
		put_be16(f->data + ETHERTYPE, TYPE_VLAN);
	put_be16(ip - 2, s->v6 ? TYPE_IPV6 : TYPE_IPV4);
	ip[0] = s->v6 ? 0x60 : 0x45;
	if (s->v6) {
		put_be16(ip + IP6_LENGTH, f->bytes - tcp_of(s));
		ip[IP6_NEXT] = PROTOCOL_TCP;
	} else {
		put_be16(ip + IP4_LENGTH, f->bytes - link_of(s));
		put_be16(ip + IP4_ID, s->id);
		put_be16(ip + IP4_FRAGMENT, IP4_DONT);
		ip[IP4_PROTOCOL] = PROTOCOL_TCP;
	}
	put_be32(tcp + TCP_SEQUENCE, s->sequence);
	tcp[TCP_DATA] = (uint8_t)((TCP_LEAST + s->options) / 4 << 4);
	tcp[TCP_FLAGS] = flags;
	for (unsigned i = 0; i < data; i++)
		tcp[TCP_LEAST + s->options + i] = (uint8_t)random64();
	s->sequence += data;
	s->id = (uint16_t)(s->id + s->id_step);
	set_sums(s, f);
	return f;
}

static void begin(void)
{
	merge_init(&merger);
	merger.takes = takes;
	merger.put = put;
	receiver_takes = NET_CHECKSUM | NET_TCP4 | NET_TCP6 | NET_ODD;
	frames = given = longs = backs = 0;
}

/* All that there is goes in, in one batch, and comes out. */
static void batch(void)
{
	for (unsigned i = 0; i < frames; i++)
		merge_input(&merger, in[i].data, in[i].bytes, in[i].verified);
	merge_flush(&merger);
	assert_int_equal(backs, frames);
}

/* Segments in a row become one frame, which ends where a long frame may end. */
static void in_a_row(void **unused)
{
	(void)unused;
	for (unsigned round = 0; round < 500; round++) {
		struct sender s = new_sender(1);
		unsigned n = 2 + (unsigned)random_below(20), last;
		uint8_t ends = random_below(2) ? TCP_ACK : TCP_ACK | TCP_PUSH | TCP_FIN;

		begin();
		for (unsigned i = 1; i < n; i++)
			segment(&s, s.mss, TCP_ACK);
		last = 1 + (unsigned)random_below(s.mss);
		segment(&s, last, ends);
		batch();
		assert_int_equal(given, 1);
		assert_int_equal(longs, 1);
		/* one more begins anew, if the last one has ended the frame */
		segment(&s, s.mss, TCP_ACK);
		given = backs = 0;
		for (unsigned i = 0; i < frames; i++)
			in[i].back = false;
		batch();
		assert_int_equal(given, ends != TCP_ACK || last < s.mss ? 2 : 1);
	}
}

/* Short frames begin none, and may end one. */
static void short_ones(void **unused)
{
	struct sender s = new_sender(1);

	(void)unused;
	begin();
	s.options = 0;
	for (unsigned i = 0; i < 3; i++)
		segment(&s, 30, TCP_ACK);
	batch();
	assert_int_equal(given, 3);
	segment(&s, s.mss, TCP_ACK);
	segment(&s, 30, TCP_ACK);
	for (unsigned i = given = backs = 0; i < frames; i++)
		in[i].back = false;
	batch();
	assert_int_equal(given, 4);
	assert_int_equal(longs, 1);
}

/* As long as IP allows, and then another one. */
static void no_longer_than_ip(void **unused)
{
	struct sender s = new_sender(1);

	(void)unused;
	begin();
	s.options = 12;
	s.mss = 1440;
	for (unsigned i = 0; i < 100; i++)
		segment(&s, s.mss, TCP_ACK);
	batch();
	assert_int_equal(given, 3);
	assert_int_equal(longs, 3);
}

/* Whatever differs in a header, or is wrong: the segment does not join, and comes out as it is. */
static void what_differs(void **unused)
{
	(void)unused;
	for (unsigned round = 0; round < 20000; round++) {
		struct sender s = new_sender(1);
		unsigned tcp = tcp_of(&s), ip_sum = link_of(&s) + IP4_CHECKSUM, at;
		struct frame *f;
		uint8_t bit = (uint8_t)(1u << random_below(8));
		bool is_sum;

		begin();
		s.options = 12;
		s.mss = 90 + (unsigned)random_below(400);
		segment(&s, s.mss, TCP_ACK);
		f = segment(&s, s.mss, TCP_ACK);
		f->strange = true;
		at = (unsigned)random_below(tcp + TCP_LEAST + s.options);
		is_sum = at / 2 == (tcp + TCP_CHECKSUM) / 2 || (!s.v6 && at / 2 == ip_sum / 2);
		if (at == STREAM || (at == tcp + TCP_FLAGS && bit & (TCP_PUSH | TCP_FIN)))
			continue;
		/* A number may be the same or the next one. */
		if (!s.v6 && at == link_of(&s) + IP4_ID + 1 && bit == 1)
			continue;
		/* A wrong sum of TCP is not seen if the card says that it is right. */
		f->verified = f->verified && !is_sum;
		f->data[at] ^= bit;
		if (!is_sum && random_below(2))
			set_sums(&s, f);
		batch();
		assert_int_equal(longs, 0);
		assert_int_equal(given, 2);
	}
}

/* A fragment may be of any connection: it overtakes nothing. */
static void a_fragment(void **unused)
{
	struct sender s = new_sender(1);
	struct frame *f;

	(void)unused;
	begin();
	s.v6 = false;
	segment(&s, s.mss, TCP_ACK);
	segment(&s, s.mss, TCP_ACK);
	f = segment(&s, s.mss, TCP_ACK);
	f->data[link_of(&s) + IP4_FRAGMENT] = 0x20;
	segment(&s, s.mss, TCP_ACK);
	batch();
	assert_int_equal(longs, 1);
	assert_int_equal(given, 3);
}

/* The numbers of IPv4's packets count on, or stay. */
static void numbers(void **unused)
{
	static const struct {
		uint16_t id[4];
		unsigned given;
	} rows[] = {
		{{5, 6, 7, 8}, 1}, {{5, 5, 5, 5}, 1}, {{0xfffe, 0xffff, 0, 1}, 1},
		{{5, 6, 5, 6}, 2}, {{5, 5, 6, 7}, 2}, {{5, 7, 9, 11}, 4},
		{{5, 6, 6, 7}, 2}, {{5, 4, 3, 2}, 4},
	};

	(void)unused;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sender s = new_sender(1);

		begin();
		s.v6 = false;
		for (unsigned n = 0; n < 4; n++) {
			s.id = rows[i].id[n];
			segment(&s, s.mss, TCP_ACK);
		}
		batch();
		assert_int_equal(given, rows[i].given);
	}
}

/* Without the bit that forbids to cut packets, the numbers of two are never the same. */
static void numbers_of_fragments(void **unused)
{
	struct sender s = new_sender(1);

	(void)unused;
	begin();
	s.v6 = false;
	s.id_step = 0;
	for (unsigned n = 0; n < 2; n++) {
		struct frame *f = segment(&s, s.mss, TCP_ACK);

		f->data[link_of(&s) + IP4_FRAGMENT] = 0;
		set_sums(&s, f);
	}
	batch();
	assert_int_equal(given, 2);
}

/* The other way to write a sum of 0, which nobody would make of it again. */
static void minus_zero(void **unused)
{
	struct sender s = new_sender(1);
	struct frame *f;
	uint8_t *sum;

	(void)unused;
	begin();
	s.options = 0;
	s.mss = 100;
	segment(&s, s.mss, TCP_ACK);
	f = segment(&s, s.mss, TCP_ACK);
	sum = f->data + tcp_of(&s) + TCP_CHECKSUM;
	memset(f->data + tcp_of(&s) + TCP_LEAST, 0, 2);
	set_sums(&s, f);
	memcpy(f->data + tcp_of(&s) + TCP_LEAST, sum, 2);
	set_sums(&s, f);
	assert_int_equal(get_be16(sum), 0);
	put_be16(sum, 0xffff);
	batch();
	assert_int_equal(longs, 0);
}

/* A frame that is no segment with data in a row. */
static void strange_frame(struct sender *s)
{
	struct frame *f = segment(s, (unsigned)random_below(s->mss + 1), TCP_ACK);
	uint8_t *ip = f->data + link_of(s);

	f->strange = true;
	switch (random_below(6)) {
	case 0: /* padded */
		f->bytes += 1 + (unsigned)random_below(40);
		break;
	case 1: /* a wrong sum, which no card has called right */
		f->data[tcp_of(s) + TCP_CHECKSUM] ^= 1;
		f->verified = false;
		break;
	case 2: /* cut short */
		f->bytes = ETHERNET + (unsigned)random_below(f->bytes - ETHERNET);
		break;
	case 3: /* a fragment, or a packet of another protocol */
		ip[s->v6 ? IP6_NEXT : IP4_FRAGMENT + 1] ^= 0x2c;
		break;
	case 4: /* another type, another version */
		ip[-(int)random_below(2)] ^= 0x10;
		break;
	default: /* flags, lengths, anything */
		for (unsigned i = 0; i < 4; i++)
			f->data[STREAM + 1 + random_below(f->bytes - STREAM - 1)] ^=
				(uint8_t)random64();
		f->verified = false;
	}
}

/* Many connections at once, losses, strange frames, and receivers that take this and that. */
static void all_at_once(void **unused)
{
	unsigned all_longs = 0;

	(void)unused;
	for (unsigned round = 0; round < 600; round++) {
		struct sender s[12];
		unsigned senders = 1 + (unsigned)random_below(12);
		unsigned n = 1 + (unsigned)random_below(FRAMES);

		begin();
		receiver_takes = random_below(8) ? 15 : (unsigned)random_below(16);
		for (unsigned i = 0; i < senders; i++)
			s[i] = new_sender((uint8_t)(i + 1));
		while (n--) {
			struct sender *who = &s[random_below(senders)];

			if (random_below(30) == 0)
				who->sequence += (uint32_t)random_below(3) * who->mss;
			if (random_below(30) == 0)
				who->id++;
			if (random_below(20) == 0)
				strange_frame(who);
			else if (random_below(10) == 0)
				segment(who, (unsigned)random_below(who->mss + 1),
					random_below(2) ? TCP_ACK : TCP_ACK | TCP_PUSH);
			else
				segment(who, who->mss, TCP_ACK);
		}
		batch();
		all_longs += longs;
	}
	assert_true(all_longs > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_row),
		cmocka_unit_test(no_longer_than_ip),
		cmocka_unit_test(short_ones),
		cmocka_unit_test(what_differs),
		cmocka_unit_test(a_fragment),
		cmocka_unit_test(numbers),
		cmocka_unit_test(numbers_of_fragments),
		cmocka_unit_test(minus_zero),
		cmocka_unit_test(all_at_once),
	};

	return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
