/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object/irq.h"

#include "arch/apic.h"
#include "arch/ioapic.h"
#include "arch/iommu/iommu.h"
#include "kernel/abi.h"
#include "kernel/base/frame.h"
#include "kernel/console/console.h"
#include "kernel/cpu/smp.h"
#include "kernel/object/device.h"
#include "kernel/object/event.h"
#include "kernel/object/up.h"

#define VECTORS   (IRQ_VECTOR_LAST - IRQ_VECTOR_FIRST + 1)
#define PIN_FLAGS (SAMPO_PIN_LEVEL | SAMPO_PIN_LOW)
#define NO_PIN    UINT32_MAX

/* The interrupt that a vector of a CPU stands for. The holder of the manage lock changes it; the
 * CPU may have the interrupt meanwhile. */
struct irq_line {
	struct event *event;     /* NULL: the vector is free; written last */
	struct object *source;   /* holds a reference */
	struct ioapic_line wire; /* gsi NO_PIN: a message */
	struct iommu_entry entry;
};

_Static_assert(VECTORS * sizeof(struct irq_line) <= FRAME_PAGE, "a CPU's lines are a page");

/* Of this CPU; NULL: all are in use, or there was no memory for them. */
static struct irq_line *free_line(void)
{
	struct irq_line *lines = this_cpu()->lines;

	for (unsigned i = 0; lines && i < VECTORS; i++)
		if (!lines[i].event)
			return &lines[i];
	return NULL;
}

static bool is_taken(uint32_t gsi)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		const struct irq_line *lines = cpu_table[i]->lines;

		for (unsigned n = 0; lines && n < VECTORS; n++)
			if (lines[n].event && lines[n].wire.gsi == gsi)
				return true;
	}
	return gsi == acpi.isa[CONSOLE_IRQ].gsi;
}

/* As the caller says, unless firmware says that an ISA interrupt is not as they were. */
static struct ioapic_line wiring(uint64_t pin)
{
	struct ioapic_line wire = {.gsi = (uint16_t)pin};

	if (wire.gsi < ACPI_ISA_IRQS)
		wire = acpi.isa[wire.gsi];
	if (!wire.level) {
		wire.level = pin & SAMPO_PIN_LEVEL;
		wire.active_low = pin & SAMPO_PIN_LOW;
	}
	return wire;
}

static int64_t route_pin(struct irq_line *line, uint64_t pin, struct iommu_interrupt *to)
{
	line->wire = wiring(pin);
	if (pin & ~(uint64_t)(PIN_FLAGS | UINT16_MAX))
		return SAMPO_EINVAL;
	if (is_taken(line->wire.gsi))
		return SAMPO_EEXIST;
	to->level = line->wire.level;
	return iommu_route_pin(&line->wire, to, &line->entry);
}

int64_t irq_bind(struct event *event, struct object *source, uint64_t pin, uint64_t *message)
{
	struct irq_line *line = free_line();
	struct iommu_interrupt to = {.apic_id = apic_id()};
	int64_t status;

	if (source->type != SAMPO_T_DEVICE && source->type != SAMPO_T_MACHINE)
		return SAMPO_EHANDLE;
	if (event->line)
		return SAMPO_EEXIST;
	if (!line)
		return SAMPO_ENOMEM;
	to.vector = (uint8_t)(IRQ_VECTOR_FIRST + (line - this_cpu()->lines));
	line->wire = (struct ioapic_line){.gsi = NO_PIN};
	line->entry.index = 0;
	if (source->type == SAMPO_T_MACHINE)
		status = route_pin(line, pin, &to);
	else
		status = iommu_route_message(CONTAINER_OF(source, struct device, object)->requester,
					     &to, &line->entry, message);
	if (status)
		return status;
	object_get(source);
	line->source = source;
	event->line = line;
	__atomic_store_n(&line->event, event, __ATOMIC_RELEASE);
	if (line->wire.gsi != NO_PIN)
		ioapic_mask(line->wire.gsi, false);
	return SAMPO_OK;
}

/* Edges and messages are never masked: one that came meanwhile would be lost. Nothing is
 * bound if it was unbound while it was on its way. */
void irq_handle(uint8_t vector)
{
	const struct irq_line *line = this_cpu()->lines;
	struct event *event = NULL;
	struct vcpu *vcpu;

	if (line) {
		line += vector - IRQ_VECTOR_FIRST;
		event = __atomic_load_n(&line->event, __ATOMIC_ACQUIRE);
	}
	if (!event)
		return;
	vcpu = domain_vcpu(event->target, 0);
	if (vcpu)
		vcpu_charge(vcpu);
	if (line->wire.level)
		ioapic_mask(line->wire.gsi, true);
	event_raise(event);
}

int64_t irq_ack(struct event *event)
{
	const struct irq_line *line = event->line;

	if (!line)
		return SAMPO_EINVAL;
	if (line->wire.level)
		ioapic_mask(line->wire.gsi, false);
	return SAMPO_OK;
}

int64_t irq_unbind(struct event *event)
{
	struct irq_line *line = event->line;

	if (!line)
		return SAMPO_EINVAL;
	if (line->wire.gsi != NO_PIN)
		ioapic_mask(line->wire.gsi, true);
	event->line = NULL;
	__atomic_store_n(&line->event, NULL, __ATOMIC_RELEASE);
	iommu_unroute(&line->entry);
	smp_quiesce(); /* it may be on its way on another CPU */
	object_put(line->source);
	return SAMPO_OK;
}
