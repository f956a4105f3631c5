/* SPDX-License-Identifier: BSD-2-Clause */
/* What the verbs about pools and volumes share. */
#pragma once

#include "guests/dom0/manage/documents.h"
#include "guests/dom0/shell/args.h"
#include "guests/dom0/storage/pool.h"

struct shell_volume {
	struct pool *pool;
	uint32_t lv;
};

/* Each returns NULL or false after a message. */
bool shell_pools_are_read(void);
struct pool *shell_pool(const char *name);
struct pool *shell_pool_of(const struct args *args);
/* The volume of the options <vol> and <pool>. */
bool shell_volume_of(const struct args *args, struct shell_volume *found);
/* By its name in a pool (NULL: none is named), its path or key. */
bool shell_volume_named(const char *name, const char *in, struct shell_volume *found);

/* Calls show_it, at once or when the header has been read. */
void shell_volume_look(const struct shell_volume *found,
		       void (*show_it)(const struct shell_volume *found,
				       const struct volume_facts *facts));

/* Reads a size as virsh does: in the verb's own unit (bytes of it) unless another one follows.
 * Returns false after a message. */
bool shell_size(const char *text, uint64_t own, uint64_t *bytes);

#define ARG_POOL                                                    \
	{                                                           \
		"pool", ARG_TEXT, ARG_REQUIRED, "pool name or uuid" \
	}
#define ARG_VOLUME                                                     \
	{                                                              \
		"vol", ARG_TEXT, ARG_REQUIRED, "vol name, key or path" \
	}
#define ARG_IN_POOL                                              \
	{                                                        \
		"pool", ARG_TEXT, ARG_NAMED, "pool name or uuid" \
	}
