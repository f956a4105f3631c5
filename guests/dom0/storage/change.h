/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of pools. One runs at a time. Each returns the reason why it does not begin, or NULL;
 * `done` is called then, from the event loop or at once, with the reason why the change has failed,
 * or NULL. `note` is a text about a change that succeeded on some devices alone, or "".
 */
#pragma once

#include "guests/dom0/storage/pool.h"

bool change_is_running(void);

typedef void change_done(const char *wrong, const char *note);

#define CHANGE_DEVICES 32u /* of a new pool */

const char *change_build(const char *name, struct blkdev *const *dev, unsigned devices,
			 bool overwrite, change_done *done);
const char *change_adopt(struct pool *pool, change_done *done);
/* `tags`: a list with NULL at its end, or NULL. */
const char *change_create(struct pool *pool, const char *name, uint64_t bytes,
			  const char *const *tags, change_done *done);
/* The same with the volume's first bytes, which are from malloc and become the change's. */
struct change_content {
	uint8_t *bytes;
	size_t n;
};
const char *change_create_with(struct pool *pool, const char *name, uint64_t bytes,
			       const char *const *tags, struct change_content content,
			       change_done *done);
const char *change_delete(struct pool *pool, uint32_t lv, change_done *done);
const char *change_rename(struct pool *pool, uint32_t lv, const char *name, change_done *done);
const char *change_resize(struct pool *pool, uint32_t lv, uint64_t bytes, bool shrink,
			  change_done *done);
/* Gives a volume the tag "KEY=VALUE" (lvm_tag.h) in the place of others of that key; NULL: takes
 * those away. The volume may be in use. */
const char *change_tag(struct pool *pool, uint32_t lv, const char *key, const char *value,
		       change_done *done);
