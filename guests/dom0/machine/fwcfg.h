/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QEMU's firmware configuration device (QEMU's docs/specs/fw_cfg.rst): by it firmware learns of its
 * machine's memory and processors, in which order to try the devices, and gets the ACPI and SMBIOS
 * tables. A guest selects an item and reads its bytes one by one, or has them written into its
 * memory. Nothing can be written to an item.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vm;

#define FWCFG_ITEMS 32u
#define FWCFG_NAME  56u
#define FWCFG_ROOM  (64u << 10) /* of all items' bytes */

/* The last bytes of a transfer that a guest may ask for at once: no item is as large. */
#define FWCFG_TRANSFER (256u << 10)

/* What a guest would miss. */
struct fwcfg_state {
	uint64_t dma; /* the address register */
	uint32_t offset;
	uint16_t select, pad;
};

struct fwcfg_item {
	uint16_t select;
	char name[FWCFG_NAME]; /* "": the item is no file */
	const uint8_t *data;
	uint32_t bytes;
};

/* Made from the description at each start of the guest. */
struct fwcfg {
	unsigned items;
	uint16_t next_file;
	uint32_t used;
	bool full; /* there was no room for an item */
	struct fwcfg_item item[FWCFG_ITEMS];
	uint8_t room[FWCFG_ROOM];
};

int fwcfg_init(struct vm *vm); /* platform.h says what these do */
void fwcfg_reset(struct vm *vm);
int fwcfg_resume(struct vm *vm);

/* The slots of all devices are known: makes the items. Returns NULL, or what went wrong. */
const char *fwcfg_build(struct vm *vm);

/* For fwcfg_build, items.c. Takes zeroed room for an item's bytes, aligned to 8; NULL: there is
 * none. */
uint8_t *fwcfg_take(struct fwcfg *f, uint32_t bytes);
void fwcfg_add(struct fwcfg *f, uint16_t select, const void *data, uint32_t bytes);
void fwcfg_add_file(struct fwcfg *f, const char *name, const void *data, uint32_t bytes);
/* The files' directory, once all of them are there. */
void fwcfg_add_directory(struct fwcfg *f);

/* The items that are no files. */
enum fwcfg_key {
	FWCFG_SIGNATURE = 0x00,
	FWCFG_ID = 0x01,
	FWCFG_UUID = 0x02,
	FWCFG_RAM_SIZE = 0x03,
	FWCFG_NO_SCREEN = 0x04,
	FWCFG_CPUS = 0x05,
	FWCFG_BOOT_MENU = 0x0e,
	FWCFG_MAX_CPUS = 0x0f,
	FWCFG_DIRECTORY = 0x19,
	FWCFG_FILE_FIRST = 0x20,
};
