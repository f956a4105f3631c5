/* SPDX-License-Identifier: BSD-2-Clause */
/* MAC addresses as texts, for descriptions, the shell, libvirt's protocol and the log. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MAC_BYTES 6
#define MAC_TEXT  18 /* "52:54:00:12:34:56", with the end */

/* Writes the address as libvirt does, in small letters. Returns `text`. */
const char *mac_text(char text[MAC_TEXT], const uint8_t mac[MAC_BYTES]);
/* Reads six numbers of one or two hexadecimal digits, in either case, with colons between. Returns
 * false if the text is anything else; then *mac is undefined. */
bool mac_parse(const char *text, uint8_t mac[MAC_BYTES]);
