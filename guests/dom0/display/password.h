/* SPDX-License-Identifier: BSD-2-Clause */
/* VNC authentication (RFC 6143, 7.2.2): DES of a challenge, with the password as the key. It keeps
 * away those who do not listen on the wire, and no others. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RFB_CHALLENGE 16u

/* Returns false if there are no random numbers. */
bool password_challenge(uint8_t challenge[RFB_CHALLENGE]);
bool password_is_right(const char *password, const uint8_t challenge[RFB_CHALLENGE],
		       const uint8_t response[RFB_CHALLENGE]);
