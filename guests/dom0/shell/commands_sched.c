/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs about guests' virtual CPUs and their share of the machine's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config.h"
#include "guests/dom0/home.h"
#include "guests/dom0/loop.h"
#include "guests/dom0/memory.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/dom0/vm.h"
#include "guests/lib/sampo.h"

typedef unsigned long long llu;

#define CPUS_TEXT 256

static void line(const char *text)
{
	term_printf("%s\n", text);
}

static unsigned host_cpus(void)
{
	static struct sampo_machine_info info;

	sampo_object_info(boot->machine, SAMPO_INFO_MACHINE, &info, sizeof(info), 0, NULL);
	return info.cpus;
}

/* A number of at most `most`; false after a message. */
static bool number(const char *text, uint64_t most, uint64_t *value)
{
	char *end;

	*value = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && *value <= most)
		return true;
	shell_error("invalid argument: '%s' is not a number up to %llu", text, (llu)most);
	return false;
}

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
	table_end(&table, line);
}

static void pin_dom0(int count, char *word[])
{
	static const char *const header[] = {"VCPU", "CPU Affinity"};
	struct sampo_vcpu_info info;
	char at[12] = "?", *end;
	const char *error;
	struct table table;
	uint64_t n;

	if (count > 2 && !number(word[2], 0, &n))
		return;
	if (count < 4) {
		if (home_info(&info))
			snprintf(at, sizeof(at), "%u", info.cpu);
		table_start(&table, 2, header);
		table_row(&table, (const char *const[]){"0", at});
		table_end(&table, line);
		return;
	}
	n = strtoull(word[3], &end, 10);
	if (word[3][0] < '0' || word[3][0] > '9' || *end || n >= host_cpus()) {
		shell_error("invalid argument: '%s': " CONFIG_DOM0 " runs on one CPU, the one that "
			    "its devices interrupt, from 0 to %u", word[3], host_cpus() - 1);
		return;
	}
	error = home_move((unsigned)n);
	if (error)
		shell_error("CPU %u: %s", (unsigned)n, error);
	else
		term_printf("\n");
}

static void run_vcpupin(int count, char *word[])
{
	struct cpuset set;
	const char *error;
	uint64_t vcpu;
	struct vm *vm;

	words_without(&count, word, "--live --config --current");
	if (!shell_arguments(count, word))
		return;
	if (shell_is_dom0(word[1])) {
		pin_dom0(count, word);
		return;
	}
	vm = shell_domain(word[1]);
	if (!vm)
		return;
	if (count < 3) {
		pins(vm, 0, vm->config->vcpus);
		return;
	}
	if (!number(word[2], vm->config->vcpus - 1, &vcpu))
		return;
	if (count < 4) {
		pins(vm, (unsigned)vcpu, (unsigned)vcpu + 1);
		return;
	}
	error = cpuset_parse(word[3], &set);
	if (error)
		shell_error("invalid argument: '%s' %s", word[3], error);
	else if ((error = vm_pin(vm, (unsigned)vcpu, &set)))
		shell_error("invalid argument: %s", error);
	else
		term_printf("\n");
}

/* "name=value" of schedinfo: one of three, or a message. */
static const char *set_share(struct vm *vm, const char *text)
{
	const struct vm_config *c = vm->config;
	const char *value = strchr(text, '=');
	size_t n = value ? (size_t)(value - text) : 0;
	uint64_t v = 0;

	if (!value)
		return "a parameter is name=value";
	value++;
	if (!strncmp(text, "vcpu_quota=", n + 1) && !strcmp(value, "-1"))
		return vm_set_cap(vm, 0, c->period);
	if (!number(value, UINT32_MAX, &v))
		return "";
	if (!strncmp(text, "cpu_shares=", n + 1))
		return v && v < 65536 ? vm_set_weight(vm, (uint32_t)v)
				      : "cpu_shares is from 1 to 65535";
	if (!strncmp(text, "vcpu_quota=", n + 1))
		return v >= 1000 ? vm_set_cap(vm, v, c->period)
				 : "vcpu_quota is -1 or 1000 and more";
	if (!strncmp(text, "vcpu_period=", n + 1))
		return v >= 1000 && v <= 1000000 ? vm_set_cap(vm, c->quota, v)
						 : "vcpu_period is from 1000 to 1000000";
	return "cpu_shares, vcpu_period and vcpu_quota are what there is";
}

static void run_schedinfo(int count, char *word[])
{
	bool set = words_option(&count, word, "--set");
	struct vm *vm;

	words_without(&count, word, "--live --config --current");
	vm = shell_only_domain(count, word);
	if (!vm)
		return;
	if (set && count < 3)
		shell_error("command 'schedinfo' requires name=value after --set");
	for (int i = 2; i < count; i++) {
		const char *error = set_share(vm, word[i]);

		if (!error)
			continue;
		if (*error)
			shell_error("invalid argument: %s", error);
		return;
	}
	term_printf("%-15s: posix\n%-15s: %u\n%-15s: %llu\n%-15s: ", "Scheduler", "cpu_shares",
		    vm->config->weight, "vcpu_period", (llu)vm->config->period, "vcpu_quota");
	if (vm->config->quota)
		term_printf("%llu\n\n", (llu)vm->config->quota);
	else
		term_printf("-1\n\n");
}

static void run_vcpucount(int count, char *word[])
{
	struct vm *vm = shell_only_domain(count, word);
	static const char *const what[] = {"maximum", "current"};

	for (unsigned i = 0; vm && i < 2; i++) {
		term_printf("%-12s %-12s %3u\n", what[i], "config", vm->config->vcpus);
		if (vm->id)
			term_printf("%-12s %-12s %3u\n", what[i], "live", vm->config->vcpus);
	}
	if (vm)
		term_printf("\n");
}

/* The description's; a guest that runs keeps what it has. */
static void run_setvcpus(int count, char *word[])
{
	bool config = words_option(&count, word, "--config");
	bool maximum = words_option(&count, word, "--maximum");
	struct vm *vm = shell_only_domain(count, word);
	struct vm_config *c;
	uint64_t n;

	(void)config;
	(void)maximum;
	if (!vm || !number(word[2], CONFIG_VCPUS, &n))
		return;
	c = (struct vm_config *)vm->config;
	if (!n)
		shell_error("invalid argument: a guest needs a virtual CPU");
	else if (vm->run != VM_OFF)
		shell_error("Operation not supported: the number of virtual CPUs of a running "
			    "domain cannot change");
	else if (c->threads != 1 || c->cores != c->vcpus)
		shell_error("Operation not supported: the domain has a CPU topology");
	else {
		c->vcpus = c->cores = (uint32_t)n;
		term_printf("\n");
	}
}

static uint64_t dom0_ns(const struct vm *vm)
{
	return clock_ticks_ns(vm->dom0_tsc);
}

static void run_cpu_stats(int count, char *word[])
{
	bool total = words_option(&count, word, "--total");
	struct vm *vm = shell_active_domain(count, word);
	struct sampo_domain_info info;

	(void)total; /* the kernel does not count by physical CPU */
	if (!vm || !vm_domain_info(vm, &info))
		return;
	term_printf("Total:\n\tcpu_time        %5llu.%09llu seconds\n", (llu)(info.cpu_ns / 1000000000),
		    (llu)(info.cpu_ns % 1000000000));
	term_printf("\tsystem_time     %5llu.%09llu seconds\n\n", (llu)(dom0_ns(vm) / 1000000000),
		    (llu)(dom0_ns(vm) % 1000000000));
}

/* virDomainState and virVcpuState */
static void print_stats(struct vm *vm)
{
	struct sampo_domain_info info = {0};
	struct sampo_vcpu_info vcpu;

	term_printf("Domain: '%s'\n  state.state=%u\n", vm->name,
		    vm->run == VM_RUNNING   ? 1u
		    : vm->run == VM_PAUSED  ? 3u
		    : vm->run == VM_CRASHED ? 6u
					    : 5u);
	if (vm_domain_info(vm, &info))
		term_printf("  cpu.time=%llu\n  cpu.system=%llu\n", (llu)info.cpu_ns,
			    (llu)dom0_ns(vm));
	term_printf("  vcpu.current=%u\n  vcpu.maximum=%u\n", vm->config->vcpus, vm->config->vcpus);
	for (unsigned i = 0; i < vm->config->vcpus; i++)
		if (vm_vcpu_info(vm, i, &vcpu))
			term_printf("  vcpu.%u.state=%u\n  vcpu.%u.time=%llu\n  vcpu.%u.wait=%llu\n", i,
				    vcpu.state < 2 || vcpu.state == 3 ? 1u : vcpu.state == 2 ? 2u : 0u,
				    i, (llu)vcpu.cpu_ns, i, (llu)vcpu.wait_ns);
	term_printf("\n");
}

static void run_domstats(int count, char *word[])
{
	struct vm *only;

	if (!shell_arguments(count, word))
		return;
	if (count > 1) {
		only = shell_domain(word[1]);
		if (only)
			print_stats(only);
		return;
	}
	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		print_stats(vm);
}

const struct shell_command shell_sched_commands[] = {
	{"cpu-stats", "<domain> [--total]", "show domain cpu statistics", 1, 1, COMPLETE_DOMAIN,
	 run_cpu_stats},
	{"domstats", "[domain]", "get statistics about one or all domains", 0, 1, COMPLETE_DOMAIN,
	 run_domstats},
	{"schedinfo", "<domain> [--set cpu_shares=N vcpu_period=N vcpu_quota=N]",
	 "show/set scheduler parameters", 1, 4, COMPLETE_DOMAIN, run_schedinfo},
	{"setvcpus", "<domain> <count> [--config] [--maximum]", "change number of virtual CPUs", 2, 2,
	 COMPLETE_DOMAIN, run_setvcpus},
	{"vcpucount", "<domain>", "domain vcpu counts", 1, 1, COMPLETE_DOMAIN, run_vcpucount},
	{"vcpupin", "<domain> [vcpu [cpulist]]", "control or query domain vcpu affinity; of Domain-0 too: one CPU", 1, 3,
	 COMPLETE_ANY_DOMAIN, run_vcpupin},
	{NULL, NULL, NULL, 0, 0, COMPLETE_NONE, NULL},
};
