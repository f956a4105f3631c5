/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/entropy.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/storage/transfer.h"
#include "guests/dom0/store/store.h"
#include "guests/dom0/tls/random.h"
#include "guests/lib/guest.h"

#define SEED     64u
#define RENEW_NS 3600000000000ull
#define OF_STORE "entropy: the store's seed "

static struct {
	uint8_t seed[SEED];
	struct transfer transfer;
	bool working;
	void (*ready)(void); /* NULL: nobody waits */
	struct timer timer;
} entropy;

static void end(const char *wrong)
{
	void (*ready)(void) = entropy.ready;

	memset(entropy.seed, 0, SEED);
	entropy.working = false;
	entropy.ready = NULL;
	timer_set(&entropy.timer, clock_ns() + RENEW_NS);
	if (wrong)
		printf(LOG_WARNING OF_STORE "%s\n", wrong);
	if (ready)
		ready();
}

/* Begins a step of the seed's. */
static void move(enum transfer_kind kind, void (*done)(struct transfer *transfer, bool right))
{
	entropy.transfer = (struct transfer){.kind = kind, .data = entropy.seed, .done = done};
	entropy.transfer.dev = store_seed_place(&entropy.transfer.offset);
	if (kind != TRANSFER_FLUSH)
		entropy.transfer.bytes = SEED;
	if (entropy.transfer.dev)
		transfer_start(&entropy.transfer);
	else
		end("has gone: the store has failed");
}

static void flushed(struct transfer *transfer, bool right)
{
	(void)transfer;
	end(right ? NULL : "cannot be replaced: I/O error");
}

static void written(struct transfer *transfer, bool right)
{
	if (right)
		move(TRANSFER_FLUSH, flushed);
	else
		flushed(transfer, right);
}

static void replace(void)
{
	if (tls_random(NULL, entropy.seed, SEED))
		end("cannot be replaced: there are no random numbers");
	else
		move(TRANSFER_WRITE, written);
}

static void have(struct transfer *transfer, bool right)
{
	(void)transfer;
	if (!right) {
		end("cannot be read: I/O error");
		return;
	}
	tls_random_mix(entropy.seed, SEED);
	replace();
}

/* Without good entropy there are no keys, and the seed is for a start that has some. */
static bool can_work(void)
{
	uint64_t at;

	return !entropy.working && store_seed_place(&at) && !tls_random_start();
}

static void renew(struct timer *timer)
{
	if (can_work()) {
		entropy.working = true;
		replace();
	} else {
		timer_set(timer, clock_ns() + RENEW_NS);
	}
}

void entropy_renew(void)
{
	if (entropy.timer.fire && !entropy.working)
		renew(&entropy.timer);
}

void entropy_start(void (*ready)(void))
{
	timer_init(&entropy.timer, renew, NULL);
	entropy.ready = ready;
	if (can_work()) {
		entropy.working = true;
		move(TRANSFER_READ, have);
	} else {
		end(NULL);
	}
}
