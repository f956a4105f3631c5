/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the parser of domain XML (config.c) and its elements
 * (config_elements.c). */
#ifndef DOM0_CONFIG_PARSE_H
#define DOM0_CONFIG_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "guests/dom0/config.h"

#define CONFIG_DEPTH 8
#define CONFIG_TEXT  (CONFIG_CMDLINE + 1)

struct config_parser {
	struct vm_config *config;
	struct config_error *error;
	const char *file;
	void *expat;
	bool failed;

	const struct config_element *stack[CONFIG_DEPTH];
	unsigned depth;
	unsigned ignoring; /* depth inside an element that is skipped */
	uint64_t seen;     /* bit per element of the table, per document */

	char text[CONFIG_TEXT];
	unsigned text_used;

	/* What is checked when all is read. */
	uint64_t current_memory;
	uint64_t unit;     /* of the memory size that is being read, in bytes */
	uint32_t topology; /* product of <topology>, 0: none */
	/* Of the device that is open. */
	bool has_source, has_target, has_mac, console_virtio;
};

/*
 * An element that Sampo understands. `path` is that from the root.
 * `attributes` are those known to `start`, separated by spaces; "*": any. A
 * leading '-' marks one that is accepted and has no effect here.
 */
struct config_element {
	const char *path;
	const char *attributes;
	bool ignore; /* with everything in it */
	bool once;   /* in the document */
	void (*start)(struct config_parser *p, const char **attributes);
	void (*end)(struct config_parser *p, const char *text);
};

extern const struct config_element config_elements[];
extern const unsigned config_element_count;

/* Reports an error at the present line and element; only the first counts. */
void config_fail(struct config_parser *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The value of an attribute, or NULL. */
const char *config_attribute(const char **attributes, const char *name);
/* Checks that hold for the whole document. */
void config_check(struct config_parser *p);

#endif
