/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/store/keeper.c guests/dom0/store/database.c guests/dom0/store/vfs.c guests/dom0/store/image.c */
/* sources: guests/dom0/storage/script.c guests/dom0/storage/transfer.c drivers/block/block.c drivers/block/claim.c */
/* sources: drivers/block/request.c drivers/block/scan.c drivers/block/gpt.c drivers/block/mbr.c */
/* libs: sqlite */
/* fuzz: -max_len=600 */
/* A store on volumes of any bytes: good ones that the input changes, at the end of a change or in
 * the midst of it. dom0 refuses it or works with it; what it cannot use it does not write. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block/request.h"
#include "drivers/env.h"
#include "guests/dom0/store/keeper.h"
#include "tests/unit/dma_mock.h"
#include "tests/unit/log_mock.h"

#define DEVICES 2u
#define SECTORS 512u /* 256 KiB */

static uint8_t media[DEVICES][SECTORS * BLK_SECTOR];
static uint8_t good[2][DEVICES]
		   [SECTORS * BLK_SECTOR]; /* after a change, and when its power was cut */
static struct blkdev device[DEVICES];
static unsigned writes, last_write = UINT32_MAX;
static const char *failure;

uint64_t clock_wall_ns(void)
{
	return 1800000000ull * 1000000000;
}

static void submit(struct blkdev *dev, struct blk_request *request)
{
	uint8_t *at = media[dev - device] + request->disk_sector * BLK_SECTOR;
	bool lost = request->op == BLK_WRITE && writes++ >= last_write;

	if (request->op != BLK_FLUSH && !lost)
		blk_copy(request, 0, at, (size_t)request->sectors * BLK_SECTOR,
			 request->op == BLK_WRITE);
	request->done(request, BLK_OK);
}

static void done(void *context, const char *wrong)
{
	(void)context;
	failure = wrong;
}

static bool open_store(void)
{
	keeper_close();
	keeper_open(&device[0], &device[1], done, NULL);
	if (keeper_is_open() != !failure)
		abort();
	return !failure;
}

static void put(const char *name, size_t bytes)
{
	static char text[20000];
	struct database_domain domain = {name, text, bytes, true};

	memset(text, 'x', sizeof(text));
	if (!keeper_begin())
		keeper_end(database_put_domain(&domain), done, NULL);
}

static void see(void *context, const struct database_domain *domain)
{
	size_t *sum = context;

	*sum += strlen(domain->name) + domain->bytes;
}

static void prepare(void)
{
	for (unsigned n = 0; n < DEVICES; n++)
		device[n] = (struct blkdev){
			.name = "volume",
			.sectors = SECTORS,
			.logical_block = 512,
			.physical_block = 512,
			.max_sectors = 64,
			.can_flush = true,
			.submit = submit,
		};
	if (!open_store())
		abort();
	put("web", 9000);
	put("db", 300);
	memcpy(good[0], media, sizeof(media));
	writes = 0;
	last_write = 4; /* the journal is whole, the database is not */
	put("web", 15000);
	memcpy(good[1], media, sizeof(media));
	last_write = UINT32_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t before[DEVICES][SECTORS * BLK_SECTOR];
	static bool prepared;
	size_t sum = 0;

	if (!prepared)
		prepare();
	prepared = true;
	if (!size)
		return 0;
	memcpy(media, good[data[0] & 1], sizeof(media));
	for (size_t i = 1; i + 4 <= size; i += 4) {
		size_t at = data[i] | data[i + 1] << 8 | (data[i + 2] & 3) << 16;

		media[data[i + 2] >> 7][at % sizeof(media[0])] = data[i + 3];
	}
	memcpy(before, media, sizeof(media));
	writes = 0;
	if (!open_store()) {
		if (writes || memcmp(before, media, sizeof(media)) != 0)
			abort();
		return 0;
	}
	database_domains(see, &sum);
	put("web", 20000);
	put("new", 4000);
	if (!keeper_begin())
		keeper_end(database_drop_domain("db"), done, NULL);
	return 0;
}
