/* SPDX-License-Identifier: BSD-2-Clause */
/* What is built of mbedTLS. */
#ifndef GUESTS_LIB_MBEDTLS_CONFIG_H
#define GUESTS_LIB_MBEDTLS_CONFIG_H

#define MBEDTLS_SHA256_C

#endif
