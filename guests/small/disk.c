/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes to its first virtio disk at `places=` places, as far from each other as the disk lets them
 * be, flushes, and reads all back. Of an image that has all L2 tables far from each other in use.
 */
#include <stdio.h>
#include <string.h>

#include "guests/lib/check.h"
#include "guests/lib/virtio.h"

#define SECTOR        512u
#define BYTES         4096u /* at each place */
#define FEATURE_FLUSH (1u << 9)

/* virtio 1.2, 5.2.6 */
enum { READ, WRITE, FLUSH = 4 };

static _Alignas(4096) struct virtio_rings rings;
static _Alignas(4096) uint64_t data[BYTES / 8];
static _Alignas(4096) struct {
	uint32_t type, reserved;
	uint64_t sector;
} header;
static volatile uint8_t status;
static uint16_t requests;

static void describe(unsigned i, const volatile void *at, uint32_t bytes, uint16_t flags)
{
	rings.desc[i] = (struct virtio_desc){(uintptr_t)at, bytes, flags, (uint16_t)(i + 1)};
}

static bool request(const struct virtio_device *disk, uint32_t type, uint64_t sector)
{
	unsigned n = 0;

	header.type = type;
	header.sector = sector;
	status = 0xee;
	describe(n++, &header, sizeof(header), DESC_NEXT);
	if (type != FLUSH)
		describe(n++, data, BYTES, DESC_NEXT | (type == READ ? DESC_WRITE : 0));
	describe(n, &status, 1, DESC_WRITE);
	virtio_offer(&rings, 0);
	virtio_kick(disk, 0);
	/* An image may grow meanwhile, which takes its time. */
	requests++;
	for (unsigned i = 0; i < 1000; i++)
		if (virtio_wait(&rings, requests))
			return !status;
	return false;
}

static void fill(uint64_t place)
{
	for (unsigned i = 0; i < BYTES / 8; i++)
		data[i] = place << 32 | i;
}

static bool is_there(uint64_t place)
{
	for (unsigned i = 0; i < BYTES / 8; i++)
		if (data[i] != (place << 32 | i))
			return false;
	return true;
}

int main(void)
{
	uint64_t places = option("places", 64), sectors, step, good = 0;
	struct virtio_device disk;

	if (!places || !virtio_find(VIRTIO_TYPE_BLK, 0, &disk) ||
	    !virtio_start(&disk, 0, FEATURE_FLUSH, &rings)) {
		check(false, "disk: start", "no disk, or no places");
		return check_end();
	}
	sectors = window_read(&disk.config, 0, 4) | (uint64_t)window_read(&disk.config, 4, 4) << 32;
	step = sectors / places / (BYTES / SECTOR) * (BYTES / SECTOR);
	for (uint64_t i = 0; i < places; i++) {
		fill(i + 1);
		good += request(&disk, WRITE, i * step);
	}
	check(good == places, "disk: writes", "%u of %u", (unsigned)good, (unsigned)places);
	check(request(&disk, FLUSH, 0), "disk: flush", "status %u", status);
	good = 0;
	for (uint64_t i = 0; i < places; i++) {
		memset(data, 0, BYTES);
		good += request(&disk, READ, i * step) && is_there(i + 1);
	}
	check(good == places, "disk: reads", "%u of %u", (unsigned)good, (unsigned)places);
	return check_end();
}
