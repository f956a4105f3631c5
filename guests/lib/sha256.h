/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-256, FIPS 180-4. */
#ifndef GUESTS_LIB_SHA256_H
#define GUESTS_LIB_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32u

void sha256(const void *data, size_t bytes, uint8_t digest[SHA256_BYTES]);

#endif
