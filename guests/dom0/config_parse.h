/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the parser of domain XML (config.c) and its elements
 * (config_elements.c, config_devices.c). */
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
	uint64_t seen[2];  /* bit for each element of a table, per document */

	char text[CONFIG_TEXT];
	unsigned text_used;

	/* What is checked when all is read. */
	uint64_t current_memory;
	uint64_t unit;     /* of the memory size that is being read, in bytes */
	struct cpuset cpus;       /* of <vcpu cpuset>: for those without <vcpupin> */
	uint64_t pinned, current; /* vCPUs with <vcpupin>; <vcpu current> */
	uint64_t topology; /* product of <topology>, 0: none */
	/* Of the device that is open. */
	bool has_cpus;
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

/* At most 64 of them: config_parser.seen has a bit for each. */
struct config_table {
	const struct config_element *element;
	unsigned count;
};
extern const struct config_table config_domain, config_devices;

/* Reports an error at the present line and element; only the first counts. */
void config_fail(struct config_parser *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The value of an attribute, or NULL. */
const char *config_attribute(const char **attributes, const char *name);

/* config_values.c. Is the value one of these words (NULL ends them)? */
bool config_one_of(const char *value, const char *const *words);
/* An attribute whose only supported values are these; NULL if it is absent. */
const char *config_choice(struct config_parser *p, const char **attributes, const char *name,
			  const char *const *words);
/* Copies a text that may neither be empty nor fill the room. */
void config_copy(struct config_parser *p, char *to, size_t room, const char *from,
		 const char *what);
uint64_t config_number(struct config_parser *p, const char *text, uint64_t most);
/* Printable ASCII, without what would confuse a shell or XML. */
bool config_plain(const char *text);
/* The value of a hexadecimal digit, -1 if it is none. */
int config_hex(char c);
/* FNV-1a, for identities that stay the same from start to start. */
uint64_t config_hash(const char *text, uint64_t value);
#define HASH_START 0xcbf29ce484222325ull

/* Checks that hold for the whole document. */
void config_check(struct config_parser *p);

#endif
