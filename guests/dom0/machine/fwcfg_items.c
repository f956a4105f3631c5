/* SPDX-License-Identifier: BSD-2-Clause */
/* The items of the firmware configuration device, made from a guest's description. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/fwcfg.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/machine/smbios.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define FOUR_GIB 0x100000000ull

#define ID_ITEMS 1u /* the item FWCFG_ID: items by ports, and by transfers */
#define ID_DMA   2u

/* --- ACPI: the tables, and the script by which firmware places them ----------------------------
 * QEMU's hw/acpi/bios-linker-loader.c defines the script: entries of 128 bytes.
 */

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE   "etc/acpi/rsdp"

#define SCRIPT_ALLOCATE 1u
#define SCRIPT_POINTER  2u
#define SCRIPT_CHECKSUM 3u
#define ZONE_HIGH       1u
#define ZONE_BIOS       2u /* from 0xe0000 to 0xfffff, where the RSDP is looked for */
#define TABLES_ALIGN    64u
#define RSDP_ALIGN      16u

struct script_entry {
	uint32_t command;
	union {
		struct {
			char file[FWCFG_NAME];
			uint32_t align;
			uint8_t zone;
		} __attribute__((packed)) allocate;
		struct {
			char in[FWCFG_NAME], to[FWCFG_NAME];
			uint32_t offset;
			uint8_t size;
		} __attribute__((packed)) pointer;
		struct {
			char file[FWCFG_NAME];
			uint32_t offset, start, length;
		} __attribute__((packed)) checksum;
		uint8_t bytes[124];
	};
} __attribute__((packed));
_Static_assert(sizeof(struct script_entry) == 128, "QEMU's entry");

#define SCRIPT_ENTRIES (ACPI_POINTERS + ACPI_ALL + 6u)

struct script {
	unsigned used;
	struct script_entry entry[SCRIPT_ENTRIES];
};

static struct script_entry *next(struct script *s, uint32_t command)
{
	struct script_entry *e = &s->entry[s->used++];

	e->command = command;
	return e;
}

static void allocate(struct script *s, const char *file, uint32_t align, uint8_t zone)
{
	struct script_entry *e = next(s, SCRIPT_ALLOCATE);

	strcpy(e->allocate.file, file);
	e->allocate.align = align;
	e->allocate.zone = zone;
}

/* The pointer is to somewhere in the tables. */
static void pointer(struct script *s, const char *in, uint32_t offset, uint8_t size)
{
	struct script_entry *e = next(s, SCRIPT_POINTER);

	strcpy(e->pointer.in, in);
	strcpy(e->pointer.to, TABLES_FILE);
	e->pointer.offset = offset;
	e->pointer.size = size;
}

static void sum(struct script *s, const char *file, uint32_t offset, uint32_t start,
		uint32_t length)
{
	struct script_entry *e = next(s, SCRIPT_CHECKSUM);

	strcpy(e->checksum.file, file);
	e->checksum.offset = offset;
	e->checksum.start = start;
	e->checksum.length = length;
}

static void write_script(struct script *s, const struct acpi_blob *blob)
{
	allocate(s, TABLES_FILE, TABLES_ALIGN, ZONE_HIGH);
	allocate(s, RSDP_FILE, RSDP_ALIGN, ZONE_BIOS);
	for (unsigned i = 0; i < blob->pointers; i++)
		pointer(s, TABLES_FILE, blob->pointer[i].offset, blob->pointer[i].size);
	pointer(s, RSDP_FILE, ACPI_RSDP_RSDT, 4);
	pointer(s, RSDP_FILE, ACPI_RSDP_XSDT, 8);
	for (unsigned i = 0; i < blob->tables; i++)
		sum(s, TABLES_FILE, blob->table[i].offset + ACPI_HEADER_SUM, blob->table[i].offset,
		    blob->table[i].bytes);
	sum(s, RSDP_FILE, ACPI_RSDP_SUM, 0, ACPI_RSDP_OLD);
	sum(s, RSDP_FILE, ACPI_RSDP_SUM_ALL, 0, ACPI_RSDP_BYTES);
}

struct acpi_work {
	struct acpi_blob blob;
	struct script script;
	uint8_t tables[ACPI_BYTES];
};

static bool add_acpi(struct fwcfg *f, const struct vm *vm)
{
	struct acpi_work *work = calloc(1, sizeof(*work));

	if (!work)
		return false;
	acpi_build_blob(vm, work->tables, &work->blob);
	write_script(&work->script, &work->blob);
	fwcfg_add_file(f, TABLES_FILE, work->tables, work->blob.bytes);
	fwcfg_add_file(f, RSDP_FILE, work->blob.rsdp, ACPI_RSDP_BYTES);
	fwcfg_add_file(f, "etc/table-loader", work->script.entry,
		       (uint32_t)(work->script.used * sizeof(work->script.entry[0])));
	free(work);
	return true;
}

/* --- the machine --- */

static void add_smbios(struct fwcfg *f, const struct vm *vm)
{
	uint8_t entry[SMBIOS_ENTRY], table[SMBIOS_TABLE];
	uint32_t bytes = smbios_build(vm->config, entry, table, 0);

	fwcfg_add_file(f, "etc/smbios/smbios-anchor", entry, sizeof(entry));
	fwcfg_add_file(f, "etc/smbios/smbios-tables", table, bytes);
}

/* Firmware knows of its own memory below 1 MiB, and adds what it reserves. */
static void add_memory(struct fwcfg *f, const struct vm *vm)
{
	struct {
		uint64_t address, size;
		uint32_t type;
	} __attribute__((packed)) range[2] = {{0, 0, 1}, {FOUR_GIB, 0, 1}};
	uint64_t ram = vm->ram_bytes;

	range[0].size = ram < VM_RAM_BELOW_4G ? ram : VM_RAM_BELOW_4G;
	range[1].size = ram - range[0].size;
	fwcfg_add(f, FWCFG_RAM_SIZE, &ram, sizeof(ram));
	fwcfg_add_file(f, "etc/e820", range, sizeof(range[0]) * (range[1].size ? 2 : 1));
}

/* The most that a local APIC id and one can be. */
static void add_cpus(struct fwcfg *f, const struct vm_config *config)
{
	uint16_t cpus = (uint16_t)config->vcpus;
	uint16_t most = (uint16_t)(config_apic_id(config, config->vcpus - 1) + 1);

	fwcfg_add(f, FWCFG_CPUS, &cpus, sizeof(cpus));
	fwcfg_add(f, FWCFG_MAX_CPUS, &most, sizeof(most));
}

/* --- from what to boot --- */

#define ORDER_DEVICES (CONFIG_DISKS + CONFIG_NICS)
#define ORDER_LAST    UINT32_MAX

struct choice {
	uint32_t order;
	const struct virtio_state *device;
};

static unsigned place_of(const struct vm_config *config, enum config_boot kind)
{
	unsigned at = 0;

	while (at < CONFIG_BOOT_DEVS && config->boot_dev[at] && config->boot_dev[at] != kind)
		at++;
	return at < CONFIG_BOOT_DEVS && config->boot_dev[at] ? at : CONFIG_BOOT_DEVS;
}

static bool orders_devices(const struct vm_config *config)
{
	bool given = false;

	for (uint32_t i = 0; i < config->disks; i++)
		given |= config->disk[i].boot_order != 0;
	for (uint32_t i = 0; i < config->nics; i++)
		given |= config->nic[i].boot_order != 0;
	return given;
}

/*
 * When the device is tried: by its own <boot order>, or else by <boot dev>, which means the first
 * device of each kind; without either the first disk. ORDER_LAST: the device is not named.
 */
static uint32_t order_of(const struct vm_config *config, const struct virtio_state *device)
{
	bool disk = device->type == VIRTIO_BLK;
	unsigned n = device->ordinal, place;

	if (disk ? n >= config->disks : device->type != VIRTIO_NET || n >= config->nics)
		return ORDER_LAST;
	if (orders_devices(config)) {
		uint32_t own = disk ? config->disk[n].boot_order : config->nic[n].boot_order;

		return own ? own : ORDER_LAST;
	}
	if (n)
		return ORDER_LAST;
	if (!config->boot_dev[0])
		return disk ? 0 : ORDER_LAST;
	place = place_of(config, disk ? BOOT_DISK : BOOT_NETWORK);
	return place < CONFIG_BOOT_DEVS ? place : ORDER_LAST;
}

/* The device as Open Firmware would name it, which is how QEMU does. */
static int device_path(char *to, size_t room, const struct virtio_state *device)
{
	if (device->type == VIRTIO_BLK)
		return snprintf(to, room, "/pci@i0cf8/scsi@%x/disk@0,0\n", device->slot);
	return snprintf(to, room, "/pci@i0cf8/ethernet@%x/ethernet-phy@0\n", device->slot);
}

static unsigned sorted_devices(const struct vm *vm, struct choice list[ORDER_DEVICES])
{
	unsigned count = 0;

	for (unsigned i = 0; i < MACHINE_VIRTIO_DEVICES && count < ORDER_DEVICES; i++) {
		const struct virtio_state *device = &vm->state->virtio[i];
		uint32_t order =
			device->slot && device->type ? order_of(vm->config, device) : ORDER_LAST;
		unsigned at = count;

		if (order == ORDER_LAST)
			continue;
		for (; at && list[at - 1].order > order; at--)
			list[at] = list[at - 1];
		list[at] = (struct choice){order, device};
		count++;
	}
	return count;
}

static void add_boot_order(struct fwcfg *f, const struct vm *vm)
{
	struct choice list[ORDER_DEVICES];
	unsigned count = sorted_devices(vm, list), used = 0;
	char text[ORDER_DEVICES * 48];

	for (unsigned i = 0; i < count; i++)
		used += (unsigned)device_path(text + used, sizeof(text) - used, list[i].device);
	if (used)
		fwcfg_add_file(f, "bootorder", text, used + 1); /* with the 0 at its end */
}

static void add_number(struct fwcfg *f, const char *name, uint32_t value, uint32_t bytes)
{
	fwcfg_add_file(f, name, &value, bytes);
}

static void add_wishes(struct fwcfg *f, const struct vm_config *config)
{
	uint16_t menu = config->boot_menu, no_screen = 1;

	fwcfg_add(f, FWCFG_NO_SCREEN, &no_screen, sizeof(no_screen));
	fwcfg_add(f, FWCFG_BOOT_MENU, &menu, sizeof(menu));
	if (config->boot_menu_ms)
		add_number(f, "etc/boot-menu-wait", config->boot_menu_ms, 2);
	if (config->bios_reboot_given)
		add_number(f, "etc/boot-fail-wait", (uint32_t)config->bios_reboot_ms, 4);
	if (config->bios_serial)
		add_number(f, "etc/sercon-port", 0x3f8, 2);
}

const char *fwcfg_build(struct vm *vm)
{
	struct platform *platform = vm->platform;
	struct fwcfg *f = platform->fwcfg;
	uint32_t id = ID_ITEMS | ID_DMA;

	f->items = 0;
	f->used = 0;
	f->full = false;
	f->next_file = FWCFG_FILE_FIRST;
	fwcfg_add(f, FWCFG_SIGNATURE, "QEMU", 4);
	fwcfg_add(f, FWCFG_ID, &id, sizeof(id));
	fwcfg_add(f, FWCFG_UUID, vm->config->uuid, sizeof(vm->config->uuid));
	add_memory(f, vm);
	add_cpus(f, vm->config);
	add_smbios(f, vm);
	if (!add_acpi(f, vm))
		return "dom0 is out of memory";
	add_boot_order(f, vm);
	add_wishes(f, vm->config);
	fwcfg_add_directory(f);
	return f->full ? "the description has more than firmware can be told" : NULL;
}
