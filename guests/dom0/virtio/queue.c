/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/virtio/queue.h"

#include <string.h>

#include "guests/dom0/virtio/features.h"
#include "guests/dom0/vm/vm.h"

/* Layout of the rings, virtio 1.2 section 2.7. */
#define DESC_BYTES    16u
#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

#define AVAIL_FLAGS        0u
#define AVAIL_INDEX        2u
#define AVAIL_RING         4u
#define AVAIL_NO_INTERRUPT 1u

#define USED_FLAGS     0u
#define USED_INDEX     2u
#define USED_RING      4u
#define USED_ENTRY     8u
#define USED_NO_NOTIFY 1u

struct descriptor {
	uint64_t gpa;
	uint32_t bytes;
	uint16_t flags, next;
};

/* dom0 is one thread and no chain is kept across calls. */
static struct queue_chain scratch;

/*
 * Accesses to the rings. Volatile, so that each is made exactly once; x86
 * orders loads with loads and stores with stores (SDM 3A 9.2), the one case
 * that it does not order is fenced below. An indirect table may lie at any
 * address, hence the unaligned type.
 */
typedef uint64_t unaligned64 __attribute__((aligned(1), may_alias));

static inline uint16_t load16(const uint8_t *at)
{
	return __atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE);
}

static inline void store16(uint8_t *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)(void *)at, value, __ATOMIC_RELEASE);
}

static inline void store_before_load(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline struct descriptor load_descriptor(const uint8_t *table, unsigned index)
{
	const uint8_t *at = table + (size_t)index * DESC_BYTES;
	uint64_t low = *(const volatile unaligned64 *)(const void *)at;
	uint64_t high = *(const volatile unaligned64 *)(const void *)(at + 8);

	return (struct descriptor){
		.gpa = low,
		.bytes = (uint32_t)high,
		.flags = (uint16_t)(high >> 32),
		.next = (uint16_t)(high >> 48),
	};
}

static inline uint16_t queue_size(const struct virtqueue *queue)
{
	return (uint16_t)(queue->mask + 1u);
}

/* used_event is after the available ring, avail_event after the used ring. */
static inline const uint8_t *used_event(const struct virtqueue *queue)
{
	return queue->avail + AVAIL_RING + 2u * queue_size(queue);
}

static inline uint8_t *avail_event(const struct virtqueue *queue)
{
	return queue->used + USED_RING + (size_t)USED_ENTRY * queue_size(queue);
}

static inline bool in_flight(const struct virtqueue_state *state, unsigned head)
{
	return state->in_flight[head / 64] >> (head % 64) & 1;
}

static inline void set_in_flight(struct virtqueue_state *state, unsigned head)
{
	state->in_flight[head / 64] |= 1ull << (head % 64);
}

static inline void clear_in_flight(struct virtqueue_state *state, unsigned head)
{
	state->in_flight[head / 64] &= ~(1ull << (head % 64));
}

const char *queue_start(struct virtqueue *queue, uint64_t features)
{
	struct virtqueue_state *state = queue->state;
	uint32_t size = state->size;

	if (size == 0 || size > VIRTIO_QUEUE_SIZE || (size & (size - 1)))
		return "queue size is not a power of two up to 256";
	if (state->desc % 16 || state->avail % 2 || state->used % 4)
		return "rings are not aligned";

	const uint8_t *desc = vm_mem(queue->vm, state->desc, size * DESC_BYTES);
	const uint8_t *avail = vm_mem(queue->vm, state->avail, AVAIL_RING + size * 2u + 2u);
	uint8_t *used = vm_mem(queue->vm, state->used, USED_RING + size * USED_ENTRY + 2u);
	if (!desc || !avail || !used)
		return "rings are not in RAM";

	queue->desc = desc;
	queue->avail = avail;
	queue->used = used;
	queue->mask = (uint16_t)(size - 1);
	queue->event_index = features & VIRTIO_F_EVENT_IDX;
	queue->indirect = features & VIRTIO_F_INDIRECT_DESC;
	queue->signalled = state->next_used;
	queue->signal = false;
	queue->suppressed = false;
	return NULL;
}

/* NULL, or the error. */
static const char *add_segment(struct virtqueue *queue, struct queue_chain *chain,
			       const struct descriptor *d)
{
	bool in = d->flags & DESC_WRITE;

	if (!in && chain->in)
		return "a buffer to read follows one to write";
	if (d->bytes == 0)
		return NULL;
	uint8_t *data = vm_mem(queue->vm, d->gpa, d->bytes);
	if (!data)
		return "a buffer is not in RAM";

	chain->segment[chain->out + chain->in] = (struct queue_segment){
		.data = data,
		.gpa = d->gpa,
		.bytes = d->bytes,
	};
	if (in) {
		chain->in++;
		chain->in_bytes += d->bytes;
	} else {
		chain->out++;
		chain->out_bytes += d->bytes;
	}
	return NULL;
}

/*
 * Follows a chain from its head: any number of descriptors of the queue, the
 * last of which may point at a table of further ones (2.7.5.3). Each step
 * counts, so that a loop ends. NULL, or the error.
 */
static const char *walk(struct virtqueue *queue, uint16_t head, struct queue_chain *chain)
{
	const uint8_t *table = queue->desc;
	unsigned count = queue_size(queue), index = head;
	bool inside = false;

	chain->head = head;
	chain->out = chain->in = 0;
	chain->out_bytes = chain->in_bytes = 0;
	for (unsigned steps = 0; steps <= QUEUE_MAX_SEGMENTS; steps++) {
		struct descriptor d = load_descriptor(table, index);

		if (d.flags & DESC_INDIRECT) {
			if (inside || !queue->indirect || (d.flags & DESC_NEXT))
				return "a table of descriptors where none may be";
			if (d.bytes == 0 || d.bytes % DESC_BYTES ||
			    d.bytes > QUEUE_MAX_SEGMENTS * DESC_BYTES)
				return "the size of a table of descriptors";
			table = vm_mem(queue->vm, d.gpa, d.bytes);
			if (!table)
				return "a table of descriptors is not in RAM";
			count = d.bytes / DESC_BYTES;
			index = 0;
			inside = true;
			continue;
		}
		if (chain->out + chain->in == QUEUE_MAX_SEGMENTS)
			break;
		const char *wrong = add_segment(queue, chain, &d);
		if (wrong)
			return wrong;
		if (!(d.flags & DESC_NEXT))
			return NULL;
		index = d.next;
		if (index >= count)
			return "the next descriptor is out of range";
	}
	return "a chain does not end";
}

unsigned queue_waiting(struct virtqueue *queue)
{
	if (!queue_live(queue))
		return 0;
	unsigned waiting =
		(uint16_t)(load16(queue->avail + AVAIL_INDEX) - queue->state->next_avail);
	if (waiting <= queue_size(queue))
		return waiting;
	virtio_broken(queue->dev, "the available index leaps");
	return 0;
}

struct queue_chain *queue_pop(struct virtqueue *queue)
{
	struct virtqueue_state *state = queue->state;

	if (!queue_waiting(queue))
		return NULL;
	uint16_t head = load16(queue->avail + AVAIL_RING + 2u * (state->next_avail & queue->mask));
	const char *wrong = NULL;
	if (head > queue->mask)
		wrong = "the head of a chain is out of range";
	else if (in_flight(state, head))
		wrong = "a chain is made available twice";
	else
		wrong = walk(queue, head, &scratch);
	if (wrong) {
		virtio_broken(queue->dev, wrong);
		return NULL;
	}
	/* In this order: were dom0 to end between the two, the head would be
	 * found in flight and at the front of the ring (queue_recover). */
	set_in_flight(state, head);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	state->next_avail++;
	return &scratch;
}

struct queue_chain *queue_again(struct virtqueue *queue, uint16_t head)
{
	if (!queue_live(queue))
		return NULL;
	const char *wrong = walk(queue, head, &scratch);
	if (!wrong)
		return &scratch;
	virtio_broken(queue->dev, wrong);
	return NULL;
}

void queue_unpop(struct virtqueue *queue, uint16_t head)
{
	queue->state->next_avail--;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	clear_in_flight(queue->state, head);
}

void queue_push(struct virtqueue *queue, const struct queue_used *used, unsigned n)
{
	struct virtqueue_state *state = queue->state;

	if (!queue_live(queue))
		return;
	for (unsigned i = 0; i < n; i++) {
		uint64_t entry = used[i].head | (uint64_t)used[i].bytes << 32;
		unsigned at = (state->next_used + i) & queue->mask;
		*(volatile unaligned64 *)(void *)(queue->used + USED_RING +
						  (size_t)USED_ENTRY * at) = entry;
	}
	/* The guest's view first, then the state (queue_recover). */
	store16(queue->used + USED_INDEX, (uint16_t)(state->next_used + n));
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < n; i++)
		clear_in_flight(state, used[i].head);
	state->next_used = (uint16_t)(state->next_used + n);
	queue->signal = true;
}

/* Section 2.7.7.2: used_event is the index of an entry that the driver wants
 * to be told of; it is when that lies in what was published since. */
static bool wants_interrupt(const struct virtqueue *queue)
{
	uint16_t now = queue->state->next_used;

	if (!queue->event_index)
		return !(load16(queue->avail + AVAIL_FLAGS) & AVAIL_NO_INTERRUPT);
	uint16_t event = load16(used_event(queue));
	return (uint16_t)(now - event - 1u) < (uint16_t)(now - queue->signalled);
}

void queue_signal(struct virtqueue *queue)
{
	if (!queue->signal || !queue_live(queue))
		return;
	queue->signal = false;
	store_before_load(); /* the used index, then what the guest wants */
	bool wanted = wants_interrupt(queue);
	queue->signalled = queue->state->next_used;
	if (wanted)
		virtio_interrupt(queue->dev, queue->state->msix);
}

void queue_return_all(struct virtqueue *queue)
{
	if (!queue_live(queue))
		return;
	for (uint16_t head = 0; head <= queue->mask; head++) {
		struct queue_used used = {.head = head};

		if (in_flight(queue->state, head))
			queue_push(queue, &used, 1);
	}
	queue_signal(queue);
}

void queue_suppress(struct virtqueue *queue)
{
	if (!queue_live(queue) || queue->suppressed)
		return;
	queue->suppressed = true;
	/* With event index, an old avail_event serves. */
	if (!queue->event_index)
		store16(queue->used + USED_FLAGS, USED_NO_NOTIFY);
}

bool queue_unsuppress(struct virtqueue *queue)
{
	if (!queue_live(queue))
		return false;
	queue->suppressed = false;
	if (queue->event_index)
		store16(avail_event(queue), queue->state->next_avail);
	else
		store16(queue->used + USED_FLAGS, 0);
	store_before_load(); /* what the driver looks at, then its index */
	return queue_waiting(queue) != 0;
}

static size_t copy(const struct queue_segment *segment, unsigned segments, size_t offset,
		   uint8_t *memory, size_t bytes, bool write)
{
	size_t done = 0;

	for (unsigned i = 0; i < segments && done < bytes; i++) {
		if (offset >= segment[i].bytes) {
			offset -= segment[i].bytes;
			continue;
		}
		size_t n = segment[i].bytes - offset;
		if (n > bytes - done)
			n = bytes - done;
		if (write)
			memcpy(segment[i].data + offset, memory + done, n);
		else
			memcpy(memory + done, segment[i].data + offset, n);
		done += n;
		offset = 0;
	}
	return done;
}

size_t queue_read(const struct queue_chain *chain, size_t offset, void *to, size_t bytes)
{
	return copy(chain->segment, chain->out, offset, to, bytes, false);
}

size_t queue_write(const struct queue_chain *chain, size_t offset, const void *from, size_t bytes)
{
	return copy(chain->segment + chain->out, chain->in, offset, (uint8_t *)(uintptr_t)from,
		    bytes, true);
}

const char *queue_recover(struct virtqueue *queue)
{
	struct virtqueue_state *state = queue->state;
	uint16_t shown = load16(queue->used + USED_INDEX);
	unsigned unnoted = (uint16_t)(shown - state->next_used);

	if (unnoted > queue_size(queue))
		return "the used index is not the device's";
	for (unsigned i = 0; i < unnoted; i++) {
		unsigned at = (state->next_used + i) & queue->mask;
		uint16_t head = load16(queue->used + USED_RING + (size_t)USED_ENTRY * at);
		if (head <= queue->mask)
			clear_in_flight(state, head);
	}
	state->next_used = shown;

	if (queue_waiting(queue)) {
		uint16_t head =
			load16(queue->avail + AVAIL_RING + 2u * (state->next_avail & queue->mask));
		if (head <= queue->mask && in_flight(state, head))
			state->next_avail++;
	}
	/* Whether the guest was told is not known: tell it. */
	queue->signal = true;
	queue->signalled = (uint16_t)(state->next_used - 1u);
	return NULL;
}
