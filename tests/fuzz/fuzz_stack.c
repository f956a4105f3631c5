/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/net/lwip.c guests/dom0/base/cmdline.c guests/dom0/net/ipconf.c guests/dom0/net/ntp.c guests/dom0/machine/calendar.c */
/* libs: lwip */
/* flags: -Dprintf=quiet */
/* Any frames from the switch, over any time: the stack stays up. The input is a row of frames, each
 * with a byte of time and a byte of length before it. */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/net/switch.h"

#define SECOND 1000000000ull
#define TIMERS 8

static uint64_t now = SECOND;
static uint64_t wall_at_zero = 1800000000ull * SECOND; /* 2027-01-15 08:00:00 */
static struct timer *timers[TIMERS];
static struct work *works[TIMERS];
static struct net_port *port;
static struct netdev nic = {.name = "eth0", .mac = {0x52, 0x54, 0, 1, 2, 3}, .link_up = true};

int quiet(const char *format, ...)
{
	(void)format;
	return 0;
}

uint64_t clock_ns(void)
{
	return now;
}

uint64_t clock_wall_ns(void)
{
	return wall_at_zero + now;
}

void clock_set_wall_ns(uint64_t wall_ns)
{
	wall_at_zero = wall_ns - now;
}

void platform_wall_set(void)
{
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
	for (unsigned i = 0; i < TIMERS; i++)
		if (!timers[i]) {
			timers[i] = timer;
			return;
		}
	abort();
}

void timer_set(struct timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
}

void timer_cancel(struct timer *timer)
{
	timer->deadline = 0;
}

void work_queue(struct work *work)
{
	for (unsigned i = 0; i < TIMERS && !work->queued; i++)
		if (!works[i]) {
			works[i] = work;
			work->queued = 1;
		}
}

const struct netdev *uplink_card(void)
{
	return &nic;
}

void uplink_watch(void (*changed)(void))
{
	(void)changed;
}

const struct net_port *uplink_port(void)
{
	static struct net_port uplink;

	uplink.link_up = nic.link_up;
	return &uplink;
}

void switch_add(struct net_port *added)
{
	port = added;
}

void switch_input(struct net_port *from, const struct net_piece *piece, unsigned pieces)
{
	volatile uint8_t sum = 0;

	if (from != port)
		abort();
	for (unsigned i = 0; i < pieces; i++)
		for (uint32_t j = 0; j < piece[i].bytes; j++)
			sum = (uint8_t)(sum + ((const uint8_t *)piece[i].data)[j]);
}

void switch_flush(void)
{
}

static void run(void)
{
	for (unsigned i = 0; i < TIMERS; i++)
		if (works[i]) {
			struct work *work = works[i];

			works[i] = NULL;
			work->queued = 0;
			work->run(work);
		}
	for (unsigned i = 0; i < TIMERS; i++)
		if (timers[i] && timers[i]->deadline && timers[i]->deadline <= now) {
			timers[i]->deadline = 0;
			timers[i]->fire(timers[i]);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[NET_FRAME_MAX];

	if (!port)
		stack_start("ip=10.0.2.15/24,gw=10.0.2.2 ntp=10.0.2.2");
	while (size > 2) {
		size_t bytes = data[1] * 6u;
		struct net_piece piece[2];

		now += data[0] * 10000000ull;
		data += 2;
		size -= 2;
		if (bytes > size)
			bytes = size;
		if (bytes > sizeof(frame))
			bytes = sizeof(frame);
		memcpy(frame, data, bytes);
		data += bytes;
		size -= bytes;
		/* most are for us: the fuzzer need not find our address */
		if (bytes >= 14 && frame[0] & 1)
			memcpy(frame, port->mac, 6);
		piece[0] = (struct net_piece){frame, (uint32_t)(bytes / 3)};
		piece[1] = (struct net_piece){frame + bytes / 3, (uint32_t)(bytes - bytes / 3)};
		if (port->deliver(port, piece, 2, (unsigned)bytes))
			port->deliver_done(port);
		run();
	}
	return 0;
}
