/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's shell on the machine's console: virsh's verbs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/shell/args.h"

/* Takes the console over and shows the prompt. */
void shell_start(void);

/* A guest that ends takes the connection to its console along. */
void shell_console_ended(const char *name);

/* The rest is for the verbs. */

enum shell_complete {
	COMPLETE_NONE,
	COMPLETE_DOMAIN,
	COMPLETE_ANY_DOMAIN, /* dom0 too */
	COMPLETE_VERB
};

/* The groups of `help`: virsh's, and one for the verbs that virsh does not have. */
enum shell_group {
	SHELL_DOMAIN,
	SHELL_MONITOR,
	SHELL_HOST,
	SHELL_NETWORK,
	SHELL_NODEDEV,
	SHELL_SNAPSHOT,
	SHELL_POOL,
	SHELL_VOLUME,
	SHELL_ITSELF,
	SHELL_SAMPO,
	SHELL_GROUPS
};

struct shell_command {
	const char *name; /* NULL ends a table */
	enum shell_group group;
	enum shell_complete complete;
	const char *help;
	const char *description; /* NULL: none */
	const struct arg *arg;
	void (*run)(const struct args *args);
};

extern const struct shell_command shell_domain_commands[];
extern const struct shell_command shell_define_commands[];
extern const struct shell_command shell_monitor_commands[];
extern const struct shell_command shell_stats_commands[];
extern const struct shell_command shell_device_commands[];
extern const struct shell_command shell_host_commands[];
extern const struct shell_command shell_sched_commands[];
extern const struct shell_command shell_memory_commands[];
extern const struct shell_command shell_nodedev_commands[];
extern const struct shell_command shell_pool_commands[];
extern const struct shell_command shell_pool_change_commands[];
extern const struct shell_command shell_attach_commands[];
extern const struct shell_command shell_fetch_commands[];
extern const struct shell_command shell_clone_commands[];
extern const struct shell_command shell_snapshot_commands[];
extern const struct shell_command shell_screen_commands[];
extern const struct shell_command shell_tls_commands[];
extern const struct shell_command shell_help_commands[];

const struct shell_command *shell_find(const char *verb);
/* Returns the index-th command of all tables, NULL after the last. */
const struct shell_command *shell_command_at(unsigned index);

extern const struct arg shell_no_args[];
#define ARG_END                                    \
	{                                          \
		NULL, ARG_FLAG, ARG_OPTIONAL, NULL \
	}
#define ARG_DOMAIN(help)                               \
	{                                              \
		"domain", ARG_TEXT, ARG_REQUIRED, help \
	}
#define ARG_ANY_DOMAIN ARG_DOMAIN("domain name, id or uuid")
#define ARG_AFFECTS                                                        \
	{"config", ARG_FLAG, ARG_OPTIONAL, "affect next boot"},            \
		{"live", ARG_FLAG, ARG_OPTIONAL, "affect running domain"}, \
	{                                                                  \
		"current", ARG_FLAG, ARG_OPTIONAL, "affect current domain" \
	}

struct vm;
/* Returns the guest of that name, UUID or number, or NULL after a message. */
struct vm *shell_domain(const char *name);
/* The same for a verb's argument <domain>. */
struct vm *shell_domain_of(const struct args *args);
/* Defines a guest from the text of a description, and tells of it; `from` is the text's name for
 * people. Returns true if the change has yet to come to its end, for which a job waits. */
bool shell_define_text(const char *from, const char *text, size_t bytes);
/* The last that a verb does after a change of the guest's description: the store gets it, too. */
void shell_keep(struct vm *vm);
/* Is the text the name of dom0 itself? */
bool shell_is_dom0(const char *name);
/* libvirt's words for a verb that needs an active guest. */
extern const char shell_not_running[];
/* Returns false after virsh's message if the line has both options. */
bool shell_not_both(const struct args *args, const char *one, const char *other);
/* Returns false after a message if the line has option `one` without option `other`. */
bool shell_not_without(const struct args *args, const char *one, const char *other);
/* Reads an option that is a number of at most `most`; false after a message. */
bool shell_number(const struct args *args, const char *name, uint64_t most, uint64_t *value);
/* Prints a line, for table_end and the like. */
void shell_line(const char *text);
/* The same without a line's end: a piece of a document. */
void shell_put(void *context, const char *text);
/* "error: WHAT" and "error: WHY". */
void shell_failure(const char *why, const char *what, ...) __attribute__((format(printf, 2, 3)));
void shell_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints lines at any time: the line being typed goes aside and is drawn again. */
void shell_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Work of a verb that goes on after it has returned: step is called every
 * interval until it returns false; then the prompt comes back. ^C calls it
 * with cancel.
 */
void shell_job(bool (*step)(bool cancel), uint64_t interval_ns);

/* The same for work that goes on without the shell: every key cancels it, and is the first of a
 * line. */
void shell_watch(bool (*step)(bool cancel), uint64_t interval_ns);

/* A verb shows the log from now on, or does no more. */
void shell_log_elsewhere(bool elsewhere);

/* Leaves a guest's console and cancels a job, for something that cannot wait for the operator. */
void shell_interrupt(void);
