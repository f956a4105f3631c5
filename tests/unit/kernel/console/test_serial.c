/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's serial port, on a 16550 that sends slowly and is sent to meanwhile. */
#include "tests/unit/unit.h"

#include "arch/cpu.h"

static uint8_t fake_in8(uint16_t port);
static void fake_out8(uint16_t port, uint8_t value);

#define port_in8  fake_in8
#define port_out8 fake_out8
/* Ports are instructions: they are replaced where they are used. */
#include "kernel/console/uart.c"

#define SLOW 40u /* looks at the status until what is to be sent is gone */

static uint8_t scratch, line, fifo[FIFO_BYTES], sent[512];
static unsigned in_fifo, lost, busy, sending, count;
static const char *typed; /* a character comes with every tenth look at the status */

static void receive(void)
{
	static unsigned looks;

	if (!typed || !*typed || looks++ % 10)
		return;
	if (in_fifo < FIFO_BYTES)
		fifo[in_fifo++] = (uint8_t)*typed;
	else
		lost++;
	typed++;
}

static uint8_t fake_in8(uint16_t port)
{
	uint8_t value = fifo[0];

	switch (port - UART_COM1) {
	case SCRATCH:
		return scratch;
	case DATA:
		assert_true(in_fifo);
		memmove(fifo, fifo + 1, --in_fifo);
		return value;
	case STATUS:
		receive();
		busy -= !!busy;
		sending = busy ? sending : 0;
		return (uint8_t)((in_fifo ? STATUS_RECEIVED : 0) |
				 (busy ? 0 : STATUS_TX_EMPTY | STATUS_IDLE));
	default:
		return 0;
	}
}

static void fake_out8(uint16_t port, uint8_t value)
{
	if (port == UART_COM1 + SCRATCH)
		scratch = value;
	if (port == UART_COM1 + LINE)
		line = value;
	if (port != UART_COM1 + DATA || line & LINE_DIVISOR)
		return;
	assert_in_range(++sending, 1, FIFO_BYTES);
	assert_in_range(count, 0, sizeof(sent) - 1);
	sent[count++] = value;
	busy = SLOW;
}

/* What is typed while much is printed is not lost, nor out of order; nor is what is printed. */
static void test_typed_while_printing(void **state)
{
	static const char text[] = "a line that takes longer than sixteen characters take to come\n"
				   "and another one\n";
	char got[64];
	unsigned n = 0;
	struct uart uart;
	int c;

	(void)state;
	assert_true(uart_init(&uart, UART_COM1));
	typed = "attach-disk guest1 /dev/somewhere --persistent\r";
	memset(got, 0, sizeof(got));
	for (unsigned i = 0; i < 2; i++)
		uart_write(&uart, text, sizeof(text) - 1);
	uart_drain(&uart);
	while ((c = uart_read(&uart)) >= 0)
		got[n++] = (char)c;
	assert_int_equal(lost, 0);
	assert_string_equal(got, "attach-disk guest1 /dev/somewhere --persistent\r");
	assert_int_equal(count, 2 * (sizeof(text) - 1 + 2)); /* two line ends each */
	assert_memory_equal(sent + count - 17, "and another one\r\n", 17);
}

/* More than there is room for stays in the UART. */
static void test_much_typed(void **state)
{
	char text[UART_EARLY + FIFO_BYTES + 1];
	struct uart uart;

	(void)state;
	for (unsigned i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('0' + i % 70);
	text[sizeof(text) - 1] = 0;
	assert_true(uart_init(&uart, UART_COM1));
	typed = text;
	while (*typed) {
		uart_write(&uart, ".", 1);
		count = 0;
	}
	for (unsigned i = 0; i < sizeof(text) - 1; i++)
		assert_int_equal(uart_read(&uart), text[i]);
	assert_int_equal(uart_read(&uart), -1);
	assert_int_equal(lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typed_while_printing),
		cmocka_unit_test(test_much_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
