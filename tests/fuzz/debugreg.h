/* SPDX-License-Identifier: BSD-2-Clause */
/* A program may not touch debug registers: MOV from and to them is stepped over. The program
 * defines _GNU_SOURCE in front of all. */
#pragma once

#include <signal.h>
#include <ucontext.h>

static struct sigaction otherwise;

static void on_fault(int number, siginfo_t *info, void *context)
{
	greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	const uint8_t *at = (const uint8_t *)*rip;

	at += (at[0] & 0xf0) == 0x40; /* REX */
	if (at[0] == 0x0f && (at[1] == 0x21 || at[1] == 0x23))
		*rip = (greg_t)(at + 3);
	else
		otherwise.sa_sigaction(number, info, context);
}

static inline void step_over_debug_registers(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	if (!otherwise.sa_sigaction)
		sigaction(SIGSEGV, &action, &otherwise);
}
