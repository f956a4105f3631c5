/* SPDX-License-Identifier: BSD-2-Clause */
/* System Management BIOS Reference Specification 2.8 */
#include "guests/dom0/machine/smbios.h"

#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/bios.h"
#include "guests/dom0/machine/checksum.h"

struct smbios_entry {
	char anchor[4];
	uint8_t checksum, length, major, minor;
	uint16_t largest;
	uint8_t revision, formatted[5];
	char anchor_dmi[5];
	uint8_t checksum_dmi;
	uint16_t bytes;
	uint32_t table;
	uint16_t structures;
	uint8_t bcd;
} __attribute__((packed));

struct smbios_header {
	uint8_t type, length;
	uint16_t handle;
} __attribute__((packed));

struct smbios_bios {
	struct smbios_header header;
	uint8_t vendor, version;
	uint16_t segment;
	uint8_t date, size;
	uint64_t characteristics;
	uint8_t extension[2], major, minor, ec_major, ec_minor;
} __attribute__((packed));

struct smbios_system {
	struct smbios_header header;
	uint8_t manufacturer, product, version, serial;
	uint8_t uuid[16];
	uint8_t wake_up, sku, family;
} __attribute__((packed));

struct smbios_chassis {
	struct smbios_header header;
	uint8_t manufacturer, kind, version, serial, asset;
	uint8_t boot, power, thermal, security;
	uint32_t oem;
	uint8_t height, cords, elements, element_bytes, sku;
} __attribute__((packed));

struct smbios_boot {
	struct smbios_header header;
	uint8_t reserved[6], status;
} __attribute__((packed));

#define BIOS_NO_CHARACTERISTICS 0x08u
#define BIOS_ACPI               0x01u
#define BIOS_VIRTUAL            0x10u /* the system is a virtual machine */
#define CHASSIS_OTHER           0x01u
#define STATE_SAFE              0x03u
#define SECURITY_NONE           0x03u
#define WAKE_POWER              0x06u
#define NOT_THERE               0xffu

enum smbios_type {
	SMBIOS_BIOS,
	SMBIOS_SYSTEM,
	SMBIOS_CHASSIS = 3,
	SMBIOS_BOOT = 32,
	SMBIOS_END = 127
};

struct smbios {
	uint8_t *at;
	uint16_t count, largest;
};

/* One structure: its header is filled in here; the strings follow, numbered from 1, and end in an
 * empty one, two if there is none (6.1.3). */
static void smbios_add(struct smbios *s, void *structure, uint8_t type, size_t bytes,
		       const char *const strings[])
{
	struct smbios_header *header = structure;
	uint8_t *begin = s->at;

	*header = (struct smbios_header){type, (uint8_t)bytes, s->count};
	memcpy(s->at, structure, bytes);
	s->at += bytes;
	for (unsigned i = 0; strings[i]; i++) {
		size_t n = strlen(strings[i]) + 1;

		memcpy(s->at, strings[i], n);
		s->at += n;
	}
	if (!strings[0])
		*s->at++ = 0;
	*s->at++ = 0;
	s->count++;
	if (s->at - begin > s->largest)
		s->largest = (uint16_t)(s->at - begin);
}

/* The first three fields of a UUID are little-endian since 2.6 (7.2.1). */
static void put_uuid(uint8_t to[16], const uint8_t uuid[16])
{
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	for (unsigned i = 0; i < 16; i++)
		to[i] = uuid[order[i]];
}

static void add_structures(struct smbios *s, const struct vm_config *config)
{
	struct smbios_bios bios = {
		.vendor = 1,
		.version = 2,
		.segment = BIOS_SEGMENT >> 4,
		.date = 3,
		.characteristics = BIOS_NO_CHARACTERISTICS,
		.extension = {BIOS_ACPI, BIOS_VIRTUAL},
		.major = 1,
		.ec_major = NOT_THERE,
		.ec_minor = NOT_THERE,
	};
	struct smbios_system system = {
		.manufacturer = 1,
		.product = 2,
		.serial = 3,
		.wake_up = WAKE_POWER,
		.family = 2,
	};
	struct smbios_chassis chassis = {
		.manufacturer = 1,
		.kind = CHASSIS_OTHER,
		.asset = 2,
		.boot = STATE_SAFE,
		.power = STATE_SAFE,
		.thermal = STATE_SAFE,
		.security = SECURITY_NONE,
	};
	struct smbios_boot boot = {.status = 0};
	struct smbios_header end;

	put_uuid(system.uuid, config->uuid);
	smbios_add(s, &bios, SMBIOS_BIOS, sizeof(bios),
		   (const char *[]){"Sampo", "1", "01/01/2026", NULL});
	smbios_add(s, &system, SMBIOS_SYSTEM, sizeof(system),
		   (const char *[]){"Sampo", "Virtual Machine", config->name, NULL});
	smbios_add(s, &chassis, SMBIOS_CHASSIS, sizeof(chassis),
		   (const char *[]){"Sampo", config->name, NULL});
	smbios_add(s, &boot, SMBIOS_BOOT, sizeof(boot), (const char *[]){NULL});
	smbios_add(s, &end, SMBIOS_END, sizeof(end), (const char *[]){NULL});
}

_Static_assert(sizeof(struct smbios_entry) == SMBIOS_ENTRY, "smbios.h");

uint32_t smbios_build(const struct vm_config *config, uint8_t *to, uint8_t *table, uint32_t address)
{
	struct smbios_entry *entry = (struct smbios_entry *)to;
	struct smbios s = {.at = table};

	add_structures(&s, config);
	*entry = (struct smbios_entry){
		.anchor = {'_', 'S', 'M', '_'},
		.length = sizeof(*entry),
		.major = 2,
		.minor = 8,
		.largest = s.largest,
		.anchor_dmi = {'_', 'D', 'M', 'I', '_'},
		.bytes = (uint16_t)(s.at - table),
		.table = address,
		.structures = s.count,
		.bcd = 0x28,
	};
	entry->checksum_dmi = checksum(entry->anchor_dmi, sizeof(*entry) - 16);
	entry->checksum = checksum(entry, sizeof(*entry));
	return entry->bytes;
}
