/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "kernel/base/types.h"

/* The CRC-32C (RFC 3720, appendix B.4) of some bytes behind others, whose CRC-32C is `crc`; 0 for
 * the first. */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);
