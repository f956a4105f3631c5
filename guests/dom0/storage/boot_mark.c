/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/boot_mark.h"

#include <stdio.h>
#include <string.h>

#include "guests/dom0/storage/transfer.h"
#include "guests/lib/guest.h"

#define SPACES    " \t"
#define SIGNATURE "# GRUB Environment Block\n"
#define TRIED     "\nsampo_state=try\n"
#define RAN       "\nsampo_state=ran\n"

static struct {
	struct transfer transfer;
	uint8_t block[BOOT_MARK_BYTES];
	uint64_t offset; /* bytes */
	void (*done)(void);
} mark;

const char *boot_mark_change(uint8_t block[BOOT_MARK_BYTES])
{
	const size_t n = strlen(TRIED), head = strlen(SIGNATURE);

	if (memcmp(block, SIGNATURE, head) != 0)
		return "the sector holds no environment block of GRUB";
	/* The line's first character is the end of the line before. */
	for (size_t at = head - 1; at + n <= BOOT_MARK_BYTES; at++) {
		if (memcmp(block + at, TRIED, n) != 0)
			continue;
		memcpy(block + at, RAN, n);
		return NULL;
	}
	return "the environment block says nothing of a version that GRUB tries";
}

bool boot_mark_parse(const char *text, unsigned n, char device[64], uint64_t *sector)
{
	const char *comma = memchr(text, ',', n), *end = text + n;

	if (!comma || comma == text || comma + 1 == end || comma - text >= 64)
		return false;
	snprintf(device, 64, "%.*s", (int)(comma - text), text);
	*sector = 0;
	for (const char *at = comma + 1; at < end; at++) {
		if (*at < '0' || *at > '9' || *sector > UINT64_MAX / BLK_SECTOR / 10 - 1)
			return false;
		*sector = *sector * 10 + (uint64_t)(*at - '0');
	}
	return true;
}

static void finish(const char *wrong)
{
	if (wrong)
		printf(LOG_WARNING "dom0: " BOOT_MARK_WORD
				   ": %s: the next start will be the version before\n",
		       wrong);
	else
		printf("dom0: this version has come up: GRUB will start it again\n");
	if (mark.transfer.dev)
		blk_unclaim(mark.transfer.dev);
	mark.transfer.dev = NULL;
	mark.done();
}

static void start(enum transfer_kind kind, void (*done)(struct transfer *transfer, bool right))
{
	mark.transfer = (struct transfer){
		.dev = mark.transfer.dev,
		.kind = kind,
		.offset = kind == TRANSFER_FLUSH ? 0 : mark.offset,
		.data = kind == TRANSFER_FLUSH ? NULL : mark.block,
		.bytes = kind == TRANSFER_FLUSH ? 0 : sizeof(mark.block),
		.done = done,
	};
	transfer_start(&mark.transfer);
}

static void flushed(struct transfer *transfer, bool right)
{
	(void)transfer;
	finish(right ? NULL : "the disk cannot be flushed");
}

static void written(struct transfer *transfer, bool right)
{
	(void)transfer;
	if (right)
		start(TRANSFER_FLUSH, flushed);
	else
		finish("the sector cannot be written");
}

static void was_read(struct transfer *transfer, bool right)
{
	const char *wrong = right ? boot_mark_change(mark.block) : "the sector cannot be read";

	(void)transfer;
	if (wrong)
		finish(wrong);
	else
		start(TRANSFER_WRITE, written);
}

static const char *begin(const char *text, size_t n)
{
	char device[64];
	uint64_t sector;
	struct blkdev *dev;
	const char *wrong;

	if (!boot_mark_parse(text, (unsigned)n, device, &sector))
		return "not a device and a sector, as /dev/disk/by-partuuid/UUID,2048";
	dev = blk_find(device);
	if (!dev)
		return "there is no such device";
	if (dev->sectors < BOOT_MARK_BYTES / BLK_SECTOR ||
	    sector > dev->sectors - BOOT_MARK_BYTES / BLK_SECTOR)
		return "the sector is behind the device's end";
	wrong = blk_claim(dev, "boot-mark");
	if (wrong)
		return wrong;
	mark.transfer.dev = dev;
	mark.offset = sector * BLK_SECTOR;
	start(TRANSFER_READ, was_read);
	return NULL;
}

void boot_mark(const char *cmdline, void (*done)(void))
{
	const size_t skip = strlen(BOOT_MARK_WORD);
	const char *wrong;

	mark.done = done;
	for (const char *at = cmdline + strspn(cmdline, SPACES); *at; at += strspn(at, SPACES)) {
		size_t n = strcspn(at, SPACES);

		if (strncmp(at, BOOT_MARK_WORD, skip) != 0) {
			at += n;
			continue;
		}
		wrong = begin(at + skip, n - skip);
		if (wrong)
			finish(wrong);
		return;
	}
	done();
}
