/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/base/mac.h"

#include <stdio.h>

#include "guests/dom0/base/hex.h"

const char *mac_text(char text[MAC_TEXT], const uint8_t mac[MAC_BYTES])
{
	snprintf(text, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return text;
}

bool mac_parse(const char *text, uint8_t mac[MAC_BYTES])
{
	for (unsigned i = 0; i < MAC_BYTES; i++) {
		int digit = hex_digit(*text++);
		int low = digit < 0 ? -1 : hex_digit(*text);

		if (digit < 0)
			return false;
		if (low >= 0) {
			digit = digit << 4 | low;
			text++;
		}
		if (*text++ != (i + 1 < MAC_BYTES ? ':' : 0))
			return false;
		mac[i] = (uint8_t)digit;
	}
	return true;
}
