/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Say what it is and why, and stop the machine. */
void stop(const char *what, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* Makes all other CPUs stop; set before the first of them starts. */
extern void (*stop_others)(void);

/* The kernel itself is broken; or the machine cannot run Sampo: what is missing, what to do. */
#define panic(...)  stop("Sampo panic", __VA_ARGS__)
#define refuse(...) stop("Sampo cannot start", __VA_ARGS__)

/* For what cannot happen; never for input. */
#define ASSERT(condition) \
	((condition) ? (void)0 : panic("%s:%d: %s", __FILE__, __LINE__, #condition))
