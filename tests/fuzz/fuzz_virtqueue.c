/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/virtio/queue.c */
/*
 * A queue whose rings, descriptors and tables are all the fuzzer's: whatever
 * is taken lies in the guest's memory, walks end, and a broken queue is still.
 */
#include "guests/dom0/virtio/features.h"
#include "guests/dom0/virtio/queue.h"
#include "tests/unit/guest_mock.h"

#define FUZZ_RAM 0x4000u

static struct virtqueue queue;
static struct virtqueue_state state;
static bool broken;

void virtio_broken(struct virtio_device *dev, const char *why)
{
	(void)dev;
	(void)why;
	broken = true;
	queue_stop(&queue);
}

void virtio_interrupt(struct virtio_device *dev, uint16_t msix)
{
	(void)dev;
	(void)msix;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check(const struct queue_chain *chain)
{
	uint64_t out = 0, in = 0;
	uint8_t byte;

	must(chain->out + chain->in <= QUEUE_MAX_SEGMENTS);
	must(chain->head < state.size);
	for (unsigned i = 0; i < chain->out + chain->in; i++) {
		const struct queue_segment *s = &chain->segment[i];

		must(s->bytes && s->bytes <= FUZZ_RAM && s->gpa <= FUZZ_RAM - s->bytes);
		must(s->data == mock_vm.ram + s->gpa);
		*(i < chain->out ? &out : &in) += s->bytes;
	}
	must(out == chain->out_bytes && in == chain->in_bytes);
	if (out)
		must(queue_read(chain, out - 1, &byte, 1) == 1);
	must(queue_read(chain, out, &byte, 1) == 0);
	must(queue_write(chain, in, "x", 1) == 0);
}

/* The rest of the input changes memory while the queue is at work. */
struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t next(struct input *input)
{
	if (!input->size)
		return 0;
	input->size--;
	return *input->data++;
}

static void disturb(struct input *input)
{
	unsigned at = (next(input) << 8 | next(input)) % FUZZ_RAM;

	mock_vm.ram[at] = next(input);
}

static void begin(struct input *input)
{
	static uint8_t ram[FUZZ_RAM];
	uint8_t what = next(input);
	size_t bytes = input->size / 2;

	memset(ram, 0, sizeof(ram));
	if (bytes > FUZZ_RAM)
		bytes = FUZZ_RAM;
	memcpy(ram, input->data, bytes);
	input->data += bytes;
	input->size -= bytes;
	mock_vm.ram = ram;
	mock_vm.ram_bytes = FUZZ_RAM;
	broken = false;
	memset(&state, 0, sizeof(state));
	state.size = (uint16_t)(1u << (what & 7));
	state.desc = 0x400;
	state.avail = 0x200;
	state.used = 0x300;
	if (what & 8)
		state.size = next(input);
	if (what & 16)
		state.desc = next(input) * 0x100ull;
	state.next_avail = state.next_used = next(input);
	queue = (struct virtqueue){.vm = &mock_vm, .state = &state};
	queue_start(&queue, what & 0x60 ? ~0ull : 0);
	if (queue_live(&queue) && (what & 0x80))
		queue_recover(&queue);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};

	begin(&input);
	for (unsigned steps = 0; input.size && steps < 2000; steps++) {
		uint8_t what = next(&input);
		struct queue_chain *chain = NULL;

		if (what & 1) {
			disturb(&input);
			continue;
		}
		chain = what & 2 ? queue_again(&queue, (uint16_t)(what >> 2) % 4)
				 : queue_pop(&queue);
		must(!broken || !chain);
		if (what & 2)
			continue;
		if (!chain) {
			queue_unsuppress(&queue);
			continue;
		}
		check(chain);
		if (what & 4) {
			queue_unpop(&queue, chain->head);
		} else if (!(what & 8)) {
			struct queue_used used = {chain->head, what};

			queue_push(&queue, &used, 1);
			queue_signal(&queue);
		}
	}
	return 0;
}
