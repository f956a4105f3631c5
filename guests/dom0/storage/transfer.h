/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads and writes of any bytes of a device, for what dom0 itself keeps on disks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/block.h"

enum transfer_kind { TRANSFER_READ, TRANSFER_WRITE, TRANSFER_FLUSH };

struct transfer {
	struct blkdev *dev;
	enum transfer_kind kind;
	uint64_t offset; /* bytes */
	uint8_t *data;   /* stays valid until `done` */
	size_t bytes;
	/* Called once, from the event loop or from within transfer_start. The transfer is the
	 * caller's again by then. */
	void (*done)(struct transfer *transfer, bool right);
	void *context;
	/* transfer.c's own */
	struct blk_request request;
	struct blk_segment segment;
	uint8_t *buffer;
	uint32_t before, piece; /* bytes of the buffer in front of the data, and of the data */
	bool working, again;    /* within blk_submit; the request has ended */
	bool right;             /* it has ended well */
};

void transfer_start(struct transfer *transfer);
