/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The elements of domain XML that Sampo understands: what each may say and
 * what it means here. docs/domain-xml.md is the same for people.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config_parse.h"

#define LARGE (2ull << 20)

static bool is_one_of(const char *value, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(value, *words))
			return true;
	return false;
}

/* An attribute whose only supported values are these; NULL if it is absent. */
static const char *choice(struct config_parser *p, const char **attributes, const char *name,
			  const char *const *words)
{
	const char *value = config_attribute(attributes, name);

	if (value && !is_one_of(value, words))
		config_fail(p, "%s='%.32s' is not supported", name, value);
	return value;
}

static void copy(struct config_parser *p, char *to, size_t room, const char *from, const char *what)
{
	size_t n = strlen(from);

	if (!n)
		config_fail(p, "%s is empty", what);
	else if (n >= room)
		config_fail(p, "%s is longer than %u bytes", what, (unsigned)room - 1);
	else
		memcpy(to, from, n + 1);
}

static uint64_t number(struct config_parser *p, const char *text, uint64_t most)
{
	uint64_t value = 0;

	if (!*text)
		config_fail(p, "a number is missing");
	for (const char *c = text; *c; c++) {
		uint64_t digit = (uint64_t)(*c - '0');

		if (*c < '0' || *c > '9') {
			config_fail(p, "'%.32s' is not a number", text);
			return 0;
		}
		if (digit > most || value > (most - digit) / 10) {
			config_fail(p, "%.32s is more than %llu", text, (unsigned long long)most);
			return 0;
		}
		value = value * 10 + digit;
	}
	return value;
}

/* Printable ASCII, without what would confuse a shell or XML. */
static bool plain(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text >= 127 || strchr("/<>&'\"\\", *text))
			return false;
	return true;
}

static struct config_disk *disk(struct config_parser *p)
{
	return &p->config->disk[p->config->disks - 1];
}

static struct config_nic *nic(struct config_parser *p)
{
	return &p->config->nic[p->config->nics - 1];
}

/* <domain> and what is directly in it */

static void domain_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"kvm", "qemu", "xen", "sampo", NULL};

	if (!choice(p, attributes, "type", types))
		config_fail(p, "attribute 'type' is missing");
}

static void name_end(struct config_parser *p, const char *text)
{
	copy(p, p->config->name, sizeof(p->config->name), text, "the name");
	if (!plain(text))
		config_fail(p,
			    "the name may not have blanks, quotes, slashes or control characters");
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void uuid_end(struct config_parser *p, const char *text)
{
	unsigned digits = 0;

	for (const char *c = text; *c; c++) {
		int value = hex(*c);

		if (*c == '-')
			continue;
		if (value < 0 || digits == 32) {
			digits = 0;
			break;
		}
		p->config->uuid[digits / 2] = (uint8_t)(p->config->uuid[digits / 2] << 4 | value);
		digits++;
	}
	if (digits != 32)
		config_fail(p, "'%.40s' is not a UUID", text);
}

/* libvirt's units: bytes, powers of 1000 with B, powers of 1024 without. */
static uint64_t unit_bytes(struct config_parser *p, const char *unit)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {
		{"b", 1},           {"bytes", 1},        {"KB", 1000},
		{"k", 1ull << 10},  {"K", 1ull << 10},   {"KiB", 1ull << 10},
		{"MB", 1000000},    {"M", 1ull << 20},   {"MiB", 1ull << 20},
		{"GB", 1000000000}, {"G", 1ull << 30},   {"GiB", 1ull << 30},
		{"T", 1ull << 40},  {"TiB", 1ull << 40},
	};

	if (!unit)
		return 1ull << 10;
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(unit, units[i].name))
			return units[i].bytes;
	config_fail(p, "unit '%.16s' is not known", unit);
	return 1;
}

static void memory_start(struct config_parser *p, const char **attributes)
{
	p->unit = unit_bytes(p, config_attribute(attributes, "unit"));
}

static uint64_t memory_size(struct config_parser *p, const char *text)
{
	uint64_t bytes = number(p, text, CONFIG_MEMORY_MAX / p->unit) * p->unit;

	if (!p->failed && bytes < CONFIG_MEMORY_MIN)
		config_fail(p, "less than 2 MiB");
	return (bytes + LARGE - 1) & ~(LARGE - 1);
}

static void memory_end(struct config_parser *p, const char *text)
{
	p->config->memory = memory_size(p, text);
}

static void current_memory_end(struct config_parser *p, const char *text)
{
	p->current_memory = memory_size(p, text);
}

static void vcpu_start(struct config_parser *p, const char **attributes)
{
	static const char *const placements[] = {"static", "auto", NULL};

	choice(p, attributes, "placement", placements);
}

static void vcpu_end(struct config_parser *p, const char *text)
{
	p->config->vcpus = (uint32_t)number(p, text, 1024);
	if (p->failed)
		return;
	if (p->config->vcpus != 1)
		config_fail(p, "%u virtual CPUs: one is supported", p->config->vcpus);
}

static void shares_end(struct config_parser *p, const char *text)
{
	p->config->weight = (uint32_t)number(p, text, 65535);
	if (!p->failed && !p->config->weight)
		config_fail(p, "shares must be from 1 to 65535");
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

	choice(p, attributes, "arch", archs);
}

static void os_type_end(struct config_parser *p, const char *text)
{
	static const char *const types[] = {"hvm", "linux", "xenpvh", NULL};

	if (!is_one_of(text, types))
		config_fail(p, "'%.32s': hvm is supported", text);
}

static void kernel_end(struct config_parser *p, const char *text)
{
	copy(p, p->config->kernel, sizeof(p->config->kernel), text, "the file name");
}

/* The first word is the file, the rest a multiboot module's command line. */
static void initrd_end(struct config_parser *p, const char *text)
{
	struct vm_config *c = p->config;
	char file[CONFIG_PATH];
	size_t n = strcspn(text, " \t\r\n");

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
	copy(p, c->initrd[c->initrds], CONFIG_PATH, file, "the file name");
	text += n;
	text += strspn(text, " \t\r\n");
	if (*text)
		copy(p, c->initrd_args[c->initrds], CONFIG_PATH, text, "the module's command line");
	c->initrds++;
}

static void cmdline_end(struct config_parser *p, const char *text)
{
	if (*text)
		copy(p, p->config->cmdline, sizeof(p->config->cmdline), text, "the command line");
}

/* <features>, <cpu>, <clock>, <pm> */

static void state_on(struct config_parser *p, const char **attributes)
{
	static const char *const states[] = {"on", NULL};

	choice(p, attributes, "state", states);
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

	choice(p, attributes, "mode", modes);
}

static void topology_start(struct config_parser *p, const char **attributes)
{
	static const char *const parts[] = {"sockets", "dies", "cores", "threads"};

	p->topology = 1;
	for (unsigned i = 0; i < 4; i++) {
		const char *value = config_attribute(attributes, parts[i]);

		if (value)
			p->topology *= (uint32_t)number(p, value, 64);
	}
}

/* dom0 keeps Unix time and knows of no time zone: local time is UTC. */
static void clock_start(struct config_parser *p, const char **attributes)
{
	static const char *const offsets[] = {"utc", "localtime", NULL};
	const char *offset = choice(p, attributes, "offset", offsets);

	p->config->clock_localtime = offset && !strcmp(offset, "localtime");
}

static void clock_timer_start(struct config_parser *p, const char **attributes)
{
	static const char *const names[] = {"rtc", "pit", "kvmclock", "tsc", "hpet", NULL};
	const char *name = choice(p, attributes, "name", names);
	const char *present = config_attribute(attributes, "present");
	bool want = !present || !strcmp(present, "yes");

	if (!name)
		config_fail(p, "attribute 'name' is missing");
	else if (want == !strcmp(name, "hpet"))
		config_fail(p, want ? "there is no %s" : "%s is always present", name);
}

static void pm_start(struct config_parser *p, const char **attributes)
{
	static const char *const no[] = {"no", NULL};

	choice(p, attributes, "enabled", no);
}

/* <disk> */

static void disk_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"block", NULL};
	static const char *const devices[] = {"disk", NULL};

	if (p->config->disks == CONFIG_DISKS) {
		config_fail(p, "more than %d disks", CONFIG_DISKS);
		return;
	}
	p->config->disks++;
	p->has_source = p->has_target = false;
	if (!choice(p, attributes, "type", types))
		config_fail(p, "attribute 'type' is missing");
	choice(p, attributes, "device", devices);
}

static void disk_driver_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"raw", NULL};

	choice(p, attributes, "type", types);
}

static void disk_source_start(struct config_parser *p, const char **attributes)
{
	const char *dev = config_attribute(attributes, "dev");

	if (!dev)
		config_fail(p, "attribute 'dev' is missing");
	else
		copy(p, disk(p)->source, sizeof(disk(p)->source), dev, "'dev'");
	p->has_source = true;
}

static void disk_target_start(struct config_parser *p, const char **attributes)
{
	static const char *const buses[] = {"virtio", NULL};
	const char *dev = config_attribute(attributes, "dev");

	if (!dev) {
		config_fail(p, "attribute 'dev' is missing");
		return;
	}
	copy(p, disk(p)->target, sizeof(disk(p)->target), dev, "'dev'");
	if (!choice(p, attributes, "bus", buses) && strncmp(dev, "vd", 2) != 0)
		config_fail(p, "bus='virtio' is the only one");
	for (uint32_t i = 0; i + 1 < p->config->disks; i++)
		if (!strcmp(p->config->disk[i].target, dev))
			config_fail(p, "dev='%.15s' is used twice", dev);
	p->has_target = true;
}

static void readonly_start(struct config_parser *p, const char **attributes)
{
	(void)attributes;
	disk(p)->readonly = true;
}

static void disk_serial_end(struct config_parser *p, const char *text)
{
	copy(p, disk(p)->serial, sizeof(disk(p)->serial), text, "the serial number");
	if (!plain(text))
		config_fail(p, "the serial number has blanks or quotes");
}

static void disk_end(struct config_parser *p, const char *text)
{
	if (*text)
		config_fail(p, "text does not belong here");
	else if (!p->has_source)
		config_fail(p, "<source> is missing");
	else if (!p->has_target)
		config_fail(p, "<target> is missing");
}

/* <interface> */

static void interface_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"bridge", "network", NULL};

	if (p->config->nics == CONFIG_NICS) {
		config_fail(p, "more than %d interfaces", CONFIG_NICS);
		return;
	}
	p->config->nics++;
	p->has_mac = p->has_source = false;
	if (!choice(p, attributes, "type", types))
		config_fail(p, "attribute 'type' is missing");
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++) {
		int high = hex(text[0]), low = high < 0 ? -1 : hex(text[1]);

		if (low < 0 || text[2] != (i < 5 ? ':' : 0))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
		text += 3;
	}
	return true;
}

static void mac_start(struct config_parser *p, const char **attributes)
{
	const char *text = config_attribute(attributes, "address");
	static const uint8_t zero[6];

	if (!text || !parse_mac(text, nic(p)->mac))
		config_fail(p, "'%.20s' is not a MAC address", text ? text : "");
	else if (nic(p)->mac[0] & 1 || !memcmp(nic(p)->mac, zero, 6))
		config_fail(p, "'%.20s' is not the address of one interface", text);
	p->has_mac = true;
}

static void interface_source_start(struct config_parser *p, const char **attributes)
{
	const char *name = config_attribute(attributes, "bridge");

	if (!name)
		name = config_attribute(attributes, "network");
	if (!name)
		config_fail(p, "attribute 'bridge' or 'network' is missing");
	else
		copy(p, nic(p)->source, sizeof(nic(p)->source), name, "the name");
	if (!p->failed && !plain(name))
		config_fail(p, "the name has blanks or quotes");
	p->has_source = true;
}

static void interface_target_start(struct config_parser *p, const char **attributes)
{
	const char *name = config_attribute(attributes, "dev");

	if (!name)
		return;
	copy(p, nic(p)->target, sizeof(nic(p)->target), name, "'dev'");
	if (!plain(name))
		config_fail(p, "'dev' has blanks or quotes");
}

static void model_start(struct config_parser *p, const char **attributes)
{
	static const char *const models[] = {"virtio", "virtio-non-transitional", NULL};

	choice(p, attributes, "type", models);
}

static void vlan_tag_start(struct config_parser *p, const char **attributes)
{
	const char *id = config_attribute(attributes, "id");
	uint64_t vlan = id ? number(p, id, 4094) : 0;

	if (p->failed)
		return;
	if (!vlan)
		config_fail(p, "'id' must be from 1 to 4094");
	else if (nic(p)->vlan)
		config_fail(p, "more than one tag");
	nic(p)->vlan = (uint16_t)vlan;
}

static void link_start(struct config_parser *p, const char **attributes)
{
	static const char *const states[] = {"up", "down", NULL};
	const char *state = choice(p, attributes, "state", states);

	nic(p)->link_down = state && !strcmp(state, "down");
}

/* FNV-1a, for addresses that stay the same from start to start. */
static uint64_t hash(const char *text, uint64_t value)
{
	for (; *text; text++)
		value = (value ^ (uint8_t)*text) * 0x100000001b3ull;
	return value;
}

#define HASH_START 0xcbf29ce484222325ull

static void interface_end(struct config_parser *p, const char *text)
{
	struct config_nic *n = nic(p);

	if (*text)
		config_fail(p, "text does not belong here");
	else if (!p->has_source)
		config_fail(p, "<source> is missing");
	if (p->has_mac)
		for (uint32_t i = 0; i + 1 < p->config->nics; i++)
			if (!memcmp(p->config->nic[i].mac, n->mac, 6))
				config_fail(p, "the MAC address is used twice");
}

/* <serial>, <console>, <rng>, <memballoon>, <controller> */

static void serial_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"pty", NULL};

	choice(p, attributes, "type", types);
	if (++p->config->serials > 1)
		config_fail(p, "more than one serial port");
}

static void serial_target_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"isa-serial", NULL};
	static const char *const ports[] = {"0", NULL};

	choice(p, attributes, "type", types);
	choice(p, attributes, "port", ports);
}

static void serial_model_start(struct config_parser *p, const char **attributes)
{
	static const char *const names[] = {"isa-serial", NULL};

	choice(p, attributes, "name", names);
}

static void console_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"pty", NULL};

	choice(p, attributes, "type", types);
	p->console_virtio = false;
}

static void console_target_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"serial", "virtio", NULL};
	const char *type = choice(p, attributes, "type", types);

	p->console_virtio = type && !strcmp(type, "virtio");
}

/* A console of type serial is the serial port by another name. */
static void console_end(struct config_parser *p, const char *text)
{
	if (*text)
		config_fail(p, "text does not belong here");
	if (!p->console_virtio)
		return;
	if (p->config->virtio_console)
		config_fail(p, "more than one virtio console");
	p->config->virtio_console = true;
}

static void rng_start(struct config_parser *p, const char **attributes)
{
	static const char *const models[] = {"virtio", "virtio-non-transitional", NULL};

	if (!choice(p, attributes, "model", models))
		config_fail(p, "attribute 'model' is missing");
	p->config->rng = true;
}

/* Whatever is named as the source: dom0's own generator it is. */
static void rng_backend_end(struct config_parser *p, const char *text)
{
	static const char *const sources[] = {"", "/dev/urandom", "/dev/random", "/dev/hwrng",
					      NULL};

	if (!is_one_of(text, sources))
		config_fail(p, "'%.32s' is not supported", text);
}

static void rng_backend_start(struct config_parser *p, const char **attributes)
{
	static const char *const models[] = {"random", "builtin", NULL};

	choice(p, attributes, "model", models);
}

static void memballoon_start(struct config_parser *p, const char **attributes)
{
	static const char *const models[] = {"none", NULL};

	if (!choice(p, attributes, "model", models))
		config_fail(p, "model='none' is the only one");
}

static void controller_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"pci", "virtio-serial", NULL};
	static const char *const models[] = {"pci-root", "pcie-root", NULL};

	choice(p, attributes, "type", types);
	choice(p, attributes, "model", models);
}

#define DEVICES "domain/devices/"

const struct config_element config_elements[] = {
	{"domain", "type -id", false, true, domain_start, NULL},
	{"domain/name", "", false, true, NULL, name_end},
	{"domain/uuid", "", false, true, NULL, uuid_end},
	{"domain/title", "*", true, false, NULL, NULL},
	{"domain/description", "*", true, false, NULL, NULL},
	{"domain/metadata", "*", true, false, NULL, NULL},
	{"domain/memory", "unit -dumpCore", false, true, memory_start, memory_end},
	{"domain/currentMemory", "unit", false, true, memory_start, current_memory_end},
	{"domain/vcpu", "placement", false, true, vcpu_start, vcpu_end},
	{"domain/cputune", "", false, true, NULL, NULL},
	{"domain/cputune/shares", "", false, true, NULL, shares_end},
	{"domain/on_poweroff", "", false, true, NULL, on_poweroff_end},
	{"domain/on_reboot", "", false, true, NULL, on_reboot_end},
	{"domain/on_crash", "", false, true, NULL, on_crash_end},
	{"domain/os", "", false, true, NULL, NULL},
	{"domain/os/type", "arch -machine", false, true, os_type_start, os_type_end},
	{"domain/os/kernel", "", false, true, NULL, kernel_end},
	{"domain/os/initrd", "", false, false, NULL, initrd_end},
	{"domain/os/cmdline", "", false, true, NULL, cmdline_end},
	{"domain/os/boot", "-dev", false, false, NULL, NULL},
	{"domain/features", "", false, true, NULL, NULL},
	{"domain/features/acpi", "state", false, true, acpi_start, NULL},
	{"domain/features/apic", "state", false, true, apic_start, NULL},
	{"domain/features/pae", "state", false, true, pae_start, NULL},
	{"domain/cpu", "mode -check -migratable", false, true, cpu_start, NULL},
	{"domain/cpu/topology", "sockets dies cores threads", false, true, topology_start, NULL},
	{"domain/clock", "offset", false, true, clock_start, NULL},
	{"domain/clock/timer", "name present -tickpolicy", false, false, clock_timer_start, NULL},
	{"domain/pm", "", false, true, NULL, NULL},
	{"domain/pm/suspend-to-mem", "enabled", false, true, pm_start, NULL},
	{"domain/pm/suspend-to-disk", "enabled", false, true, pm_start, NULL},
	{"domain/devices", "", false, true, NULL, NULL},
	{DEVICES "emulator", "*", true, false, NULL, NULL},
	{DEVICES "disk", "type device", false, false, disk_start, disk_end},
	{DEVICES "disk/driver", "-name type -cache -io -discard", false, false, disk_driver_start,
	 NULL},
	{DEVICES "disk/source", "dev -index", false, false, disk_source_start, NULL},
	{DEVICES "disk/target", "dev bus", false, false, disk_target_start, NULL},
	{DEVICES "disk/readonly", "", false, false, readonly_start, NULL},
	{DEVICES "disk/serial", "", false, false, NULL, disk_serial_end},
	{DEVICES "disk/alias", "*", true, false, NULL, NULL},
	{DEVICES "disk/boot", "*", true, false, NULL, NULL},
	{DEVICES "interface", "type", false, false, interface_start, interface_end},
	{DEVICES "interface/mac", "address", false, false, mac_start, NULL},
	{DEVICES "interface/source", "bridge network", false, false, interface_source_start, NULL},
	{DEVICES "interface/target", "dev", false, false, interface_target_start, NULL},
	{DEVICES "interface/model", "type", false, false, model_start, NULL},
	{DEVICES "interface/vlan", "", false, false, NULL, NULL},
	{DEVICES "interface/vlan/tag", "id", false, false, vlan_tag_start, NULL},
	{DEVICES "interface/link", "state", false, false, link_start, NULL},
	{DEVICES "interface/alias", "*", true, false, NULL, NULL},
	{DEVICES "serial", "type", false, false, serial_start, NULL},
	{DEVICES "serial/source", "*", true, false, NULL, NULL},
	{DEVICES "serial/alias", "*", true, false, NULL, NULL},
	{DEVICES "serial/target", "type port", false, false, serial_target_start, NULL},
	{DEVICES "serial/target/model", "name", false, false, serial_model_start, NULL},
	{DEVICES "console", "type -tty", false, false, console_start, console_end},
	{DEVICES "console/source", "*", true, false, NULL, NULL},
	{DEVICES "console/alias", "*", true, false, NULL, NULL},
	{DEVICES "console/target", "type -port", false, false, console_target_start, NULL},
	{DEVICES "rng", "model", false, true, rng_start, NULL},
	{DEVICES "rng/backend", "model", false, true, rng_backend_start, rng_backend_end},
	{DEVICES "memballoon", "model", false, true, memballoon_start, NULL},
	{DEVICES "controller", "type model -index", false, false, controller_start, NULL},
};
const unsigned config_element_count = sizeof(config_elements) / sizeof(config_elements[0]);
/* config_parser.seen has a bit for each. */
_Static_assert(sizeof(config_elements) / sizeof(config_elements[0]) <= 64, "too many elements");

static void make_uuid(struct vm_config *c)
{
	static const uint8_t zero[16];
	uint64_t half[2] = {hash(c->name, HASH_START), hash(c->name, ~HASH_START)};

	if (memcmp(c->uuid, zero, 16) != 0)
		return;
	memcpy(c->uuid, half, 16);
	c->uuid[6] = (uint8_t)((c->uuid[6] & 0x0f) | 0x80); /* RFC 9562: v8 */
	c->uuid[8] = (uint8_t)((c->uuid[8] & 0x3f) | 0x80);
}

/* Interfaces without an address get one of QEMU's range from the name. */
static void make_macs(struct vm_config *c)
{
	static const uint8_t zero[6];

	for (uint32_t i = 0; i < c->nics; i++) {
		uint64_t h = hash(c->name, HASH_START + i);
		uint8_t *mac = c->nic[i].mac;

		if (memcmp(mac, zero, 6) != 0)
			continue;
		mac[0] = 0x52;
		mac[1] = 0x54;
		mac[2] = 0x00;
		mac[3] = (uint8_t)(h >> 40);
		mac[4] = (uint8_t)(h >> 24);
		mac[5] = (uint8_t)(h ^ i);
	}
}

void config_check(struct config_parser *p)
{
	struct vm_config *c = p->config;

	if (!c->name[0])
		config_fail(p, "<name> is missing");
	else if (!c->memory)
		config_fail(p, "<memory> is missing");
	else if (!c->kernel[0])
		config_fail(p, "<os> has no <kernel>: there is no firmware to boot from a disk");
	else if (p->current_memory && p->current_memory != c->memory)
		config_fail(p, "<currentMemory> differs from <memory>");
	if (!c->vcpus)
		c->vcpus = 1;
	if (p->topology && p->topology != c->vcpus)
		config_fail(p, "<topology> does not give the number of <vcpu>");
	if (!c->serials)
		c->serials = 1;
	make_uuid(c);
	make_macs(c);
}
