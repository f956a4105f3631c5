/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each slot is one transfer. Slots end where a multiple of their size ends on the volume: so two of
 * them never share a block, and transfers at once do not read what another one writes.
 */
#include "guests/dom0/storage/copy.h"

#include <stdlib.h>
#include <string.h>

#include "guests/dom0/storage/image_volume.h"

/* --- ends ------------------------------------------------------------------------------------- */

static void finish(struct work *work)
{
	struct copy *copy = work->context;

	blk_unclaim(copy->dev);
	free(copy->data);
	copy->ended(copy);
}

static void flushed(struct transfer *transfer, bool right)
{
	struct copy *copy = transfer->context;

	if (!right && !copy->wrong)
		copy->wrong = "the volume cannot be written: I/O error";
	work_queue(&copy->work);
}

/* The end goes on when no transfer is at work. */
static void end_on(struct copy *copy)
{
	if (!copy->ending || copy->busy)
		return;
	copy->ending = false;
	if (!copy->flushes || copy->wrong) {
		work_queue(&copy->work);
		return;
	}
	copy->flush = (struct transfer){
		.dev = copy->dev,
		.kind = TRANSFER_FLUSH,
		.done = flushed,
		.context = copy,
	};
	transfer_start(&copy->flush);
}

/* --- transfers -------------------------------------------------------------------------------- */

static void transferred(struct transfer *transfer, bool right)
{
	struct copy_slot *slot = transfer->context;
	struct copy *copy = slot->copy;

	slot->busy = false;
	copy->busy--;
	if (!right && !copy->wrong)
		copy->wrong = copy->into ? "the volume cannot be written: I/O error"
					 : "the volume cannot be read: I/O error";
	copy->changed(copy);
	end_on(copy);
}

static void start(struct copy *copy, struct copy_slot *slot)
{
	slot->filling = false;
	slot->busy = true;
	copy->busy++;
	slot->transfer = (struct transfer){
		.dev = copy->dev,
		.kind = copy->into ? TRANSFER_WRITE : TRANSFER_READ,
		.offset = slot->at,
		.data = slot->data,
		.bytes = slot->bytes,
		.done = transferred,
		.context = slot,
	};
	transfer_start(&slot->transfer);
}

/* Bytes from here to the end of a slot that begins here. */
static uint32_t room_at(uint64_t at)
{
	return COPY_SLOT - (uint32_t)(at % COPY_SLOT);
}

/* --- into the volume -------------------------------------------------------------------------- */

/* Returns NULL if all slots are at work. */
static struct copy_slot *slot_to_fill(struct copy *copy)
{
	struct copy_slot *idle = NULL;

	for (unsigned i = 0; i < COPY_SLOTS; i++) {
		if (copy->slot[i].filling)
			return &copy->slot[i];
		if (!copy->slot[i].busy)
			idle = &copy->slot[i];
	}
	if (!idle)
		return NULL;
	idle->at = copy->at;
	idle->bytes = 0;
	idle->filling = true;
	return idle;
}

size_t copy_put(struct copy *copy, const uint8_t *bytes, size_t n)
{
	size_t taken = 0;

	while (taken < n && copy->left && !copy->wrong) {
		struct copy_slot *slot = slot_to_fill(copy);
		size_t part = n - taken, room = slot ? room_at(slot->at) - slot->bytes : 0;

		if (!slot)
			break;
		part = part < room ? part : room;
		part = part < copy->left ? part : (size_t)copy->left;
		memcpy(slot->data + slot->bytes, bytes + taken, part);
		slot->bytes += (uint32_t)part;
		taken += part;
		copy->at += part;
		copy->left -= part;
		if (part == room)
			start(copy, slot);
	}
	return taken;
}

/* --- from the volume -------------------------------------------------------------------------- */

static void read_ahead(struct copy *copy)
{
	while (copy->unread && copy->count < COPY_SLOTS && !copy->wrong) {
		struct copy_slot *slot = &copy->slot[(copy->first + copy->count) % COPY_SLOTS];
		uint32_t n = room_at(copy->at);

		n = n < copy->unread ? n : (uint32_t)copy->unread;
		slot->at = copy->at;
		slot->bytes = n;
		slot->taken = 0;
		copy->count++;
		copy->at += n;
		copy->unread -= n;
		start(copy, slot);
	}
}

const uint8_t *copy_get(const struct copy *copy, size_t *n)
{
	const struct copy_slot *slot = &copy->slot[copy->first];

	if (!copy->count || slot->busy || copy->wrong)
		return NULL;
	*n = slot->bytes - slot->taken;
	return slot->data + slot->taken;
}

void copy_took(struct copy *copy, size_t n)
{
	struct copy_slot *slot = &copy->slot[copy->first];

	slot->taken += (uint32_t)n;
	copy->left -= n;
	if (slot->taken < slot->bytes)
		return;
	copy->first = (copy->first + 1) % COPY_SLOTS;
	copy->count--;
	read_ahead(copy);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static const char *claim(struct copy *copy, const struct copy_order *order)
{
	struct volume *volume = order->pool->volume[order->lv];
	const char *wrong;

	if (!volume)
		return "the volume cannot be used: see vol-info";
	copy->dev = &volume->dev;
	if (order->into && copy->dev->read_only)
		return "the volume is read-only";
	wrong = order->into ? image_is_base(copy->dev) : NULL;
	if (wrong)
		return wrong;
	return blk_claim(copy->dev, order->into ? "vol-upload" : "vol-download");
}

/* Sets the part's bounds. Returns false if it begins behind the volume's end. */
static bool bound(struct copy *copy, const struct copy_order *order)
{
	uint64_t size = copy->dev->sectors * BLK_SECTOR;

	if (order->offset > size)
		return false;
	copy->at = order->offset;
	copy->left = size - order->offset;
	if (order->length && order->length < copy->left)
		copy->left = order->length;
	copy->unread = order->into ? 0 : copy->left;
	return true;
}

const char *copy_open(struct copy *copy, const struct copy_order *order)
{
	const char *wrong = claim(copy, order);

	if (wrong)
		return wrong;
	copy->data = malloc((size_t)COPY_SLOTS * COPY_SLOT);
	if (!copy->data)
		wrong = "dom0 is out of memory";
	else if (!bound(copy, order))
		wrong = "the offset is behind the end of the volume";
	if (wrong) {
		free(copy->data);
		blk_unclaim(copy->dev);
		return wrong;
	}
	copy->into = order->into;
	copy->work = (struct work){.run = finish, .context = copy};
	for (unsigned i = 0; i < COPY_SLOTS; i++) {
		copy->slot[i].copy = copy;
		copy->slot[i].data = copy->data + (size_t)i * COPY_SLOT;
	}
	read_ahead(copy);
	return NULL;
}

void copy_end(struct copy *copy, bool whole)
{
	copy->unread = 0;
	copy->flushes = copy->into && whole;
	for (unsigned i = 0; i < COPY_SLOTS; i++)
		if (copy->slot[i].filling && copy->flushes && !copy->wrong)
			start(copy, &copy->slot[i]);
	copy->ending = true;
	end_on(copy);
}
