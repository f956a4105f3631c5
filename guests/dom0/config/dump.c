/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's description as XML again; config_parse reads it back the same. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/mac.h"
#include "guests/dom0/base/xml.h"
#include "guests/dom0/config/config.h"

struct dump {
	void (*put)(void *context, const char *text);
	void *context;
	bool live; /* of a guest that runs */
};

/* The longest text of a description, and the element around it. */
static char line[XML_ROOM(CONFIG_CMDLINE) + 128];
_Static_assert(CONFIG_METADATA < XML_ROOM(CONFIG_CMDLINE) && CONFIG_DESCRIPTION <= CONFIG_CMDLINE,
	       "they fit");

static void put(struct dump *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct dump *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	d->put(d->context, line);
}

/* One buffer: one use in each line. */
static const char *escape(const char *text)
{
	static char buffer[XML_ROOM(CONFIG_CMDLINE)];

	return xml_escape(buffer, sizeof(buffer), text);
}

static void dump_bios(struct dump *d, const struct vm_config *c)
{
	if (!c->bios_serial && !c->bios_reboot_given)
		return;
	put(d, "    <bios%s", c->bios_serial ? " useserial='yes'" : "");
	if (c->bios_reboot_given)
		put(d, " rebootTimeout='%d'", c->bios_reboot_ms);
	put(d, "/>\n");
}

/* How firmware boots: kept for a guest with a kernel, too, which may lose it later. */
static void dump_boot(struct dump *d, const struct vm_config *c)
{
	static const char *const kinds[] = {
		[BOOT_DISK] = "hd",
		[BOOT_CDROM] = "cdrom",
		[BOOT_NETWORK] = "network",
		[BOOT_FLOPPY] = "fd",
	};

	for (unsigned i = 0; i < CONFIG_BOOT_DEVS && c->boot_dev[i]; i++)
		put(d, "    <boot dev='%s'/>\n", kinds[c->boot_dev[i]]);
	if (c->boot_menu && c->boot_menu_ms)
		put(d, "    <bootmenu enable='yes' timeout='%u'/>\n", c->boot_menu_ms);
	else if (c->boot_menu)
		put(d, "    <bootmenu enable='yes'/>\n");
	dump_bios(d, c);
}

static void dump_alias(struct dump *d, const char *alias)
{
	if (d->live)
		put(d, "      <alias name='%s'/>\n", escape(alias));
}

static void dump_os(struct dump *d, const struct vm_config *c)
{
	put(d, "  <os>\n    <type arch='x86_64'>hvm</type>\n");
	if (config_has_firmware(c))
		put(d, "    <loader readonly='yes' type='rom'>%s</loader>\n", escape(c->firmware));
	else
		put(d, "    <kernel>%s</kernel>\n", escape(c->kernel));
	for (uint32_t i = 0; i < c->initrds; i++) {
		put(d, "    <initrd>%s", escape(c->initrd[i]));
		put(d, "%s%s</initrd>\n", c->initrd_args[i][0] ? " " : "",
		    escape(c->initrd_args[i]));
	}
	dump_boot(d, c);
	if (c->cmdline[0])
		put(d, "    <cmdline>%s</cmdline>\n", escape(c->cmdline));
	put(d, "  </os>\n");
}

static void dump_number(struct dump *d, const char *name, const char *rest, uint64_t value)
{
	if (value)
		put(d, "        <%s%s>%llu</%s%s>\n", name, rest, (unsigned long long)value, name,
		    rest);
}

static void dump_iotune(struct dump *d, const struct config_iotune *tune)
{
	if (!config_iotune_given(tune))
		return;
	put(d, "      <iotune>\n");
	for (unsigned i = 0; i < IOTUNE_LIMITS; i++)
		dump_number(d, config_iotune_names[i], "", tune->rate[i]);
	for (unsigned i = 0; i < IOTUNE_LIMITS; i++)
		dump_number(d, config_iotune_names[i], "_max", tune->burst[i]);
	dump_number(d, "size_iops_sec", "", tune->request_bytes);
	for (unsigned i = 0; i < IOTUNE_LIMITS; i++)
		dump_number(d, config_iotune_names[i], "_max_length", tune->seconds[i]);
	put(d, "      </iotune>\n");
}

static void dump_driver(struct dump *d, const struct config_disk *disk)
{
	put(d, "      <driver name='sampo' type='%s'", disk->qcow2 ? "qcow2" : "raw");
	for (unsigned i = 0; i < DISK_WORDS; i++)
		if (disk->word[i])
			put(d, " %s='%s'", config_disk_words[i].name,
			    config_disk_words[i].words[disk->word[i] - 1]);
	put(d, "/>\n");
}

static void dump_disk(struct dump *d, const struct config_disk *disk)
{
	char alias[CONFIG_ALIAS];

	put(d, "    <disk type='%s' device='disk'>\n",
	    disk->volume ? "volume"
	    : disk->file ? "file"
			 : "block");
	dump_driver(d, disk);
	if (disk->volume) {
		/* "/dev/POOL/VOLUME" */
		const char *pool = disk->source + strlen("/dev/"), *end = strchr(pool, '/');
		char name[CONFIG_SOURCE];

		snprintf(name, sizeof(name), "%.*s", (int)(end - pool), pool);
		put(d, "      <source pool='%s'", escape(name));
		put(d, " volume='%s'/>\n", escape(end + 1));
	} else {
		put(d, "      <source %s='%s'/>\n", disk->file ? "file" : "dev",
		    escape(disk->source));
	}
	put(d, "      <target dev='%s' bus='virtio'/>\n", escape(disk->target));
	dump_iotune(d, &disk->iotune);
	if (disk->readonly)
		put(d, "      <readonly/>\n");
	if (disk->transient)
		put(d, "      <transient/>\n");
	if (disk->shareable)
		put(d, "      <shareable/>\n");
	if (disk->serial[0])
		put(d, "      <serial>%s</serial>\n", escape(disk->serial));
	if (disk->boot_order)
		put(d, "      <boot order='%u'/>\n", disk->boot_order);
	config_disk_alias(alias, disk);
	dump_alias(d, alias);
	put(d, "    </disk>\n");
}

static void dump_nic(struct dump *d, const struct config_nic *n)
{
	char mac[MAC_TEXT], alias[CONFIG_ALIAS];

	put(d, "    <interface type='bridge'>\n");
	put(d, "      <mac address='%s'/>\n", mac_text(mac, n->mac));
	put(d, "      <source bridge='%s'/>\n", escape(n->source));
	if (n->target[0])
		put(d, "      <target dev='%s'/>\n", escape(n->target));
	put(d, "      <model type='virtio'/>\n");
	if (n->vlan)
		put(d, "      <vlan>\n        <tag id='%u'/>\n      </vlan>\n", n->vlan);
	if (n->link_down)
		put(d, "      <link state='down'/>\n");
	if (n->boot_order)
		put(d, "      <boot order='%u'/>\n", n->boot_order);
	config_nic_alias(alias, n);
	dump_alias(d, alias);
	put(d, "    </interface>\n");
}

static void dump_hostdev(struct dump *d, const struct config_hostdev *h)
{
	put(d, h->interface ? "    <interface type='hostdev' managed='yes'>\n"
			    : "    <hostdev mode='subsystem' type='pci' managed='yes'>\n");
	put(d,
	    "      <source>\n        <address %sdomain='0x0000' bus='0x%02x' slot='0x%02x' "
	    "function='0x%x'/>\n      </source>\n",
	    h->interface ? "type='pci' " : "", h->requester >> 8, h->requester >> 3 & 31,
	    h->requester & 7);
	put(d, h->interface ? "    </interface>\n" : "    </hostdev>\n");
}

static void dump_graphics(struct dump *d, const struct vm_config *c)
{
	int port = c->vnc_port_in_use ? c->vnc_port_in_use : c->vnc_port ? c->vnc_port : -1;

	put(d, "    <graphics type='vnc' port='%d' autoport='%s' listen='%s'", port,
	    c->vnc_port ? "no" : "yes", c->vnc_listen);
	if (c->vnc_password[0])
		put(d, " passwd='%s'", escape(c->vnc_password));
	put(d, ">\n      <listen type='address' address='%s'/>\n    </graphics>\n", c->vnc_listen);
}

static void dump_screen(struct dump *d, const struct vm_config *c)
{
	if (!c->video)
		return;
	put(d, "    <input type='mouse' bus='ps2'/>\n    <input type='keyboard' bus='ps2'/>\n");
	if (c->vnc)
		dump_graphics(d, c);
	put(d,
	    "    <video>\n      <model type='vga' vram='%llu' heads='1' primary='yes'/>\n"
	    "    </video>\n",
	    (unsigned long long)(c->video_memory >> 10));
}

static void dump_devices(struct dump *d, const struct vm_config *c)
{
	put(d, "  <devices>\n");
	for (uint32_t i = 0; i < c->disks; i++)
		dump_disk(d, &c->disk[i]);
	for (uint32_t i = 0; i < c->nics; i++)
		dump_nic(d, &c->nic[i]);
	for (uint32_t i = 0; i < c->hostdevs; i++)
		dump_hostdev(d, &c->hostdev[i]);
	if (c->serials)
		put(d, "    <serial type='pty'>\n"
		       "      <target type='isa-serial' port='0'/>\n"
		       "    </serial>\n");
	if (c->debugcon)
		put(d, "    <serial type='null'>\n"
		       "      <target type='isa-debug'/>\n"
		       "      <address type='isa' iobase='0x402'/>\n"
		       "    </serial>\n");
	put(d,
	    "    <console type='pty'>\n      <target type='%s' port='0'/>\n"
	    "    </console>\n",
	    c->virtio_console ? "virtio" : "serial");
	dump_screen(d, c);
	if (c->rng)
		put(d, "    <rng model='virtio'>\n"
		       "      <backend model='builtin'/>\n    </rng>\n");
	if (c->panic)
		put(d, "    <panic model='isa'/>\n");
	put(d, "    <memballoon model='none'/>\n  </devices>\n");
}

static void dump_features(struct dump *d, const struct vm_config *c)
{
	if (!c->acpi && !c->apic && !c->pae)
		return;
	put(d, "  <features>\n%s%s%s  </features>\n", c->acpi ? "    <acpi/>\n" : "",
	    c->apic ? "    <apic/>\n" : "", c->pae ? "    <pae/>\n" : "");
}

static void dump_cputune(struct dump *d, const struct vm_config *c)
{
	const struct cpuset all = cpuset_all();
	char cpus[512];
	bool pins = false;

	for (uint32_t i = 0; i < c->vcpus; i++)
		pins |= !cpuset_equal(&c->affinity[i], &all);
	if (c->weight == 1024 && !c->quota && !pins)
		return;
	put(d, "  <cputune>\n");
	if (c->weight != 1024)
		put(d, "    <shares>%u</shares>\n", c->weight);
	if (c->quota)
		put(d, "    <period>%llu</period>\n    <quota>%llu</quota>\n",
		    (unsigned long long)c->period, (unsigned long long)c->quota);
	for (uint32_t i = 0; i < c->vcpus; i++) {
		if (cpuset_equal(&c->affinity[i], &all))
			continue;
		cpuset_format(&c->affinity[i], CPUSET_CPUS, cpus, sizeof(cpus));
		put(d, "    <vcpupin vcpu='%u' cpuset='%s'/>\n", i, cpus);
	}
	put(d, "  </cputune>\n");
}

void config_dump(const struct vm_config *c, uint32_t id,
		 void (*out)(void *context, const char *text), void *context)
{
	static const char *const actions[] = {"destroy", "restart", "preserve"};
	struct dump d = {out, context, id};
	const uint8_t *u = c->uuid;

	if (id)
		put(&d, "<domain type='sampo' id='%u'>\n", id);
	else
		put(&d, "<domain type='sampo'>\n");
	put(&d, "  <name>%s</name>\n", escape(c->name));
	put(&d,
	    "  <uuid>%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x%02x%02x%02x%02x</uuid>\n",
	    u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
	    u[14], u[15]);
	if (c->title[0])
		put(&d, "  <title>%s</title>\n", escape(c->title));
	if (c->description[0])
		put(&d, "  <description>%s</description>\n", escape(c->description));
	if (c->metadata[0])
		put(&d, "  <metadata>%s</metadata>\n", c->metadata);
	put(&d,
	    "  <memory unit='KiB'>%llu</memory>\n"
	    "  <currentMemory unit='KiB'>%llu</currentMemory>\n",
	    (unsigned long long)(c->memory >> 10), (unsigned long long)(c->memory >> 10));
	put(&d, "  <vcpu placement='static'>%u</vcpu>\n", c->vcpus);
	dump_cputune(&d, c);
	dump_os(&d, c);
	dump_features(&d, c);
	if (c->vcpus > 1)
		put(&d,
		    "  <cpu mode='host-passthrough'>\n"
		    "    <topology sockets='%u' cores='%u' threads='%u'/>\n  </cpu>\n",
		    c->vcpus / c->cores / c->threads, c->cores, c->threads);
	put(&d, "  <clock offset='%s'%s>\n", c->clock_localtime ? "localtime" : "utc",
	    c->tsc_hz ? "" : "/");
	if (c->tsc_hz)
		put(&d, "    <timer name='tsc' frequency='%llu'/>\n  </clock>\n",
		    (unsigned long long)c->tsc_hz);
	put(&d, "  <on_poweroff>%s</on_poweroff>\n", actions[c->on_poweroff]);
	put(&d, "  <on_reboot>%s</on_reboot>\n", actions[c->on_reboot]);
	put(&d, "  <on_crash>%s</on_crash>\n", actions[c->on_crash]);
	dump_devices(&d, c);
	put(&d, "</domain>\n");
}
