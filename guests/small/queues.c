/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile virtqueues, against each virtio device that the machine has: loops,
 * wrong lengths, indexes out of range, memory that is not there, garbage. The
 * device must stop itself (DEVICE_NEEDS_RESET) or fail the request, and work
 * as ever once it has been reset. The word "rounds=" says how much garbage.
 */
#include <stdio.h>
#include <string.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"
#include "guests/lib/virtio.h"

#define ROUNDS 200u
#define SETTLE 300u /* reads of the status, each of which dom0 answers */

static _Alignas(4096) struct virtio_rings rings;
static _Alignas(4096) struct virtio_desc table[512];
static _Alignas(4096) uint8_t data[65536];
static _Alignas(16) struct {
	uint32_t type, reserved;
	uint64_t sector;
} header;
static volatile uint8_t block_status;
static uint64_t ram_end, seed = 1;

static const char *const type_name[] = {"", "net", "blk", "console", "rng"};

static void name_test(char name[64], const struct virtio_device *dev, const char *what)
{
	snprintf(name, 64, "%s: %s", type_name[dev->type], what);
}

/* --- what works ----------------------------------------------------------- */

static void describe(unsigned i, const volatile void *at, uint32_t bytes, uint16_t flags,
		     uint16_t next)
{
	rings.desc[i] = (struct virtio_desc){(uintptr_t)at, bytes, flags, next};
}

/* Queues that carry what the guest says, and those for what it hears. */
static unsigned talk_queue(const struct virtio_device *dev)
{
	return dev->type == VIRTIO_TYPE_NET || dev->type == VIRTIO_TYPE_CONSOLE;
}

/* A request that each device takes. */
static void proper_request(const struct virtio_device *dev)
{
	memset(data, 0, 64);
	switch (dev->type) {
	case VIRTIO_TYPE_BLK:
		header.type = 0;
		header.sector = 0;
		block_status = 0xee;
		describe(0, &header, sizeof(header), DESC_NEXT, 1);
		describe(1, data, 512, DESC_NEXT | DESC_WRITE, 2);
		describe(2, &block_status, 1, DESC_WRITE, 0);
		break;
	case VIRTIO_TYPE_RNG:
		describe(0, data, 64, DESC_WRITE, 0);
		break;
	case VIRTIO_TYPE_CONSOLE:
		describe(0, ".", 1, 0, 0);
		break;
	default: /* a frame to nobody, of a type of nobody */
		memset(data + 12, 0x02, 12);
		data[24] = 0x88;
		data[25] = 0xb5;
		describe(0, data, 12 + 60, 0, 0);
		break;
	}
	virtio_offer(&rings, 0);
}

static void still_works(const struct virtio_device *dev, const char *after)
{
	unsigned queue = talk_queue(dev);
	char name[64];
	bool started = virtio_start(dev, queue, 0, &rings), done = false;

	if (started) {
		proper_request(dev);
		virtio_kick(dev, queue);
		done = virtio_wait(&rings, 1);
	}
	snprintf(name, sizeof(name), "%s works after %s", type_name[dev->type], after);
	check(started && done && !(virtio_status(dev) & STATUS_NEEDS_RESET) &&
		      (dev->type != VIRTIO_TYPE_BLK || block_status == 0),
	      name, "status %#x, used %u", virtio_status(dev), rings.used.index);
}

/* --- single rules --------------------------------------------------------- */

static void settle(const struct virtio_device *dev)
{
	for (unsigned i = 0; i < SETTLE; i++)
		if (virtio_status(dev) & STATUS_NEEDS_RESET)
			return;
}

static void attack(const struct virtio_device *dev, const char *what)
{
	char name[64];

	virtio_kick(dev, talk_queue(dev));
	settle(dev);
	name_test(name, dev, what);
	check(virtio_status(dev) & STATUS_NEEDS_RESET, name, "the device goes on, status %#x",
	      virtio_status(dev));
}

static void begin(const struct virtio_device *dev, uint32_t features)
{
	char name[64];

	if (virtio_start(dev, talk_queue(dev), features, &rings))
		return;
	name_test(name, dev, "start");
	check(false, name, "status %#x", virtio_status(dev));
}

static void attack_chain(const struct virtio_device *dev, const char *what, uint64_t address,
			 uint32_t bytes, uint16_t flags, uint16_t next)
{
	begin(dev, 0);
	rings.desc[0] = (struct virtio_desc){address, bytes, flags, next};
	rings.desc[1] = rings.desc[0];
	rings.desc[1].next = 0;
	virtio_offer(&rings, 0);
	attack(dev, what);
}

static void chains(const struct virtio_device *dev)
{
	uint64_t at = (uintptr_t)data;
	uint16_t way = dev->type == VIRTIO_TYPE_RNG ? DESC_WRITE : 0;

	attack_chain(dev, "a loop of one", at, 16, way | DESC_NEXT, 0);
	attack_chain(dev, "a loop of two", at, 16, way | DESC_NEXT, 1);
	attack_chain(dev, "a loop of nothing", at, 0, way | DESC_NEXT, 1);
	attack_chain(dev, "next out of range", at, 16, way | DESC_NEXT, VQ_SIZE);
	attack_chain(dev, "behind the RAM", ram_end, 16, way, 0);
	attack_chain(dev, "across the RAM's end", ram_end - 8, 16, way, 0);
	attack_chain(dev, "around the end of all", ~7ull, 16, way, 0);
	attack_chain(dev, "a length of 4 GiB", at, ~0u, way, 0);
	attack_chain(dev, "the local APIC", 0xfee00000, 64, way, 0);
	attack_chain(dev, "device registers", 0xfe000000, 64, way, 0);
	attack_chain(dev, "a table that was not agreed", at, 16, DESC_INDIRECT, 0);
	begin(dev, 0);
	describe(0, data, 16, DESC_WRITE | DESC_NEXT, 1);
	describe(1, data, 16, 0, 0);
	virtio_offer(&rings, 0);
	attack(dev, "to read after to write");
	still_works(dev, "chains");
}

static void attack_table(const struct virtio_device *dev, const char *what, uint64_t address,
			 uint32_t bytes, uint16_t flags)
{
	begin(dev, FEATURE_INDIRECT);
	rings.desc[0] = (struct virtio_desc){address, bytes, flags | DESC_INDIRECT, 1};
	virtio_offer(&rings, 0);
	attack(dev, what);
}

static void tables(const struct virtio_device *dev)
{
	uint64_t at = (uintptr_t)table;

	for (unsigned i = 0; i < 512; i++)
		table[i] = (struct virtio_desc){(uintptr_t)data, 16, DESC_NEXT, (uint16_t)(i + 1)};
	attack_table(dev, "an empty table", at, 0, 0);
	attack_table(dev, "half an entry", at, 24, 0);
	attack_table(dev, "a table of 512", at, 512 * 16, 0);
	attack_table(dev, "a table that leads out", at, 64 * 16, 0);
	attack_table(dev, "a table and a next", at, 16, DESC_NEXT);
	attack_table(dev, "a table behind the RAM", ram_end, 16, 0);
	attack_table(dev, "a table in registers", 0xfee00000, 16, 0);
	table[1].next = 0;
	attack_table(dev, "a table that loops", at, 64 * 16, 0);
	table[0] = (struct virtio_desc){at, 16, DESC_INDIRECT, 0};
	attack_table(dev, "a table in a table", at, 16, 0);
	still_works(dev, "tables");
}

static void indexes(const struct virtio_device *dev)
{
	begin(dev, 0);
	rings.avail.index = VQ_SIZE + 1;
	attack(dev, "the available index leaps");
	begin(dev, 0);
	virtio_offer(&rings, VQ_SIZE);
	attack(dev, "a head out of range");
	begin(dev, 0);
	virtio_offer(&rings, 0xffff);
	attack(dev, "a head of all ones");
	still_works(dev, "indexes");
}

static void attack_place(const struct virtio_device *dev, const char *what, uint16_t size,
			 uint64_t desc, uint64_t avail, uint64_t used)
{
	char name[64];

	name_test(name, dev, what);
	if (!virtio_reset(dev) || !virtio_negotiate(dev, 0)) {
		check(false, name, "no reset");
		return;
	}
	virtio_place(dev, talk_queue(dev), size, desc, avail, used);
	virtio_go(dev);
	virtio_kick(dev, talk_queue(dev));
	settle(dev);
	check(virtio_status(dev) & STATUS_NEEDS_RESET, name, "status %#x", virtio_status(dev));
}

static void places(const struct virtio_device *dev)
{
	uint64_t desc = (uintptr_t)rings.desc, avail = (uintptr_t)&rings.avail;
	uint64_t used = (uintptr_t)&rings.used;

	attack_place(dev, "a queue of no size", 0, desc, avail, used);
	attack_place(dev, "a queue of size 3", 3, desc, avail, used);
	attack_place(dev, "a queue of 65535", 0xffff, desc, avail, used);
	attack_place(dev, "descriptors behind the RAM", 256, ram_end, avail, used);
	attack_place(dev, "descriptors on the RAM's end", 256, ram_end - 16, avail, used);
	attack_place(dev, "available ring nowhere", 256, desc, ~1ull, used);
	attack_place(dev, "used ring in registers", 256, desc, avail, 0xfee00000);
	attack_place(dev, "descriptors at an odd place", 256, desc + 1, avail, used);
	attack_place(dev, "used ring at an odd place", 256, desc, avail, used + 2);
	still_works(dev, "places");
}

/* --- block requests ------------------------------------------------------- */

static void block_request(const struct virtio_device *dev, const char *what, uint32_t type,
			  uint64_t sector, void *at, uint32_t bytes, uint16_t way, bool must_fail)
{
	char name[64];
	bool done;

	begin(dev, 0);
	header.type = type;
	header.sector = sector;
	block_status = 0xee;
	describe(0, &header, sizeof(header), DESC_NEXT, 1);
	describe(1, at, bytes, (uint16_t)(DESC_NEXT | way), 2);
	describe(2, &block_status, 1, DESC_WRITE, 0);
	virtio_offer(&rings, 0);
	virtio_kick(dev, 0);
	done = virtio_wait(&rings, 1);
	name_test(name, dev, what);
	check(done && (block_status != 0) == must_fail, name, "used %u, status %#x",
	      rings.used.index, block_status);
}

static void block_requests(const struct virtio_device *dev)
{
	block_request(dev, "a sector beyond", 0, ~0ull, data, 512, DESC_WRITE, true);
	block_request(dev, "a sector that wraps", 0, ~0ull >> 9, data, 1024, DESC_WRITE, true);
	block_request(dev, "half a sector", 0, 0, data, 256, DESC_WRITE, true);
	block_request(dev, "an unknown request", 99, 0, data, 512, DESC_WRITE, true);
	block_request(dev, "a write without data", 1, 0, data, 512, DESC_WRITE, true);
	block_request(dev, "an odd address", 0, 0, data + 1, 512, DESC_WRITE, false);
	/* the disk's data over the rings themselves: whatever comes of it */
	begin(dev, 0);
	proper_request(dev);
	describe(1, &rings, 4096, DESC_NEXT | DESC_WRITE, 2);
	virtio_kick(dev, 0);
	settle(dev);
	still_works(dev, "data over the rings");
	/* a chain that is at work, once more */
	begin(dev, 0);
	proper_request(dev);
	virtio_offer(&rings, 0);
	virtio_kick(dev, 0);
	settle(dev);
	/* reset while the disk is at work */
	for (unsigned i = 0; i < 20; i++) {
		begin(dev, 0);
		proper_request(dev);
		virtio_kick(dev, 0);
		if (!virtio_reset(dev))
			break;
	}
	still_works(dev, "resets at work");
}

/* --- garbage -------------------------------------------------------------- */

static uint32_t random32(void)
{
	return (uint32_t)(random_next(&seed) >> 32);
}

/* Addresses near something that matters, numbers near limits. */
static uint64_t wild_address(void)
{
	switch (random32() % 6) {
	case 0:
		return ram_end - random32() % 8192;
	case 1:
		return (uint64_t)random32() << 32 | random32();
	case 2:
		return (uintptr_t)&rings + random32() % sizeof(rings);
	case 3:
		return 0xfe000000u + random32() % 0x1000000;
	default:
		return (uintptr_t)data + random32() % sizeof(data);
	}
}

/* The rings in such disorder that parts of it are valid. Nothing of the guest's
 * own code can be hit: writes go where RAM of no use is, or nowhere. */
static void disorder(void)
{
	for (unsigned i = 0; i < VQ_SIZE; i++) {
		uint64_t address = wild_address();
		uint32_t bytes = random32() % 3 ? random32() % 600 : random32();

		if ((address < (uintptr_t)data ||
		     address + bytes > (uintptr_t)data + sizeof(data)) &&
		    address < ram_end) {
			address = (uintptr_t)data;
			bytes %= 4096;
		}
		rings.desc[i] = (struct virtio_desc){address, bytes, (uint16_t)(random32() & 7),
						     (uint16_t)(random32() % (VQ_SIZE + 2))};
		rings.avail.ring[i] = (uint16_t)(random32() % (VQ_SIZE + 1));
	}
	rings.avail.index = (uint16_t)(rings.avail.index + random32() % 16);
	rings.avail.event = (uint16_t)random32();
	rings.used.event = (uint16_t)random32();
	if (random32() % 4 == 0)
		rings.used.index = (uint16_t)random32();
}

static void garbage_rings(const struct virtio_device *dev, uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++) {
		if (i % 4 == 0 || (virtio_status(dev) & STATUS_NEEDS_RESET))
			virtio_start(dev, random32() % 2 * talk_queue(dev), random32(), &rings);
		disorder();
		virtio_kick(dev, random32() % 2);
	}
	still_works(dev, "garbage in the rings");
}

static void garbage_registers(const struct virtio_device *dev, uint64_t rounds)
{
	static const uint8_t widths[] = {1, 2, 4};

	virtio_reset(dev);
	for (uint64_t i = 0; i < rounds * 4; i++) {
		unsigned bytes = widths[random32() % 3];
		unsigned offset = random32() % 64 / bytes * bytes;

		/* where a queue would lie in the guest's program, not */
		if (offset >= COMMON_QUEUE_DESC && offset < COMMON_BYTES)
			continue;
		if (random32() % 4)
			window_write(&dev->common, offset, bytes, random32());
		else
			window_read(&dev->common, offset, bytes);
		if (i % 8 == 0)
			virtio_place(dev, random32() % 3, (uint16_t)(1u << random32() % 10),
				     (uintptr_t)rings.desc, (uintptr_t)&rings.avail,
				     (uintptr_t)&rings.used);
		if (i % 16 == 0)
			virtio_kick(dev, random32() % 16);
	}
	still_works(dev, "garbage in the registers");
}

/* The I/O BAR to other places, over other devices', and back. */
static void wandering_bar(const struct virtio_device *dev, uint64_t rounds)
{
	uint32_t bar = pci_config_read(dev->slot, 0x10, 4);

	for (uint64_t i = 0; i < rounds; i++) {
		pci_config_write(dev->slot, 0x10, 4,
				 random32() % 3 ? random32() % 0x10000 : bar + 0x100);
		pci_config_write(dev->slot, 4, 2, random32() & 7);
		outw((uint16_t)((bar & ~3u) + 0xc0), 0);
	}
	pci_config_write(dev->slot, 0x10, 4, bar);
	pci_function_enable(dev->slot);
	still_works(dev, "a wandering BAR");
}

/* --- all ------------------------------------------------------------------ */

static void find_ram_end(void)
{
	const struct hvm_start_info *info = guest_boot_info;
	const struct hvm_memmap_entry *map = (const void *)(uintptr_t)info->memmap;

	for (uint32_t i = 0; i < info->memmap_entries; i++)
		if (map[i].type == 1 && map[i].address + map[i].size > ram_end)
			ram_end = map[i].address + map[i].size;
}

static void attack_device(const struct virtio_device *dev)
{
	uint64_t rounds = option("rounds", ROUNDS);

	still_works(dev, "the start");
	chains(dev);
	tables(dev);
	indexes(dev);
	places(dev);
	if (dev->type == VIRTIO_TYPE_BLK)
		block_requests(dev);
	garbage_rings(dev, rounds);
	garbage_registers(dev, rounds);
	wandering_bar(dev, rounds);
}

int main(void)
{
	unsigned found = 0;

	find_ram_end();
	seed = option("seed", 1);
	for (uint32_t type = VIRTIO_TYPE_NET; type <= VIRTIO_TYPE_RNG; type++) {
		struct virtio_device dev;

		for (unsigned n = 0; virtio_find(type, n, &dev); n++) {
			attack_device(&dev);
			virtio_reset(&dev);
			found++;
		}
	}
	check(found != 0, "devices", "there is no virtio device");
	return check_end();
}
