/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs that tell about guests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config.h"
#include "guests/dom0/home.h"
#include "guests/dom0/memory.h"
#include "guests/dom0/shell/exit_names.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm.h"
#include "guests/lib/sampo.h"

typedef unsigned long long llu;

static struct vm *only_domain(int count, char *word[])
{
	return shell_arguments(count, word) ? shell_domain(word[1]) : NULL;
}

static void line(const char *text)
{
	term_printf("%s\n", text);
}

/* "12.3s" */
static void seconds(char *text, size_t size, uint64_t ns)
{
	snprintf(text, size, "%llu.%llus", (llu)(ns / 1000000000u), (llu)(ns / 100000000u % 10));
}

static void id_text(char *text, size_t size, const struct vm *vm)
{
	if (vm->id)
		snprintf(text, size, "%u", vm->id);
	else
		snprintf(text, size, "-");
}

static void list_names(bool on, bool off)
{
	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		if (vm->run == VM_OFF ? off : on)
			line(vm->name);
	line("");
}

static void run_list(int count, char *word[])
{
	static const char *const header[] = {"Id", "Name", "State"};
	bool all = words_option(&count, word, "--all");
	bool inactive = words_option(&count, word, "--inactive");
	bool names = words_option(&count, word, "--name");
	struct table table;
	char id[16];

	if (!shell_arguments(count, word))
		return;
	if (names) {
		list_names(all || !inactive, all || inactive);
		return;
	}
	table_start(&table, 3, header);
	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm)) {
		bool off = vm->run == VM_OFF;

		if (!all && off != inactive)
			continue;
		id_text(id, sizeof(id), vm);
		table_row(&table, (const char *const[]){id, vm->name, vm_state_name(vm)});
	}
	table_end(&table, line);
}

static void run_dominfo(int count, char *word[])
{
	struct vm *vm = only_domain(count, word);
	struct sampo_domain_info info = {0};
	const uint8_t *u;
	char id[16], time[32];

	if (!vm)
		return;
	u = vm->config->uuid;
	id_text(id, sizeof(id), vm);
	vm_domain_info(vm, &info);
	seconds(time, sizeof(time), info.cpu_ns);
	term_printf("Id:             %s\nName:           %s\n", id, vm->name);
	term_printf("UUID:           %02x%02x%02x%02x-%02x%02x-%02x%02x-"
		    "%02x%02x-%02x%02x%02x%02x%02x%02x\n",
		    u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		    u[13], u[14], u[15]);
	term_printf("OS Type:        hvm\nState:          %s\n"
		    "CPU(s):         %u\n",
		    vm_state_name(vm), vm->config->vcpus);
	if (vm->id)
		term_printf("CPU time:       %s\n", time);
	term_printf("Max memory:     %llu KiB\n"
		    "Used memory:    %llu KiB\n",
		    (llu)(vm->config->memory >> 10), (llu)((vm->id ? vm->ram_bytes : 0) >> 10));
	if (vm->id)
		term_printf("Device state:   %llu KiB\n"
			    "Kernel memory:  %llu KiB of %llu KiB\n"
			    "CPU shares:     %u\n",
			    (llu)((info.memory_bytes - vm->ram_bytes) >> 10),
			    (llu)(info.kernel_bytes >> 10), (llu)(info.kernel_limit >> 10),
			    info.weight);
	if (*vm_last_reason(vm))
		term_printf("Last end:       %s\n", vm_last_reason(vm));
	term_printf("\n");
}

static void run_domstate(int count, char *word[])
{
	bool reason = words_option(&count, word, "--reason");
	struct vm *vm = only_domain(count, word);

	if (!vm)
		return;
	if (reason && *vm_last_reason(vm))
		term_printf("%s (%s)\n\n", vm_state_name(vm), vm_last_reason(vm));
	else
		term_printf("%s\n\n", vm_state_name(vm));
}

/* A domain that must run; NULL after a message. */
static struct vm *running_domain(int count, char *word[])
{
	struct vm *vm = only_domain(count, word);

	if (!vm || vm->id)
		return vm;
	shell_error("Requested operation is not valid: domain is not running");
	return NULL;
}

/* A letter for each of the machine's CPUs. */
static const char *affinity(const struct cpuset *set)
{
	static struct sampo_machine_info info;
	static char text[CPUSET_CPUS + 1];
	unsigned n;

	sampo_object_info(boot->machine, SAMPO_INFO_MACHINE, &info, sizeof(info), 0, NULL);
	for (n = 0; n < info.cpus && n < CPUSET_CPUS; n++)
		text[n] = cpuset_has(set, n) ? 'y' : '-';
	text[n] = 0;
	return text;
}

static void print_vcpu(unsigned number, const struct sampo_vcpu_info *info, const struct cpuset *set)
{
	static const char *const state[] = {"running",    "ready",   "halted",
					    "at monitor", "stopped", "offline"};
	char time[32], steal[32];

	seconds(time, sizeof(time), info->cpu_ns);
	seconds(steal, sizeof(steal), info->wait_ns);
	term_printf("VCPU:           %u\nCPU:            %u\n"
		    "State:          %s\nCPU time:       %s\n"
		    "Steal time:     %s\nCPU Affinity:   %s\n",
		    number, info->cpu, info->state < 6 ? state[info->state] : "?", time, steal,
		    affinity(set));
}

static void print_dom0(bool counters)
{
	struct sampo_vcpu_info info;
	struct cpuset only = {{0}};

	if (counters) {
		shell_error("Operation not supported: the exits of " CONFIG_DOM0);
		return;
	}
	if (!home_info(&info))
		return;
	only.word[info.cpu / 64] = 1ull << info.cpu % 64;
	print_vcpu(0, &info, &only);
	term_printf("\n");
}

static void run_vcpuinfo(int count, char *word[])
{
	bool counters = words_option(&count, word, "--exits");
	const struct sampo_vcpu_page *page;
	struct sampo_vcpu_info info;
	struct vm *vm;

	if (count > 1 && shell_is_dom0(word[1])) {
		if (shell_arguments(count, word))
			print_dom0(counters);
		return;
	}
	vm = running_domain(count, word);
	for (unsigned i = 0; vm && i < vm->config->vcpus; i++) {
		if (!vm_vcpu_info(vm, i, &info))
			continue;
		print_vcpu(i, &info, &vm->config->affinity[i]);
		page = vm_vcpu_page(vm, i);
		for (unsigned n = 0; counters && page && n < SAMPO_EXIT_COUNTERS; n++)
			if (page->exits[n])
				term_printf("Exits:          %-22s %llu\n", exit_name(n),
					    (llu)page->exits[n]);
		term_printf("\n");
	}
}

/* The last exits of a guest's virtual CPU, oldest first. */
static void run_trace(int count, char *word[])
{
	static const char *const header[] = {"TSC", "Code", "Exit", "RIP", "Info"};
	struct vm *vm = running_domain(count, word);
	const struct sampo_vcpu_page *page = vm ? vm_vcpu_page(vm, 0) : NULL;
	char cell[5][24];
	struct table table;
	uint64_t last;

	if (!page)
		return;
	last = page->traces;
	table_start(&table, 5, header);
	for (uint64_t i = last > SAMPO_TRACES ? last - SAMPO_TRACES : 0; i < last; i++) {
		const struct sampo_trace *t = &page->trace[i % SAMPO_TRACES];

		snprintf(cell[0], sizeof(cell[0]), "%llu", (llu)t->tsc);
		snprintf(cell[1], sizeof(cell[1]), "%#x", t->code);
		snprintf(cell[2], sizeof(cell[2]), "%s", exit_name(t->kind));
		snprintf(cell[3], sizeof(cell[3]), "%#llx", (llu)t->rip);
		snprintf(cell[4], sizeof(cell[4]), "%#llx", (llu)t->info);
		table_row(&table,
			  (const char *const[]){cell[0], cell[1], cell[2], cell[3], cell[4]});
	}
	table_end(&table, line);
}

static void print_block(const struct vm *vm, unsigned disk)
{
	const char *target = vm->config->disk[disk].target;
	struct virtio_blk_stats s;

	if (!virtio_blk_stats(vm, disk, &s))
		return;
	term_printf("%s %s rd_req %llu\n%s %s rd_bytes %llu\n", vm->name, target, (llu)s.reads,
		    vm->name, target, (llu)s.read_bytes);
	term_printf("%s %s wr_req %llu\n%s %s wr_bytes %llu\n", vm->name, target, (llu)s.writes,
		    vm->name, target, (llu)s.written_bytes);
	term_printf("%s %s flush_operations %llu\n%s %s errs %llu\n\n", vm->name, target,
		    (llu)s.flushes, vm->name, target, (llu)s.errors);
}

static void run_domblkstat(int count, char *word[])
{
	struct vm *vm = running_domain(count, word);
	const char *target = count > 2 ? word[2] : NULL;
	bool found = false;

	for (unsigned i = 0; vm && i < vm->config->disks; i++) {
		if (target && strcmp(target, vm->config->disk[i].target))
			continue;
		print_block(vm, i);
		found = true;
	}
	if (vm && target && !found)
		shell_error("invalid argument: invalid path: %s", target);
}

static void run_domblklist(int count, char *word[])
{
	static const char *const header[] = {"Target", "Source"};
	struct vm *vm = only_domain(count, word);
	struct table table;

	if (!vm)
		return;
	table_start(&table, 2, header);
	for (unsigned i = 0; i < vm->config->disks; i++)
		table_row(&table, (const char *const[]){vm->config->disk[i].target,
							vm->config->disk[i].source});
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
	term_printf("%s rx_bytes %llu\n%s rx_packets %llu\n%s rx_drop %llu\n", name,
		    (llu)s.rx_bytes, name, (llu)s.rx_frames, name, (llu)s.rx_dropped);
	term_printf("%s tx_bytes %llu\n%s tx_packets %llu\n%s tx_drop %llu\n\n", name,
		    (llu)s.tx_bytes, name, (llu)s.tx_frames, name, (llu)s.tx_dropped);
}

static void run_domifstat(int count, char *word[])
{
	struct vm *vm = running_domain(count, word);
	bool found = false;

	for (unsigned i = 0; vm && i < vm->config->nics; i++) {
		if (count > 2 && !is_nic(vm, i, word[2]))
			continue;
		print_nic(vm, i);
		found = true;
	}
	if (vm && count > 2 && !found)
		shell_error("invalid argument: invalid path, '%s' is not a "
			    "known interface",
			    word[2]);
}

static void run_domiflist(int count, char *word[])
{
	static const char *const header[] = {"Interface", "Type", "Source", "Model", "MAC"};
	struct vm *vm = only_domain(count, word);
	char name[80], mac[18];
	struct table table;

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
	struct vm *vm = running_domain(count, word);
	bool up;

	if (!vm)
		return;
	up = !strcmp(word[3], "up");
	if (!up && strcmp(word[3], "down")) {
		shell_error("invalid state '%s'", word[3]);
		return;
	}
	for (unsigned i = 0; i < vm->config->nics; i++)
		if (is_nic(vm, i, word[2]) && virtio_net_link(vm, i, up)) {
			term_printf("Device updated successfully\n\n");
			return;
		}
	shell_error("interface '%s' not found", word[2]);
}

const struct shell_command shell_monitor_commands[] = {
	{"domblklist", "<domain>", "list all domain blocks", 1, 1, COMPLETE_DOMAIN, run_domblklist},
	{"domblkstat", "<domain> [device]", "get device block stats for a domain", 1, 2,
	 COMPLETE_DOMAIN, run_domblkstat},
	{"domif-setlink", "<domain> <interface> up|down",
	 "plug or pull the cable of a virtual interface", 3, 3, COMPLETE_DOMAIN, run_domif_setlink},
	{"domiflist", "<domain>", "list all domain virtual interfaces", 1, 1, COMPLETE_DOMAIN,
	 run_domiflist},
	{"domifstat", "<domain> [interface]", "get network interface stats for a domain", 1, 2,
	 COMPLETE_DOMAIN, run_domifstat},
	{"dominfo", "<domain>", "domain information", 1, 1, COMPLETE_DOMAIN, run_dominfo},
	{"domstate", "<domain> [--reason]", "domain state", 1, 1, COMPLETE_DOMAIN, run_domstate},
	{"list", "[--all] [--inactive] [--name]", "list domains", 0, 0, COMPLETE_NONE, run_list},
	{"trace", "<domain>", "the last exits of the domain's vCPU", 1, 1, COMPLETE_DOMAIN,
	 run_trace},
	{"vcpuinfo", "<domain> [--exits]", "detailed domain vcpu information; of Domain-0 too", 1, 1,
	 COMPLETE_ANY_DOMAIN, run_vcpuinfo},
	{NULL, NULL, NULL, 0, 0, COMPLETE_NONE, NULL},
};
