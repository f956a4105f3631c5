/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/manage/host.h"

#include <stdio.h>

#include "guests/dom0/base/cpuset.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/config/config.h"
#include "guests/lib/sampo.h"

typedef unsigned long long llu;

static bool ending;

bool host_ends(void)
{
	return ending;
}

void host_set_ending(bool ends)
{
	ending = ends;
}

bool host_facts(struct host_facts *facts)
{
	static struct sampo_machine_info info;
	int64_t status =
		sampo_object_info(boot->machine, SAMPO_INFO_MACHINE, &info, sizeof(info), 0, NULL);

	*facts = (struct host_facts){.cpus = 1};
	if (status != SAMPO_OK)
		return false;
	*facts = (struct host_facts){
		.memory = info.ram_bytes,
		.free = info.free_bytes,
		.mhz = info.tsc_khz / 1000,
		.idle_ns = clock_ticks_ns(info.idle_tsc),
		.cpus = info.cpus,
	};
	return true;
}

unsigned host_cpus(void)
{
	struct host_facts facts;

	host_facts(&facts);
	return facts.cpus < CPUSET_CPUS ? facts.cpus : CPUSET_CPUS;
}

uint64_t host_version(void)
{
	uint64_t version = 0;

	sampo_version(&version);
	return (version >> 16) * 1000000 + (version & 0xffff) * 1000;
}

/* One NUMA cell, in which each CPU is a core of its own. */
static void put_topology(host_put *put, void *context, const struct host_facts *facts)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "    <topology>\n      <cells num='1'>\n        <cell id='0'>\n"
		 "          <memory unit='KiB'>%llu</memory>\n          <cpus num='%u'>\n",
		 (llu)(facts->memory >> 10), facts->cpus);
	put(context, text);
	for (unsigned i = 0; i < facts->cpus; i++) {
		snprintf(text, sizeof(text),
			 "            <cpu id='%u' socket_id='0' die_id='0' core_id='%u' "
			 "siblings='%u'/>\n",
			 i, i, i);
		put(context, text);
	}
	put(context, "          </cpus>\n        </cell>\n      </cells>\n    </topology>\n");
}

void host_capabilities(host_put *put, void *context)
{
	struct host_facts facts;
	char text[128];

	host_facts(&facts);
	put(context, "<capabilities>\n\n  <host>\n    <cpu>\n      <arch>x86_64</arch>\n");
	snprintf(text, sizeof(text),
		 "      <topology sockets='1' dies='1' cores='%u' threads='1'/>\n    </cpu>\n",
		 facts.cpus);
	put(context, text);
	put_topology(put, context, &facts);
	put(context, "  </host>\n\n  <guest>\n    <os_type>hvm</os_type>\n"
		     "    <arch name='x86_64'>\n      <wordsize>64</wordsize>\n"
		     "      <domain type='sampo'/>\n      <domain type='kvm'/>\n    </arch>\n"
		     "    <features>\n      <acpi default='on' toggle='no'/>\n"
		     "      <apic default='on' toggle='no'/>\n      <pae/>\n"
		     "    </features>\n  </guest>\n\n"
		     "</capabilities>\n");
}

void host_domain_capabilities(const char *type, host_put *put, void *context)
{
	char text[192];

	snprintf(text, sizeof(text),
		 "<domainCapabilities>\n  <path>sampo</path>\n  <domain>%.16s</domain>\n"
		 "  <machine>pc</machine>\n  <arch>x86_64</arch>\n  <vcpu max='%u'/>\n",
		 type, CONFIG_VCPUS);
	put(context, text);
	put(context, "  <os supported='yes'>\n    <loader supported='no'/>\n  </os>\n"
		     "  <cpu>\n    <mode name='host-passthrough' supported='yes'/>\n"
		     "    <mode name='maximum' supported='no'/>\n"
		     "    <mode name='host-model' supported='no'/>\n"
		     "    <mode name='custom' supported='no'/>\n  </cpu>\n");
	put(context, "  <devices>\n    <disk supported='yes'>\n      <enum name='diskDevice'>\n"
		     "        <value>disk</value>\n      </enum>\n      <enum name='bus'>\n"
		     "        <value>virtio</value>\n      </enum>\n    </disk>\n"
		     "    <graphics supported='no'/>\n    <video supported='no'/>\n"
		     "    <hostdev supported='yes'>\n      <enum name='mode'>\n"
		     "        <value>subsystem</value>\n      </enum>\n"
		     "      <enum name='subsysType'>\n        <value>pci</value>\n      </enum>\n"
		     "    </hostdev>\n    <rng supported='yes'>\n      <enum name='model'>\n"
		     "        <value>virtio</value>\n      </enum>\n    </rng>\n"
		     "    <tpm supported='no'/>\n  </devices>\n</domainCapabilities>\n");
}

void host_sysinfo(host_put *put, void *context)
{
	char text[160];
	uint64_t version = host_version();

	snprintf(text, sizeof(text),
		 "<sysinfo type='smbios'>\n  <system>\n"
		 "    <entry name='manufacturer'>Sampo</entry>\n"
		 "    <entry name='version'>%llu.%llu</entry>\n",
		 (llu)(version / 1000000), (llu)(version / 1000 % 1000));
	put(context, text);
	put(context, "  </system>\n</sysinfo>\n");
}
