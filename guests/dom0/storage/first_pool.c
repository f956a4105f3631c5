/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/first_pool.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/storage/change.h"
#include "guests/lib/guest.h"

#define SPACES " \t"

static struct {
	char name[LVM_NAME + 1];
	char label[sizeof(((struct blkdev *)NULL)->part_label)];
	void (*done)(void);
} first;

/* Takes both parts of the word. Returns false if there is no word; *wrong says what is wrong with
 * it. */
static bool read_word(const char *cmdline, const char **wrong)
{
	const char *at = cmdline + strspn(cmdline, SPACES), *colon;
	size_t n = strcspn(at, SPACES), skip = strlen(FIRST_POOL_WORD), name;

	while (*at && strncmp(at, FIRST_POOL_WORD, skip) != 0) {
		at += n;
		at += strspn(at, SPACES);
		n = strcspn(at, SPACES);
	}
	if (!*at)
		return false;
	at += skip;
	n -= skip;
	colon = memchr(at, ':', n);
	name = colon ? (size_t)(colon - at) : 0;
	*wrong = NULL;
	if (!name || name + 1 == n)
		*wrong = "not a pool and a partition's name, as data:sampo-data";
	else if (name >= sizeof(first.name) || n - name - 1 >= sizeof(first.label))
		*wrong = "too long";
	else {
		snprintf(first.name, sizeof(first.name), "%.*s", (int)name, at);
		snprintf(first.label, sizeof(first.label), "%.*s", (int)(n - name - 1), colon + 1);
	}
	return true;
}

/* An image that has been written to two disks gives both the same names. */
static const char *find_partition(struct blkdev **found)
{
	*found = NULL;
	for (struct blkdev *dev = blk_first(); dev; dev = dev->next) {
		if (!dev->parent || strcmp(dev->part_label, first.label) != 0)
			continue;
		if (*found)
			return "two partitions have this name";
		*found = dev;
	}
	return *found ? NULL : "there is no such partition";
}

static void complain(const char *wrong)
{
	printf(LOG_WARNING "dom0: no pool %s is built of partition %s: %s\n", first.name,
	       first.label, wrong);
}

static void built(const char *wrong, const char *note)
{
	if (wrong)
		complain(wrong);
	else
		printf("dom0: pool %s built of partition %s%s%s\n", first.name, first.label,
		       *note ? ": " : "", note);
	first.done();
}

void first_pool(const char *cmdline, void (*done)(void))
{
	const char *wrong;
	struct blkdev *dev;

	first.done = done;
	if (!read_word(cmdline, &wrong)) {
		done();
		return;
	}
	if (wrong) {
		printf(LOG_WARNING "dom0: " FIRST_POOL_WORD ": %s\n", wrong);
		done();
		return;
	}
	if (pool_named(first.name)) {
		done();
		return;
	}
	wrong = find_partition(&dev);
	if (!wrong)
		wrong = change_build(first.name, &dev, 1, false, built);
	if (wrong) {
		complain(wrong);
		done();
	}
}
