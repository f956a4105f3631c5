/* SPDX-License-Identifier: BSD-2-Clause */
/* The pair of 8259A interrupt controllers of a PC. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vm;

struct pic_chip {
	uint8_t line;     /* levels of the inputs */
	uint8_t irr;      /* requests */
	uint8_t imr;      /* masks */
	uint8_t isr;      /* in service */
	uint8_t elcr;     /* 1: level-triggered */
	uint8_t base;     /* ICW2 */
	uint8_t icw_next; /* the ICW that the next write to port 1 is: 2-4 */
	uint8_t icw4;     /* ICW1 announced an ICW4 */
	uint8_t single;
	uint8_t lowest;   /* input of lowest priority, 7 after reset */
	uint8_t read_isr; /* OCW3: port 0 reads the ISR */
	uint8_t poll;
	uint8_t auto_eoi, rotate_auto_eoi;
	uint8_t special_mask, fully_nested;
	uint8_t level_all; /* ICW1 LTIM */
	uint8_t pad[7];
};

struct pic_state {
	struct pic_chip chip[2];
	uint8_t intr; /* level of the master's INT output */
	uint8_t pad[7];
};

int pic_init(struct vm *vm); /* platform.h says what these do */
void pic_reset(struct vm *vm);
int pic_resume(struct vm *vm);

/* Level of an input, 0-15 (2 is the cascade and ignored). */
void pic_set(struct vm *vm, unsigned irq, bool level);
/* The CPU accepts the interrupt: its vector (a spurious one if it went). */
int pic_ack(struct vm *vm);
