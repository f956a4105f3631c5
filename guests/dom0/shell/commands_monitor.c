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

/* What `list` shows. */
struct list {
	bool active, inactive;
	bool running, paused, shutoff, other; /* none of them: any state */
	bool persistent, transient, autostart, no_autostart;
	bool name, uuid, id, title;
};

static bool has_state(const struct list *list, const struct vm *vm)
{
	if (!list->running && !list->paused && !list->shutoff && !list->other)
		return true;
	switch (vm->run) {
	case VM_RUNNING:
		return list->running;
	case VM_PAUSED:
		return list->paused;
	case VM_OFF:
		return list->shutoff;
	default:
		return list->other;
	}
}

static bool is_listed(const struct list *list, const struct vm *vm)
{
	bool kind = list->persistent == list->transient || list->transient == vm->transient;
	bool mark = list->autostart == list->no_autostart || list->autostart == vm->autostart;

	return (vm->run == VM_OFF ? list->inactive : list->active) && kind && mark &&
	       has_state(list, vm);
}

/* As virsh: with an option for a state that is not active, those that are inactive. */
static void list_options(struct list *list, int *count, char *word[])
{
	bool all = words_option(count, word, "--all");
	bool inactive = words_option(count, word, "--inactive");

	list->running = words_option(count, word, "--state-running");
	list->paused = words_option(count, word, "--state-paused");
	list->shutoff = words_option(count, word, "--state-shutoff");
	list->other = words_option(count, word, "--state-other");
	list->persistent = words_option(count, word, "--persistent");
	list->transient = words_option(count, word, "--transient");
	list->autostart = words_option(count, word, "--autostart");
	list->no_autostart = words_option(count, word, "--no-autostart");
	list->name = words_option(count, word, "--name");
	list->uuid = words_option(count, word, "--uuid");
	list->id = words_option(count, word, "--id");
	list->title = words_option(count, word, "--title");
	words_without(count, word, "--table --managed-save");
	list->inactive = all || inactive || list->shutoff;
	list->active = all || !list->inactive;
}

static void uuid_text(char text[37], const struct vm *vm)
{
	const uint8_t *u = vm->config->uuid;

	snprintf(text, 37,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		 u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
		 u[15]);
}

static void list_words(const struct list *list)
{
	char uuid[37], id[16];

	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm)) {
		if (!is_listed(list, vm))
			continue;
		uuid_text(uuid, vm);
		id_text(id, sizeof(id), vm);
		term_printf("%s%s%s%s%s\n", list->uuid ? uuid : "",
			    list->uuid && (list->id || list->name) ? " " : "", list->id ? id : "",
			    list->id && list->name ? " " : "", list->name ? vm->name : "");
	}
	line("");
}

static void run_list(int count, char *word[])
{
	static const char *const header[] = {"Id", "Name", "State", "Title"};
	struct list list = {0};
	struct table table;
	char id[16];

	list_options(&list, &count, word);
	if (!shell_arguments(count, word))
		return;
	if (list.name || list.uuid || list.id) {
		list_words(&list);
		return;
	}
	table_start(&table, list.title ? 4 : 3, header);
	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm)) {
		if (!is_listed(&list, vm))
			continue;
		id_text(id, sizeof(id), vm);
		table_row(&table, (const char *const[]){id, vm->name, vm_state_name(vm),
							vm->config->title});
	}
	table_end(&table, line);
}

/* Beyond virsh: what Sampo knows of an active guest, and how it last ended. */
static void print_more(struct vm *vm, const struct sampo_domain_info *info)
{
	if (vm->id)
		term_printf("Device state:   %llu KiB\n"
			    "Kernel memory:  %llu KiB of %llu KiB\n"
			    "CPU shares:     %u\n",
			    (llu)((info->memory_bytes - vm->ram_bytes) >> 10),
			    (llu)(info->kernel_bytes >> 10), (llu)(info->kernel_limit >> 10),
			    info->weight);
	if (*vm_last_reason(vm))
		term_printf("Last end:       %s\n", vm_last_reason(vm));
	term_printf("\n");
}

static void run_dominfo(int count, char *word[])
{
	struct vm *vm = shell_only_domain(count, word);
	struct sampo_domain_info info = {0};
	char id[16], time[32], uuid[37];

	if (!vm)
		return;
	id_text(id, sizeof(id), vm);
	uuid_text(uuid, vm);
	vm_domain_info(vm, &info);
	seconds(time, sizeof(time), info.cpu_ns);
	term_printf("Id:             %s\nName:           %s\n"
		    "UUID:           %s\nOS Type:        hvm\n",
		    id, vm->name, uuid);
	term_printf("State:          %s\nCPU(s):         %u\n", vm_state_name(vm),
		    vm->config->vcpus);
	if (vm->id)
		term_printf("CPU time:       %s\n", time);
	term_printf("Max memory:     %llu KiB\n"
		    "Used memory:    %llu KiB\n",
		    (llu)(vm->config->memory >> 10), (llu)(vm->config->memory >> 10));
	term_printf("Persistent:     %s\n"
		    "Autostart:      %s\n"
		    "Managed save:   no\n",
		    vm->transient ? "no" : "yes", vm->autostart ? "enable" : "disable");
	print_more(vm, &info);
}

static void run_domid(int count, char *word[])
{
	struct vm *vm = shell_only_domain(count, word);
	char id[16];

	if (!vm)
		return;
	id_text(id, sizeof(id), vm);
	term_printf("%s\n\n", id);
}

static void run_domname(int count, char *word[])
{
	struct vm *vm = shell_only_domain(count, word);

	if (vm)
		term_printf("%s\n\n", vm->name);
}

static void run_domuuid(int count, char *word[])
{
	struct vm *vm = shell_only_domain(count, word);
	char uuid[37];

	if (!vm)
		return;
	uuid_text(uuid, vm);
	term_printf("%s\n\n", uuid);
}

static void run_domstate(int count, char *word[])
{
	bool reason = words_option(&count, word, "--reason");
	struct vm *vm = shell_only_domain(count, word);

	if (!vm)
		return;
	if (reason)
		term_printf("%s (%s)\n\n", vm_state_name(vm), vm_reason(vm));
	else
		term_printf("%s\n\n", vm_state_name(vm));
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

static void print_inactive(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->config->vcpus; i++)
		term_printf("VCPU:           %u\nCPU:            N/A\n"
			    "State:          N/A\nCPU time        N/A\n"
			    "CPU Affinity:   %s\n\n",
			    i, affinity(&vm->config->affinity[i]));
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
	vm = shell_only_domain(count, word);
	if (vm && !vm->id)
		print_inactive(vm);
	for (unsigned i = 0; vm && vm->id && i < vm->config->vcpus; i++) {
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
	struct vm *vm = shell_active_domain(count, word);
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

const struct shell_command shell_monitor_commands[] = {
	{"domid", "<domain>", "convert a domain name or UUID to domain id", 1, 1, COMPLETE_DOMAIN,
	 run_domid},
	{"dominfo", "<domain>", "domain information", 1, 1, COMPLETE_DOMAIN, run_dominfo},
	{"domname", "<domain>", "convert a domain id or UUID to domain name", 1, 1, COMPLETE_DOMAIN,
	 run_domname},
	{"domstate", "<domain> [--reason]", "domain state", 1, 1, COMPLETE_DOMAIN, run_domstate},
	{"domuuid", "<domain>", "convert a domain name or id to domain UUID", 1, 1, COMPLETE_DOMAIN,
	 run_domuuid},
	{"list",
	 "[--inactive] [--all] [--transient] [--persistent] [--state-running] [--state-paused] "
	 "[--state-shutoff] [--state-other] [--autostart] [--no-autostart] [--uuid] [--name] [--id] "
	 "[--table] [--title]",
	 "list domains", 0, 0, COMPLETE_NONE, run_list},
	{"trace", "<domain>", "the last exits of the domain's vCPU", 1, 1, COMPLETE_DOMAIN,
	 run_trace},
	{"vcpuinfo", "<domain> [--exits]", "detailed domain vcpu information; of Domain-0 too", 1, 1,
	 COMPLETE_ANY_DOMAIN, run_vcpuinfo},
	{NULL, NULL, NULL, 0, 0, COMPLETE_NONE, NULL},
};
