/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs that act on a guest. */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config.h"
#include "guests/dom0/memory.h"
#include "guests/dom0/shell/console.h"
#include "guests/dom0/shell/power.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/dom0/vm.h"

/* The domain of a verb that takes nothing else, or NULL after a message. */
static struct vm *only_domain(int count, char *word[])
{
	return shell_arguments(count, word) ? shell_domain(word[1]) : NULL;
}

/* "Failed to WHAT domain 'NAME'" and why, or what was done. */
static void report(const struct vm *vm, const char *what, const char *failure, const char *done)
{
	if (failure) {
		shell_error("Failed to %s domain '%s'", what, vm->name);
		shell_error("%s", failure);
		return;
	}
	term_printf("Domain '%s' %s\n\n", vm->name, done);
}

static void connect(struct vm *vm, enum console_device device)
{
	term_printf("Connected to domain '%s'\n"
		    "Escape character is ^] (Ctrl + ])\n",
		    vm->name);
	console_attach(vm, device);
}

static void run_start(int count, char *word[])
{
	bool console = words_option(&count, word, "--console");
	struct vm *vm = only_domain(count, word);
	const char *failure;

	if (!vm)
		return;
	failure = vm_start(vm);
	report(vm, "start", failure, "started");
	if (!failure && console)
		connect(vm, console_default(vm));
}

static void run_shutdown(int count, char *word[])
{
	struct vm *vm = only_domain(count, word);

	if (vm)
		report(vm, "shutdown", vm_shutdown(vm), "is being shutdown");
}

static void run_destroy(int count, char *word[])
{
	struct vm *vm = only_domain(count, word);

	if (vm)
		report(vm, "destroy", vm_destroy(vm), "destroyed");
}

static void run_reboot(int count, char *word[])
{
	bool host = words_option(&count, word, "--host");
	struct vm *vm;

	if (host && count == 1) {
		power_end(SAMPO_MACHINE_RESET, false);
		return;
	}
	vm = only_domain(count, word);
	if (vm)
		report(vm, "reboot", vm_reboot(vm), "is being rebooted");
}

static void run_reset(int count, char *word[])
{
	struct vm *vm = only_domain(count, word);

	if (vm)
		report(vm, "reset", vm_reset(vm), "was reset");
}

static void run_suspend(int count, char *word[])
{
	struct vm *vm = only_domain(count, word);

	if (vm)
		report(vm, "suspend", vm_suspend(vm), "suspended");
}

static void run_resume(int count, char *word[])
{
	struct vm *vm = only_domain(count, word);

	if (vm)
		report(vm, "resume", vm_resume(vm), "resumed");
}

static void print_error(const char *text)
{
	shell_error("%s", text);
}

static void print_note(const char *text)
{
	term_printf("%s\n", text);
}

/* A description is one of the files that came with the machine's boot. NULL after a message. */
static struct vm *define(int count, char *word[], const char *what)
{
	static struct config_error error;
	struct vm_config *config;
	struct module module;
	struct vm *vm = NULL;
	const char *failure;

	if (!shell_arguments(count, word))
		return NULL;
	if (!module_find(word[1], &module)) {
		shell_error("Failed to open file '%s': no such boot module", word[1]);
		return NULL;
	}
	config = config_parse(word[1], (const char *)module.data, module.size, &error);
	config_each_line(&error.notes, print_note);
	failure = config ? vm_define(config, &vm) : "";
	if (!failure)
		return vm;
	shell_error("Failed to %s domain from %s", what, word[1]);
	config_each_line(&error.refusals, print_error);
	if (*failure)
		shell_error("%s", failure);
	return NULL;
}

static void run_define(int count, char *word[])
{
	struct vm *vm = define(count, word, "define");

	if (!vm)
		return;
	term_printf("Domain '%s' defined from %s\n\n", vm->name, word[1]);
}

static void run_undefine(int count, char *word[])
{
	struct vm *vm = only_domain(count, word);
	char name[sizeof(vm->name)];
	const char *failure;

	if (!vm)
		return;
	memcpy(name, vm->name, sizeof(name));
	failure = vm_undefine(vm);
	if (failure) {
		shell_error("Failed to undefine domain '%s'", name);
		shell_error("%s", failure);
		return;
	}
	term_printf("Domain '%s' has been undefined\n\n", name);
}

static void put_text(void *context, const char *text)
{
	(void)context;
	term_write(text, strlen(text));
}

static void run_dumpxml(int count, char *word[])
{
	struct vm *vm = only_domain(count, word);

	if (!vm)
		return;
	config_dump(vm->config, put_text, NULL);
	term_printf("\n");
}

/* --devname; false after a message. */
static bool console_choice(const struct vm *vm, const char *name, enum console_device *device)
{
	*device = console_default(vm);
	if (!name)
		return true;
	if (!strcmp(name, "serial0")) {
		*device = CONSOLE_SERIAL;
		return true;
	}
	if (vm->config->virtio_console && (!strcmp(name, "virtio") || !strcmp(name, "console0"))) {
		*device = CONSOLE_VIRTIO;
		return true;
	}
	shell_error("cannot find console device '%s'", name);
	return false;
}

static void run_console(int count, char *word[])
{
	const char *name = words_option_value(&count, word, "--devname");
	bool log = words_option(&count, word, "--log");
	struct vm *vm = only_domain(count, word);
	enum console_device device;

	if (!vm || !console_choice(vm, name, &device))
		return;
	if (log)
		console_log(vm, device);
	else if (vm->run == VM_OFF)
		shell_error("The domain is not running");
	else
		connect(vm, device);
}

const struct shell_command shell_domain_commands[] = {
	{"console", "<domain> [--devname serial0|virtio] [--log]",
	 "connect to the guest console, or print what is kept of it", 1, 1, COMPLETE_DOMAIN,
	 run_console},
	{"define", "<file>", "define a domain from an XML file (a boot module)", 1, 1,
	 COMPLETE_NONE, run_define},
	{"destroy", "<domain>", "destroy (stop) a domain", 1, 1, COMPLETE_DOMAIN, run_destroy},
	{"dumpxml", "<domain>", "domain information in XML", 1, 1, COMPLETE_DOMAIN, run_dumpxml},
	{"reboot", "<domain> | --host", "reboot a domain, or the machine", 1, 1, COMPLETE_DOMAIN,
	 run_reboot},
	{"reset", "<domain>", "reset a domain", 1, 1, COMPLETE_DOMAIN, run_reset},
	{"resume", "<domain>", "resume a domain", 1, 1, COMPLETE_DOMAIN, run_resume},
	{"shutdown", "<domain>", "gracefully shutdown a domain", 1, 1, COMPLETE_DOMAIN,
	 run_shutdown},
	{"start", "<domain> [--console]", "start a domain", 1, 1, COMPLETE_DOMAIN, run_start},
	{"suspend", "<domain>", "suspend a domain", 1, 1, COMPLETE_DOMAIN, run_suspend},
	{"undefine", "<domain>", "undefine a domain", 1, 1, COMPLETE_DOMAIN, run_undefine},
	{NULL, NULL, NULL, 0, 0, COMPLETE_NONE, NULL},
};
