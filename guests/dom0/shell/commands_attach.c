/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs by which disks and interfaces come to a guest and leave it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/mac.h"
#include "guests/dom0/base/xml.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/attach.h"
#include "guests/dom0/manage/tune.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/vm/vm.h"

#define XML_BYTES 4096u
#define LOOK_NS   5000000u

/* The change at work. */
static struct {
	bool ended;
	char done[48], fault[48];
	char why[320];
} job;

/* A description of one device. */
struct text {
	char xml[XML_BYTES];
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	size_t room = sizeof(text->xml) - text->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->xml + text->used, room, format, args);
	va_end(args);
	text->used += n < 0 || (size_t)n >= room ? room - 1 : (size_t)n;
}

/* Text that the operator has typed. */
static void put_escaped(struct text *text, const char *value)
{
	text->used +=
		strlen(xml_escape(text->xml + text->used, sizeof(text->xml) - text->used, value));
}

static void put_attribute(struct text *text, const char *name, const char *value)
{
	if (!value)
		return;
	put(text, " %s='", name);
	put_escaped(text, value);
	put(text, "'");
}

static void print_error(const char *line)
{
	shell_error("%s", line);
}

static void ended(void *context, struct vm *vm, const char *wrong, const char *note)
{
	(void)context;
	(void)vm;
	(void)note;
	job.ended = true;
	snprintf(job.why, sizeof(job.why), "%s", wrong ? wrong : "");
}

/* ^C gives the shell back; a change that has begun goes on to its end. */
static bool wait_for_end(bool cancel)
{
	if (cancel)
		term_printf("The change goes on.\n");
	if (cancel || !job.ended)
		return !cancel;
	if (*job.why)
		shell_failure(job.why, "%s", job.fault);
	else
		term_printf("%s\n\n", job.done);
	return false;
}

/* Without an option virsh makes the older call, which is about the guest that runs. */
static unsigned affects(const struct args *args, const struct vm *vm)
{
	bool persistent = args_flag(args, "persistent");
	unsigned affects = TUNE_CURRENT;

	if (args_flag(args, "live") || (persistent && vm->id))
		affects |= TUNE_LIVE;
	if (args_flag(args, "config") || persistent)
		affects |= TUNE_CONFIG;
	return affects || args_flag(args, "current") ? affects : TUNE_LIVE;
}

/* `what`: "disk" or "interface". */
static void change(const struct args *args, struct vm *vm, enum attach_action action,
		   const char *what, const struct text *device)
{
	static struct config_error error;
	bool detach = action == ATTACH_DETACH;
	const char *wrong;

	job.ended = false;
	snprintf(job.done, sizeof(job.done), "%c%s %s successfully", *what - 'a' + 'A', what + 1,
		 detach ? "detached" : "attached");
	snprintf(job.fault, sizeof(job.fault), "Failed to %s %s", detach ? "detach" : "attach",
		 what);
	wrong = attach_change(vm, action, device->xml, device->used, affects(args, vm), &error,
			      ended, NULL);
	if (wrong && !*wrong)
		config_each_line(&error.refusals, print_error);
	else if (wrong)
		shell_failure(wrong, "%s", job.fault);
	else if (!job.ended || wait_for_end(false))
		shell_job(wait_for_end, LOOK_NS);
}

/* The guest of the line; NULL after a message. */
static struct vm *domain_of(const struct args *args)
{
	if (!shell_not_both(args, "current", "live") || !shell_not_both(args, "current", "config"))
		return NULL;
	return shell_domain_of(args);
}

/* The description that the change is about. */
static const struct vm_config *config_of(const struct args *args, const struct vm *vm)
{
	if (vm->id && affects(args, vm) != TUNE_CONFIG)
		return vm->config;
	return vm->next_config ? vm->next_config : vm_own_config(vm);
}

/* As in virsh a source that is no device is a file. */
static const char *source_type(const struct args *args)
{
	const char *source = args_text(args, "source"), *type = args_text(args, "sourcetype");

	if (type)
		return type;
	return *source != '/' || !strncmp(source, "/dev/", 5) ? "block" : "file";
}

static void describe_disk(struct text *text, const struct args *args)
{
	const char *type = source_type(args), *mode = args_text(args, "mode");
	const char *serial = args_text(args, "serial");

	put(text, "<disk device='disk'");
	put_attribute(text, "type", type);
	put(text, "><driver name='sampo'");
	put_attribute(text, "type", args_text(args, "subdriver"));
	put_attribute(text, "cache", args_text(args, "cache"));
	put_attribute(text, "io", args_text(args, "io"));
	put(text, "/><source");
	put_attribute(text, strcmp(type, "file") ? "dev" : "file", args_text(args, "source"));
	put(text, "/><target");
	put_attribute(text, "dev", args_text(args, "target"));
	put_attribute(text, "bus", args_text(args, "targetbus"));
	put(text, "/>");
	if (mode && !strcmp(mode, "readonly"))
		put(text, "<readonly/>");
	else if (mode)
		put(text, "<shareable/>");
	if (serial) {
		put(text, "<serial>");
		put_escaped(text, serial);
		put(text, "</serial>");
	}
	put(text, "</disk>");
}

static void run_attach_disk(const struct args *args)
{
	const char *mode = args_text(args, "mode");
	struct vm *vm = domain_of(args);
	struct text text = {.used = 0};

	if (!vm)
		return;
	if (mode && strcmp(mode, "readonly") != 0 && strcmp(mode, "shareable") != 0) {
		shell_error("No support for %s in command 'attach-disk'", mode);
		return;
	}
	describe_disk(&text, args);
	change(args, vm, ATTACH_DEVICE, "disk", &text);
}

static void describe_nic(struct text *text, const struct args *args)
{
	const char *type = args_text(args, "type"), *mac = args_text(args, "mac");

	put(text, "<interface");
	put_attribute(text, "type", type);
	put(text, "><source");
	put_attribute(text, strcmp(type, "network") ? "bridge" : "network",
		      args_text(args, "source"));
	put(text, "/>");
	if (mac) {
		put(text, "<mac");
		put_attribute(text, "address", mac);
		put(text, "/>");
	}
	if (args_text(args, "target")) {
		put(text, "<target");
		put_attribute(text, "dev", args_text(args, "target"));
		put(text, "/>");
	}
	if (args_text(args, "model")) {
		put(text, "<model");
		put_attribute(text, "type", args_text(args, "model"));
		put(text, "/>");
	}
	put(text, "</interface>");
}

static void run_attach_interface(const struct args *args)
{
	struct vm *vm = domain_of(args);
	struct text text = {.used = 0};

	if (!vm)
		return;
	describe_nic(&text, args);
	change(args, vm, ATTACH_DEVICE, "interface", &text);
}

static void run_detach_disk(const struct args *args)
{
	struct vm *vm = domain_of(args);
	const char *target = args_text(args, "target");
	const struct vm_config *config = vm ? config_of(args, vm) : NULL;
	struct text text = {.used = 0};

	for (unsigned i = 0; vm && i < config->disks; i++) {
		const struct config_disk *disk = &config->disk[i];

		if (strcmp(disk->target, target) != 0 && strcmp(disk->source, target) != 0)
			continue;
		put(&text, "<disk type='block' device='disk'><source dev='none'/><target");
		put_attribute(&text, "dev", disk->target);
		put(&text, " bus='virtio'/></disk>");
		change(args, vm, ATTACH_DETACH, "disk", &text);
		return;
	}
	if (vm)
		shell_error("No disk found whose source path or target is %s", target);
}

static void run_detach_interface(const struct args *args)
{
	struct vm *vm = domain_of(args);
	const char *mac = args_text(args, "mac");
	uint8_t wanted[MAC_BYTES];
	char found[MAC_TEXT];
	const struct vm_config *config = vm ? config_of(args, vm) : NULL;
	struct text text = {.used = 0};

	if (vm && !mac && config->nics > 1) {
		shell_error("Domain has %u interfaces. Please specify which one to detach using "
			    "--mac",
			    (unsigned)config->nics);
		return;
	}
	for (unsigned i = 0; vm && i < config->nics; i++) {
		if (mac &&
		    (!mac_parse(mac, wanted) || memcmp(config->nic[i].mac, wanted, MAC_BYTES) != 0))
			continue;
		put(&text,
		    "<interface type='bridge'><mac address='%s'/><source bridge='none'/>"
		    "</interface>",
		    mac_text(found, config->nic[i].mac));
		change(args, vm, ATTACH_DETACH, "interface", &text);
		return;
	}
	if (vm && mac)
		shell_error("No interface with MAC address %s was found", mac);
	else if (vm)
		shell_error("No interface found whose type is %s", args_text(args, "type"));
}

#define ARG_PERSISTENT                                                         \
	{"persistent", ARG_FLAG, ARG_OPTIONAL, "make live change persistent"}, \
		{"config", ARG_FLAG, ARG_OPTIONAL, "affect next boot"},        \
		{"live", ARG_FLAG, ARG_OPTIONAL, "affect running domain"},     \
	{                                                                      \
		"current", ARG_FLAG, ARG_OPTIONAL, "affect current domain"     \
	}

static const struct arg attach_disk_args[] = {
	ARG_ANY_DOMAIN,
	{"source", ARG_TEXT, ARG_REQUIRED, "source of disk device or name of network disk"},
	{"target", ARG_TEXT, ARG_REQUIRED, "target of disk device"},
	{"targetbus", ARG_TEXT, ARG_OPTIONAL, "target bus of disk device"},
	{"subdriver", ARG_TEXT, ARG_OPTIONAL, "subdriver of disk device"},
	{"cache", ARG_TEXT, ARG_OPTIONAL, "cache mode of disk device"},
	{"io", ARG_TEXT, ARG_OPTIONAL, "io policy of disk device"},
	{"mode", ARG_TEXT, ARG_OPTIONAL, "mode of device reading and writing"},
	{"sourcetype", ARG_TEXT, ARG_OPTIONAL, "type of source (block|file)"},
	{"serial", ARG_TEXT, ARG_OPTIONAL, "serial of disk device"},
	ARG_PERSISTENT,
	ARG_END,
};

static const struct arg detach_disk_args[] = {
	ARG_ANY_DOMAIN,
	{"target", ARG_TEXT, ARG_REQUIRED, "target of disk device"},
	ARG_PERSISTENT,
	ARG_END,
};

static const struct arg attach_interface_args[] = {
	ARG_ANY_DOMAIN,
	{"type", ARG_TEXT, ARG_REQUIRED, "network interface type"},
	{"source", ARG_TEXT, ARG_REQUIRED, "source of network interface"},
	{"target", ARG_TEXT, ARG_OPTIONAL, "target network name"},
	{"mac", ARG_TEXT, ARG_OPTIONAL, "MAC address"},
	{"model", ARG_TEXT, ARG_OPTIONAL, "model type"},
	ARG_PERSISTENT,
	ARG_END,
};

static const struct arg detach_interface_args[] = {
	ARG_ANY_DOMAIN,
	{"type", ARG_TEXT, ARG_REQUIRED, "network interface type"},
	{"mac", ARG_TEXT, ARG_OPTIONAL, "MAC address"},
	ARG_PERSISTENT,
	ARG_END,
};

const struct shell_command shell_attach_commands[] = {
	{"attach-disk", SHELL_DOMAIN, COMPLETE_DOMAIN, "attach disk device",
	 "Attach new disk device.", attach_disk_args, run_attach_disk},
	{"attach-interface", SHELL_DOMAIN, COMPLETE_DOMAIN, "attach network interface",
	 "Attach new network interface.", attach_interface_args, run_attach_interface},
	{"detach-disk", SHELL_DOMAIN, COMPLETE_DOMAIN, "detach disk device", "Detach disk device.",
	 detach_disk_args, run_detach_disk},
	{"detach-interface", SHELL_DOMAIN, COMPLETE_DOMAIN, "detach network interface",
	 "Detach network interface.", detach_interface_args, run_detach_interface},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
