/* SPDX-License-Identifier: BSD-2-Clause */
/* The console device, virtio 1.2 section 5.3, with its one port. */
#include <stdlib.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/virtio/device.h"
#include "guests/dom0/vm/console.h"
#include "guests/dom0/vm/vm.h"

#define RX 0u
#define TX 1u

/* In one go from a guest: then the others have their turn. */
#define TX_CHAINS 32u
#define TX_BYTES  16384u

struct console {
	struct virtio_device *dev;
	struct work work; /* more to put out */
	bool detached;
};

/* One chain's text, at most `bytes` of it; returns how much. */
static size_t put_out(struct vm *vm, const struct queue_chain *chain, size_t bytes)
{
	size_t done = 0;

	for (unsigned i = 0; i < chain->out && done < bytes; i++) {
		size_t n = chain->segment[i].bytes;

		if (n > bytes - done)
			n = bytes - done;
		vm_console_output(vm, CONSOLE_VIRTIO, chain->segment[i].data, n);
		done += n;
	}
	return done;
}

/* The part of a single chain beyond a turn's share is cut off: no driver
 * does that, and the queue keeps no place inside a chain. */
static void transmit(struct console *console)
{
	struct virtqueue *queue = &console->dev->queue[TX];
	unsigned chains = TX_CHAINS;
	size_t bytes = TX_BYTES;
	bool more = true;

	queue_suppress(queue);
	while (more) {
		while (chains && bytes) {
			struct queue_chain *chain = queue_pop(queue);
			struct queue_used used;

			if (!chain)
				break;
			used = (struct queue_used){.head = chain->head};
			bytes -= put_out(console->dev->vm, chain, bytes);
			queue_push(queue, &used, 1);
			chains--;
		}
		if (!chains || !bytes) {
			work_queue(&console->work);
			break;
		}
		more = queue_unsuppress(queue);
	}
	queue_signal(queue);
}

static void transmit_more(struct work *work)
{
	struct console *console = work->context;

	if (console->detached)
		free(console);
	else if (virtio_running(console->dev))
		transmit(console);
}

/* Gives the guest the typed bytes, as far as it has buffers. */
static void receive(struct virtio_device *dev)
{
	struct virtio_console_state *state = &dev->state->console;
	struct virtqueue *queue = &dev->queue[RX];
	bool more = true;

	while (more) {
		while (state->count) {
			struct queue_chain *chain = queue_pop(queue);
			unsigned head = state->head % VIRTIO_CONSOLE_INPUT;
			unsigned n = VIRTIO_CONSOLE_INPUT - head;
			struct queue_used used;

			if (!chain)
				break;
			used = (struct queue_used){.head = chain->head};
			if (n > state->count)
				n = state->count;
			used.bytes = (uint32_t)queue_write(chain, 0, &state->input[head], n);
			state->head = (uint16_t)((head + used.bytes) % VIRTIO_CONSOLE_INPUT);
			state->count = (uint16_t)(state->count - used.bytes);
			queue_push(queue, &used, 1);
		}
		/* Buffers are of interest only while there is input. */
		more = state->count && queue_unsuppress(queue);
	}
	if (!state->count)
		queue_suppress(queue);
	queue_signal(queue);
}

bool virtio_console_room(const struct vm *vm)
{
	const struct virtio_device *dev = virtio_find(vm, VIRTIO_CONSOLE, 0);

	return !dev || !virtio_running(dev) || dev->state->console.count < VIRTIO_CONSOLE_INPUT;
}

size_t virtio_console_input(struct vm *vm, const void *data, size_t bytes)
{
	struct virtio_device *dev = virtio_find(vm, VIRTIO_CONSOLE, 0);
	const uint8_t *from = data;

	if (!dev || !virtio_running(dev))
		return 0;
	struct virtio_console_state *state = &dev->state->console;
	if (bytes > VIRTIO_CONSOLE_INPUT - state->count)
		bytes = VIRTIO_CONSOLE_INPUT - state->count;
	for (size_t i = 0; i < bytes; i++)
		state->input[(state->head + state->count++) % VIRTIO_CONSOLE_INPUT] = from[i];
	receive(dev);
	return bytes;
}

static const char *console_attach_device(struct virtio_device *dev, const struct vm_config *config,
					 bool fresh)
{
	struct console *console = calloc(1, sizeof(*console));

	(void)config;
	(void)fresh;
	if (!console)
		return "out of memory";
	console->dev = dev;
	console->work = (struct work){.run = transmit_more, .context = console};
	dev->backend = console;
	return NULL;
}

static void console_config(const struct virtio_device *dev, uint8_t space[VIRTIO_CONFIG_BYTES])
{
	/* Nothing without the features SIZE and MULTIPORT. */
	(void)dev;
	(void)space;
}

static void console_start(struct virtio_device *dev)
{
	queue_return_all(&dev->queue[RX]);
	queue_return_all(&dev->queue[TX]);
	receive(dev);
}

static void console_notify(struct virtio_device *dev, struct virtqueue *queue)
{
	if (queue->index == TX)
		transmit(dev->backend);
	else
		receive(dev);
}

static void console_stop(struct virtio_device *dev)
{
	dev->state->console.count = 0;
}

static bool console_quiet(const struct virtio_device *dev)
{
	(void)dev;
	return true;
}

static void console_detach_device(struct virtio_device *dev)
{
	struct console *console = dev->backend;

	console->detached = true;
	if (!console->work.queued)
		free(console);
}

const struct virtio_type virtio_console_type = {
	.name = "console",
	.type = VIRTIO_CONSOLE,
	.class_code = 0x078000,
	.queues = 2,
	.attach = console_attach_device,
	.config = console_config,
	.start = console_start,
	.notify = console_notify,
	.stop = console_stop,
	.quiet = console_quiet,
	.detach = console_detach_device,
};
