/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For guests that test Sampo: results as lines on COM1, instructions that may
 * fault, and the local APIC.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Prints "PASS name" or "FAIL name: detail". */
void check(bool passed, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Prints "DONE passed failed"; for the end of main(). */
int check_end(void);

/* A number of the command line's word "name=", or `otherwise`. */
uint64_t option(const char *name, uint64_t otherwise);
/* Whether the command line has the word. */
bool option_word(const char *word);

/*
 * Instructions that may fault: each returns the vector of the exception that
 * it raised, or NO_FAULT. The error code is then in fault_error.
 */
#define NO_FAULT   (-1)
#define VECTOR_DE  0
#define VECTOR_DB  1
#define VECTOR_NMI 2
#define VECTOR_BP  3
#define VECTOR_UD  6
#define VECTOR_GP  13
#define VECTOR_PF  14
extern volatile uint64_t fault_error;

void faults_init(void); /* takes exceptions_hook */
int try_rdmsr(uint32_t msr, uint64_t *value);
int try_wrmsr(uint32_t msr, uint64_t value);
int try_write_cr(unsigned cr, uint64_t value); /* 0, 3, 4 or 8 */
int try_read_cr(unsigned cr, uint64_t *value); /* 0, 2, 3, 4 or 8 */
int try_xsetbv(uint32_t index, uint64_t value);
int try_read(const volatile void *address, uint64_t *value);
int try_write(volatile void *address, uint64_t value);
/* Calls code that returns; its registers must be the C convention's. */
int try_call(void (*code)(void));

/* splitmix64: numbers from a seed. */
uint64_t random_next(uint64_t *state);
