/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs by which disks and interfaces come to a running guest and leave it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/mac.h"
#include "guests/dom0/base/xml.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"

#define XML_BYTES 4096u
#define LOOK_NS   20000000u
#define WAIT_NS   10000000000ull /* for a guest to give a device up */

/* A description of one device, which the parser of descriptions reads as any other. */
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

/* Returns a description with that device alone, or NULL after messages. */
static struct vm_config *parse(struct text *device)
{
	struct config_error *error = malloc(sizeof(*error));
	struct text *text = malloc(sizeof(*text));
	struct vm_config *config = NULL;

	if (error && text) {
		text->used = 0;
		put(text,
		    "<domain type='sampo'><name>device</name><memory>2048</memory><os>"
		    "<type>hvm</type><kernel>none</kernel></os><devices>%s</devices></domain>",
		    device->xml);
		config = config_parse("device", text->xml, strlen(text->xml), error);
		if (!config)
			config_each_line(&error->refusals, print_error);
	} else {
		shell_error("dom0 is out of memory");
	}
	free(error);
	free(text);
	return config;
}

/* The guest of the line, which must run; NULL after a message that begins with `fault`. */
static struct vm *running_domain(const struct args *args, const char *fault)
{
	struct vm *vm;

	if (!shell_not_both(args, "current", "live") || !shell_not_both(args, "current", "config"))
		return NULL;
	vm = shell_domain_of(args);
	if (!vm)
		return NULL;
	if (args_flag(args, "config") || args_flag(args, "persistent")) {
		shell_failure("Operation not supported: a change of the description is not kept; "
			      "--live changes the running guest",
			      "%s", fault);
		return NULL;
	}
	if (vm->id)
		return vm;
	shell_failure(shell_not_running, "%s", fault);
	return NULL;
}

/* --- attach ------------------------------------------------------------------------------------
 */

static void end_attach(const char *wrong, const char *what)
{
	if (wrong)
		shell_failure(wrong, "Failed to attach %s", what);
	else
		term_printf("%c%s attached successfully\n\n", *what - 'a' + 'A', what + 1);
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
	struct vm *vm = running_domain(args, "Failed to attach disk");
	struct vm_config *config;
	struct text text = {0};

	if (!vm)
		return;
	if (mode && strcmp(mode, "readonly") != 0 && strcmp(mode, "shareable") != 0) {
		shell_error("No support for %s in command 'attach-disk'", mode);
		return;
	}
	describe_disk(&text, args);
	config = parse(&text);
	if (!config)
		return;
	end_attach(virtio_plug_disk(vm, &config->disk[0]), "disk");
	config_free(config);
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

/* As libvirt does: three bytes behind QEMU's prefix. */
static void random_mac(uint8_t mac[6])
{
	static const uint8_t prefix[3] = {0x52, 0x54, 0x00};

	memcpy(mac, prefix, sizeof(prefix));
	do
		arc4random_buf(mac + 3, 3);
	while (vm_find_mac(mac, NULL));
}

static void run_attach_interface(const struct args *args)
{
	struct vm *vm = running_domain(args, "Failed to attach interface");
	struct vm_config *config;
	struct text text = {0};

	if (!vm)
		return;
	describe_nic(&text, args);
	config = parse(&text);
	if (!config)
		return;
	if (config->nics) {
		if (!args_text(args, "mac"))
			random_mac(config->nic[0].mac);
		end_attach(virtio_plug_nic(vm, &config->nic[0]), "interface");
	} else {
		shell_error("Failed to attach interface: a function of the machine comes with the "
			    "guest's start alone");
	}
	config_free(config);
}

/* --- detach ------------------------------------------------------------------------------------
 */

/* The device that shall go: of the disk its target, of the interface its address. */
static struct {
	char domain[64], what[16];
	struct config_disk disk;
	struct config_nic nic;
	uint32_t type;
	uint64_t deadline;
} detach;

static bool is_there(const struct vm *vm)
{
	const struct vm_config *config = vm->config;

	for (uint32_t i = 0; detach.type == VIRTIO_BLK && i < config->disks; i++)
		if (!strcmp(config->disk[i].target, detach.disk.target))
			return true;
	for (uint32_t i = 0; detach.type == VIRTIO_NET && i < config->nics; i++)
		if (!memcmp(config->nic[i].mac, detach.nic.mac, 6))
			return true;
	return false;
}

static bool wait_for_detach(bool cancel)
{
	const struct vm *vm = vm_find_name(detach.domain);

	if (!vm || !vm->id || !is_there(vm)) {
		term_printf("%c%s detached successfully\n\n", *detach.what - 'a' + 'A',
			    detach.what + 1);
		return false;
	}
	if (!cancel && clock_ns() < detach.deadline)
		return true;
	shell_failure("the guest has not given it up yet: it goes when the guest does so or starts "
		      "again",
		      "Failed to detach %s", detach.what);
	return false;
}

static void begin_detach(struct vm *vm, uint32_t type, unsigned ordinal)
{
	const char *wrong = virtio_unplug(vm, type, ordinal);

	detach.type = type;
	snprintf(detach.what, sizeof(detach.what), "%s", type == VIRTIO_BLK ? "disk" : "interface");
	snprintf(detach.domain, sizeof(detach.domain), "%s", vm->name);
	detach.deadline = clock_ns() + WAIT_NS;
	if (wrong)
		shell_failure(wrong, "Failed to detach %s", detach.what);
	else
		shell_job(wait_for_detach, LOOK_NS);
}

static void run_detach_disk(const struct args *args)
{
	struct vm *vm = running_domain(args, "Failed to detach disk");
	const char *target = args_text(args, "target");

	for (unsigned i = 0; vm && i < vm->config->disks; i++) {
		const struct config_disk *disk = &vm->config->disk[i];

		if (strcmp(disk->target, target) != 0 && strcmp(disk->source, target) != 0)
			continue;
		detach.disk = *disk;
		begin_detach(vm, VIRTIO_BLK, i);
		return;
	}
	if (vm)
		shell_error("No disk found whose source path or target is %s", target);
}

static void run_detach_interface(const struct args *args)
{
	struct vm *vm = running_domain(args, "Failed to detach interface");
	const char *mac = args_text(args, "mac");
	uint8_t wanted[MAC_BYTES];

	if (vm && !mac && vm->config->nics > 1) {
		shell_error("Domain has %u interfaces. Please specify which one to detach using "
			    "--mac",
			    (unsigned)vm->config->nics);
		return;
	}
	for (unsigned i = 0; vm && i < vm->config->nics; i++) {
		if (mac && (!mac_parse(mac, wanted) ||
			    memcmp(vm->config->nic[i].mac, wanted, MAC_BYTES) != 0))
			continue;
		detach.nic = vm->config->nic[i];
		begin_detach(vm, VIRTIO_NET, i);
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
