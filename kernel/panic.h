/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* The kernel itself is broken: say why and stop the machine. */
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The machine cannot run Sampo: say what is missing and what to do, and halt. */
void refuse(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* For what cannot happen; never for input. */
#define ASSERT(condition) \
	((condition) ? (void)0 : panic("%s:%d: %s", __FILE__, __LINE__, #condition))
