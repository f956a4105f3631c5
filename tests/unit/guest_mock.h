/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest for tests of device code: its memory, dom0's loop by hand, and the
 * driver's side of a virtqueue. Blocks of its memory are scattered on the bus.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define MOCK_BLOCKS 4u
#define MOCK_BLOCK  (1ull << VM_BLOCK_SHIFT)
#define MOCK_RAM    (MOCK_BLOCKS * MOCK_BLOCK)

static struct machine_state mock_state;
static uint64_t mock_bus[MOCK_BLOCKS] = {0x40000000, 0x80000000, 0x80200000, 0x20000000};
static struct vm mock_vm = {.name = "mock"};
static unsigned mock_logged;
static char mock_last_log[256];

static inline void mock_init(void)
{
	if (!mock_vm.ram)
		mock_vm.ram = malloc(MOCK_RAM);
	memset(mock_vm.ram, 0, MOCK_RAM);
	memset(&mock_state, 0, sizeof(mock_state));
	mock_vm.ram_bytes = MOCK_RAM;
	mock_vm.ram_bus = mock_bus;
	mock_vm.state = &mock_state;
	mock_logged = 0;
}

void *vm_mem(struct vm *vm, uint64_t gpa, uint64_t len)
{
	if (len > vm->ram_bytes || gpa > vm->ram_bytes - len)
		return NULL;
	return vm->ram + gpa;
}

bool vm_read(struct vm *vm, uint64_t gpa, void *to, uint64_t len)
{
	void *from = vm_mem(vm, gpa, len);

	if (from)
		memcpy(to, from, len);
	return from;
}

bool vm_write(struct vm *vm, uint64_t gpa, const void *from, uint64_t len)
{
	void *to = vm_mem(vm, gpa, len);

	if (to)
		memcpy(to, from, len);
	return to;
}

uint64_t vm_bus_address(struct vm *vm, uint64_t gpa, uint64_t len, uint64_t *run)
{
	uint64_t left = MOCK_BLOCK - gpa % MOCK_BLOCK;

	*run = 0;
	if (!vm_mem(vm, gpa, len))
		return 0;
	*run = left < len ? left : len;
	return vm->ram_bus[gpa / MOCK_BLOCK] + gpa % MOCK_BLOCK;
}

/* The guest's memory by bus address; NULL if that is not in one piece. */
static inline uint8_t *mock_by_bus(uint64_t bus, uint64_t bytes)
{
	for (unsigned i = 0; i < MOCK_BLOCKS; i++) {
		uint64_t end = mock_bus[i] + MOCK_BLOCK;

		for (unsigned j = i + 1; j < MOCK_BLOCKS && mock_bus[j] == end; j++)
			end += MOCK_BLOCK;
		if (bus >= mock_bus[i] && bus - mock_bus[i] < MOCK_BLOCK && bus + bytes <= end)
			return mock_vm.ram + i * MOCK_BLOCK + (bus - mock_bus[i]);
	}
	return NULL;
}

void vm_log(struct vm *vm, const char *format, ...)
{
	va_list args;

	(void)vm;
	va_start(args, format);
	vsnprintf(mock_last_log, sizeof(mock_last_log), format, args);
	va_end(args);
	mock_logged++;
}

/* --- the loop ------------------------------------------------------------- */

static uint64_t mock_now = 1;
static struct work *mock_work_first;

uint64_t clock_ns(void)
{
	return mock_now;
}

void work_queue(struct work *work)
{
	struct work **link = &mock_work_first;

	if (work->queued)
		return;
	while (*link)
		link = &(*link)->next;
	work->queued = 1;
	work->next = NULL;
	*link = work;
}

/* One turn of the loop; false: there was nothing to do. */
static inline bool mock_run_work(void)
{
	struct work *work = mock_work_first;

	mock_work_first = NULL;
	for (struct work *next; work; work = next) {
		next = work->next;
		work->queued = 0;
		work->run(work);
		if (!next)
			return true;
	}
	return false;
}

#define MOCK_TIMERS 16u
static struct timer *mock_timer[MOCK_TIMERS];

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
}

void timer_cancel(struct timer *timer)
{
	timer->deadline = 0;
	for (unsigned i = 0; i < MOCK_TIMERS; i++)
		if (mock_timer[i] == timer)
			mock_timer[i] = NULL;
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	timer_cancel(timer);
	timer->deadline = deadline_ns;
	for (unsigned i = 0; i < MOCK_TIMERS; i++)
		if (!mock_timer[i]) {
			mock_timer[i] = timer;
			return;
		}
	abort();
}

static inline void mock_time(uint64_t ns)
{
	mock_now += ns;
	for (unsigned i = 0; i < MOCK_TIMERS; i++) {
		struct timer *timer = mock_timer[i];

		if (!timer || timer->deadline > mock_now)
			continue;
		timer_cancel(timer);
		timer->fire(timer);
	}
}

/* --- the driver's side of a queue ----------------------------------------- */

#define DRIVER_NEXT     1u
#define DRIVER_WRITE    2u
#define DRIVER_INDIRECT 4u

struct driver_desc {
	uint64_t gpa;
	uint32_t bytes;
	uint16_t flags, next;
};

struct driver_queue {
	uint16_t size;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	struct driver_desc *desc;
	uint16_t *avail; /* flags, index, ring, used_event */
	uint16_t *used;  /* flags, index, ring of 2 words each, avail_event */
	uint16_t seen;   /* of the used ring */
};

/* Lays a queue out at gpa; it takes less than 16 KiB. */
static inline void driver_init(struct driver_queue *q, uint64_t gpa, uint16_t size)
{
	memset(q, 0, sizeof(*q));
	q->size = size;
	q->desc_gpa = gpa;
	q->avail_gpa = gpa + 16u * size;
	q->used_gpa = (q->avail_gpa + 6 + 2u * size + 3) & ~3ull;
	memset(mock_vm.ram + gpa, 0, q->used_gpa + 6 + 8u * size - gpa);
	q->desc = (void *)(mock_vm.ram + q->desc_gpa);
	q->avail = (void *)(mock_vm.ram + q->avail_gpa);
	q->used = (void *)(mock_vm.ram + q->used_gpa);
}

static inline void driver_avail(struct driver_queue *q, uint16_t head)
{
	q->avail[2 + q->avail[1] % q->size] = head;
	q->avail[1]++;
}

static inline void driver_desc(struct driver_queue *q, unsigned i, uint64_t gpa, uint32_t bytes,
			       uint16_t flags, uint16_t next)
{
	q->desc[i] = (struct driver_desc){gpa, bytes, flags, next};
}

static inline bool driver_used(struct driver_queue *q, uint32_t *id, uint32_t *bytes)
{
	uint32_t entry[2];

	if (q->seen == q->used[1])
		return false;
	memcpy(entry, q->used + 2 + 4u * (q->seen % q->size), sizeof(entry));
	q->seen++;
	*id = entry[0];
	*bytes = entry[1];
	return true;
}

static inline uint16_t *driver_used_event(struct driver_queue *q)
{
	return q->avail + 2 + q->size;
}

static inline uint16_t driver_avail_event(const struct driver_queue *q)
{
	return q->used[2 + 4u * q->size];
}
