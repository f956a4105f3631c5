/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs about the machine itself, except for its end (power.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/block.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/mac.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/machine/calendar.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/manage/log.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/net/ntp.h"
#include "guests/dom0/net/switch.h"
#include "guests/dom0/shell/power.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/shell/words.h"
#include "guests/lib/cpu.h"
#include "guests/lib/sampo.h"

typedef unsigned long long llu;

#define STEP_NS   2000000u
#define FOLLOW_NS 50000000u
#define STAMP     64u /* what print_line puts in front */

static bool machine_info(struct sampo_machine_info *info)
{
	int64_t status =
		sampo_object_info(boot->machine, SAMPO_INFO_MACHINE, info, sizeof(*info), 0, NULL);

	if (status != SAMPO_OK)
		shell_error("failed to get node information: %s", sampo_strerror(status));
	return status == SAMPO_OK;
}

/* The machine's, as the kernel shows it to every guest. */
static void cpu_brand(char text[49])
{
	uint32_t part[12];

	for (uint32_t i = 0; i < 3; i++)
		cpuid(0x80000002 + i, 0, part + 4 * i);
	memcpy(text, part, 48);
	text[48] = 0;
}

static void run_nodeinfo(const struct args *args)
{
	static struct sampo_machine_info info;
	char brand[49];
	uint64_t total, used;

	(void)args;
	if (!machine_info(&info))
		return;
	memory_usage(&total, &used);
	cpu_brand(brand);
	term_printf("CPU model:           x86_64\n"
		    "CPU(s):              %u\n"
		    "CPU frequency:       %llu MHz\n"
		    "CPU socket(s):       1\n"
		    "Core(s) per socket:  %u\n"
		    "Thread(s) per core:  1\n"
		    "NUMA cell(s):        1\n"
		    "Memory size:         %llu KiB\n",
		    info.cpus, (llu)(info.tsc_khz / 1000), info.cpus, (llu)(info.ram_bytes >> 10));
	term_printf("Memory free:         %llu KiB\n"
		    "Hypervisor memory:   %llu KiB\n"
		    "dom0 memory:         %llu KiB, %llu KiB in use\n"
		    "CPU brand:           %s\n"
		    "Virtualization:      %s\n"
		    "Domains:             %u\n"
		    "Handles:             %u\n"
		    "Machine checks:      %llu corrected\n",
		    (llu)(info.free_bytes >> 10), (llu)(info.kernel_bytes >> 10),
		    (llu)(total >> 10), (llu)(used >> 10), brand, sampo_by_vmcall ? "VMX" : "SVM",
		    info.domains, info.handles, (llu)info.machine_checks);
}

/* In virsh's four lines: the shell's and the kernel's versions. */
static void run_version(const struct args *args)
{
	uint64_t version = 0;

	sampo_version(&version);
	term_printf("Compiled against library: kernel interface %u.%u.0\n"
		    "Using library: kernel interface %llu.%llu.0\n"
		    "Using API: Sampo %llu.%llu.0\n"
		    "Running hypervisor: Sampo %llu.%llu.0\n",
		    SAMPO_ABI_VERSION >> 16, SAMPO_ABI_VERSION & 0xffff, (llu)(version >> 16),
		    (llu)(version & 0xffff), (llu)(version >> 16), (llu)(version & 0xffff),
		    (llu)(version >> 16), (llu)(version & 0xffff));
	if (args_flag(args, "daemon"))
		term_printf("Running against daemon: %llu.%llu.0\n", (llu)(version >> 16),
			    (llu)(version & 0xffff));
}

static void run_hostname(const struct args *args)
{
	(void)args;
	shell_line(stack_name());
}

static void run_uri(const struct args *args)
{
	(void)args;
	shell_line(HOST_URI);
}

static void run_uptime(const struct args *args)
{
	uint64_t s = clock_ns() / 1000000000u;

	(void)args;
	term_printf("up %llu days, %02llu:%02llu:%02llu\n", (llu)(s / 86400), (llu)(s / 3600 % 24),
		    (llu)(s / 60 % 60), (llu)(s % 60));
}

static void print_answers(const struct ntp_status *s)
{
	uint64_t size = (uint64_t)(s->change_ns < 0 ? -s->change_ns : s->change_ns);

	if (s->set)
		term_printf("Last answer:    %llu s ago: the clock was %llu.%06llu s %s\n",
			    (llu)((clock_ns() - s->when) / 1000000000u), (llu)(size / 1000000000u),
			    (llu)(size / 1000 % 1000000), s->change_ns < 0 ? "fast" : "slow");
	else
		term_printf("Last answer:    none, the time is the machine's own clock's\n");
	if (s->refused)
		term_printf("Refused:        %u answer%s%s%s\n", s->refused,
			    s->refused == 1 ? "" : "s", s->why ? ", the last one: " : "",
			    s->why ? s->why : "");
}

static void run_time(const struct args *args)
{
	char now[CALENDAR_TEXT];
	struct ntp_status s;
	const char *wrong;

	if (!shell_not_without(args, "force", "sync"))
		return;
	if (args_flag(args, "sync")) {
		wrong = ntp_ask(args_flag(args, "force"));
		if (wrong)
			shell_failure(wrong, "Failed to ask for the time");
		else
			term_printf("The server is being asked.\n");
		return;
	}
	ntp_status(&s);
	calendar_text(now, (int64_t)(clock_wall_ns() / 1000000000u));
	term_printf("Time:           %s UTC\nServer:         %s\n", now,
		    s.server ? s.server : "none");
	print_answers(&s);
}

static uint64_t log_position;
static unsigned log_chosen; /* levels, as bits */
static bool log_decodes, log_follows, log_has_dates;

/* A stamp counts seconds from where the TSC is 0; as a date in the clock's present sense. */
static void print_stamp(const char *stamp)
{
	uint64_t origin = clock_wall_ns() - clock_ticks_ns(rdtsc());
	uint64_t seconds = strtoull(stamp + strspn(stamp, "[ "), NULL, 10);
	char text[CALENDAR_TEXT];

	if (!log_has_dates || !*stamp) {
		term_printf("%s", stamp);
		return;
	}
	calendar_text(text, (int64_t)(origin / 1000000000u + seconds));
	term_printf("[%s] ", text);
}

/* util-linux's format: facility and level in front with --decode. */
static void print_line(const struct log_line *line)
{
	if (!(log_chosen >> line->level & 1))
		return;
	if (log_decodes)
		term_printf("kern  :%-6s: ", log_level_names[line->level]);
	print_stamp(line->stamp);
	term_printf("%s\n", line->text);
}

static bool dmesg_step(bool cancel)
{
	static struct log_line next;
	bool more = false;

	while (!cancel && term_room() > sizeof(next) + STAMP) {
		more = log_next(&log_position, &next);
		if (!more)
			break;
		print_line(&next);
	}
	if (!cancel && (more || log_follows || term_room() <= sizeof(next) + STAMP))
		return true;
	if (log_follows)
		term_printf("^C\n");
	shell_log_elsewhere(false);
	return false;
}

static void run_dmesg(const struct args *args)
{
	const char *list = args_text(args, "level");

	if (!list)
		list = args_text(args, "l");
	log_follows = args_flag(args, "follow") || args_flag(args, "w");
	log_decodes = args_flag(args, "decode") || args_flag(args, "x");
	log_has_dates = args_flag(args, "ctime") || args_flag(args, "T");
	log_chosen = list ? log_levels(list) : ~0u;
	if (!log_chosen) {
		shell_error("unknown level in '%s'", list);
		return;
	}
	log_position = 0;
	shell_log_elsewhere(log_follows);
	shell_job(dmesg_step, log_follows ? FOLLOW_NS : STEP_NS);
}

static void size_text(char *text, size_t size, uint64_t sectors)
{
	static const char unit[] = "KMGT";
	uint64_t tenths = sectors * 5;
	unsigned u = 0;

	while (tenths >= 10240 && unit[u + 1]) {
		tenths /= 1024;
		u++;
	}
	snprintf(text, size, "%llu.%llu %ciB", (llu)(tenths / 10), (llu)(tenths % 10), unit[u]);
}

static void run_disks(const struct args *args)
{
	static const char *const header[] = {"Name", "Size", "Label", "Access", "Used by", "Model"};
	struct table table;
	char size[24];

	(void)args;
	table_start(&table, 6, header);
	for (struct blkdev *dev = blk_first(); dev; dev = dev->next) {
		size_text(size, sizeof(size), dev->sectors);
		table_row(&table, (const char *const[]){dev->name, size,
							dev->part_label[0] ? dev->part_label : "-",
							dev->read_only ? "ro" : "rw",
							dev->user ? dev->user : "-",
							dev->parent ? "-" : dev->model});
	}
	table_end(&table, shell_line);
}

static void print_ports(void)
{
	static const char *const header[] = {"Port", "Link", "VLAN", "Received", "Sent", "Dropped"};
	struct table table;
	char cell[4][24];

	table_start(&table, 6, header);
	for (struct net_port *port = switch_first(); port; port = port->next) {
		snprintf(cell[0], sizeof(cell[0]), "%u", port->vlan);
		snprintf(cell[1], sizeof(cell[1]), "%llu", (llu)port->rx_frames);
		snprintf(cell[2], sizeof(cell[2]), "%llu", (llu)port->tx_frames);
		snprintf(cell[3], sizeof(cell[3]), "%llu", (llu)port->dropped);
		table_row(&table, (const char *const[]){port->name, port->link_up ? "up" : "down",
							port->vlan ? cell[0] : "-", cell[1],
							cell[2], cell[3]});
	}
	table_end(&table, shell_line);
}

static void print_cards(void)
{
	char mac[MAC_TEXT];

	for (struct netdev *dev = net_first(); dev; dev = dev->next)
		term_printf("%-15s %s, cable %s, %s\n", dev->name, mac_text(mac, dev->mac),
			    dev->link_up ? "connected" : "out", uplink_role(dev));
	if (net_first())
		term_printf("\n");
}

static const char *address_text(char text[16], uint32_t address)
{
	uint8_t b[4];

	memcpy(b, &address, sizeof(b));
	snprintf(text, 16, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	return address ? text : "none";
}

static void print_stack(void)
{
	struct stack_status s;
	char address[16], mask[16], gateway[16], dns[16], mac[MAC_TEXT];

	stack_status(&s);
	if (!s.enabled) {
		term_printf("dom0's network stack is off\n");
		return;
	}
	term_printf("MAC address:    %s\nCable:          %s\n", mac_text(mac, s.mac),
		    s.cable ? "connected" : "out");
	term_printf("Address:        %s\nMask:           %s\n"
		    "Gateway:        %s\nName server:    %s\n",
		    address_text(address, s.address), address_text(mask, s.mask),
		    address_text(gateway, s.gateway), address_text(dns, s.dns));
	if (s.dhcp)
		term_printf("DHCP:           %s", s.dhcp_state);
	else
		term_printf("DHCP:           off");
	if (s.dhcp && s.address)
		term_printf(", lease of %u s", s.lease_seconds);
	term_printf("\n");
}

static void run_net(const struct args *args)
{
	(void)args;
	print_ports();
	term_printf("\n");
	print_cards();
	print_stack();
}

static void run_poweroff(const struct args *args)
{
	power_end(SAMPO_MACHINE_POWEROFF, args_flag(args, "force"));
}

static void run_reboot_host(const struct args *args)
{
	power_end(SAMPO_MACHINE_RESET, args_flag(args, "force"));
}

static const struct arg dmesg_args[] = {
	{"follow", ARG_FLAG, ARG_OPTIONAL, "wait for new lines"},
	{"w", ARG_FLAG, ARG_OPTIONAL, "the same"},
	{"level", ARG_TEXT, ARG_NAMED, "only lines of these levels, with commas between"},
	{"l", ARG_TEXT, ARG_NAMED, "the same"},
	{"decode", ARG_FLAG, ARG_OPTIONAL, "facility and level in front of each line"},
	{"x", ARG_FLAG, ARG_OPTIONAL, "the same"},
	{"ctime", ARG_FLAG, ARG_OPTIONAL, "dates in place of the seconds since the start, in UTC"},
	{"T", ARG_FLAG, ARG_OPTIONAL, "the same"},
	ARG_END,
};

static const struct arg time_args[] = {
	{"sync", ARG_FLAG, ARG_OPTIONAL, "ask the time server now"},
	{"force", ARG_FLAG, ARG_OPTIONAL, "take its answer even if it is far away"},
	ARG_END,
};

static const struct arg version_args[] = {
	{"daemon", ARG_FLAG, ARG_OPTIONAL, "report daemon version too"},
	ARG_END,
};

static const struct arg force_args[] = {
	{"force", ARG_FLAG, ARG_OPTIONAL, "do not wait for domains to shut down"},
	ARG_END,
};

const struct shell_command shell_host_commands[] = {
	{"disks", SHELL_SAMPO, COMPLETE_NONE, "block devices and partitions", NULL, shell_no_args,
	 run_disks},
	{"dmesg", SHELL_SAMPO, COMPLETE_NONE, "the log of the kernel and of dom0", NULL, dmesg_args,
	 run_dmesg},
	{"hostname", SHELL_HOST, COMPLETE_NONE, "print the hypervisor hostname", NULL,
	 shell_no_args, run_hostname},
	{"net", SHELL_SAMPO, COMPLETE_NONE, "ports of the switch, dom0's network address", NULL,
	 shell_no_args, run_net},
	{"nodeinfo", SHELL_HOST, COMPLETE_NONE, "node information",
	 "Returns basic information about the node.", shell_no_args, run_nodeinfo},
	{"poweroff", SHELL_SAMPO, COMPLETE_NONE, "shut all domains down and power the machine off",
	 NULL, force_args, run_poweroff},
	{"reboot-host", SHELL_SAMPO, COMPLETE_NONE, "shut all domains down and reset the machine",
	 NULL, force_args, run_reboot_host},
	{"time", SHELL_SAMPO, COMPLETE_NONE, "the wall clock and its server", NULL, time_args,
	 run_time},
	{"uptime", SHELL_SAMPO, COMPLETE_NONE, "time since the start", NULL, shell_no_args,
	 run_uptime},
	{"uri", SHELL_HOST, COMPLETE_NONE, "print the hypervisor canonical URI", NULL,
	 shell_no_args, run_uri},
	{"version", SHELL_HOST, COMPLETE_NONE, "show version",
	 "Display the system version information.", version_args, run_version},
	{"vols", SHELL_SAMPO, COMPLETE_NONE, "the same as disks", NULL, shell_no_args, run_disks},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
