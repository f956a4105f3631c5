/* SPDX-License-Identifier: BSD-2-Clause */
/* The environment of drivers (drivers/env.h), by the kernel's calls. */
#include "drivers/env.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "guests/dom0/base/cpuset.h"
#include "guests/dom0/base/env.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/lib/sampo.h"

#define PAGE    4096ull
#define MESSAGE UINT64_MAX

/* One handler; lives as long as dom0. */
struct vector {
	struct vector *next; /* of those that share a pin */
	irq_handler *handler;
	void *context;
	unsigned number;
};

/* A source of an event of ours: a message, or a pin. */
struct source {
	struct source *next;
	struct vector *first; /* NULL: all have been unbound, and nothing is bound */
	uint64_t pin;         /* or MESSAGE */
	bool level;
	bool lost; /* nothing raises it any more */
	uint32_t event;
	int bit;
	uint32_t from;        /* handle: device or machine */
	irq_program *program; /* of a message */
	void *function;
};

static struct source *sources;

/* --- ports and memory --- */

uint32_t ports_open(uint16_t base, uint32_t count)
{
	uint32_t region = 0;
	int64_t status =
		sampo_region_of_machine(boot->machine, SAMPO_REGION_PORTS, base, count, &region);

	if (status)
		driver_log("dom0: %u ports from %#x: %s\n", (unsigned)count, base,
			   sampo_strerror(status));
	return region;
}

void ports_close(uint32_t ports)
{
	if (ports)
		sampo_handle_close(ports);
}

uint32_t port_read(uint32_t ports, uint32_t offset, unsigned bytes)
{
	uint64_t value = UINT32_MAX >> (32 - 8 * bytes);

	if (sampo_port(ports, offset, bytes, 0, &value))
		return UINT32_MAX >> (32 - 8 * bytes);
	return (uint32_t)value;
}

void port_write(uint32_t ports, uint32_t offset, unsigned bytes, uint32_t value)
{
	sampo_port(ports, offset, bytes | SAMPO_PORT_WRITE, value, NULL);
}

/* The pages around a range of physical memory, mapped where it lies if that is free. */
static void *map_physical(uint64_t base, uint64_t bytes, uint64_t perms)
{
	uint64_t first = base & ~(PAGE - 1), size = (base + bytes + PAGE - 1 - first) & ~(PAGE - 1);
	uint64_t at = first;
	uint32_t region;
	int64_t status =
		sampo_region_of_machine(boot->machine, SAMPO_REGION_PHYSICAL, first, size, &region);

	if (!status && !window_take(at, size))
		at = window_alloc(size, PAGE);
	if (!status && !at)
		status = SAMPO_ENOMEM;
	if (!status) {
		status = sampo_region_map(region, boot->domain, at, 0, perms, size);
		if (status)
			window_free(at);
	}
	if (region) /* a mapping keeps it */
		sampo_handle_close(region);
	if (!status)
		return (void *)(uintptr_t)(at + (base - first));
	driver_log("dom0: %llu bytes at %#llx: %s\n", (unsigned long long)bytes,
		   (unsigned long long)base, sampo_strerror(status));
	return NULL;
}

volatile void *registers_map(uint64_t base, uint64_t bytes)
{
	return map_physical(base, bytes, SAMPO_MAP_R | SAMPO_MAP_W);
}

const void *firmware_map(uint64_t base, uint64_t bytes)
{
	return map_physical(base, bytes, SAMPO_MAP_R);
}

static void unmap(uint64_t at, uint64_t bytes)
{
	uint64_t first = at & ~(PAGE - 1);

	memory_unmap((void *)(uintptr_t)first, at + bytes - first);
}

void firmware_unmap(const void *memory, uint64_t bytes)
{
	unmap((uintptr_t)memory, bytes);
}

void registers_unmap(volatile void *registers, uint64_t bytes)
{
	unmap((uintptr_t)registers, bytes);
}

/* --- interrupts --- */

static void source_raised(void *context)
{
	const struct source *source = context;

	for (const struct vector *v = source->first, *next; v; v = next) {
		next = v->next; /* the handler may unbind itself */
		v->handler(v->context, v->number);
	}
	if (source->level && source->first)
		sampo_irq(source->event, SAMPO_IRQ_ACK, 0, 0, NULL);
}

/* To the CPU where we are. */
static int64_t source_bind(struct source *source)
{
	uint64_t how = source->level ? SAMPO_PIN_LEVEL | SAMPO_PIN_LOW : 0, what = 0;
	int64_t status = sampo_irq(source->event, SAMPO_IRQ_BIND, source->from,
				   source->program ? 0 : source->pin | how, &what);
	struct irq_message message = {what >> 32, (uint32_t)what};

	source->lost = status != SAMPO_OK;
	if (!status && source->program)
		source->program(source->function, source->first->number, &message);
	return status;
}

/* A copy with an event bit of dom0's, an event for it, and the interrupt bound to that. */
static struct source *source_make(const struct source *from)
{
	struct source *source = malloc(sizeof(*source));

	if (!source)
		return NULL;
	*source = *from;
	source->bit = event_alloc(source_raised, source);
	if (source->bit >= 0 &&
	    !sampo_event_create(boot->domain, SAMPO_EVENT_BIT, (uint64_t)source->bit, 0,
				&source->event) &&
	    !source_bind(source)) {
		source->next = sources;
		sources = source;
		return source;
	}
	if (source->event)
		sampo_handle_close(source->event);
	event_free(source->bit);
	free(source);
	return NULL;
}

static struct vector *vector_make(irq_handler *handler, void *context, unsigned number)
{
	struct vector *v = calloc(1, sizeof(*v));

	if (v)
		*v = (struct vector){NULL, handler, context, number};
	return v;
}

uint32_t device_open(uint16_t requester, const char *name)
{
	uint64_t text = 0;
	uint32_t device;
	int64_t status;

	for (unsigned i = 0; i < sizeof(text) && name[i]; i++)
		text |= (uint64_t)(uint8_t)name[i] << 8 * i;
	status = sampo_device_create(boot->machine, requester, boot->domain, text, &device);
	if (status)
		driver_log("dom0: device %s: %s\n", name,
			   status == SAMPO_ENODEV ? "no unit of the IOMMU is between it and memory"
						  : sampo_strerror(status));
	return device;
}

bool irq_message_bind(uint32_t device, irq_handler *handler, void *context, unsigned vector,
		      irq_program *program, void *function)
{
	struct vector *v = vector_make(handler, context, vector);
	struct source from = {.first = v,
			      .pin = MESSAGE,
			      .from = device,
			      .program = program,
			      .function = function};

	if (v && source_make(&from))
		return true;
	free(v);
	return false;
}

static struct source *pin_source(unsigned pin, bool level)
{
	struct source from = {.pin = pin, .level = level, .from = boot->machine};

	for (struct source *source = sources; source; source = source->next)
		if (source->pin == pin)
			return source->level == level ? source : NULL;
	return source_make(&from);
}

bool irq_pin_bind(unsigned pin, enum irq_trigger trigger, irq_handler *handler, void *context,
		  unsigned vector)
{
	struct vector *v = vector_make(handler, context, vector);
	struct source *source = v ? pin_source(pin, trigger == IRQ_LEVEL_LOW) : NULL;

	/* One that had no handler any more is bound to nothing. */
	if (!source || (source->lost && source_bind(source))) {
		free(v);
		return false;
	}
	v->next = source->first;
	source->first = v;
	return true;
}

void irq_pin_unbind(unsigned pin, irq_handler *handler, void *context)
{
	for (struct source *source = sources; source; source = source->next)
		for (struct vector **link = &source->first; *link; link = &(*link)->next) {
			struct vector *v = *link;

			if (source->pin != pin || v->handler != handler || v->context != context)
				continue;
			*link = v->next;
			free(v);
			if (!source->first)
				sampo_irq(source->event, SAMPO_IRQ_UNBIND, 0, 0, NULL);
			source->lost = !source->first;
			return;
		}
}

/* --- the CPU that dom0 is on --- */

bool home_info(struct sampo_vcpu_info *info)
{
	return !sampo_object_info(boot->vcpu, SAMPO_INFO_VCPU, info, sizeof(*info), 0, NULL);
}

static int64_t run_on(unsigned cpu)
{
	static struct cpuset only;

	only = (struct cpuset){{0}};
	only.word[cpu / 64] = 1ull << cpu % 64;
	return sampo_vcpu_ctl(boot->vcpu, SAMPO_VCPU_AFFINITY, sampo_gpa(&only));
}

/* All sources, to the CPU where we are. An interrupt that came while its source was bound to
 * nothing is lost: its handlers look themselves. */
static int64_t bind_again(void)
{
	int64_t status = SAMPO_OK;

	for (struct source *source = sources; source; source = source->next) {
		int64_t this;

		if (!source->first)
			continue;
		if (!source->lost)
			sampo_irq(source->event, SAMPO_IRQ_UNBIND, 0, 0, NULL);
		this = source_bind(source);
		sampo_event_raise(source->event);
		if (this)
			status = this;
	}
	return status;
}

static void log_lost(void)
{
	for (struct source *source = sources; source; source = source->next) {
		if (!source->lost || !source->first)
			continue;
		if (source->program)
			source->program(source->function, source->first->number, NULL);
		else
			driver_log("dom0: pin %u has lost its interrupt\n", (unsigned)source->pin);
	}
	driver_log("dom0: move Domain-0 to another CPU to try again, or restart the machine\n");
}

const char *home_move(unsigned cpu)
{
	struct sampo_vcpu_info before;
	int64_t status;

	if (!home_info(&before) || cpu >= CPUSET_CPUS)
		return sampo_strerror(SAMPO_EINVAL);
	status = run_on(cpu);
	if (status)
		return sampo_strerror(status);
	status = bind_again();
	if (!status)
		return NULL;
	run_on(before.cpu);
	if (bind_again())
		log_lost();
	return sampo_strerror(status);
}

void driver_log(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}
