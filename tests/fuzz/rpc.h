/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests and a machine for the server of libvirt's protocol, as small as it lets them be. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/net.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/display/display.h"
#include "guests/dom0/machine/i8042.h"
#include "guests/dom0/machine/uart.h"
#include "guests/dom0/machine/vga.h"
#include "guests/dom0/manage/define.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/manage/nodedev.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/manage/volume_look.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/net/switch.h"
#include "guests/dom0/storage/change.h"
#include "guests/dom0/storage/convert.h"
#include "guests/dom0/storage/image_make.h"
#include "guests/dom0/storage/image_volume.h"
#include "guests/dom0/storage/transfer.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/console.h"
#include "guests/dom0/vm/vm.h"
#include "guests/dom0/vm/watch.h"
#include "tests/unit/works_mock.h"

static uint64_t now_ns = 1, tick_ns; /* tick: that each look at the clock takes */
static unsigned guests_most = 4;
static struct vm *guests;
static unsigned guest_room = 16; /* bytes that a guest takes before it reads again */
static uint32_t last_id;

/* --- the loop --- */

uint64_t clock_ns(void)
{
	now_ns += tick_ns;
	return now_ns;
}

/* --- screens: each guest that runs has a small one --- */

static unsigned keys_pressed;

struct vga_size vga_size(const struct vm *vm)
{
	return vm->id ? (struct vga_size){320, 200} : (struct vga_size){0, 0};
}

void vga_row(const struct vm *vm, unsigned y, uint32_t *pixels)
{
	if (!vm->id)
		abort();
	for (unsigned x = 0; x < 320; x++)
		pixels[x] = y << 8 | (x & 0xff);
}

void i8042_key(struct vm *vm, unsigned code, bool down)
{
	(void)vm;
	if (!code || code > 0xff)
		abort();
	keys_pressed += down;
}

uint16_t display_port(const struct vm *vm)
{
	return vm->id ? 5900 : 0;
}

/* --- guests --- */

struct vm *vm_first(void)
{
	return guests;
}

struct vm *vm_next(const struct vm *vm)
{
	return vm->next;
}

struct vm *vm_find_name(const char *name)
{
	struct vm *vm = guests;

	while (vm && strcmp(vm->name, name) != 0)
		vm = vm->next;
	return vm;
}

const char *vm_define(struct vm_config *config, struct vm **defined)
{
	unsigned n = 0;

	for (const struct vm *vm = guests; vm; vm = vm->next)
		n++;
	if (n == guests_most || vm_find_name(config->name)) {
		config_free(config);
		return "the name is used already";
	}
	*defined = calloc(1, sizeof(**defined));
	memcpy((*defined)->name, config->name, sizeof((*defined)->name));
	(*defined)->config = config;
	(*defined)->next = guests;
	guests = *defined;
	return NULL;
}

const char *vm_undefine(struct vm *vm)
{
	struct vm **at = &guests;

	if (vm->id)
		return "Requested operation is not valid: domain is running";
	while (*at != vm)
		at = &(*at)->next;
	*at = vm->next;
	vm_tell(vm, VM_EVENT_UNDEFINED);
	vm_console_forget(vm);
	config_free((struct vm_config *)vm->config);
	free(vm);
	return NULL;
}

static const char *begin(struct vm *vm, enum vm_run run)
{
	if (vm->id)
		return "Domain is already active";
	vm->id = ++last_id;
	vm->run = run;
	vm->state = (struct machine_state *)vm; /* there is some */
	vm_tell(vm, VM_EVENT_STARTED);
	return NULL;
}

const char *vm_start(struct vm *vm)
{
	return begin(vm, VM_RUNNING);
}

const char *vm_start_paused(struct vm *vm)
{
	return begin(vm, VM_PAUSED);
}

static const char *stop(struct vm *vm)
{
	if (!vm->id)
		return "Requested operation is not valid: domain is not running";
	vm->id = 0;
	vm->run = VM_OFF;
	vm_tell(vm, VM_EVENT_STOPPED);
	return NULL;
}

const char *vm_destroy(struct vm *vm)
{
	return stop(vm);
}

const char *vm_shutdown(struct vm *vm)
{
	return stop(vm);
}

static const char *tell(struct vm *vm, enum vm_event event)
{
	if (!vm->id)
		return "Requested operation is not valid: domain is not running";
	vm_tell(vm, event);
	return NULL;
}

const char *vm_reboot(struct vm *vm)
{
	return tell(vm, VM_EVENT_RESET);
}

const char *vm_reset(struct vm *vm)
{
	return tell(vm, VM_EVENT_RESET);
}

const char *vm_suspend(struct vm *vm)
{
	return tell(vm, VM_EVENT_SUSPENDED);
}

const char *vm_resume(struct vm *vm)
{
	return tell(vm, VM_EVENT_RESUMED);
}

const char *vm_nmi(struct vm *vm)
{
	return tell(vm, VM_EVENT_CRASHED);
}

const char *vm_set_weight(struct vm *vm, uint32_t weight)
{
	((struct vm_config *)vm->config)->weight = weight;
	return NULL;
}

const char *vm_set_cap(struct vm *vm, uint64_t quota, uint64_t period)
{
	((struct vm_config *)vm->config)->quota = quota;
	((struct vm_config *)vm->config)->period = period;
	return NULL;
}

const char *vm_pin(struct vm *vm, unsigned vcpu, const struct cpuset *cpus)
{
	((struct vm_config *)vm->config)->affinity[vcpu] = *cpus;
	return NULL;
}

bool vm_domain_info(struct vm *vm, struct sampo_domain_info *info)
{
	memset(info, 0, sizeof(*info));
	return vm->id;
}

bool vm_vcpu_info(struct vm *vm, unsigned vcpu, struct sampo_vcpu_info *info)
{
	memset(info, 0, sizeof(*info));
	return vm->id && vcpu < vm->config->vcpus;
}

struct vm_config *vm_own_config(const struct vm *vm)
{
	return (struct vm_config *)vm->config;
}

struct vm_config *vm_next_config(const struct vm *vm)
{
	return (struct vm_config *)vm->config;
}

/* --- the store, which is done at once --- */

const char *define_parsed(struct vm_config *config, const char *xml, size_t bytes,
			  define_done *done, void *context)
{
	struct vm *vm = NULL;
	const char *wrong = vm_define(config, &vm);

	(void)xml;
	(void)bytes;
	if (wrong)
		return wrong;
	vm_tell(vm, VM_EVENT_DEFINED);
	done(context, vm, NULL, "a note");
	return NULL;
}

const char *undefine_guest(struct vm *vm, define_done *done, void *context)
{
	const char *wrong = vm_undefine(vm);

	if (!wrong)
		done(context, NULL, NULL, "");
	return wrong;
}

const char *mark_guest(struct vm *vm, bool autostart, define_done *done, void *context)
{
	vm->autostart = autostart;
	done(context, vm, NULL, "");
	return NULL;
}

const char *redefine_guest(struct vm *vm, struct vm_config *config, define_done *done,
			   void *context)
{
	config_free(config);
	done(context, vm, vm->autostart ? "the disk is full" : NULL, "");
	return NULL;
}

const char *rename_guest(struct vm *vm, const char *name, define_done *done, void *context)
{
	if (!*name)
		return "no name";
	done(context, vm, vm->autostart ? "the disk is full" : NULL, "");
	return NULL;
}

const char *vm_may_define(const struct vm_config *config)
{
	return config->hostdevs ? "no" : NULL;
}

const struct vm *vm_find_mac(const uint8_t mac[6], const struct vm *except)
{
	(void)mac;
	(void)except;
	return NULL;
}

struct vm_config *vm_live_config(struct vm *vm)
{
	return (struct vm_config *)vm->config;
}

/* A disk comes at once, an interface does not fit, and what shall go stays. */
const char *virtio_plug_disk(struct vm *vm, const struct config_disk *disk, virtio_plugged *plugged,
			     void *context)
{
	(void)vm;
	(void)disk;
	plugged(context, NULL);
	return NULL;
}

const char *virtio_plug_nic(struct vm *vm, const struct config_nic *nic)
{
	(void)vm;
	(void)nic;
	return "no room";
}

bool virtio_is_leaving(const struct vm *vm)
{
	(void)vm;
	return false;
}

const char *virtio_unplug(struct vm *vm, uint32_t type, unsigned ordinal)
{
	(void)vm;
	(void)type;
	(void)ordinal;
	return NULL;
}

bool virtio_net_link(struct vm *vm, unsigned nic, bool up)
{
	(void)vm;
	(void)nic;
	return up;
}

const char *rewrite_guest(struct vm *vm, define_done *done, void *context)
{
	done(context, vm, vm->autostart ? "the disk is full" : NULL, "");
	return NULL;
}

const char *stack_name(void)
{
	return "sampo";
}

/* --- their devices --- */

size_t uart_room(struct vm *vm, unsigned instance)
{
	(void)vm;
	(void)instance;
	return guest_room;
}

void uart_input(struct vm *vm, unsigned instance, const uint8_t *data, size_t len)
{
	(void)vm;
	(void)instance;
	(void)data;
	guest_room -= (unsigned)len;
}

bool virtio_console_room(const struct vm *vm)
{
	(void)vm;
	return guest_room;
}

size_t virtio_console_input(struct vm *vm, const void *data, size_t bytes)
{
	(void)vm;
	(void)data;
	guest_room -= (unsigned)bytes;
	return bytes;
}

bool virtio_blk_stats(const struct vm *vm, unsigned disk, struct virtio_blk_stats *stats)
{
	memset(stats, (int)disk, sizeof(*stats));
	return vm->id;
}

bool virtio_net_stats(const struct vm *vm, unsigned nic, struct virtio_net_stats *stats)
{
	memset(stats, (int)nic, sizeof(*stats));
	return vm->id;
}

/* --- facts --- */

unsigned stats_state(const struct vm *vm)
{
	return vm->id ? 1 : 5;
}

unsigned stats_reason(const struct vm *vm)
{
	return vm->id ? 1 : 2;
}

unsigned stats_vcpu_state(const struct sampo_vcpu_info *info)
{
	return info->state;
}

void stats_each(struct vm *vm, unsigned groups, void (*put)(const struct stats_fact *fact))
{
	const struct stats_fact facts[] = {
		{.name = "state.state", .number = vm->id},
		{.name = "net.0.name", .text = vm->name},
		{.name = "vcpu.current", .number = groups},
	};

	for (unsigned i = 0; i < 3; i++)
		put(&facts[i]);
}

uint64_t stats_disk_bytes(const struct vm *vm, unsigned disk)
{
	return vm->id + disk;
}

void stats_nic_name(char text[STATS_NIC_NAME], const struct vm_config *config, unsigned nic)
{
	snprintf(text, STATS_NIC_NAME, "%s/%u", config->name, nic);
}

int stats_nic_find(const struct vm_config *config, const char *wanted)
{
	return config->nics && *wanted ? 0 : -1;
}

uint64_t stats_dom0_ns(const struct vm *vm)
{
	return vm->dom0_tsc;
}

bool host_facts(struct host_facts *facts)
{
	*facts = (struct host_facts){.memory = 1 << 30, .free = 1 << 20, .mhz = 1000, .cpus = 3};
	return true;
}

unsigned host_cpus(void)
{
	return 3;
}

uint64_t host_version(void)
{
	return 6000000;
}

bool host_ends(void)
{
	return false;
}

static unsigned capabilities = 100;

void host_capabilities(host_put *put, void *context)
{
	for (unsigned i = 0; i < capabilities; i++)
		put(context, "<capabilities/>\n");
}

void host_domain_capabilities(const char *type, host_put *put, void *context)
{
	(void)type;
	put(context, "<domainCapabilities/>");
}

void host_sysinfo(host_put *put, void *context)
{
	put(context, "");
}

struct nodedev *nodedev_all(unsigned *count)
{
	struct nodedev *device = calloc(2, sizeof(*device));

	strcpy(device[0].name, "computer");
	strcpy(device[1].name, "pci_0000_00_00_0");
	strcpy(device[1].parent, "computer");
	*count = 2;
	return device;
}

bool nodedev_find(const char *name, struct nodedev *device)
{
	*device = (struct nodedev){.name = "computer"};
	return !strcmp(name, device->name);
}

struct net_port *switch_first(void)
{
	return NULL;
}

struct netdev *net_first(void)
{
	return NULL;
}

/* --- a pool "x" with a volume "x" --- */

#define VOLUME_BYTES 300000u
#define TRANSFERS    64u

static uint8_t volume_bytes[VOLUME_BYTES / BLK_SECTOR * BLK_SECTOR];
static struct volume the_volume = {.dev = {.sectors = VOLUME_BYTES / BLK_SECTOR}};
static struct volume *the_volumes[] = {&the_volume};
static struct lvm_lv the_lv = {.name = "x", .visible = true, .extents = 1};
static struct pool the_pool = {
	.group = {.name = "x", .id = "x", .lv = &the_lv, .lvs = 1, .extent_sectors = 8},
	.volume = the_volumes,
};

const char *blk_claim(struct blkdev *dev, const char *user)
{
	if (dev->user)
		return "the volume is in use";
	dev->user = user;
	return NULL;
}

void blk_unclaim(struct blkdev *dev)
{
	if (!dev->user)
		abort();
	dev->user = NULL;
}

const char *image_is_base(const struct blkdev *dev)
{
	(void)dev;
	return NULL;
}

static struct transfer *transfers[TRANSFERS];
static unsigned transfers_at_work;

void transfer_start(struct transfer *transfer)
{
	if (transfers_at_work == TRANSFERS || !the_volume.dev.user)
		abort();
	transfers[transfers_at_work++] = transfer;
}

/* Completes the transfer that came last. Returns false if there is none. */
__attribute__((unused)) static bool run_transfer(void)
{
	struct transfer *transfer = transfers_at_work ? transfers[--transfers_at_work] : NULL;

	if (!transfer)
		return false;
	if (transfer->kind != TRANSFER_FLUSH &&
	    (transfer->offset > sizeof(volume_bytes) ||
	     transfer->bytes > sizeof(volume_bytes) - transfer->offset))
		abort();
	if (transfer->kind == TRANSFER_READ)
		memcpy(transfer->data, volume_bytes + transfer->offset, transfer->bytes);
	else if (transfer->kind == TRANSFER_WRITE)
		memcpy(volume_bytes + transfer->offset, transfer->data, transfer->bytes);
	transfer->done(transfer, transfer->offset % 1024 != 1023);
	return true;
}

static bool disks_are_read = true;

bool pools_are_read(void)
{
	return disks_are_read;
}

struct pool *pool_first(void)
{
	return &the_pool;
}

struct pool *pool_named(const char *name)
{
	return strcmp(name, "x") ? NULL : &the_pool;
}

void pools_find(void (*found)(void))
{
	found();
}

const char *volume_path(const struct pool *pool, uint32_t lv, char path[2 * LVM_NAME + 8])
{
	(void)pool;
	(void)lv;
	strcpy(path, "/dev/x/x");
	return path;
}

bool change_is_running(void)
{
	return false;
}

bool lvm_name_is_right(const char *name)
{
	return *name && strlen(name) <= LVM_NAME;
}

struct blkdev *blk_find(const char *name)
{
	static struct blkdev dev;

	return *name == '/' ? &dev : NULL;
}

const char *change_build(const char *name, struct blkdev *const *dev, unsigned devices,
			 bool overwrite, change_done *done)
{
	(void)name;
	(void)dev;
	(void)devices;
	(void)overwrite;
	done(NULL, "");
	return NULL;
}

const char *change_create(struct pool *pool, const char *name, uint64_t bytes,
			  const char *const *tags, change_done *done)
{
	(void)pool;
	(void)name;
	(void)bytes;
	(void)tags;
	(void)done;
	return "no";
}

void volume_look(struct volume_look *look, const struct pool *pool, uint32_t lv)
{
	(void)pool;
	(void)lv;
	look->facts = (struct volume_facts){.format = "qcow2", .capacity = 1 << 20};
	look->done(look);
}

bool volume_looked(const struct volume_look *look, struct pool **pool, uint32_t *lv)
{
	(void)look;
	*pool = &the_pool;
	*lv = 0;
	return true;
}

bool convert_is_needed(const struct pool *pool, uint32_t lv)
{
	(void)pool;
	return lv == 1;
}

const char *convert_start(const struct convert_order *order)
{
	(void)order;
	return "no";
}

const char *image_make(const struct image_order *order, change_done *done)
{
	(void)order;
	(void)done;
	return "no";
}

const char *change_delete(struct pool *pool, uint32_t lv, change_done *done)
{
	(void)pool;
	(void)lv;
	(void)done;
	return "no";
}

const char *change_resize(struct pool *pool, uint32_t lv, uint64_t bytes, bool shrink,
			  change_done *done)
{
	(void)pool;
	(void)lv;
	(void)bytes;
	(void)shrink;
	(void)done;
	return "no";
}

int lvm_group_find(const struct lvm_group *group, const char *name)
{
	(void)group;
	return strcmp(name, "x") ? -1 : 0;
}

uint64_t lvm_group_free_extents(const struct lvm_group *group)
{
	return group->pvs;
}

void lvm_uuid_text(char text[LVM_UUID_TEXT], const char id[LVM_ID + 1])
{
	snprintf(text, LVM_UUID_TEXT, "%s", id);
}
