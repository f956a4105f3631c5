/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that the disk has failed. As the description says, the driver hears of the error, or
 * does not, or the guest stands still, and the requests are done again when the guest goes on. */
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/virtio/blk.h"
#include "guests/dom0/vm/vm.h"

void blk_error_policy(struct blk *blk, const struct config_disk *disk)
{
	blk->policy[0] = disk->word[DISK_READ_ERROR];
	blk->policy[1] = disk->word[DISK_WRITE_ERROR];
}

static unsigned policy_of(const struct blk_io *io)
{
	return io->blk->policy[io->request.op != BLK_READ];
}

bool blk_error_ignored(const struct blk_io *io)
{
	return policy_of(io) == POLICY_IGNORE;
}

bool blk_error_waits_for_room(const struct blk *blk)
{
	uint8_t policy = blk->policy[1];

	return !policy || policy == POLICY_ENOSPACE || policy == POLICY_STOP;
}

bool blk_error_holds(const struct blk_io *io)
{
	struct blk *blk = io->blk;

	if (policy_of(io) != POLICY_STOP || blk->stopping)
		return false;
	if (!blk->held_count++)
		vm_stop(blk->dev->vm, "I/O error");
	blk->held[io->head / 64] |= 1ull << io->head % 64;
	return true;
}

void blk_error_forget(struct blk *blk)
{
	memset(blk->held, 0, sizeof(blk->held));
	memset(blk->again, 0, sizeof(blk->again));
	blk->held_count = 0;
}

/* The heads are still in flight, so each request is in the guest's memory. */
void blk_error_release(struct blk *blk)
{
	for (unsigned i = 0; i < VIRTIO_QUEUE_SIZE / 64; i++)
		blk->again[i] |= blk->held[i];
	memset(blk->held, 0, sizeof(blk->held));
	blk->held_count = 0;
}

int blk_error_next(const struct blk *blk)
{
	for (int i = 0; i < (int)VIRTIO_QUEUE_SIZE / 64; i++)
		if (blk->again[i])
			return i * 64 + __builtin_ctzll(blk->again[i]);
	return -1;
}

void blk_error_started(struct blk *blk, uint16_t head)
{
	blk->again[head / 64] &= ~(1ull << head % 64);
}
