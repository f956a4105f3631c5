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
#include "guests/dom0/sums.h"
#include "guests/dom0/vm.h"

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

static bool machine_ends(void)
{
	if (power_ends())
		shell_error("the machine is being turned off");
	return power_ends();
}

static void run_start(int count, char *word[])
{
	bool console = words_option(&count, word, "--console");
	bool paused = words_option(&count, word, "--paused");
	const char *failure;
	struct vm *vm;

	words_without(&count, word, "--force-boot --bypass-cache");
	vm = shell_only_domain(count, word);
	if (!vm)
		return;
	if (vm->run != VM_OFF) {
		shell_error("Domain is already active");
		return;
	}
	if (machine_ends())
		return;
	failure = paused ? vm_start_paused(vm) : vm_start(vm);
	report(vm, "start", failure, "started");
	if (!failure && console)
		connect(vm, console_default(vm));
}

/* The power button is the one way. False after a message. */
static bool button_mode(int *count, char *word[])
{
	const char *mode = words_option_value(count, word, "--mode");

	if (!mode || !strcmp(mode, "acpi"))
		return true;
	if (!strcmp(mode, "agent") || !strcmp(mode, "initctl") || !strcmp(mode, "signal") ||
	    !strcmp(mode, "paravirt"))
		shell_error("Operation not supported: mode '%s'", mode);
	else
		shell_error("Unknown mode %s value, expecting 'acpi', 'agent', 'initctl', 'signal', "
			    "or 'paravirt'",
			    mode);
	return false;
}

static void run_shutdown(int count, char *word[])
{
	struct vm *vm = button_mode(&count, word) ? shell_only_domain(count, word) : NULL;

	if (vm)
		report(vm, "shutdown", vm_shutdown(vm), "is being shutdown");
}

/* --graceful asks QEMU's process to end by itself first; here there is none. */
static void run_destroy(int count, char *word[])
{
	struct vm *vm;

	words_without(&count, word, "--graceful --remove-logs");
	vm = shell_only_domain(count, word);
	if (vm)
		report(vm, "destroy", vm_destroy(vm), "destroyed");
}

static void run_reboot(int count, char *word[])
{
	bool host = words_option(&count, word, "--host");
	struct vm *vm;

	if (!button_mode(&count, word))
		return;
	if (host && count == 1) {
		power_end(SAMPO_MACHINE_RESET, false);
		return;
	}
	vm = shell_only_domain(count, word);
	if (vm)
		report(vm, "reboot", vm_reboot(vm), "is being rebooted");
}

static void run_reset(int count, char *word[])
{
	struct vm *vm = shell_only_domain(count, word);

	if (vm)
		report(vm, "reset", vm_reset(vm), "was reset");
}

static void run_suspend(int count, char *word[])
{
	struct vm *vm = shell_only_domain(count, word);

	if (vm)
		report(vm, "suspend", vm_suspend(vm), "suspended");
}

static void run_resume(int count, char *word[])
{
	struct vm *vm = shell_only_domain(count, word);

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
	failure = sums_check(&module);
	if (failure) {
		shell_error("Failed to %s domain from %s", what, word[1]);
		shell_error("%s", failure);
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
	struct vm *vm;

	words_without(&count, word, "--validate");
	vm = define(count, word, "define");
	if (!vm)
		return;
	term_printf("Domain '%s' defined from %s\n\n", vm->name, word[1]);
}

/* Its description goes when the guest ends. */
static void run_create(int count, char *word[])
{
	bool console = words_option(&count, word, "--console");
	bool paused = words_option(&count, word, "--paused");
	const char *failure;
	struct vm *vm;

	words_without(&count, word, "--validate");
	if (machine_ends())
		return;
	vm = define(count, word, "create");
	if (!vm)
		return;
	vm->transient = true;
	failure = paused ? vm_start_paused(vm) : vm_start(vm);
	if (failure) {
		shell_error("Failed to create domain from %s", word[1]);
		shell_error("%s", failure);
		vm_undefine(vm); /* or its end does */
		return;
	}
	term_printf("Domain '%s' created from %s\n\n", vm->name, word[1]);
	if (console)
		connect(vm, console_default(vm));
}

static void run_autostart(int count, char *word[])
{
	bool disable = words_option(&count, word, "--disable");
	struct vm *vm = shell_only_domain(count, word);

	if (!vm)
		return;
	if (vm->transient) {
		shell_error("Failed to %smark transient domain as autostarted", disable ? "un" : "");
		return;
	}
	vm->autostart = !disable;
	term_printf("Domain '%s' %smarked as autostarted\n"
		    "This mark is not kept: after the next start of the machine the descriptions\n"
		    "that come with the boot medium say which domains start.\n\n",
		    vm->name, disable ? "un" : "");
}

static void run_inject_nmi(int count, char *word[])
{
	struct vm *vm = shell_only_domain(count, word);
	const char *failure = vm ? vm_nmi(vm) : NULL;

	if (failure)
		shell_error("%s", failure);
	else if (vm)
		term_printf("\n");
}

static void run_undefine(int count, char *word[])
{
	char name[sizeof(((struct vm *)0)->name)];
	const char *failure;
	struct vm *vm;

	words_without(&count, word,
		      "--managed-save --nvram --keep-nvram --tpm --keep-tpm --snapshots-metadata "
		      "--checkpoints-metadata");
	vm = shell_only_domain(count, word);
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
	struct vm *vm;

	words_without(&count, word, "--inactive --security-info --update-cpu --migratable");
	vm = shell_only_domain(count, word);
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
	enum console_device device;
	struct vm *vm;

	words_without(&count, word, "--force --safe"); /* one operator, one console */
	vm = shell_only_domain(count, word);
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
	{"autostart", "<domain> [--disable]", "autostart a domain, until the machine's next start", 1,
	 1, COMPLETE_DOMAIN, run_autostart},
	{"console", "<domain> [--devname <string>] [--force] [--safe] [--log]",
	 "connect to the guest console, or print what is kept of it", 1, 1, COMPLETE_DOMAIN,
	 run_console},
	{"create", "<file> [--console] [--paused] [--validate]",
	 "create a domain from an XML file (a boot module)", 1, 1, COMPLETE_NONE, run_create},
	{"define", "<file> [--validate]", "define a domain from an XML file (a boot module)", 1, 1,
	 COMPLETE_NONE, run_define},
	{"destroy", "<domain> [--graceful]", "destroy (stop) a domain", 1, 1, COMPLETE_DOMAIN,
	 run_destroy},
	{"dumpxml", "<domain> [--inactive] [--security-info] [--update-cpu] [--migratable]",
	 "domain information in XML", 1, 1, COMPLETE_DOMAIN, run_dumpxml},
	{"inject-nmi", "<domain>", "inject NMI to the guest", 1, 1, COMPLETE_DOMAIN, run_inject_nmi},
	{"reboot", "<domain> [--mode <string>] [--host]", "reboot a domain, or the machine", 1, 1,
	 COMPLETE_DOMAIN, run_reboot},
	{"reset", "<domain>", "reset a domain", 1, 1, COMPLETE_DOMAIN, run_reset},
	{"resume", "<domain>", "resume a domain", 1, 1, COMPLETE_DOMAIN, run_resume},
	{"shutdown", "<domain> [--mode <string>]", "gracefully shutdown a domain", 1, 1,
	 COMPLETE_DOMAIN, run_shutdown},
	{"start", "<domain> [--console] [--paused]", "start a domain", 1, 1, COMPLETE_DOMAIN,
	 run_start},
	{"suspend", "<domain>", "suspend a domain", 1, 1, COMPLETE_DOMAIN, run_suspend},
	{"undefine", "<domain>", "undefine a domain", 1, 1, COMPLETE_DOMAIN, run_undefine},
	{NULL, NULL, NULL, 0, 0, COMPLETE_NONE, NULL},
};
