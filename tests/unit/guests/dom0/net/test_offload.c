/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/offload.c guests/dom0/net/switch.c */
/* Checksums and segmentation against a plain model, through the switch. */
#include "guests/dom0/net/switch.h"
#include "tests/unit/unit.h"

#define TCP 20u /* where it begins in its IP packet, without options */

uint64_t clock_ns(void)
{
	return 1;
}

static struct net_port guest, wire, other;

/* What the wire gets, put together again. */
static uint8_t stream[70000];
static unsigned stream_bytes, frames, longest, plain;
static uint32_t first_sequence;
static bool v6, udp;
static unsigned extensions; /* bytes of IPv6 extension headers, random ones */
static int priority = -1;   /* of the tag in front of IP; -1: none */
static unsigned last_flags, all_flags;
static bool no_long_room; /* the other port has none for long frames */
static unsigned by_card;  /* frames that came with work */
static uint16_t first_id;

static uint32_t be(const uint8_t *at, unsigned n)
{
	uint32_t value = 0;

	while (n--)
		value = value << 8 | *at++;
	return value;
}

/* 16 bits at a time, as RFC 1071 says it. */
static uint32_t model_sum(const uint8_t *data, unsigned bytes)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < bytes; i++)
		sum += (uint32_t)data[i] << (i & 1 ? 0 : 8);
	return sum;
}

static uint32_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	return sum;
}

/* What the pseudo header of IPv6 has: the last destination is a routing header's, if there is one.
 */
static uint32_t addresses6(const uint8_t *ip)
{
	const uint8_t *to = ip + 24, *at = ip + 40;

	for (unsigned next = ip[6], left = extensions; left; at += 8 * (at[1] + 1)) {
		if (next == 43)
			to = at + 8;
		next = at[0];
		left -= 8 * (at[1] + 1u);
	}
	return model_sum(ip + 8, 16) + model_sum(to, 16);
}

static void check_frame(const uint8_t *frame, unsigned bytes)
{
	if (priority >= 0) {
		assert_int_equal(be(frame + ETHERTYPE, 2), TYPE_VLAN);
		assert_int_equal(be(frame + 14, 2), (unsigned)priority << 13);
		frame += 4;
		bytes -= 4;
	}
	const uint8_t *ip = frame + ETHERNET;
	unsigned ip_bytes = v6 ? 40 + extensions : (ip[0] & 15) * 4;
	unsigned length = bytes - ETHERNET - ip_bytes;
	const uint8_t *tcp = ip + ip_bytes;
	uint32_t sum = (udp ? 17 : 6) + length;

	if (v6) {
		assert_int_equal(be(ip + 4, 2), length + extensions);
		sum += addresses6(ip);
	} else {
		assert_int_equal(be(ip + 2, 2), bytes - ETHERNET);
		assert_int_equal(fold(model_sum(ip, ip_bytes)), 0xffff);
		sum += model_sum(ip + 12, 8);
	}
	assert_int_equal(fold(sum + model_sum(tcp, length)), 0xffff);
	if (udp)
		return;
	unsigned header = (tcp[12] >> 4) * 4, data = length - header;
	if (!frames) {
		first_sequence = be(tcp + 4, 4);
		first_id = (uint16_t)be(ip + 4, 2);
	}
	assert_int_equal(be(tcp + 4, 4), (uint32_t)(first_sequence + stream_bytes));
	if (!v6)
		assert_int_equal(be(ip + 4, 2), (uint16_t)(first_id + frames));
	memcpy(stream + stream_bytes, tcp + header, data);
	stream_bytes += data;
	last_flags = tcp[13];
	all_flags |= tcp[13] & (frames ? 0x80u : 0);
}

/* A card that does what is left to it: the sum from a byte to the end, with what is in its place,
 * which is the pseudo header's. */
static void card_sum(uint8_t *frame, unsigned bytes, const struct net_offload *left)
{
	uint8_t *from = frame + left->start;
	uint32_t sum = ~fold(model_sum(from, bytes - left->start));

	from[left->offset] = (uint8_t)(sum >> 8);
	from[left->offset + 1] = (uint8_t)sum;
}

static void add_be(uint8_t *at, unsigned n, uint32_t more)
{
	uint32_t value = be(at, n) + more;

	while (n--) {
		at[n] = (uint8_t)value;
		value >>= 8;
	}
}

/* Cuts a frame; what the card has cut is looked at as any frame is. */
static void card_cut(const uint8_t *frame, unsigned bytes, const struct net_offload *left)
{
	static uint8_t cut[2000];
	unsigned headers = left->headers, all = bytes - headers,
		 link = priority >= 0 ? ETHERNET + VLAN_TAG : ETHERNET;
	uint8_t *ip = cut + link, *tcp = cut + left->start, *sum = tcp + left->offset;

	for (unsigned from = 0, i = 0; from < all; from += left->segment, i++) {
		unsigned n = all - from < left->segment ? all - from : left->segment, tcp_bytes;

		memcpy(cut, frame, headers);
		memcpy(cut + headers, frame + headers + from, n);
		tcp_bytes = headers - left->start + n;
		if (v6) {
			add_be(ip + 4, 2, n - all);
		} else {
			add_be(ip + 2, 2, n - all);
			add_be(ip + 4, 2, i);
			ip[10] = ip[11] = 0;
			add_be(ip + 10, 2, ~fold(model_sum(ip, left->start - link)));
		}
		add_be(tcp + 4, 4, from);
		if (from + n < all)
			tcp[13] &= 0xf6;
		add_be(sum, 2,
		       fold(be(sum, 2) + tcp_bytes + (0xffff ^ (bytes - left->start))) -
			       be(sum, 2));
		card_sum(cut, headers + n, left);
		check_frame(cut, headers + n);
		frames++;
		if (headers + n > longest)
			longest = headers + n;
	}
}

/* Returns true if the card has sent other frames in place of this one. */
static bool card(uint8_t *frame, unsigned bytes, const struct net_port *port)
{
	const struct net_offload *left = port->offload;

	assert_false(left->needs & ~port->takes);
	assert_false(left->needs & NET_ODD);
	by_card++;
	if (left->needs & (NET_TCP4 | NET_TCP6)) {
		card_cut(frame, bytes, left);
		return true;
	}
	card_sum(frame, bytes, left);
	return false;
}

static bool deliver(struct net_port *port, const struct net_piece *piece, unsigned pieces,
		    unsigned bytes)
{
	static uint8_t frame[70000];
	unsigned at = 0;

	for (unsigned i = 0; i < pieces; i++) {
		memcpy(frame + at, piece[i].data, piece[i].bytes);
		at += piece[i].bytes;
	}
	assert_int_equal(at, bytes);
	if (port == &other) {
		if (no_long_room && port->offload && port->offload->segment)
			if (port->offload->needs & (NET_TCP4 | NET_TCP6))
				return false;
		plain += !port->offload;
		longest = bytes;
		return true;
	}
	if (port->offload && card(frame, bytes, port))
		return true;
	assert_true(bytes <= (priority >= 0 ? 1518 : 1514));
	check_frame(frame, bytes);
	if (bytes > longest)
		longest = bytes;
	frames++;
	return true;
}

static void done(struct net_port *port)
{
	(void)port;
}

static void setup(void)
{
	switch_remove(&guest);
	switch_remove(&wire);
	switch_remove(&other);
	guest = wire = other =
		(struct net_port){.link_up = true, .deliver = deliver, .deliver_done = done};
	wire.trunk = true;
	memcpy(guest.mac, (uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
	memcpy(other.mac, (uint8_t[]){2, 0, 0, 0, 0, 2}, 6);
	switch_add(&guest);
	switch_add(&wire);
	switch_add(&other);
	v6 = udp = false;
	extensions = 0;
	priority = -1;
	by_card = 0;
}

static const unsigned cards[] = {0, NET_CHECKSUM, NET_CHECKSUM | NET_TCP4,
				 NET_CHECKSUM | NET_TCP4 | NET_TCP6};

/* A wire behind which there is some card. */
static void any_card(void)
{
	wire.takes = cards[random_below(sizeof(cards) / sizeof(*cards))];
}

/* Extension headers of so many bytes in all, a multiple of 8; the last one leads to `protocol`. */
static void make_extensions(uint8_t *ip, unsigned bytes, uint8_t protocol)
{
	static const uint8_t kinds[] = {0, 60, 43, 135};
	uint8_t *next = &ip[6], *at = ip + 40;

	while (bytes) {
		unsigned size = 8 * (1 + (unsigned)random_below(bytes / 8));
		uint8_t kind = kinds[random_below(size == 24 ? 4 : 2)];

		*next = kind;
		at[1] = (uint8_t)(size / 8 - 1);
		next = at;
		at += size;
		bytes -= size;
	}
	*next = protocol;
}

/* A frame with `data` bytes of data; returns all its bytes. */
static unsigned make(uint8_t *frame, unsigned ip_options, unsigned tcp_options, unsigned data,
		     struct net_offload *offload)
{
	unsigned ip_bytes = v6 ? 40 + extensions : 20 + ip_options, l4 = udp ? 8 : 20 + tcp_options;
	unsigned start = ETHERNET + ip_bytes, bytes = start + l4 + data;
	uint8_t *ip = frame + ETHERNET, *tcp = frame + start;
	uint32_t sum;

	for (unsigned i = 0; i < bytes; i++)
		frame[i] = (uint8_t)random64();
	memcpy(frame, (uint8_t[]){2, 0, 0, 0, 9, 9, 2, 0, 0, 0, 0, 1, 8, 0}, 14);
	if (v6) {
		frame[12] = 0x86;
		frame[13] = 0xdd;
		ip[0] = 0x60;
		ip[4] = (uint8_t)((extensions + l4 + data) >> 8);
		ip[5] = (uint8_t)(extensions + l4 + data);
		make_extensions(ip, extensions, udp ? 17 : 6);
		sum = addresses6(ip) + (udp ? 17 : 6) + l4 + data;
	} else {
		ip[0] = (uint8_t)(0x40 | ip_bytes / 4);
		ip[2] = (uint8_t)((bytes - ETHERNET) >> 8);
		ip[3] = (uint8_t)(bytes - ETHERNET);
		ip[6] = 0x40;
		ip[7] = 0;
		ip[9] = udp ? 17 : 6;
		ip[10] = ip[11] = 0;
		sum = ~fold(model_sum(ip, ip_bytes));
		ip[10] = (uint8_t)(sum >> 8);
		ip[11] = (uint8_t)sum;
		sum = model_sum(ip + 12, 8) + ip[9] + l4 + data;
	}
	sum = fold(sum);
	if (!udp)
		tcp[12] = (uint8_t)(l4 / 4 << 4);
	unsigned at = udp ? 6 : 16;
	tcp[at] = (uint8_t)(sum >> 8);
	tcp[at + 1] = (uint8_t)sum;
	offload->start = (uint16_t)start;
	offload->offset = (uint16_t)at;
	if (priority < 0)
		return bytes;
	memmove(frame + 16, frame + ETHERTYPE, bytes - 12);
	memcpy(frame + ETHERTYPE, (uint8_t[]){0x81, 0, (uint8_t)(priority << 5), 0}, 4);
	offload->start = (uint16_t)(start + 4);
	return bytes + 4;
}

static void send_pieces(const uint8_t *frame, unsigned bytes, unsigned pieces,
			const struct net_offload *offload)
{
	struct net_piece piece[40];

	for (unsigned i = 0; i < pieces; i++) {
		unsigned start = bytes * i / pieces;

		piece[i] = (struct net_piece){frame + start, bytes * (i + 1) / pieces - start};
	}
	frames = stream_bytes = longest = plain = all_flags = 0;
	switch_input_offload(&guest, piece, pieces, offload);
}

static uint8_t frame[70000];

static void checksums(void **unused)
{
	(void)unused;
	setup();
	for (unsigned round = 0; round < 3000; round++) {
		struct net_offload offload = {.needs = NET_CHECKSUM};

		any_card();
		v6 = random_below(2);
		udp = random_below(2);
		extensions = v6 ? 8 * (unsigned)random_below(8) : 0;
		priority = random_below(3) ? -1 : (int)random_below(8);
		/* A tag that says nothing is not sent. */
		if (!priority)
			priority = -1;
		unsigned bytes =
			make(frame, 4 * (unsigned)random_below(11), 4 * (unsigned)random_below(11),
			     (unsigned)random_below(1320), &offload);
		send_pieces(frame, bytes, 1 + (unsigned)random_below(40), &offload);
		assert_int_equal(frames, 1);
		assert_int_equal(longest, bytes);
	}
	assert_true(by_card > 100);
}

static void segments(void **unused)
{
	(void)unused;
	setup();
	for (unsigned round = 0; round < 2000; round++) {
		bool small = random_below(4) == 0;
		unsigned data = 1 + (unsigned)random_below(small ? 500 : 65535 - 400);
		unsigned mss = 1 + (unsigned)random_below(small ? 64 : 1150);
		unsigned ip_options = 4 * (unsigned)random_below(11);
		unsigned tcp_options = 4 * (unsigned)random_below(11);
		struct net_offload offload = {.segment = (uint16_t)mss};

		any_card();
		v6 = random_below(2);
		extensions = v6 ? 8 * (unsigned)random_below(25) : 0;
		priority = random_below(3) ? -1 : 1 + (int)random_below(7);
		offload.needs = NET_CHECKSUM | (v6 ? NET_TCP6 : NET_TCP4);
		unsigned bytes = make(frame, ip_options, tcp_options, data, &offload);
		uint8_t flags = frame[offload.start + 13];
		send_pieces(frame, bytes, 1 + (unsigned)random_below(40), &offload);
		assert_int_equal(stream_bytes, data);
		assert_memory_equal(stream, frame + bytes - data, data);
		assert_true(frames >= (data + mss - 1) / mss);
		assert_true(longest <= bytes - data + mss);
		/* FIN and PSH with the last, CWR with the first only */
		assert_int_equal(last_flags & 9, flags & 9);
		assert_int_equal(all_flags, 0);
	}
	assert_true(by_card > 100);
}

/* A long frame as several long ones, each cut by itself: the same as the whole one cut. */
static void parts(void **unused)
{
	static uint8_t part[70000], whole[70000];
	struct net_offload offload;

	(void)unused;
	setup();
	for (unsigned round = 0; round < 300; round++) {
		unsigned mss = 1 + (unsigned)random_below(300), from = 0, seen = 0, headers, n;
		unsigned data = 1 + (unsigned)random_below(20000), bytes;
		uint8_t flags;

		v6 = random_below(2);
		extensions = v6 ? 8 * (unsigned)random_below(5) : 0;
		offload = (struct net_offload){.segment = (uint16_t)mss,
					       .needs = NET_CHECKSUM | (v6 ? NET_TCP6 : NET_TCP4)};
		bytes = make(frame, 0, 12, data, &offload);
		headers = bytes - data;
		flags = frame[offload.start + 13];
		assert_true(
			offload_check(&offload, frame, offload_looks_at(&offload, bytes), bytes));
		assert_int_equal(offload.headers, headers);
		for (; from < data; from += n) {
			n = mss * (1 + (unsigned)random_below(64));
			if (n > data - from)
				n = data - from;
			memcpy(part, frame, headers);
			memcpy(part + headers, frame + headers + from, n);
			offload_part(&offload, part, from, n, data);
			if (from)
				assert_int_equal(part[offload.start + 13] & 0x80, 0);
			send_pieces(part, headers + n, 5, &offload);
			assert_int_equal(stream_bytes, n);
			assert_int_equal(first_sequence, be(frame + offload.start + 4, 4) + from);
			if (!v6)
				assert_int_equal(first_id,
						 (uint16_t)(be(frame + 18, 2) + from / mss));
			memcpy(whole + seen, stream, n);
			seen += n;
		}
		assert_int_equal(last_flags & 9, flags & 9);
		assert_memory_equal(whole, frame + headers, data);
	}
}

/* Who takes such frames gets them as they are. */
static void passes_on(void **unused)
{
	struct net_offload offload = {.needs = NET_CHECKSUM | NET_TCP4, .segment = 1400};

	(void)unused;
	setup();
	other.takes = NET_CHECKSUM | NET_TCP4 | NET_ODD;
	unsigned bytes = make(frame, 0, 0, 30000, &offload);
	frame[4] = 0;
	frame[5] = 2;
	send_pieces(frame, bytes, 7, &offload);
	assert_int_equal(longest, bytes);
	assert_int_equal(plain, 0);
	assert_int_equal(other.tx_frames, 1);
	other.takes = 0;
	send_pieces(frame, bytes, 7, &offload);
	assert_int_equal(plain, 22);
	assert_int_equal(other.tx_frames, 23);
	assert_int_equal(guest.rx_frames, 2);
}

/* A long frame that was merged from what the wire had, with the tag of a VLAN: to a port of that
 * VLAN alone, without the tag; cut, if the port has no room for all of it. */
static void from_the_wire(void **unused)
{
	struct net_offload offload = {.needs = NET_CHECKSUM | NET_TCP4, .segment = 1000};
	unsigned bytes;

	(void)unused;
	setup();
	switch_remove(&other);
	other.vlan = 9;
	other.takes = NET_CHECKSUM | NET_TCP4 | NET_TCP6 | NET_ODD;
	switch_add(&other);
	bytes = make(frame, 0, 0, 3000, &offload);
	frame[offload.start + 13] &= 0x7f;
	memcpy(frame, (uint8_t[]){2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 7, 7}, 12);
	assert_int_equal(switch_takes(&wire, frame), 0);
	memmove(frame + 16, frame + ETHERTYPE, bytes - 12);
	memcpy(frame + ETHERTYPE, (uint8_t[]){0x81, 0, 0x60, 9}, 4);
	offload.start = (uint16_t)(offload.start + 4);
	assert_int_equal(switch_takes(&wire, frame), other.takes);
	for (unsigned i = 0; i < 2; i++) {
		struct net_piece piece[2] = {{frame, 100}, {frame + 100, bytes + 4 - 100}};

		no_long_room = i;
		plain = longest = 0;
		switch_input_offload(&wire, piece, 2, &offload);
		assert_int_equal(other.tx_frames, i ? 4 : 1);
		assert_int_equal(longest, i ? 54 + 1000 : bytes);
		assert_int_equal(plain, 0);
	}
	no_long_room = false;
	assert_int_equal(guest.tx_frames, 0);
	other.link_up = false;
	assert_int_equal(switch_takes(&wire, frame), 0);
	frame[15] = 8;
	assert_int_equal(switch_takes(&wire, frame), 0);
	frame[0] = 0xff;
	assert_int_equal(switch_takes(&wire, frame), 0);
}

static void refuses(void **unused)
{
	struct net_offload good = {.needs = NET_CHECKSUM | NET_TCP4, .segment = 1400}, bad;
	unsigned bytes;

	(void)unused;
	setup();
	bytes = make(frame, 0, 0, 3000, &good);
#define REFUSED(change)                             \
	do {                                        \
		bad = good;                         \
		change;                             \
		send_pieces(frame, bytes, 3, &bad); \
		assert_int_equal(frames, 0);        \
	} while (0)
	REFUSED(bad.needs = NET_TCP4);
	REFUSED(bad.needs = NET_CHECKSUM);
	REFUSED(bad.needs |= NET_TCP6);
	REFUSED(bad.needs = NET_CHECKSUM | NET_TCP6);
	REFUSED(bad.segment = 0);
	REFUSED(bad.segment = 2000);
	REFUSED(bad.start = 13);
	REFUSED(bad.start = 0xffff);
	REFUSED(bad.start += 4);
	REFUSED(bad.offset = 14);
	REFUSED(bad.offset = 0xffff);
	send_pieces(frame, bytes, 3, &good);
	assert_int_equal(frames, 3);
#undef REFUSED
#define REFUSED(at, value)                           \
	do {                                         \
		uint8_t old = frame[at];             \
		frame[at] = value;                   \
		send_pieces(frame, bytes, 3, &good); \
		frame[at] = old;                     \
		assert_int_equal(frames, 0);         \
	} while (0)
	REFUSED(12, 0x86);            /* another type */
	REFUSED(14, 0x55);            /* version */
	REFUSED(14, 0x46);            /* a longer header than said */
	REFUSED(14, 0x44);            /* a shorter one */
	REFUSED(23, 17);              /* protocol */
	REFUSED(20, 0x20);            /* a fragment */
	REFUSED(14 + TCP + 12, 0x40); /* TCP's own length */
	/* another VLAN's tag, and a tag behind a tag */
	priority = 3;
	bytes = make(frame, 0, 0, 3000, &good);
	REFUSED(15, 7);
	memcpy(frame + 16, (uint8_t[]){0x81, 0}, 2);
	send_pieces(frame, bytes, 3, &good);
	assert_int_equal(frames, 0);
	priority = -1;
	/* headers only, cut short */
	bytes = make(frame, 0, 0, 1, &good);
	for (unsigned n = 14; n < bytes; n++) {
		send_pieces(frame, n, 1, &good);
		assert_int_equal(frames, 0);
	}
	send_pieces(frame, bytes, 1, &good);
	assert_int_equal(frames, 1);
}

static void tagged_for_the_wire(void **unused)
{
	struct net_offload offload = {.needs = NET_CHECKSUM | NET_TCP4, .segment = 1000};

	(void)unused;
	setup();
	switch_remove(&guest);
	guest.vlan = 9;
	switch_add(&guest);
	unsigned bytes = make(frame, 0, 0, 3000, &offload);
	wire.deliver = NULL; /* would be called with tags: not with check_frame */
	wire.link_up = false;
	send_pieces(frame, bytes, 2, &offload);
	assert_int_equal(wire.dropped, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksums),
		cmocka_unit_test(segments),
		cmocka_unit_test(parts),
		cmocka_unit_test(passes_on),
		cmocka_unit_test(from_the_wire),
		cmocka_unit_test(refuses),
		cmocka_unit_test(tagged_for_the_wire),
	};

	return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
