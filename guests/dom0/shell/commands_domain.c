/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs that act on a guest. */
#include <string.h>

#include "guests/dom0/base/memory.h"
#include "guests/dom0/base/sums.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/define.h"
#include "guests/dom0/manage/documents.h"
#include "guests/dom0/manage/guest_console.h"
#include "guests/dom0/shell/console.h"
#include "guests/dom0/shell/power.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/dom0/vm/vm.h"

/* "Failed to WHAT domain 'NAME'" and the reason, or the report of success. */
static void report(const struct vm *vm, const char *what, const char *failure, const char *done)
{
	if (failure)
		shell_failure(failure, "Failed to %s domain '%s'", what, vm->name);
	else
		term_printf("Domain '%s' %s\n", vm->name, done);
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

static void run_start(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);
	const char *failure;

	if (!vm)
		return;
	if (vm->run != VM_OFF) {
		shell_error("Domain is already active");
		return;
	}
	if (machine_ends())
		return;
	failure = args_flag(args, "paused") ? vm_start_paused(vm) : vm_start(vm);
	report(vm, "start", failure, "started");
	if (!failure && args_flag(args, "console"))
		connect(vm, guest_console_default(vm));
}

/* Is `mode`, which stands between commas, one of virsh's? */
static bool is_mode(const char *mode, size_t bytes)
{
	static const char *const known[] = {"acpi", "agent", "initctl", "signal", "paravirt"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i]) == bytes && !memcmp(known[i], mode, bytes))
			return true;
	return false;
}

/* The power button is the one way here. Returns false after a message; `serial` is the comma that
 * virsh has in one of two messages. */
static bool button_mode(const struct vm *vm, const struct args *args, const char *what,
			const char *serial)
{
	const char *mode = args_text(args, "mode");
	bool acpi = !mode;
	size_t n;

	for (const char *at = mode; at && *at; at += n + (at[n] == ',')) {
		n = strcspn(at, ",");
		if (!is_mode(at, n)) {
			shell_error(
				"Unknown mode %.*s value, expecting 'acpi', 'agent', 'initctl', "
				"'signal'%s or 'paravirt'",
				(int)n, at, serial);
			return false;
		}
		acpi = acpi || (n == 4 && !memcmp(at, "acpi", n));
	}
	if (!acpi)
		shell_failure("Operation not supported: a mode without the ACPI power button",
			      "Failed to %s domain '%s'", what, vm->name);
	return acpi;
}

static void run_shutdown(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);

	if (vm && button_mode(vm, args, "shutdown", ","))
		report(vm, "shutdown", vm_shutdown(vm), "is being shutdown");
}

static void run_reboot(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);

	if (vm && button_mode(vm, args, "reboot", ""))
		report(vm, "reboot", vm_reboot(vm), "is being rebooted");
}

/* --graceful asks QEMU's process to end by itself first; here there is none. */
static void run_destroy(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);

	if (vm)
		report(vm, "destroy", vm_destroy(vm), "destroyed");
}

static void run_reset(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);

	if (vm)
		report(vm, "reset", vm_reset(vm), "was reset");
}

static void run_suspend(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);

	if (vm)
		report(vm, "suspend", vm_suspend(vm), "suspended");
}

static void run_resume(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);

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
static struct vm *define_transient(const char *file)
{
	static struct config_error error;
	struct vm_config *config;
	struct module module;
	struct vm *vm = NULL;
	const char *failure;

	if (!module_find(file, &module)) {
		shell_error("Failed to open file '%s': No such file or directory", file);
		return NULL;
	}
	failure = sums_check(&module);
	if (failure) {
		shell_failure(failure, "Failed to create domain from %s", file);
		return NULL;
	}
	config = config_parse(file, (const char *)module.data, module.size, &error);
	config_each_line(&error.notes, print_note);
	failure = config ? vm_define(config, &vm) : "";
	if (!failure)
		return vm;
	shell_error("Failed to create domain from %s", file);
	config_each_line(&error.refusals, print_error);
	if (*failure)
		shell_error("%s", failure);
	return NULL;
}

/* Its description goes when the guest ends. */
static void run_create(const struct args *args)
{
	const char *file = args_text(args, "file");
	struct vm *vm = machine_ends() ? NULL : define_transient(file);
	const char *failure;

	if (!vm)
		return;
	vm->transient = true;
	failure = args_flag(args, "paused") ? vm_start_paused(vm) : vm_start(vm);
	if (failure) {
		shell_failure(failure, "Failed to create domain from %s", file);
		vm_undefine(vm); /* or its end does */
		return;
	}
	term_printf("Domain '%s' created from %s\n", vm->name, file);
	if (args_flag(args, "console"))
		connect(vm, guest_console_default(vm));
}

static void run_inject_nmi(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);
	const char *failure = vm ? vm_nmi(vm) : NULL;

	if (failure)
		shell_error("%s", failure);
}

static void put_text(void *context, const char *text)
{
	(void)context;
	term_write(text, strlen(text));
}

/* The text may come from anywhere: the terminal gets no control characters. */
static void put_bytes(void *context, const char *text, size_t bytes)
{
	(void)context;
	for (size_t i = 0; i < bytes; i++) {
		bool plain = (uint8_t)text[i] >= ' ' || text[i] == '\n' || text[i] == '\t';

		term_write(plain ? &text[i] : "?", 1);
	}
}

/* A description that is refused is shown as it was given. */
static void run_dumpxml(const struct args *args)
{
	const char *name = args_text(args, "domain");
	struct vm *vm;

	if (refused_guest(name) && !vm_find(name)) {
		refused_guest_text(name, put_bytes, NULL);
		return;
	}
	vm = shell_domain_of(args);
	if (vm)
		domain_document(vm, args_flag(args, "inactive"), args_flag(args, "security-info"),
				put_text, NULL);
}

/* --devname; false after a message. */
static bool console_choice(const struct vm *vm, const char *name, enum console_device *device)
{
	if (guest_console_named(vm, name, device))
		return true;
	shell_error("cannot find console device '%s'", name);
	return false;
}

static void run_console(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);
	enum console_device device;

	if (!vm || !console_choice(vm, args_text(args, "devname"), &device))
		return;
	if (args_flag(args, "log"))
		console_log(vm, device);
	else if (vm->run == VM_OFF)
		shell_error("The domain is not running");
	else
		connect(vm, device);
}

static const struct arg domain_args[] = {ARG_ANY_DOMAIN, ARG_END};

static const struct arg console_args[] = {
	ARG_ANY_DOMAIN,
	{"devname", ARG_TEXT, ARG_OPTIONAL, "character device name"},
	{"force", ARG_FLAG, ARG_OPTIONAL,
	 "force console connection (disconnect already connected sessions)"},
	{"safe", ARG_FLAG, ARG_OPTIONAL, "only connect if safe console handling is supported"},
	{"log", ARG_FLAG, ARG_OPTIONAL, "print what is kept of the console, and do not connect"},
	ARG_END,
};

static const struct arg create_args[] = {
	{"file", ARG_TEXT, ARG_REQUIRED, "file containing an XML domain description"},
	{"console", ARG_FLAG, ARG_OPTIONAL, "attach to console after creation"},
	{"paused", ARG_FLAG, ARG_OPTIONAL, "leave the guest paused after creation"},
	{"validate", ARG_FLAG, ARG_OPTIONAL, "validate the XML against the schema"},
	ARG_END,
};

static const struct arg destroy_args[] = {
	ARG_ANY_DOMAIN,
	{"graceful", ARG_FLAG, ARG_OPTIONAL, "terminate gracefully"},
	{"remove-logs", ARG_FLAG, ARG_OPTIONAL, "remove domain logs"},
	ARG_END,
};

static const struct arg dumpxml_args[] = {
	ARG_ANY_DOMAIN,
	{"inactive", ARG_FLAG, ARG_OPTIONAL, "show inactive defined XML"},
	{"security-info", ARG_FLAG, ARG_OPTIONAL,
	 "include security sensitive information in XML dump"},
	{"update-cpu", ARG_FLAG, ARG_OPTIONAL, "update guest CPU according to host CPU"},
	{"migratable", ARG_FLAG, ARG_OPTIONAL, "provide XML suitable for migrations"},
	ARG_END,
};

static const struct arg mode_args[] = {
	ARG_ANY_DOMAIN,
	{"mode", ARG_TEXT, ARG_OPTIONAL, "shutdown mode: acpi|agent|initctl|signal|paravirt"},
	ARG_END,
};

static const struct arg start_args[] = {
	ARG_DOMAIN("name of the inactive domain"),
	{"console", ARG_FLAG, ARG_OPTIONAL, "attach to console after creation"},
	{"paused", ARG_FLAG, ARG_OPTIONAL, "leave the guest paused after creation"},
	{"bypass-cache", ARG_FLAG, ARG_OPTIONAL, "avoid file system cache when loading"},
	{"force-boot", ARG_FLAG, ARG_OPTIONAL, "force fresh boot by discarding any managed save"},
	ARG_END,
};

const struct shell_command shell_domain_commands[] = {
	{"console", SHELL_DOMAIN, COMPLETE_DOMAIN, "connect to the guest console",
	 "Connect the virtual serial console for the guest", console_args, run_console},
	{"create", SHELL_DOMAIN, COMPLETE_NONE, "create a domain from an XML file",
	 "Create a domain.", create_args, run_create},
	{"destroy", SHELL_DOMAIN, COMPLETE_DOMAIN, "destroy (stop) a domain",
	 "Forcefully stop a given domain, but leave its resources intact.", destroy_args,
	 run_destroy},
	{"dumpxml", SHELL_DOMAIN, COMPLETE_DOMAIN, "domain information in XML",
	 "Output the domain information as an XML dump to stdout.", dumpxml_args, run_dumpxml},
	{"inject-nmi", SHELL_DOMAIN, COMPLETE_DOMAIN, "Inject NMI to the guest",
	 "Inject NMI to the guest domain.", domain_args, run_inject_nmi},
	{"reboot", SHELL_DOMAIN, COMPLETE_DOMAIN, "reboot a domain",
	 "Run a reboot command in the target domain.", mode_args, run_reboot},
	{"reset", SHELL_DOMAIN, COMPLETE_DOMAIN, "reset a domain",
	 "Reset the target domain as if by power button", domain_args, run_reset},
	{"resume", SHELL_DOMAIN, COMPLETE_DOMAIN, "resume a domain",
	 "Resume a previously suspended domain.", domain_args, run_resume},
	{"shutdown", SHELL_DOMAIN, COMPLETE_DOMAIN, "gracefully shutdown a domain",
	 "Run shutdown in the target domain.", mode_args, run_shutdown},
	{"start", SHELL_DOMAIN, COMPLETE_DOMAIN, "start a (previously defined) inactive domain",
	 "Start a domain, either from the last managedsave\n"
	 "    state, or via a fresh boot if no managedsave state\n"
	 "    is present.",
	 start_args, run_start},
	{"suspend", SHELL_DOMAIN, COMPLETE_DOMAIN, "suspend a domain", "Suspend a running domain.",
	 domain_args, run_suspend},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
