/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/virtio/life.c guests/dom0/virtio/plug.c guests/dom0/virtio/device.c guests/dom0/virtio/queue.c guests/dom0/virtio/blk.c drivers/block/claim.c */
/* sources: guests/dom0/virtio/blk_io.c guests/dom0/virtio/blk_tune.c guests/dom0/virtio/blk_error.c guests/dom0/virtio/blk_image.c guests/dom0/virtio/throttle.c guests/dom0/virtio/net.c guests/dom0/virtio/console.c */
/* sources: guests/dom0/virtio/rng.c guests/dom0/net/switch.c guests/dom0/net/offload.c guests/dom0/config/alias.c guests/dom0/base/mac.c guests/dom0/vm/watch.c */
/* Network, console and entropy devices: two interfaces of one guest talk to
 * each other and to a port that records what it gets. */
#include "tests/unit/unit.h"
#include "tests/unit/virtio_mock.h"

#define SIZE   64u
#define DATA   0x200000u
#define HEADER 12u

/* Where the queues of device d are. */
#define RING(d, q) (0x10000u + (d)*0x10000u + (q)*0x8000u)

enum { RX, TX };

static struct driver_queue driver[4][2];
static struct net_port outside;
static unsigned outside_frames, outside_done, outside_bytes;

static bool outside_deliver(struct net_port *port, const struct net_piece *piece, unsigned pieces,
			    unsigned bytes)
{
	unsigned total = 0;

	(void)port;
	for (unsigned i = 0; i < pieces; i++)
		total += piece[i].bytes;
	assert_int_equal(total, bytes);
	outside_frames++;
	outside_bytes = bytes;
	return true;
}

static void outside_deliver_done(struct net_port *port)
{
	(void)port;
	outside_done++;
}

static struct virtio_device *dev(unsigned index)
{
	return mock_device(index);
}

static void up(unsigned index, uint64_t features)
{
	dev(index)->state->negotiated = VIRTIO_F_VERSION_1 | features;
	for (unsigned q = 0; q < dev(index)->type->queues; q++)
		mock_queue_up(dev(index), q, &driver[index][q], RING(index, q), SIZE);
	mock_driver_ok(dev(index));
}

/* Devices: net 0, net 1, console, entropy. */
static void setup(uint64_t features)
{
	virtio_part.detach(&mock_vm);
	mock_settle();
	mock_init();
	memset(&mock_config, 0, sizeof(mock_config));
	mock_config.nics = 2;
	mock_config.virtio_console = true;
	mock_config.rng = true;
	for (unsigned i = 0; i < 2; i++)
		memcpy(mock_config.nic[i].mac, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(i + 1)}, 6);
	assert_true(mock_attach());
	switch_remove(&outside);
	outside = (struct net_port){.link_up = true,
				    .trunk = true,
				    .deliver = outside_deliver,
				    .deliver_done = outside_deliver_done};
	switch_add(&outside);
	outside_frames = outside_done = 0;
	for (unsigned i = 0; i < 4; i++)
		up(i, features);
}

static uint8_t *frame_at(uint64_t gpa)
{
	return mock_vm.ram + gpa;
}

/* Queues a frame for sending in one descriptor at `slot`. */
static void queue_frame(unsigned index, unsigned slot, unsigned to, unsigned bytes)
{
	uint64_t gpa = DATA + index * 0x100000u + slot * 0x1000u;
	uint8_t *at = frame_at(gpa);

	memset(at, 0, HEADER);
	memcpy(at + HEADER, (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)to}, 6);
	if (!to)
		memset(at + HEADER, 0xff, 6);
	memcpy(at + HEADER + 6, mock_config.nic[index].mac, 6);
	for (unsigned i = 12; i < bytes; i++)
		at[HEADER + i] = (uint8_t)(i * 5 + slot);
	at[HEADER + 12] = 8;
	at[HEADER + 13] = 0;
	driver_desc(&driver[index][TX], slot, gpa, HEADER + bytes, 0, 0);
	driver_avail(&driver[index][TX], (uint16_t)slot);
}

static void kick(unsigned index, unsigned q)
{
	virtio_notify(&dev(index)->queue[q]);
}

#define RX_AT(i) (0x500000u + (i)*0x1000u)

static void give_buffers(unsigned index, unsigned first, unsigned n, uint32_t bytes)
{
	for (unsigned i = first; i < first + n; i++) {
		driver_desc(&driver[index][RX], i, RX_AT(i), bytes, DRIVER_WRITE, 0);
		driver_avail(&driver[index][RX], (uint16_t)i);
	}
}

static unsigned used_count(unsigned index, unsigned q)
{
	return driver[index][q].used[1];
}

static void sends_and_receives(void **unused)
{
	struct virtio_net_stats stats;
	uint32_t id, bytes;

	(void)unused;
	setup(VIRTIO_NET_F_MRG_RXBUF);
	give_buffers(1, 0, 4, 2048);
	queue_frame(0, 0, 2, 1514);
	kick(0, TX);
	assert_int_equal(used_count(0, TX), 1);
	assert_int_equal(mock_interrupts[0][TX], 1);
	assert_int_equal(mock_interrupts[1][RX], 1);
	assert_true(driver_used(&driver[1][RX], &id, &bytes));
	assert_int_equal(id, 0);
	assert_int_equal(bytes, HEADER + 1514);
	const uint8_t *got = frame_at(RX_AT(0));
	assert_int_equal(got[10], 1);
	assert_int_equal(got[11], 0);
	assert_memory_equal(got + HEADER, frame_at(DATA + HEADER), 1514);
	assert_int_equal(outside_frames, 0);
	queue_frame(0, 1, 0, 60);
	kick(0, TX);
	assert_int_equal(outside_frames, 1);
	assert_int_equal(outside_done, 1);
	assert_true(virtio_net_stats(&mock_vm, 0, &stats));
	assert_int_equal(stats.tx_frames, 2);
	assert_int_equal(stats.tx_bytes, 1574);
	assert_true(virtio_net_stats(&mock_vm, 1, &stats));
	assert_int_equal(stats.rx_frames, 2);
	assert_int_equal(stats.rx_dropped, 0);
	assert_false(virtio_net_stats(&mock_vm, 2, &stats));
}

/* Of any sizes of buffers, with the count in the header of the first. */
static void spreads_over_buffers(void **unused)
{
	(void)unused;
	for (uint32_t size = 11; size < 1600; size += size < 40 ? 1 : 97) {
		unsigned left = 1000, needed = 1;
		uint32_t id, bytes;

		setup(VIRTIO_NET_F_MRG_RXBUF);
		give_buffers(1, 0, SIZE, size);
		queue_frame(0, 0, 2, left);
		kick(0, TX);
		if (size < HEADER) {
			assert_true(dev(1)->state->status & VIRTIO_S_NEEDS_RESET);
			continue;
		}
		while (needed * size < HEADER + left)
			needed++;
		if (needed > 64) {
			struct virtio_net_stats stats;

			assert_int_equal(used_count(1, RX), 0);
			assert_true(virtio_net_stats(&mock_vm, 1, &stats));
			assert_int_equal(stats.rx_dropped, 1);
			assert_int_equal(dev(1)->state->queue[RX].next_avail, 0);
			assert_int_equal(dev(1)->state->queue[RX].in_flight[0], 0);
			continue;
		}
		assert_int_equal(used_count(1, RX), needed);
		assert_int_equal(frame_at(RX_AT(0))[10], needed);
		const uint8_t *expect = frame_at(DATA + HEADER);
		for (unsigned i = 0; i < needed; i++) {
			assert_true(driver_used(&driver[1][RX], &id, &bytes));
			unsigned skip = i ? 0 : HEADER;
			assert_memory_equal(frame_at(RX_AT(i)) + skip, expect, bytes - skip);
			expect += bytes - skip;
			left -= bytes - skip;
		}
		assert_int_equal(left, 0);
	}
}

static void without_mergeable_buffers(void **unused)
{
	struct virtio_net_stats stats;

	(void)unused;
	setup(0);
	give_buffers(1, 0, 4, 1000);
	queue_frame(0, 0, 2, 1000);
	kick(0, TX);
	assert_int_equal(used_count(1, RX), 0);
	queue_frame(0, 1, 2, 900);
	kick(0, TX);
	assert_int_equal(used_count(1, RX), 1);
	assert_true(virtio_net_stats(&mock_vm, 1, &stats));
	assert_int_equal(stats.rx_frames, 1);
	assert_int_equal(stats.rx_dropped, 1);
}

static void drops_and_counts(void **unused)
{
	struct virtio_net_stats stats;

	(void)unused;
	setup(VIRTIO_NET_F_MRG_RXBUF);
	queue_frame(0, 0, 2, 100); /* no buffers there */
	queue_frame(0, 1, 2, 13);  /* no frame */
	queue_frame(0, 2, 2, 1600);
	driver_desc(&driver[0][TX], 3, DATA, 12, 0, 0);
	driver_avail(&driver[0][TX], 3);
	kick(0, TX);
	assert_int_equal(used_count(0, TX), 4);
	assert_true(virtio_net_stats(&mock_vm, 0, &stats));
	assert_int_equal(stats.tx_dropped, 3);
	assert_int_equal(stats.tx_frames, 1);
	assert_true(virtio_net_stats(&mock_vm, 1, &stats));
	assert_int_equal(stats.rx_dropped, 1);
	assert_int_equal(stats.tx_dropped, 0);
	/* cable out */
	give_buffers(1, 0, 4, 2048);
	assert_true(virtio_net_link(&mock_vm, 1, false));
	assert_int_equal(mock_config_interrupts, 1);
	queue_frame(0, 4, 2, 100);
	kick(0, TX);
	assert_int_equal(used_count(1, RX), 0);
	assert_true(virtio_net_link(&mock_vm, 1, true));
	queue_frame(0, 5, 2, 100);
	kick(0, TX);
	assert_int_equal(used_count(1, RX), 1);
	/* a driver that is not there */
	virtio_device_reset(dev(1));
	queue_frame(0, 6, 2, 100);
	kick(0, TX);
	assert_int_equal(used_count(0, TX), 7);
}

/* A guest that floods has its turn, and the others theirs. */
static void floods_in_turns(void **unused)
{
	(void)unused;
	setup(VIRTIO_NET_F_MRG_RXBUF);
	mock_queue_up(dev(0), TX, &driver[0][TX], RING(0, TX), 256);
	for (unsigned i = 0; i < 200; i++)
		queue_frame(0, i, 0, 60);
	kick(0, TX);
	assert_int_equal(used_count(0, TX), 64);
	assert_int_equal(driver[0][TX].used[0], 1); /* no doorbells meanwhile */
	mock_run_work();
	assert_int_equal(used_count(0, TX), 128);
	mock_settle();
	assert_int_equal(used_count(0, TX), 200);
	assert_int_equal(driver[0][TX].used[0], 0);
	assert_int_equal(outside_frames, 200);
	/* gone in the middle of it */
	for (unsigned i = 0; i < 200; i++)
		driver_avail(&driver[0][TX], (uint16_t)i);
	kick(0, TX);
	virtio_part.detach(&mock_vm);
	mock_settle();
	assert_int_equal(outside_frames, 264);
}

static void restart_returns_buffers(void **unused)
{
	(void)unused;
	setup(VIRTIO_NET_F_MRG_RXBUF);
	give_buffers(1, 0, 4, 2048);
	queue_frame(0, 0, 2, 100);
	/* died after the buffer and the frame were taken */
	assert_non_null(queue_pop(&dev(0)->queue[TX]));
	assert_non_null(queue_pop(&dev(1)->queue[RX]));
	for (unsigned i = 0; i < 2; i++)
		dev(i)->type->detach(dev(i)); /* off the switch */
	mock_vm.virtio = NULL;
	assert_true(mock_restart());
	assert_int_equal(used_count(0, TX), 1);
	assert_int_equal(used_count(1, RX), 1);
	queue_frame(0, 1, 2, 100);
	kick(0, TX);
	assert_int_equal(used_count(0, TX), 2);
	assert_int_equal(used_count(1, RX), 2);
}

/* A driver that leaves checksums to the device hears of those that were found right. */
static void tells_of_good_sums(void **unused)
{
	const struct net_offload verified = {.verified = true};
	uint8_t data[100] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 9, 9, 8, 0};
	struct net_piece piece = {data, sizeof(data)};

	(void)unused;
	for (unsigned i = 0; i < 4; i++) {
		setup(i & 1 ? VIRTIO_NET_F_GUEST_CSUM : 0);
		give_buffers(1, 0, 1, 2048);
		switch_input_offload(&outside, &piece, 1, i & 2 ? &verified : NULL);
		assert_int_equal(used_count(1, RX), 1);
		assert_int_equal(frame_at(RX_AT(0))[0], i == 3 ? 2 : 0);
		assert_int_equal(frame_at(RX_AT(0))[1], 0);
	}
}

#define CONSOLE 2u
#define RNG     3u

static void console_both_ways(void **unused)
{
	char big[1000];

	(void)unused;
	setup(0);
	memcpy(frame_at(DATA), "hello world", 11);
	driver_desc(&driver[CONSOLE][TX], 0, DATA, 6, DRIVER_NEXT, 1);
	driver_desc(&driver[CONSOLE][TX], 1, DATA + 6, 5, 0, 0);
	driver_avail(&driver[CONSOLE][TX], 0);
	kick(CONSOLE, TX);
	assert_int_equal(mock_console_bytes, 11);
	assert_memory_equal(mock_console, "hello world", 11);

	/* typed ahead, then read in small buffers */
	memset(big, 'x', sizeof(big));
	assert_int_equal(virtio_console_input(&mock_vm, "ab", 2), 2);
	assert_int_equal(virtio_console_input(&mock_vm, big, sizeof(big)), 510);
	assert_int_equal(virtio_console_input(&mock_vm, "c", 1), 0);
	give_buffers(CONSOLE, 0, 10, 100);
	kick(CONSOLE, RX);
	assert_int_equal(used_count(CONSOLE, RX), 6);
	assert_memory_equal(frame_at(RX_AT(0)), "abxx", 4);
	assert_int_equal(virtio_console_input(&mock_vm, "c", 1), 1);
	assert_int_equal(used_count(CONSOLE, RX), 7);
	/* around the ring's end */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(virtio_console_input(&mock_vm, big, 300), i < 2 ? 300 : 212);
	for (unsigned i = 0; i < 10; i++)
		driver_avail(&driver[CONSOLE][RX], (uint16_t)i);
	kick(CONSOLE, RX);
	assert_int_equal(dev(CONSOLE)->state->console.count, 0);
	virtio_device_reset(dev(CONSOLE));
	assert_int_equal(virtio_console_input(&mock_vm, "c", 1), 0);
}

static void console_flood_in_turns(void **unused)
{
	(void)unused;
	setup(0);
	driver_desc(&driver[CONSOLE][TX], 0, DATA, 4 << 20, 0, 0);
	driver_avail(&driver[CONSOLE][TX], 0);
	kick(CONSOLE, TX);
	assert_true(mock_console_bytes <= 16384);
	for (unsigned i = 1; i < SIZE; i++) {
		driver_desc(&driver[CONSOLE][TX], i, DATA, 1, 0, 0);
		driver_avail(&driver[CONSOLE][TX], (uint16_t)i);
	}
	mock_settle();
	assert_int_equal(used_count(CONSOLE, TX), SIZE);
}

static void entropy_in_shares(void **unused)
{
	uint32_t id, bytes, total = 0;
	bool varied = false;

	(void)unused;
	setup(0);
	for (unsigned i = 0; i < 40; i++) {
		driver_desc(&driver[RNG][0], i, DATA + i * 4096, 512, DRIVER_WRITE, 0);
		driver_avail(&driver[RNG][0], (uint16_t)i);
	}
	kick(RNG, 0);
	assert_int_equal(used_count(RNG, 0), 8);
	kick(RNG, 0);
	assert_int_equal(used_count(RNG, 0), 8);
	for (unsigned i = 0; i < 10; i++)
		mock_time(10000000);
	while (driver_used(&driver[RNG][0], &id, &bytes))
		total += bytes;
	assert_int_equal(total, 40 * 512);
	for (unsigned i = 0; i < 512; i++)
		varied |= frame_at(DATA)[i] != frame_at(DATA + 4096)[i];
	assert_true(varied);
	/* nothing to write into is not for nothing */
	for (unsigned i = 40; i < SIZE; i++) {
		driver_desc(&driver[RNG][0], i, DATA, 64, 0, 0);
		driver_avail(&driver[RNG][0], (uint16_t)i);
	}
	kick(RNG, 0);
	assert_int_equal(used_count(RNG, 0), SIZE);
	virtio_part.detach(&mock_vm);
}

/* A long frame of thousands of short segments goes in turns, whole and in order, and the frame
 * behind it comes behind it. */
static void short_segments_in_turns(void **unused)
{
	const unsigned data = 3000, headers = 54;
	uint8_t *at = frame_at(DATA), *frame = at + HEADER;
	unsigned turns = 0, seen;

	(void)unused;
	setup(VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4);
	queue_frame(0, 0, 0, headers + data);
	memset(at, 0, HEADER);
	at[0] = 1; /* needs its checksum */
	at[1] = 1; /* TCP over IPv4 */
	at[4] = 1; /* in segments of a byte */
	at[6] = 34;
	at[8] = 16;
	memset(frame + 14, 0, 40);
	frame[14] = 0x45;
	frame[16] = (uint8_t)((headers - 14 + data) >> 8);
	frame[17] = (uint8_t)(headers - 14 + data);
	frame[23] = 6;
	frame[34 + 12] = 0x50;
	queue_frame(0, 1, 0, 60);
	kick(0, TX);
	seen = outside_frames;
	assert_true(seen && seen <= 64);
	assert_int_equal(used_count(0, TX), 0);
	while (mock_run_work()) {
		assert_true(outside_frames - seen <= 65);
		seen = outside_frames;
		turns++;
	}
	assert_true(turns >= data / 65);
	assert_int_equal(outside_frames, data + 1);
	assert_int_equal(outside_bytes, 60);
	assert_int_equal(used_count(0, TX), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_and_receives),
		cmocka_unit_test(spreads_over_buffers),
		cmocka_unit_test(without_mergeable_buffers),
		cmocka_unit_test(drops_and_counts),
		cmocka_unit_test(floods_in_turns),
		cmocka_unit_test(short_segments_in_turns),
		cmocka_unit_test(restart_returns_buffers),
		cmocka_unit_test(tells_of_good_sums),
		cmocka_unit_test(console_both_ways),
		cmocka_unit_test(console_flood_in_turns),
		cmocka_unit_test(entropy_in_shares),
	};

	return cmocka_run_group_tests_name("virtio-net", tests, NULL, NULL);
}

/* The restart leaks what the dead dom0 had. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
