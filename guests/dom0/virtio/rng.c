/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The entropy device, virtio 1.2 section 5.4. The bytes come from dom0's own
 * generator (the C library's, ChaCha20 with fresh seeds from RDRAND and the
 * TSC); a guest gets a share of them in time, so that it cannot keep dom0 busy.
 */
#include <stdlib.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/virtio/device.h"
#include "guests/dom0/vm/vm.h"

#define SHARE_BYTES 4096u
#define SHARE_NS    10000000u /* 400 KB/s */

struct rng {
	struct virtio_device *dev;
	struct timer refill;
	size_t share;
};

static size_t fill(const struct queue_chain *chain, size_t bytes)
{
	size_t done = 0;

	for (unsigned i = 0; i < chain->in && done < bytes; i++) {
		const struct queue_segment *segment = &chain->segment[chain->out + i];
		size_t n = segment->bytes;

		if (n > bytes - done)
			n = bytes - done;
		arc4random_buf(segment->data, n);
		done += n;
	}
	return done;
}

static void serve(struct rng *rng)
{
	struct virtqueue *queue = &rng->dev->queue[0];
	bool more = true;

	while (more) {
		while (rng->share) {
			struct queue_chain *chain = queue_pop(queue);
			struct queue_used used;
			size_t n;

			if (!chain)
				break;
			n = fill(chain, rng->share);
			used = (struct queue_used){.head = chain->head, .bytes = (uint32_t)n};
			/* An empty chain is not for nothing either. */
			rng->share -= n ? n : 1;
			queue_push(queue, &used, 1);
		}
		if (!rng->share) {
			queue_suppress(queue);
			break;
		}
		more = queue_unsuppress(queue);
	}
	queue_signal(queue);
	if (rng->share < SHARE_BYTES && !rng->refill.deadline)
		timer_set(&rng->refill, clock_ns() + SHARE_NS);
}

static void refill(struct timer *timer)
{
	struct rng *rng = timer->context;

	rng->share = SHARE_BYTES;
	if (virtio_running(rng->dev))
		serve(rng);
}

static const char *rng_attach(struct virtio_device *dev, const struct vm_config *config, bool fresh)
{
	struct rng *rng = calloc(1, sizeof(*rng));

	(void)config;
	(void)fresh;
	if (!rng)
		return "out of memory";
	rng->dev = dev;
	rng->share = SHARE_BYTES;
	timer_init(&rng->refill, refill, rng);
	dev->backend = rng;
	return NULL;
}

static void rng_config(const struct virtio_device *dev, uint8_t space[VIRTIO_CONFIG_BYTES])
{
	(void)dev;
	(void)space;
}

static void rng_start(struct virtio_device *dev)
{
	queue_return_all(&dev->queue[0]);
}

static void rng_notify(struct virtio_device *dev, struct virtqueue *queue)
{
	(void)queue;
	serve(dev->backend);
}

static void rng_stop(struct virtio_device *dev)
{
	(void)dev;
}

static bool rng_quiet(const struct virtio_device *dev)
{
	(void)dev;
	return true;
}

static void rng_detach(struct virtio_device *dev)
{
	struct rng *rng = dev->backend;

	timer_cancel(&rng->refill);
	free(rng);
}

const struct virtio_type virtio_rng_type = {
	.name = "rng",
	.type = VIRTIO_RNG,
	.class_code = 0x00ff00,
	.queues = 1,
	.attach = rng_attach,
	.config = rng_config,
	.start = rng_start,
	.notify = rng_notify,
	.stop = rng_stop,
	.quiet = rng_quiet,
	.detach = rng_detach,
};
