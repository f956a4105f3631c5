/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts about the machine, also in the XML that libvirt's clients read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_URI "sampo:///system"

/* The switch is the one network: all interfaces are on it, whatever their networks are called. */
#define NETWORK_NAME   "default"
#define NETWORK_UUID   "5a6d706f-0000-4000-8000-000000000001"
#define NETWORK_BRIDGE "br0"

struct host_facts {
	uint64_t memory, free; /* bytes */
	uint64_t mhz;
	uint64_t idle_ns; /* that the CPUs spent idle, all together */
	uint32_t cpus;
};

/* Returns false if the kernel does not tell. */
bool host_facts(struct host_facts *facts);
/* At most CPUSET_CPUS. */
unsigned host_cpus(void);
/* As libvirt writes versions: 1000000 times the major number, 1000 times the minor one. */
uint64_t host_version(void);

/* Is the machine on its way to be turned off? No guest starts any more. */
bool host_ends(void);
void host_set_ending(bool ends);

/* Documents in pieces, each with a zero at its end. */
typedef void host_put(void *context, const char *text);
void host_capabilities(host_put *put, void *context);
/* `type`: one of config_domain_types. */
void host_domain_capabilities(const char *type, host_put *put, void *context);
void host_sysinfo(host_put *put, void *context);
