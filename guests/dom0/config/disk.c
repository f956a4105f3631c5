/* SPDX-License-Identifier: BSD-2-Clause */
/* How a disk is used, by its description: the words of <driver>, <iotune>, <boot> and
 * <shareable>. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/config/parse.h"

#define SIZE_MOST    (1ull << 60) /* bytes or requests a second */
#define SECONDS_MOST 3600u

static const char *const caches[] = {"default", "none", "writethrough", "writeback", "directsync",
				     "unsafe",  NULL};
static const char *const ios[] = {"threads", "native", "io_uring", NULL};
static const char *const discards[] = {"unmap", "ignore", NULL};
static const char *const write_errors[] = {"report", "stop", "ignore", "enospace", NULL};
static const char *const read_errors[] = {"report", "stop", "ignore", NULL};

const struct config_disk_words config_disk_words[DISK_WORDS] = {
	[DISK_CACHE] = {"cache", caches},
	[DISK_IO] = {"io", ios},
	[DISK_DISCARD] = {"discard", discards},
	[DISK_WRITE_ERROR] = {"error_policy", write_errors},
	[DISK_READ_ERROR] = {"rerror_policy", read_errors},
};

const char *const config_iotune_names[IOTUNE_LIMITS] = {
	[IOTUNE_TOTAL_BYTES] = "total_bytes_sec", [IOTUNE_READ_BYTES] = "read_bytes_sec",
	[IOTUNE_WRITE_BYTES] = "write_bytes_sec", [IOTUNE_TOTAL_IOPS] = "total_iops_sec",
	[IOTUNE_READ_IOPS] = "read_iops_sec",     [IOTUNE_WRITE_IOPS] = "write_iops_sec",
};

static struct config_disk *disk(struct config_parser *p)
{
	return &p->config->disk[p->config->disks - 1];
}

void config_disk_driver(struct config_parser *p, const char **attributes)
{
	for (unsigned i = 0; i < DISK_WORDS; i++) {
		const char *const *words = config_disk_words[i].words;
		const char *given = config_choice(p, attributes, config_disk_words[i].name, words);

		for (unsigned n = 0; given && words[n]; n++)
			if (!strcmp(words[n], given))
				disk(p)->word[i] = (uint8_t)(n + 1);
	}
}

static void shareable_start(struct config_parser *p, const char **attributes)
{
	(void)attributes;
	disk(p)->shareable = true;
}

static void boot_start(struct config_parser *p, const char **attributes)
{
	const char *order = config_attribute(attributes, "order");

	if (!order) {
		config_fail(p, "attribute 'order' is missing");
		return;
	}
	disk(p)->boot_order = (uint16_t)config_number(p, order, UINT16_MAX);
	if (!disk(p)->boot_order && !p->failed)
		config_fail(p, "the order begins with 1");
}

static void transient_start(struct config_parser *p, const char **attributes)
{
	(void)attributes;
	disk(p)->transient = true;
}

/* --- <iotune> ----------------------------------------------------------------------------------
 */

/* The limit that the element's name begins with, and in *rest the rest of that name. */
static unsigned find_limit(const char *name, const char **rest)
{
	unsigned i = 0;

	for (; i < IOTUNE_LIMITS; i++) {
		size_t n = strlen(config_iotune_names[i]);

		*rest = name + n;
		if (!strncmp(name, config_iotune_names[i], n))
			break;
	}
	return i;
}

static void limit_end(struct config_parser *p, const char *text)
{
	const char *name = strrchr(p->stack[p->depth - 1]->path, '/') + 1, *rest;
	struct config_iotune *tune = &disk(p)->iotune;
	unsigned i = find_limit(name, &rest);

	if (!*rest)
		tune->rate[i] = config_number(p, text, SIZE_MOST);
	else if (!strcmp(rest, "_max"))
		tune->burst[i] = config_number(p, text, SIZE_MOST);
	else
		tune->seconds[i] = (uint32_t)config_number(p, text, SECONDS_MOST);
}

static void size_end(struct config_parser *p, const char *text)
{
	disk(p)->iotune.request_bytes = config_number(p, text, SIZE_MOST);
}

/* libvirt's rules. */
static void iotune_end(struct config_parser *p, const char *text)
{
	const struct config_iotune *tune = &disk(p)->iotune;

	if (*text)
		config_fail(p, "text does not belong here");
	for (unsigned i = 0; i < IOTUNE_LIMITS; i += 3)
		if (tune->rate[i] && (tune->rate[i + 1] || tune->rate[i + 2]))
			config_fail(p, "%s and limits of reads or writes exclude each other",
				    config_iotune_names[i]);
	for (unsigned i = 0; i < IOTUNE_LIMITS; i++) {
		const char *name = config_iotune_names[i];

		if ((tune->burst[i] && !tune->rate[i]) || (tune->seconds[i] && !tune->burst[i]))
			config_fail(p, "%s_max needs %s, and %s_max_length needs %s_max", name,
				    name, name, name);
		else if (tune->burst[i] && tune->burst[i] < tune->rate[i])
			config_fail(p, "%s_max is smaller than %s", name, name);
	}
}

#define DISK "domain/devices/disk/"
#define TUNE DISK "iotune/"
#define LIMIT(name)                                                                              \
	{TUNE name, "", false, NULL, limit_end}, {TUNE name "_max", "", false, NULL, limit_end}, \
	{                                                                                        \
		TUNE name "_max_length", "", false, NULL, limit_end                              \
	}

static const struct config_element elements[] = {
	{DISK "shareable", "", false, shareable_start, NULL},
	{DISK "transient", "-shareBacking", false, transient_start, NULL},
	{DISK "boot", "order -loadparm", false, boot_start, NULL},
	{DISK "iotune", "", false, NULL, iotune_end},
	{TUNE "size_iops_sec", "", false, NULL, size_end},
	LIMIT("total_bytes_sec"),
	LIMIT("read_bytes_sec"),
	LIMIT("write_bytes_sec"),
	LIMIT("total_iops_sec"),
	LIMIT("read_iops_sec"),
	LIMIT("write_iops_sec"),
};

const struct config_table config_disk_elements = {elements, sizeof(elements) / sizeof(elements[0])};
