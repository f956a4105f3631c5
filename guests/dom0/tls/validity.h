/* SPDX-License-Identifier: BSD-2-Clause */
/* The time for which a certificate is valid, by dom0's clock: mbedTLS itself has no clock here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <mbedtls/x509_crt.h>

/* Is the certificate valid now? If it is not, `why` says it with both times, else it is "". */
bool validity_is_now(const mbedtls_x509_crt *crt, char *why, size_t room);
