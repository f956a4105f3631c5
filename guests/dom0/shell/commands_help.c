/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs about the shell itself. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"

static const struct {
	const char *title, *keyword;
} groups[SHELL_GROUPS] = {
	[SHELL_DOMAIN] = {"Domain Management", "domain"},
	[SHELL_MONITOR] = {"Domain Monitoring", "monitor"},
	[SHELL_HOST] = {"Host and Hypervisor", "host"},
	[SHELL_NETWORK] = {"Networking", "network"},
	[SHELL_NODEDEV] = {"Node Device", "nodedev"},
	[SHELL_SNAPSHOT] = {"Snapshot", "snapshot"},
	[SHELL_POOL] = {"Storage Pool", "pool"},
	[SHELL_VOLUME] = {"Storage Volume", "volume"},
	[SHELL_ITSELF] = {"Virsh itself", "virsh"},
	[SHELL_SAMPO] = {"Sampo", "sampo"},
};

/* Returns the group's first command behind `after` in the alphabet, NULL if there is none. */
static const struct shell_command *next_of(enum shell_group group, const char *after)
{
	const struct shell_command *c = shell_command_at(0), *next = NULL;

	for (unsigned i = 1; c; i++) {
		if (c->group == group && strcmp(c->name, after) > 0 &&
		    (!next || strcmp(c->name, next->name) < 0))
			next = c;
		c = shell_command_at(i);
	}
	return next;
}

static void help_group(enum shell_group group)
{
	const struct shell_command *c = next_of(group, "");

	term_printf(" %s (help keyword '%s'):\n", groups[group].title, groups[group].keyword);
	for (; c; c = next_of(group, c->name))
		term_printf("    %-30s %s\n", c->name, c->help);
}

static void help_command(const struct shell_command *command)
{
	term_printf("  NAME\n    %s - %s\n\n  SYNOPSIS\n", command->name, command->help);
	args_synopsis(command->arg, command->name, shell_line);
	if (command->description)
		term_printf("\n  DESCRIPTION\n    %s\n", command->description);
	if (command->arg->name) {
		term_printf("\n  OPTIONS\n");
		args_describe(command->arg, shell_line);
	}
	term_printf("\n");
}

static void help_all(void)
{
	term_printf("Grouped commands:\n\n");
	for (enum shell_group group = 0; group < SHELL_GROUPS; group++) {
		help_group(group);
		term_printf("\n");
	}
}

static void help_on(const char *word)
{
	const struct shell_command *command = shell_find(word);

	if (command) {
		help_command(command);
		return;
	}
	for (enum shell_group group = 0; group < SHELL_GROUPS; group++) {
		if (strcmp(groups[group].keyword, word) != 0)
			continue;
		help_group(group);
		return;
	}
	shell_error("command or command group '%s' doesn't exist", word);
}

static void run_help(const struct args *args)
{
	const char *word = args_text(args, "command");

	if (word)
		help_on(word);
	else
		help_all();
}

/* Nothing stands behind this shell to go back to. */
static void run_exit(const struct args *args)
{
	(void)args;
	term_printf("This is the machine's console, it stays; `poweroff` ends the machine.\n");
}

static const struct arg help_args[] = {
	{"command", ARG_TEXT, ARG_OPTIONAL,
	 "Prints global help, command specific help, or help for a group of related commands"},
	ARG_END,
};

const struct shell_command shell_help_commands[] = {
	{"exit", SHELL_ITSELF, COMPLETE_NONE, "quit this interactive terminal", NULL, shell_no_args,
	 run_exit},
	{"help", SHELL_ITSELF, COMPLETE_VERB, "print help",
	 "Prints global help, command specific help, or help for a\n"
	 "    group of related commands",
	 help_args, run_help},
	{"quit", SHELL_ITSELF, COMPLETE_NONE, "quit this interactive terminal", NULL, shell_no_args,
	 run_exit},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
