/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs that tell about guests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guests/dom0/base/env.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/exit_names.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

typedef unsigned long long llu;

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

/* The guests that `list` shows. */
struct list {
	bool active, inactive;
	bool running, paused, shutoff, other; /* none of them: any state */
	bool persistent, transient, autostart, no_autostart;
	bool none; /* only guests with what no guest has here: snapshots, saved states */
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

	return !list->none && (vm->run == VM_OFF ? list->inactive : list->active) && kind && mark &&
	       has_state(list, vm);
}

static bool only_with(const struct args *args, const char *with, const char *without)
{
	return args_flag(args, with) && !args_flag(args, without);
}

/* In virsh, --state-shutoff alone chooses inactive guests. */
static void list_options(struct list *list, const struct args *args)
{
	bool all = args_flag(args, "all");

	list->running = args_flag(args, "state-running");
	list->paused = args_flag(args, "state-paused");
	list->shutoff = args_flag(args, "state-shutoff");
	list->other = args_flag(args, "state-other");
	list->persistent = args_flag(args, "persistent");
	list->transient = args_flag(args, "transient");
	list->autostart = args_flag(args, "autostart");
	list->no_autostart = args_flag(args, "no-autostart");
	list->none = only_with(args, "with-snapshot", "without-snapshot") ||
		     only_with(args, "with-checkpoint", "without-checkpoint") ||
		     only_with(args, "with-managed-save", "without-managed-save");
	list->inactive = all || args_flag(args, "inactive") || list->shutoff;
	list->active = all || !list->inactive;
}

static void uuid_text(char text[37], const struct vm *vm)
{
	const uint8_t *u = vm->config->uuid;

	snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		 u[13], u[14], u[15]);
}

/* virsh sorts active guests by their numbers, then the others by their names. */
static int by_number(const void *one, const void *other)
{
	const struct vm *a = *(struct vm *const *)one, *b = *(struct vm *const *)other;

	if (!a->id != !b->id)
		return a->id ? -1 : 1;
	if (!a->id)
		return strcasecmp(a->name, b->name);
	return a->id < b->id ? -1 : 1;
}

static unsigned collect(const struct list *list, struct vm *found[])
{
	unsigned n = 0;

	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		if (is_listed(list, vm))
			found[n++] = vm;
	qsort(found, n, sizeof(found[0]), by_number);
	return n;
}

/* --uuid, --id and --name print words in lines. --id alone leaves guests without a number out. */
static void list_words(const struct args *args, struct vm *const vm[], unsigned n)
{
	bool only_id = !args_flag(args, "uuid") && !args_flag(args, "name");
	char uuid[37], id[16];

	for (unsigned i = 0; i < n; i++) {
		const char *blank = "";

		if (only_id && !vm[i]->id)
			continue;
		if (args_flag(args, "uuid")) {
			uuid_text(uuid, vm[i]);
			term_printf("%s", uuid);
			blank = " ";
		}
		if (args_flag(args, "id")) {
			id_text(id, sizeof(id), vm[i]);
			term_printf("%s%s", blank, id);
			blank = " ";
		}
		if (args_flag(args, "name"))
			term_printf("%s%s", blank, vm[i]->name);
		term_printf("\n");
	}
}

static void list_table(bool title, struct vm *const vm[], unsigned n)
{
	static const char *const header[] = {"Id", "Name", "State", "Title"};
	struct table table;
	char id[16];

	table_start(&table, title ? 4 : 3, header);
	for (unsigned i = 0; i < n; i++) {
		id_text(id, sizeof(id), vm[i]);
		table_row(&table, (const char *const[]){id, vm[i]->name, vm_state_name(vm[i]),
							vm[i]->config->title});
	}
	table_end(&table, shell_line);
}

static void run_list(const struct args *args)
{
	struct vm **found;
	struct list list;
	unsigned n = 0;

	if (!shell_not_both(args, "table", "name") || !shell_not_both(args, "table", "uuid") ||
	    !shell_not_both(args, "table", "id"))
		return;
	list_options(&list, args);
	for (const struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		n++;
	found = calloc(n + 1, sizeof(found[0]));
	if (!found) {
		shell_error("dom0 is out of memory");
		return;
	}
	n = collect(&list, found);
	if (args_flag(args, "name") || args_flag(args, "uuid") || args_flag(args, "id"))
		list_words(args, found, n);
	else
		list_table(args_flag(args, "title"), found, n);
	free(found);
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
}

static void run_dominfo(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);
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

/* How a text names a guest. */
enum named { BY_ID, BY_UUID, BY_NAME };

static enum named named(const struct vm *vm, const char *text)
{
	uint8_t uuid[16];

	if (config_uuid(text, uuid) && !memcmp(uuid, vm->config->uuid, sizeof(uuid)))
		return BY_UUID;
	return strcmp(text, vm->name) ? BY_ID : BY_NAME;
}

/* Returns the guest of domid and its like, which refuse the kind of name that they print. */
static struct vm *other_name(const struct args *args, enum named not_by)
{
	const char *text = args_text(args, "domain");
	struct vm *vm = vm_find(text);

	if (vm && named(vm, text) != not_by)
		return vm;
	shell_error("failed to get domain '%s'", text);
	return NULL;
}

static void run_domid(const struct args *args)
{
	struct vm *vm = other_name(args, BY_ID);
	char id[16];

	if (!vm)
		return;
	id_text(id, sizeof(id), vm);
	shell_line(id);
}

static void run_domname(const struct args *args)
{
	struct vm *vm = other_name(args, BY_NAME);

	if (vm)
		shell_line(vm->name);
}

static void run_domuuid(const struct args *args)
{
	struct vm *vm = other_name(args, BY_UUID);
	char uuid[37];

	if (!vm)
		return;
	uuid_text(uuid, vm);
	shell_line(uuid);
}

static void run_domstate(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);

	if (vm && args_flag(args, "reason"))
		term_printf("%s (%s)\n", vm_state_name(vm), vm_reason(vm));
	else if (vm)
		term_printf("%s\n", vm_state_name(vm));
}

/* Prints a letter for each of the machine's CPUs, or the list of the set's CPUs. */
static void print_affinity(const struct cpuset *set, bool pretty)
{
	static char text[CPUSET_CPUS + 1];
	unsigned cpus = host_cpus();

	if (pretty) {
		cpuset_format(set, cpus, text, sizeof(text));
		term_printf("CPU Affinity:   %s (out of %u)\n", text, cpus);
		return;
	}
	for (unsigned i = 0; i < cpus; i++)
		text[i] = cpuset_has(set, i) ? 'y' : '-';
	text[cpus] = 0;
	term_printf("CPU Affinity:   %s\n", text);
}

static void print_vcpu(unsigned number, const struct sampo_vcpu_info *info)
{
	static const char *const state[] = {"offline", "running", "blocked"};
	char time[32];

	seconds(time, sizeof(time), info->cpu_ns);
	term_printf("VCPU:           %u\nCPU:            %u\n"
		    "State:          %s\nCPU time:       %s\n",
		    number, info->cpu, state[stats_vcpu_state(info)], time);
}

static void print_inactive(unsigned number)
{
	term_printf("VCPU:           %u\nCPU:            N/A\n"
		    "State:          N/A\nCPU time        N/A\n",
		    number);
}

/* Beyond virsh: prints the vCPU's state in the kernel, its steal time and its counted exits. */
static void print_exits(const struct vm *vm, unsigned vcpu, const struct sampo_vcpu_info *info)
{
	static const char *const state[] = {"running",    "ready",   "halted",
					    "at monitor", "stopped", "offline"};
	const struct sampo_vcpu_page *page = vm_vcpu_page(vm, vcpu);
	char steal[32];

	seconds(steal, sizeof(steal), info->wait_ns);
	term_printf("Steal time:     %s\nNow:            %s\n", steal,
		    info->state < 6 ? state[info->state] : "?");
	for (unsigned n = 0; page && n < SAMPO_EXIT_COUNTERS; n++)
		if (page->exits[n])
			term_printf("Exits:          %-22s %llu\n", exit_name(n),
				    (llu)page->exits[n]);
}

static void print_dom0(const struct args *args)
{
	struct sampo_vcpu_info info;
	struct cpuset only = {{0}};

	if (args_flag(args, "exits")) {
		shell_error("Operation not supported: the exits of " CONFIG_DOM0);
		return;
	}
	if (!home_info(&info))
		return;
	only.word[info.cpu / 64] = 1ull << info.cpu % 64;
	print_vcpu(0, &info);
	print_affinity(&only, args_flag(args, "pretty"));
}

static void print_vcpu_of(struct vm *vm, unsigned number, const struct args *args)
{
	struct sampo_vcpu_info info;
	bool there = vm_vcpu_info(vm, number, &info);

	if (there)
		print_vcpu(number, &info);
	else
		print_inactive(number);
	print_affinity(&vm->config->affinity[number], args_flag(args, "pretty"));
	if (there && args_flag(args, "exits"))
		print_exits(vm, number, &info);
}

/* virsh prints an empty line between two virtual CPUs. */
static void run_vcpuinfo(const struct args *args)
{
	struct vm *vm;

	if (shell_is_dom0(args_text(args, "domain"))) {
		print_dom0(args);
		return;
	}
	vm = shell_domain_of(args);
	for (unsigned i = 0; vm && i < vm->config->vcpus; i++) {
		if (i)
			term_printf("\n");
		print_vcpu_of(vm, i, args);
	}
}

/* The last exits of a guest's virtual CPU, oldest first. */
static void run_trace(const struct args *args)
{
	static const char *const header[] = {"TSC", "Code", "Exit", "RIP", "Info"};
	struct vm *vm = shell_domain_of(args);
	const struct sampo_vcpu_page *page;
	char cell[5][24];
	struct table table;
	uint64_t last;

	page = vm ? vm_vcpu_page(vm, 0) : NULL;
	if (vm && !page)
		shell_error("%s", shell_not_running);
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
	table_end(&table, shell_line);
}

static const struct arg domain_args[] = {ARG_ANY_DOMAIN, ARG_END};
static const struct arg domid_args[] = {ARG_DOMAIN("domain name or uuid"), ARG_END};
static const struct arg domname_args[] = {ARG_DOMAIN("domain id or uuid"), ARG_END};
static const struct arg domuuid_args[] = {ARG_DOMAIN("domain id or name"), ARG_END};

static const struct arg domstate_args[] = {
	ARG_ANY_DOMAIN,
	{"reason", ARG_FLAG, ARG_OPTIONAL, "also print reason for the state"},
	ARG_END,
};

static const struct arg list_args[] = {
	{"inactive", ARG_FLAG, ARG_OPTIONAL, "list inactive domains"},
	{"all", ARG_FLAG, ARG_OPTIONAL, "list inactive & active domains"},
	{"transient", ARG_FLAG, ARG_OPTIONAL, "list transient domains"},
	{"persistent", ARG_FLAG, ARG_OPTIONAL, "list persistent domains"},
	{"with-snapshot", ARG_FLAG, ARG_OPTIONAL, "list domains with existing snapshot"},
	{"without-snapshot", ARG_FLAG, ARG_OPTIONAL, "list domains without a snapshot"},
	{"with-checkpoint", ARG_FLAG, ARG_OPTIONAL, "list domains with existing checkpoint"},
	{"without-checkpoint", ARG_FLAG, ARG_OPTIONAL, "list domains without a checkpoint"},
	{"state-running", ARG_FLAG, ARG_OPTIONAL, "list domains in running state"},
	{"state-paused", ARG_FLAG, ARG_OPTIONAL, "list domains in paused state"},
	{"state-shutoff", ARG_FLAG, ARG_OPTIONAL, "list domains in shutoff state"},
	{"state-other", ARG_FLAG, ARG_OPTIONAL, "list domains in other states"},
	{"autostart", ARG_FLAG, ARG_OPTIONAL, "list domains with autostart enabled"},
	{"no-autostart", ARG_FLAG, ARG_OPTIONAL, "list domains with autostart disabled"},
	{"with-managed-save", ARG_FLAG, ARG_OPTIONAL, "list domains with managed save state"},
	{"without-managed-save", ARG_FLAG, ARG_OPTIONAL, "list domains without managed save"},
	{"uuid", ARG_FLAG, ARG_OPTIONAL, "list uuid's only"},
	{"name", ARG_FLAG, ARG_OPTIONAL, "list domain names only"},
	{"id", ARG_FLAG, ARG_OPTIONAL, "list domain IDs only"},
	{"table", ARG_FLAG, ARG_OPTIONAL, "list table (default)"},
	{"managed-save", ARG_FLAG, ARG_OPTIONAL, "mark inactive domains with managed save state"},
	{"title", ARG_FLAG, ARG_OPTIONAL, "show domain title"},
	ARG_END,
};

static const struct arg vcpuinfo_args[] = {
	ARG_ANY_DOMAIN,
	{"pretty", ARG_FLAG, ARG_OPTIONAL, "return human readable output"},
	{"exits", ARG_FLAG, ARG_OPTIONAL, "also print steal time and counted exits"},
	ARG_END,
};

const struct shell_command shell_monitor_commands[] = {
	{"domid", SHELL_DOMAIN, COMPLETE_DOMAIN, "convert a domain name or UUID to domain id", NULL,
	 domid_args, run_domid},
	{"dominfo", SHELL_MONITOR, COMPLETE_DOMAIN, "domain information",
	 "Returns basic information about the domain.", domain_args, run_dominfo},
	{"domname", SHELL_DOMAIN, COMPLETE_DOMAIN, "convert a domain id or UUID to domain name",
	 NULL, domname_args, run_domname},
	{"domstate", SHELL_MONITOR, COMPLETE_DOMAIN, "domain state",
	 "Returns state about a domain.", domstate_args, run_domstate},
	{"domuuid", SHELL_DOMAIN, COMPLETE_DOMAIN, "convert a domain name or id to domain UUID",
	 NULL, domuuid_args, run_domuuid},
	{"list", SHELL_MONITOR, COMPLETE_NONE, "list domains", "Returns list of domains.",
	 list_args, run_list},
	{"trace", SHELL_SAMPO, COMPLETE_DOMAIN, "the last exits of the domain's vCPU", NULL,
	 domain_args, run_trace},
	{"vcpuinfo", SHELL_DOMAIN, COMPLETE_ANY_DOMAIN, "detailed domain vcpu information",
	 "Returns basic information about the domain virtual CPUs.", vcpuinfo_args, run_vcpuinfo},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
