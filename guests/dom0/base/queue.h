/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes that come at one end and go at the other, in memory that grows as they need it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A struct of zeros is an empty one, without memory. */
struct queue {
	uint8_t *bytes;
	size_t at, used, room; /* bytes[at] to bytes[used - 1] are in it */
};

static inline size_t queue_length(const struct queue *queue)
{
	return queue->used - queue->at;
}

static inline const uint8_t *queue_front(const struct queue *queue)
{
	return queue->bytes + queue->at;
}

/* Puts a copy of n bytes behind the others. Returns false, and puts nothing, if there is no memory.
 */
bool queue_put(struct queue *queue, const void *bytes, size_t n);
/* Takes the first n bytes away, of which there are as many; the memory stays. */
static inline void queue_drop(struct queue *queue, size_t n)
{
	queue->at += n;
}
/* Gives the memory of an empty queue back. */
void queue_trim(struct queue *queue);
/* Empties it and gives its memory back. */
void queue_free(struct queue *queue);
