/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ends itself in the way that its command line says: "triple" fault, "halt"
 * with interrupts off, "reset" by port, "poweroff" (the default), "exception" that nobody
 * handles, or "nopaging": page tables that are not there.
 */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"

#define RESET_PORT 0xcf9
#define RESET_NOW 0x6

static void triple_fault(void)
{
	static const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} nothing = { 0, 0 };

	__asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}

/* No way to run even the first instruction of a handler: no page tables. */
static void no_paging(void)
{
	write_cr3(0xd0000000);
}

int main(void)
{
	printf("about to end\n");
	if (option_word("triple"))
		triple_fault();
	if (option_word("nopaging"))
		no_paging();
	if (option_word("halt"))
		__asm__ volatile("cli; hlt");
	if (option_word("reset"))
		outb(RESET_PORT, RESET_NOW);
	if (option_word("exception"))
		__asm__ volatile("ud2");
	guest_poweroff();
}
