/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/virtio/throttle.h"

#include <string.h>

#define NS_PER_S 1000000000ull

/* Without a burst in the description a bucket holds the tokens of such a part of a second. */
#define SHARE_OF_SECOND 10u

static void bucket_init(struct bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now)
{
	bucket->rate = rate;
	bucket->most = (int64_t)(burst ? burst : rate / SHARE_OF_SECOND);
	if (rate && bucket->most < 1)
		bucket->most = 1;
	bucket->tokens = bucket->most;
	bucket->at_ns = now;
}

/* Whole tokens come in; at_ns goes on by the time that they took, so that no part of one is lost.
 */
static void fill(struct bucket *bucket, uint64_t now)
{
	uint64_t room = (uint64_t)(bucket->most - bucket->tokens);
	unsigned __int128 come = (unsigned __int128)(now - bucket->at_ns) * bucket->rate / NS_PER_S;

	if (come >= room) {
		bucket->tokens = bucket->most;
		bucket->at_ns = now;
		return;
	}
	bucket->tokens += (int64_t)come;
	bucket->at_ns += (uint64_t)(come * NS_PER_S / bucket->rate);
}

/* Until the bucket has a token. */
static uint64_t bucket_wait(struct bucket *bucket, uint64_t now)
{
	unsigned __int128 ns;

	if (!bucket->rate)
		return 0;
	fill(bucket, now);
	if (bucket->tokens > 0)
		return 0;
	ns = ((unsigned __int128)(1 - bucket->tokens) * NS_PER_S + bucket->rate - 1) / bucket->rate;
	ns -= now - bucket->at_ns < ns ? now - bucket->at_ns : ns - 1;
	return ns < UINT64_MAX / 2 ? (uint64_t)ns : UINT64_MAX / 2;
}

static void bucket_take(struct bucket *bucket, uint64_t tokens)
{
	if (bucket->rate)
		bucket->tokens -= (int64_t)tokens;
}

void throttle_init(struct throttle *throttle, const struct config_iotune *tune, uint64_t now_ns)
{
	memset(throttle, 0, sizeof(*throttle));
	throttle->request_bytes = tune->request_bytes;
	for (unsigned i = 0; i < IOTUNE_LIMITS; i++) {
		uint64_t seconds = tune->seconds[i] ? tune->seconds[i] : 1;
		uint64_t burst = tune->burst[i];

		burst = burst < INT64_MAX / 2 / seconds ? burst * seconds : INT64_MAX / 2;
		bucket_init(&throttle->bucket[i], tune->rate[i], burst, now_ns);
	}
}

/* Of three limits of a kind (total, reads, writes) two concern a request. */
static bool concerns(unsigned limit, bool write)
{
	return limit % 3 != (write ? 1u : 2u);
}

uint64_t throttle_wait(struct throttle *throttle, bool write, uint64_t now_ns)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < IOTUNE_LIMITS; i++) {
		uint64_t ns = concerns(i, write) ? bucket_wait(&throttle->bucket[i], now_ns) : 0;

		if (ns > longest)
			longest = ns;
	}
	return longest;
}

void throttle_take(struct throttle *throttle, bool write, uint64_t bytes)
{
	uint64_t requests = 1;

	if (throttle->request_bytes && bytes > throttle->request_bytes)
		requests = (bytes + throttle->request_bytes - 1) / throttle->request_bytes;
	for (unsigned i = 0; i < IOTUNE_LIMITS; i++)
		if (concerns(i, write))
			bucket_take(&throttle->bucket[i], i < IOTUNE_TOTAL_IOPS ? bytes : requests);
}
