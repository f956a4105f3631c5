/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/unit/mock_vm.c guests/dom0/machine/[a-z]*.c guests/dom0/vm/bus.c */
#include "tests/unit/unit.h"

#include "tests/unit/mock_vm.h"

#define COM1 0x3f8
#define IER  (COM1 + 1)
#define IIR  (COM1 + 2)
#define LCR  (COM1 + 3)
#define MCR  (COM1 + 4)
#define LSR  (COM1 + 5)
#define MSR  (COM1 + 6)
#define SCR  (COM1 + 7)

static int power_on(void **state)
{
	(void)state;
	mock_power_on();
	return 0;
}

static int power_off(void **state)
{
	(void)state;
	mock_power_off();
	return 0;
}

static bool irq4(void)
{
	return mock_state.ioapic.line >> 4 & 1;
}

static void type(const char *text)
{
	uart_input(&mock_vm, 0, (const uint8_t *)text, strlen(text));
}

static void test_output(void **state)
{
	(void)state;
	assert_int_equal(in8(LSR), 0x60);
	out8(COM1, 'h');
	out8(COM1, 'i');
	assert_int_equal(mock_seen.output, 2);
	assert_memory_equal(mock_seen.text, "hi", 2);
	assert_int_equal(in8(LSR), 0x60);
	assert_false(irq4());
	out8(0x2f8, 'x'); /* COM2 leads nowhere */
	assert_int_equal(mock_seen.output, 2);
}

/* As drivers find out what they have (Linux's 8250 autoconfig). */
static void test_detection(void **state)
{
	(void)state;
	out8(IER, 0xff);
	assert_int_equal(in8(IER), 0x0f);
	out8(IER, 0);
	out8(MCR, 0x1a); /* loop, OUT2, RTS */
	assert_int_equal(in8(MSR) & 0xf0, 0x90);
	out8(MCR, 0);
	assert_int_equal(in8(MSR) & 0xf0, 0xb0);
	out8(SCR, 0xa5);
	assert_int_equal(in8(SCR), 0xa5);
	out8(IIR, 1);
	assert_int_equal(in8(IIR) >> 6, 3); /* 16550A */
	out8(IIR, 0x21);                    /* not a 16750 */
	assert_int_equal(in8(IIR) >> 5, 6);
	out8(LCR, 0x80);
	out8(COM1, 0x34);
	out8(IER, 0x12);
	assert_int_equal(in8(COM1), 0x34);
	assert_int_equal(in8(IER), 0x12);
	out8(LCR, 3);
	assert_int_equal(mock_seen.output, 0);
	assert_int_equal(in8(IER), 0);
}

static void test_thre_interrupt(void **state)
{
	(void)state;
	out8(IIR, 1);
	assert_int_equal(in8(IIR), 0xc1);
	out8(IER, 2); /* the transmitter is empty: at once */
	assert_true(irq4());
	assert_int_equal(in8(IIR), 0xc2);
	assert_false(irq4()); /* reading it took it back */
	assert_int_equal(in8(IIR), 0xc1);
	/* Off and on again: it comes again. */
	out8(IER, 0);
	out8(IER, 2);
	assert_true(irq4());
	assert_int_equal(in8(IIR), 0xc2);
	for (unsigned i = 0; i < 16; i++)
		out8(COM1, 'a');
	assert_true(irq4());
	assert_int_equal(in8(IIR), 0xc2);
	assert_false(irq4());
	/* Setting the bit again while it is set makes no new one. */
	out8(IER, 2);
	assert_false(irq4());
}

/* Each write with the request pending makes an edge for the PIC. */
static void test_thre_edge(void **state)
{
	(void)state;
	out8(0x21, 0xef);
	out8(IER, 2);
	assert_int_equal(pic_ack(&mock_vm), 0x0c);
	out8(0x20, 0x20);
	assert_false(mock_state.pic.intr);
	out8(COM1, 'a');
	assert_true(mock_state.pic.intr);
}

/* But not each byte of a burst into the FIFO. */
static void test_burst(void **state)
{
	(void)state;
	write32(IOAPIC_BASE, 0x18);
	write32(IOAPIC_BASE + 0x10, 0x34);
	out8(IIR, 1);
	out8(IER, 2);
	assert_int_equal(in8(IIR), 0xc2);
	mock_seen.msis = 0;
	for (unsigned i = 0; i < 16; i++)
		out8(COM1, 'a');
	assert_int_equal(mock_seen.msis, 1);
	out8(COM1, 'a'); /* more than it holds: it has become empty in between */
	assert_int_equal(mock_seen.msis, 2);
	/* A driver that looks only at the line status, byte by byte. */
	for (unsigned i = 0; i < 10; i++) {
		in8(LSR);
		out8(COM1, 'a');
	}
	assert_int_equal(mock_seen.msis, 12);
}

static void test_input(void **state)
{
	(void)state;
	out8(IIR, 0x81); /* trigger at 8 */
	out8(IER, 5);
	assert_false(irq4());
	type("abc");
	assert_true(irq4());
	assert_int_equal(in8(IIR), 0xcc); /* time-out: below the trigger */
	assert_int_equal(in8(LSR), 0x61);
	type("defgh");
	assert_int_equal(in8(IIR), 0xc4);
	for (const char *c = "abcdefgh"; *c; c++)
		assert_int_equal(in8(COM1), *c);
	assert_int_equal(in8(LSR), 0x60);
	assert_false(irq4());
	assert_int_equal(in8(COM1), 0);
}

static void test_overrun(void **state)
{
	uint8_t byte = 'x';

	(void)state;
	out8(IER, 4);
	assert_int_equal(uart_room(&mock_vm, 0), UART_INPUT);
	for (unsigned i = 0; i < UART_INPUT; i++)
		uart_input(&mock_vm, 0, &byte, 1);
	assert_int_equal(uart_room(&mock_vm, 0), 0);
	assert_false(irq4());
	uart_input(&mock_vm, 0, &byte, 1);
	assert_true(irq4());
	assert_int_equal(in8(IIR) & 0x0f, 6);
	assert_int_equal(in8(LSR), 0x63);
	assert_false(irq4());
	assert_int_equal(in8(LSR), 0x61);
	out8(IIR, 3); /* clear the FIFO */
	assert_int_equal(in8(LSR), 0x60);
	assert_int_equal(uart_room(&mock_vm, 0), UART_INPUT);
}

static void test_loopback(void **state)
{
	(void)state;
	out8(MCR, 0x10);
	out8(COM1, 'z');
	assert_int_equal(mock_seen.output, 0);
	assert_int_equal(in8(LSR), 0x61);
	assert_int_equal(in8(COM1), 'z');
	in8(MSR);
	out8(IER, 8);
	out8(MCR, 0x16); /* RTS and OUT1: CTS changes, RI rises (no delta) */
	assert_true(irq4());
	assert_int_equal(in8(IIR) & 0x0f, 0);
	assert_int_equal(in8(MSR), 0x51);
	assert_false(irq4());
	out8(MCR, 0x12); /* RI ends */
	assert_int_equal(in8(MSR), 0x14);
}

static void test_wide_access(void **state)
{
	(void)state;
	out16(COM1, 0x0041); /* data and IER */
	assert_int_equal(mock_seen.output, 1);
	assert_int_equal(in32(COM1 + 4), 0x00b06000); /* MCR, LSR, MSR, SCR */
}

static void test_resume(void **state)
{
	struct machine_state saved;

	(void)state;
	out8(IER, 1);
	type("q");
	saved = mock_state;
	mock_power_on();
	platform_part.free(&mock_vm);
	memset(&mock_vm.bus, 0, sizeof(mock_vm.bus));
	mock_state = saved;
	assert_int_equal(platform_resume(&mock_vm), 0);
	assert_true(irq4());
	assert_int_equal(in8(COM1), 'q');
	assert_false(irq4());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_output, power_on),
		cmocka_unit_test_setup(test_detection, power_on),
		cmocka_unit_test_setup(test_thre_interrupt, power_on),
		cmocka_unit_test_setup(test_thre_edge, power_on),
		cmocka_unit_test_setup(test_burst, power_on),
		cmocka_unit_test_setup(test_input, power_on),
		cmocka_unit_test_setup(test_overrun, power_on),
		cmocka_unit_test_setup(test_loopback, power_on),
		cmocka_unit_test_setup(test_wide_access, power_on),
		cmocka_unit_test_setup(test_resume, power_on),
	};

	return cmocka_run_group_tests(tests, NULL, power_off);
}
