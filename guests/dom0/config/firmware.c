/* SPDX-License-Identifier: BSD-2-Clause */
/* The elements of <os> that say by which firmware a guest boots, and from what. */
#include <string.h>

#include "guests/dom0/config/parse.h"

#define MENU_MS_MOST   65535u /* what fits in firmware's number */
#define REBOOT_MS_MOST 65535u

/* ROM, or flash memory whose variables are kept; only UEFI's firmware has the latter. */
static void loader_start(struct config_parser *p, const char **attributes)
{
	static const char *const types[] = {"rom", NULL};
	static const char *const yes[] = {"yes", NULL};
	static const char *const no[] = {"no", NULL};

	config_choice(p, attributes, "type", types);
	config_choice(p, attributes, "readonly", yes);
	config_choice(p, attributes, "secure", no);
}

static void loader_end(struct config_parser *p, const char *text)
{
	if (*text)
		config_copy(p, p->config->firmware, sizeof(p->config->firmware), text,
			    "the file name");
}

/* libvirt has one element for each kind, the first of which is tried first. */
static void boot_start(struct config_parser *p, const char **attributes)
{
	static const char *const kinds[] = {"hd", "cdrom", "network", "fd", NULL};
	static const uint8_t numbers[] = {BOOT_DISK, BOOT_CDROM, BOOT_NETWORK, BOOT_FLOPPY};
	const char *kind = config_choice(p, attributes, "dev", kinds);
	uint8_t *dev = p->config->boot_dev;
	unsigned which = 0, at = 0;

	if (!kind && !p->failed)
		config_fail(p, "attribute 'dev' is missing");
	if (p->failed) /* of a kind that is refused, too */
		return;
	while (strcmp(kind, kinds[which]) != 0)
		which++;
	while (at < CONFIG_BOOT_DEVS && dev[at] && dev[at] != numbers[which])
		at++;
	if (at == CONFIG_BOOT_DEVS || dev[at])
		config_fail(p, "dev='%s' is given twice", kind);
	else
		dev[at] = numbers[which];
}

static bool is_yes(struct config_parser *p, const char **attributes, const char *name)
{
	static const char *const words[] = {"yes", "no", NULL};
	const char *word = config_choice(p, attributes, name, words);

	return word && !strcmp(word, "yes");
}

static void bootmenu_start(struct config_parser *p, const char **attributes)
{
	const char *timeout = config_attribute(attributes, "timeout");

	p->config->boot_menu = is_yes(p, attributes, "enable");
	if (timeout)
		p->config->boot_menu_ms = (uint32_t)config_number(p, timeout, MENU_MS_MOST);
}

static void bios_start(struct config_parser *p, const char **attributes)
{
	const char *ms = config_attribute(attributes, "rebootTimeout");

	p->config->bios_serial = is_yes(p, attributes, "useserial");
	if (!ms)
		return;
	p->config->bios_reboot_given = true;
	p->config->bios_reboot_ms =
		strcmp(ms, "-1") != 0 ? (int32_t)config_number(p, ms, REBOOT_MS_MOST) : -1;
}

static void nic_boot_start(struct config_parser *p, const char **attributes)
{
	const char *order = config_attribute(attributes, "order");
	uint16_t number = order ? (uint16_t)config_number(p, order, UINT16_MAX) : 0;

	if (!order)
		config_fail(p, "attribute 'order' is missing");
	else if (!number && !p->failed)
		config_fail(p, "the order begins with 1");
	if (!p->hostdev)
		p->config->nic[p->config->nics - 1].boot_order = number;
}

static const struct config_element elements[] = {
	{"domain/os/loader", "type readonly secure -format", true, loader_start, loader_end},
	{"domain/os/boot", "dev", false, boot_start, NULL},
	{"domain/os/bootmenu", "enable timeout", true, bootmenu_start, NULL},
	{"domain/os/bios", "useserial rebootTimeout", true, bios_start, NULL},
	{"domain/devices/interface/boot", "order -loadparm", false, nic_boot_start, NULL},
};

const struct config_table config_firmware = {elements, sizeof(elements) / sizeof(elements[0])};

void config_firmware_check(struct config_parser *p)
{
	struct vm_config *c = p->config;

	if (config_given(p, "domain/os/kernel")) {
		if (c->firmware[0])
			config_note(p, "<loader>: the kernel is loaded without firmware");
		c->firmware[0] = 0;
		return;
	}
	if (c->initrds || c->cmdline[0])
		config_fail(p, "<os> has <%s> and no <kernel>: firmware takes neither",
			    c->initrds ? "initrd" : "cmdline");
	if (!c->firmware[0])
		strcpy(c->firmware, CONFIG_BIOS);
}
