/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The elements of domain XML that Sampo understands: what each may say and
 * what it means here; those in <devices> are in config_devices.c.
 * docs/guests.md is the same for people.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/mac.h"
#include "guests/dom0/config/parse.h"

/* <domain> and what is directly in it */

const char *const config_domain_types[] = {"sampo", "kvm", "qemu", "xen", NULL};

static void domain_start(struct config_parser *p, const char **attributes)
{
	if (!config_choice(p, attributes, "type", config_domain_types))
		config_fail(p, "attribute 'type' is missing");
}

static void name_end(struct config_parser *p, const char *text)
{
	config_copy(p, p->config->name, sizeof(p->config->name), text, "the name");
	if (!config_plain(text))
		config_fail(p,
			    "the name may not have blanks, quotes, slashes or control characters");
	if (!strcmp(text, CONFIG_DOM0))
		config_fail(p, "the name '" CONFIG_DOM0 "' is dom0's own");
}

static void title_end(struct config_parser *p, const char *text)
{
	if (strpbrk(text, "\r\n\t"))
		config_fail(p, "a title is one line");
	else if (*text)
		config_copy(p, p->config->title, sizeof(p->config->title), text, "the title");
}

bool config_is_title(const char *text)
{
	return strlen(text) < CONFIG_TITLE && !strpbrk(text, "\r\n\t");
}

static void description_end(struct config_parser *p, const char *text)
{
	if (*text)
		config_copy(p, p->config->description, sizeof(p->config->description), text,
			    "the description");
}

static void uuid_end(struct config_parser *p, const char *text)
{
	if (!config_uuid(text, p->config->uuid))
		config_fail(p, "'%.40s' is not a UUID", text);
}

static uint64_t unit_bytes(struct config_parser *p, const char *unit)
{
	uint64_t bytes = config_unit(unit ? unit : "KiB");

	if (bytes)
		return bytes;
	config_fail(p, "unit '%.16s' is not known", unit);
	return 1;
}

static void memory_start(struct config_parser *p, const char **attributes)
{
	const char *unit = config_attribute(attributes, "unit");

	p->unit = unit_bytes(p, unit);
	snprintf(p->unit_name, sizeof(p->unit_name), "%s", unit ? unit : "KiB");
}

/* 0 if it is refused. */
static uint64_t memory_size(struct config_parser *p, const char *text)
{
	uint64_t n, bytes;

	switch (config_digits(text, CONFIG_MEMORY_MAX / p->unit, &n)) {
	case NUMBER_RIGHT:
		break;
	case NUMBER_NONE:
		config_fail(p, "'%.32s' is not a size", text);
		return 0;
	case NUMBER_MORE:
		config_fail(p, "%.32s %s: a guest can have %llu GiB", text, p->unit_name,
			    CONFIG_MEMORY_MAX >> 30);
		return 0;
	}
	bytes = n * p->unit;
	if (bytes < CONFIG_MEMORY_MIN) {
		config_fail(p, "%.32s %s is less than 2 MiB", text, p->unit_name);
		return 0;
	}
	return config_memory(bytes);
}

static void memory_end(struct config_parser *p, const char *text)
{
	p->config->memory = memory_size(p, text);
}

static void current_memory_end(struct config_parser *p, const char *text)
{
	p->current_memory = memory_size(p, text);
}

static void read_cpus(struct config_parser *p, const char *name, const char *text,
		      struct cpuset *set)
{
	const char *error = cpuset_parse(text, set);

	if (error)
		config_fail(p, "%s='%.32s' %s", name, text, error);
}

static void vcpu_start(struct config_parser *p, const char **attributes)
{
	static const char *const placements[] = {"static", "auto", NULL};

	const char *cpus = config_attribute(attributes, "cpuset");
	const char *current = config_attribute(attributes, "current");

	config_choice(p, attributes, "placement", placements);
	p->cpus = cpuset_all();
	if (cpus)
		read_cpus(p, "cpuset", cpus, &p->cpus);
	p->has_cpus = cpus;
	if (current)
		p->current = config_number(p, current, CONFIG_VCPUS);
}

static void vcpu_end(struct config_parser *p, const char *text)
{
	p->config->vcpus = (uint32_t)config_number(p, text, CONFIG_VCPUS);
	if (!p->failed && !p->config->vcpus)
		config_fail(p, "a guest needs a virtual CPU");
}

static void shares_end(struct config_parser *p, const char *text)
{
	p->config->weight = (uint32_t)config_number(p, text, 65535);
	if (!p->failed && !p->config->weight)
		config_fail(p, "shares must be from 1 to 65535");
}

/* Microseconds; libvirt's -1 is no limit. */
static void quota_end(struct config_parser *p, const char *text)
{
	if (!strcmp(text, "-1"))
		return;
	p->config->quota = config_number(p, text, UINT32_MAX);
	if (!p->failed && p->config->quota < 1000)
		config_fail(p, "%s: a quota is -1 or 1000 and more", text);
}

static void period_end(struct config_parser *p, const char *text)
{
	p->config->period = config_number(p, text, 1000000);
	if (!p->failed && p->config->period < 1000)
		config_fail(p, "%s: a period is from 1000 to 1000000", text);
}

static void vcpupin_start(struct config_parser *p, const char **attributes)
{
	const char *vcpu = config_attribute(attributes, "vcpu");
	const char *cpus = config_attribute(attributes, "cpuset");
	uint64_t n;

	if (!vcpu || !cpus) {
		config_fail(p, "attribute '%s' is missing", vcpu ? "cpuset" : "vcpu");
		return;
	}
	n = config_number(p, vcpu, CONFIG_VCPUS - 1);
	if (p->failed)
		return;
	if (p->pinned >> n & 1)
		config_fail(p, "vcpu='%s' is given twice", vcpu);
	p->pinned |= 1ull << n;
	read_cpus(p, "cpuset", cpus, &p->config->affinity[n]);
}

static enum vm_action action(struct config_parser *p, const char *text)
{
	static const char *const words[] = {"destroy", "restart", "preserve"};

	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(text, words[i]))
			return (enum vm_action)i;
	config_fail(p, "'%.32s': destroy, restart and preserve are supported", text);
	return VM_ACTION_DESTROY;
}

static void on_poweroff_end(struct config_parser *p, const char *text)
{
	p->config->on_poweroff = action(p, text);
}

static void on_reboot_end(struct config_parser *p, const char *text)
{
	p->config->on_reboot = action(p, text);
}

static void on_crash_end(struct config_parser *p, const char *text)
{
	p->config->on_crash = action(p, text);
}

/* <os> */

static void os_type_start(struct config_parser *p, const char **attributes)
{
	static const char *const archs[] = {"x86_64", "i686", NULL};

	config_choice(p, attributes, "arch", archs);
}

static void os_type_end(struct config_parser *p, const char *text)
{
	static const char *const types[] = {"hvm", "linux", "xenpvh", NULL};

	if (!config_one_of(text, types))
		config_fail(p, "'%.32s': hvm is supported", text);
}

static void kernel_end(struct config_parser *p, const char *text)
{
	config_copy(p, p->config->kernel, sizeof(p->config->kernel), text, "the file name");
}

/* The first word is the file, the rest a multiboot module's command line. */
static void initrd_end(struct config_parser *p, const char *text)
{
	struct vm_config *c = p->config;
	char file[CONFIG_PATH];
	size_t n = strcspn(text, " \t\r\n");

	if (!*text)
		return;
	if (c->initrds == CONFIG_INITRDS) {
		config_fail(p, "more than %d", CONFIG_INITRDS);
		return;
	}
	if (n >= sizeof(file)) {
		config_fail(p, "the file name is longer than %u bytes", CONFIG_PATH - 1);
		return;
	}
	memcpy(file, text, n);
	file[n] = 0;
	config_copy(p, c->initrd[c->initrds], CONFIG_PATH, file, "the file name");
	text += n;
	text += strspn(text, " \t\r\n");
	if (*text)
		config_copy(p, c->initrd_args[c->initrds], CONFIG_PATH, text,
			    "the module's command line");
	c->initrds++;
}

static void cmdline_end(struct config_parser *p, const char *text)
{
	if (*text)
		config_copy(p, p->config->cmdline, sizeof(p->config->cmdline), text,
			    "the command line");
}

/* Firmware of this kind is the only one. */
static void os_start(struct config_parser *p, const char **attributes)
{
	static const char *const kinds[] = {"bios", NULL};

	config_choice(p, attributes, "firmware", kinds);
}

static void smbios_start(struct config_parser *p, const char **attributes)
{
	static const char *const modes[] = {"emulate", NULL};

	config_choice(p, attributes, "mode", modes);
}

/* <features>, <cpu>, <clock>, <pm> */

/* Features that the machine does not have may be written down as off. */
static void feature_off(struct config_parser *p, const char **attributes)
{
	const char *state = config_attribute(attributes, "state");

	if (!state || strcmp(state, "off") != 0)
		config_fail(p, "only state='off' is supported");
}

static void state_on(struct config_parser *p, const char **attributes)
{
	static const char *const states[] = {"on", NULL};

	config_choice(p, attributes, "state", states);
}

static void acpi_start(struct config_parser *p, const char **attributes)
{
	state_on(p, attributes);
	p->config->acpi = true;
}

static void apic_start(struct config_parser *p, const char **attributes)
{
	state_on(p, attributes);
	p->config->apic = true;
}

static void pae_start(struct config_parser *p, const char **attributes)
{
	state_on(p, attributes);
	p->config->pae = true;
}

static void cpu_start(struct config_parser *p, const char **attributes)
{
	static const char *const modes[] = {"host-passthrough", "host-model", "maximum", NULL};

	config_choice(p, attributes, "mode", modes);
	p->cpu_mode = config_attribute(attributes, "mode") != NULL;
}

/* With a mode there is nothing to choose, or the mode is refused already. */
static void cpu_model_start(struct config_parser *p, const char **attributes)
{
	(void)attributes;
	if (!p->cpu_mode)
		config_fail(p, "the CPU is the machine's own: mode='host-passthrough'");
}

static void cpu_model_end(struct config_parser *p, const char *text)
{
	(void)p;
	(void)text;
}

static void cpu_feature_start(struct config_parser *p, const char **attributes)
{
	static const char *const absent[] = {"vmx", "svm", NULL};
	const char *name = config_attribute(attributes, "name");
	const char *policy = config_attribute(attributes, "policy");

	if (policy && !strcmp(policy, "optional"))
		return;
	if (!policy || !name || strcmp(policy, "disable") != 0 || !config_one_of(name, absent))
		config_fail(p, "policy='%.16s' for '%.32s' is not supported",
			    policy ? policy : "require", name ? name : "");
}

static void cpu_cache_start(struct config_parser *p, const char **attributes)
{
	static const char *const modes[] = {"passthrough", NULL};

	config_choice(p, attributes, "mode", modes);
}

static void topology_start(struct config_parser *p, const char **attributes)
{
	static const char *const parts[] = {"sockets", "dies", "cores", "threads", "clusters"};
	uint32_t number[5] = {1, 1, 1, 1, 1};

	p->topology = 1;
	for (unsigned i = 0; i < 5 && !p->failed; i++) {
		const char *value = config_attribute(attributes, parts[i]);

		if (value)
			number[i] = (uint32_t)config_number(p, value, CONFIG_VCPUS);
		if (!p->failed && !number[i])
			config_fail(p, "%s='0'", parts[i]);
		p->topology *= number[i];
	}
	if (!p->failed && number[1] != 1)
		config_fail(p, "dies='%u' is not supported", number[1]);
	if (!p->failed && number[4] != 1)
		config_fail(p, "clusters='%u' is not supported", number[4]);
	p->config->cores = number[2];
	p->config->threads = number[3];
}

/* dom0 keeps Unix time and knows of no time zone: local time is UTC. */
static void clock_start(struct config_parser *p, const char **attributes)
{
	static const char *const offsets[] = {"utc", "localtime", NULL};
	static const char *const adjustments[] = {"0", "reset", NULL};
	const char *offset = config_choice(p, attributes, "offset", offsets);

	config_choice(p, attributes, "adjustment", adjustments);
	p->config->clock_localtime = offset && !strcmp(offset, "localtime");
}

#define TSC_HZ_MIN 1000000u
#define TSC_HZ_MAX 1000000000000u

static void clock_timer_start(struct config_parser *p, const char **attributes)
{
	static const char *const names[] = {"rtc",  "pit",         "kvmclock", "tsc",
					    "hpet", "hypervclock", NULL};
	const char *name = config_choice(p, attributes, "name", names);
	const char *present = config_attribute(attributes, "present");
	const char *frequency = config_attribute(attributes, "frequency");
	bool want = !present || !strcmp(present, "yes");
	bool absent = name && (!strcmp(name, "hpet") || !strcmp(name, "hypervclock"));

	if (p->failed)
		return;
	if (name && frequency && strcmp(name, "tsc"))
		config_fail(p, "only the timer 'tsc' has a frequency");
	else if (frequency)
		p->config->tsc_hz = config_number(p, frequency, TSC_HZ_MAX);
	if (frequency && !p->failed && p->config->tsc_hz < TSC_HZ_MIN)
		config_fail(p, "frequency='%s' is below 1 MHz", frequency);
	else if (!name)
		config_fail(p, "attribute 'name' is missing");
	else if (want == absent)
		config_fail(p, want ? "there is no %s" : "%s is always present", name);
}

static void pm_start(struct config_parser *p, const char **attributes)
{
	static const char *const no[] = {"no", NULL};

	config_choice(p, attributes, "enabled", no);
}

static const struct config_element elements[] = {
	{"domain", "type -id", true, domain_start, NULL},
	{"domain/name", "", true, NULL, name_end},
	{"domain/title", "", true, NULL, title_end},
	{"domain/description", "", true, NULL, description_end},
	{"domain/metadata", "*", true, config_metadata_start, NULL},
	{"domain/uuid", "", true, NULL, uuid_end},
	{"domain/memory", "unit -dumpCore", true, memory_start, memory_end},
	{"domain/currentMemory", "unit", true, memory_start, current_memory_end},
	{"domain/vcpu", "placement cpuset current", true, vcpu_start, vcpu_end},
	{"domain/cputune", "", true, NULL, NULL},
	{"domain/cputune/shares", "", true, NULL, shares_end},
	{"domain/cputune/quota", "", true, NULL, quota_end},
	{"domain/cputune/period", "", true, NULL, period_end},
	{"domain/cputune/vcpupin", "vcpu cpuset", false, vcpupin_start, NULL},
	{"domain/on_poweroff", "", true, NULL, on_poweroff_end},
	{"domain/on_reboot", "", true, NULL, on_reboot_end},
	{"domain/on_crash", "", true, NULL, on_crash_end},
	{"domain/os", "firmware", true, os_start, NULL},
	{"domain/os/smbios", "mode", true, smbios_start, NULL},
	{"domain/os/type", "arch -machine", true, os_type_start, os_type_end},
	{"domain/os/kernel", "", true, NULL, kernel_end},
	{"domain/os/initrd", "", false, NULL, initrd_end},
	{"domain/os/cmdline", "", true, NULL, cmdline_end},
	{"domain/features", "", true, NULL, NULL},
	{"domain/features/acpi", "state", true, acpi_start, NULL},
	{"domain/features/vmport", "state", true, feature_off, NULL},
	{"domain/features/smm", "state", true, feature_off, NULL},
	{"domain/features/pmu", "state", true, feature_off, NULL},
	{"domain/features/pvspinlock", "state", true, feature_off, NULL},
	{"domain/features/vmcoreinfo", "state", true, feature_off, NULL},
	{"domain/features/kvm", "", true, NULL, NULL},
	{"domain/features/kvm/hidden", "state", true, feature_off, NULL},
	{"domain/features/apic", "state -eoi", true, apic_start, NULL},
	{"domain/features/pae", "state", true, pae_start, NULL},
	{"domain/cpu", "mode -check -migratable -match -deprecated_features", true, cpu_start,
	 NULL},
	{"domain/cpu/model", "-fallback -vendor_id", true, cpu_model_start, cpu_model_end},
	{"domain/cpu/vendor", "", true, cpu_model_start, cpu_model_end},
	{"domain/cpu/feature", "-policy -name", false, cpu_feature_start, NULL},
	{"domain/cpu/cache", "mode -level", false, cpu_cache_start, NULL},
	{"domain/cpu/maxphysaddr", "mode", true, cpu_cache_start, NULL},
	{"domain/cpu/topology", "sockets dies clusters cores threads", true, topology_start, NULL},
	{"domain/clock", "offset adjustment", true, clock_start, NULL},
	{"domain/clock/timer", "name present frequency -tickpolicy -track -mode", false,
	 clock_timer_start, NULL},
	{"domain/pm", "", true, NULL, NULL},
	{"domain/pm/suspend-to-mem", "enabled", true, pm_start, NULL},
	{"domain/pm/suspend-to-disk", "enabled", true, pm_start, NULL},
	{"domain/devices", "", true, NULL, NULL},
};

const struct config_table config_domain = {elements, sizeof(elements) / sizeof(elements[0])};

static void make_uuid(struct vm_config *c)
{
	static const uint8_t zero[16];
	uint64_t half[2] = {config_hash(c->name, HASH_START), config_hash(c->name, ~HASH_START)};

	if (memcmp(c->uuid, zero, 16) != 0)
		return;
	memcpy(c->uuid, half, 16);
	c->uuid[6] = (uint8_t)((c->uuid[6] & 0x0f) | 0x80); /* RFC 9562: v8 */
	c->uuid[8] = (uint8_t)((c->uuid[8] & 0x3f) | 0x80);
}

static bool has_mac(const struct vm_config *c, const uint8_t mac[MAC_BYTES])
{
	for (uint32_t i = 0; i < c->nics; i++)
		if (!memcmp(c->nic[i].mac, mac, MAC_BYTES))
			return true;
	return false;
}

static void make_mac(uint8_t mac[MAC_BYTES], const char *name, uint32_t number)
{
	uint64_t h = config_hash(name, HASH_START + number);

	mac[0] = 0x52;
	mac[1] = 0x54;
	mac[2] = 0x00;
	mac[3] = (uint8_t)(h >> 40);
	mac[4] = (uint8_t)(h >> 24);
	mac[5] = (uint8_t)(h ^ number);
}

/* Interfaces without an address get one of QEMU's range from the name: the first of a row that no
 * other interface of the description has. */
static void make_macs(struct vm_config *c)
{
	static const uint8_t zero[MAC_BYTES];
	uint8_t mac[MAC_BYTES];

	for (uint32_t i = 0; i < c->nics; i++) {
		uint32_t number = i;

		if (memcmp(c->nic[i].mac, zero, MAC_BYTES) != 0)
			continue;
		c->nic[i].mac_made = true;
		do
			make_mac(mac, c->name, number++);
		while (has_mac(c, mac));
		memcpy(c->nic[i].mac, mac, MAC_BYTES);
	}
}

/* Without <topology> it is one socket of cores. */
static void check_topology(struct config_parser *p)
{
	struct vm_config *c = p->config;

	if (!p->topology) {
		c->cores = c->vcpus;
		c->threads = 1;
	} else if (p->topology != c->vcpus) {
		config_fail(p, "<topology> has %llu CPUs, <vcpu> %u",
			    (unsigned long long)p->topology, c->vcpus);
	} else if (config_apic_id(c, c->vcpus - 1) >= CONFIG_VCPUS) {
		config_fail(p, "<topology> needs local APIC ids of more than %u", CONFIG_VCPUS - 1);
	}
}

static void check_vcpus(struct config_parser *p)
{
	struct vm_config *c = p->config;

	if (p->current && p->current != c->vcpus)
		config_fail(p, "<vcpu> current='%u': all of them are always there",
			    (unsigned)p->current);
	if (c->vcpus < CONFIG_VCPUS && p->pinned >> c->vcpus)
		config_fail(p, "<vcpupin> is for a virtual CPU that the guest does not have");
	for (unsigned i = 0; i < c->vcpus; i++)
		if (p->has_cpus && !(p->pinned >> i & 1))
			c->affinity[i] = p->cpus;
}

/* An element that was there and has no value was refused at its place. */
static void check_missing(struct config_parser *p)
{
	const struct vm_config *c = p->config;

	if (!config_given(p, "domain"))
		return;
	if (!config_given(p, "domain/name"))
		config_fail(p, "<name> is missing");
	if (!config_given(p, "domain/memory"))
		config_fail(p, "<memory> is missing");
	if (p->current_memory && c->memory && p->current_memory != c->memory)
		config_fail(p, "<currentMemory> differs from <memory>");
}

void config_check(struct config_parser *p)
{
	struct vm_config *c = p->config;
	bool refused = config_given(p, "domain/vcpu") && !c->vcpus;

	check_missing(p);
	config_check_screen(p);
	config_firmware_check(p);
	if (!c->vcpus)
		c->vcpus = 1;
	if (!refused) {
		check_topology(p);
		check_vcpus(p);
	}
	if (!c->serials)
		c->serials = 1;
	make_uuid(c);
	make_macs(c);
}
