/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs that give counters of guests: domstats, dommemstat, cpu-stats. */
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

typedef unsigned long long llu;

/* The options that choose guests stand in rows: a guest is shown that one option of each row
 * names, or that no option of the row is given. */
static bool kept(const struct args *args, const char *option, bool has, bool *any)
{
	bool given = args_flag(args, option);

	*any = *any || given;
	return given && has;
}

static bool is_active(const struct args *args, const struct vm *vm)
{
	bool any = false;
	bool keep = kept(args, "list-active", vm->id, &any);

	keep |= kept(args, "list-inactive", !vm->id, &any);
	return keep || !any;
}

static bool is_kind(const struct args *args, const struct vm *vm)
{
	bool any = false;
	bool keep = kept(args, "list-persistent", !vm->transient, &any);

	keep |= kept(args, "list-transient", vm->transient, &any);
	return keep || !any;
}

static bool is_state(const struct args *args, const struct vm *vm)
{
	bool any = false;
	bool keep = kept(args, "list-running", vm->run == VM_RUNNING, &any);

	keep |= kept(args, "list-paused", vm->run == VM_PAUSED, &any);
	keep |= kept(args, "list-shutoff", vm->run == VM_OFF, &any);
	keep |= kept(args, "list-other", vm->run == VM_CRASHED, &any);
	return keep || !any;
}

static unsigned groups_of(const struct args *args)
{
	unsigned groups = 0;

#define ADD(bit, name, help) groups |= args_flag(args, name) ? bit : 0;
	STATS_GROUPS(ADD)
#undef ADD
	return groups;
}

static void print_stat(const struct stats_fact *fact)
{
	if (fact->text)
		term_printf("  %s=%s\n", fact->name, fact->text);
	else
		term_printf("  %s=%llu\n", fact->name, (llu)fact->number);
}

/* virsh prints an empty line between two guests. */
static void print_stats(const struct args *args, struct vm *vm, bool *behind)
{
	unsigned groups = groups_of(args);

	if (!is_active(args, vm) || !is_kind(args, vm) || !is_state(args, vm))
		return;
	term_printf("%sDomain: '%s'\n", *behind ? "\n" : "", vm->name);
	stats_each(vm, groups ? groups : STATS_SUPPORTED, print_stat);
	*behind = true;
}

static void run_domstats(const struct args *args)
{
	unsigned missing = groups_of(args) & ~STATS_SUPPORTED;
	struct vm *vm[WORDS_MAX];
	bool behind = false;

	for (unsigned i = 0; i < args->many_count; i++) {
		vm[i] = shell_domain(args->many[i]);
		if (!vm[i])
			return;
	}
	if (missing && args_flag(args, "enforce")) {
		shell_error("argument unsupported: Stats types bits 0x%x are not supported by this "
			    "daemon",
			    missing);
		return;
	}
	for (unsigned i = 0; i < args->many_count; i++)
		print_stats(args, vm[i], &behind);
	for (struct vm *each = args->many_count ? NULL : vm_first(); each; each = vm_next(each))
		print_stats(args, each, &behind);
}

static void run_dommemstat(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);
	struct sampo_domain_info info;

	if (!vm)
		return;
	if (!vm_domain_info(vm, &info)) {
		shell_failure(shell_not_running, "Failed to get memory statistics for domain %s",
			      vm->name);
		return;
	}
	term_printf("actual %llu\nrss %llu\n", (llu)(vm->config->memory >> 10),
		    (llu)(info.memory_bytes >> 10));
}

static void print_seconds(const char *name, uint64_t ns)
{
	term_printf("\t%-12s %9llu.%09llu seconds\n", name, (llu)(ns / 1000000000),
		    (llu)(ns % 1000000000));
}

/* The kernel counts no times by physical CPU, so the total stands alone. */
static void run_cpu_stats(const struct args *args)
{
	struct vm *vm = shell_domain_of(args);
	struct sampo_domain_info info;

	if (!vm)
		return;
	if (!vm_domain_info(vm, &info)) {
		shell_failure(shell_not_running,
			      "Failed to retrieve CPU statistics for domain '%s'", vm->name);
		return;
	}
	term_printf("Total:\n");
	print_seconds("cpu_time", info.cpu_ns);
	print_seconds("system_time", stats_dom0_ns(vm));
}

static const struct arg cpu_stats_args[] = {
	ARG_ANY_DOMAIN,
	{"total", ARG_FLAG, ARG_OPTIONAL, "Show total statistics only"},
	ARG_END,
};

static const struct arg domain_args[] = {ARG_ANY_DOMAIN, ARG_END};

static const struct arg domstats_args[] = {
#define OPTION(bit, name, help) {name, ARG_FLAG, ARG_OPTIONAL, help},
	STATS_GROUPS(OPTION)
#undef OPTION
		{"list-active", ARG_FLAG, ARG_OPTIONAL, "list only active domains"},
	{"list-inactive", ARG_FLAG, ARG_OPTIONAL, "list only inactive domains"},
	{"list-persistent", ARG_FLAG, ARG_OPTIONAL, "list only persistent domains"},
	{"list-transient", ARG_FLAG, ARG_OPTIONAL, "list only transient domains"},
	{"list-running", ARG_FLAG, ARG_OPTIONAL, "list only running domains"},
	{"list-paused", ARG_FLAG, ARG_OPTIONAL, "list only paused domains"},
	{"list-shutoff", ARG_FLAG, ARG_OPTIONAL, "list only shutoff domains"},
	{"list-other", ARG_FLAG, ARG_OPTIONAL, "list only domains in other states"},
	{"raw", ARG_FLAG, ARG_OPTIONAL, "do not pretty-print the fields"},
	{"enforce", ARG_FLAG, ARG_OPTIONAL, "enforce requested stats parameters"},
	{"backing", ARG_FLAG, ARG_OPTIONAL, "add backing chain information to block stats"},
	{"nowait", ARG_FLAG, ARG_OPTIONAL, "report only stats that are accessible instantly"},
	{"domain", ARG_MANY, ARG_OPTIONAL, "list of domains to get stats for"},
	ARG_END,
};

const struct shell_command shell_stats_commands[] = {
	{"cpu-stats", SHELL_DOMAIN, COMPLETE_DOMAIN, "show domain cpu statistics",
	 "Display per-CPU and total statistics about the domain's CPUs", cpu_stats_args,
	 run_cpu_stats},
	{"dommemstat", SHELL_MONITOR, COMPLETE_DOMAIN, "get memory statistics for a domain",
	 "Get memory statistics for a running domain.", domain_args, run_dommemstat},
	{"domstats", SHELL_MONITOR, COMPLETE_DOMAIN, "get statistics about one or multiple domains",
	 "Gets statistics about one or more (or all) domains", domstats_args, run_domstats},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
