/* SPDX-License-Identifier: BSD-2-Clause */
/* The 8254 timer: channel 0 on IRQ 0, channel 2 behind port 0x61. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vm;

struct pit_channel {
	uint64_t start;  /* clock_ns when the counter was loaded */
	uint32_t count;  /* 1..65536 */
	uint32_t paused; /* ticks that had passed when the gate closed */
	uint8_t mode, access, bcd, gate;
	uint8_t loaded;     /* a count was written since the mode */
	uint8_t triggered;  /* modes 1 and 5: the gate rose */
	uint8_t write_high; /* the next write is the high byte */
	uint8_t read_high;  /* the next read is the high byte */
	uint8_t write_low_byte;
	uint8_t status_latched, status;
	uint8_t count_latched; /* bytes of the latch that are left: 0-2 */
	uint16_t latch;
	uint8_t pad[6];
};

struct pit_state {
	struct pit_channel channel[3];
	uint64_t epoch;       /* clock_epoch_ns, for resume */
	uint64_t ticks_fired; /* channel 0: periods whose interrupt was raised */
	uint8_t speaker;      /* port 0x61 bits 0-3 as written */
	uint8_t pad[7];
};

int pit_init(struct vm *vm); /* platform.h says what these do */
void pit_reset(struct vm *vm);
int pit_resume(struct vm *vm);

/* Channel 0 keeps no timer while its interrupt is masked everywhere. Raises
 * what has become due and sets the timer: call it before the mask or the
 * request is looked at, and after the mask has changed. */
void pit_sync(struct vm *vm);
/* Is anybody listening to IRQ 0? (irq.c) */
bool vm_irq0_wanted(struct vm *vm);
