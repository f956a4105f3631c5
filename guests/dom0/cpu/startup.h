/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a guest's CPUs start and stop each other: INIT and start-up IPIs (SDM 3A
 * 9.4). The kernel names sender and receiver; this file does the rest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct vm;

enum startup_phase {
	STARTUP_RUNS,
	STARTUP_INIT, /* INIT has come: it stops when its exit has been handled */
	STARTUP_SIPI, /* a start-up IPI after that, too */
	STARTUP_WAITS /* for a start-up IPI; it is held */
};

struct startup_state {
	uint8_t phase;  /* enum startup_phase */
	uint8_t vector; /* STARTUP_SIPI: its vector */
};

/* Power on: the boot CPU runs, the others wait. */
void startup_reset(struct vm *vm);

/* The vCPU has sent one: as the exit page says, SAMPO_EXIT_STARTUP. */
void startup_sent(struct vcpu *v);

/* The vCPU has just been held; perhaps an INIT has waited for that. */
void startup_held(struct vcpu *v);
