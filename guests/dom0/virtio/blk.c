/* SPDX-License-Identifier: BSD-2-Clause */
/* Block devices, virtio 1.2 section 5.2: a disk or a partition of the machine.
 * Its driver reads and writes the guest's memory. */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/virtio/blk.h"
#include "guests/dom0/vm/vm.h"

/* The limits of one request of a driver. */
#define SEG_MAX         126u
#define SIZE_MAX_BYTES  (1u << 20)
#define DISCARD_SECTORS (1u << 22)

/* In one go from a guest: then the others have their turn. */
#define BUDGET_CHAINS 64u

/* Section 5.2.6. */
#define T_IN      0u
#define T_OUT     1u
#define T_FLUSH   4u
#define T_GET_ID  8u
#define T_DISCARD 11u
#define T_ZEROES  13u
#define S_OK      0u
#define S_IOERR   1u
#define S_UNSUPP  2u
#define ID_BYTES  20u

#define FLAG_UNMAP 1u /* of WRITE_ZEROES: the range may be discarded, too */

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

struct discard {
	uint64_t sector;
	uint32_t sectors, flags;
};

/* Section 5.2.4, struct virtio_blk_config, up to the features offered. */
struct blk_config {
	uint64_t capacity;
	uint32_t size_max, seg_max, geometry, block_size;
	uint8_t physical_block_exp, alignment_offset;
	uint16_t min_io_size;
	uint32_t opt_io_size;
	uint8_t writeback, unused;
	uint16_t queues;
	uint32_t discard_sectors, discard_segments, discard_alignment;
	uint32_t zeroes_sectors, zeroes_segments;
	uint8_t zeroes_may_unmap;
} __attribute__((packed));

/* A chain as a request: where its parts are. */
struct parsed {
	struct header header;
	uint8_t *status;
	uint64_t out, in; /* bytes of data */
};

/* --- completion ----------------------------------------------------------- */

static void give_back(struct blk *blk, uint16_t head, uint8_t *status, uint8_t code, uint32_t bytes)
{
	struct queue_used used = {.head = head, .bytes = bytes};

	if (code != S_OK)
		blk->stats.errors++;
	*(volatile uint8_t *)status = code;
	queue_push(&blk->dev->queue[0], &used, 1);
}

void blk_io_done(struct blk_io *io, enum blk_status status)
{
	static const uint8_t code[] = {
		[BLK_OK] = S_OK,
		[BLK_IOERR] = S_IOERR,
		[BLK_UNSUPPORTED] = S_UNSUPP,
	};
	struct blk *blk = io->blk;

	if (status != BLK_OK && blk_error_ignored(io))
		status = BLK_OK;
	if (status == BLK_OK || !blk_error_holds(io))
		give_back(blk, io->head, io->status, code[status], io->used_bytes);
	blk_io_put(io);
	blk->in_flight--;
	/* The guest is told, and starved chains are looked at, once for all
	 * that is done in this turn. */
	work_queue(&blk->work);
}

/* --- requests ------------------------------------------------------------- */

static bool within(const struct blk *blk, uint64_t sector, uint64_t sectors)
{
	uint64_t capacity = blk->dev->state->blk.capacity;

	return sectors && sectors <= capacity && sector <= capacity - sectors;
}

/* The header is the first 16 bytes that the device reads, the status the last
 * byte that it writes, however they are cut into descriptors (2.7.4). */
static bool parse(const struct queue_chain *chain, struct parsed *p)
{
	if (queue_read(chain, 0, &p->header, sizeof(p->header)) != sizeof(p->header) || !chain->in)
		return false;
	const struct queue_segment *last = &chain->segment[chain->out + chain->in - 1];
	p->status = last->data + last->bytes - 1;
	p->out = chain->out_bytes - sizeof(p->header);
	p->in = chain->in_bytes - 1;
	return true;
}

/* Adds the data of a read or write: segments first..end of the chain, from
 * byte `skip` on. */
static bool add_data(struct blk_io *io, const struct queue_chain *chain, bool write, uint64_t bytes)
{
	unsigned i = write ? 0 : chain->out;
	uint32_t skip = write ? sizeof(struct header) : 0;

	for (; bytes; i++) {
		const struct queue_segment *segment = &chain->segment[i];
		uint32_t n = segment->bytes;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		n -= skip;
		if (n > bytes)
			n = (uint32_t)bytes;
		if (!blk_io_add(io, io->blk->dev->vm, segment->gpa + skip, segment->data + skip, n))
			return false;
		bytes -= n;
		skip = 0;
	}
	return true;
}

/* Each returns a status for the guest at once, or PENDING. */
#define PENDING 0xffu

static uint8_t transfer(struct blk_io *io, const struct queue_chain *chain, const struct parsed *p,
			bool write)
{
	struct virtio_blk_stats *stats = &io->blk->stats;
	uint64_t bytes = write ? p->out : p->in;

	if (bytes % BLK_SECTOR || bytes > BLK_IO_BYTES ||
	    !within(io->blk, p->header.sector, bytes / BLK_SECTOR))
		return S_IOERR;
	if (write && (io->blk->dev->state->offered & VIRTIO_BLK_F_RO))
		return S_IOERR;
	if (!add_data(io, chain, write, bytes))
		return S_IOERR;
	io->request.op = write ? BLK_WRITE : BLK_READ;
	io->request.sector = p->header.sector;
	io->sectors = (uint32_t)(bytes / BLK_SECTOR);
	if (write) {
		stats->writes++;
		stats->written_bytes += bytes;
	} else {
		stats->reads++;
		stats->read_bytes += bytes;
	}
	return PENDING;
}

static uint8_t flush(struct blk_io *io)
{
	if (io->blk->unsafe)
		return S_OK;
	io->request.op = BLK_FLUSH;
	io->request.sector = 0;
	io->sectors = 0;
	io->blk->stats.flushes++;
	return PENDING;
}

/* A discard or WRITE_ZEROES, of one range. */
static uint8_t clear(struct blk_io *io, const struct queue_chain *chain, const struct parsed *p,
		     enum blk_op op)
{
	bool zeroes = op == BLK_WRITE_ZEROES;
	uint64_t feature = zeroes ? VIRTIO_BLK_F_ZEROES : VIRTIO_BLK_F_DISCARD;
	struct discard range;

	if (!(io->blk->dev->state->negotiated & feature) || p->out != sizeof(range))
		return S_UNSUPP;
	queue_read(chain, sizeof(struct header), &range, sizeof(range));
	if (range.flags & ~(zeroes ? FLAG_UNMAP : 0))
		return S_UNSUPP;
	if (range.sectors > DISCARD_SECTORS || !within(io->blk, range.sector, range.sectors))
		return S_IOERR;
	io->request.op = op;
	io->request.sector = range.sector;
	io->sectors = range.sectors;
	return PENDING;
}

static uint8_t on_disk(struct blk_io *io, const struct queue_chain *chain, const struct parsed *p)
{
	switch (p->header.type) {
	case T_IN:
		return transfer(io, chain, p, false);
	case T_OUT:
		return transfer(io, chain, p, true);
	case T_FLUSH:
		return flush(io);
	case T_DISCARD:
		return clear(io, chain, p, BLK_DISCARD);
	case T_ZEROES:
		return clear(io, chain, p, BLK_WRITE_ZEROES);
	default:
		return S_UNSUPP;
	}
}

static uint8_t get_id(struct blk *blk, const struct queue_chain *chain, const struct parsed *p)
{
	if (p->in < ID_BYTES)
		return S_IOERR;
	queue_write(chain, 0, blk->dev->state->blk.serial, ID_BYTES);
	return S_OK;
}

/* Starts what a chain asks for. false: no request is free to hold it. */
static bool serve(struct blk *blk, const struct queue_chain *chain)
{
	struct parsed p;
	struct blk_io *io;
	uint8_t code;
	uint32_t used = (uint32_t)chain->in_bytes;

	if (!parse(chain, &p)) {
		virtio_broken(blk->dev, "a request without header or status");
		return true;
	}
	if (p.header.type == T_GET_ID) {
		code = get_id(blk, chain, &p);
		give_back(blk, chain->head, p.status, code, used);
		return true;
	}
	io = blk_io_get(blk, chain->out + chain->in);
	if (!io)
		return false;
	io->head = chain->head;
	io->status = p.status;
	io->used_bytes = used;
	code = on_disk(io, chain, &p);
	if (code == PENDING) {
		blk->in_flight++;
		if (!blk->tune || !blk_tune_holds(io))
			blk_io_start(io);
	} else {
		blk_io_put(io);
		give_back(blk, chain->head, p.status, code, used);
	}
	return true;
}

/* Takes the chains that wait in the queue, as far as this turn's budget and the number
 * of requests at work allow. */
static void serve_queue(struct blk *blk)
{
	struct virtqueue *queue = &blk->dev->queue[0];
	unsigned chains = BUDGET_CHAINS;

	blk->more = false;
	queue_suppress(queue);
	do {
		struct queue_chain *chain = queue_pop(queue);

		for (; chain; chain = queue_pop(queue)) {
			uint16_t head = chain->head;

			if (!serve(blk, chain)) {
				queue_unpop(queue, head);
				blk->starved = true;
				goto out;
			}
			chains--;
			if (chains)
				continue;
			blk->more = true;
			work_queue(&blk->work);
			goto out;
		}
	} while (queue_unsuppress(queue));
out:
	queue_signal(queue);
}

/* Does requests again whose heads are in flight, as many as there is room for: there may be more
 * of them than are at work at one time. Returns false if some are left, which start when others
 * end, or if the queue has ended by that. */
static bool serve_again(struct blk *blk)
{
	for (int head = blk_error_next(blk); head >= 0; head = blk_error_next(blk)) {
		struct queue_chain *chain = queue_again(&blk->dev->queue[0], (uint16_t)head);

		if (!chain)
			return false;
		if (!serve(blk, chain)) {
			if (!blk->in_flight)
				virtio_broken(blk->dev, "dom0 is out of memory");
			return false;
		}
		blk_error_started(blk, (uint16_t)head);
	}
	return true;
}

static void blk_work(struct work *work)
{
	struct blk *blk = work->context;

	if (blk->detached) {
		free(blk);
		return;
	}
	if (blk->retry)
		blk_source_retry(blk);
	if (!blk->in_flight && blk->stopping) {
		blk->stopping = false;
		if (!blk_source_leave(blk))
			virtio_became_quiet(blk->dev); /* may detach */
		return;
	}
	if (!virtio_running(blk->dev))
		return;
	if (serve_again(blk) && (blk->more || blk->starved)) {
		blk->starved = false;
		serve_queue(blk);
	} else {
		queue_signal(&blk->dev->queue[0]);
	}
}

/* --- the device ----------------------------------------------------------- */

static const struct blkdev *whole_disk(const struct blkdev *disk)
{
	return disk->parent ? disk->parent : disk;
}

void blk_offer(struct blk *blk, const struct config_disk *disk)
{
	struct virtio_state *state = blk->dev->state;
	const struct blkdev *whole = whole_disk(blk->disk);

	state->offered |= VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE |
			  VIRTIO_BLK_F_TOPOLOGY;
	/* Without it each write lasts when it ends (5.2.6.2). */
	if (disk->word[DISK_CACHE] != CACHE_WRITETHROUGH &&
	    disk->word[DISK_CACHE] != CACHE_DIRECTSYNC)
		state->offered |= VIRTIO_BLK_F_FLUSH;
	if (blk->disk->read_only || disk->readonly)
		state->offered |= VIRTIO_BLK_F_RO;
	else if (whole->can_discard && disk->word[DISK_DISCARD] != DISCARD_IGNORE)
		state->offered |= VIRTIO_BLK_F_DISCARD;
	if (whole->can_zero && !(state->offered & VIRTIO_BLK_F_RO))
		state->offered |= VIRTIO_BLK_F_ZEROES;
	state->blk.capacity = blk->disk->sectors;
	state->blk.logical_block = whole->logical_block;
	state->blk.physical_block = whole->physical_block;
	memcpy(state->blk.serial, disk->serial, strnlen(disk->serial, sizeof(state->blk.serial)));
}

/* Section 5.2.5: the driver reads the capacity again. A disk that has shrunk has requests fail
 * behind its end; the driver has no use for the news. */
static void resized(struct blk_watch *watch)
{
	struct blk *blk = watch->context;
	struct virtio_blk_state *state = &blk->dev->state->blk;

	if (blk->disk->sectors <= state->capacity)
		return;
	state->capacity = blk->disk->sectors;
	virtio_config_changed(blk->dev);
}

static const char *blk_attach(struct virtio_device *dev, const struct vm_config *config, bool fresh)
{
	const struct config_disk *disk = &config->disk[dev->ordinal];
	struct blk *blk = calloc(1, sizeof(*blk));

	if (!blk)
		return "out of memory";
	blk->dev = dev;
	blk->work = (struct work){.run = blk_work, .context = blk};
	blk->unsafe = disk->word[DISK_CACHE] == CACHE_UNSAFE;
	blk_error_policy(blk, disk);
	blk->fresh = fresh;
	blk->watch = (struct blk_watch){.resized = resized, .context = blk};
	const char *wrong = blk_source_open(blk, disk);
	if (!wrong && !fresh && blk->disk && blk->disk->sectors < dev->state->blk.capacity) {
		blk_source_close(blk);
		wrong = "the disk has shrunk";
	}
	if (!wrong && !blk_tune_make(blk, &disk->iotune)) {
		blk_source_close(blk);
		wrong = "out of memory";
	}
	if (wrong) {
		free(blk);
		return wrong;
	}
	dev->backend = blk;
	if (fresh && blk->disk)
		blk_offer(blk, disk);
	return NULL;
}

static bool blk_ready(const struct virtio_device *dev)
{
	const struct blk *blk = dev->backend;

	return blk->disk || blk->wrong;
}

static const char *blk_trouble(const struct virtio_device *dev)
{
	return ((const struct blk *)dev->backend)->wrong;
}

/* How often 512 doubles to become `bytes`. */
static uint8_t log2_sectors(uint32_t bytes, uint32_t unit)
{
	uint8_t n = 0;

	while (n < 12 && unit && (uint64_t)unit << (n + 1) <= bytes)
		n++;
	return n;
}

static void blk_config(const struct virtio_device *dev, uint8_t space[VIRTIO_CONFIG_BYTES])
{
	const struct virtio_blk_state *state = &dev->state->blk;
	uint32_t block = state->logical_block;
	struct blk_config config = {
		.capacity = state->capacity,
		.size_max = SIZE_MAX_BYTES,
		.seg_max = SEG_MAX,
		.block_size = block,
		.physical_block_exp = log2_sectors(state->physical_block, block),
		.min_io_size = 1,
	};

	if (dev->state->offered & VIRTIO_BLK_F_DISCARD) {
		config.discard_sectors = DISCARD_SECTORS;
		config.discard_segments = 1;
		config.discard_alignment = block / BLK_SECTOR;
	}
	if (dev->state->offered & VIRTIO_BLK_F_ZEROES) {
		config.zeroes_sectors = DISCARD_SECTORS;
		config.zeroes_segments = 1;
		config.zeroes_may_unmap = 1;
	}
	memcpy(space, &config, sizeof(config));
}

/* The guest goes on after it was stopped. */
static void blk_resume(struct virtio_device *dev)
{
	struct blk *blk = dev->backend;

	blk_source_resume(blk);
	if (!blk->held_count)
		return;
	blk_error_release(blk);
	work_queue(&blk->work);
}

static void blk_start(struct virtio_device *dev)
{
	struct blk *blk = dev->backend;
	struct virtqueue *queue = &dev->queue[0];

	/* An image that is not open yet starts the device when it is. */
	if (!queue_live(queue) || !blk->disk)
		return;
	blk->more = blk->starved = false;
	/* The disk may have grown while no dom0 ran. */
	resized(&blk->watch);
	/* A restarted dom0 does again what its predecessor had not finished. */
	memcpy(blk->again, queue->state->in_flight, sizeof(blk->again));
	serve_again(blk);
	queue_signal(queue);
}

static void blk_notify(struct virtio_device *dev, struct virtqueue *queue)
{
	struct blk *blk = dev->backend;

	(void)queue;
	if (!blk->starved && blk->disk)
		serve_queue(blk);
}

static void blk_stop(struct virtio_device *dev)
{
	struct blk *blk = dev->backend;

	blk_error_forget(blk);
	if (!blk->in_flight) {
		blk_source_leave(blk);
		return;
	}
	blk->stopping = true;
	if (blk->tune)
		blk_tune_cancel(blk);
	blk_io_cancel(blk);
	blk_source_give_up(blk);
}

/* Until blk_work has seen the end of it. */
static bool blk_quiet(const struct virtio_device *dev)
{
	const struct blk *blk = dev->backend;

	return !blk->stopping && !blk->in_flight && !blk->leaving;
}

static void blk_detach(struct virtio_device *dev)
{
	struct blk *blk = dev->backend;

	blk_source_close(blk);
	if (blk->tune)
		blk_tune_free(blk);
	blk_io_free_all(blk);
	blk->detached = true;
	if (!blk->work.queued)
		free(blk);
}

const struct virtio_type virtio_blk_type = {
	.name = "blk",
	.type = VIRTIO_BLK,
	.class_code = 0x010000,
	.queues = 1,
	.attach = blk_attach,
	.config = blk_config,
	.start = blk_start,
	.notify = blk_notify,
	.stop = blk_stop,
	.resume = blk_resume,
	.quiet = blk_quiet,
	.detach = blk_detach,
	.ready = blk_ready,
	.trouble = blk_trouble,
};

bool virtio_blk_stats(const struct vm *vm, unsigned disk, struct virtio_blk_stats *stats)
{
	struct virtio_device *dev = virtio_find(vm, VIRTIO_BLK, disk);

	if (!dev)
		return false;
	*stats = ((const struct blk *)dev->backend)->stats;
	return true;
}
