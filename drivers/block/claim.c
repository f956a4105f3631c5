/* SPDX-License-Identifier: BSD-2-Clause */
/* The users of a device: none, one, or several that share it; and the watches of its size. */
#include <stdio.h>

#include "drivers/block.h"

static const char *in_use(const struct blkdev *dev)
{
	static char text[160];

	snprintf(text, sizeof(text), "%.32s is in use by %.100s", dev->name, dev->user);
	return text;
}

static const char *missing(const struct blkdev *dev)
{
	static char text[80];

	snprintf(text, sizeof(text), "%.32s is missing: its disk does not answer", dev->name);
	return text;
}

const char *blk_claim(struct blkdev *dev, const char *user)
{
	const char *wrong;

	if (blk_is_lost(dev))
		return missing(dev);
	if (dev->user)
		return in_use(dev);
	if (dev->parent && dev->parent->user)
		return in_use(dev->parent);
	for (struct blkdev *other = blk_first(); other; other = other->next)
		if (other->parent == dev && other->user)
			return in_use(other);
	wrong = dev->claim ? dev->claim(dev) : NULL;
	if (!wrong)
		dev->user = user;
	return wrong;
}

const char *blk_claim_shared(struct blkdev *dev)
{
	const char *wrong = dev->sharers ? NULL : blk_claim(dev, "guests that share it");

	if (!wrong)
		dev->sharers++;
	return wrong;
}

void blk_unclaim(struct blkdev *dev)
{
	if (dev->sharers && --dev->sharers)
		return;
	dev->user = NULL;
	if (dev->unclaim)
		dev->unclaim(dev);
}

void blk_watch(struct blkdev *dev, struct blk_watch *watch)
{
	watch->next = dev->watch;
	dev->watch = watch;
}

void blk_unwatch(struct blkdev *dev, const struct blk_watch *watch)
{
	for (struct blk_watch **link = &dev->watch; *link; link = &(*link)->next) {
		if (*link != watch)
			continue;
		*link = watch->next;
		return;
	}
}

void blk_resized(struct blkdev *dev)
{
	for (struct blk_watch *watch = dev->watch; watch; watch = watch->next)
		watch->resized(watch);
}
