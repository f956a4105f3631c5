/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/storage/lvm_disk.h"

#include <string.h>

#define LABEL_MAGIC  "LABELONE"
#define LABEL_TYPE   "LVM2 001"
#define HEADER_MAGIC " LVM2 x[5A%r0N*>"

/* In a label's sector. */
#define LABEL_CRC      16u
#define LABEL_SUMMED   20u /* the sum covers the sector from here on */
#define LABEL_OFFSET   20u
#define LABEL_TYPE_AT  24u
#define LABEL_BYTES    32u
#define PV_ID_BYTES    32u
#define PV_PLACES      40u /* in the header of the physical volume */
#define PLACE_BYTES    16u
#define EXT_VERSION    2u
#define EXT_FLAG_USED  1u
#define PV_AREAS_WHOLE 0u

/* In an area's header. */
#define HEADER_SUMMED  4u
#define HEADER_MAGIC_B 16u
#define HEADER_VERSION 20u
#define HEADER_START   24u
#define HEADER_SIZE    32u
#define HEADER_TEXTS   40u
#define TEXT_BYTES     24u
#define TEXT_IGNORED   1u

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static void put32(uint8_t *p, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static void put64(uint8_t *p, uint64_t value)
{
	put32(p, (uint32_t)value);
	put32(p + 4, (uint32_t)(value >> 32));
}

/* Four bits at a time. */
uint32_t lvm_crc(uint32_t crc, const void *data, size_t bytes)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	for (const uint8_t *at = data; bytes; at++, bytes--) {
		crc ^= *at;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

static bool is_id(const uint8_t *text)
{
	for (unsigned i = 0; i < LVM_ID; i++) {
		uint8_t c = text[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && !(c >= '0' && c <= '9') && c != '!' && c != '#')
			return false;
	}
	return true;
}

static const uint8_t *find_label(const uint8_t *sectors)
{
	for (unsigned i = 0; i < LVM_LABEL_BYTES / LVM_SECTOR; i++) {
		const uint8_t *sector = sectors + i * LVM_SECTOR;

		if (!memcmp(sector, LABEL_MAGIC, 8) &&
		    !memcmp(sector + LABEL_TYPE_AT, LABEL_TYPE, 8))
			return sector;
	}
	return NULL;
}

static const char *area_wrong(const struct lvm_place *area, uint64_t device_bytes)
{
	if (area->bytes < 2 * LVM_HEADER_BYTES || area->offset < LVM_SECTOR ||
	    (area->offset | area->bytes) % LVM_SECTOR)
		return "a metadata area of a wrong size or place";
	if (area->offset > device_bytes || area->bytes > device_bytes - area->offset)
		return "a metadata area outside the device";
	return NULL;
}

/* The lists of data areas and of metadata areas, each with an entry of zeros at its end. */
static const char *parse_places(const uint8_t *at, const uint8_t *end, uint64_t device_bytes,
				struct lvm_label *label)
{
	unsigned data_areas = 0, lists = 0;

	for (; lists < 2; at += PLACE_BYTES) {
		struct lvm_place place;
		const char *wrong;

		if (end - at < (ptrdiff_t)PLACE_BYTES)
			return "lists of areas without an end";
		place = (struct lvm_place){get64(at), get64(at + 8)};
		if (!place.offset) {
			lists++;
			continue;
		}
		if (!lists) {
			if (data_areas++)
				return "more than one data area";
			label->data_at = place.offset;
			continue;
		}
		if (label->areas == LVM_AREAS)
			return "more than two metadata areas";
		wrong = area_wrong(&place, device_bytes);
		if (wrong)
			return wrong;
		label->area[label->areas++] = place;
	}
	if (label->areas == 2 &&
	    label->area[0].offset < label->area[1].offset + label->area[1].bytes &&
	    label->area[1].offset < label->area[0].offset + label->area[0].bytes)
		return "metadata areas that overlap";
	return NULL;
}

const char *lvm_label_parse(const uint8_t *sectors, uint64_t device_bytes, struct lvm_label *label)
{
	const uint8_t *sector = find_label(sectors);
	uint32_t offset;

	if (!sector)
		return "";
	if (lvm_crc(LVM_CRC_START, sector + LABEL_SUMMED, LVM_SECTOR - LABEL_SUMMED) !=
	    get32(sector + LABEL_CRC))
		return "a label with a wrong checksum";
	if (get64(sector + 8) != (uint64_t)(sector - sectors) / LVM_SECTOR)
		return "a label at a place that is not its own";
	offset = get32(sector + LABEL_OFFSET);
	if (offset < LABEL_BYTES || offset > LVM_SECTOR - PV_PLACES)
		return "a label whose header lies outside the sector";
	if (!is_id(sector + offset))
		return "a label with a wrong identity";
	memset(label, 0, sizeof(*label));
	memcpy(label->id, sector + offset, LVM_ID);
	label->device_bytes = get64(sector + offset + PV_ID_BYTES);
	return parse_places(sector + offset + PV_PLACES, sector + LVM_SECTOR, device_bytes, label);
}

const char *lvm_header_parse(const uint8_t *bytes, const struct lvm_place *area,
			     struct lvm_header *header)
{
	uint64_t ring = area->bytes - LVM_HEADER_BYTES;

	memset(header, 0, sizeof(*header));
	if (memcmp(bytes + HEADER_SUMMED, HEADER_MAGIC, HEADER_MAGIC_B))
		return "a metadata area without a header";
	if (lvm_crc(LVM_CRC_START, bytes + HEADER_SUMMED, LVM_HEADER_BYTES - HEADER_SUMMED) !=
	    get32(bytes))
		return "a metadata area whose header has a wrong checksum";
	if (get32(bytes + HEADER_VERSION) != 1)
		return "a metadata area of an unknown version";
	if (get64(bytes + HEADER_START) != area->offset ||
	    get64(bytes + HEADER_SIZE) != area->bytes)
		return "a metadata area whose header tells another place";
	header->text =
		(struct lvm_place){get64(bytes + HEADER_TEXTS), get64(bytes + HEADER_TEXTS + 8)};
	header->text_crc = get32(bytes + HEADER_TEXTS + 16);
	header->ignored = get32(bytes + HEADER_TEXTS + 20) & TEXT_IGNORED;
	if (!header->text.offset || !header->text.bytes) {
		header->text = (struct lvm_place){0, 0};
		return NULL;
	}
	if (header->text.offset < LVM_HEADER_BYTES || header->text.offset >= area->bytes ||
	    header->text.bytes > ring)
		return "a metadata text outside its area";
	if (header->text.bytes > LVM_TEXT_MAX)
		return "a metadata text of more than 512 KiB";
	return NULL;
}

unsigned lvm_text_pieces(const struct lvm_place *area, const struct lvm_place *text,
			 struct lvm_place piece[2])
{
	uint64_t to_end = area->bytes - text->offset;

	piece[0] = (struct lvm_place){area->offset + text->offset, text->bytes};
	if (text->bytes <= to_end)
		return 1;
	piece[0].bytes = to_end;
	piece[1] = (struct lvm_place){area->offset + LVM_HEADER_BYTES, text->bytes - to_end};
	return 2;
}

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + LVM_SECTOR - 1) / LVM_SECTOR * LVM_SECTOR;
}

bool lvm_text_room(const struct lvm_place *area, const struct lvm_place *old, uint64_t bytes,
		   struct lvm_place *text)
{
	uint64_t ring = area->bytes - LVM_HEADER_BYTES;
	uint64_t used = 0, start = 0;

	if (old->bytes) {
		/* A text of another program may begin within a sector. */
		uint64_t first = (old->offset - LVM_HEADER_BYTES) / LVM_SECTOR * LVM_SECTOR;
		uint64_t end = round_up(old->offset - LVM_HEADER_BYTES + old->bytes);

		used = end - first;
		start = end % ring;
	}
	if (!bytes || bytes > LVM_TEXT_MAX || used > ring || round_up(bytes) > ring - used)
		return false;
	*text = (struct lvm_place){LVM_HEADER_BYTES + start, bytes};
	return true;
}

void lvm_label_build(uint8_t sector[LVM_SECTOR], const struct lvm_label *label)
{
	uint8_t *at = sector + LABEL_BYTES;

	memset(sector, 0, LVM_SECTOR);
	memcpy(sector, LABEL_MAGIC, 8);
	put64(sector + 8, 1);
	put32(sector + LABEL_OFFSET, LABEL_BYTES);
	memcpy(sector + LABEL_TYPE_AT, LABEL_TYPE, 8);
	memcpy(at, label->id, LVM_ID);
	put64(at + PV_ID_BYTES, label->device_bytes);
	at += PV_PLACES;
	put64(at, label->data_at);
	put64(at + 8, PV_AREAS_WHOLE);
	at += 2 * PLACE_BYTES;
	put64(at, label->area[0].offset);
	put64(at + 8, label->area[0].bytes);
	at += 2 * PLACE_BYTES;
	put32(at, EXT_VERSION);
	put32(at + 4, EXT_FLAG_USED);
	put32(sector + LABEL_CRC,
	      lvm_crc(LVM_CRC_START, sector + LABEL_SUMMED, LVM_SECTOR - LABEL_SUMMED));
}

static void put_text(uint8_t *at, const struct lvm_named *text)
{
	put64(at, text->place.offset);
	put64(at + 8, text->place.bytes);
	put32(at + 16, text->crc);
}

void lvm_header_build(uint8_t bytes[LVM_HEADER_BYTES], const struct lvm_place *area,
		      const struct lvm_named *committed, const struct lvm_named *precommitted)
{
	memset(bytes, 0, LVM_HEADER_BYTES);
	memcpy(bytes + HEADER_SUMMED, HEADER_MAGIC, HEADER_MAGIC_B);
	put32(bytes + HEADER_VERSION, 1);
	put64(bytes + HEADER_START, area->offset);
	put64(bytes + HEADER_SIZE, area->bytes);
	if (committed)
		put_text(bytes + HEADER_TEXTS, committed);
	if (precommitted)
		put_text(bytes + HEADER_TEXTS + TEXT_BYTES, precommitted);
	put32(bytes,
	      lvm_crc(LVM_CRC_START, bytes + HEADER_SUMMED, LVM_HEADER_BYTES - HEADER_SUMMED));
}
