/* SPDX-License-Identifier: BSD-2-Clause */
/* What there is to say of a volume and the image in it, whose header is read first. */
#pragma once

#include "guests/dom0/manage/documents.h"
#include "guests/dom0/storage/image_make.h"

struct volume_look {
	/* Called once, from the event loop or at once. */
	void (*done)(struct volume_look *look);
	void *context;
	struct volume_facts facts;
	/* volume_look.c's own; the volume may be gone when `done` is called */
	char pool[LVM_NAME], name[LVM_NAME];
	struct image_look image;
};

/* Sets all but `done` and `context`. The volume's pool has been read. */
void volume_look(struct volume_look *look, const struct pool *pool, uint32_t lv);
/* The volume again, in `done` or later. Returns false if it is gone. */
bool volume_looked(const struct volume_look *look, struct pool **pool, uint32_t *lv);
