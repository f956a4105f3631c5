/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/machine/fwcfg.h"

#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"

#define PORTS      0x510u
#define PORTS_END  0x51cu
#define PORT_DATA  1u /* offsets; the selector is at 0, 16 bits wide */
#define PORT_DMA   4u /* the address, 64 bits, big-endian: its lower half starts a transfer */
#define PORT_START 8u

#define DMA_ERROR  0x01u
#define DMA_READ   0x02u
#define DMA_SKIP   0x04u
#define DMA_SELECT 0x08u
#define DMA_WRITE  0x10u

#define DMA_SIGNATURE 0x51454d5520434647ull /* "QEMU CFG" */

/* In the guest's memory, big-endian. */
struct dma_access {
	uint32_t control, length;
	uint64_t address;
};

/* --- items --- */

uint8_t *fwcfg_take(struct fwcfg *f, uint32_t bytes)
{
	uint32_t at = (f->used + 7) & ~7u;

	if (bytes > FWCFG_ROOM || at > FWCFG_ROOM - bytes) {
		f->full = true;
		return NULL;
	}
	f->used = at + bytes;
	return memset(f->room + at, 0, bytes);
}

static void add(struct fwcfg *f, uint16_t select, const char *name, const void *data,
		uint32_t bytes)
{
	struct fwcfg_item *item = &f->item[f->items];
	uint8_t *room;

	if (f->items == FWCFG_ITEMS || strlen(name) >= FWCFG_NAME) {
		f->full = true;
		return;
	}
	room = fwcfg_take(f, bytes);
	if (!room)
		return;
	memcpy(room, data, bytes);
	*item = (struct fwcfg_item){.select = select, .data = room, .bytes = bytes};
	strcpy(item->name, name);
	f->items++;
}

void fwcfg_add(struct fwcfg *f, uint16_t select, const void *data, uint32_t bytes)
{
	add(f, select, "", data, bytes);
}

void fwcfg_add_file(struct fwcfg *f, const char *name, const void *data, uint32_t bytes)
{
	add(f, f->next_file++, name, data, bytes);
}

struct directory_entry {
	uint32_t size;
	uint16_t select, reserved;
	char name[FWCFG_NAME];
};

void fwcfg_add_directory(struct fwcfg *f)
{
	struct {
		uint32_t count;
		struct directory_entry entry[FWCFG_ITEMS];
	} directory = {0};
	uint32_t count = 0;

	for (unsigned i = 0; i < f->items; i++) {
		const struct fwcfg_item *item = &f->item[i];
		struct directory_entry *entry = &directory.entry[count];

		if (!item->name[0])
			continue;
		entry->size = __builtin_bswap32(item->bytes);
		entry->select = __builtin_bswap16(item->select);
		memcpy(entry->name, item->name, FWCFG_NAME);
		count++;
	}
	directory.count = __builtin_bswap32(count);
	fwcfg_add(f, FWCFG_DIRECTORY, &directory,
		  (uint32_t)(sizeof(directory.count) + count * sizeof(directory.entry[0])));
}

/* --- the ports --- */

static struct fwcfg_state *state(struct vm *vm)
{
	return &vm->state->fwcfg;
}

/* The bytes that are left of the selected item; none: there is no such item, or it is at its end.
 */
static const uint8_t *rest(struct vm *vm, uint32_t *bytes)
{
	const struct platform *platform = vm->platform;
	const struct fwcfg *f = platform->fwcfg;
	const struct fwcfg_state *s = state(vm);

	*bytes = 0;
	for (unsigned i = 0; i < f->items; i++) {
		const struct fwcfg_item *item = &f->item[i];

		if (item->select != s->select || s->offset >= item->bytes)
			continue;
		*bytes = item->bytes - s->offset;
		return item->data + s->offset;
	}
	return NULL;
}

static void move(struct fwcfg_state *s, uint32_t bytes)
{
	s->offset = bytes > UINT32_MAX - s->offset ? UINT32_MAX : s->offset + bytes;
}

static void choose(struct vm *vm, uint16_t select)
{
	state(vm)->select = select;
	state(vm)->offset = 0;
}

static uint8_t read_byte(struct vm *vm)
{
	uint32_t left;
	const uint8_t *data = rest(vm, &left);

	move(state(vm), 1);
	return data ? *data : 0;
}

/* Behind an item's end are zeros. Returns false if the guest's memory ends, or after no item would
 * have ended. */
static bool copy_out(struct vm *vm, uint64_t address, uint32_t bytes)
{
	uint8_t *to = bytes <= FWCFG_TRANSFER ? vm_mem(vm, address, bytes) : NULL;
	uint32_t left;
	const uint8_t *data = rest(vm, &left);

	if (!to)
		return false;
	if (left > bytes)
		left = bytes;
	if (left)
		memcpy(to, data, left);
	memset(to + left, 0, bytes - left);
	return true;
}

static bool execute(struct vm *vm, uint32_t control, uint32_t bytes, uint64_t address)
{
	if (control & DMA_SELECT)
		choose(vm, (uint16_t)(control >> 16));
	if (control & DMA_READ && bytes && !copy_out(vm, address, bytes))
		return false;
	if (control & (DMA_READ | DMA_SKIP))
		move(state(vm), bytes);
	return control & DMA_READ || !(control & DMA_WRITE);
}

/* The guest's structure is copied once; its control word tells the end. */
static void transfer(struct vm *vm)
{
	uint64_t at = state(vm)->dma;
	struct dma_access access;
	uint32_t done;

	state(vm)->dma = 0;
	if (!vm_read(vm, at, &access, sizeof(access)))
		return;
	done = execute(vm, __builtin_bswap32(access.control), __builtin_bswap32(access.length),
		       __builtin_bswap64(access.address))
		       ? 0
		       : __builtin_bswap32(DMA_ERROR);
	vm_write(vm, at, &done, sizeof(done));
}

static uint64_t fwcfg_read(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	(void)instance;
	if (offset == PORT_DATA && size == 1)
		return read_byte(vm);
	if (offset < PORT_DMA)
		return 0;
	for (unsigned i = 0; i < size; i++)
		value |= (DMA_SIGNATURE >> (8 * (7 - (offset - PORT_DMA + i))) & 0xff) << (8 * i);
	return value;
}

static void fwcfg_write(struct vm *vm, uint32_t instance, uint64_t offset, unsigned size,
			uint64_t value)
{
	struct fwcfg_state *s = state(vm);
	uint32_t half = __builtin_bswap32((uint32_t)value);

	(void)instance;
	if (offset == 0 && size == 2)
		choose(vm, (uint16_t)value);
	if (size != 4)
		return;
	if (offset == PORT_DMA)
		s->dma = (uint64_t)half << 32;
	if (offset != PORT_START)
		return;
	s->dma |= half;
	transfer(vm);
}

static const struct io_ops fwcfg_ops = {fwcfg_read, fwcfg_write};

void fwcfg_reset(struct vm *vm)
{
	*state(vm) = (struct fwcfg_state){.dma = 0};
}

int fwcfg_resume(struct vm *vm)
{
	struct platform *platform = vm->platform;

	if (!config_has_firmware(vm->config))
		return 0;
	platform->fwcfg = calloc(1, sizeof(*platform->fwcfg));
	if (!platform->fwcfg)
		return -1;
	return bus_add(vm, BUS_PIO, PORTS, PORTS_END - PORTS, &fwcfg_ops, 0);
}

int fwcfg_init(struct vm *vm)
{
	fwcfg_reset(vm);
	return fwcfg_resume(vm);
}
