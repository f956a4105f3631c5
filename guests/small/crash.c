/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ends itself in the way that its command line says: "triple" fault, "halt"
 * with interrupts off, "reset" by port, "poweroff" (the default), "exception" that nobody
 * handles, "panic" by pvpanic, after "crash-loaded", "nopaging": page tables that are not there, or
 * a forbidden value of a control register.
 */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"

#define RESET_PORT   0xcf9
#define RESET_NOW    0x6
#define PVPANIC_PORT 0x505 /* QEMU's docs/specs/pvpanic */

#define PVPANIC_PANICKED     0x01
#define PVPANIC_CRASH_LOADED 0x02

static void triple_fault(void)
{
	static const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} nothing = {0, 0};

	__asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}

/* No way to run even the first instruction of a handler: no page tables. */
static void no_paging(void)
{
	write_cr3(0xd0000000);
}

/*
 * Control registers with forbidden values: a CPU raises #GP; an emulator that
 * takes them leaves a state that the CPU then refuses to run, which is the end
 * of this guest and nothing else.
 */
static const struct {
	const char *word;
	unsigned cr;
	uint64_t clear, set;
} forbidden[] = {
	{"cr0-pe", 0, 0x1, 0},          {"cr0-nw", 0, 0x40000000, 0x20000000},
	{"cr0-high", 0, 0, 1ull << 32}, {"cr3-high", 3, 0, 1ull << 60},
	{"cr4-pae", 4, 0x20, 0},        {"cr4-vmxe", 4, 0, 0x2000},
	{"cr4-31", 4, 0, 1ull << 31},   {"cr4-high", 4, 0, 1ull << 40},
};

static void forbidden_value(unsigned i)
{
	unsigned cr = forbidden[i].cr;
	uint64_t old = 0;
	int vector;

	faults_init();
	try_read_cr(cr, &old);
	vector = try_write_cr(cr, (old & ~forbidden[i].clear) | forbidden[i].set);
	try_write_cr(cr, old);
	printf("CR%u: vector %d\n", cr, vector);
	guest_poweroff();
}

int main(void)
{
	printf("about to end\n");
	for (unsigned i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		if (option_word(forbidden[i].word))
			forbidden_value(i);
	if (option_word("triple"))
		triple_fault();
	if (option_word("nopaging"))
		no_paging();
	if (option_word("halt"))
		__asm__ volatile("cli; hlt");
	if (option_word("reset"))
		outb(RESET_PORT, RESET_NOW);
	if (option_word("crash-loaded"))
		outb(PVPANIC_PORT, PVPANIC_CRASH_LOADED);
	if (option_word("panic"))
		outb(PVPANIC_PORT, PVPANIC_PANICKED);
	if (option_word("exception"))
		__asm__ volatile("ud2");
	guest_poweroff();
}
