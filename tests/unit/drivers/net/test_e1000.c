/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/offload.c */
/*
 * The driver of Intel's cards against a model of their transmit part (8254x manual, 3.3 to 3.5):
 * what is left to the card must leave it as the software would have made it.
 */
#include "drivers/net/e1000.c"

#include "guests/dom0/net/offload.h"
#include "tests/unit/dma_mock.h"
#include "tests/unit/log_mock.h"
#include "tests/unit/unit.h"

static _Alignas(8) uint8_t registers[0x8000];
static struct pci_device function;
static struct netdev *net;
static struct timer *timer_of_reset;

volatile void *pci_map(struct pci_device *dev, unsigned bar)
{
	(void)dev;
	(void)bar;
	return registers;
}

void pci_enable(struct pci_device *dev, const char *name)
{
	(void)name;
	(void)dev;
}

unsigned pci_irq_setup(struct pci_device *dev, unsigned wanted, irq_handler *handler, void *context)
{
	(void)dev;
	(void)wanted;
	(void)handler;
	(void)context;
	return 1;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	timer->fire = fire;
	timer->context = context;
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	timer->deadline = deadline_ns;
	if (timer->fire == reset_timer)
		timer_of_reset = timer;
}

uint64_t clock_ns(void)
{
	return 1;
}

void clock_delay_ns(uint64_t ns)
{
	(void)ns;
}

void net_name(struct netdev *dev)
{
	snprintf(dev->name, sizeof(dev->name), "eth0");
}

void net_register(struct netdev *dev)
{
	net = dev;
	strcpy(dev->name, "eth0");
}

/* --- the card ------------------------------------------------------------- */

#define FRAMES 600u

struct sent {
	unsigned bytes;
	uint8_t data[NET_FRAME_MAX + 2];
};

static struct sent by_card[FRAMES], by_software[FRAMES];
static unsigned card_frames, software_frames, contexts;
static struct e1000_tx context; /* the last one */
static uint8_t raw[70000];
static unsigned raw_bytes;

static volatile uint32_t *reg(enum e1000_register offset)
{
	return (volatile uint32_t *)(void *)(registers + offset);
}

static void wire(const uint8_t *frame, unsigned bytes)
{
	assert_true(card_frames < FRAMES && bytes <= NET_FRAME_MAX);
	by_card[card_frames].bytes = bytes;
	memcpy(by_card[card_frames++].data, frame, bytes);
}

/* 16 bits at a time, as RFC 1071 says it; then the complement is in place. */
static void put_sum(uint8_t *frame, unsigned first, unsigned end, unsigned offset)
{
	uint32_t sum = 0;

	for (unsigned i = first; i < end; i++)
		sum += (uint32_t)frame[i] << ((i - first) & 1 ? 0 : 8);
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	put_be16(frame + offset, ~sum);
}

static void sums(uint8_t *frame, unsigned bytes, unsigned options)
{
	uint64_t at = context.bus;

	if (options & TX_IXSM)
		put_sum(frame, at & 0xff, (at >> 16 & 0xffff) + 1, at >> 8 & 0xff);
	if (options & TX_TXSM)
		put_sum(frame, at >> 32 & 0xff, bytes, at >> 40 & 0xff);
}

/* 3.5.7: the headers of each segment. */
static void cut(unsigned options)
{
	static uint8_t frame[2000];
	unsigned headers = context.options, all = context.command & 0xfffff;
	unsigned ip = context.bus & 0xff, tcp = context.bus >> 32 & 0xff;
	unsigned link = link_bytes(raw);
	bool ip4 = context.command & CONTEXT_IS_IP4;

	assert_int_equal(raw_bytes, headers + all);
	assert_true(context.segment >= NET_SEGMENT_MIN && headers <= 240);
	if (ip4)
		assert_int_equal(ip, link);
	assert_int_equal(get_be16(raw + link + (ip4 ? 2 : 4)), 0);
	for (unsigned from = 0, i = 0; from < all; from += context.segment, i++) {
		unsigned n = all - from < context.segment ? all - from : context.segment;
		uint32_t sequence = get_be32(raw + tcp + 4);
		uint32_t sum = get_be16(raw + tcp + 16) + headers + n - tcp;

		memcpy(frame, raw, headers);
		memcpy(frame + headers, raw + headers + from, n);
		put_be16(frame + link + (ip4 ? 2 : 4), headers + n - link - (ip4 ? 0 : 40));
		if (ip4)
			put_be16(frame + link + 4, get_be16(raw + link + 4) + i);
		put_be32(frame + tcp + 4, sequence + from);
		if (from + n < all)
			frame[tcp + 13] &= 0xf6;
		put_be16(frame + tcp + 16, (sum >> 16) + (sum & 0xffff));
		sums(frame, headers + n, options);
		wire(frame, headers + n);
	}
}

static void one_descriptor(volatile struct e1000_tx *tx)
{
	uint32_t bytes = tx->command & 0xfffff;

	if ((tx->command & TX_DATA) == TX_CONTEXT) {
		assert_int_equal(raw_bytes, 0);
		context = *tx;
		contexts++;
		return;
	}
	assert_true(bytes && bytes <= 2048);
	memcpy(raw + raw_bytes, (void *)(uintptr_t)tx->bus, bytes);
	raw_bytes += bytes;
	if (tx->command & TX_RS)
		tx->status |= TX_DD;
	if (!(tx->command & TX_EOP))
		return;
	if ((tx->command & (TX_DATA | TX_TSE)) == (TX_DATA | TX_TSE)) {
		cut(tx->options);
	} else {
		if ((tx->command & TX_DATA) == TX_DATA)
			sums(raw, raw_bytes, tx->options);
		wire(raw, raw_bytes);
	}
	raw_bytes = 0;
}

/* The card works until the ring is empty. */
static void card_works(void)
{
	struct e1000 *nic = net->driver;

	for (; *reg(E1000_TDH) != *reg(E1000_TDT); *reg(E1000_TDH) = (*reg(E1000_TDH) + 1) % RING)
		one_descriptor(&nic->tx[*reg(E1000_TDH)]);
}

static void start(uint16_t device, uint16_t subdevice)
{
	if (net)
		e1000_free(net->driver);
	memset(registers, 0, sizeof(registers));
	*reg(E1000_RAL) = 0x12005452;
	*reg(E1000_RAH) = RAH_AV | 0x5634;
	*reg(E1000_STATUS) = STATUS_LU;
	function = (struct pci_device){.vendor = 0x8086,
				       .device = device,
				       .subvendor = 0x8086,
				       .subdevice = subdevice,
				       .bar[0].size = 0x20000};
	assert_true(e1000_probe(&function));
	timer_of_reset->fire(timer_of_reset);
	assert_true(net->link_up);
	raw_bytes = contexts = 0;
}

/* --- frames --------------------------------------------------------------- */

static uint8_t frame[70000];

static bool software_put(void *unused, const struct net_piece *piece, unsigned pieces,
			 unsigned bytes, const struct net_offload *left)
{
	struct sent *sent = &by_software[software_frames++];

	(void)unused;
	assert_null(left);
	sent->bytes = 0;
	for (unsigned i = 0; i < pieces; i++) {
		memcpy(sent->data + sent->bytes, piece[i].data, piece[i].bytes);
		sent->bytes += piece[i].bytes;
	}
	assert_int_equal(sent->bytes, bytes);
	return true;
}

/* A TCP frame of random content with `data` bytes of data; returns all its bytes. Sums do not
 * depend on what the pseudo header's is. */
static unsigned make(bool ip6, bool tag, unsigned ip_options, unsigned tcp_options, unsigned data)
{
	unsigned link = tag ? ETHERNET + VLAN_TAG : ETHERNET,
		 start = link + (ip6 ? 40 : 20 + ip_options);
	unsigned headers = start + 20 + tcp_options, bytes = headers + data;
	uint8_t *ip = frame + link;

	for (unsigned i = 0; i < bytes; i++)
		frame[i] = (uint8_t)random64();
	if (tag)
		put_be16(frame + ETHERTYPE, TYPE_VLAN);
	put_be16(ip - 2, ip6 ? TYPE_IPV6 : TYPE_IPV4);
	if (ip6) {
		ip[0] = 0x60;
		ip[6] = 6;
		put_be16(ip + 4, bytes - link - 40);
	} else {
		ip[0] = (uint8_t)(0x40 | (20 + ip_options) / 4);
		ip[9] = 6;
		put_be16(ip + 2, bytes - link);
		put_be16(ip + 6, 0x4000);
		put_be16(ip + 10, 0);
		put_sum(frame, link, start, link + 10);
	}
	frame[start + 12] = (uint8_t)((20 + tcp_options) / 4 << 4);
	frame[start + 13] &= 0x7f;
	return bytes;
}

static void send(unsigned bytes, const struct net_offload *left, bool tag)
{
	struct net_piece piece[30] = {{frame, tag ? ETHERNET + VLAN_TAG : ETHERNET}};
	unsigned pieces = 1 + (unsigned)random_below(28), at = piece[0].bytes;

	for (unsigned i = 0; i < pieces; i++) {
		unsigned n = i + 1 == pieces ? bytes - at : (bytes - at) / (pieces - i);

		piece[i + 1] = (struct net_piece){frame + at, n};
		at += n;
	}
	card_frames = 0;
	assert_true(net->send(net, piece, pieces + 1, left));
	net->flush(net);
	card_works();
}

/* Makes a frame that a card may be left with, and lets both work on it. */
static void one_round(void)
{
	bool ip6 = random_below(2), tag = random_below(4) == 0;
	unsigned kind = (unsigned)random_below(3), bytes, looks;
	unsigned data = 1 + (unsigned)random_below(kind == 2 ? 65000 : 1300);
	struct net_offload offload = {
		.needs = NET_CHECKSUM,
		.offset = 16,
		.segment = (uint16_t)(512 + random_below(800)),
	};

	if (kind == 2)
		offload.needs |= ip6 ? NET_TCP6 : NET_TCP4;
	bytes = make(ip6, tag, 4 * (unsigned)random_below(11), 4 * (unsigned)random_below(11),
		     data);
	offload.start =
		(uint16_t)((tag ? ETHERNET + VLAN_TAG : ETHERNET) +
			   (ip6 ? 40 : (frame[tag ? ETHERNET + VLAN_TAG : ETHERNET] & 15) * 4));
	looks = offload_looks_at(&offload, bytes);
	assert_true(offload_check(&offload, frame, looks, bytes));
	assert_int_equal(offload.needs & NET_ODD, 0);
	software_frames = 0;
	if (!kind) {
		struct net_piece all = {frame, bytes};

		software_put(NULL, &all, 1, bytes, NULL);
	} else {
		struct net_piece rest = {frame + offload.headers, bytes - offload.headers};

		offload_complete(&offload, 0, frame, &rest, 1, software_put, NULL);
	}
	send(bytes, kind ? &offload : NULL, tag);
	assert_int_equal(card_frames, software_frames);
	for (unsigned i = 0; i < card_frames; i++) {
		assert_int_equal(by_card[i].bytes, by_software[i].bytes);
		assert_memory_equal(by_card[i].data, by_software[i].data, by_card[i].bytes);
	}
}

static void as_software(void **unused)
{
	uint64_t frames = 0, bytes = 0;

	(void)unused;
	start(0x10d3, 0xa01f);
	for (unsigned round = 0; round < 3000; round++) {
		one_round();
		frames += card_frames;
		for (unsigned i = 0; i < card_frames; i++)
			bytes += by_card[i].bytes;
	}
	assert_int_equal(net->tx_frames, frames);
	assert_int_equal(net->tx_bytes, bytes);
	assert_int_equal(net->tx_dropped, 0);
}

static void says_what_it_takes(void **unused)
{
	(void)unused;
	start(0x100e, 0);
	assert_int_equal(net->takes, NET_CHECKSUM | NET_TCP4);
	start(0x10d3, 0xa01f);
	assert_int_equal(net->takes, NET_CHECKSUM | NET_TCP4 | NET_TCP6);
	/* QEMU's */
	start(0x10d3, 0);
	assert_int_equal(net->takes, NET_CHECKSUM);
}

/* Frames in a row share a context; one between them, or a reset, ends that. */
static void contexts_are_kept(void **unused)
{
	struct net_offload sum = {.needs = NET_CHECKSUM, .start = 34, .offset = 16, .headers = 52};
	struct net_offload cut_it = {.needs = NET_CHECKSUM | NET_TCP4,
				     .start = 34,
				     .offset = 16,
				     .segment = 1000,
				     .headers = 54};
	unsigned bytes;

	(void)unused;
	start(0x100e, 0);
	bytes = make(false, false, 0, 0, 3000);
	for (unsigned i = 0; i < 5; i++)
		send(1000, &sum, false);
	assert_int_equal(contexts, 1);
	send(1000, NULL, false);
	send(1000, &sum, false);
	assert_int_equal(contexts, 1);
	sum.start = 38;
	send(1000, &sum, false);
	assert_int_equal(contexts, 2);
	send(bytes, &cut_it, false);
	assert_int_equal(contexts, 3);
	assert_int_equal(card_frames, 3);
	send(1000, &sum, false);
	assert_int_equal(contexts, 4);
	begin_reset(net->driver);
	timer_of_reset->fire(timer_of_reset);
	send(1000, &sum, false);
	assert_int_equal(contexts, 5);
}

/* A card that stands still: what has no room is dropped whole, and what was in the ring is lost
 * with a reset. */
static void a_full_ring(void **unused)
{
	struct net_offload cut_it = {.needs = NET_CHECKSUM | NET_TCP4,
				     .start = 34,
				     .offset = 16,
				     .segment = 1000,
				     .headers = 54};
	unsigned bytes, taken = 0;

	(void)unused;
	start(0x100e, 0);
	bytes = make(false, false, 0, 0, 60000);
	struct net_piece piece[2] = {{frame, 14}, {frame + 14, bytes - 14}};
	for (unsigned i = 0; i < 20; i++)
		taken += net->send(net, piece, 2, &cut_it);
	assert_int_equal(taken, 8); /* of 31 descriptors in a ring of 256 */
	assert_int_equal(net->tx_dropped, 12);
	net->flush(net);
	card_frames = 0;
	card_works();
	assert_int_equal(card_frames, 8 * 60);
	for (unsigned i = 0; i < 3; i++)
		assert_true(net->send(net, piece, 2, &cut_it));
	begin_reset(net->driver);
	timer_of_reset->fire(timer_of_reset);
	assert_int_equal(net->tx_dropped, 15);
	/* too long, or nothing at all */
	piece[1].bytes = NET_LONG_FRAME;
	assert_false(net->send(net, piece, 2, &cut_it));
	piece[1].bytes = NET_FRAME_MAX;
	assert_false(net->send(net, piece, 2, NULL));
	assert_false(net->send(net, piece, 0, NULL));
	assert_int_equal(net->tx_dropped, 18);
}

static struct {
	unsigned frames, verified, batches, in_batch;
	const uint8_t *first;
} got;

static void received(struct netdev *dev, const void *data, size_t bytes, bool verified)
{
	assert_ptr_equal(dev, net);
	assert_int_equal(bytes, 100);
	if (!got.in_batch++)
		got.first = data;
	got.frames++;
	got.verified += verified;
}

/* The frames of a batch are there until its end, and the card has not got their buffers back. */
static void batch_ends(struct netdev *dev)
{
	struct e1000 *nic = dev->driver;
	unsigned first = (unsigned)(got.first - nic->rx_buffer) / BUFFER;

	assert_true(got.in_batch && got.in_batch <= 64);
	assert_int_equal((*reg(E1000_RDT) + 1) % RING, first);
	got.batches++;
	got.in_batch = 0;
}

static void receives(void **unused)
{
	/* status, errors, arrives, verified */
	static const uint8_t rows[][4] = {
		{0x03, 0x00, 1, 0}, {0x07, 0x00, 1, 0}, {0x27, 0x00, 1, 0}, {0x23, 0x00, 1, 1},
		{0x63, 0x00, 1, 1}, {0x63, 0x20, 1, 0}, {0x63, 0x40, 1, 0}, {0x63, 0x01, 0, 0},
		{0x63, 0x80, 0, 0}, {0x61, 0x00, 0, 0},
	};
	struct e1000 *nic;

	(void)unused;
	start(0x10d3, 0);
	nic = net->driver;
	net->receive = received;
	net->receive_done = batch_ends;
	assert_int_equal(*reg(E1000_RXCSUM), 0x300);
	for (unsigned i = 0; i < 2000; i++) {
		const uint8_t *row = rows[i % 10];

		memset(&got, 0, sizeof(got));
		nic->rx[nic->rx_next].bytes = 100;
		nic->rx[nic->rx_next].status = row[0];
		nic->rx[nic->rx_next].errors = row[1];
		got.first = nic->rx_buffer + nic->rx_next * BUFFER;
		got.in_batch = !row[2];
		e1000_interrupt(nic, 0);
		assert_int_equal(got.frames, row[2]);
		assert_int_equal(got.verified, row[3]);
		assert_int_equal(got.batches, 1);
	}
	/* a full ring, in several batches */
	memset(&got, 0, sizeof(got));
	for (unsigned i = 0; i < RING; i++) {
		nic->rx[i].bytes = 100;
		nic->rx[i].errors = 0;
		nic->rx[i].status = 3;
	}
	e1000_interrupt(nic, 0);
	assert_int_equal(got.frames, RING);
	assert_int_equal(got.batches, 4);
	net->receive = NULL;
	net->receive_done = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_software),       cmocka_unit_test(says_what_it_takes),
		cmocka_unit_test(contexts_are_kept), cmocka_unit_test(a_full_ring),
		cmocka_unit_test(receives),
	};

	return cmocka_run_group_tests_name("e1000", tests, NULL, NULL);
}
