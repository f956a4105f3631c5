# SPDX-License-Identifier: BSD-2-Clause
#
# Debian 12: the upstream versions of the libraries' source packages, and packages that other releases name otherwise.
PICOLIBC_VERSION := 1.8.10
LWIP_VERSION     := 2.1.3
EXPAT_VERSION    := 2.5.0
MBEDTLS_VERSION  := 2.28.3
ZYDIS_VERSION    := 4.0.0
ZLIB_VERSION     := 1.2.13.dfsg
ZSTD_VERSION     := 1.5.4
ZYCORE_VERSION   := 1.5.2
SQLITE_VERSION   := 3.40.1

# Of programs for guests that test devices.
PCIUTILS_VERSION := 3.9.0
FIO_VERSION      := 3.33

# Files of this mbedTLS that other versions do not have.
MBEDTLS_MORE := rsa_internal ssl_cli ssl_srv

CLANG_RT_PACKAGE := libclang-rt-14-dev
# Debian 12 has none.
VIRT_TOP_PACKAGE :=
