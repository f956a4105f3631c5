/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mbedTLS's powers modulo n, as its RSA calls them (guests/libs.mk). dom0 only checks signatures,
 * and the keys come from others: an exponent of 4096 bits would take the event loop 60 ms in one
 * go, since a power asks for no memory on its way (memory.h). Certificates have 3 or 65537.
 */
#include <mbedtls/bignum.h>

#define EXPONENT_BITS 20u

int tls_exp_mod(mbedtls_mpi *x, const mbedtls_mpi *a, const mbedtls_mpi *e, const mbedtls_mpi *n,
		mbedtls_mpi *rr);

int tls_exp_mod(mbedtls_mpi *x, const mbedtls_mpi *a, const mbedtls_mpi *e, const mbedtls_mpi *n,
		mbedtls_mpi *rr)
{
	if (mbedtls_mpi_bitlen(e) > EXPONENT_BITS)
		return MBEDTLS_ERR_MPI_BAD_INPUT_DATA;
	return mbedtls_mpi_exp_mod(x, a, e, n, rr);
}
