/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts that enter an XML document. */
#pragma once

#include <stddef.h>

/* The room that the longest form of a text of so many bytes takes, with the end. */
#define XML_ROOM(bytes) (6 * (bytes) + 1)

/*
 * Writes `text` as it stands in an attribute between quotes of either kind and between elements:
 * signs of XML and white space other than blanks become references, and a byte that no XML document
 * may have (XML 1.0, 2.2: control characters; bytes that are not UTF-8) becomes "?". A text that is
 * too long for `room` (at least 1) is cut off at a character's end. Returns `to`.
 */
const char *xml_escape(char *to, size_t room, const char *text);
