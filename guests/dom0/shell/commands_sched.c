/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs about guests' virtual CPUs and their share of the machine's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/env.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/manage/tune.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

typedef unsigned long long llu;

#define CPUS_TEXT 256

static void pins(const struct vm *vm, unsigned first, unsigned last)
{
	static const char *const header[] = {"VCPU", "CPU Affinity"};
	char vcpu[12], cpus[CPUS_TEXT];
	struct table table;

	table_start(&table, 2, header);
	for (unsigned i = first; i < last; i++) {
		snprintf(vcpu, sizeof(vcpu), "%u", i);
		cpuset_format(&vm->config->affinity[i], host_cpus(), cpus, sizeof(cpus));
		table_row(&table, (const char *const[]){vcpu, cpus});
	}
	table_end(&table, shell_line);
}

static void print_home(void)
{
	static const char *const header[] = {"VCPU", "CPU Affinity"};
	struct sampo_vcpu_info info;
	char at[12] = "?";
	struct table table;

	if (home_info(&info))
		snprintf(at, sizeof(at), "%u", info.cpu);
	table_start(&table, 2, header);
	table_row(&table, (const char *const[]){"0", at});
	table_end(&table, shell_line);
}

static void pin_dom0(const struct args *args)
{
	const char *cpus = args_text(args, "cpulist"), *error;
	uint64_t n;
	char *end;

	if (args_text(args, "vcpu") && !shell_number(args, "vcpu", 0, &n))
		return;
	if (!cpus) {
		print_home();
		return;
	}
	n = strtoull(cpus, &end, 10);
	if (*cpus < '0' || *cpus > '9' || *end || n >= host_cpus()) {
		shell_error("invalid argument: '%s': " CONFIG_DOM0 " runs on one CPU, the one that "
			    "its devices interrupt, from 0 to %u",
			    cpus, host_cpus() - 1);
		return;
	}
	error = home_move((unsigned)n);
	if (error)
		shell_error("CPU %u: %s", (unsigned)n, error);
}

/* Reads virsh's list of CPUs, in which "r" stands for all of them. Returns false after a message,
 * also for a CPU that the machine does not have. */
static bool cpu_list(const char *text, struct cpuset *set)
{
	static const struct cpuset none;
	const char *error = NULL;
	unsigned cpus = host_cpus();

	if (!strcmp(text, "r"))
		*set = cpuset_all();
	else
		error = cpuset_parse(text, set);
	if (error || cpuset_equal(set, &none)) {
		shell_error("Invalid cpulist '%s'", text);
		if (error)
			shell_error("invalid argument: Failed to parse bitmap '%s'", text);
		return false;
	}
	for (unsigned i = CPUSET_CPUS; strcmp(text, "r") && i-- > cpus;)
		if (cpuset_has(set, i)) {
			shell_error("CPU %u in cpulist '%s' exceed the maxcpu %u", i, text, cpus);
			return false;
		}
	return true;
}

static void pin(struct vm *vm, uint64_t vcpu, const char *cpus)
{
	const char *error;
	struct cpuset set;

	if (!cpu_list(cpus, &set))
		return;
	if (vcpu >= vm->config->vcpus) {
		shell_error("invalid argument: requested vcpu '%llu' is not present in the domain",
			    (llu)vcpu);
		return;
	}
	error = vm_pin(vm, (unsigned)vcpu, &set);
	if (error)
		shell_error("invalid argument: %s", error);
	else
		shell_keep(vm);
}

static void show_pins(const struct vm *vm, bool one, uint64_t vcpu)
{
	if (!one)
		pins(vm, 0, vm->config->vcpus);
	else if (vcpu >= vm->config->vcpus)
		shell_error("vcpu %llu is out of range of %s cpu count %u", (llu)vcpu,
			    vm->id ? "live" : "persistent", vm->config->vcpus);
	else
		pins(vm, (unsigned)vcpu, (unsigned)vcpu + 1);
}

/* A description and its running guest share one affinity, so --live and --config mean the same. */
static void run_vcpupin(const struct args *args)
{
	const char *cpus = args_text(args, "cpulist"), *vcpu = args_text(args, "vcpu");
	uint64_t number = 0;
	struct vm *vm;

	if (!shell_not_both(args, "current", "live") || !shell_not_both(args, "current", "config"))
		return;
	if (shell_is_dom0(args_text(args, "domain"))) {
		pin_dom0(args);
		return;
	}
	vm = shell_domain_of(args);
	if (!vm || (vcpu && !shell_number(args, "vcpu", UINT32_MAX, &number)))
		return;
	if (cpus && !vcpu)
		shell_error("vcpupin: Missing vCPU number in pin mode.");
	else if (!cpus && !vm->id && args_flag(args, "live"))
		shell_error("cannot get vcpupin for offline domain");
	else if (cpus)
		pin(vm, number, cpus);
	else
		show_pins(vm, vcpu, number);
}

/* --- schedinfo --- */

/* "name=value"; false after a message. */
static bool set_parameter(struct vm *vm, const char *text)
{
	const char *value = strchr(text, '='), *error;
	size_t n = value ? (size_t)(value - text) : 0;
	const struct tune_parameter *p = tune_parameter(text, (unsigned)n);
	char *end;
	int64_t v;

	if (!value) {
		shell_error("Invalid syntax for --set, expecting name=value");
		return false;
	}
	if (!p) {
		shell_error("invalid scheduler option: %.*s", (int)n, text);
		return false;
	}
	v = strtoll(++value, &end, 10);
	if (!*value || *end) {
		shell_error("invalid argument: Invalid value for field '%s': expected %s", p->name,
			    p->type);
		return false;
	}
	error = tune_parameter_set(p, vm, v);
	if (error)
		shell_error("%s", error);
	return !error;
}

static void run_schedinfo(const struct args *args)
{
	struct vm *vm;

	if (!shell_not_both(args, "current", "live") || !shell_not_both(args, "current", "config"))
		return;
	vm = shell_domain_of(args);
	if (!vm)
		return;
	term_printf("%-15s: posix\n", "Scheduler");
	for (unsigned i = 0; i < args->many_count; i++)
		if (!set_parameter(vm, args->many[i]))
			return;
	for (unsigned i = 0; i < TUNE_PARAMETERS; i++)
		term_printf("%-15s: %lld\n", manage_parameters[i].name,
			    (long long)manage_parameters[i].get(vm));
	if (args->many_count)
		shell_keep(vm);
}

/* --- The number of virtual CPUs --- */

static void print_counts(const struct vm *vm)
{
	static const char *const what[] = {"maximum", "current"};

	for (unsigned i = 0; i < 2; i++) {
		term_printf("%-12s %-12s %3u\n", what[i], "config", vm->config->vcpus);
		if (vm->id)
			term_printf("%-12s %-12s %3u\n", what[i], "live", vm->config->vcpus);
	}
}

/* A guest has all of its virtual CPUs from its start, so all figures are equal. */
static void run_vcpucount(const struct args *args)
{
	static const char *const one[] = {"maximum", "active", "live", "config", "current"};
	bool chosen = false;
	struct vm *vm;

	if (!shell_not_both(args, "active", "maximum"))
		return;
	vm = shell_domain_of(args);
	if (!vm)
		return;
	for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++)
		chosen = chosen || args_flag(args, one[i]);
	if (!chosen)
		print_counts(vm);
	else if (args_flag(args, "live") && !vm->id)
		shell_error("%s", shell_not_running);
	else
		term_printf("%u\n", vm->config->vcpus);
}

/* Without an option the change is for a running guest. */
static unsigned affects(const struct args *args)
{
	if (args_flag(args, "current"))
		return TUNE_CURRENT;
	return args_flag(args, "config") && !args_flag(args, "live") ? TUNE_CONFIG : TUNE_LIVE;
}

static void run_setvcpus(const struct args *args)
{
	const char *failure;
	struct vm *vm;
	uint64_t n;

	if (!shell_not_both(args, "current", "live") ||
	    !shell_not_both(args, "current", "config") ||
	    !shell_not_without(args, "maximum", "config"))
		return;
	vm = shell_domain_of(args);
	if (!vm || !shell_number(args, "count", UINT32_MAX, &n))
		return;
	if (!n) {
		shell_error("Can't set 0 processors for a VM");
		return;
	}
	failure = manage_vcpus(vm, n, args_flag(args, "maximum"), affects(args));
	if (failure)
		shell_error("%s", failure);
	else
		shell_keep(vm);
}

static const struct arg schedinfo_args[] = {
	ARG_ANY_DOMAIN,
	{"current", ARG_FLAG, ARG_OPTIONAL, "get/set current scheduler info"},
	{"config", ARG_FLAG, ARG_OPTIONAL, "get/set value to be used on next boot"},
	{"live", ARG_FLAG, ARG_OPTIONAL, "get/set value from running domain"},
	{"set", ARG_MANY, ARG_OPTIONAL, "parameter=value"},
	ARG_END,
};

static const struct arg setvcpus_args[] = {
	ARG_ANY_DOMAIN,
	{"count", ARG_NUMBER, ARG_REQUIRED, "number of virtual CPUs"},
	{"maximum", ARG_FLAG, ARG_OPTIONAL, "set maximum limit on next boot"},
	ARG_AFFECTS,
	ARG_END,
};

static const struct arg vcpucount_args[] = {
	ARG_ANY_DOMAIN,
	{"maximum", ARG_FLAG, ARG_OPTIONAL, "get maximum count of vcpus"},
	{"active", ARG_FLAG, ARG_OPTIONAL, "get number of currently active vcpus"},
	{"live", ARG_FLAG, ARG_OPTIONAL, "get value from running domain"},
	{"config", ARG_FLAG, ARG_OPTIONAL, "get value to be used on next boot"},
	{"current", ARG_FLAG, ARG_OPTIONAL, "get value according to current domain state"},
	ARG_END,
};

static const struct arg vcpupin_args[] = {
	ARG_ANY_DOMAIN,
	{"vcpu", ARG_NUMBER, ARG_OPTIONAL, "vcpu number"},
	{"cpulist", ARG_TEXT, ARG_OPTIONAL, "host cpu number(s) to set, or omit option to query"},
	ARG_AFFECTS,
	ARG_END,
};

const struct shell_command shell_sched_commands[] = {
	{"schedinfo", SHELL_DOMAIN, COMPLETE_DOMAIN, "show/set scheduler parameters",
	 "Show/Set scheduler parameters.", schedinfo_args, run_schedinfo},
	{"setvcpus", SHELL_DOMAIN, COMPLETE_DOMAIN, "change number of virtual CPUs",
	 "Change the number of virtual CPUs in the guest domain.", setvcpus_args, run_setvcpus},
	{"vcpucount", SHELL_DOMAIN, COMPLETE_DOMAIN, "domain vcpu counts",
	 "Returns the number of virtual CPUs used by the domain.", vcpucount_args, run_vcpucount},
	{"vcpupin", SHELL_DOMAIN, COMPLETE_ANY_DOMAIN, "control or query domain vcpu affinity",
	 "Pin domain VCPUs to host physical CPUs.", vcpupin_args, run_vcpupin},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
