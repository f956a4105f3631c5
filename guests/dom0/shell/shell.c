/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/shell/shell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guests/dom0/config.h"
#include "guests/dom0/loop.h"
#include "guests/dom0/shell/console.h"
#include "guests/dom0/shell/edit.h"
#include "guests/dom0/shell/log.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/dom0/vm.h"
#include "guests/lib/guest.h"

#define CTRL_C 3

const struct shell_group shell_groups[] = {
	{"Domain Management", shell_domain_commands},
	{"Domain Monitoring", shell_monitor_commands},
	{"Domain Devices", shell_device_commands},
	{"Virtual CPUs", shell_sched_commands},
	{"Host and Hypervisor", shell_host_commands},
	{NULL, NULL},
};

static struct edit edit;
static bool started;
static bool running; /* a verb */
static unsigned unseen; /* lines that went to the log alone while a guest had the console */
static uint64_t log_shown; /* how far the console has the log */
static bool log_elsewhere; /* a verb shows the log now */

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

struct vm *shell_only_domain(int count, char *word[])
{
	return shell_arguments(count, word) ? shell_domain(word[1]) : NULL;
}

struct vm *shell_active_domain(int count, char *word[])
{
	struct vm *vm = shell_only_domain(count, word);

	if (!vm || vm->id)
		return vm;
	shell_error("Requested operation is not valid: domain is not running");
	return NULL;
}

bool shell_is_dom0(const char *name)
{
	return !strcmp(name, CONFIG_DOM0);
}

const struct shell_command *shell_find(const char *verb)
{
	for (const struct shell_group *group = shell_groups; group->title; group++)
		for (const struct shell_command *c = group->command; c->name; c++)
			if (!strcmp(c->name, verb))
				return c;
	return NULL;
}

static void missing(const struct shell_command *command, unsigned argument)
{
	char name[WORDS_NAME];

	if (words_argument(command->arguments, argument, name))
		shell_error("command '%s' requires <%s> option", command->name, name);
}

bool shell_arguments(int count, char *word[])
{
	const struct shell_command *command = shell_find(word[0]);

	for (int i = 1; i < count; i++) {
		if (strncmp(word[i], "--", 2))
			continue;
		shell_error("command '%s' doesn't support option %s", word[0], word[i]);
		return false;
	}
	if (count <= (int)command->least) {
		for (unsigned n = (unsigned)count - 1; n < command->least; n++)
			missing(command, n);
		return false;
	}
	if (count > (int)command->most + 1) {
		shell_error("unexpected data '%s'", word[command->most + 1]);
		return false;
	}
	return true;
}

/* The verbs that change something: the log says when they were typed. */
static bool acts(const char *verb)
{
	static const char *const verbs[] = {
		"autostart", "create",      "define",   "destroy",   "domif-setlink", "inject-nmi",
		"poweroff",  "reboot",      "reset",    "resume",    "reboot-host",   "schedinfo",
		"setvcpus",  "shutdown",    "start",    "suspend",   "undefine",      "vcpupin",
	};

	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verb, verbs[i]))
			return true;
	return false;
}

static void run_line(void)
{
	const struct shell_command *command;
	static char line[EDIT_LINE];
	char *word[WORDS_MAX + 1]; /* words_named moves one on */
	const char *error = NULL;
	int count;

	memcpy(line, edit.line, sizeof(line));
	count = words_split(line, word, &error);
	if (count < 0) {
		shell_error("%s", error);
		return;
	}
	if (!count || word[0][0] == '#')
		return;
	command = shell_find(word[0]);
	if (!command) {
		shell_error("unknown command: '%s'", word[0]);
		return;
	}
	error = words_named(&count, word, command->arguments);
	if (error) {
		shell_error("command '%s' requires <%s> option", word[0], error);
		return;
	}
	running = true;
	if (acts(command->name))
		printf(LOG_ACTION "shell: %s\n", edit.line);
	command->run(count, word);
	running = false;
}

/* What a guest's console did not show. */
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
	for (const struct shell_group *group = shell_groups; group->title; group++)
		for (const struct shell_command *c = group->command; c->name; c++)
			if (!index--)
				return c->name;
	return NULL;
}

static const char *domain_at(unsigned index)
{
	struct vm *vm = vm_first();

	while (vm && index--)
		vm = vm_next(vm);
	return vm ? vm->name : NULL;
}

static const char *candidate(void *context, const char *line, size_t start, unsigned index)
{
	char verb[32];
	const struct shell_command *command;
	size_t blank = strspn(line, " "), n = strcspn(line + blank, " ");

	(void)context;
	if (start <= blank)
		return verb_at(index);
	if (n >= sizeof(verb))
		return NULL;
	memcpy(verb, line + blank, n);
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

/* What has come to the log since. A guest's console shows the guest's bytes only. */
static void show_log(void)
{
	static struct log_line line;
	bool aside = false;

	while (log_next(&log_shown, &line)) {
		if (line.level == LOG_LEVEL_DEBUG || line.level == LOG_LEVEL_ACTION || log_elsewhere)
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
