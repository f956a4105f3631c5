# SPDX-License-Identifier: BSD-2-Clause
#
# Debian 13: the upstream versions of the libraries' source packages, and packages that other releases name otherwise.
PICOLIBC_VERSION := 1.8.10
LWIP_VERSION     := 2.2.1
EXPAT_VERSION    := 2.9.0
MBEDTLS_VERSION  := 3.6.6
ZYDIS_VERSION    := 4.1.1
ZLIB_VERSION     := 1.3.dfsg
ZSTD_VERSION     := 1.5.7
ZYCORE_VERSION   := 1.5.2
SQLITE_VERSION   := 3.46.1

# Of programs for guests that test devices.
PCIUTILS_VERSION := 3.13.0
FIO_VERSION      := 3.39

# Files of this mbedTLS that other versions do not have.
MBEDTLS_MORE := bignum_core block_cipher ecp_curves_new pk_ecc rsa_alt_helpers ssl_client ssl_tls12_client ssl_tls12_server x509write

CLANG_RT_PACKAGE := libclang-rt-19-dev
VIRT_TOP_PACKAGE := virt-top
