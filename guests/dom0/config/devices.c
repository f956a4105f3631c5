/* SPDX-License-Identifier: BSD-2-Clause */
/* The elements of domain XML in <devices>. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/base/mac.h"
#include "guests/dom0/config/parse.h"

static struct config_disk *disk(struct config_parser *p)
{
	return &p->config->disk[p->config->disks - 1];
}

static struct config_nic *nic(struct config_parser *p)
{
	return p->hostdev ? &p->card : &p->config->nic[p->config->nics - 1];
}

/* <disk> */

static void disk_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"block", "file", "volume", NULL};
	static const char *const devices[] = {"disk", NULL};
	static const char *const models[] = {"virtio", "virtio-non-transitional", NULL};
	const char *type;

	if (p->config->disks == CONFIG_DISKS) {
		config_fail(p, "more than %d disks", CONFIG_DISKS);
		config_skip(p);
		return;
	}
	p->config->disks++;
	p->has_source = p->has_target = false;
	type = config_choice(p, attributes, "type", types);
	if (!type)
		config_fail(p, "attribute 'type' is missing");
	disk(p)->volume = type && !strcmp(type, "volume");
	disk(p)->file = type && !strcmp(type, "file");
	config_choice(p, attributes, "device", devices);
	config_choice(p, attributes, "model", models);
	p->other_device = p->failed;
}

static void disk_driver_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"raw", "qcow2", NULL};
	const char *type = config_choice(p, attributes, "type", types);

	disk(p)->qcow2 = type && !strcmp(type, "qcow2");
	config_disk_driver(p, attributes);
	if (config_attribute(attributes, "queues"))
		config_note(p, "a disk has one queue");
}

/* An empty one says that the image depends on no other. */
static void backing_start(struct config_parser *p, const char **attributes)
{
	if (!*attributes)
		return;
	config_fail(p, "an image that depends on another is not supported");
	config_skip(p);
}

/* A volume of a pool is the block device /dev/POOL/VOLUME. */
static void volume_source(struct config_parser *p, const char **attributes)
{
	const char *pool = config_attribute(attributes, "pool");
	const char *volume = config_attribute(attributes, "volume");
	char path[CONFIG_SOURCE];

	if (!pool || !volume) {
		config_fail(p, "attribute '%s' is missing", pool ? "volume" : "pool");
		return;
	}
	if (!*pool || !*volume || strchr(pool, '/') || strchr(volume, '/')) {
		config_fail(p, "'pool' and 'volume' must be names");
		return;
	}
	if (snprintf(path, sizeof(path), "/dev/%s/%s", pool, volume) >= CONFIG_SOURCE)
		config_fail(p, "the path /dev/POOL/VOLUME is longer than %d bytes",
			    CONFIG_SOURCE - 1);
	else
		config_copy(p, disk(p)->source, sizeof(disk(p)->source), path, "the path");
}

/* The names of sources of the types that are refused already are not refused again. */
static void disk_source_start(struct config_parser *p, const char **attributes)
{
	static const char *const known[] = {"dev",      "file", "pool", "volume", "dir",
					    "protocol", "name", "mode", NULL};
	const char *own = disk(p)->file ? "file" : "dev", *path;

	for (unsigned i = 0; known[i] && !p->other_device; i++) {
		bool of_volume = !strcmp(known[i], "pool") || !strcmp(known[i], "volume");
		bool right = disk(p)->volume ? of_volume : !strcmp(known[i], own);

		if (!right && config_attribute(attributes, known[i]))
			config_fail(p, "attribute '%s' is not supported", known[i]);
	}
	path = config_attribute(attributes, own);
	if (disk(p)->volume)
		volume_source(p, attributes);
	else if (!path && !p->other_device)
		config_fail(p, "attribute '%s' is missing", own);
	else if (path && disk(p)->file && *path != '/' && !p->other_device)
		config_fail(p, "'file' must be a path that begins with /");
	else if (path)
		config_copy(p, disk(p)->source, sizeof(disk(p)->source), path, own);
	if (p->has_source)
		config_fail(p, "given twice");
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
	config_copy(p, disk(p)->target, sizeof(disk(p)->target), dev, "'dev'");
	if (p->other_device) {
		p->has_target = true;
		return;
	}
	if (!config_choice(p, attributes, "bus", buses) && strncmp(dev, "vd", 2) != 0)
		config_fail(p, "bus='virtio' is the only one");
	for (uint32_t i = 0; i + 1 < p->config->disks; i++)
		if (!strcmp(p->config->disk[i].target, dev))
			config_fail(p, "dev='%.15s' is used twice", dev);
	if (p->has_target)
		config_fail(p, "given twice");
	p->has_target = true;
}

static void readonly_start(struct config_parser *p, const char **attributes)
{
	(void)attributes;
	disk(p)->readonly = true;
}

static void disk_serial_end(struct config_parser *p, const char *text)
{
	config_copy(p, disk(p)->serial, sizeof(disk(p)->serial), text, "the serial number");
	if (!config_plain(text))
		config_fail(p, "the serial number has blanks or quotes");
}

static void disk_end(struct config_parser *p, const char *text)
{
	if (*text)
		config_fail(p, "text does not belong here");
	if (!p->has_source && !p->other_device)
		config_fail(p, "<source> is missing");
	if (!p->has_target && !p->other_device)
		config_fail(p, "<target> is missing");
}

/* <hostdev>, and <interface type='hostdev'> */

static struct config_hostdev *hostdev(struct config_parser *p)
{
	return &p->config->hostdev[p->config->hostdevs - 1];
}

static void add_hostdev(struct config_parser *p, bool interface)
{
	if (p->config->hostdevs == CONFIG_HOSTDEVS) {
		config_fail(p, "more than %d devices of the machine", CONFIG_HOSTDEVS);
		config_skip(p);
		return;
	}
	p->config->hostdevs++;
	hostdev(p)->interface = interface;
	p->has_source = false;
}

static void hostdev_start(struct config_parser *p, const char **attributes)
{
	static const char *const modes[] = {"subsystem", NULL};
	static const char *const types[] = {"pci", NULL};

	if (!config_choice(p, attributes, "mode", modes))
		config_fail(p, "attribute 'mode' is missing");
	if (!config_choice(p, attributes, "type", types))
		config_fail(p, "attribute 'type' is missing");
	if (p->failed)
		config_skip(p);
	else
		add_hostdev(p, false);
}

/* The address of a function of the machine: <source><address domain= bus= slot= function=/>. */
static void source_address_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"pci", NULL};
	uint64_t bus, slot, function;

	config_choice(p, attributes, "type", types);
	config_hex(p, attributes, "domain", 0, 0);
	bus = config_hex(p, attributes, "bus", 255, UINT64_MAX);
	slot = config_hex(p, attributes, "slot", 31, UINT64_MAX);
	function = config_hex(p, attributes, "function", 7, 0);
	if (bus == UINT64_MAX || slot == UINT64_MAX)
		config_fail(p, "attributes 'bus' and 'slot' are needed");
	if (p->has_source)
		config_fail(p, "given twice");
	p->has_source = true;
	if (p->failed)
		return;
	hostdev(p)->requester = (uint16_t)(bus << 8 | slot << 3 | function);
	for (uint32_t i = 0; i + 1 < p->config->hostdevs; i++)
		if (p->config->hostdev[i].requester == hostdev(p)->requester)
			config_fail(p, "the device is given twice");
}

/* Of an interface: only a card of the machine has an address there. */
static void interface_address_start(struct config_parser *p, const char **attributes)
{
	if (p->hostdev)
		source_address_start(p, attributes);
}

static void hostdev_end(struct config_parser *p, const char *text)
{
	if (*text)
		config_fail(p, "text does not belong here");
	if (!p->has_source)
		config_fail(p, "<source> has no <address>");
}

/* Refuses elements that no card of the machine can obey. */
static void check_card(struct config_parser *p)
{
	const struct config_nic *card = &p->card;

	if (p->has_mac)
		config_note(p, "<mac>: the card keeps its own address");
	if (card->vlan)
		config_fail(p, "<vlan>: the card belongs to the guest, which tags frames itself");
	if (card->link_down)
		config_fail(p, "<link>: the card's link is not dom0's");
}

/* <interface> */

static void interface_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"bridge", "network", "hostdev", NULL};
	const char *type = config_attribute(attributes, "type");

	p->hostdev = type && !strcmp(type, "hostdev");
	p->has_mac = p->has_source = p->other_device = false;
	if (p->hostdev) {
		p->card = (struct config_nic){.vlan = 0};
		add_hostdev(p, true);
		return;
	}
	if (p->config->nics == CONFIG_NICS) {
		config_fail(p, "more than %d interfaces", CONFIG_NICS);
		config_skip(p);
		return;
	}
	p->config->nics++;
	if (!config_choice(p, attributes, "type", types))
		config_fail(p, "attribute 'type' is missing");
	p->other_device = p->failed;
}

static void mac_start(struct config_parser *p, const char **attributes)
{
	const char *text = config_attribute(attributes, "address");
	static const uint8_t zero[6];

	if (!text || !mac_parse(text, nic(p)->mac))
		config_fail(p, "'%.20s' is not a MAC address", text ? text : "");
	else if (nic(p)->mac[0] & 1 || !memcmp(nic(p)->mac, zero, 6))
		config_fail(p, "'%.20s' is not the address of one interface", text);
	if (p->has_mac)
		config_fail(p, "given twice");
	p->has_mac = true;
}

static void interface_source_start(struct config_parser *p, const char **attributes)
{
	const char *name = config_attribute(attributes, "bridge");

	if (p->hostdev)
		return;
	if (p->other_device) {
		p->has_source = true;
		return;
	}
	if (config_attribute(attributes, "dev"))
		config_fail(p, "attribute 'dev' is not supported");
	if (!name)
		name = config_attribute(attributes, "network");
	if (!name)
		config_fail(p, "attribute 'bridge' or 'network' is missing");
	else
		config_copy(p, nic(p)->source, sizeof(nic(p)->source), name, "the name");
	if (name && !config_plain(name))
		config_fail(p, "the name has blanks or quotes");
	if (p->has_source)
		config_fail(p, "given twice");
	p->has_source = true;
}

/* GUEST/N, which dumpxml says of a running guest's interface that has no name in the description:
 * like libvirt's own names it is nothing to be kept. */
static bool is_given_name(const char *name)
{
	const char *number = strrchr(name, '/');

	return number && number[1] && !number[1 + strspn(number + 1, "0123456789")];
}

static void interface_target_start(struct config_parser *p, const char **attributes)
{
	const char *name = config_attribute(attributes, "dev");

	if (!name || is_given_name(name))
		return;
	config_copy(p, nic(p)->target, sizeof(nic(p)->target), name, "'dev'");
	if (!config_plain(name))
		config_fail(p, "'dev' has blanks or quotes");
}

static void model_start(struct config_parser *p, const char **attributes)
{
	static const char *const models[] = {"virtio", "virtio-non-transitional", NULL};

	config_choice(p, attributes, "type", models);
}

static void nic_driver_start(struct config_parser *p, const char **attributes)
{
	if (config_attribute(attributes, "queues"))
		config_note(p, "an interface has one pair of queues");
}

static void mtu_start(struct config_parser *p, const char **attributes)
{
	static const char *const sizes[] = {"1500", NULL};

	config_choice(p, attributes, "size", sizes);
}

static void isolated_start(struct config_parser *p, const char **attributes)
{
	static const char *const no[] = {"no", NULL};

	config_choice(p, attributes, "isolated", no);
}

static void vlan_tag_start(struct config_parser *p, const char **attributes)
{
	const char *id = config_attribute(attributes, "id");
	uint64_t vlan = id ? config_number(p, id, 4094) : 0;

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
	const char *state = config_choice(p, attributes, "state", states);

	nic(p)->link_down = state && !strcmp(state, "down");
}

static void interface_end(struct config_parser *p, const char *text)
{
	struct config_nic *n = nic(p);

	if (p->hostdev) {
		hostdev_end(p, text);
		check_card(p);
		return;
	}
	if (*text)
		config_fail(p, "text does not belong here");
	if (!p->has_source && !p->other_device)
		config_fail(p, "<source> is missing");
	if (p->has_mac)
		for (uint32_t i = 0; i + 1 < p->config->nics; i++)
			if (!memcmp(p->config->nic[i].mac, n->mac, 6))
				config_fail(p, "the MAC address is used twice");
}

/* <serial>, <console>, <rng>, <memballoon>, <controller> */

static void serial_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"pty", "null", NULL};

	config_choice(p, attributes, "type", types);
	p->isa_debug = false;
}

/* A port to which firmware writes its messages is none that a console could lead to. */
static void serial_end(struct config_parser *p, const char *text)
{
	if (*text)
		config_fail(p, "text does not belong here");
	if (p->isa_debug)
		p->config->debugcon = true;
	else if (++p->config->serials > 1)
		config_fail(p, "more than one serial port");
}

static void serial_target_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"isa-serial", "isa-debug", NULL};
	static const char *const ports[] = {"0", NULL};
	const char *type = config_choice(p, attributes, "type", types);

	p->isa_debug = type && !strcmp(type, "isa-debug");
	if (!p->isa_debug)
		config_choice(p, attributes, "port", ports);
}

static void serial_model_start(struct config_parser *p, const char **attributes)
{
	static const char *const names[] = {"isa-serial", "isa-debugcon", NULL};

	config_choice(p, attributes, "name", names);
}

static void console_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"pty", NULL};

	config_choice(p, attributes, "type", types);
	p->console_virtio = false;
}

static void console_target_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"serial", "virtio", NULL};
	const char *type = config_choice(p, attributes, "type", types);

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

	if (!config_choice(p, attributes, "model", models))
		config_fail(p, "attribute 'model' is missing");
	p->config->rng = true;
}

/* Whatever is named as the source: dom0's own generator it is. */
static void rng_backend_end(struct config_parser *p, const char *text)
{
	static const char *const sources[] = {"", "/dev/urandom", "/dev/random", "/dev/hwrng",
					      NULL};

	if (!config_one_of(text, sources))
		config_fail(p, "'%.32s' is not supported", text);
}

static void rng_backend_start(struct config_parser *p, const char **attributes)
{
	static const char *const models[] = {"random", "builtin", NULL};

	config_choice(p, attributes, "model", models);
}

static void memballoon_start(struct config_parser *p, const char **attributes)
{
	const char *model = config_attribute(attributes, "model");

	if (!model || strcmp(model, "none") != 0)
		config_note(p, "there is no balloon: the guest keeps its memory");
}

/* A controller with nothing on it is nothing that a guest misses; a device on one that is not
 * there is refused itself. */
static void controller_start(struct config_parser *p, const char **attributes)
{
	static const char *const here[] = {"pci", "virtio-serial", NULL};
	const char *type = config_attribute(attributes, "type");
	const char *model = config_attribute(attributes, "model");

	if (!type)
		config_fail(p, "attribute 'type' is missing");
	else if (!config_one_of(type, here) && (!model || strcmp(model, "none") != 0))
		config_note(p, "there is no controller of type '%.16s'", type);
}

static void panic_start(struct config_parser *p, const char **attributes)
{
	static const char *const models[] = {"isa", NULL};

	config_choice(p, attributes, "model", models);
	p->config->panic = true;
}

#define DEVICES "domain/devices/"

static const struct config_element elements[] = {
	{DEVICES "disk", "type device model -snapshot -rawio", false, disk_start, disk_end},
	{DEVICES "disk/driver",
	 "-name type cache io discard -detect_zeroes -iothread -queues error_policy "
	 "rerror_policy -ioeventfd -event_idx -packed -iommu -ats -discard_no_unref -queue_size "
	 "-copy_on_read",
	 false, disk_driver_start, NULL},
	{DEVICES "disk/source",
	 "dev file pool volume -index -startupPolicy -dir -protocol -name -mode", false,
	 disk_source_start, NULL},
	{DEVICES "disk/backingStore", "-type -index", false, backing_start, NULL},
	{DEVICES "disk/target", "dev bus -tray", false, disk_target_start, NULL},
	{DEVICES "disk/readonly", "", false, readonly_start, NULL},
	{DEVICES "disk/serial", "", false, NULL, disk_serial_end},
	{DEVICES "interface", "type -managed -trustGuestRxFilters", false, interface_start,
	 interface_end},
	{DEVICES "interface/mac", "address -type -check", false, mac_start, NULL},
	{DEVICES "interface/source", "bridge network -dev -mode -portid", false,
	 interface_source_start, NULL},
	{DEVICES "interface/source/address", "type domain bus slot function -multifunction", false,
	 interface_address_start, NULL},
	{DEVICES "interface/target", "dev -managed", false, interface_target_start, NULL},
	{DEVICES "interface/model", "type", false, model_start, NULL},
	{DEVICES "interface/driver",
	 "-name -txmode -ioeventfd -event_idx -queues -rx_queue_size -tx_queue_size -iommu -ats "
	 "-packed -rss -rss_hash_report -page_per_vq",
	 false, nic_driver_start, NULL},
	{DEVICES "interface/mtu", "size", false, mtu_start, NULL},
	{DEVICES "interface/port", "isolated", false, isolated_start, NULL},
	{DEVICES "interface/vlan", "", false, NULL, NULL},
	{DEVICES "interface/vlan/tag", "id", false, vlan_tag_start, NULL},
	{DEVICES "interface/link", "state", false, link_start, NULL},
	{DEVICES "hostdev", "mode type -managed -display -ramfb", false, hostdev_start,
	 hostdev_end},
	{DEVICES "hostdev/source", "-startupPolicy -writeFiltering", false, NULL, NULL},
	{DEVICES "hostdev/source/address", "type domain bus slot function -multifunction", false,
	 source_address_start, NULL},
	{DEVICES "serial", "type -tty", false, serial_start, serial_end},
	{DEVICES "serial/target", "type port", false, serial_target_start, NULL},
	{DEVICES "serial/target/model", "name", false, serial_model_start, NULL},
	{DEVICES "console", "type -tty", false, console_start, console_end},
	{DEVICES "console/target", "type -port", false, console_target_start, NULL},
	{DEVICES "rng", "model", true, rng_start, NULL},
	{DEVICES "rng/backend", "model", true, rng_backend_start, rng_backend_end},
	{DEVICES "memballoon", "model -autodeflate -freePageReporting", true, memballoon_start,
	 NULL},
	{DEVICES "controller", "type model -index -ports -vectors", false, controller_start, NULL},
	{DEVICES "panic", "model", true, panic_start, NULL},
};

const struct config_table config_devices = {elements, sizeof(elements) / sizeof(elements[0])};
