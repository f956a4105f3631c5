/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device interrupts: from a vector of the CPU to the event that a driver
 * waits for. A level-triggered line stays masked from its delivery until
 * every driver bound to it has acknowledged.
 */
#ifndef KERNEL_IRQ_H
#define KERNEL_IRQ_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct event;

/* Vectors of device interrupts; above them are the kernel's own. */
#define IRQ_VECTOR_FIRST 0x30u
#define IRQ_VECTOR_LAST  0xefu
#define VECTOR_TIMER     0xf0u
#define VECTOR_WAKE      0xf1u /* another CPU wants this one to look around */
#define VECTOR_ERROR     0xfeu
#define VECTOR_SPURIOUS  0xffu

/* index: MSI-X vector, 0 for MSI, SAMPO_IRQ_INTX for the pin. Returns a SAMPO_* status. */
int irq_bind(struct device *device, unsigned index, struct event *event);
int irq_ack(struct device *device, unsigned index);
int irq_unbind(struct device *device, unsigned index);
void irq_unbind_device(struct device *device);
void irq_unbind_event(struct event *event); /* before an event goes away */

/* From the interrupt window, for vectors FIRST..LAST. Sends no EOI: the caller does. */
void irq_handle(uint8_t vector);

#endif
