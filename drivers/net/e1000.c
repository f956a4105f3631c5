/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intel's gigabit controllers 82540EM, 82545EM and 82574. Frames are copied to
 * and from buffers that stay in place; received ones are handed on from there.
 * There are no transmit interrupts: sending looks for what is done. A frame whose checksum or
 * whose segments are left to the card has a context in front, and as many buffers as it fills.
 */
#include "drivers/net/e1000.h"

#include <stdlib.h>
#include <string.h>

#define MS        1000000ull
#define RESET_NS  (10 * MS) /* 82574: the EEPROM is read again */
#define WATCH_NS  (2000 * MS)
#define POLL_NS   (1 * MS)
#define RX_RETURN 64u /* descriptors given back at once, with a batch behind them */
/* At most 20000 interrupts a second, in units of 256 ns; the first one after
 * a pause is not delayed. */
#define THROTTLE 195u

/* Of headers, from the start of IP's */
#define IP4_LENGTH   2u
#define IP4_CHECKSUM 10u
#define IP6_LENGTH   4u

static uint32_t reg_read(struct e1000 *nic, enum e1000_register offset)
{
	return *(volatile uint32_t *)(nic->regs + offset);
}

static void reg_write(struct e1000 *nic, enum e1000_register offset, uint32_t value)
{
	dma_barrier();
	*(volatile uint32_t *)(nic->regs + offset) = value;
}

static unsigned tx_in_use(const struct e1000 *nic)
{
	return nic->tx_next - nic->tx_clean;
}

/* The card reports the last descriptor of each frame. Some do so a moment before they have fetched
 * all of a long one (82546GB, erratum 1): its buffers are used again a whole ring later. */
static void tx_reclaim(struct e1000 *nic)
{
	while (nic->tx_clean != nic->tx_told) {
		unsigned next = nic->tx_clean + nic->tx_span[nic->tx_clean % RING];

		if (!(nic->tx[(next - 1) % RING].status & TX_DD))
			break;
		nic->tx_clean = next;
	}
	dma_barrier();
}

static void e1000_flush(struct netdev *net)
{
	struct e1000 *nic = net->driver;

	if (nic->tx_told == nic->tx_next || !nic->running)
		return;
	nic->tx_told = nic->tx_next;
	reg_write(nic, E1000_TDT, nic->tx_next % RING);
	if (!nic->watching) {
		nic->watching = true;
		nic->tx_seen = nic->tx_clean;
		timer_set(&nic->watch_timer, clock_ns() + WATCH_NS);
	}
}

/* Returns how many bytes a frame has, 0 if these are more than `most`. */
static uint32_t frame_bytes(const struct net_piece *piece, unsigned pieces, uint32_t most)
{
	uint32_t bytes = 0;

	for (unsigned i = 0; i < pieces; i++) {
		if (piece[i].bytes > most - bytes)
			return 0;
		bytes += piece[i].bytes;
	}
	return bytes;
}

/* One descriptor stays free: a full ring would look empty (3.4). */
static bool tx_room(struct e1000 *nic, unsigned descriptors)
{
	if (tx_in_use(nic) + descriptors >= RING)
		tx_reclaim(nic);
	return tx_in_use(nic) + descriptors < RING;
}

/* Copies a frame into the buffers from number `at` on: neighbours in the ring are neighbours in
 * memory, but for the last one and the first. Returns where the frame begins. */
static uint8_t *tx_copy(struct e1000 *nic, unsigned at, const struct net_piece *piece,
			unsigned pieces)
{
	uint8_t *start = nic->tx_buffer + at % RING * BUFFER, *to = start;
	uint8_t *end = nic->tx_buffer + (size_t)RING * BUFFER;

	for (unsigned i = 0; i < pieces; i++) {
		const uint8_t *from = piece[i].data;
		size_t bytes = piece[i].bytes, room = (size_t)(end - to);

		if (bytes > room) {
			memcpy(to, from, room);
			from += room;
			bytes -= room;
			to = nic->tx_buffer;
		}
		memcpy(to, from, bytes);
		to += bytes;
	}
	return start;
}

/* Describes the frame whose bytes are in the buffers from number `at` on; returns the number
 * behind it. */
static unsigned tx_describe(struct e1000 *nic, unsigned at, uint32_t bytes, uint32_t command,
			    uint8_t options)
{
	do {
		unsigned index = at++ % RING;
		volatile struct e1000_tx *tx = &nic->tx[index];
		uint32_t n = bytes < BUFFER ? bytes : BUFFER;

		bytes -= n;
		tx->bus = nic->tx_buffer_bus + index * BUFFER;
		tx->command = command | n | (bytes ? 0 : TX_EOP | TX_RS);
		tx->status = 0;
		tx->options = options;
		tx->segment = 0;
	} while (bytes);
	return at;
}

static void put_context(struct e1000 *nic, unsigned at, const struct e1000_tx *context)
{
	volatile struct e1000_tx *tx = &nic->tx[at % RING];

	tx->bus = context->bus;
	tx->command = context->command | TX_CONTEXT | CONTEXT_IS_TCP;
	tx->status = 0;
	tx->options = context->options;
	tx->segment = context->segment;
}

/* A frame whose checksum is left to the card. Frames in a row mostly have it at the same place:
 * one context is for all of them. */
static unsigned tx_sum(struct e1000 *nic, const struct net_piece *piece, unsigned pieces,
		       uint32_t bytes, const struct net_offload *left)
{
	uint64_t place = CONTEXT_TCP(left->start, left->start + left->offset);
	unsigned at = nic->tx_next;

	if (nic->tx_context != place) {
		put_context(nic, at++, &(struct e1000_tx){.bus = place});
		nic->tx_context = place;
	}
	tx_copy(nic, at, piece, pieces);
	return tx_describe(nic, at, bytes, TX_DATA | TX_IFCS, TX_TXSM);
}

/* The card's demands on the headers (8254x: 3.5.5): the length of IP's packet and its sum are 0,
 * and the sum of the pseudo header has no length in it. */
static void clear_lengths(uint8_t *frame, unsigned link, bool ip4, const struct net_offload *left,
			  uint32_t bytes)
{
	uint8_t *ip = frame + link, *sum = frame + left->start + left->offset;
	uint32_t value = get_be16(sum) + (0xffff ^ (bytes - left->start));

	put_be16(ip + (ip4 ? IP4_LENGTH : IP6_LENGTH), 0);
	if (ip4)
		put_be16(ip + IP4_CHECKSUM, 0);
	put_be16(sum, (value >> 16) + (value & 0xffff));
}

/* A long frame that the card cuts. */
static unsigned tx_long(struct e1000 *nic, const struct net_piece *piece, unsigned pieces,
			uint32_t bytes, const struct net_offload *left)
{
	unsigned at = nic->tx_next, link = link_bytes(piece[0].data), tcp = left->start;
	bool ip4 = left->needs & NET_TCP4;
	struct e1000_tx context = {
		.bus = CONTEXT_TCP(tcp, tcp + left->offset) |
		       (ip4 ? CONTEXT_IP(link, link + IP4_CHECKSUM, tcp - 1) : 0),
		.command = (bytes - left->headers) | TX_TSE | (ip4 ? CONTEXT_IS_IP4 : 0),
		.options = (uint8_t)left->headers,
		.segment = left->segment,
	};

	put_context(nic, at++, &context);
	nic->tx_context = 0;
	clear_lengths(tx_copy(nic, at, piece, pieces), link, ip4, left, bytes);
	return tx_describe(nic, at, bytes, TX_DATA | TX_IFCS | TX_TSE,
			   ip4 ? TX_IXSM | TX_TXSM : TX_TXSM);
}

/* A long frame leaves the card as several ones, each with the headers. */
static void count_cut(struct netdev *net, uint32_t bytes, const struct net_offload *left)
{
	uint32_t more = (bytes - left->headers - 1) / left->segment;

	net->tx_frames += more;
	net->tx_bytes += (uint64_t)more * left->headers;
}

static bool e1000_send(struct netdev *net, const struct net_piece *piece, unsigned pieces,
		       const struct net_offload *left)
{
	struct e1000 *nic = net->driver;
	bool cut = left && left->needs & (NET_TCP4 | NET_TCP6);
	uint32_t bytes =
		frame_bytes(piece, pieces, cut ? NET_LONG_FRAME + VLAN_TAG : NET_FRAME_MAX);
	unsigned first = nic->tx_next;

	if (!bytes || !nic->running || !net->link_up ||
	    !tx_room(nic, 1 + (bytes + BUFFER - 1) / BUFFER)) {
		net->tx_dropped++;
		return false;
	}
	if (cut) {
		nic->tx_next = tx_long(nic, piece, pieces, bytes, left);
		count_cut(net, bytes, left);
	} else if (left) {
		nic->tx_next = tx_sum(nic, piece, pieces, bytes, left);
	} else {
		tx_copy(nic, first, piece, pieces);
		nic->tx_next = tx_describe(nic, first, bytes, TX_IFCS, 0);
	}
	nic->tx_span[first % RING] = (uint8_t)(nic->tx_next - first);
	net->tx_frames++;
	net->tx_bytes += bytes;
	if (nic->tx_next - nic->tx_told >= RING / 2)
		e1000_flush(net);
	return true;
}

/* Hands a frame on. Without long frames every good one fits one buffer. The receiver looks at wrong
 * sums of IP and above itself. */
static void receive_one(struct e1000 *nic, unsigned index)
{
	struct netdev *net = &nic->net;
	const volatile struct e1000_rx *rx = &nic->rx[index];
	uint8_t status = rx->status, errors = rx->errors;
	uint16_t bytes = rx->bytes;

	if (!(status & RX_EOP) || errors & ~(RX_TCPE | RX_IPE) || bytes < ETHERNET ||
	    bytes > NET_FRAME_MAX) {
		net->rx_dropped++;
		return;
	}
	net->rx_frames++;
	net->rx_bytes += bytes;
	if (net->receive)
		net->receive(net, nic->rx_buffer + index * BUFFER, bytes,
			     !errors && (status & (RX_TCPCS | RX_IXSM)) == RX_TCPCS);
}

/* Ends a batch: nobody looks at its frames any more, and the card gets their buffers back. */
static void receive_done(struct e1000 *nic)
{
	if (nic->net.receive_done)
		nic->net.receive_done(&nic->net);
	reg_write(nic, E1000_RDT, (nic->rx_next - 1) % RING);
}

/* Hands received frames on, at most as many as the ring holds: for those that
 * come meanwhile there is another interrupt. */
static void receive(struct e1000 *nic)
{
	unsigned count = 0;

	while (count < RING && nic->rx[nic->rx_next].status & RX_DD) {
		dma_barrier();
		receive_one(nic, nic->rx_next);
		nic->rx[nic->rx_next].status = 0;
		nic->rx_next = (nic->rx_next + 1) % RING;
		if (++count % RX_RETURN == 0)
			receive_done(nic);
	}
	if (count % RX_RETURN)
		receive_done(nic);
}

static void look_at_link(struct e1000 *nic)
{
	struct netdev *net = &nic->net;
	bool up = reg_read(nic, E1000_STATUS) & STATUS_LU;

	if (up == net->link_up)
		return;
	net->link_up = up;
	driver_log("%s: link %s\n", net->name, up ? "up" : "down");
	if (net->link_changed)
		net->link_changed(net);
}

static void e1000_interrupt(void *context, unsigned vector)
{
	struct e1000 *nic = context;
	uint32_t cause = reg_read(nic, E1000_ICR);

	(void)vector;
	/* With MSI-X reading does not clear the causes (82574: 10.2.4.1). */
	if (nic->pcie)
		reg_write(nic, E1000_ICR, cause);
	if (!nic->running)
		return;
	if (cause & INT_LSC)
		look_at_link(nic);
	if (cause & INT_RXO)
		nic->net.rx_dropped += reg_read(nic, E1000_MPC);
	receive(nic);
}

static void poll_timer(struct timer *timer)
{
	struct e1000 *nic = timer->context;

	e1000_interrupt(nic, 0);
	timer_set(timer, clock_ns() + POLL_NS);
}

static void begin_reset(struct e1000 *nic)
{
	nic->running = false;
	reg_write(nic, E1000_IMC, ~0u);
	reg_write(nic, E1000_RCTL, 0);
	reg_write(nic, E1000_TCTL, 0);
	reg_write(nic, E1000_CTRL, reg_read(nic, E1000_CTRL) | CTRL_RST);
	timer_set(&nic->reset_timer, clock_ns() + RESET_NS);
}

/* Runs while frames are on their way: the ring must move. */
static void watch_timer(struct timer *timer)
{
	struct e1000 *nic = timer->context;

	nic->watching = false;
	if (!nic->running)
		return;
	tx_reclaim(nic);
	if (nic->tx_clean == nic->tx_told)
		return;
	if (nic->tx_clean == nic->tx_seen && nic->net.link_up) {
		if (!(nic->hangs & (nic->hangs + 1)))
			driver_log("%s: sending hangs, resetting the card\n", nic->net.name);
		nic->hangs++;
		begin_reset(nic);
		return;
	}
	nic->tx_seen = nic->tx_clean;
	nic->watching = true;
	timer_set(timer, clock_ns() + WATCH_NS);
}

static void rings_start(struct e1000 *nic)
{
	for (unsigned i = 0; i < RING; i++) {
		nic->rx[i].bus = nic->rx_buffer_bus + i * BUFFER;
		nic->rx[i].status = 0;
		nic->tx[i].status = 0;
	}
	nic->rx_next = 0;
	for (; nic->tx_clean != nic->tx_next; nic->tx_clean += nic->tx_span[nic->tx_clean % RING])
		nic->net.tx_dropped++;
	nic->tx_next = nic->tx_clean = nic->tx_told = 0;
	nic->tx_context = 0;

	reg_write(nic, E1000_RDBAL, (uint32_t)nic->rx_bus);
	reg_write(nic, E1000_RDBAH, (uint32_t)(nic->rx_bus >> 32));
	reg_write(nic, E1000_RDLEN, RING * sizeof(struct e1000_rx));
	reg_write(nic, E1000_RDH, 0);
	reg_write(nic, E1000_RDT, 0);
	reg_write(nic, E1000_RDTR, 0);
	reg_write(nic, E1000_RADV, 0);
	reg_write(nic, E1000_TDBAL, (uint32_t)nic->tx_bus);
	reg_write(nic, E1000_TDBAH, (uint32_t)(nic->tx_bus >> 32));
	reg_write(nic, E1000_TDLEN, RING * sizeof(struct e1000_tx));
	reg_write(nic, E1000_TDH, 0);
	reg_write(nic, E1000_TDT, 0);
}

static void set_address(struct e1000 *nic)
{
	const uint8_t *mac = nic->net.mac;

	reg_write(nic, E1000_RAL,
		  (uint32_t)mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 |
			  (uint32_t)mac[3] << 24);
	reg_write(nic, E1000_RAH, (uint32_t)mac[4] | (uint32_t)mac[5] << 8 | RAH_AV);
	for (unsigned i = 0; i < 128; i++)
		reg_write(nic, E1000_MTA + 4 * i, 0);
}

static void interrupts_start(struct e1000 *nic)
{
	uint32_t causes = INT_RXT | INT_RXDMT | INT_RXO | INT_LSC;

	reg_read(nic, E1000_ICR);
	reg_write(nic, E1000_ITR, THROTTLE);
	if (nic->pcie) {
		/* All causes to vector 0, should it be MSI-X (10.2.4.9). */
		reg_write(nic, E1000_EIAC, 0);
		reg_write(nic, E1000_IVAR, 0x00088888u);
		reg_write(nic, E1000_EITR, THROTTLE);
		causes |= INT_RXQ0 | INT_OTHER;
	}
	if (!nic->polled)
		reg_write(nic, E1000_IMS, causes);
}

/* The reset is over: set everything up (14.3 to 14.5). */
static void reset_timer(struct timer *timer)
{
	struct e1000 *nic = timer->context;
	uint32_t ctrl = reg_read(nic, E1000_CTRL);

	reg_write(nic, E1000_IMC, ~0u);
	ctrl &= ~(CTRL_LRST | CTRL_ILOS | CTRL_FRCSPD | CTRL_FRCDPX | CTRL_VME | CTRL_PHY_RST);
	reg_write(nic, E1000_CTRL, ctrl | CTRL_FD | CTRL_ASDE | CTRL_SLU);
	if (nic->pcie) {
		reg_write(nic, E1000_CTRL_EXT, reg_read(nic, E1000_CTRL_EXT) | CTRL_EXT_DRV_LOAD);
		reg_write(nic, E1000_RFCTL, 0); /* legacy descriptors */
		reg_write(nic, E1000_TARC, (reg_read(nic, E1000_TARC) & ~TARC_CLEAR) | TARC_SET);
	}
	set_address(nic);
	rings_start(nic);
	/* Granularity of descriptors; bit 22 must be set on the 82574. */
	reg_write(nic, E1000_TXDCTL, 0x01410000u);
	reg_write(nic, E1000_TIPG, 0x0060200au);
	reg_write(nic, E1000_TCTL, TCTL_EN | TCTL_PSP | TCTL_CT | TCTL_COLD);
	reg_write(nic, E1000_RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD);
	/* A bridge listens to all. */
	reg_write(nic, E1000_RCTL, RCTL_EN | RCTL_UPE | RCTL_MPE | RCTL_BAM | RCTL_SECRC);
	reg_write(nic, E1000_RDT, RING - 1);
	nic->running = true;
	interrupts_start(nic);
	look_at_link(nic);
}

static bool eeprom_read(struct e1000 *nic, unsigned word, uint16_t *value)
{
	/* 8254x: done is bit 4, the address from bit 8; 82574: 1 and 2. */
	unsigned done = nic->pcie ? 0x02 : 0x10;

	reg_write(nic, E1000_EERD, 1 | word << (nic->pcie ? 2 : 8));
	for (unsigned i = 0; i < 200; i++) {
		uint32_t answer = reg_read(nic, E1000_EERD);

		if (answer & done) {
			*value = (uint16_t)(answer >> 16);
			return true;
		}
		clock_delay_ns(5000);
	}
	return false;
}

static bool address_good(const uint8_t *mac)
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, 6);
}

/* The address: in the registers, where the EEPROM was loaded at power-on, or
 * else in the EEPROM. */
static bool find_address(struct e1000 *nic)
{
	uint8_t *mac = nic->net.mac;
	uint32_t low = reg_read(nic, E1000_RAL), high = reg_read(nic, E1000_RAH);

	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)(i < 4 ? low >> 8 * i : high >> 8 * (i - 4));
	if (high & RAH_AV && address_good(mac))
		return true;
	for (unsigned i = 0; i < 3; i++) {
		uint16_t word;

		if (!eeprom_read(nic, i, &word))
			return false;
		mac[2 * i] = (uint8_t)word;
		mac[2 * i + 1] = (uint8_t)(word >> 8);
	}
	return address_good(mac);
}

static bool e1000_alloc(struct e1000 *nic)
{
	nic->rx = dma_alloc(RING * sizeof(struct e1000_rx), &nic->rx_bus);
	nic->tx = dma_alloc(RING * sizeof(struct e1000_tx), &nic->tx_bus);
	nic->rx_buffer = dma_alloc((size_t)RING * BUFFER, &nic->rx_buffer_bus);
	nic->tx_buffer = dma_alloc((size_t)RING * BUFFER, &nic->tx_buffer_bus);
	return nic->rx && nic->tx && nic->rx_buffer && nic->tx_buffer;
}

static void e1000_free(struct e1000 *nic)
{
	dma_free((void *)nic->rx, RING * sizeof(struct e1000_rx));
	dma_free((void *)nic->tx, RING * sizeof(struct e1000_tx));
	dma_free(nic->rx_buffer, (size_t)RING * BUFFER);
	dma_free(nic->tx_buffer, (size_t)RING * BUFFER);
	free(nic);
}

static const char *e1000_start(struct e1000 *nic)
{
	struct pci_device *pci = nic->pci;

	if (pci->bar[0].size >= 0x6000)
		nic->regs = pci_map(pci, 0);
	if (!nic->regs || reg_read(nic, E1000_STATUS) == ~0u)
		return "no registers";
	/* Firmware or an earlier owner may have left the card receiving. */
	reg_write(nic, E1000_IMC, ~0u);
	reg_write(nic, E1000_RCTL, 0);
	reg_write(nic, E1000_TCTL, 0);
	if (!find_address(nic))
		return "no MAC address";
	if (!e1000_alloc(nic))
		return "no memory";
	return NULL;
}

/*
 * All of them compute the checksum of TCP and cut long segments; the 8254x of emulators makes wrong
 * lengths in those of IPv6. The 82574 of QEMU before 8.1, by its subsystem, makes fragments of IP
 * in place of segments.
 */
static unsigned takes(const struct e1000 *nic)
{
	const struct pci_device *pci = nic->pci;

	if (!nic->pcie)
		return NET_CHECKSUM | NET_TCP4;
	if (pci->subvendor == 0x8086 && !pci->subdevice)
		return NET_CHECKSUM;
	return NET_CHECKSUM | NET_TCP4 | NET_TCP6;
}

static bool e1000_probe(struct pci_device *pci)
{
	static const uint16_t devices[] = {0x100e, 0x100f, 0x10d3};
	struct e1000 *nic;
	const char *why;
	bool known = false;

	for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		known |= pci->vendor == 0x8086 && pci->device == devices[i];
	if (!known)
		return false;
	nic = calloc(1, sizeof(*nic));
	if (!nic)
		return false;
	nic->pci = pci;
	nic->pcie = pci->device == 0x10d3;
	net_name(&nic->net);
	pci_enable(pci, nic->net.name);
	why = e1000_start(nic);
	if (why) {
		driver_log("e1000 %s: %s, not used\n", pci->name, why);
		e1000_free(nic);
		return true;
	}
	timer_init(&nic->reset_timer, reset_timer, nic);
	timer_init(&nic->watch_timer, watch_timer, nic);
	timer_init(&nic->poll_timer, poll_timer, nic);
	nic->net.send = e1000_send;
	nic->net.flush = e1000_flush;
	nic->net.driver = nic;
	nic->net.takes = takes(nic);
	begin_reset(nic);
	nic->polled = !pci_irq_setup(pci, 1, e1000_interrupt, nic);
	if (nic->polled)
		timer_set(&nic->poll_timer, clock_ns() + POLL_NS);
	net_register(&nic->net);
	driver_log("%s: %02x:%02x:%02x:%02x:%02x:%02x, %s\n", nic->net.name, nic->net.mac[0],
		   nic->net.mac[1], nic->net.mac[2], nic->net.mac[3], nic->net.mac[4],
		   nic->net.mac[5], nic->pcie ? "82574" : "8254x");
	return true;
}

const struct pci_driver e1000_driver = {"e1000", e1000_probe};
