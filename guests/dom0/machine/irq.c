/* SPDX-License-Identifier: BSD-2-Clause */
/* The wires of the main board, from interrupt lines to the controllers. */
#include "guests/dom0/machine/ioapic.h"
#include "guests/dom0/machine/pic.h"
#include "guests/dom0/machine/pit.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define TIMER_PIN 2u /* IRQ 0 is wired there, as the MADT says */

void vm_irq(struct vm *vm, unsigned gsi, bool level)
{
	if (gsi < 16)
		pic_set(vm, gsi, level);
	if (gsi == 0)
		ioapic_set(vm, TIMER_PIN, level);
	else if (gsi != TIMER_PIN)
		ioapic_set(vm, gsi, level);
}

bool vm_irq0_wanted(struct vm *vm)
{
	return !(vm->state->pic.chip[0].imr & 1) || !ioapic_masked(vm, TIMER_PIN);
}
