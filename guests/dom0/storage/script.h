/* SPDX-License-Identifier: BSD-2-Clause */
/* A script is a list of writes and flushes, done one after the other. */
#pragma once

#include "guests/dom0/storage/transfer.h"

/* A failed step of the target ALL ends the script. That of another target skips the target's other
 * steps, and the script ends when no target is left. */
#define SCRIPT_ALL     UINT32_MAX
#define SCRIPT_TARGETS 256u

struct script_step {
	struct blkdev *dev;
	enum transfer_kind kind;
	uint64_t offset;
	const void *data;
	size_t bytes;
	uint32_t target;
};

struct script {
	struct script_step *step;
	uint32_t count, room, at;
	uint32_t targets, failed_targets;
	bool failed[SCRIPT_TARGETS];
	bool out_of_memory;
	struct transfer transfer;
	void (*done)(struct script *script, bool right);
	bool working, again;
};

void script_add(struct script *script, struct script_step step);
void script_run(struct script *script, void (*done)(struct script *script, bool right));
void script_free(struct script *script);
