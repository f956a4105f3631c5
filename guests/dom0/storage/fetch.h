/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Volumes that are filled from the network. One is at a time. From before its first byte to the end
 * the volume has the tag sampo.partial, by which no guest gets it, also after a cut of the power. A
 * volume that was made for a fetch that fails goes; one that was there before keeps the tag.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fetch_order {
	const char *pool, *volume, *url;
	const char *sha256; /* 64 digits that the content must have, or NULL */
	const char *format; /* "raw", "qcow2", or one of foreign.h's names */
	uint64_t capacity;  /* of the volume in bytes; 0: as large as the content */
	bool overwrite;     /* a volume that is there may lose its content */
};

/* Returns the reason why it does not begin, or NULL. The order is copied. */
const char *fetch_start(const struct fetch_order *order);

/* It ends soon, as a failure. */
void fetch_stop(void);

struct fetch_status {
	bool ended;
	const char *why;        /* the reason why it has failed, or NULL */
	bool kept;              /* a volume with a part of the content is left */
	uint64_t bytes, length; /* length 0: the server does not say */
	unsigned resumed;       /* broken connections that others went on for */
};
void fetch_look(struct fetch_status *status);
