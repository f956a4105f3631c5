/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that wait because their disk may not work faster (<iotune>): reads and writes each in
 * their order. */
#include <stdlib.h>

#include "guests/dom0/virtio/blk.h"
#include "guests/dom0/virtio/throttle.h"

struct blk_tune {
	struct throttle throttle;
	struct timer timer;
	struct blk_io *first[2], *last[2]; /* reads, writes */
};

static bool is_write(const struct blk_io *io)
{
	return io->request.op == BLK_WRITE;
}

static void take(struct blk_tune *tune, const struct blk_io *io)
{
	throttle_take(&tune->throttle, is_write(io), (uint64_t)io->sectors * BLK_SECTOR);
}

static struct blk_io *pop(struct blk_tune *tune, unsigned write)
{
	struct blk_io *io = tune->first[write];

	if (io)
		tune->first[write] = io->next;
	return io;
}

/* The timer is for the request that may start first. */
static void set_timer(struct blk_tune *tune)
{
	uint64_t now = clock_ns(), soonest = UINT64_MAX;

	for (unsigned write = 0; write < 2; write++) {
		uint64_t wait = throttle_wait(&tune->throttle, write, now);

		if (tune->first[write] && wait < soonest)
			soonest = wait;
	}
	if (soonest != UINT64_MAX)
		timer_set(&tune->timer, now + soonest);
}

/* The requests are as many as can be at work (BLK_SMALL_IOS, BLK_LARGE_IOS). */
static void fire(struct timer *timer)
{
	struct blk_tune *tune = timer->context;
	uint64_t now = clock_ns();

	for (unsigned write = 0; write < 2; write++)
		while (tune->first[write] && !throttle_wait(&tune->throttle, write, now)) {
			struct blk_io *io = pop(tune, write);

			take(tune, io);
			blk_io_start(io);
		}
	set_timer(tune);
}

bool blk_tune_make(struct blk *blk, const struct config_iotune *iotune)
{
	if (!config_iotune_given(iotune))
		return true;
	blk->tune = calloc(1, sizeof(*blk->tune));
	if (!blk->tune)
		return false;
	throttle_init(&blk->tune->throttle, iotune, clock_ns());
	timer_init(&blk->tune->timer, fire, blk->tune);
	return true;
}

bool blk_tune_holds(struct blk_io *io)
{
	struct blk_tune *tune = io->blk->tune;
	unsigned write = is_write(io);

	if (io->request.op != BLK_READ && !write)
		return false;
	if (!tune->first[write] && !throttle_wait(&tune->throttle, write, clock_ns())) {
		take(tune, io);
		return false;
	}
	io->next = NULL;
	if (tune->first[write])
		tune->last[write]->next = io;
	else
		tune->first[write] = io;
	tune->last[write] = io;
	set_timer(tune);
	return true;
}

void blk_tune_cancel(struct blk *blk)
{
	struct blk_io *io;

	for (unsigned write = 0; write < 2; write++)
		while ((io = pop(blk->tune, write)))
			blk_io_done(io, BLK_IOERR);
	timer_cancel(&blk->tune->timer);
}

void blk_tune_free(struct blk *blk)
{
	timer_cancel(&blk->tune->timer);
	free(blk->tune);
	blk->tune = NULL;
}
