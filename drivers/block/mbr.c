/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/block/mbr.h"

#include <stddef.h>
#include <string.h>

#define SIGNATURE     440u
#define TABLE         446u
#define ENTRY         16u
#define TYPE          4u /* in an entry */
#define FIRST         8u
#define COUNT         12u
#define FIRST_LOGICAL 5u
#define EBRS_MAX      100u /* in a container, as in Linux */

#define TYPE_PROTECTIVE 0xeeu /* UEFI 2.10, 5.2.3 */

static bool is_container(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static bool has_signature(const uint8_t *sector)
{
	return sector[510] == 0x55 && sector[511] == 0xaa;
}

/* The disk's signature and the number are its identity, as Linux' PARTUUID: "1234abcd-01". */
static void set_uuid(char uuid[37], uint32_t signature, unsigned number)
{
	for (unsigned i = 0; i < 8; i++)
		uuid[i] = partition_hex(signature >> (28 - 4 * i));
	uuid[8] = '-';
	uuid[9] = partition_hex(number >> 4);
	uuid[10] = partition_hex(number);
	uuid[11] = 0;
}

/* Between `low` and `high`, and over no other one: it counts. Otherwise it is left out. */
static void add(struct partition part, uint8_t type, uint64_t low, uint64_t high,
		struct partition *parts, unsigned *count, struct mbr *mbr)
{
	if (!part.first || part.first < low || part.first >= high ||
	    part.count > high - part.first || partition_overlaps(&part, parts, *count) ||
	    *count == PARTITIONS_MAX) {
		mbr->bad++;
		return;
	}
	set_uuid(part.uuid, mbr->signature, part.number);
	mbr->type[*count] = type;
	parts[(*count)++] = part;
}

static void add_container(uint64_t first, uint64_t size, uint64_t blocks, struct mbr *mbr)
{
	if (!first || first >= blocks) {
		mbr->bad++;
		return;
	}
	if (size > blocks - first)
		size = blocks - first;
	mbr->container[mbr->containers].first = first;
	mbr->container[mbr->containers++].count = size;
}

static void next_container(struct mbr *mbr)
{
	mbr->ebrs = 0;
	mbr->next = ++mbr->current < mbr->containers ? mbr->container[mbr->current].first : 0;
}

enum mbr_kind mbr_parse(const uint8_t *sector, uint64_t blocks,
			struct partition parts[PARTITIONS_MAX], unsigned *count, struct mbr *mbr)
{
	const uint8_t *entry = sector + TABLE;

	*count = 0;
	*mbr = (struct mbr){.signature = partition_get32(sector + SIGNATURE),
			    .number = FIRST_LOGICAL - 1};
	if (!has_signature(sector))
		return MBR_NONE;
	for (unsigned i = 0; i < MBR_ENTRIES; i++)
		if (entry[ENTRY * i + TYPE] == TYPE_PROTECTIVE)
			return MBR_PROTECTIVE;
	/* A boot sector of a file system has the signature too, but bytes that no partition entry
	 * begins with. */
	for (unsigned i = 0; i < MBR_ENTRIES; i++)
		if (entry[ENTRY * i] & 0x7f)
			return MBR_NONE;
	for (unsigned i = 0; i < MBR_ENTRIES; i++, entry += ENTRY) {
		struct partition part = {.number = i + 1,
					 .first = partition_get32(entry + FIRST),
					 .count = partition_get32(entry + COUNT)};

		if (!entry[TYPE] || !part.count)
			continue;
		if (is_container(entry[TYPE]))
			add_container(part.first, part.count, blocks, mbr);
		else
			add(part, entry[TYPE], 1, blocks, parts, count, mbr);
	}
	if (mbr->containers)
		mbr->next = mbr->container[0].first;
	return MBR_PLAIN;
}

/* The chain goes on at a block of the container, or the container is done. */
static void follow(uint64_t next, struct mbr *mbr)
{
	uint64_t first = mbr->container[mbr->current].first;
	uint64_t count = mbr->container[mbr->current].count;

	if (next == first || next - first >= count)
		mbr->broken = "leaves its extended partition";
	else if (++mbr->ebrs == EBRS_MAX)
		mbr->broken = "does not end";
	else
		mbr->next = next;
	if (mbr->broken)
		next_container(mbr);
}

void mbr_extended(const uint8_t *sector, struct partition parts[PARTITIONS_MAX], unsigned *count,
		  struct mbr *mbr)
{
	uint64_t here = mbr->next, low = mbr->container[mbr->current].first, next = 0;
	uint64_t high = low + mbr->container[mbr->current].count;
	const uint8_t *entry = sector + TABLE;

	if (!has_signature(sector)) {
		mbr->broken = "has a sector without a signature";
		next_container(mbr);
		return;
	}
	for (unsigned i = 0; i < MBR_ENTRIES; i++, entry += ENTRY) {
		uint64_t first = partition_get32(entry + FIRST);
		uint64_t size = partition_get32(entry + COUNT);

		if (!entry[TYPE] || !size)
			continue;
		if (!is_container(entry[TYPE]))
			add((struct partition){.number = ++mbr->number,
					       .first = here + first,
					       .count = size},
			    entry[TYPE], low + 1, high, parts, count, mbr);
		else if (!next)
			next = low + first;
	}
	if (next)
		follow(next, mbr);
	else
		next_container(mbr);
}

const char *mbr_foreign(const uint8_t *sector)
{
	static const struct {
		uint16_t at;
		uint8_t bytes;
		const char *magic, *name;
	} tables[] = {
		{0, 2, "ER", "Apple"},
		{0, 4, "RDSK", "Amiga"},
		{0, 4, "\x0b\xe5\xa9\x41", "SGI"},
		{508, 2, "\xda\xbe", "Sun"},
		{0, 4, "\xc9\xc2\xd4\xc1", "AIX"},
	};

	for (unsigned i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if (!memcmp(sector + tables[i].at, tables[i].magic, tables[i].bytes))
			return tables[i].name;
	return NULL;
}

const char *mbr_nested(uint8_t type)
{
	static const struct {
		uint8_t type;
		const char *name;
	} nested[] = {
		{0x42, "Windows dynamic disk"},
		{0x63, "UnixWare"},
		{0x81, "Minix"},
		{0xa5, "FreeBSD"},
		{0xa6, "OpenBSD"},
		{0xa9, "NetBSD"},
		{0xbf, "Solaris"},
	};

	for (unsigned i = 0; i < sizeof(nested) / sizeof(*nested); i++)
		if (nested[i].type == type)
			return nested[i].name;
	return NULL;
}
