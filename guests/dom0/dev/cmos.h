/* SPDX-License-Identifier: BSD-2-Clause */
/* MC146818 real-time clock and CMOS memory: ports 0x70 and 0x71, IRQ 8. */
#ifndef DOM0_DEV_CMOS_H
#define DOM0_DEV_CMOS_H

#include <stdint.h>

struct vm;

struct cmos_state {
	/* The guest's clock is the wall clock plus this (it may set it), or
	 * stands at frozen_ns while the guest has it stopped. */
	int64_t offset_ns;
	int64_t frozen_ns;
	uint64_t periodic_done; /* interrupts of the present rate that are past */
	int64_t update_done;    /* second up to which updates are reported */
	uint8_t index;
	uint8_t line;
	uint8_t pad[6];
	uint8_t reg[128]; /* A-D and memory; the time is computed */
};

int cmos_init(struct vm *vm); /* platform.h says what these do */
void cmos_reset(struct vm *vm);
int cmos_resume(struct vm *vm);

#endif
