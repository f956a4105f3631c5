/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/lib/exceptions.h"
#include "guests/lib/lapic.h"

#define STUB_BYTES 16
#define FIRST      0x20u

extern char interrupt_stubs[];

void interrupts_init(void)
{
	for (unsigned i = FIRST; i < 256; i++) {
		uintptr_t stub = (uintptr_t)interrupt_stubs + (i - FIRST) * STUB_BYTES;

		exceptions_gate(i, (void (*)(void))stub);
	}
}
