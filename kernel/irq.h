/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device interrupts: from a vector of the CPU to the event that a driver
 * waits for. A level-triggered line stays masked from its delivery until
 * every driver bound to it has acknowledged.
 */
#pragma once

#include "kernel/types.h"

struct device;
struct event;

/* Vectors of device interrupts; above them are the kernel's own. */
#define IRQ_VECTOR_FIRST 0x30u
#define IRQ_VECTOR_LAST  0xefu
#define VECTOR_TIMER     0xf0u
#define VECTOR_KICK      0xf1u /* another CPU wants attention: see smp.h */
#define VECTOR_ERROR     0xfeu
#define VECTOR_SPURIOUS  0xffu

/*
 * index: MSI-X vector, 0 for MSI, SAMPO_IRQ_INTX for the pin. All return a
 * SAMPO_* status: ENODEV (no such interrupt), EEXIST (bound already), ENOMEM
 * (no vector left), EINVAL (not bound).
 */
int64_t irq_bind(struct device *device, uint64_t index, struct event *event);
int64_t irq_ack(struct device *device, uint64_t index);
int64_t irq_unbind(struct device *device, uint64_t index);
/* A binding holds no reference to its event: events call this when they go. */
void irq_unbind_event(const struct event *event);

/* A vector FIRST..LAST has come. Sends no EOI: the caller does, afterwards. */
void irq_handle(uint8_t vector);
