/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/virtio/life.c guests/dom0/virtio/plug.c guests/dom0/virtio/device.c guests/dom0/virtio/queue.c guests/dom0/virtio/blk.c drivers/block/claim.c */
/* sources: guests/dom0/virtio/blk_io.c guests/dom0/virtio/blk_tune.c guests/dom0/virtio/blk_error.c guests/dom0/virtio/blk_image.c guests/dom0/virtio/throttle.c guests/dom0/virtio/net.c guests/dom0/virtio/console.c */
/* sources: guests/dom0/virtio/rng.c guests/dom0/net/switch.c guests/dom0/net/offload.c guests/dom0/config/alias.c guests/dom0/base/mac.c guests/dom0/vm/watch.c */
/* The block device: requests of all kinds and shapes, errors, reset while the
 * disk works, and a dom0 that is restarted in the middle. */
#include "guests/dom0/virtio/blk.h"
#include "tests/unit/unit.h"
#include "tests/unit/virtio_mock.h"

#define RING 0x10000u
#define HEAD 0x20000u /* headers and status bytes */
#define DATA 0x100000u
#define SIZE 64u

#define T_IN      0u
#define T_OUT     1u
#define T_FLUSH   4u
#define T_GET_ID  8u
#define T_DISCARD 11u

static struct driver_queue driver;
static struct virtio_device *dev;
static uint16_t next_desc;

static void driver_up(uint64_t features)
{
	dev = mock_device(0);
	dev->state->negotiated = features;
	mock_queue_up(dev, 0, &driver, RING, SIZE);
	next_desc = 0;
	mock_driver_ok(dev);
}

static void setup(void)
{
	if (mock_vm.virtio) {
		virtio_part.detach(&mock_vm);
		mock_settle();
	}
	assert_null(mock_vm.virtio);
	assert_null(mock_disk.user);
	mock_init();
	mock_disk.max_sectors = 1024;
	mock_disk.read_only = false;
	mock_no_dma = mock_at_once = false;
	mock_executed = NULL;
	memset(&mock_config, 0, sizeof(mock_config));
	mock_config.disks = 1;
	strcpy(mock_config.disk[0].source, "sda1");
	strcpy(mock_config.disk[0].serial, "S3R14L");
	assert_true(mock_attach());
	for (unsigned i = 0; i < MOCK_SECTORS * BLK_SECTOR; i++)
		mock_media[i] = (uint8_t)(i * 2654435761u >> 24);
	driver_up(VIRTIO_F_VERSION_1 | VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_DISCARD);
}

struct buffer {
	uint64_t gpa;
	uint32_t bytes;
};

static uint8_t *status_of(uint16_t head)
{
	return mock_vm.ram + HEAD + head * 32u + 16;
}

/* Makes a request available; returns its head. */
static uint16_t request(uint32_t type, uint64_t sector, const struct buffer *data, unsigned n)
{
	uint16_t head = next_desc, at = head;
	uint64_t header[2] = {type, sector};

	memcpy(mock_vm.ram + HEAD + head * 32u, header, sizeof(header));
	*status_of(head) = 0xee;
	driver_desc(&driver, at, HEAD + head * 32u, 16, DRIVER_NEXT, (at + 1) % SIZE);
	for (unsigned i = 0; i < n; i++) {
		at = (at + 1) % SIZE;
		driver_desc(&driver, at, data[i].gpa, data[i].bytes,
			    DRIVER_NEXT | (type == T_OUT || type == T_DISCARD ? 0 : DRIVER_WRITE),
			    (at + 1) % SIZE);
	}
	at = (at + 1) % SIZE;
	driver_desc(&driver, at, HEAD + head * 32u + 16, 1, DRIVER_WRITE, 0);
	next_desc = (at + 1) % SIZE;
	driver_avail(&driver, head);
	return head;
}

static void kick(void)
{
	virtio_notify(&dev->queue[0]);
}

/* Runs one request to its end; returns its status. */
static uint8_t run(uint32_t type, uint64_t sector, const struct buffer *data, unsigned n)
{
	uint16_t head = request(type, sector, data, n);
	uint32_t id, bytes;

	kick();
	mock_settle();
	assert_true(driver_used(&driver, &id, &bytes));
	assert_int_equal(id, head);
	assert_false(driver_used(&driver, &id, &bytes));
	return *status_of(head);
}

static void reads_and_writes(void **unused)
{
	struct buffer one = {DATA, 4096};
	struct virtio_blk_stats stats;

	(void)unused;
	setup();
	assert_int_equal(run(T_IN, 8, &one, 1), 0);
	assert_memory_equal(mock_vm.ram + DATA, mock_media + 8 * 512, 4096);
	assert_int_equal(mock_interrupts[0][0], 1);
	memset(mock_vm.ram + DATA, 0x5a, 4096);
	assert_int_equal(run(T_OUT, 100, &one, 1), 0);
	assert_memory_equal(mock_vm.ram + DATA, mock_media + 100 * 512, 4096);
	assert_int_equal(mock_submitted, 2);
	assert_int_equal(run(T_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(mock_submitted, 3);
	assert_true(virtio_blk_stats(&mock_vm, 0, &stats));
	assert_int_equal(stats.reads, 1);
	assert_int_equal(stats.read_bytes, 4096);
	assert_int_equal(stats.writes, 1);
	assert_int_equal(stats.flushes, 1);
	assert_int_equal(stats.errors, 0);
	assert_false(virtio_blk_stats(&mock_vm, 1, &stats));
}

/* The driver is told of a disk that has grown, and may use what is new. */
static void grows(void **unused)
{
	struct buffer one = {DATA, 512};
	uint64_t sectors = mock_disk.sectors;
	uint8_t generation;

	(void)unused;
	setup();
	virtio_part.detach(&mock_vm);
	mock_settle();
	mock_disk.sectors = sectors / 2;
	assert_true(mock_attach());
	driver_up(VIRTIO_F_VERSION_1 | VIRTIO_BLK_F_FLUSH);
	assert_int_equal(run(T_IN, sectors / 2, &one, 1), 1);
	generation = dev->state->config_generation;
	mock_disk.sectors = sectors;
	blk_resized(&mock_disk);
	assert_int_equal(dev->state->blk.capacity, sectors);
	assert_int_not_equal(dev->state->config_generation, generation);
	assert_int_equal(run(T_IN, sectors / 2, &one, 1), 0);
	mock_disk.sectors = sectors / 2;
	blk_resized(&mock_disk);
	assert_int_equal(dev->state->blk.capacity, sectors);
	mock_disk.sectors = sectors;
}

/* The device of a description with these words, limits and marks. */
static void setup_with(const struct config_disk *disk, uint64_t features)
{
	setup();
	virtio_part.detach(&mock_vm);
	mock_settle();
	mock_config.disk[0] = *disk;
	strcpy(mock_config.disk[0].source, "sda1");
	assert_true(mock_attach());
	driver_up(VIRTIO_F_VERSION_1 | features);
}

static void caches(void **unused)
{
	struct config_disk disk = {0};
	struct buffer one = {DATA, 512};

	(void)unused;
	disk.word[DISK_CACHE] = CACHE_DIRECTSYNC;
	disk.word[DISK_DISCARD] = DISCARD_IGNORE;
	setup_with(&disk, 0);
	assert_false(dev->state->offered & (VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_DISCARD));
	assert_int_equal(run(T_OUT, 0, &one, 1), 0);
	assert_int_equal(mock_submitted, 2); /* the write and a flush */
	disk.word[DISK_CACHE] = CACHE_UNSAFE;
	disk.word[DISK_DISCARD] = DISCARD_UNMAP;
	setup_with(&disk, VIRTIO_BLK_F_FLUSH);
	assert_true(dev->state->offered & VIRTIO_BLK_F_FLUSH);
	assert_true(dev->state->offered & VIRTIO_BLK_F_DISCARD);
	assert_int_equal(run(T_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(mock_submitted, 0);
	disk.word[DISK_CACHE] = CACHE_NONE;
	setup_with(&disk, VIRTIO_BLK_F_FLUSH);
	assert_int_equal(run(T_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(mock_submitted, 1);
}

/* Errors that stop the guest, and requests that are done again when it goes on. */
static void errors(void **unused)
{
	struct buffer one = {DATA, 512}, two = {DATA + 4096, 512};
	struct config_disk disk = {0};
	uint16_t first, second;
	uint32_t id, bytes;

	(void)unused;
	disk.word[DISK_WRITE_ERROR] = POLICY_STOP;
	disk.word[DISK_READ_ERROR] = POLICY_IGNORE;
	setup_with(&disk, VIRTIO_BLK_F_FLUSH);
	mock_stops = 0;
	mock_disk_status = BLK_IOERR;
	assert_int_equal(run(T_IN, 0, &one, 1), 0);
	assert_int_equal(mock_stops, 0);
	memset(mock_vm.ram + DATA, 0x77, 512);
	first = request(T_OUT, 1, &one, 1);
	second = request(T_OUT, 2, &two, 1);
	kick();
	mock_settle();
	assert_int_equal(mock_stops, 1);
	assert_false(driver_used(&driver, &id, &bytes));
	assert_true(virtio_part.quiet(&mock_vm));
	/* The disk still fails. */
	virtio_part.resume(&mock_vm);
	mock_settle();
	assert_int_equal(mock_stops, 2);
	mock_disk_status = BLK_OK;
	virtio_part.resume(&mock_vm);
	mock_settle();
	assert_int_equal(mock_stops, 2);
	assert_true(driver_used(&driver, &id, &bytes));
	assert_int_equal(id, first);
	assert_true(driver_used(&driver, &id, &bytes));
	assert_int_equal(id, second);
	assert_int_equal(*status_of(first), 0);
	assert_memory_equal(mock_media + 512, mock_vm.ram + DATA, 512);
	/* A reset forgets them. */
	mock_disk_status = BLK_IOERR;
	request(T_OUT, 1, &one, 1);
	kick();
	mock_settle();
	assert_int_equal(mock_stops, 3);
	virtio_device_reset(dev);
	assert_int_equal(dev->state->status, 0);
	mock_disk_status = BLK_OK;
	mock_submitted = 0;
	virtio_part.resume(&mock_vm);
	mock_settle();
	assert_int_equal(mock_submitted, 0);
}

/* The policies under which the guest stands still when an image finds no room. */
static void no_room(void **unused)
{
	static const bool waits[] = {
		[0] = true,
		[POLICY_REPORT] = false,
		[POLICY_STOP] = true,
		[POLICY_IGNORE] = false,
		[POLICY_ENOSPACE] = true,
	};

	(void)unused;
	for (uint8_t policy = 0; policy <= POLICY_ENOSPACE; policy++) {
		struct config_disk disk = {.word = {[DISK_WRITE_ERROR] = policy}};
		struct blk blk = {0};

		blk_error_policy(&blk, &disk);
		assert_int_equal(blk_error_waits_for_room(&blk), waits[policy]);
	}
}

/* Requests wait for their turn, reads and writes apart, and a reset ends those that wait. */
static void limits(void **unused)
{
	struct config_disk disk = {.iotune = {.rate = {[IOTUNE_READ_IOPS] = 10}}};
	struct buffer one = {DATA, 512};
	unsigned done;

	(void)unused;
	setup_with(&disk, VIRTIO_BLK_F_FLUSH);
	for (unsigned i = 0; i < 4; i++)
		request(T_IN, i, &one, 1);
	kick();
	mock_settle();
	assert_int_equal(mock_submitted, 1);
	request(T_FLUSH, 0, NULL, 0);
	kick();
	mock_settle();
	assert_int_equal(mock_submitted, 2);
	mock_time(99000000);
	mock_settle();
	assert_int_equal(mock_submitted, 2);
	mock_time(2000000);
	mock_settle();
	assert_int_equal(mock_submitted, 3);
	mock_time(100000000);
	mock_settle();
	assert_int_equal(mock_submitted, 4);
	virtio_device_reset(dev);
	assert_int_equal(dev->state->resetting, 1);
	mock_settle();
	assert_int_equal(dev->state->resetting, 0);
	done = mock_submitted;
	mock_time(1000000000);
	mock_settle();
	assert_int_equal(mock_submitted, done);
}

/* Two devices that say so have one disk. */
static void shares(void **unused)
{
	(void)unused;
	setup();
	virtio_part.detach(&mock_vm);
	mock_settle();
	mock_config.disks = 2;
	mock_config.disk[1] = mock_config.disk[0];
	assert_false(mock_attach());
	mock_config.disk[1].shareable = true;
	assert_false(mock_attach());
	mock_config.disk[0].shareable = true;
	assert_true(mock_attach());
	assert_int_equal(mock_disk.sharers, 2);
	assert_non_null(blk_claim(&mock_disk, "other"));
	virtio_eject(virtio_find(&mock_vm, VIRTIO_BLK, 0));
	assert_int_equal(mock_disk.sharers, 1);
	assert_non_null(mock_disk.user);
	virtio_part.detach(&mock_vm);
	assert_null(mock_disk.user);
	assert_null(mock_disk.watch);
}

static void serial_number(void **unused)
{
	struct buffer id = {DATA, 20};

	(void)unused;
	setup();
	assert_int_equal(run(T_GET_ID, 0, &id, 1), 0);
	assert_string_equal(mock_vm.ram + DATA, "S3R14L");
	id.bytes = 19;
	assert_int_equal(run(T_GET_ID, 0, &id, 1), 1);
}

/* Any cut into any buffers, across blocks of memory and at any address. */
static void shapes(void **unused)
{
	static uint8_t expected[1 << 20];

	(void)unused;
	setup();
	for (unsigned round = 0; round < 3000; round++) {
		struct buffer data[SIZE - 2];
		unsigned n = 1 + (unsigned)random_below(20);
		unsigned unit = random_below(3) ? 512 : random_below(2) ? 4 : 1;
		uint32_t total = 0;
		uint64_t sector = random_below(MOCK_SECTORS - 2048);
		bool write = random_below(2);

		mock_disk.max_sectors = 8u << random_below(8);
		for (unsigned i = 0; i < n; i++) {
			/* apart from each other: 64 KiB each */
			data[i].gpa = DATA + MOCK_BLOCK * (i % 3) + 0xf0000 + i * 0x10000ull +
				      random_below(0x8000 / unit) * unit;
			data[i].bytes = (uint32_t)(1 + random_below(0x4000 / unit)) * unit;
			total += data[i].bytes;
		}
		data[n - 1].bytes += (512 - total % 512) % 512;
		total += (512 - total % 512) % 512;
		uint8_t *at = expected;
		for (unsigned i = 0; i < n; i++)
			for (uint32_t j = 0; write && j < data[i].bytes; j++)
				*at++ = mock_vm.ram[data[i].gpa + j] = (uint8_t)random64();
		if (!write)
			memcpy(expected, mock_media + sector * 512, total);
		assert_int_equal(run(write ? T_OUT : T_IN, sector, data, n), 0);
		if (write)
			assert_memory_equal(expected, mock_media + sector * 512, total);
		at = expected;
		for (unsigned i = 0; i < n; at += data[i++].bytes)
			assert_memory_equal(at, mock_vm.ram + data[i].gpa, data[i].bytes);
	}
}

static void without_bounce_buffer(void **unused)
{
	struct buffer odd = {DATA + 1, 512};

	(void)unused;
	setup();
	mock_no_dma = true;
	assert_int_equal(run(T_IN, 0, &odd, 1), 1);
	mock_no_dma = false;
	assert_int_equal(run(T_IN, 0, &odd, 1), 0);
}

static void refuses(void **unused)
{
	struct buffer one = {DATA, 512}, odd = {DATA, 511}, range = {DATA, 16};
	uint64_t discard[2] = {MOCK_SECTORS - 1, 2};

	(void)unused;
	setup();
	assert_int_equal(run(T_IN, MOCK_SECTORS, &one, 1), 1);
	assert_int_equal(run(T_IN, ~0ull, &one, 1), 1);
	assert_int_equal(run(T_OUT, ~0ull - 1, &one, 1), 1);
	assert_int_equal(run(T_IN, 0, &odd, 1), 1);
	assert_int_equal(run(T_IN, 0, NULL, 0), 1);
	assert_int_equal(run(3, 0, &one, 1), 2);
	assert_int_equal(run(13, 0, &one, 1), 2); /* write zeroes */
	memcpy(mock_vm.ram + DATA, discard, 16);
	assert_int_equal(run(T_DISCARD, 0, &range, 1), 1);
	((uint32_t *)(mock_vm.ram + DATA))[3] = 1; /* flags */
	assert_int_equal(run(T_DISCARD, 0, &range, 1), 2);
	assert_int_equal(mock_submitted, 0);
	mock_disk_status = BLK_IOERR;
	assert_int_equal(run(T_IN, 0, &one, 1), 1);
	mock_disk_status = BLK_UNSUPPORTED;
	assert_int_equal(run(T_IN, 0, &one, 1), 2);
	mock_disk_status = BLK_OK;
	assert_int_equal(run(T_IN, 0, &one, 1), 0);
}

static void read_only(void **unused)
{
	struct buffer one = {DATA, 512};

	(void)unused;
	setup();
	virtio_part.detach(&mock_vm);
	mock_config.disk[0].readonly = true;
	assert_true(mock_attach());
	dev = mock_device(0);
	assert_true(dev->state->offered & VIRTIO_BLK_F_RO);
	assert_false(dev->state->offered & VIRTIO_BLK_F_DISCARD);
	driver_up(VIRTIO_F_VERSION_1);
	assert_int_equal(run(T_OUT, 0, &one, 1), 1);
	assert_int_equal(mock_submitted, 0);
	assert_int_equal(run(T_IN, 0, &one, 1), 0);
}

static void discards(void **unused)
{
	struct buffer range = {DATA, 16};
	uint64_t discard[2] = {40, 8};

	(void)unused;
	setup();
	memcpy(mock_vm.ram + DATA, discard, 16);
	mock_media[40 * 512] = mock_media[48 * 512 - 1] = mock_media[48 * 512] = 1;
	assert_int_equal(run(T_DISCARD, 0, &range, 1), 0);
	assert_int_equal(mock_media[40 * 512], 0);
	assert_int_equal(mock_media[48 * 512 - 1], 0);
	assert_int_equal(mock_media[48 * 512], 1);
}

/* A driver that does not know of flushes (5.2.6.2). */
static void writes_through(void **unused)
{
	struct buffer one = {DATA, 512};

	(void)unused;
	setup();
	dev->state->negotiated &= ~VIRTIO_BLK_F_FLUSH;
	assert_int_equal(run(T_OUT, 0, &one, 1), 0);
	assert_int_equal(mock_submitted, 2);
}

/* More than fit: the rest starts as others end, and none is lost. */
static void many_at_once(void **unused)
{
	uint32_t id, bytes;
	unsigned ended = 0, started = 0;
	bool seen[256] = {false};

	(void)unused;
	setup();
	mock_queue_up(dev, 0, &driver, RING, 256);
	for (unsigned i = 0; i < 85; i++) {
		/* header, data and status in an arbitrary cut: 3 descriptors */
		uint16_t at = (uint16_t)(i * 3);
		uint64_t header[2] = {T_IN, i};

		memcpy(mock_vm.ram + HEAD + i * 32, header, 16);
		driver_desc(&driver, at, HEAD + i * 32, 16, DRIVER_NEXT, at + 1);
		driver_desc(&driver, at + 1u, DATA + i * 512, 256, DRIVER_NEXT | DRIVER_WRITE,
			    at + 2);
		driver_desc(&driver, at + 2u, DATA + i * 512 + 256, 257, DRIVER_WRITE, 0);
		driver_avail(&driver, at);
	}
	kick();
	started = mock_submitted;
	assert_true(started >= 40 && started < 85);
	kick();
	assert_int_equal(mock_submitted, started);
	mock_settle();
	while (driver_used(&driver, &id, &bytes)) {
		assert_false(seen[id]);
		assert_int_equal(bytes, 513);
		seen[id] = true;
		ended++;
	}
	assert_int_equal(ended, 85);
}

/* How deep the stack is when the disk gets a command. */
static uintptr_t lowest, highest;

static void note_depth(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (here < lowest)
		lowest = here;
	if (here > highest)
		highest = here;
}

/* Pieces that end at once do not nest, nor do requests that wait for the bounce buffer. */
static void ends_at_once(void **unused)
{
	struct buffer large = {DATA, 1 << 20}, odd = {DATA + 1, 1 << 20};

	(void)unused;
	setup();
	mock_at_once = true;
	mock_executed = note_depth;
	mock_disk.max_sectors = 8;
	lowest = UINTPTR_MAX;
	highest = 0;
	assert_int_equal(run(T_IN, 0, &large, 1), 0);
	assert_memory_equal(mock_vm.ram + DATA, mock_media, 1 << 20);
	assert_int_equal(run(T_IN, 8, &odd, 1), 0);
	assert_memory_equal(mock_vm.ram + DATA + 1, mock_media + 8 * 512, 1 << 20);
	assert_true(mock_submitted >= 512);
	assert_true(highest - lowest < 4096);
}

/* More requests fail than can be at work: all of them are done again when the guest goes on, and
 * so does a dom0 that is restarted meanwhile. */
static void many_errors(void **unused)
{
	struct config_disk disk = {.word = {[DISK_WRITE_ERROR] = POLICY_STOP}};
	uint64_t header[2] = {T_OUT, 7};
	unsigned ended = 0;
	uint32_t id, bytes;

	(void)unused;
	for (unsigned restarts = 0; restarts < 2; restarts++) {
		setup_with(&disk, VIRTIO_BLK_F_FLUSH);
		mock_queue_up(dev, 0, &driver, RING, 256);
		mock_disk_status = BLK_IOERR;
		memcpy(mock_vm.ram + HEAD, header, 16);
		for (unsigned i = 0; i < 85; i++) {
			uint16_t at = (uint16_t)(i * 3);

			driver_desc(&driver, at, HEAD, 16, DRIVER_NEXT, at + 1);
			driver_desc(&driver, at + 1u, DATA, 512, DRIVER_NEXT, at + 2);
			driver_desc(&driver, at + 2u, HEAD + 64 + i, 1, DRIVER_WRITE, 0);
			driver_avail(&driver, at);
		}
		kick();
		mock_settle();
		assert_false(driver_used(&driver, &id, &bytes));
		mock_disk_status = BLK_OK;
		if (restarts) {
			mock_work_first = NULL;
			mock_disk.user = NULL;
			mock_disk.watch = NULL;
			mock_vm.virtio = NULL;
			assert_true(mock_restart());
			dev = mock_device(0);
		} else {
			virtio_part.resume(&mock_vm);
		}
		mock_settle();
		assert_false(dev->state->status & VIRTIO_S_NEEDS_RESET);
		for (ended = 0; driver_used(&driver, &id, &bytes); ended++)
			assert_int_equal(mock_vm.ram[HEAD + 64 + id / 3], 0);
		assert_int_equal(ended, 85);
	}
}

static void broken_requests(void **unused)
{
	(void)unused;
	/* no status byte */
	setup();
	driver_desc(&driver, 0, HEAD, 16, 0, 0);
	driver_avail(&driver, 0);
	kick();
	assert_true(dev->state->status & VIRTIO_S_NEEDS_RESET);
	assert_int_equal(mock_config_interrupts, 1);
	assert_int_equal(mock_logged, 1);
	/* a short header */
	setup();
	driver_desc(&driver, 0, HEAD, 15, DRIVER_NEXT, 1);
	driver_desc(&driver, 1, HEAD + 64, 1, DRIVER_WRITE, 0);
	driver_avail(&driver, 0);
	kick();
	assert_true(dev->state->status & VIRTIO_S_NEEDS_RESET);
	/* what is still on the disk ends quietly, then the driver resets */
	setup();
	struct buffer one = {DATA, 512};
	request(T_IN, 0, &one, 1);
	kick();
	driver_avail(&driver, SIZE + 3);
	kick();
	assert_true(dev->state->status & VIRTIO_S_NEEDS_RESET);
	mock_settle();
	assert_int_equal(driver.used[1], 0);
	virtio_device_reset(dev);
	assert_int_equal(dev->state->status, 0);
	driver_up(VIRTIO_F_VERSION_1);
	assert_int_equal(run(T_IN, 0, &one, 1), 0);
}

/* The driver sees the reset done (status 0) only when the disk is quiet. */
static void reset_waits(void **unused)
{
	struct buffer one = {DATA, 512}, odd = {DATA + 0x1001, 512};

	(void)unused;
	setup();
	request(T_IN, 0, &one, 1);
	request(T_IN, 0, &odd, 1);
	request(T_IN, 1, &odd, 1); /* waits for the bounce buffer */
	kick();
	virtio_device_reset(dev);
	assert_int_not_equal(dev->state->status, 0);
	kick();
	assert_false(virtio_part.quiet(&mock_vm));
	mock_quiets = 0;
	assert_true(mock_disk_step());
	mock_run_work();
	assert_int_equal(mock_quiets, 0);
	mock_settle();
	assert_int_equal(mock_quiets, 1);
	assert_int_equal(dev->state->status, 0);
	assert_true(virtio_part.quiet(&mock_vm));
	driver_up(VIRTIO_F_VERSION_1);
	assert_int_equal(run(T_IN, 5, &odd, 1), 0);
}

static void detach_waits(void **unused)
{
	struct buffer one = {DATA, 4096};

	(void)unused;
	setup();
	request(T_IN, 0, &one, 1);
	request(T_OUT, 9, &one, 1);
	kick();
	virtio_part.detach(&mock_vm);
	assert_non_null(mock_vm.virtio);
	assert_false(virtio_part.quiet(&mock_vm));
	assert_string_equal(mock_disk.user, "mock");
	assert_false(mock_attach());
	mock_quiets = 0;
	mock_settle();
	assert_int_equal(mock_quiets, 1);
	assert_null(mock_vm.virtio);
	assert_null(mock_disk.user);
}

/*
 * dom0 dies with requests on the disk and in the ring, and its successor does
 * them all. The old one's objects are leaked on purpose: it is dead.
 */
static void dom0_restarts(void **unused)
{
	struct buffer data[12];
	uint16_t head[12];
	uint32_t id, bytes;
	unsigned ended = 0;

	(void)unused;
	for (unsigned dies_after = 0; dies_after < 12; dies_after++) {
		setup();
		ended = 0;
		for (unsigned i = 0; i < 12; i++) {
			data[i] = (struct buffer){DATA + i * 4096, 1024};
			head[i] = request(i % 4 == 3 ? T_OUT : T_IN, i * 16, &data[i], 1);
			memset(mock_vm.ram + data[i].gpa, (int)i, 1024);
		}
		kick();
		for (unsigned i = 0; i < dies_after; i++)
			mock_disk_step();
		/* what the driver has for the disk, and dom0's work, is gone */
		mock_queue = NULL;
		mock_queue_end = &mock_queue;
		mock_work_first = NULL;
		mock_dma = NULL;
		mock_disk.user = NULL;
		mock_vm.virtio = NULL;
		assert_true(mock_restart());
		dev = mock_device(0);
		mock_settle();
		while (driver_used(&driver, &id, &bytes))
			ended++;
		assert_int_equal(ended, 12);
		for (unsigned i = 0; i < 12; i++) {
			assert_int_equal(*status_of(head[i]), 0);
			assert_memory_equal(mock_vm.ram + data[i].gpa, mock_media + i * 16 * 512,
					    1024);
		}
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(dev->state->queue[0].in_flight[i], 0);
		/* and goes on */
		next_desc = 40;
		assert_int_equal(run(T_IN, 3, data, 1), 0);
	}
}

static void restart_during_reset(void **unused)
{
	struct buffer one = {DATA, 512};

	(void)unused;
	setup();
	request(T_IN, 0, &one, 1);
	kick();
	virtio_device_reset(dev);
	mock_queue = NULL;
	mock_queue_end = &mock_queue;
	mock_work_first = NULL;
	mock_disk.user = NULL;
	mock_disk.watch = NULL;
	mock_vm.virtio = NULL;
	assert_true(mock_restart());
	dev = mock_device(0);
	assert_int_equal(dev->state->status, 0);
	/* not with other devices than before */
	virtio_part.detach(&mock_vm);
	mock_config.disks = 0;
	mock_config.nics = 1;
	assert_false(mock_restart());
}

static void disks_in_use(void **unused)
{
	static struct blkdev whole, other;

	(void)unused;
	setup();
	virtio_part.detach(&mock_vm);
	whole = mock_disk;
	strcpy(whole.name, "sda");
	other = mock_disk;
	strcpy(other.name, "sda2");
	mock_disk.parent = other.parent = &whole;
	mock_disk.next = &other;
	other.next = &whole;
	whole.next = NULL;

	mock_config.disks = 2;
	strcpy(mock_config.disk[1].source, "sda");
	assert_string_equal(virtio_part.attach(&mock_vm), "virtio-blk 1: sda1 is in use by mock");
	assert_null(mock_disk.user);
	assert_null(mock_vm.virtio);
	strcpy(mock_config.disk[0].source, "sda");
	strcpy(mock_config.disk[1].source, "sda1");
	assert_string_equal(virtio_part.attach(&mock_vm), "virtio-blk 1: sda is in use by mock");
	strcpy(mock_config.disk[0].source, "sda1");
	assert_non_null(virtio_part.attach(&mock_vm));
	strcpy(mock_config.disk[1].source, "sdz");
	assert_string_equal(virtio_part.attach(&mock_vm), "virtio-blk 1: there is no sdz");
	strcpy(mock_config.disk[1].source, "sda2");
	assert_null(virtio_part.attach(&mock_vm));
	virtio_part.detach(&mock_vm);
	mock_no_room = true;
	assert_non_null(virtio_part.attach(&mock_vm));
	mock_no_room = false;
	assert_null(mock_disk.user);
	mock_disk.parent = NULL;
	mock_disk.next = NULL;
}

static void configuration(void **unused)
{
	uint8_t space[VIRTIO_CONFIG_BYTES] = {0};
	uint64_t capacity;
	uint32_t block;

	(void)unused;
	setup();
	dev->type->config(dev, space);
	memcpy(&capacity, space, 8);
	memcpy(&block, space + 20, 4);
	assert_int_equal(capacity, MOCK_SECTORS);
	assert_int_equal(block, 512);
	assert_int_equal(space[24], 3); /* 4096-byte blocks */
	virtio_part.detach(&mock_vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes),
		cmocka_unit_test(serial_number),
		cmocka_unit_test(grows),
		cmocka_unit_test(caches),
		cmocka_unit_test(errors),
		cmocka_unit_test(no_room),
		cmocka_unit_test(limits),
		cmocka_unit_test(shares),
		cmocka_unit_test(shapes),
		cmocka_unit_test(without_bounce_buffer),
		cmocka_unit_test(refuses),
		cmocka_unit_test(read_only),
		cmocka_unit_test(discards),
		cmocka_unit_test(writes_through),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(ends_at_once),
		cmocka_unit_test(many_errors),
		cmocka_unit_test(broken_requests),
		cmocka_unit_test(reset_waits),
		cmocka_unit_test(detach_waits),
		cmocka_unit_test(dom0_restarts),
		cmocka_unit_test(restart_during_reset),
		cmocka_unit_test(disks_in_use),
		cmocka_unit_test(configuration),
	};

	return cmocka_run_group_tests_name("virtio-blk", tests, NULL, NULL);
}

/* The restarts leak what the dead dom0 had. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
