/* SPDX-License-Identifier: BSD-2-Clause */
/* What is built of mbedTLS. */
#pragma once

#define MBEDTLS_SHA256_C
