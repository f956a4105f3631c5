/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/base/xml.h"

#include <stdint.h>
#include <string.h>

/* NULL: the character needs none. */
static const char *reference_of(char c)
{
	switch (c) {
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '&':
		return "&amp;";
	case '\'':
		return "&apos;";
	case '"':
		return "&quot;";
	case '\t':
		return "&#9;";
	case '\n':
		return "&#10;";
	case '\r':
		return "&#13;";
	default:
		return NULL;
	}
}

/* Returns how many bytes the character of UTF-8 has (RFC 3629), 0 if the bytes are none. The text's
 * zero is no byte of a character, so nothing behind it is read. */
static size_t utf8_bytes(const uint8_t *at)
{
	uint32_t code;
	size_t n;

	if (at[0] < 0x80)
		return 1;
	n = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	code = at[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if ((n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff)))
		return 0;
	return (code >= 0xd800 && code <= 0xdfff) || code == 0xfffe || code == 0xffff ? 0 : n;
}

const char *xml_escape(char *to, size_t room, const char *text)
{
	size_t used = 0;

	while (*text) {
		const char *piece = reference_of(*text);
		size_t step = utf8_bytes((const uint8_t *)text);
		size_t n = piece ? strlen(piece) : step;

		if (!piece && (!step || (uint8_t)*text < ' ')) {
			piece = "?";
			n = step = 1;
		}
		if (n >= room - used)
			break;
		memcpy(to + used, piece ? piece : text, n);
		used += n;
		text += step;
	}
	to[used] = 0;
	return to;
}
