/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world around a driver. drivers/ knows nothing of
 * virtualization; dom0 implements this file on the kernel's interface.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/timer.h"

/* Memory that a device can reach: zeroed, physically contiguous, aligned to
 * the next power of two of its size (at least 64 bytes). NULL: none left. */
void *dma_alloc(size_t bytes, uint64_t *bus);
void dma_free(void *memory, size_t bytes); /* NULL: nothing */

/*
 * A range of I/O ports, by a handle; 0: another owner has it, or there is none. Accesses are of 1,
 * 2 or 4 bytes at an offset in it; what cannot be read is all ones.
 */
uint32_t ports_open(uint16_t base, uint32_t count);
void ports_close(uint32_t ports);
uint32_t port_read(uint32_t ports, uint32_t offset, unsigned bytes);
void port_write(uint32_t ports, uint32_t offset, unsigned bytes, uint32_t value);

/* Registers at a physical address, uncached, until they are unmapped; NULL on failure. */
volatile void *registers_map(uint64_t base, uint64_t bytes);
void registers_unmap(volatile void *registers, uint64_t bytes);
/*
 * Between accesses to memory that a device reads or has written and accesses
 * to its registers. The CPU keeps their order (registers are uncached), the
 * compiler must too.
 */
static inline void dma_barrier(void)
{
	__asm__ volatile("" ::: "memory");
}

/*
 * Interrupts. A handler runs from the event loop, not in interrupt context. A
 * pin is the number in a function's configuration space or an ISA interrupt;
 * handlers may share it. A level-triggered one is quiet until all of them have
 * returned: each must have quieted its device. A handler is also called when
 * an interrupt may have been lost: each looks whether there is anything to do.
 */
struct irq_message {
	uint64_t address;
	uint32_t data;
};
typedef void irq_handler(void *context, unsigned vector);
/* Makes a function of a device send that message as its interrupt `vector` from now on, and no
 * mixture of it and the one before. NULL: none any more, nobody would take it. */
typedef void irq_program(void *function, unsigned vector, const struct irq_message *message);

/* For a PCI function, by bus << 8 | device << 3 | function: a handle, and the function reaches the
 * memory of dma_alloc and of requests. 0: none. name: for messages, up to 8 characters. */
uint32_t device_open(uint16_t requester, const char *name);
/* The handler is called when the device sends what program(function, ...) is told, at once and
 * again whenever it has to be another message; false: no more. */
bool irq_message_bind(uint32_t device, irq_handler *handler, void *context, unsigned vector,
		      irq_program *program, void *function);
enum irq_trigger { IRQ_EDGE_HIGH, IRQ_LEVEL_LOW };
bool irq_pin_bind(unsigned pin, enum irq_trigger trigger, irq_handler *handler, void *context,
		  unsigned vector);

/* The handler is called for the pin no more with that context. Where no other handler has the pin,
 * it is masked. */
void irq_pin_unbind(unsigned pin, irq_handler *handler, void *context);

uint64_t clock_ns(void);
void clock_delay_ns(uint64_t ns); /* busy wait, microseconds only */

void driver_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
