/* SPDX-License-Identifier: BSD-2-Clause */
/* The content of a foreign image, piece by piece, from one device to another. */
#pragma once

#include "drivers/block.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/storage/foreign.h"
#include "guests/dom0/storage/transfer.h"

#define INTAKE_PIECE 65536u /* bytes that are read, written or decompressed in one go */

enum intake_phase {
	INTAKE_OPEN,
	INTAKE_NEXT, /* the next extent */
	INTAKE_READ, /* a piece of it */
	INTAKE_INFLATE,
	INTAKE_WRITE, /* what is in `plain` */
	INTAKE_ZERO,
	INTAKE_END,
};

/* Zeros at first, but for the caller's. */
struct intake {
	/* the caller's */
	struct blkdev *source;
	const struct foreign_format *format;
	uint64_t bytes;    /* of the source that are the image */
	struct blkdev *to; /* for intake_run */
	bool sparse;       /* `to` reads as zeros where nothing has been written */
	bool stop;         /* it ends soon, as a failure */
	/* Called once, from the event loop, for intake_open and for intake_run; no request is at
	 * work by then. `wrong` is the reason of a failure, valid until intake_free, or NULL. */
	void (*done)(struct intake *intake, const char *wrong);
	void *context;
	/* for all to read */
	uint64_t at; /* bytes of the disk that are done, of foreign.size */
	struct foreign foreign;
	/* intake.c's own */
	enum intake_phase phase;
	struct foreign_extent extent; /* what is left of it */
	uint8_t *plain;
	uint32_t room, plain_at, plain_bytes; /* of `plain`: all, what is written, what there is */
	bool no_zeroes;                       /* the device takes no WRITE_ZEROES */
	struct inflation *inflation;
	struct transfer transfer;
	struct blk_request zeroes;
	struct work work;
	char why[192];
};

/* Reads what says how large the disk is. */
void intake_open(struct intake *intake);
/* Writes the disk's content to `to`, which has room for it, and flushes. */
void intake_run(struct intake *intake);
/* Nothing is at work. */
void intake_free(struct intake *intake);
