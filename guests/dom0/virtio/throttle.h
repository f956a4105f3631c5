/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How fast a disk may work: a bucket of tokens for each limit. A request starts as soon as no
 * bucket that it draws from is empty, and takes as many tokens as it has bytes, or one for itself;
 * a bucket that had fewer owes them. So requests of any size get through, and the rate holds on
 * average.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/dom0/config/config.h"

struct bucket {
	uint64_t rate;  /* tokens a second; 0: no limit */
	int64_t most;   /* tokens that it holds */
	int64_t tokens; /* negative: it owes them */
	uint64_t at_ns; /* when `tokens` was right */
};

struct throttle {
	struct bucket bucket[IOTUNE_LIMITS];
	uint64_t request_bytes; /* a larger request counts as several; 0: never */
};

void throttle_init(struct throttle *throttle, const struct config_iotune *tune, uint64_t now_ns);
/* Returns how many nanoseconds a read or write has to wait, 0 if it may start. */
uint64_t throttle_wait(struct throttle *throttle, bool write, uint64_t now_ns);
/* It starts. */
void throttle_take(struct throttle *throttle, bool write, uint64_t bytes);
