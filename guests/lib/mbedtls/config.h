/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of mbedTLS that are built. */
#pragma once

#define MBEDTLS_SHA256_C
