/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IVRS table: the units of AMD-Vi, and the memory that firmware has functions use. Behind the
 * table's header lie blocks of several types (AMD IOMMU 5.2). A broken block costs itself alone; a
 * wrong length ends the table.
 */
#include "arch/iommu/iommu.h"
#include "kernel/base/log.h"

#define HEADER 48u
#define PACKED __attribute__((packed))

struct block {
	uint8_t type, flags;
	uint16_t bytes;
} PACKED;

/* AMD IOMMU 5.2.2: a unit. Entries for its functions follow, from type 11h on behind 16 bytes of
 * features. */
#define IVHD_10       0x10u
#define IVHD_11       0x11u
#define IVHD_40       0x40u
#define IVHD_FEATURES 16u
#define BASE_ALIGN    0x4000u

struct ivhd {
	struct block block;
	uint16_t function, capability;
	uint64_t base;
	uint16_t segment, info;
	uint32_t features;
} PACKED;

/* An entry's type says its size, but for the type of devices that ACPI names by texts: the last of
 * its fixed bytes is the length of the last text. */
#define ENTRY_ALL      0x01u
#define ENTRY_ONE      0x02u
#define ENTRY_FIRST    0x03u
#define ENTRY_LAST     0x04u
#define ENTRY_MORE     0x44u /* ENTRY_ONE or ENTRY_FIRST with another ID or more settings */
#define ENTRY_SPECIAL  0x48u
#define ENTRY_ACPI     0xf0u
#define ACPI_BYTES     22u
#define SPECIAL_IOAPIC 1u

struct entry {
	uint8_t type;
	uint16_t function;
	uint8_t settings, handle; /* from here on of special ones */
	uint16_t source;
	uint8_t kind;
} PACKED;

/* AMD IOMMU 5.2.3: memory that functions use. In an exclusion range they read and write without a
 * translation, and one that maps the range onto itself does the same. */
#define IVMD_ALL       0x20u
#define IVMD_ONE       0x21u
#define IVMD_SEVERAL   0x22u
#define IVMD_UNITY     0x01u
#define IVMD_READ      0x02u
#define IVMD_WRITE     0x04u
#define IVMD_EXCLUSION 0x08u
#define IVMD_SIZE_MAX  (1ull << 30)

struct ivmd {
	struct block block;
	uint16_t first, last, segment;
	uint8_t reserved[6];
	uint64_t base, size;
} PACKED;

/* Returns 0 if the entry does not end within the bytes that are left. */
static uint32_t entry_bytes(const uint8_t *entry, uint32_t left)
{
	uint32_t bytes = 4u << (entry[0] >> 6);

	if (entry[0] == ENTRY_ACPI)
		bytes = left < ACPI_BYTES ? ACPI_BYTES : ACPI_BYTES + entry[ACPI_BYTES - 1];
	return bytes <= left ? bytes : 0;
}

/* The entries say which functions the unit has, and special ones name I/O APICs, among others. The
 * settings of functions do not matter. */
static void add_entries(struct iommu_info *info, const uint8_t *entry, const uint8_t *end)
{
	uint32_t bytes, first = 0;

	for (; entry < end; entry += bytes) {
		const struct entry *e = (const void *)entry;
		uint8_t type = e->type & (uint8_t)~ENTRY_MORE;

		bytes = entry_bytes(entry, (uint32_t)(end - entry));
		if (!bytes)
			return;
		if (type == ENTRY_ONE || type == ENTRY_FIRST)
			first = e->function;
		if (type == ENTRY_ONE || e->type == ENTRY_LAST)
			iommu_cover(info, first, e->function);
		if (type == ENTRY_ALL)
			iommu_cover(info, 0, IOMMU_REQUESTERS - 1);
		if (e->type == ENTRY_SPECIAL && e->kind == SPECIAL_IOAPIC &&
		    info->ioapics < IOMMU_IOAPICS)
			info->ioapic[info->ioapics++] =
				(struct iommu_ioapic){e->handle, e->source, e->settings};
	}
}

static bool add_unit(struct iommu_info *info, const struct ivhd *unit)
{
	const uint8_t *entries = (const uint8_t *)(unit + 1);
	const uint8_t *end = (const uint8_t *)unit + unit->block.bytes;

	if (unit->segment || !unit->base || unit->base % BASE_ALIGN)
		return false;
	if (iommu_add_unit(info, unit->base))
		add_entries(info, entries + (unit->block.type == IVHD_10 ? 0 : IVHD_FEATURES), end);
	return true;
}

static uint32_t access_of(uint8_t flags)
{
	if (flags & IVMD_EXCLUSION)
		return PTAB_R | PTAB_W;
	if (!(flags & IVMD_UNITY))
		return 0;
	return (flags & IVMD_READ ? PTAB_R : 0) | (flags & IVMD_WRITE ? PTAB_W : 0);
}

/* All functions of the block get the range, or none. */
static bool add_ranges(struct iommu_info *info, const struct ivmd *m)
{
	uint32_t last = m->block.type == IVMD_ONE ? m->first : m->last, flags;

	flags = access_of(m->block.flags);
	if (m->block.type == IVMD_ALL || m->segment || !flags)
		return false;
	if (last < m->first || last - m->first >= IOMMU_RANGES - info->ranges)
		return false;
	if (!m->size || m->size > IVMD_SIZE_MAX || (m->base | m->size) % PTAB_PAGE ||
	    m->base + m->size < m->base)
		return false;
	for (uint32_t function = m->first; function <= last; function++)
		info->range[info->ranges++] =
			(struct iommu_range){m->base, m->size, (uint16_t)function, flags};
	return true;
}

/* Broken memory is no reason to do without the IOMMU: firmware is known to name one byte at address
 * 0, and functions that no unit has. */
static void add_block(struct iommu_info *info, const struct block *b)
{
	bool memory = b->type >= IVMD_ALL && b->type <= IVMD_SEVERAL;
	const struct ivmd *m = (const void *)b;
	const struct ivhd *unit = (const void *)b;

	if (b->bytes < (memory ? sizeof(*m) : sizeof(*unit)))
		log_print(LOG_WARNING "iommu: IVRS: a short block of type %x, ignored\n", b->type);
	else if (memory && !add_ranges(info, m))
		log_print(LOG_WARNING "iommu: IVRS: memory at %lx, %lx bytes, functions %x to %x, "
				      "ignored\n",
			  m->base, m->size, m->first, m->last);
	else if (!memory && !add_unit(info, unit))
		log_print(LOG_WARNING "iommu: IVRS: a unit at %lx, PCI segment %u, ignored\n",
			  unit->base, unit->segment);
}

/* Firmware describes one unit by blocks of several types, for systems of different age: the first
 * pass takes the blocks that say most, and the later passes find the unit known. */
bool ivrs_parse(struct iommu_info *info, const uint8_t *table, uint32_t bytes)
{
	static const uint8_t order[] = {IVHD_40,  IVHD_11,  IVHD_10,
					IVMD_ALL, IVMD_ONE, IVMD_SEVERAL};

	for (unsigned pass = 0; pass < COUNT_OF(order); pass++) {
		const struct block *b;

		for (uint32_t at = HEADER; bytes >= at + sizeof(*b); at += b->bytes) {
			b = (const void *)(table + at);
			if (b->bytes < sizeof(*b) || b->bytes > bytes - at)
				break;
			if (b->type == order[pass])
				add_block(info, b);
		}
	}
	info->remaps = true;
	return info->units && !info->crowded;
}
