/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's shell on the machine's console: virsh's verbs. */
#ifndef DOM0_SHELL_SHELL_H
#define DOM0_SHELL_SHELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

struct shell_command {
	const char *name;
	/* For `help`, "" if none; arguments have their virsh names: <domain>, [device]. Options
	 * stand in brackets of their own: [--devname <string>]. */
	const char *arguments;
	const char *help;
	unsigned least, most; /* arguments that it takes, without options */
	enum shell_complete complete;
	/* word[0] is the verb; options are still among the words */
	void (*run)(int count, char *word[]);
};

struct shell_group {
	const char *title;
	const struct shell_command *command; /* ends with an empty name */
};
extern const struct shell_group shell_groups[]; /* ends with an empty title */

extern const struct shell_command shell_domain_commands[];
extern const struct shell_command shell_monitor_commands[];
extern const struct shell_command shell_device_commands[];
extern const struct shell_command shell_host_commands[];
extern const struct shell_command shell_sched_commands[];

const struct shell_command *shell_find(const char *verb);

struct vm;
/* The guest of that name, UUID or number, or NULL after an error message. */
struct vm *shell_domain(const char *name);
/* The guest of a verb that takes nothing else; NULL after a message. */
struct vm *shell_only_domain(int count, char *word[]);
/* The same, and it must be active. */
struct vm *shell_active_domain(int count, char *word[]);
/* Is it dom0's own name? */
bool shell_is_dom0(const char *name);
/* No options left over and as many arguments as the verb takes, else a message
 * and false. */
bool shell_arguments(int count, char *word[]);
void shell_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints lines at any time: the line being typed goes aside and is drawn again. */
void shell_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Work of a verb that goes on after it has returned: step is called every
 * interval until it returns false; then the prompt comes back. ^C calls it
 * with cancel.
 */
void shell_job(bool (*step)(bool cancel), uint64_t interval_ns);

/* The same for what goes on without the shell: every key cancels it, and is the first of a line. */
void shell_watch(bool (*step)(bool cancel), uint64_t interval_ns);

/* A verb shows the log from now on, or does no more. */
void shell_log_elsewhere(bool elsewhere);

/* Leaves a guest's console and cancels a job, for something that cannot wait for the operator. */
void shell_interrupt(void);

#endif
