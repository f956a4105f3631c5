/* SPDX-License-Identifier: BSD-2-Clause */
/* MC146818 real-time clock and CMOS memory: ports 0x70 and 0x71, IRQ 8. */
#pragma once

#include <stdint.h>

struct vm;

struct cmos_state {
	/* The guest's clock is the wall clock plus this; the guest may set
	 * it. While it has the clock stopped, reg[] holds date and time. */
	int64_t offset_ns;
	int64_t seconds_done;  /* second up to which updates were reported */
	uint64_t periods_done; /* the same for periodic interrupts */
	uint8_t index;
	uint8_t line; /* level of the interrupt line */
	uint8_t pad[6];
	uint8_t reg[128];
};

int cmos_init(struct vm *vm); /* platform.h says what these do */
void cmos_reset(struct vm *vm);
int cmos_resume(struct vm *vm);
/* The wall clock has been set, and the guest's clock has followed. */
void cmos_wall_set(struct vm *vm);
