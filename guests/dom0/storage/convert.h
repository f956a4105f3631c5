/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A volume that holds an image of another program's format becomes a new volume, raw or qcow2. One
 * is at work at a time. Until its end the new volume has the tag sampo.partial; if it fails, the
 * volume goes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/dom0/storage/change.h"

struct convert_order {
	struct pool *from_pool;
	uint32_t from;
	const char *format; /* of the source: vmdk, vpc or vdi; NULL: as its tag says */
	struct pool *pool;
	const char *name; /* of the new volume */
	bool qcow2;       /* else raw */
	/* Called at the end, from the event loop; may be NULL. */
	change_done *done;
};

/* Has the volume, by its tag, a format that has to be converted? */
bool convert_is_needed(const struct pool *pool, uint32_t lv);
/* Returns the reason why it does not begin, or NULL. The order is copied. */
const char *convert_start(const struct convert_order *order);
/* It ends soon, as a failure. */
void convert_stop(void);

struct convert_status {
	bool ended;
	const char *why;       /* the reason why it has failed, or NULL */
	uint64_t bytes, total; /* of the disk; total 0: not known yet */
};
void convert_look(struct convert_status *status);
