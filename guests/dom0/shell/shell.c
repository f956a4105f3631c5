/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/shell/shell.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/guest_console.h"
#include "guests/dom0/manage/log.h"
#include "guests/dom0/shell/console.h"
#include "guests/dom0/shell/edit.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/guest.h"

#define CTRL_C 3

static const struct shell_command *const tables[] = {
	shell_domain_commands,   shell_monitor_commands, shell_stats_commands,
	shell_device_commands,   shell_sched_commands,   shell_memory_commands,
	shell_nodedev_commands,  shell_pool_commands,    shell_pool_change_commands,
	shell_attach_commands,   shell_fetch_commands,   shell_clone_commands,
	shell_host_commands,     shell_help_commands,    shell_define_commands,
	shell_snapshot_commands, shell_tls_commands,     shell_screen_commands,
};

const struct arg shell_no_args[] = {ARG_END};

static struct edit edit;
static bool started;
static bool running;       /* a verb */
static unsigned unseen;    /* lines that went to the log alone while a guest had the console */
static uint64_t log_shown; /* how far the console has the log */
static bool log_elsewhere; /* a verb shows the log now */

static char typed[EDIT_LINE]; /* the line whose commands run */
static char split[EDIT_LINE]; /* the same, taken apart as far as they have run */
static char *rest;            /* in it, the commands that are left; NULL: none */

static struct timer job_timer;
static bool (*job_step)(bool cancel);
static uint64_t job_interval;
static bool job_yields; /* to whatever key */

/* The line editor has the terminal: no guest's console, no verb, no job. */
static bool editing(void)
{
	return started && !console_attached() && !running && !job_step;
}

void shell_error(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	term_printf("error: %s\n", text);
}

void shell_failure(const char *why, const char *what, ...)
{
	char text[512];
	va_list args;

	va_start(args, what);
	vsnprintf(text, sizeof(text), what, args);
	va_end(args);
	shell_error("%s", text);
	shell_error("%s", why);
}

void shell_line(const char *text)
{
	term_printf("%s\n", text);
}

void shell_put(void *context, const char *text)
{
	(void)context;
	term_write(text, strlen(text));
}

void shell_notice(const char *format, ...)
{
	char text[512];
	bool aside = editing();
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (console_attached())
		return;
	if (aside)
		edit_hide(&edit);
	term_printf("%s", text);
	if (aside)
		edit_redraw(&edit);
}

struct vm *shell_domain(const char *name)
{
	struct vm *vm = vm_find(name);

	if (!vm && shell_is_dom0(name))
		shell_error("Operation not supported: " CONFIG_DOM0 " is not a guest");
	else if (!vm)
		shell_error("failed to get domain '%s'", name);
	return vm;
}

struct vm *shell_domain_of(const struct args *args)
{
	return shell_domain(args_text(args, "domain"));
}

const char shell_not_running[] = "Requested operation is not valid: domain is not running";

bool shell_is_dom0(const char *name)
{
	return !strcmp(name, CONFIG_DOM0);
}

bool shell_not_both(const struct args *args, const char *one, const char *other)
{
	if (!args_flag(args, one) || !args_flag(args, other))
		return true;
	shell_error("Options --%s and --%s are mutually exclusive", one, other);
	return false;
}

bool shell_not_without(const struct args *args, const char *one, const char *other)
{
	if (!args_flag(args, one) || args_flag(args, other))
		return true;
	shell_error("Option --%s is required by option --%s", other, one);
	return false;
}

bool shell_number(const struct args *args, const char *name, uint64_t most, uint64_t *value)
{
	const char *text = args_text(args, name);
	char *end;

	*value = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && *value <= most)
		return true;
	shell_error("Numeric value '%s' for <%s> option is malformed or out of range", text, name);
	return false;
}

const struct shell_command *shell_command_at(unsigned index)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct shell_command *c = tables[i]; c->name; c++)
			if (!index--)
				return c;
	return NULL;
}

const struct shell_command *shell_find(const char *verb)
{
	const struct shell_command *c = shell_command_at(0);

	for (unsigned i = 1; c && strcmp(c->name, verb) != 0; i++)
		c = shell_command_at(i);
	return c;
}

static void argument_error(const char *text)
{
	shell_error("%s", text);
}

/* "VERB --help" means "help VERB", with any other words in the line. */
static const struct shell_command *find_verb(int *count, char *word[])
{
	static char help[] = "help";
	const struct shell_command *command = shell_find(word[0]);

	for (int i = 1; command && i < *count; i++) {
		if (strcmp(word[i], "--help") != 0)
			continue;
		word[1] = word[0];
		word[0] = help;
		*count = 2;
		return shell_find(help);
	}
	return command;
}

/* The verbs that change something: the log says when they were typed. */
static bool acts(const char *verb)
{
	static const char *const verbs[] = {
		"attach-disk",   "attach-interface",
		"autostart",     "blockresize",
		"create",        "define",
		"define-from",   "destroy",
		"detach-disk",   "detach-interface",
		"domif-setlink", "host-config",
		"inject-nmi",    "keep-build",
		"poweroff",      "reboot",
		"reboot-host",   "reset",
		"resume",        "schedinfo",
		"setmaxmem",     "setmem",
		"setvcpus",      "shutdown",
		"start",         "suspend",
		"undefine",      "vcpupin",
		"vol-fetch",
	};

	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verb, verbs[i]))
			return true;
	return false;
}

/* virsh prints an empty line after each verb. A verb that goes on as a job prints its own end. */
static void run_verb(const struct shell_command *command, const struct args *args, const char *text,
		     size_t bytes)
{
	running = true;
	if (acts(command->name))
		printf(LOG_ACTION "shell: %.*s\n", (int)bytes, text);
	command->run(args);
	running = false;
	if (!job_step && !console_attached())
		term_printf("\n");
}

/*
 * Takes the first command off the line at *at, which moves to the next one, to NULL at the end.
 * *command is NULL if the command has no word. Returns false after a message.
 */
static bool take_command(char **at, const struct shell_command **command, struct args *args)
{
	char *word[WORDS_MAX];
	const char *error = NULL;
	int count = words_split(at, word, &error);

	*command = NULL;
	if (count < 0)
		shell_error("%s", error);
	if (count <= 0)
		return !count;
	*command = find_verb(&count, word);
	if (!*command)
		shell_error("unknown command: '%s'", word[0]);
	return *command && args_parse(args, (*command)->arg, count, word, argument_error);
}

/* As in virsh, no command of a line with a mistake runs; one that fails does not keep the others
 * back. */
static void run_line(void)
{
	const struct shell_command *command;
	static struct args args;

	memcpy(split, edit.line, sizeof(split));
	for (char *at = split; at;)
		if (!take_command(&at, &command, &args))
			return;
	memcpy(split, edit.line, sizeof(split));
	memcpy(typed, edit.line, sizeof(typed));
	rest = split;
}

/* The commands that are left, up to one that goes on as a job or connects to a guest's console:
 * the others wait for its end. */
static void run_rest(void)
{
	const struct shell_command *command;
	static struct args args;

	while (rest && editing()) {
		const char *text = typed + (rest - split);
		const char *end = typed + strlen(typed);

		if (take_command(&rest, &command, &args) && command) {
			if (rest)
				end = typed + (rest - split) - 1;
			text += strspn(text, " ");
			run_verb(command, &args, text, (size_t)(end - text));
		}
	}
}

/* Tells, behind a guest's console, of lost input and of lines that the log took meanwhile. */
static void tell_aside(void)
{
	unsigned long long lost = console_lost();

	if (lost)
		term_printf("%llu bytes of what was typed are lost: the guest did not read them\n",
			    lost);
	if (unseen)
		term_printf("%u line%s came to the log meanwhile, see dmesg\n", unseen,
			    unseen == 1 ? "" : "s");
	unseen = 0;
}

static void prompt(void)
{
	if (!console_attached())
		tell_aside();
	run_rest();
	if (editing())
		edit_start(&edit);
}

static void job_end(void)
{
	job_step = NULL;
	timer_cancel(&job_timer);
	prompt();
}

static void job_run(bool cancel)
{
	if (cancel)
		rest = NULL;
	if (!job_step(cancel))
		job_end();
	else
		timer_set(&job_timer, clock_ns() + job_interval);
}

static void job_fire(struct timer *timer)
{
	(void)timer;
	job_run(false);
}

void shell_job(bool (*step)(bool cancel), uint64_t interval_ns)
{
	job_step = step;
	job_yields = false;
	job_interval = interval_ns;
	timer_set(&job_timer, clock_ns());
}

void shell_watch(bool (*step)(bool cancel), uint64_t interval_ns)
{
	shell_job(step, interval_ns);
	job_yields = true;
}

void shell_interrupt(void)
{
	rest = NULL;
	if (console_attached()) {
		console_detach();
		term_printf("\n");
	}
	if (job_step)
		job_run(true);
}

/* False: it cannot be taken yet. */
static bool guest_key(uint8_t byte)
{
	switch (console_key(byte)) {
	case CONSOLE_TAKEN:
		break;
	case CONSOLE_FULL:
		return false;
	case CONSOLE_ESCAPE:
		console_detach();
		term_printf("\n");
		prompt();
		break;
	}
	return true;
}

static void key(uint8_t byte)
{
	if (job_step) {
		if (byte == CTRL_C || job_yields)
			job_run(true);
		if (byte == CTRL_C || job_step)
			return;
	}
	switch (edit_key(&edit, byte)) {
	case EDIT_MORE:
		break;
	case EDIT_ENTER:
		run_line();
		prompt();
		break;
	case EDIT_CANCEL:
		prompt();
		break;
	}
}

static size_t input(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!console_attached())
			key(bytes[i]);
		else if (!guest_key(bytes[i]))
			return i;
	}
	return n;
}

static const char *verb_at(unsigned index)
{
	const struct shell_command *command = shell_command_at(index);

	return command ? command->name : NULL;
}

static const char *domain_at(unsigned index)
{
	struct vm *vm = vm_first();

	while (vm && index--)
		vm = vm_next(vm);
	return vm ? vm->name : NULL;
}

/* Of the last command in front of that place. */
static size_t begin_of_command(const char *text, size_t place)
{
	size_t begin = 0;

	for (size_t i = 0; i < place; i++)
		if (text[i] == ';')
			begin = i + 1;
	return begin + strspn(text + begin, " ");
}

static const char *candidate(void *context, const char *text, size_t start, unsigned index)
{
	char verb[32];
	const struct shell_command *command;
	size_t begin = begin_of_command(text, start), n = strcspn(text + begin, " ");

	(void)context;
	if (start <= begin)
		return verb_at(index);
	if (n >= sizeof(verb))
		return NULL;
	memcpy(verb, text + begin, n);
	verb[n] = '\0';
	command = shell_find(verb);
	if (!command)
		return NULL;
	if (command->complete == COMPLETE_VERB)
		return verb_at(index);
	if (command->complete == COMPLETE_ANY_DOMAIN)
		return index ? domain_at(index - 1) : CONFIG_DOM0;
	return command->complete == COMPLETE_DOMAIN ? domain_at(index) : NULL;
}

static void out(void *context, const char *text, size_t bytes)
{
	(void)context;
	term_write(text, bytes);
}

/* Shows the log's new lines. A guest's console shows the guest's bytes only. */
static void show_log(void)
{
	static struct log_line line;
	bool aside = false;

	while (log_next(&log_shown, &line)) {
		if (line.level == LOG_LEVEL_DEBUG || line.level == LOG_LEVEL_ACTION ||
		    log_elsewhere)
			continue;
		if (console_attached()) {
			unseen++;
			continue;
		}
		if (!aside && editing()) {
			edit_hide(&edit);
			aside = true;
		}
		term_printf("%s\n", line.text);
	}
	if (aside)
		edit_redraw(&edit);
}

void shell_log_elsewhere(bool elsewhere)
{
	show_log();
	log_elsewhere = elsewhere;
}

/* A guest that ends takes the operator's connection to it along. */
void shell_console_ended(const char *name)
{
	term_printf("\nDomain '%s' is not running\n", name);
	prompt();
}

void shell_start(void)
{
	static struct log_line seen; /* by the kernel's hand */

	guest_console_start();
	timer_init(&job_timer, job_fire, NULL);
	edit_init(&edit, "sampo# ", out, candidate, NULL);
	while (log_next(&log_shown, &seen))
		;
	guest_log_told = show_log;
	term_start(input, show_log);
	started = true;
	term_printf("\nType 'help' for the commands.\n\n");
	prompt();
}
