/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/irq.h"

#include "arch/apic.h"
#include "arch/ioapic.h"
#include "kernel/abi.h"
#include "kernel/device.h"
#include "kernel/event.h"
#include "kernel/lock.h"

#define VECTORS      (IRQ_VECTOR_LAST - IRQ_VECTOR_FIRST + 1)
#define BINDINGS     (VECTORS + 32u) /* a few pins may share a line */
#define PCI_ISA_IRQS 16u
#define IDE_IRQ      14u
#define MESSAGE      UINT32_MAX

/* One interrupt of a device, bound to an event. */
struct irq {
	struct device *device; /* NULL: free */
	struct event *event;   /* no reference: unbound when it is freed */
	struct irq *next_of_device;
	struct irq *next_of_line; /* others at the same vector: shared pins */
	struct line *line;
	uint16_t index;
	bool waiting; /* pin: delivered, not acknowledged */
};

/* What a vector stands for. */
struct line {
	struct irq *first; /* NULL: the vector is free */
	uint32_t gsi;      /* of the pin, or MESSAGE */
};

static struct irq irqs[BINDINGS];
static struct line lines[VECTORS];
static struct lock irq_lock = {.rank = LOCK_IRQ}; /* for all of it */

static uint8_t vector_of(const struct line *line)
{
	return (uint8_t)(IRQ_VECTOR_FIRST + (line - lines));
}

static struct irq *find(const struct device *device, uint64_t index)
{
	struct irq *irq = device->irqs;

	while (irq && irq->index != index)
		irq = irq->next_of_device;
	return irq;
}

/* Firmware's wiring; PCI pins are active low unless it says otherwise. */
static struct ioapic_line wiring(const struct device *device)
{
	uint8_t irq = device->pci.info.irq_line;
	struct ioapic_line line = {.gsi = irq, .active_low = true, .level = true};

	if (irq < PCI_ISA_IRQS) {
		struct ioapic_line isa = ioapic_isa_line(irq);

		line.gsi = isa.gsi;
		if (isa.level)
			line = isa;
	}
	return line;
}

static struct line *free_line(void)
{
	for (struct line *line = lines; line < lines + VECTORS; line++)
		if (!line->first)
			return line;
	return NULL;
}

static struct line *pin_line(uint32_t gsi)
{
	for (struct line *line = lines; line < lines + VECTORS; line++)
		if (line->first && line->gsi == gsi)
			return line;
	return NULL;
}

static int64_t route_pin(struct device *device, struct line **line)
{
	struct ioapic_line wire = wiring(device);

	if (!device->pci.info.irq_pin)
		return SAMPO_ENODEV;
	*line = pin_line(wire.gsi);
	if (*line)
		return SAMPO_OK;
	*line = free_line();
	if (!*line)
		return SAMPO_ENOMEM;
	if (!ioapic_route(&wire, vector_of(*line), apic_id()))
		return SAMPO_ENODEV;
	(*line)->gsi = wire.gsi;
	return SAMPO_OK;
}

/* Edges, like messages: one that came while the pin is masked would be lost. */
static int64_t route_ide(uint64_t channel, struct line **line)
{
	struct ioapic_line wire = ioapic_isa_line((uint8_t)(IDE_IRQ + channel));

	*line = free_line();
	if (!*line)
		return SAMPO_ENOMEM;
	if (!ioapic_route(&wire, vector_of(*line), apic_id()))
		return SAMPO_ENODEV;
	(*line)->gsi = MESSAGE;
	ioapic_mask(wire.gsi, false);
	return SAMPO_OK;
}

static int64_t route_message(struct device *device, uint64_t index, struct line **line)
{
	const struct pci_function *f = &device->pci;
	uint32_t address = 0xfee00000u | apic_id() << 12;

	if (pci_legacy_ide(&f->info, index))
		return route_ide(index, line);
	if (index >= (f->info.msix ? f->info.msix : f->info.msi))
		return SAMPO_ENODEV;
	*line = free_line();
	if (!*line)
		return SAMPO_ENOMEM;
	(*line)->gsi = MESSAGE;
	if (!f->info.msix)
		pci_msi_set(f, address, vector_of(*line));
	else if (!pci_msix_set(f, (unsigned)index, address, vector_of(*line)))
		return SAMPO_ENOMEM;
	return SAMPO_OK;
}

static struct irq *free_irq(void)
{
	for (struct irq *irq = irqs; irq < irqs + BINDINGS; irq++)
		if (!irq->device)
			return irq;
	return NULL;
}

static int64_t bind(struct device *device, uint64_t index, struct event *event)
{
	struct irq *irq = free_irq();
	struct line *line;
	int64_t status;

	if (find(device, index))
		return SAMPO_EEXIST;
	if (device->irqs && (index == SAMPO_IRQ_INTX || device->irqs->index == SAMPO_IRQ_INTX))
		return SAMPO_EBUSY;
	if (!irq)
		return SAMPO_ENOMEM;
	status = index == SAMPO_IRQ_INTX ? route_pin(device, &line)
					 : route_message(device, index, &line);
	if (status)
		return status;
	*irq = (struct irq){
		.device = device,
		.event = event,
		.next_of_device = device->irqs,
		.next_of_line = line->first,
		.line = line,
		.index = (uint16_t)index,
	};
	device->irqs = line->first = irq;
	if (line->gsi != MESSAGE) {
		pci_command(&device->pci, PCI_COMMAND_INTX_OFF, 0);
		if (!irq->next_of_line)
			ioapic_mask(line->gsi, false);
	}
	return SAMPO_OK;
}

int64_t irq_bind(struct device *device, uint64_t index, struct event *event)
{
	int64_t status;

	lock(&irq_lock);
	status = bind(device, index, event);
	unlock(&irq_lock);
	return status;
}

/* Nothing is bound if it was unbound while it was on its way. */
void irq_handle(uint8_t vector)
{
	struct line *line = &lines[vector - IRQ_VECTOR_FIRST];

	lock(&irq_lock);
	if (line->first && line->gsi != MESSAGE)
		ioapic_mask(line->gsi, true);
	for (struct irq *irq = line->first; irq; irq = irq->next_of_line) {
		irq->waiting = line->gsi != MESSAGE;
		event_raise(irq->event);
	}
	unlock(&irq_lock);
}

static void unmask_if_quiet(const struct line *line)
{
	bool mask = !line->first;

	for (const struct irq *irq = line->first; irq; irq = irq->next_of_line)
		mask |= irq->waiting;
	ioapic_mask(line->gsi, mask);
}

int64_t irq_ack(struct device *device, uint64_t index)
{
	struct irq *irq;

	lock(&irq_lock);
	irq = find(device, index);
	if (irq && irq->waiting) {
		irq->waiting = false;
		unmask_if_quiet(irq->line);
	}
	unlock(&irq_lock);
	return irq ? SAMPO_OK : SAMPO_EINVAL;
}

static void silence(struct device *device, const struct irq *irq)
{
	if (irq->line->gsi != MESSAGE)
		pci_command(&device->pci, 0, PCI_COMMAND_INTX_OFF);
	else if (pci_legacy_ide(&device->pci.info, irq->index))
		ioapic_mask(ioapic_isa_line((uint8_t)(IDE_IRQ + irq->index)).gsi, true);
	else if (device->pci.info.msix)
		pci_msix_mask(&device->pci, irq->index);
	else
		pci_messages_off(&device->pci);
}

static void unbind(struct device *device, struct irq *irq)
{
	struct line *line = irq->line;
	struct irq **at;

	silence(device, irq);
	for (at = &device->irqs; *at != irq; at = &(*at)->next_of_device)
		;
	*at = irq->next_of_device;
	for (at = &line->first; *at != irq; at = &(*at)->next_of_line)
		;
	*at = irq->next_of_line;
	irq->device = NULL;
	if (line->gsi != MESSAGE)
		unmask_if_quiet(line);
}

int64_t irq_unbind(struct device *device, uint64_t index)
{
	struct irq *irq;

	lock(&irq_lock);
	irq = find(device, index);
	if (irq)
		unbind(device, irq);
	unlock(&irq_lock);
	return irq ? SAMPO_OK : SAMPO_EINVAL;
}

void irq_unbind_event(const struct event *event)
{
	lock(&irq_lock);
	for (struct irq *irq = irqs; irq < irqs + BINDINGS; irq++)
		if (irq->device && irq->event == event)
			unbind(irq->device, irq);
	unlock(&irq_lock);
}
