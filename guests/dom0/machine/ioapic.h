/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82093AA I/O APIC: 24 pins at 0xfec00000. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vm;

#define IOAPIC_BASE 0xfec00000ull
#define IOAPIC_PINS 24

struct ioapic_state {
	uint64_t entry[IOAPIC_PINS]; /* the redirection table */
	uint32_t line;               /* levels of the inputs */
	uint32_t delayed;            /* pins that wait until a storm is over */
	uint32_t repeats;            /* interrupts since that came at once after an EOI */
	uint8_t id, select;
	uint8_t pad[2];
};

int ioapic_init(struct vm *vm); /* platform.h says what these do */
void ioapic_reset(struct vm *vm);
int ioapic_resume(struct vm *vm);

void ioapic_set(struct vm *vm, unsigned pin, bool level);
bool ioapic_masked(struct vm *vm, unsigned pin);
/* A CPU ended a level-triggered interrupt (the kernel's EOI exit). */
void ioapic_eoi(struct vm *vm, uint8_t vector);
