/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bad neighbour, for ever: interrupts itself ("ipi"), rings a doorbell
 * ("doorbell"), writes to its console ("console"), asks dom0 for a register
 * ("port") or computes with interrupts off ("spin", the default). The others
 * must not notice.
 */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/exceptions.h"
#include "guests/lib/guest.h"
#include "guests/lib/lapic.h"
#include "guests/lib/pci.h"

#define VECTOR       0x60
#define COM2_SCRATCH 0x2ff
#define CAP_NOTIFY   2u

/* Sends itself the next one before it is done with this one. */
__attribute__((naked)) static void again(void)
{
	__asm__ volatile("push %rax\n\t"
			 "push %rcx\n\t"
			 "push %rdx\n\t"
			 "xor %edx, %edx\n\t"
			 "mov $0x60, %eax\n\t"
			 "mov $0x83f, %ecx\n\t"
			 "wrmsr\n\t"
			 "xor %eax, %eax\n\t"
			 "mov $0x80b, %ecx\n\t"
			 "wrmsr\n\t"
			 "pop %rdx\n\t"
			 "pop %rcx\n\t"
			 "pop %rax\n\t"
			 "iretq");
}

static void flood_ipi(void)
{
	exceptions_gate(VECTOR, again);
	lapic_enable();
	wrmsr(X2APIC_SELF_IPI, VECTOR);
	interrupts_on();
	for (;;)
		;
}

static bool find_doorbell(struct pci_window *window)
{
	for (unsigned slot = 1; slot < 32; slot++) {
		unsigned cap = 0;

		if (pci_config_read(slot, 0, 2) != 0x1af4)
			continue;
		pci_function_enable(slot);
		while ((cap = pci_capability(slot, PCI_CAP_VENDOR, cap)))
			if (pci_config_read(slot, cap + 3, 1) == CAP_NOTIFY &&
			    pci_window(slot, pci_config_read(slot, cap + 4, 1),
				       pci_config_read(slot, cap + 8, 4), window))
				return true;
	}
	return false;
}

static void flood_doorbell(void)
{
	struct pci_window doorbell;

	if (!find_doorbell(&doorbell)) {
		printf("no virtio device\n");
		return;
	}
	for (;;)
		window_write(&doorbell, 0, 2, 0);
}

static void flood_console(void)
{
	for (uint64_t n = 0;; n++)
		printf("flood %llu\n", (unsigned long long)n);
}

static void flood_port(void)
{
	for (;;)
		inb(COM2_SCRATCH);
}

int main(void)
{
	printf("flood begins\n");
	if (option_word("ipi"))
		flood_ipi();
	if (option_word("doorbell"))
		flood_doorbell();
	if (option_word("console"))
		flood_console();
	if (option_word("port"))
		flood_port();
	for (;;)
		;
}
