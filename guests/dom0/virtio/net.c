/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network devices, virtio 1.2 section 5.1. A guest's frames go from its memory
 * through the switch to the receiver's memory with one copy, the delivery.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/net/switch.h"
#include "guests/dom0/virtio/device.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/cpu.h"

#define RX 0u
#define TX 1u

#define STATUS_LINK_UP 1u
#define MTU            1500u

/* Work that a guest may leave to us, and we to it. */
#define OFFLOADS                                                                \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_HOST_TSO4 | \
	 VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6)

/* In one go from a guest: then the others have their turn. */
#define TX_FRAMES 64u

/* Buffers that one received frame may be spread over. */
#define RX_BUFFERS 64u

/* Section 5.1.6, struct virtio_net_hdr. */
struct net_header {
	uint8_t flags, gso_type;
	uint16_t header_bytes, gso_bytes, csum_start, csum_offset;
	uint16_t buffers;
} __attribute__((packed));
#define HEADER_NEEDS_CSUM 1u
#define HEADER_DATA_VALID 2u
#define HEADER_GSO_TCP4   1u
#define HEADER_GSO_TCP6   4u
#define HEADER_BYTES      12u
#define HEADER_BUFFERS    10u /* offset of the last member */

/* Section 5.1.4, struct virtio_net_config, as far as its features go. */
struct net_config {
	uint8_t mac[6];
	uint16_t status;
	uint16_t queue_pairs; /* not negotiated */
	uint16_t mtu;
} __attribute__((packed));

struct net {
	struct virtio_device *dev;
	struct net_port port;
	struct work work; /* more frames to send */
	uint32_t part;    /* bytes of data that are sent of the long frame that comes next */
	bool detached;
	/* Of port.dropped: no room in the guest; beside it: no frame at all. */
	uint64_t rx_dropped, tx_dropped;
};

/* The pieces of the frame that a guest sends: one at a time in dom0. */
static struct net_piece tx_piece[QUEUE_MAX_SEGMENTS + 1];

/* --- from the guest ------------------------------------------------------- */

/* The pieces behind the header in a chain that the guest sends. */
static unsigned frame_pieces(const struct queue_chain *chain)
{
	uint32_t skip = HEADER_BYTES;
	unsigned pieces = 0;

	for (unsigned i = 0; i < chain->out; i++) {
		const struct queue_segment *segment = &chain->segment[i];

		if (skip >= segment->bytes) {
			skip -= segment->bytes;
			continue;
		}
		tx_piece[pieces++] = (struct net_piece){
			.data = segment->data + skip,
			.bytes = segment->bytes - skip,
		};
		skip = 0;
	}
	return pieces;
}

/* The work that the sender has left; the switch refuses combinations without sense. */
static void read_header(const struct net_header *header, struct net_offload *offload)
{
	*offload = (struct net_offload){
		.start = header->csum_start,
		.offset = header->csum_offset,
		.segment = header->gso_bytes,
	};
	if (header->flags & HEADER_NEEDS_CSUM)
		offload->needs = NET_CHECKSUM;
	if (header->gso_type == HEADER_GSO_TCP4)
		offload->needs |= NET_TCP4;
	else if (header->gso_type == HEADER_GSO_TCP6)
		offload->needs |= NET_TCP6;
}

/* Of the pieces, `bytes` from byte `skip` on, behind the first place of tx_piece; returns how many
 * pieces there are with that place. */
static unsigned cut_pieces(unsigned pieces, uint32_t skip, uint32_t bytes)
{
	static struct net_piece cut[QUEUE_MAX_SEGMENTS + 1];
	unsigned n = 1;

	for (unsigned i = 0; i < pieces && bytes; i++) {
		uint32_t from = skip < tx_piece[i].bytes ? skip : tx_piece[i].bytes;
		uint32_t take = tx_piece[i].bytes - from;

		skip -= from;
		if (take > bytes)
			take = bytes;
		bytes -= take;
		if (take)
			cut[n++] =
				(struct net_piece){(const uint8_t *)tx_piece[i].data + from, take};
	}
	memcpy(tx_piece, cut, sizeof(*cut) * n);
	return n;
}

/*
 * A long frame of so many segments that others would wait for all of them: the next TX_FRAMES of
 * them as a long frame of their own. Returns true if these were the last ones.
 */
static bool send_part(struct net *net, const struct queue_chain *chain, unsigned pieces,
		      struct net_offload *offload)
{
	static uint8_t header[OFFLOAD_HEADERS];
	uint32_t frame_bytes = (uint32_t)chain->out_bytes - HEADER_BYTES, all, bytes;
	unsigned have = offload_looks_at(offload, frame_bytes);

	queue_read(chain, HEADER_BYTES, header, have);
	if (frame_bytes > NET_LONG_FRAME || !offload_check(offload, header, have, frame_bytes)) {
		net->tx_dropped++;
		return true;
	}
	all = frame_bytes - offload->headers;
	if (net->part >= all || net->part % offload->segment) /* the guest has changed the frame */
		net->part = 0;
	bytes = all - net->part;
	if (bytes > TX_FRAMES * offload->segment)
		bytes = TX_FRAMES * offload->segment;
	offload_part(offload, header, net->part, bytes, all);
	pieces = cut_pieces(pieces, offload->headers + net->part, bytes);
	tx_piece[0] = (struct net_piece){header, offload->headers};
	switch_input_offload(&net->port, tx_piece, pieces, offload);
	net->part += bytes;
	return net->part == all;
}

/* Sends a frame, or a part of it; returns true if all of it is sent. *cost: how many frames it
 * counts for. */
static bool send_chain(struct net *net, const struct queue_chain *chain, unsigned *cost)
{
	struct net_header header;
	struct net_offload offload;
	unsigned pieces;

	*cost = 1;
	if (chain->out_bytes <= HEADER_BYTES) {
		net->tx_dropped++;
		return true;
	}
	queue_read(chain, 0, &header, sizeof(header));
	pieces = frame_pieces(chain);
	if (!header.flags && !header.gso_type) {
		switch_input(&net->port, tx_piece, pieces);
		return true;
	}
	read_header(&header, &offload);
	if (offload.segment && offload.needs & (NET_TCP4 | NET_TCP6))
		*cost = 1 + (unsigned)(chain->out_bytes / offload.segment);
	if (*cost > TX_FRAMES)
		return send_part(net, chain, pieces, &offload);
	switch_input_offload(&net->port, tx_piece, pieces, &offload);
	return true;
}

static void send_frames(struct net *net)
{
	struct virtqueue *queue = &net->dev->queue[TX];
	unsigned budget = TX_FRAMES, cost;
	bool more = true;

	queue_suppress(queue);
	while (more) {
		while (budget) {
			struct queue_chain *chain = queue_pop(queue);
			struct queue_used used;

			if (!chain)
				break;
			used = (struct queue_used){.head = chain->head};
			if (send_chain(net, chain, &cost)) {
				queue_push(queue, &used, 1);
				net->part = 0;
			} else {
				queue_unpop(queue, used.head);
			}
			budget -= cost < budget ? cost : budget;
		}
		/* Out of budget: the rest later, and no doorbell meanwhile. */
		if (!budget) {
			work_queue(&net->work);
			break;
		}
		more = queue_unsuppress(queue);
	}
	queue_signal(queue);
	switch_flush();
}

static void send_more(struct work *work)
{
	struct net *net = work->context;

	uint64_t start = rdtsc();

	if (net->detached) {
		free(net);
		return;
	}
	if (virtio_running(net->dev))
		send_frames(net);
	net->dev->vm->dom0_tsc += rdtsc() - start;
}

/* --- to the guest --------------------------------------------------------- */

/* Returns the place of byte `offset` of the buffers that the device may write. */
static uint8_t *locate(const struct queue_chain *chain, size_t offset)
{
	for (unsigned i = 0; i < chain->in; i++) {
		const struct queue_segment *segment = &chain->segment[chain->out + i];

		if (offset < segment->bytes)
			return segment->data + offset;
		offset -= segment->bytes;
	}
	return NULL;
}

/* A frame on its way into the guest's buffers. */
struct delivery {
	const struct net_piece *piece;
	size_t skip;   /* of the first piece */
	unsigned left; /* bytes */
	struct queue_used used[RX_BUFFERS];
	unsigned buffers;
};

/* Fills a chain from its byte `at` on with as much of the frame as fits;
 * returns the bytes used of the chain. */
static uint32_t fill(struct delivery *d, const struct queue_chain *chain, uint32_t at)
{
	const struct queue_segment *segment = &chain->segment[chain->out];
	uint32_t used = at;

	for (unsigned i = 0; i < chain->in && d->left; i++, segment++) {
		uint32_t start = at < segment->bytes ? at : segment->bytes;

		at -= start;
		while (start < segment->bytes && d->left) {
			size_t n = d->piece->bytes - d->skip;

			if (n > segment->bytes - start)
				n = segment->bytes - start;
			memcpy(segment->data + start, (const uint8_t *)d->piece->data + d->skip, n);
			start += (uint32_t)n;
			used += (uint32_t)n;
			d->left -= (unsigned)n;
			d->skip += n;
			if (d->skip == d->piece->bytes) {
				d->piece++;
				d->skip = 0;
			}
		}
	}
	return used;
}

/* Undoes a delivery for which there were not enough buffers. */
static void put_back(struct virtqueue *queue, struct delivery *d)
{
	while (d->buffers)
		queue_unpop(queue, d->used[--d->buffers].head);
}

/* The header of a received frame, section 5.1.6.4.1, for a driver that has agreed to `takes`. */
static struct net_header make_header(const struct net_offload *offload, unsigned takes)
{
	struct net_header header = {.buffers = 1};

	if (!offload)
		return header;
	if (!offload->needs) {
		header.flags = takes & NET_CHECKSUM ? HEADER_DATA_VALID : 0;
		return header;
	}
	header.flags = HEADER_NEEDS_CSUM;
	header.csum_start = offload->start;
	header.csum_offset = offload->offset;
	if (!(offload->needs & (NET_TCP4 | NET_TCP6)))
		return header;
	header.gso_type = offload->needs & NET_TCP4 ? HEADER_GSO_TCP4 : HEADER_GSO_TCP6;
	header.gso_bytes = offload->segment;
	header.header_bytes = offload->headers;
	return header;
}

/* Writes the header of a frame; `count` are the places of its last member, which may lie anywhere.
 */
static void put_header(const struct queue_chain *chain, const struct net_header *header,
		       uint8_t *count[2])
{
	const struct queue_segment *first = &chain->segment[chain->out];

	if (first->bytes >= HEADER_BYTES) {
		memcpy(first->data, header, sizeof(*header));
		count[0] = first->data + HEADER_BUFFERS;
		count[1] = count[0] + 1;
		return;
	}
	queue_write(chain, 0, header, sizeof(*header));
	count[0] = locate(chain, HEADER_BUFFERS);
	count[1] = locate(chain, HEADER_BUFFERS + 1);
}

static bool deliver_to(struct net *net, struct delivery *d)
{
	struct virtqueue *queue = &net->dev->queue[RX];
	bool mergeable = net->dev->state->negotiated & VIRTIO_NET_F_MRG_RXBUF;
	uint8_t *count[2] = {NULL, NULL};

	do {
		struct queue_chain *chain = NULL;
		uint32_t at = 0;

		if (d->buffers < (mergeable ? RX_BUFFERS : 1))
			chain = queue_pop(queue);
		if (!chain) {
			put_back(queue, d);
			return false;
		}
		d->used[d->buffers++].head = chain->head;
		if (d->buffers == 1) {
			struct net_header header = make_header(net->port.offload, net->port.takes);

			if (chain->in_bytes < HEADER_BYTES) {
				virtio_broken(net->dev, "a receive buffer is too small");
				return false;
			}
			put_header(chain, &header, count);
			at = HEADER_BYTES;
		}
		d->used[d->buffers - 1].bytes = fill(d, chain, at);
	} while (d->left);
	if (d->buffers > 1) {
		*count[0] = (uint8_t)d->buffers;
		*count[1] = 0;
	}
	queue_push(queue, d->used, d->buffers);
	return true;
}

static bool net_deliver(struct net_port *port, const struct net_piece *piece, unsigned pieces,
			unsigned bytes)
{
	struct net *net = port->context;
	struct delivery d;

	(void)pieces;
	/* Its array is not for each frame to be cleared. */
	d.piece = piece;
	d.skip = 0;
	d.left = bytes;
	d.buffers = 0;
	if (queue_live(&net->dev->queue[RX]) && virtio_running(net->dev) && deliver_to(net, &d))
		return true;
	net->rx_dropped++;
	return false;
}

static void net_deliver_done(struct net_port *port)
{
	struct net *net = port->context;

	queue_signal(&net->dev->queue[RX]);
}

/* --- the device ----------------------------------------------------------- */

static const char *net_attach(struct virtio_device *dev, const struct vm_config *config, bool fresh)
{
	const struct config_nic *nic = &config->nic[dev->ordinal];
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return "out of memory";
	if (fresh) {
		dev->state->offered |= VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MTU |
				       VIRTIO_NET_F_MRG_RXBUF | OFFLOADS;
		memcpy(dev->state->net.mac, nic->mac, sizeof(nic->mac));
		dev->state->net.link_up = !nic->link_down;
	}
	dev->backend = net;
	net->dev = dev;
	net->work = (struct work){.run = send_more, .context = net};
	snprintf(net->port.name, sizeof(net->port.name), "%.24s/%u", dev->vm->name, dev->ordinal);
	net->port.link_up = dev->state->net.link_up;
	net->port.vlan = nic->vlan;
	net->port.deliver = net_deliver;
	net->port.deliver_done = net_deliver_done;
	net->port.context = net;
	memcpy(net->port.mac, dev->state->net.mac, sizeof(net->port.mac));
	switch_add(&net->port);
	return NULL;
}

static void net_config(const struct virtio_device *dev, uint8_t space[VIRTIO_CONFIG_BYTES])
{
	struct net_config config = {
		.status = dev->state->net.link_up ? STATUS_LINK_UP : 0,
		.mtu = MTU,
	};

	memcpy(config.mac, dev->state->net.mac, sizeof(config.mac));
	memcpy(space, &config, sizeof(config));
}

/* The work that the driver has agreed to take. */
static unsigned takes(uint64_t features)
{
	return (features & VIRTIO_NET_F_GUEST_CSUM ? NET_CHECKSUM | NET_ODD : 0) |
	       (features & VIRTIO_NET_F_GUEST_TSO4 ? NET_TCP4 : 0) |
	       (features & VIRTIO_NET_F_GUEST_TSO6 ? NET_TCP6 : 0);
}

static void net_start(struct virtio_device *dev)
{
	struct net *net = dev->backend;

	net->part = 0;
	net->port.takes = takes(dev->state->negotiated);
	/* Frames are not kept: those that an earlier dom0 had in hand count as
	 * sent, and as received broken. */
	queue_return_all(&dev->queue[RX]);
	queue_return_all(&dev->queue[TX]);
	/* New receive buffers are looked for when a frame comes. */
	queue_suppress(&dev->queue[RX]);
}

static void net_notify(struct virtio_device *dev, struct virtqueue *queue)
{
	if (queue->index == TX)
		send_frames(dev->backend);
}

static void net_stop(struct virtio_device *dev)
{
	(void)dev;
}

static bool net_quiet(const struct virtio_device *dev)
{
	(void)dev;
	return true;
}

static void net_detach(struct virtio_device *dev)
{
	struct net *net = dev->backend;

	switch_remove(&net->port);
	net->detached = true;
	if (!net->work.queued)
		free(net);
}

const struct virtio_type virtio_net_type = {
	.name = "net",
	.type = VIRTIO_NET,
	.class_code = 0x020000,
	.queues = 2,
	.attach = net_attach,
	.config = net_config,
	.start = net_start,
	.notify = net_notify,
	.stop = net_stop,
	.quiet = net_quiet,
	.detach = net_detach,
};

bool virtio_net_stats(const struct vm *vm, unsigned nic, struct virtio_net_stats *stats)
{
	struct virtio_device *dev = virtio_find(vm, VIRTIO_NET, nic);

	if (!dev)
		return false;
	const struct net *net = dev->backend;
	*stats = (struct virtio_net_stats){
		.rx_frames = net->port.tx_frames,
		.rx_bytes = net->port.tx_bytes,
		.rx_dropped = net->rx_dropped,
		.tx_frames = net->port.rx_frames,
		.tx_bytes = net->port.rx_bytes,
		.tx_dropped = net->tx_dropped + net->port.dropped - net->rx_dropped,
	};
	return true;
}

bool virtio_net_link(struct vm *vm, unsigned nic, bool up)
{
	struct virtio_device *dev = virtio_find(vm, VIRTIO_NET, nic);

	if (!dev)
		return false;
	struct net *net = dev->backend;
	net->port.link_up = up;
	dev->state->net.link_up = up;
	virtio_config_changed(dev);
	return true;
}
