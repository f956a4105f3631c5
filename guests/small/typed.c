/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads "bytes=" bytes from COM1, or from nowhere with "deaf", and prints their CRC-32 (the one of
 * zlib). Behind every "each=" bytes it computes for "pause=" thousand turns, as a program does that
 * is slower than its input.
 */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"
#include "guests/lib/lapic.h"

#define COM1           0x3f8
#define LSR            (COM1 + 5)
#define LSR_DR         0x01
#define LSR_OVERRUN    0x02
#define CRC_POLYNOMIAL 0xedb88320u

static bool overrun;

static uint8_t get(void)
{
	for (;;) {
		uint8_t status = inb(LSR);

		overrun = overrun || status & LSR_OVERRUN;
		if (status & LSR_DR)
			return inb(COM1);
	}
}

static uint32_t crc32(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (unsigned i = 0; i < 8; i++)
		crc = crc >> 1 ^ (crc & 1 ? CRC_POLYNOMIAL : 0);
	return crc;
}

static void compute(uint64_t thousands)
{
	for (volatile uint64_t i = 0; i < thousands * 1000; i++)
		;
}

int main(void)
{
	uint64_t bytes = option("bytes", 1000), each = option("each", 1000),
		 pause = option("pause", 0);
	uint32_t crc = ~0u;

	printf("reads %llu bytes\n", (unsigned long long)bytes);
	interrupts_on();
	while (option_word("deaf"))
		__asm__ volatile("hlt");
	for (uint64_t n = 1; n <= bytes; n++) {
		crc = crc32(crc, get());
		if (n % each == 0)
			compute(pause);
	}
	printf("crc %08x, overrun: %s\n", ~crc, overrun ? "yes" : "no");
	guest_poweroff();
}
