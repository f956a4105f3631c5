/* SPDX-License-Identifier: BSD-2-Clause */
/* Some elements of a short XML document, by their paths. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SNIPPET_TEXT 256u

/* path: "volume/target/format". The text and the attribute are cut off at SNIPPET_TEXT - 1 bytes.
 */
struct snippet {
	const char *path, *attribute; /* NULL: none is asked for */
	bool found;
	char text[SNIPPET_TEXT], value[SNIPPET_TEXT];
};

/* Fills in those elements that are there, the first of each path. Returns NULL, or the reason why
 * the document is none. Documents with a DTD are refused. */
const char *snippet_read(const void *xml, size_t bytes, struct snippet *snippets, unsigned count);
