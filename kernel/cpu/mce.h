/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine checks: the hardware's reports of its own errors (SDM 3B chapter 16, APM 2 chapter 9).
 * Corrected ones are counted, and looked for once a second. Of the others, those that spoiled only
 * a guest's data end that guest; those that spoiled the CPU's state, or were met by ring 0, stop
 * the machine, and all are logged.
 */
#pragma once

#include "arch/up.h"
#include "kernel/base/types.h"

/* By how bad they are. */
enum mce_severity {
	MCE_NONE,
	MCE_CORRECTED,
	MCE_OPTIONAL,  /* bad data lies somewhere; nobody has used it */
	MCE_CONTAINED, /* what runs has met it, and cannot go on */
	MCE_FATAL,     /* nobody can */
};

/* Corrected ones, of all CPUs; atomic. */
extern uint64_t mce_corrected;

/* On each CPU: machine checks are taken from now on; errors that the firmware left are logged. One
 * that is parked only takes them. */
void mce_enable(void);
void mce_cpu_init(void);
/* Once a second. */
void mce_poll(void);
/* A guest's run has ended by one, or its entry has failed. False: the guest cannot go on. */
bool mce_in_guest(void);
