/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 16550A (National Semiconductor PC16550D). The line is infinitely fast: a byte written to the
 * transmitter has left it when the instruction ends, so the transmitter is always empty; the
 * interrupt that says so is still raised once for each write, as a driver that feeds the FIFO by
 * interrupts needs it.
 */
#include "guests/dom0/machine/uart.h"

#include "guests/dom0/vm/console.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

/* Registers, by offset; several share one. */
#define DATA 0u /* receiver, transmitter; divisor low with DLAB */
#define IER  1u /* divisor high with DLAB */
#define IIR  2u /* FCR for writes */
#define LCR  3u
#define MCR  4u
#define LSR  5u
#define MSR  6u
#define SCR  7u

#define IER_RDA   0x01u
#define IER_THRE  0x02u
#define IER_LINE  0x04u
#define IER_MODEM 0x08u

#define IIR_NONE    0x01u
#define IIR_MODEM   0x00u
#define IIR_THRE    0x02u
#define IIR_RDA     0x04u
#define IIR_LINE    0x06u
#define IIR_TIMEOUT 0x0cu
#define IIR_FIFO    0xc0u

#define FCR_ENABLE   0x01u
#define FCR_CLEAR_RX 0x02u
#define FCR_KEPT     0xc9u /* enable, DMA mode, trigger level */

#define LCR_DLAB 0x80u

#define MCR_DTR  0x01u
#define MCR_RTS  0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u
#define MCR_BITS 0x1fu

#define LSR_DR      0x01u
#define LSR_OVERRUN 0x02u
#define LSR_ERRORS  0x1eu
#define LSR_EMPTY   0x60u /* THRE and TEMT */

#define MSR_DELTA 0x0fu
#define MSR_CTS   0x10u
#define MSR_DSR   0x20u
#define MSR_RI    0x40u
#define MSR_DCD   0x80u

#define FIFO_BYTES 16u

static const uint16_t uart_port[UART_COUNT] = {0x3f8, 0x2f8};
static const uint8_t uart_irq[UART_COUNT] = {4, 3};

static struct uart_state *uart(struct vm *vm, unsigned instance)
{
	return &vm->state->uart[instance];
}

static void update_line(struct vm *vm, unsigned instance)
{
	struct uart_state *s = uart(vm, instance);
	uint8_t line = (s->ier & IER_RDA && s->input_count != 0) ||
		       (s->ier & IER_THRE && s->thre_pending) ||
		       (s->ier & IER_LINE && s->lsr & LSR_ERRORS) ||
		       (s->ier & IER_MODEM && s->msr & MSR_DELTA);

	if (line == s->line)
		return;
	s->line = line;
	vm_irq(vm, uart_irq[instance], line);
}

/* Table 4 of the data sheet: the identification by priority. */
static uint8_t identify(const struct uart_state *s)
{
	static const uint8_t trigger[4] = {1, 4, 8, 14};

	if (s->ier & IER_LINE && s->lsr & LSR_ERRORS)
		return IIR_LINE;
	if (s->ier & IER_RDA && s->input_count != 0) {
		/* The sender is done: below the trigger it's the time-out. */
		if (s->fcr & FCR_ENABLE && s->input_count < trigger[s->fcr >> 6])
			return IIR_TIMEOUT;
		return IIR_RDA;
	}
	if (s->ier & IER_THRE && s->thre_pending)
		return IIR_THRE;
	if (s->ier & IER_MODEM && s->msr & MSR_DELTA)
		return IIR_MODEM;
	return IIR_NONE;
}

static void drop_input(struct uart_state *s)
{
	s->input_head = 0;
	s->input_count = 0;
	s->lsr &= (uint8_t)~LSR_DR;
}

static void put_input(struct uart_state *s, uint8_t byte)
{
	if (s->input_count >= UART_INPUT) {
		s->lsr |= LSR_OVERRUN;
		return;
	}
	s->input[(s->input_head + s->input_count) % UART_INPUT] = byte;
	s->input_count++;
	s->lsr |= LSR_DR;
}

static uint8_t read_data(struct vm *vm, unsigned instance)
{
	struct uart_state *s = uart(vm, instance);
	uint8_t byte;

	if (s->input_count == 0)
		return 0;
	byte = s->input[s->input_head % UART_INPUT];
	s->input_head = (s->input_head + 1) % UART_INPUT;
	if (--s->input_count == 0)
		s->lsr &= (uint8_t)~LSR_DR;
	update_line(vm, instance);
	return byte;
}

/*
 * A write takes the request for more back, and the empty transmitter makes a
 * new one, of which the interrupt controller needs to see the edge. Not so for
 * each byte with which a driver fills the FIFO at one go: one edge for all.
 */
static bool fills_fifo(struct uart_state *s)
{
	bool first = s->burst == 0;

	s->burst = (s->burst + 1) % FIFO_BYTES;
	return !first && s->fcr & FCR_ENABLE;
}

static void write_data(struct vm *vm, unsigned instance, uint8_t byte)
{
	struct uart_state *s = uart(vm, instance);
	bool more = fills_fifo(s);

	if (s->mcr & MCR_LOOP)
		put_input(s, byte);
	else if (instance == 0)
		vm_console_output(vm, CONSOLE_SERIAL, &byte, 1);

	if (s->ier & IER_THRE && s->thre_pending && !more) {
		s->thre_pending = 0;
		update_line(vm, instance);
	}
	s->thre_pending = 1;
	update_line(vm, instance);
}

static uint8_t read_iir(struct vm *vm, unsigned instance)
{
	struct uart_state *s = uart(vm, instance);
	uint8_t id = identify(s);

	if (id == IIR_THRE) {
		s->thre_pending = 0;
		update_line(vm, instance);
	}
	return s->fcr & FCR_ENABLE ? id | IIR_FIFO : id;
}

static uint8_t read_lsr(struct vm *vm, unsigned instance)
{
	struct uart_state *s = uart(vm, instance);
	uint8_t lsr = s->lsr;

	if (lsr & LSR_ERRORS) {
		s->lsr &= (uint8_t)~LSR_ERRORS;
		update_line(vm, instance);
	}
	return lsr;
}

static uint8_t read_msr(struct vm *vm, unsigned instance)
{
	struct uart_state *s = uart(vm, instance);
	uint8_t msr = s->msr;

	if (msr & MSR_DELTA) {
		s->msr &= (uint8_t)~MSR_DELTA;
		update_line(vm, instance);
	}
	return msr;
}

/* The modem's inputs: a cable with somebody at its end, or our own outputs. */
static uint8_t modem_inputs(uint8_t mcr)
{
	uint8_t in = 0;

	if (!(mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	if (mcr & MCR_RTS)
		in |= MSR_CTS;
	if (mcr & MCR_DTR)
		in |= MSR_DSR;
	if (mcr & MCR_OUT1)
		in |= MSR_RI;
	if (mcr & MCR_OUT2)
		in |= MSR_DCD;
	return in;
}

static void write_mcr(struct vm *vm, unsigned instance, uint8_t value)
{
	struct uart_state *s = uart(vm, instance);
	uint8_t before = s->msr & (uint8_t)~MSR_DELTA;
	uint8_t after = modem_inputs(value & MCR_BITS);
	uint8_t changed = before ^ after;

	/* The deltas sit four bits below; RI counts only when it ends. */
	if (!(before & MSR_RI))
		changed &= (uint8_t)~MSR_RI;
	s->mcr = value & MCR_BITS;
	s->msr = (uint8_t)(after | (s->msr & MSR_DELTA) | changed >> 4);
	update_line(vm, instance);
}

static void write_fcr(struct vm *vm, unsigned instance, uint8_t value)
{
	struct uart_state *s = uart(vm, instance);

	if ((s->fcr ^ value) & FCR_ENABLE || value & FCR_CLEAR_RX)
		drop_input(s);
	s->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
	update_line(vm, instance);
}

static void write_ier(struct vm *vm, unsigned instance, uint8_t value)
{
	struct uart_state *s = uart(vm, instance);

	/* Enabling it with an empty transmitter raises it at once. */
	if (value & ~s->ier & IER_THRE)
		s->thre_pending = 1;
	s->ier = value & 0x0f;
	update_line(vm, instance);
}

static uint8_t read_byte(struct vm *vm, uint32_t instance, uint64_t offset)
{
	struct uart_state *s = uart(vm, instance);

	s->burst = 0;
	switch (offset) {
	case DATA:
		return s->lcr & LCR_DLAB ? s->dll : read_data(vm, instance);
	case IER:
		return s->lcr & LCR_DLAB ? s->dlm : s->ier;
	case IIR:
		return read_iir(vm, instance);
	case LCR:
		return s->lcr;
	case MCR:
		return s->mcr;
	case LSR:
		return read_lsr(vm, instance);
	case MSR:
		return read_msr(vm, instance);
	default:
		return s->scr;
	}
}

static void write_byte(struct vm *vm, uint32_t instance, uint64_t offset, uint8_t value)
{
	struct uart_state *s = uart(vm, instance);

	switch (offset) {
	case DATA:
		if (s->lcr & LCR_DLAB)
			s->dll = value;
		else
			write_data(vm, instance, value);
		break;
	case IER:
		if (s->lcr & LCR_DLAB)
			s->dlm = value;
		else
			write_ier(vm, instance, value);
		break;
	case IIR:
		write_fcr(vm, instance, value);
		break;
	case LCR:
		s->lcr = value;
		break;
	case MCR:
		write_mcr(vm, instance, value);
		break;
	case SCR:
		s->scr = value;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
}

static __attribute__((noinline)) uint64_t read_wide(struct vm *vm, uint32_t instance,
						    uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)read_byte(vm, instance, offset + i) << (8 * i);
	return value;
}

static __attribute__((noinline)) void write_wide(struct vm *vm, uint32_t instance, uint64_t offset,
						 unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		write_byte(vm, instance, offset + i, (uint8_t)(value >> (8 * i)));
}

/* Bytes take the short way: a console is one such access after the other. */
static uint64_t uart_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	if (__builtin_expect(size > 1, 0))
		return read_wide(vm, instance, offset, size);
	return read_byte(vm, instance, offset);
}

static void uart_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
		       uint64_t value)
{
	if (__builtin_expect(size > 1, 0))
		write_wide(vm, instance, offset, size, value);
	else
		write_byte(vm, instance, offset, (uint8_t)value);
}

static const struct io_ops uart_ops = {uart_read, uart_write};

void uart_reset(struct vm *vm, unsigned instance)
{
	struct uart_state *s = uart(vm, instance);

	if (s->line)
		vm_irq(vm, uart_irq[instance], false);
	*s = (struct uart_state){
		.lsr = LSR_EMPTY,
		.msr = MSR_CTS | MSR_DSR | MSR_DCD,
		.dll = 1, /* 115200 */
		.lcr = 3, /* eight bits, one stop bit */
	};
}

int uart_resume(struct vm *vm, unsigned instance)
{
	struct uart_state *s = uart(vm, instance);

	s->input_head %= UART_INPUT;
	if (s->input_count > UART_INPUT)
		drop_input(s);
	return bus_add(vm, BUS_PIO, uart_port[instance], 8, &uart_ops, instance);
}

int uart_init(struct vm *vm, unsigned instance)
{
	uart_reset(vm, instance);
	return uart_resume(vm, instance);
}

void uart_input(struct vm *vm, unsigned instance, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		put_input(uart(vm, instance), data[i]);
	update_line(vm, instance);
}

/* A driver that uses RTS for flow control drops RTS alone, to say that it has no room. */
size_t uart_room(struct vm *vm, unsigned instance)
{
	const struct uart_state *s = uart(vm, instance);

	if ((s->mcr & (MCR_DTR | MCR_RTS)) == MCR_DTR)
		return 0;
	return UART_INPUT - s->input_count;
}
