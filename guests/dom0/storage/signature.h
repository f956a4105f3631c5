/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device seems to hold, by the marks that formats leave at its beginning and its end. */
#pragma once

#include <stdint.h>

#define SIGNATURE_HEAD (72u << 10)  /* bytes of the beginning that are looked at */
#define SIGNATURE_TAIL (192u << 10) /* and of the end */

/* `head` and `tail` are the first and the last bytes of a device of `device_bytes`, of which there
 * are more than both together. Returns the name of a format, or NULL. */
const char *signature_find(const uint8_t *head, const uint8_t *tail, uint64_t device_bytes);
