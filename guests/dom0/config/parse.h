/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the parser of domain XML (config.c) and its elements
 * (config_elements.c, config_devices.c). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/dom0/config/config.h"

#define CONFIG_DEPTH  8
#define CONFIG_TABLES 6
#define CONFIG_TEXT   (CONFIG_CMDLINE + 1)

struct config_parser {
	struct vm_config *config;
	struct config_error *error;
	const char *file;
	const char *xml; /* the document */
	void *expat;
	bool failed;  /* something in the call that runs now, so that one fault is told once */
	bool refused; /* something in the document */

	const struct config_element *stack[CONFIG_DEPTH];
	unsigned depth;
	unsigned ignoring;            /* depth inside an element that is skipped */
	uint64_t seen[CONFIG_TABLES]; /* bit for each element of a table, per document */

	char text[CONFIG_TEXT];
	unsigned text_used;
	long metadata;  /* where the content of the open <metadata> begins in the document; 0: none
			 */
	bool text_over; /* there was more of it than fits, which has been told */

	/* Values that are checked when all is read. */
	uint64_t current_memory;
	uint64_t unit; /* of the memory size that is being read, in bytes */
	char unit_name[8];
	bool cpu_mode;            /* <cpu> has a mode */
	struct cpuset cpus;       /* of <vcpu cpuset>: for those without <vcpupin> */
	uint64_t pinned, current; /* vCPUs with <vcpupin>; <vcpu current> */
	uint64_t topology;        /* product of <topology>, 0: none */
	/* Of the device that is open. */
	bool has_cpus;
	bool has_source, has_target, has_mac, console_virtio;
	bool isa_debug;         /* a <serial> that is firmware's debug port */
	bool hostdev;           /* an <interface> that is a card of the machine */
	struct config_nic card; /* the values that such a one has no use for */
	bool inputs;            /* <input> is there */
	bool no_video;          /* <video> says so */
	bool other_device;      /* of a kind that is refused: nothing in it is missing */
};

/*
 * An element that Sampo understands. `path` is that from the root.
 * `attributes` are those known to `start`, separated by spaces; "*": any. A
 * leading '-' marks one that is accepted and has no effect here.
 */
struct config_element {
	const char *path;
	const char *attributes;
	bool once; /* in the document */
	void (*start)(struct config_parser *p, const char **attributes);
	void (*end)(struct config_parser *p, const char *text);
};

/* At most 64 of them: config_parser.seen has a bit for each. */
struct config_table {
	const struct config_element *element;
	unsigned count;
};
extern const struct config_table config_domain, config_devices, config_disk_elements,
	config_screen_elements, config_firmware, config_absent;

/* Elements that are refused or noted by their paths alone. */
struct config_word {
	const char *path; /* an element; a name that begins with '*' is meant below each device */
	const char *note; /* NULL: it changes nothing for the guest */
};
extern const struct config_word config_ignored[]; /* config_ignored.c; ends with a NULL path */

/* Reports a refusal at the present line and element. */
void config_fail(struct config_parser *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Reports a thing that the guest gets otherwise than written, without a refusal. */
void config_note(struct config_parser *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* For an element's start: nothing in the element is looked at. */
void config_skip(struct config_parser *p);
/* Was the element of that path in the document? */
bool config_given(const struct config_parser *p, const char *path);
/* The value of an attribute, or NULL. */
const char *config_attribute(const char **attributes, const char *name);

/* metadata.c: <metadata> is kept as it is written. The end comes without an element on the stack.
 */
void config_metadata_start(struct config_parser *p, const char **attributes);
void config_metadata_end(struct config_parser *p);

/* disk.c: the attributes of a disk's <driver> that say how it is used. */
void config_disk_driver(struct config_parser *p, const char **attributes);

/* screen.c: checks of the screen that hold for the whole document. */
void config_check_screen(struct config_parser *p);

/* config_values.c. Is the value one of these words (NULL ends them)? */
bool config_one_of(const char *value, const char *const *words);
/* An attribute whose only supported values are these; NULL if it is absent. */
const char *config_choice(struct config_parser *p, const char **attributes, const char *name,
			  const char *const *words);
/* Copies a text that may neither be empty nor fill the room. */
void config_copy(struct config_parser *p, char *to, size_t room, const char *from,
		 const char *what);
/* An attribute that is a number, also in C's hexadecimal form; `absent` if it is not there. */
uint64_t config_hex(struct config_parser *p, const char **attributes, const char *name,
		    uint64_t most, uint64_t absent);
uint64_t config_number(struct config_parser *p, const char *text, uint64_t most);
/* Is the text a number, and how is it to `most`? The value is in *value if NUMBER_RIGHT. */
enum config_number { NUMBER_RIGHT, NUMBER_NONE, NUMBER_MORE };
enum config_number config_digits(const char *text, uint64_t most, uint64_t *value);
/* Printable ASCII, without the characters that would confuse a shell or XML. */
bool config_plain(const char *text);
/* FNV-1a, for identities that stay the same from start to start. */
uint64_t config_hash(const char *text, uint64_t value);
#define HASH_START 0xcbf29ce484222325ull

/* Firmware takes the place of a kernel that is not given. */
void config_firmware_check(struct config_parser *p);
/* Checks that hold for the whole document. */
void config_check(struct config_parser *p);
