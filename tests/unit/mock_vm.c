/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/mock_vm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/machine/vga.h"
#include "guests/dom0/vm/console.h"

#define TIMERS 16

struct vm mock_vm;
struct vm_config mock_config;
struct machine_state mock_state;
struct mock_seen mock_seen;
bool mock_firmware;

static uint8_t ram[MOCK_RAM];
static uint64_t now = 1000000000;
static uint64_t wall_at_zero;
static struct timer *timers[TIMERS];

uint64_t clock_ns(void)
{
	return now;
}

uint64_t clock_wall_ns(void)
{
	return wall_at_zero + now;
}

uint64_t clock_epoch_ns(void)
{
	return wall_at_zero;
}

struct vm *vm_first(void)
{
	return &mock_vm;
}

struct vm *vm_next(const struct vm *vm)
{
	(void)vm;
	return NULL;
}

uint64_t mock_now(void)
{
	return now;
}

void mock_set_wall(uint64_t unix_seconds)
{
	wall_at_zero = unix_seconds * 1000000000ull - now;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	timer_cancel(timer);
	timer->deadline = deadline_ns ? deadline_ns : 1;
	for (unsigned i = 0; i < TIMERS; i++) {
		if (!timers[i]) {
			timers[i] = timer;
			return;
		}
	}
	abort();
}

void timer_cancel(struct timer *timer)
{
	timer->deadline = 0;
	for (unsigned i = 0; i < TIMERS; i++)
		if (timers[i] == timer)
			timers[i] = NULL;
}

static struct timer *first_timer(uint64_t until)
{
	struct timer *first = NULL;

	for (unsigned i = 0; i < TIMERS; i++)
		if (timers[i] && timers[i]->deadline <= until &&
		    (!first || timers[i]->deadline < first->deadline))
			first = timers[i];
	return first;
}

bool mock_advance_bounded(uint64_t ns, unsigned events)
{
	uint64_t until = now + ns;
	struct timer *timer;

	while ((timer = first_timer(until))) {
		if (events-- == 0)
			return false;
		if (timer->deadline > now)
			now = timer->deadline;
		timer_cancel(timer);
		mock_seen.timers_fired++;
		timer->fire(timer);
	}
	now = until;
	return true;
}

void mock_advance(uint64_t ns)
{
	if (!mock_advance_bounded(ns, 1000000))
		abort();
}

void *vm_mem(struct vm *vm, uint64_t gpa, uint64_t len)
{
	if (gpa > vm->ram_bytes || len > vm->ram_bytes - gpa)
		return NULL;
	return vm->ram + gpa;
}

bool vm_memory_make(struct vm *vm, struct vm_memory *m, uint64_t bytes)
{
	(void)vm;
	*m = (struct vm_memory){.bytes = calloc(1, bytes), .size = bytes, .region = 1};
	return m->bytes;
}

void vm_memory_free(struct vm_memory *m)
{
	free(m->bytes);
	*m = (struct vm_memory){0};
}

bool vm_memory_show(struct vm *vm, const struct vm_memory *m, uint64_t gpa, uint64_t offset,
		    uint64_t bytes)
{
	unsigned free_entry = MOCK_SHOWN;

	(void)vm;
	if (gpa % 4096 || offset % 4096 || bytes % 4096 || offset > m->size ||
	    bytes > m->size - offset || !bytes)
		abort();
	for (unsigned i = 0; i < MOCK_SHOWN; i++) {
		if (!mock_seen.shown[i].size)
			free_entry = i;
		else if (gpa < mock_seen.shown[i].gpa + mock_seen.shown[i].size &&
			 mock_seen.shown[i].gpa < gpa + bytes)
			return false;
	}
	if (mock_seen.no_room || free_entry == MOCK_SHOWN)
		return false;
	mock_seen.shown[free_entry].gpa = gpa;
	mock_seen.shown[free_entry].size = bytes;
	mock_seen.shown[free_entry].offset = offset;
	mock_seen.shown[free_entry].memory = m;
	mock_seen.shown[free_entry].tracked = false;
	return true;
}

static unsigned shown_at(uint64_t gpa)
{
	unsigned i = 0;

	while (i < MOCK_SHOWN && (!mock_seen.shown[i].size ||
				  gpa - mock_seen.shown[i].gpa >= mock_seen.shown[i].size))
		i++;
	return i;
}

uint8_t *mock_reach(uint64_t gpa)
{
	unsigned i = shown_at(gpa);

	return i == MOCK_SHOWN ? NULL
			       : mock_seen.shown[i].memory->bytes + mock_seen.shown[i].offset +
					 (gpa - mock_seen.shown[i].gpa);
}

void vm_memory_hide(struct vm *vm, uint64_t gpa, uint64_t bytes)
{
	unsigned i = shown_at(gpa);

	(void)vm;
	if (i == MOCK_SHOWN || mock_seen.shown[i].gpa != gpa || mock_seen.shown[i].size != bytes ||
	    mock_seen.shown[i].tracked)
		abort();
	mock_seen.shown[i].size = 0;
}

static void set_tracked(uint64_t gpa, uint64_t bytes, bool tracked)
{
	unsigned i = shown_at(gpa);

	if (i == MOCK_SHOWN || bytes != mock_seen.shown[i].size ||
	    mock_seen.shown[i].tracked == tracked)
		abort();
	mock_seen.shown[i].tracked = tracked;
}

bool vm_memory_track(struct vm *vm, uint64_t gpa, uint64_t bytes)
{
	(void)vm;
	set_tracked(gpa, bytes, true);
	return true;
}

void vm_memory_untrack(struct vm *vm, uint64_t gpa, uint64_t bytes)
{
	(void)vm;
	set_tracked(gpa, bytes, false);
}

bool vm_memory_written(struct vm *vm, uint64_t gpa, uint64_t pages, uint64_t *bitmap)
{
	unsigned first = shown_at(gpa), last = shown_at(gpa + pages * 4096 - 1);

	(void)vm;
	if (!pages || first == MOCK_SHOWN || first != last || !mock_seen.shown[first].tracked)
		abort();
	mock_seen.dirty_reads++;
	memset(bitmap, 0, (pages + 63) / 64 * 8);
	if (mock_seen.is_written && mock_seen.written >= gpa &&
	    (mock_seen.written - gpa) / 4096 < pages) {
		uint64_t page = (mock_seen.written - gpa) / 4096;

		bitmap[page / 64] |= 1ull << page % 64;
		mock_seen.is_written = false;
	}
	return true;
}

bool vm_read(struct vm *vm, uint64_t gpa, void *to, uint64_t len)
{
	const void *from = vm_mem(vm, gpa, len);

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

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	(void)vm;
	mock_seen.msi[mock_seen.msis % MOCK_MSIS].address = address;
	mock_seen.msi[mock_seen.msis % MOCK_MSIS].data = data;
	mock_seen.msis++;
}

void vm_extint(struct vm *vm, bool level)
{
	(void)vm;
	mock_seen.extint = level;
	mock_seen.extints++;
}

const struct sampo_vcpu_page *vm_vcpu_page(const struct vm *vm, unsigned vcpu)
{
	(void)vm;
	(void)vcpu;
	return NULL;
}

void vm_request(struct vm *vm, enum vm_request what, const char *why)
{
	(void)vm;
	(void)why;
	mock_seen.request = what;
	mock_seen.requests++;
}

void vm_log(struct vm *vm, const char *format, ...)
{
	va_list args;

	(void)vm;
	va_start(args, format);
	vsnprintf(mock_seen.log, sizeof(mock_seen.log), format, args);
	va_end(args);
	mock_seen.logs++;
}

void vm_console_output(struct vm *vm, enum console_device device, const uint8_t *bytes, size_t n)
{
	(void)vm;
	(void)device;
	for (size_t i = 0; i < n; i++) {
		if (mock_seen.output < sizeof(mock_seen.text))
			mock_seen.text[mock_seen.output] = bytes[i];
		mock_seen.output++;
	}
}

struct vm *mock_power_on(void)
{
	mock_power_off();
	memset(&mock_vm, 0, sizeof(mock_vm));
	memset(&mock_state, 0, sizeof(mock_state));
	memset(&mock_seen, 0, sizeof(mock_seen));
	memset(ram, 0xaa, sizeof(ram));
	mock_config.vcpus = mock_config.cores = mock_config.threads = 1;
	strcpy(mock_config.kernel, mock_firmware ? "" : "kernel");
	mock_vm.config = &mock_config;
	mock_vm.state = &mock_state;
	mock_vm.ram = ram;
	mock_vm.ram_bytes = sizeof(ram);
	if (platform_part.attach(&mock_vm) || vga_part.attach(&mock_vm))
		abort();
	return &mock_vm;
}

void mock_power_off(void)
{
	if (mock_vm.vga)
		vga_part.free(&mock_vm);
	if (mock_vm.platform)
		platform_part.free(&mock_vm);
}
