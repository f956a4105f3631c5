/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/base/queue.h"

#include <stdlib.h>
#include <string.h>

#define LEAST 256u /* bytes of the first memory */

/* Moves the bytes to the memory's front, and doubles it until n more have room. */
static bool make_room(struct queue *queue, size_t n)
{
	size_t room = queue->room ? queue->room : LEAST;
	uint8_t *place;

	if (queue->at) {
		memmove(queue->bytes, queue_front(queue), queue_length(queue));
		queue->used -= queue->at;
		queue->at = 0;
	}
	while (room < queue->used + n)
		room *= 2;
	if (room == queue->room)
		return true;
	place = realloc(queue->bytes, room);
	if (!place)
		return false;
	queue->bytes = place;
	queue->room = room;
	return true;
}

bool queue_put(struct queue *queue, const void *bytes, size_t n)
{
	if (!n)
		return true;
	if (!make_room(queue, n))
		return false;
	memcpy(queue->bytes + queue->used, bytes, n);
	queue->used += n;
	return true;
}

void queue_trim(struct queue *queue)
{
	if (!queue_length(queue))
		queue_free(queue);
}

void queue_free(struct queue *queue)
{
	free(queue->bytes);
	*queue = (struct queue){0};
}
