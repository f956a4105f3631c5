/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs that tell about guests' disks and interfaces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config.h"
#include "guests/dom0/net.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm.h"

typedef unsigned long long llu;

#define NETWORK "default" /* the switch */

static void line(const char *text)
{
	term_printf("%s\n", text);
}

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
		{"flush_operations", "number of flush operations:", s->flushes},
		{"errs", "error count:", s->errors},
	};

	if (human)
		term_printf("Device: %s\n", name);
	for (unsigned i = 0; i < sizeof(figure) / sizeof(figure[0]); i++) {
		if (human)
			term_printf(" %-31s %llu\n", figure[i].text, (llu)figure[i].value);
		else
			term_printf("%s %s %llu\n", name, figure[i].word, (llu)figure[i].value);
	}
	term_printf("\n");
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

static void run_domblkstat(int count, char *word[])
{
	bool human = words_option(&count, word, "--human");
	struct vm *vm = shell_active_domain(count, word);
	const char *target = count > 2 ? word[2] : NULL;
	struct virtio_blk_stats sum = {0}, s;
	bool found = !target;

	for (unsigned i = 0; vm && i < vm->config->disks; i++) {
		if (target && strcmp(target, vm->config->disk[i].target))
			continue;
		found = true;
		if (virtio_blk_stats(vm, i, &s))
			add(&sum, &s);
	}
	if (vm && !found) {
		shell_error("Failed to get block stats %s %s", vm->name, target);
		shell_error("invalid argument: invalid path: %s", target);
	} else if (vm) {
		print_block(target ? target : "", &sum, human);
	}
}

static void run_domblklist(int count, char *word[])
{
	static const char *const header[] = {"Type", "Device", "Target", "Source"};
	bool details = words_option(&count, word, "--details");
	unsigned first = details ? 0 : 2;
	struct table table;
	struct vm *vm;

	words_without(&count, word, "--inactive");
	vm = shell_only_domain(count, word);
	if (!vm)
		return;
	table_start(&table, 4 - first, header + first);
	for (unsigned i = 0; i < vm->config->disks; i++) {
		const struct config_disk *disk = &vm->config->disk[i];
		const char *const cell[] = {"block", "disk", disk->target, disk->source};

		table_row(&table, cell + first);
	}
	table_end(&table, line);
}

/* The interface's name: <target dev>, or its number. */
static void nic_name(char *text, size_t size, const struct vm *vm, unsigned nic)
{
	if (*vm->config->nic[nic].target)
		snprintf(text, size, "%s", vm->config->nic[nic].target);
	else
		snprintf(text, size, "%s/%u", vm->name, nic);
}

static void mac_text(char text[18], const uint8_t mac[6])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}

/* An interface by its name or its address. */
static bool is_nic(const struct vm *vm, unsigned nic, const char *wanted)
{
	char name[80], mac[18];

	nic_name(name, sizeof(name), vm, nic);
	mac_text(mac, vm->config->nic[nic].mac);
	return !strcmp(wanted, name) || !strcmp(wanted, mac);
}

static void print_nic(const struct vm *vm, unsigned nic)
{
	struct virtio_net_stats s;
	char name[80];

	if (!virtio_net_stats(vm, nic, &s))
		return;
	nic_name(name, sizeof(name), vm, nic);
	/* A cable of memory has no errors. */
	term_printf("%s rx_bytes %llu\n%s rx_packets %llu\n%s rx_errs 0\n%s rx_drop %llu\n", name,
		    (llu)s.rx_bytes, name, (llu)s.rx_frames, name, name, (llu)s.rx_dropped);
	term_printf("%s tx_bytes %llu\n%s tx_packets %llu\n%s tx_errs 0\n%s tx_drop %llu\n\n", name,
		    (llu)s.tx_bytes, name, (llu)s.tx_frames, name, name, (llu)s.tx_dropped);
}

static void run_domifstat(int count, char *word[])
{
	struct vm *vm = shell_active_domain(count, word);
	bool found = false;

	for (unsigned i = 0; vm && i < vm->config->nics; i++) {
		if (count > 2 && !is_nic(vm, i, word[2]))
			continue;
		print_nic(vm, i);
		found = true;
	}
	if (vm && count > 2 && !found) {
		shell_error("Failed to get interface stats %s %s", vm->name, word[2]);
		shell_error("invalid argument: '%s' is not a known interface", word[2]);
	}
}

static void run_domiflist(int count, char *word[])
{
	static const char *const header[] = {"Interface", "Type", "Source", "Model", "MAC"};
	char name[80], mac[18];
	struct table table;
	struct vm *vm;

	words_without(&count, word, "--inactive");
	vm = shell_only_domain(count, word);
	if (!vm)
		return;
	table_start(&table, 5, header);
	for (unsigned i = 0; i < vm->config->nics; i++) {
		nic_name(name, sizeof(name), vm, i);
		mac_text(mac, vm->config->nic[i].mac);
		table_row(&table, (const char *const[]){name, "bridge", vm->config->nic[i].source,
							"virtio", mac});
	}
	table_end(&table, line);
}

static void run_domif_setlink(int count, char *word[])
{
	struct vm *vm = shell_active_domain(count, word);
	bool up;

	if (!vm)
		return;
	up = !strcmp(word[3], "up");
	if (!up && strcmp(word[3], "down")) {
		shell_error("invalid link state '%s'", word[3]);
		return;
	}
	for (unsigned i = 0; i < vm->config->nics; i++)
		if (is_nic(vm, i, word[2]) && virtio_net_link(vm, i, up)) {
			term_printf("Device updated successfully\n\n");
			return;
		}
	shell_error("interface '%s' not found", word[2]);
}

/* What the guest has said of itself by ARP; 0: nothing yet. */
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
	char name[80], mac[18];

	if (!address)
		return;
	nic_name(name, sizeof(name), vm, nic);
	mac_text(mac, at);
	term_printf(" %-10s %-20s %-12s %u.%u.%u.%u/0\n", name, mac, "ipv4", address >> 24,
		    address >> 16 & 255, address >> 8 & 255, address & 255);
}

/* The switch hears ARP alone: there are no leases, no agent, and no length of a network's part. */
static void run_domifaddr(int count, char *word[])
{
	const char *source = words_option_value(&count, word, "--source");
	struct vm *vm;

	words_without(&count, word, "--full");
	vm = shell_active_domain(count, word);
	if (!vm)
		return;
	if (source && strcmp(source, "arp") != 0 && strcmp(source, "lease") != 0) {
		shell_error("Operation not supported: source '%s'", source);
		return;
	}
	term_printf(" %-10s %-20s %-8s     %s\n%s%s\n", "Name", "MAC address", "Protocol", "Address",
		    "----------------------------------------", "---------------------------------------");
	for (unsigned i = 0; i < vm->config->nics; i++)
		if (count < 3 || is_nic(vm, i, word[2]))
			print_address(vm, i);
	term_printf("\n");
}

/* All interfaces are on the one switch, whatever their networks are called. */
static void run_net_list(int count, char *word[])
{
	static const char *const header[] = {"Name", "State", "Autostart", "Persistent"};
	bool inactive = words_option(&count, word, "--inactive");
	bool all = words_option(&count, word, "--all");
	bool name = words_option(&count, word, "--name");
	struct table table;

	words_without(&count, word, "--table --persistent --autostart");
	if (!shell_arguments(count, word))
		return;
	if (name) {
		term_printf("%s\n", inactive && !all ? "" : NETWORK "\n");
		return;
	}
	table_start(&table, 4, header);
	if (!inactive || all)
		table_row(&table, (const char *const[]){NETWORK, "active", "yes", "yes"});
	table_end(&table, line);
}

const struct shell_command shell_device_commands[] = {
	{"domblklist", "<domain> [--inactive] [--details]", "list all domain blocks", 1, 1,
	 COMPLETE_DOMAIN, run_domblklist},
	{"domblkstat", "<domain> [device] [--human]", "get device block stats for a domain", 1, 2,
	 COMPLETE_DOMAIN, run_domblkstat},
	{"domif-setlink", "<domain> <interface> <state>", "set link state of a virtual interface", 3,
	 3, COMPLETE_DOMAIN, run_domif_setlink},
	{"domifaddr", "<domain> [interface] [--full] [--source <string>]",
	 "get network interfaces' addresses for a running domain", 1, 2, COMPLETE_DOMAIN,
	 run_domifaddr},
	{"domiflist", "<domain> [--inactive]", "list all domain virtual interfaces", 1, 1,
	 COMPLETE_DOMAIN, run_domiflist},
	{"domifstat", "<domain> [interface]", "get network interface stats for a domain", 1, 2,
	 COMPLETE_DOMAIN, run_domifstat},
	{"net-list", "[--inactive] [--all] [--name] [--table]", "list networks", 0, 0, COMPLETE_NONE,
	 run_net_list},
	{NULL, NULL, NULL, 0, 0, COMPLETE_NONE, NULL},
};
