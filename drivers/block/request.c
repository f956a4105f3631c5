/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/block/request.h"

#include <string.h>

void blk_queue_add(struct blk_queue *queue, struct blk_request *request)
{
	request->next = NULL;
	request->issued = 0;
	request->commands = 0;
	request->result = BLK_OK;
	request->queued = true;
	if (queue->first)
		queue->last->next = request;
	else
		queue->first = request;
	queue->last = request;
}

static void queue_pop(struct blk_queue *queue)
{
	struct blk_request *request = queue->first;

	queue->first = request->next;
	request->queued = false;
}

struct blk_request *blk_queue_head(struct blk_queue *queue)
{
	struct blk_request *request = queue->first;

	for (; request && request->result != BLK_OK; request = queue->first) {
		queue_pop(queue);
		if (!request->commands)
			request->done(request, request->result);
	}
	return request;
}

void blk_queue_issued(struct blk_queue *queue, uint32_t sectors)
{
	struct blk_request *request = queue->first;

	request->commands++;
	request->issued += sectors;
	if (request->issued >= request->sectors)
		queue_pop(queue);
}

void blk_command_done(struct blk_request *request, enum blk_status status)
{
	if (status != BLK_OK)
		request->result = status;
	request->commands--;
	if (!request->commands && !request->queued)
		request->done(request, request->result);
}

void blk_queue_fail(struct blk_queue *queue)
{
	while (queue->first) {
		struct blk_request *request = queue->first;

		queue_pop(queue);
		request->result = BLK_IOERR;
		if (!request->commands)
			request->done(request, BLK_IOERR);
	}
}

struct blk_place blk_place(const struct blk_request *request, uint32_t sector)
{
	struct blk_place place = {0, 0};
	uint64_t bytes = (uint64_t)sector * BLK_SECTOR;

	while (place.segment < request->segments && bytes >= request->segment[place.segment].bytes)
		bytes -= request->segment[place.segment++].bytes;
	place.offset = (uint32_t)bytes;
	return place;
}

bool blk_copy(const struct blk_request *request, uint32_t sector, void *buffer, size_t bytes,
	      bool to_buffer)
{
	struct blk_place place = blk_place(request, sector);
	uint8_t *at = buffer;

	for (; bytes && place.segment < request->segments; place.segment++) {
		const struct blk_segment *segment = &request->segment[place.segment];
		size_t piece = segment->bytes - place.offset;

		if (piece > bytes)
			piece = bytes;
		if (!segment->data)
			return false;
		if (to_buffer)
			memcpy(at, (uint8_t *)segment->data + place.offset, piece);
		else
			memcpy((uint8_t *)segment->data + place.offset, at, piece);
		at += piece;
		bytes -= piece;
		place.offset = 0;
	}
	return !bytes;
}

bool blk_below(const struct blk_request *request, uint64_t limit)
{
	for (uint32_t i = 0; i < request->segments; i++)
		if (request->segment[i].bus >= limit ||
		    request->segment[i].bytes > limit - request->segment[i].bus)
			return false;
	return true;
}
