/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The binary part of LVM2's on-disk format: a device's label and the header of a metadata area.
 * Only parsing and building, no I/O: the bytes come from a disk and may be anything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LVM_SECTOR       512u
#define LVM_LABEL_BYTES  2048u /* the label lies in one of the first four sectors */
#define LVM_ID           32u   /* characters of an identity, without its hyphens */
#define LVM_AREAS        2u    /* metadata areas of a physical volume, as pvcreate makes at most */
#define LVM_TEXT_MAX     (512u << 10)
#define LVM_HEADER_BYTES 512u

/* Where pvcreate places what it makes. */
#define LVM_AREA_AT    4096u
#define LVM_DATA_AT    (1u << 20)
#define LVM_AREA_BYTES (LVM_DATA_AT - LVM_AREA_AT)

struct lvm_place {
	uint64_t offset, bytes;
};

struct lvm_label {
	char id[LVM_ID + 1];
	uint64_t device_bytes;
	uint64_t data_at; /* of the data area; 0: none */
	struct lvm_place area[LVM_AREAS];
	unsigned areas;
};

/* The metadata area's ring begins behind the header. `text.offset` counts from the area's start. */
struct lvm_header {
	struct lvm_place text; /* the text that counts; 0 bytes: none */
	uint32_t text_crc;
	bool ignored; /* the area's text may be an old one, and nobody writes the area */
};

/* LVM2's CRC-32: of IEEE 802.3, with another start and without the last complement. */
#define LVM_CRC_START 0xf597a6cfu
uint32_t lvm_crc(uint32_t crc, const void *data, size_t bytes);

/*
 * Finds the label in a device's first LVM_LABEL_BYTES. Returns NULL if it is one of a device of
 * `device_bytes`, "" if there is no label, else the reason against it.
 */
const char *lvm_label_parse(const uint8_t *sectors, uint64_t device_bytes, struct lvm_label *label);

/* Parses the first LVM_HEADER_BYTES of an area. Returns the reason against them, or NULL. */
const char *lvm_header_parse(const uint8_t *bytes, const struct lvm_place *area,
			     struct lvm_header *header);

/*
 * The text in an area is one piece, or two of which the second begins behind the header. Returns
 * the number of pieces, whose offsets count from the device's start.
 */
unsigned lvm_text_pieces(const struct lvm_place *area, const struct lvm_place *text,
			 struct lvm_place piece[2]);

/* Finds the place of a new text of `bytes`, behind the old one and without overlap. Returns false
 * if the ring has no room. */
bool lvm_text_room(const struct lvm_place *area, const struct lvm_place *old, uint64_t bytes,
		   struct lvm_place *text);

/* Builds the label's sector, which is sector 1, for a device with one metadata area. */
void lvm_label_build(uint8_t sector[LVM_SECTOR], const struct lvm_label *label);

/* A text and its checksum, as a header names it. */
struct lvm_named {
	struct lvm_place place;
	uint32_t crc;
};

/* Builds an area's header: the text that counts, and the one that is to count next; NULL: none. */
void lvm_header_build(uint8_t bytes[LVM_HEADER_BYTES], const struct lvm_place *area,
		      const struct lvm_named *committed, const struct lvm_named *precommitted);
