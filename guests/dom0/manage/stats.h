/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts about guests under libvirt's names and with libvirt's numbers: the groups of domstats, each
 * a run of named values. Printing is elsewhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vm;
struct vm_config;
struct sampo_vcpu_info;

/* virDomainStatsTypes: X(bit, option, help) */
#define STATS_GROUPS(X)                                                      \
	X(0x001, "state", "report domain state")                             \
	X(0x002, "cpu-total", "report domain physical cpu usage")            \
	X(0x004, "balloon", "report domain balloon statistics")              \
	X(0x008, "vcpu", "report domain virtual cpu information")            \
	X(0x010, "interface", "report domain network interface information") \
	X(0x020, "block", "report domain block device statistics")           \
	X(0x040, "perf", "report domain perf event statistics")              \
	X(0x080, "iothread", "report domain IOThread information")           \
	X(0x100, "memory", "report domain memory usage")                     \
	X(0x200, "dirtyrate", "report domain dirty rate information")        \
	X(0x400, "vm", "report hypervisor-specific statistics")

#define STATS_SUPPORTED 0x03fu /* the first six */

struct stats_fact {
	char name[32];    /* "vcpu.0.time" */
	const char *text; /* NULL: a number */
	uint64_t number;
};

/* Calls `put` with each fact of the groups (a set of bits) that there is now. */
void stats_each(struct vm *vm, unsigned groups, void (*put)(const struct stats_fact *fact));

/* virDomainState and its reason. */
unsigned stats_state(const struct vm *vm);
unsigned stats_reason(const struct vm *vm);

/* virVcpuState: 0 offline, 1 running, 2 blocked. */
unsigned stats_vcpu_state(const struct sampo_vcpu_info *info);

/* Bytes of the device behind a guest's disk; 0: there is none now. */
uint64_t stats_disk_bytes(const struct vm *vm, unsigned disk);

/* The interface's name: <target dev>, or the guest's name and a number. */
#define STATS_NIC_NAME 80
void stats_nic_name(char text[STATS_NIC_NAME], const struct vm_config *config, unsigned nic);
/* Returns the number of the interface that has this name or MAC address (mac.h), -1 if none has. */
int stats_nic_find(const struct vm_config *config, const char *wanted);

/* Nanoseconds that dom0 worked for the guest's devices. */
uint64_t stats_dom0_ns(const struct vm *vm);
