/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs that tell about guests' disks and interfaces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/mac.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/attach.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/net/switch.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"

typedef unsigned long long llu;

/* The figures of a disk, or of all of them with an empty name, in virsh's order and words. */
static void print_block(const char *name, const struct virtio_blk_stats *s, bool human)
{
	const struct {
		const char *word, *text;
		uint64_t value;
	} figure[] = {
		{"rd_req", "number of read operations:", s->reads},
		{"rd_bytes", "number of bytes read:", s->read_bytes},
		{"wr_req", "number of write operations:", s->writes},
		{"wr_bytes", "number of bytes written:", s->written_bytes},
		{"errs", "error count:", s->errors},
		{"flush_operations", "number of flush operations:", s->flushes},
	};

	if (human)
		term_printf("Device: %s\n", name);
	for (unsigned i = 0; i < sizeof(figure) / sizeof(figure[0]); i++) {
		if (human)
			term_printf(" %-31s %llu\n", figure[i].text, (llu)figure[i].value);
		else
			term_printf("%s %s %llu\n", name, figure[i].word, (llu)figure[i].value);
	}
}

static void add(struct virtio_blk_stats *sum, const struct virtio_blk_stats *s)
{
	sum->reads += s->reads;
	sum->read_bytes += s->read_bytes;
	sum->writes += s->writes;
	sum->written_bytes += s->written_bytes;
	sum->flushes += s->flushes;
	sum->errors += s->errors;
}

/* Returns the index of the disk with that target, -1 if there is none. */
static int find_disk(const struct vm *vm, const char *target)
{
	for (unsigned i = 0; i < vm->config->disks; i++)
		if (!strcmp(target, vm->config->disk[i].target))
			return (int)i;
	return -1;
}

static void run_domblkstat(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);
	const char *target = args_text(args, "device");
	struct virtio_blk_stats sum = {0}, s;
	char why[80];

	if (!vm)
		return;
	snprintf(why, sizeof(why), "%s", vm->id ? "" : shell_not_running);
	if (!*why && target && find_disk(vm, target) < 0)
		snprintf(why, sizeof(why), "invalid argument: invalid path: %.32s", target);
	if (*why) {
		shell_failure(why, "Failed to get block stats %s %s", vm->name,
			      target ? target : "");
		return;
	}
	for (unsigned i = 0; i < vm->config->disks; i++)
		if (!target || !strcmp(target, vm->config->disk[i].target))
			if (virtio_blk_stats(vm, i, &s))
				add(&sum, &s);
	print_block(target ? target : "", &sum, args_flag(args, "human"));
}

/* The description of the present run, or with --inactive of the next start; NULL: no guest. */
static const struct vm_config *described(const struct vm *vm, const struct args *args)
{
	if (!vm)
		return NULL;
	return args_flag(args, "inactive") ? vm_next_config(vm) : vm->config;
}

static void run_domblklist(const struct args *args)
{
	static const char *const header[] = {"Type", "Device", "Target", "Source"};
	unsigned first = args_flag(args, "details") ? 0 : 2;
	const struct vm_config *config = described(shell_domain_of(args), args);
	struct table table;

	if (!config)
		return;
	table_start(&table, 4 - first, header + first);
	for (unsigned i = 0; i < config->disks; i++) {
		const struct config_disk *disk = &config->disk[i];
		const char *source = disk->volume ? strrchr(disk->source, '/') + 1 : disk->source;
		const char *type = disk->volume ? "volume" : disk->file ? "file" : "block";
		const char *const cell[] = {type, "disk", disk->target, source};

		table_row(&table, cell + first);
	}
	table_end(&table, shell_line);
}

/* Writes "1.000 GiB" if a person reads it, else bytes. */
static void size_text(char text[32], uint64_t bytes, bool human)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	uint64_t whole = bytes, rest = 0;
	unsigned u = 0;

	while (human && whole >= 1024) {
		rest = whole % 1024;
		whole /= 1024;
		u++;
	}
	if (human)
		snprintf(text, 32, "%llu.%03llu %s", (llu)whole, (llu)(rest * 1000 / 1024),
			 unit[u]);
	else
		snprintf(text, 32, "%llu", (llu)bytes);
}

/* A guest's disk is a whole device or partition, so its allocation is its capacity. */
static void print_sizes(const struct vm *vm, bool human)
{
	static const char *const header[] = {"Target", "Capacity", "Allocation", "Physical"};
	struct table table;
	char size[32];

	table_start(&table, 4, header);
	for (unsigned i = 0; i < vm->config->disks; i++) {
		size_text(size, stats_disk_bytes(vm, i), human);
		table_row(&table,
			  (const char *const[]){vm->config->disk[i].target, size, size, size});
	}
	table_end(&table, shell_line);
}

static void run_domblkinfo(const struct args *args)
{
	const char *target = args_text(args, "device");
	bool human = args_flag(args, "human");
	struct vm *vm = shell_domain_of(args);
	char size[32];
	int disk;

	if (!vm)
		return;
	if (args_flag(args, "all")) {
		print_sizes(vm, human);
		return;
	}
	if (!target) {
		shell_error("command 'domblkinfo' requires <device> option");
		return;
	}
	disk = find_disk(vm, target);
	if (disk < 0) {
		shell_error("invalid argument: invalid path %s not assigned to domain", target);
		return;
	}
	size_text(size, stats_disk_bytes(vm, (unsigned)disk), human);
	term_printf("%-15s %s\n%-15s %s\n%-15s %s\n", "Capacity:", size, "Allocation:", size,
		    "Physical:", size);
}

/* virsh repeats the name that the operator has typed. A cable of memory has no errors. */
static void print_nic(const char *name, const struct virtio_net_stats *s)
{
	const struct {
		const char *word;
		uint64_t value;
	} figure[] = {
		{"rx_bytes", s->rx_bytes},
		{"rx_packets", s->rx_frames},
		{"rx_errs", 0},
		{"rx_drop", s->rx_dropped},
		{"tx_bytes", s->tx_bytes},
		{"tx_packets", s->tx_frames},
		{"tx_errs", 0},
		{"tx_drop", s->tx_dropped},
	};

	for (unsigned i = 0; i < sizeof(figure) / sizeof(figure[0]); i++)
		term_printf("%s %s %llu\n", name, figure[i].word, (llu)figure[i].value);
}

static void run_domifstat(const struct args *args)
{
	const char *name = args_text(args, "interface");
	struct vm *vm = shell_domain_of(args);
	struct virtio_net_stats s;
	char why[96];
	int nic;

	if (!vm)
		return;
	nic = stats_nic_find(vm->config, name);
	snprintf(why, sizeof(why), "%s", vm->id ? "" : shell_not_running);
	if (!*why && (nic < 0 || !virtio_net_stats(vm, (unsigned)nic, &s)))
		snprintf(why, sizeof(why), "invalid argument: '%.32s' is not a known interface",
			 name);
	if (*why)
		shell_failure(why, "Failed to get interface stats %s %s", vm->name, name);
	else
		print_nic(name, &s);
}

static void run_domiflist(const struct args *args)
{
	static const char *const header[] = {"Interface", "Type", "Source", "Model", "MAC"};
	const struct vm_config *config = described(shell_domain_of(args), args);
	char name[STATS_NIC_NAME], mac[MAC_TEXT];
	struct table table;

	if (!config)
		return;
	table_start(&table, 5, header);
	for (unsigned i = 0; i < config->nics; i++) {
		stats_nic_name(name, config, i);
		mac_text(mac, config->nic[i].mac);
		table_row(&table, (const char *const[]){name, "bridge", config->nic[i].source,
							"virtio", mac});
	}
	table_end(&table, shell_line);
}

/* libvirt changes the cable of an active guest, else that of the description. */
static bool set_link(struct vm *vm, unsigned nic, bool up, bool config)
{
	if (vm->id && !config)
		return !attach_link(vm, nic, up);
	vm_next_config(vm)->nic[nic].link_down = !up;
	return true;
}

static void run_domif_setlink(const struct args *args)
{
	const char *name = args_text(args, "interface"), *state = args_text(args, "state");
	struct vm *vm = shell_domain_of(args);
	bool up = !strcmp(state, "up"), next = args_flag(args, "config");
	const struct vm_config *config;
	int nic;

	if (!vm)
		return;
	config = next ? vm_next_config(vm) : vm->config;
	nic = stats_nic_find(config, name);
	if (!up && strcmp(state, "down") != 0)
		shell_error("invalid link state '%s'", state);
	else if (!config->nics)
		shell_error("Failed to extract interface information or no interfaces found");
	else if (nic < 0)
		shell_error("interface '%s' not found", name);
	else if (!set_link(vm, (unsigned)nic, up, next))
		shell_error("Failed to update interface link state");
	else
		term_printf("Device updated successfully\n");
}

/* The address that the guest has told by ARP; 0: none yet. */
static uint32_t address_of(const uint8_t mac[6])
{
	for (const struct net_port *port = switch_first(); port; port = port->next)
		if (!memcmp(port->mac, mac, 6))
			return port->ipv4;
	return 0;
}

static void print_address(const struct vm *vm, unsigned nic)
{
	const uint8_t *at = vm->config->nic[nic].mac;
	uint32_t address = address_of(at);
	char name[STATS_NIC_NAME], mac[MAC_TEXT];

	if (!address)
		return;
	stats_nic_name(name, vm->config, nic);
	mac_text(mac, at);
	term_printf(" %-10s %-20s %-12s %u.%u.%u.%u/0\n", name, mac, "ipv4", address >> 24,
		    address >> 16 & 255, address >> 8 & 255, address & 255);
}

/* The switch hears ARP alone: there are no leases, no agent, and no length of a network's part. */
static bool is_source(const char *source)
{
	if (!source || !strcmp(source, "arp") || !strcmp(source, "lease"))
		return true;
	if (strcmp(source, "agent") != 0)
		shell_error("Unknown data source '%s'", source);
	else
		shell_failure("argument unsupported: there is no guest agent",
			      "Failed to query for interfaces addresses");
	return false;
}

static void run_domifaddr(const struct args *args)
{
	const char *wanted = args_text(args, "interface");
	struct vm *vm = shell_domain_of(args);

	if (!vm || !is_source(args_text(args, "source")))
		return;
	if (!vm->id) {
		shell_failure(shell_not_running, "Failed to query for interfaces addresses");
		return;
	}
	term_printf(" %-10s %-20s %-8s     %s\n%s%s\n", "Name", "MAC address", "Protocol",
		    "Address", "----------------------------------------",
		    "---------------------------------------");
	for (unsigned i = 0; i < vm->config->nics; i++)
		if (!wanted || stats_nic_find(vm->config, wanted) == (int)i)
			print_address(vm, i);
}

/* All interfaces are on the one switch, whatever their networks are called. */
static bool shows_network(const struct args *args)
{
	bool active = args_flag(args, "all") || !args_flag(args, "inactive");
	bool kind = args_flag(args, "persistent") || !args_flag(args, "transient");
	bool mark = args_flag(args, "autostart") || !args_flag(args, "no-autostart");

	return active && kind && mark;
}

static void run_net_list(const struct args *args)
{
	static const char *const header[] = {"Name", "State", "Autostart", "Persistent"};
	bool name = args_flag(args, "name");
	struct table table;

	if (name && args_flag(args, "table")) {
		shell_error("Only one argument from --table, --name and --uuid may be specified.");
		return;
	}
	if (name) {
		term_printf("%s", shows_network(args) ? NETWORK_NAME "\n" : "");
		return;
	}
	table_start(&table, 4, header);
	if (shows_network(args))
		table_row(&table, (const char *const[]){NETWORK_NAME, "active", "yes", "yes"});
	table_end(&table, shell_line);
}

static const struct arg domblkinfo_args[] = {
	ARG_ANY_DOMAIN,
	{"device", ARG_TEXT, ARG_OPTIONAL, "block device"},
	{"human", ARG_FLAG, ARG_OPTIONAL, "Human readable output"},
	{"all", ARG_FLAG, ARG_OPTIONAL, "display all block devices info"},
	ARG_END,
};

#define ARG_INACTIVE                                                     \
	{                                                                \
		"inactive", ARG_FLAG, ARG_OPTIONAL,                      \
			"get inactive rather than running configuration" \
	}

static const struct arg domblklist_args[] = {
	ARG_ANY_DOMAIN,
	ARG_INACTIVE,
	{"details", ARG_FLAG, ARG_OPTIONAL, "additionally display the type and device value"},
	ARG_END,
};

static const struct arg domblkstat_args[] = {
	ARG_ANY_DOMAIN,
	{"device", ARG_TEXT, ARG_OPTIONAL, "block device"},
	{"human", ARG_FLAG, ARG_OPTIONAL, "print a more human readable output"},
	ARG_END,
};

static const struct arg setlink_args[] = {
	ARG_ANY_DOMAIN,
	{"interface", ARG_TEXT, ARG_REQUIRED, "interface device (MAC Address)"},
	{"state", ARG_TEXT, ARG_REQUIRED, "new state of the device"},
	{"config", ARG_FLAG, ARG_OPTIONAL, "affect next boot"},
	ARG_END,
};

static const struct arg domifaddr_args[] = {
	ARG_ANY_DOMAIN,
	{"interface", ARG_TEXT, ARG_OPTIONAL, "network interface name"},
	{"full", ARG_FLAG, ARG_OPTIONAL, "always display names and MACs of interfaces"},
	{"source", ARG_TEXT, ARG_OPTIONAL, "address source: 'lease', 'agent', or 'arp'"},
	ARG_END,
};

static const struct arg domiflist_args[] = {ARG_ANY_DOMAIN, ARG_INACTIVE, ARG_END};

static const struct arg domifstat_args[] = {
	ARG_ANY_DOMAIN,
	{"interface", ARG_TEXT, ARG_REQUIRED, "interface device specified by name or MAC Address"},
	ARG_END,
};

static const struct arg net_list_args[] = {
	{"inactive", ARG_FLAG, ARG_OPTIONAL, "list inactive networks"},
	{"all", ARG_FLAG, ARG_OPTIONAL, "list inactive & active networks"},
	{"persistent", ARG_FLAG, ARG_OPTIONAL, "list persistent networks"},
	{"transient", ARG_FLAG, ARG_OPTIONAL, "list transient networks"},
	{"autostart", ARG_FLAG, ARG_OPTIONAL, "list networks with autostart enabled"},
	{"no-autostart", ARG_FLAG, ARG_OPTIONAL, "list networks with autostart disabled"},
	{"name", ARG_FLAG, ARG_OPTIONAL, "list network names only"},
	{"table", ARG_FLAG, ARG_OPTIONAL, "list table (default)"},
	ARG_END,
};

const struct shell_command shell_device_commands[] = {
	{"domblkinfo", SHELL_MONITOR, COMPLETE_DOMAIN, "domain block device size information",
	 "Get block device size info for a domain.", domblkinfo_args, run_domblkinfo},
	{"domblklist", SHELL_MONITOR, COMPLETE_DOMAIN, "list all domain blocks",
	 "Get the summary of block devices for a domain.", domblklist_args, run_domblklist},
	{"domblkstat", SHELL_MONITOR, COMPLETE_DOMAIN, "get device block stats for a domain",
	 "Get device block stats for a running domain. See man page or use --human for explanation "
	 "of fields",
	 domblkstat_args, run_domblkstat},
	{"domif-setlink", SHELL_DOMAIN, COMPLETE_DOMAIN, "set link state of a virtual interface",
	 "Set link state of a domain's virtual interface. This command wraps usage of "
	 "update-device "
	 "command.",
	 setlink_args, run_domif_setlink},
	{"domifaddr", SHELL_MONITOR, COMPLETE_DOMAIN,
	 "Get network interfaces' addresses for a running domain",
	 "Get network interfaces' addresses for a running domain", domifaddr_args, run_domifaddr},
	{"domiflist", SHELL_MONITOR, COMPLETE_DOMAIN, "list all domain virtual interfaces",
	 "Get the summary of virtual interfaces for a domain.", domiflist_args, run_domiflist},
	{"domifstat", SHELL_MONITOR, COMPLETE_DOMAIN, "get network interface stats for a domain",
	 "Get network interface stats for a running domain.", domifstat_args, run_domifstat},
	{"net-list", SHELL_NETWORK, COMPLETE_NONE, "list networks", "Returns list of networks.",
	 net_list_args, run_net_list},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
