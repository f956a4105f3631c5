/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random numbers for keys: mbedTLS's CTR-DRBG (NIST SP 800-90A), seeded with all of RDSEED, RDRAND
 * and the jitter of the CPU's time, as far as they work.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Numbers that others may guess will do from now on if neither RDSEED nor RDRAND works. */
void tls_random_allow_weak(void);
/* Before the first number; later calls do nothing. Returns the reason why there are no random
 * numbers, or NULL. */
const char *tls_random_start(void);
/* Mixes bytes in, at most 256, that may be known to others: they make the numbers no worse. After
 * tls_random_start. */
void tls_random_mix(const void *bytes, size_t n);
/* The sources that are in use, for reports. */
const char *tls_random_sources(void);

/* As mbedTLS wants it; `context` is not used. Returns an error of mbedTLS's, or 0. */
int tls_random(void *context, unsigned char *to, size_t bytes);
