/* SPDX-License-Identifier: BSD-2-Clause */
/* 16550A UARTs: COM1 (0x3f8, IRQ 4) is the guest's console, COM2 (0x2f8,
 * IRQ 3) has nothing attached. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct vm;

#define UART_COUNT 2
#define UART_INPUT 4096 /* a power of two; what somebody pastes at once */

struct uart_state {
	uint8_t ier, fcr, lcr, mcr, lsr, msr, scr, dll, dlm;
	uint8_t thre_pending; /* the transmitter-empty interrupt is latched */
	uint8_t line;         /* level of the interrupt line */
	uint8_t burst;        /* bytes written without a look at the UART */
	uint8_t pad[4];
	/* Input that the guest has not read yet: it sees the head of this as its FIFO, so a fast
	 * typist loses nothing. */
	uint32_t input_head, input_count;
	uint8_t input[UART_INPUT];
};

int uart_init(struct vm *vm, unsigned instance); /* platform.h says what these do */
void uart_reset(struct vm *vm, unsigned instance);
int uart_resume(struct vm *vm, unsigned instance);

/* Bytes for the guest to read. Bytes without room (uart_room) are lost and reported to the guest as
 * an overrun. */
void uart_input(struct vm *vm, unsigned instance, const uint8_t *data, size_t len);
size_t uart_room(struct vm *vm, unsigned instance);
