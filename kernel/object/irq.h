/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device interrupts: from a vector of the CPU to the event that a driver
 * waits for. An event has one source, a source one event: drivers that share
 * a pin share its event. A level-triggered pin stays masked from its delivery
 * until it has been acknowledged.
 */
#pragma once

#include "kernel/base/types.h"

struct event;
struct object;

/* Vectors of device interrupts, on each CPU; above them are the kernel's own. */
#define IRQ_VECTOR_FIRST 0x30u
#define IRQ_VECTOR_LAST  0xafu

/*
 * source: a device, then *message is what it must send; or the machine, then
 * pin has the number and SAMPO_PIN_*. EHANDLE (neither), EINVAL (pin), ENODEV
 * (no such pin; this CPU, which will be interrupted, has an APIC ID that a message has no room
 * for), EEXIST (event or pin has been bound), ENOMEM (no vector left on this CPU, no entry in the
 * IOMMU's table, or no memory).
 */
int64_t irq_bind(struct event *event, struct object *source, uint64_t pin, uint64_t *message);
/* EINVAL: it is not bound. */
int64_t irq_ack(struct event *event);
/* ... A binding holds no reference to its event: it ends with the event. */
int64_t irq_unbind(struct event *event);

/* A vector FIRST..LAST has come. Sends no EOI: the caller does, afterwards. */
void irq_handle(uint8_t vector);
