/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block devices as drivers offer them: asynchronous requests on 512-byte
 * sectors with scatter lists of bus addresses. Disks, partitions and volumes
 * are all struct blkdev; a partition forwards with an offset, a volume
 * (guests/dom0/storage) to the devices that it lies on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BLK_SECTOR       512u
#define BLK_MAX_SEGMENTS 130u /* 512 KiB and more in 4 KiB pages */

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_WRITE_ZEROES };
enum blk_status { BLK_OK, BLK_IOERR, BLK_UNSUPPORTED };

struct blk_segment {
	uint64_t bus;
	uint32_t bytes; /* multiples of 512 in total; single segments may be
			   any multiple of 4, at any address multiple of 4 */
	/* The same bytes for the CPU: used only where the device cannot reach
	 * or address the memory itself. NULL: the CPU has no access. */
	void *data;
};

struct blk_request {
	enum blk_op op;
	uint64_t sector;
	uint32_t sectors;                  /* 0 for FLUSH */
	uint32_t segments;                 /* 0 for all but READ and WRITE */
	const struct blk_segment *segment; /* stays valid until done */
	/* Called once, from the event loop or from within blk_submit. */
	void (*done)(struct blk_request *request, enum blk_status status);
	void *context;
	/* for the block layer and the driver */
	struct blk_request *next;
	uint64_t disk_sector; /* sector, on the whole disk */
	uint32_t issued;      /* sectors that commands were made for */
	uint32_t commands;    /* in flight for this request */
	enum blk_status result;
	bool queued;
	void *driver;
};

/* A user's wish to be told when a device gets another size. */
struct blk_watch {
	void (*resized)(struct blk_watch *watch);
	void *context;
	struct blk_watch *next; /* of the device's */
};

struct blkdev {
	char name[32]; /* "sda", "nvme0n1", "sda1" */
	char serial[24];
	char model[44];
	uint64_t sectors;
	uint32_t logical_block;  /* bytes; requests are multiples of it */
	uint32_t physical_block; /* bytes, a hint */
	bool read_only, can_flush, can_discard;
	bool can_zero;        /* takes WRITE_ZEROES */
	bool lost;            /* a disk that does not answer any more: requests fail at once */
	uint32_t max_sectors; /* of one read or write */
	/* Takes the request or completes it with an error; queues as needed. */
	void (*submit)(struct blkdev *dev, struct blk_request *request);
	void *driver;
	/* partitions */
	struct blkdev *parent;
	uint64_t first_sector;
	char part_label[40]; /* GPT name as UTF-8 (ASCII only is enough) */
	char part_uuid[37];
	const char *user; /* the user's name (a guest's), or NULL */
	unsigned sharers; /* users that share it; 0: one alone, or none */
	struct blk_watch *watch;
	struct blkdev *next; /* list of all devices */
	/* volumes */
	const char *alias[2]; /* paths that blk_find knows, or NULL */
	/* Claims and gives back what the device lies on, as blk_claim does; NULL:
	 * there is nothing below. */
	const char *(*claim)(struct blkdev *dev);
	void (*unclaim)(struct blkdev *dev);
};

/* Checks bounds, read-only and segment totals, then hands to the driver. */
void blk_submit(struct blkdev *dev, struct blk_request *request);

/* Drivers register disks; the partition table is then read (asynchronously)
 * and partitions registered as devices of their own; `ready` (may be NULL)
 * is called when that is done. */
void blk_register(struct blkdev *dev, void (*ready)(struct blkdev *dev));
struct blkdev *blk_first(void);

/* Puts a device on the list without a search for partitions; the name is
 * final. Takes it off again. */
void blk_list(struct blkdev *dev);
void blk_unlist(struct blkdev *dev);
/* The disk has no partition table any more: takes its partitions, which nobody uses, off the
 * list. */
void blk_drop_partitions(const struct blkdev *disk);

/*
 * Gives the device to a user, whose name stays valid until blk_unclaim. A disk
 * is not given away while one of its partitions is, nor the other way round; a
 * device that is lost is not given away.
 * Returns NULL, or a text that says which device has which user.
 */
const char *blk_claim(struct blkdev *dev, const char *user);
/* The same for a user that shares the device with others that say so, too. */
const char *blk_claim_shared(struct blkdev *dev);
/* Ends one claim of either kind. */
void blk_unclaim(struct blkdev *dev);

/* A watch is called from blk_resized, by which the layer below a device tells that the device has
 * another size by now. It must not end itself or another watch. */
void blk_watch(struct blkdev *dev, struct blk_watch *watch);
void blk_unwatch(struct blkdev *dev, const struct blk_watch *watch);
void blk_resized(struct blkdev *dev);

/*
 * Disks are found asynchronously: a driver holds the list while it looks for
 * disks, and releases it when all that were there at the start have been
 * registered. `settled` is called once, from the event loop or at once, when
 * nobody holds the list and all partition tables have been read.
 */
void blk_hold(void);
void blk_release(void);
void blk_when_settled(void (*settled)(void));

/* Is it a disk that its driver has lost, or a partition of one? */
static inline bool blk_is_lost(const struct blkdev *dev)
{
	return dev->parent ? dev->parent->lost : dev->lost;
}

/* By name ("sda1"), by "/dev/sda1", "/dev/disk/by-partlabel/X",
 * "/dev/disk/by-partuuid/X", "/dev/disk/by-id/SERIAL" or by an alias of a
 * volume. NULL: none. */
struct blkdev *blk_find(const char *path);
