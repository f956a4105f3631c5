/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/base/log.h"

#include "arch/cpu.h"
#include "arch/tsc.h"
#include "kernel/base/frame.h"
#include "kernel/base/print.h"
#include "kernel/base/ring.h"

const struct log_sink *log_sink;
bool log_left, log_debugs;
struct lock log_lock = {.rank = LOCK_LOG};

struct sampo_log log_rings __attribute__((aligned(FRAME_PAGE)));
_Static_assert(sizeof(log_rings) % FRAME_PAGE == 0, "whole pages");

static void to_ring(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		ring_put(log_rings.text, sizeof(log_rings.text), &log_rings.end, text[i]);
}

/* Seconds since the machine's reset, as the TSC counts them. */
static void put_stamp(const char *format, ...)
{
	char stamp[24];
	va_list args;

	va_start(args, format);
	to_ring(stamp, print_args(stamp, sizeof(stamp), format, args));
	va_end(args);
}

/* A line may come in several pieces, and an empty one has no time. */
void ring_bytes(const char *text, size_t length)
{
	static bool in_line;
	uint64_t us;

	lock(&log_lock);
	for (; length; text++, length--) {
		if (!in_line && *text != '\n') {
			us = tsc_to_ns(cpu_rdtsc()) / 1000;
			put_stamp("[%5lu.%06lu] ", us / 1000000, us % 1000000);
		}
		in_line = *text != '\n';
		to_ring(text, 1);
	}
	unlock(&log_lock);
}

void log_bytes(const char *text, size_t length)
{
	lock(&log_lock);
	ring_bytes(text, length);
	log_sink->show(text, length);
	unlock(&log_lock);
}

void log_print(const char *format, ...)
{
	size_t level = format[0] == '<' ? LOG_LEVEL : 0, length;
	bool debugs = READ_ONCE(log_debugs);
	char line[256];
	va_list args;

	va_start(args, format);
	length = print_args(line, sizeof(line), format, args);
	va_end(args);
	lock(&log_lock);
	ring_bytes(LOG_DEBUG, debugs ? LOG_LEVEL : 0);
	ring_bytes(line, length);
	if (READ_ONCE(log_left) && !debugs)
		log_sink->tell();
	else
		log_sink->show(line + level, length - level);
	unlock(&log_lock);
}
