/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object/irq.h"

#include "arch/apic.h"
#include "arch/ioapic.h"
#include "kernel/abi.h"
#include "kernel/console/console.h"
#include "kernel/cpu/loop.h"
#include "kernel/cpu/smp.h"
#include "kernel/object/event.h"
#include "kernel/vcpu/vcpu.h"

#define VECTORS      (IRQ_VECTOR_LAST - IRQ_VECTOR_FIRST + 1)
#define PIN_FLAGS    (SAMPO_PIN_LEVEL | SAMPO_PIN_LOW)
#define NO_PIN       UINT32_MAX
#define APIC_ID_LAST 0xfeu /* 0xff is all of them */

/* What a vector stands for. The holder of the manage lock changes it; any CPU may have the
 * interrupt meanwhile. */
struct line {
	struct event *event;     /* NULL: the vector is free; written last */
	struct object *source;   /* holds a reference */
	struct ioapic_line wire; /* gsi NO_PIN: a message */
};

static struct line lines[VECTORS];

static uint8_t vector_of(const struct line *line)
{
	return (uint8_t)(IRQ_VECTOR_FIRST + (line - lines));
}

static struct line *free_line(void)
{
	for (struct line *line = lines; line < lines + VECTORS; line++)
		if (!line->event)
			return line;
	return NULL;
}

static bool is_taken(uint32_t gsi)
{
	for (const struct line *line = lines; line < lines + VECTORS; line++)
		if (line->event && line->wire.gsi == gsi)
			return true;
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

static int64_t route_pin(struct line *line, uint64_t pin)
{
	line->wire = wiring(pin);
	if (pin & ~(uint64_t)(PIN_FLAGS | UINT16_MAX))
		return SAMPO_EINVAL;
	if (is_taken(line->wire.gsi))
		return SAMPO_EEXIST;
	return ioapic_route(&line->wire, vector_of(line), apic_id()) ? SAMPO_OK : SAMPO_ENODEV;
}

int64_t irq_bind(struct event *event, struct object *source, uint64_t pin, uint64_t *message)
{
	struct line *line = free_line();
	int64_t status = SAMPO_OK;

	if (source->type != SAMPO_T_DEVICE && source->type != SAMPO_T_MACHINE)
		return SAMPO_EHANDLE;
	if (event->line)
		return SAMPO_EEXIST;
	if (!line)
		return SAMPO_ENOMEM;
	if (apic_id() > APIC_ID_LAST) /* neither messages nor pins have room for it */
		return SAMPO_ENODEV;
	line->wire = (struct ioapic_line){.gsi = NO_PIN};
	if (source->type == SAMPO_T_MACHINE)
		status = route_pin(line, pin);
	else
		*message = (0xfee00000ull | apic_id() << 12) << 32 | vector_of(line);
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
	const struct line *line = &lines[vector - IRQ_VECTOR_FIRST];
	struct event *event = __atomic_load_n(&line->event, __ATOMIC_ACQUIRE);
	struct vcpu *vcpu;

	if (!event)
		return;
	vcpu = domain_vcpu(event->target, 0);
	if (vcpu && vcpu_is_here(vcpu))
		loop_charge(vcpu->cpu, &vcpu->entity);
	if (line->wire.level)
		ioapic_mask(line->wire.gsi, true);
	event_raise(event);
}

int64_t irq_ack(struct event *event)
{
	const struct line *line = event->line;

	if (!line)
		return SAMPO_EINVAL;
	if (line->wire.level)
		ioapic_mask(line->wire.gsi, false);
	return SAMPO_OK;
}

int64_t irq_unbind(struct event *event)
{
	struct line *line = event->line;

	if (!line)
		return SAMPO_EINVAL;
	if (line->wire.gsi != NO_PIN)
		ioapic_mask(line->wire.gsi, true);
	event->line = NULL;
	__atomic_store_n(&line->event, NULL, __ATOMIC_RELEASE);
	smp_quiesce(); /* it may be on its way on another CPU */
	object_put(line->source);
	return SAMPO_OK;
}
