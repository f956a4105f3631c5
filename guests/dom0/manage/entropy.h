/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Randomness that outlives a start of the machine: a seed in the store. It is mixed into the random
 * numbers, and counts for nothing: without good entropy of the CPU's there are none (tls/random.h).
 * Another seed is on the disk before the first key is made with the old one, so that no two starts
 * have the same.
 */
#pragma once

/* Once the store has been read. Calls `ready`, at once or from the event loop, when the seed has
 * been mixed in and replaced, or if that cannot be done. From then on the seed is replaced once an
 * hour. */
void entropy_start(void (*ready)(void));
/* Replaces it now: the store is a new one. */
void entropy_renew(void);
