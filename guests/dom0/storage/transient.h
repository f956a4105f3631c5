/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks whose changes go when their guest ends: what the guest writes lies in a qcow2 image of its
 * own, a volume that is made at the guest's start and deleted at its end. The image has the disk as
 * its backing file, so several guests may have one such disk at the same time.
 */
#pragma once

#include "drivers/block.h"

struct transient;

struct transient_order {
	struct blkdev *base;
	const char *format; /* of the base: raw or qcow2 */
	const char *user;   /* GUEST/DISK; the volume's tag sampo.transient has it */
	bool found;         /* a volume with this tag that is there already is taken */
	/* Called once, from the event loop, unless transient_end comes before: `dev` is the volume
	 * with the image, which has no user yet. NULL: the reason is *wrong, valid until
	 * transient_end. */
	void (*made)(void *context, struct blkdev *dev, const char *wrong);
	void *context;
};

/* Returns NULL, with the reason in *wrong. The order is copied. */
struct transient *transient_make(const struct transient_order *order, const char **wrong);
/* Deletes the volume, which has no user any more, and forgets it. */
void transient_end(struct transient *transient);

/* At dom0's start: deletes volumes that a power cut has left, those in use excepted, and calls
 * `swept`, from the event loop or at once. */
void transient_sweep(void (*swept)(void));
