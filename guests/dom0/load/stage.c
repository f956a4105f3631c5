/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/load/stage.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/memory.h"
#include "guests/dom0/storage/path.h"
#include "guests/dom0/storage/transfer.h"
#include "guests/lib/sampo.h"

#define FILES (1u + CONFIG_INITRDS)
#define PIECE (256u << 10) /* between looks at whether the guest ends */
#define BLOCK (1ull << VM_BLOCK_SHIFT)

struct staged {
	struct blkdev *dev; /* NULL: the file is in no volume */
	uint64_t at, room;  /* in the region */
	uint64_t bytes;     /* 0: not known until its beginning has been read */
};

/* vm->load, if the description names volumes. */
struct stage {
	struct vm *vm;
	struct staged file[FILES];
	uint32_t region;
	uint8_t *memory;
	uint64_t room; /* of the region */
	unsigned now;  /* the file that is being read */
	uint64_t done; /* bytes of it */
	bool reading, stopping;
	struct transfer transfer;
	char error[200]; /* "" if all has been read */
};

static void read_next(struct stage *stage);

static const char *name_of(const struct vm_config *config, unsigned number)
{
	if (number)
		return config->initrd[number - 1];
	return config_has_firmware(config) ? config->firmware : config->kernel;
}

/* A path that is a volume's; every other name is a boot module's. */
static bool find_volume(const struct vm_config *config, unsigned number, struct staged *file)
{
	const char *name = name_of(config, number);
	uint64_t most = number ? STAGE_INITRD_MOST : STAGE_KERNEL_MOST, size;

	if (*name != '/' || path_source(name, strncmp(name, "/dev/", 5) != 0, &file->dev))
		return false;
	size = file->dev->sectors * BLK_SECTOR;
	file->bytes = path_bytes(file->dev);
	if (file->bytes > size)
		file->bytes = size;
	if (!file->bytes && number)
		file->bytes = size;
	/* check_sizes refuses a larger initrd, measure a larger kernel. */
	file->room = file->bytes ? file->bytes : size;
	if (file->room > most)
		file->room = most;
	return true;
}

static uint64_t find_all(const struct vm_config *config, struct staged file[FILES])
{
	uint64_t room = 0;

	for (unsigned i = 0; i <= config->initrds; i++) {
		if (!find_volume(config, i, &file[i]))
			continue;
		file[i].at = room;
		room += (file[i].room + BLK_SECTOR - 1) & ~(uint64_t)(BLK_SECTOR - 1);
	}
	return (room + BLOCK - 1) & ~(BLOCK - 1);
}

uint64_t stage_memory(const struct vm_config *config)
{
	struct staged file[FILES] = {0};

	return find_all(config, file);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void end(struct stage *stage)
{
	struct vm *vm = stage->vm;

	stage->reading = false;
	for (unsigned i = 0; i < FILES; i++)
		if (stage->file[i].dev)
			blk_unclaim(stage->file[i].dev);
	/* One of them is waited for: at the start, at a reset, at the end. */
	vm_became_ready(vm);
	vm_became_quiet(vm);
}

__attribute__((format(printf, 2, 3))) static void fail(struct stage *stage, const char *format, ...)
{
	const char *name = name_of(stage->vm->config, stage->now);
	va_list args;
	size_t n;

	n = (size_t)snprintf(stage->error, sizeof(stage->error), "%.100s: ", name);
	va_start(args, format);
	vsnprintf(stage->error + n, sizeof(stage->error) - n, format, args);
	va_end(args);
	end(stage);
}

/* Enough of a kernel has come to know its length. Returns false after an error. */
static bool measure(struct stage *stage, struct staged *file)
{
	struct load_file head = {stage->memory + file->at, stage->done};

	file->bytes = load_length(&head);
	if (!file->bytes)
		file->bytes = file->dev->sectors * BLK_SECTOR;
	if (file->bytes <= file->room)
		return true;
	fail(stage, "%llu MiB is more than the volume has or a kernel can have",
	     (unsigned long long)(file->bytes >> 20));
	return false;
}

static void piece_read(struct transfer *transfer, bool right)
{
	struct stage *stage = transfer->context;
	struct staged *file = &stage->file[stage->now];

	stage->done = transfer->offset;
	if (stage->stopping)
		end(stage);
	else if (!right)
		fail(stage, "its volume cannot be read");
	else if (file->bytes || measure(stage, file))
		read_next(stage);
}

static void read_next(struct stage *stage)
{
	struct staged *file = &stage->file[stage->now];
	uint64_t bytes;

	while (stage->now < FILES && (!file->dev || (file->bytes && stage->done >= file->bytes))) {
		stage->now++;
		stage->done = 0;
		file++;
	}
	if (stage->now == FILES) {
		end(stage);
		return;
	}
	bytes = file->bytes                      ? file->bytes
		: file->room < LOAD_LENGTH_BYTES ? file->room
						 : LOAD_LENGTH_BYTES;
	bytes -= stage->done;
	stage->transfer = (struct transfer){
		.dev = file->dev,
		.kind = TRANSFER_READ,
		.offset = stage->done,
		.data = stage->memory + file->at + stage->done,
		.bytes = bytes < PIECE ? bytes : PIECE,
		.done = piece_read,
		.context = stage,
	};
	transfer_start(&stage->transfer);
}

static const char *claim_all(struct stage *stage)
{
	for (unsigned i = 0; i < FILES; i++) {
		const char *wrong =
			stage->file[i].dev ? blk_claim_shared(stage->file[i].dev) : NULL;

		if (!wrong)
			continue;
		while (i-- > 0)
			if (stage->file[i].dev)
				blk_unclaim(stage->file[i].dev);
		return wrong;
	}
	return NULL;
}

static const char *make_room(struct stage *stage)
{
	int64_t status;

	if (stage->memory)
		return NULL;
	status = sampo_region_create(stage->vm->domain, stage->room, SAMPO_REGION_2M,
				     &stage->region);
	if (status)
		return sampo_strerror(status);
	stage->memory = memory_map(stage->region, stage->room, BLOCK, SAMPO_MAP_R | SAMPO_MAP_W);
	return stage->memory ? NULL : "dom0 cannot map the memory";
}

static const char *check_sizes(const struct stage *stage)
{
	static char text[240];

	for (unsigned i = 0; i < FILES; i++) {
		const struct staged *file = &stage->file[i];

		if (file->bytes <= file->room)
			continue;
		snprintf(text, sizeof(text),
			 "%.100s: %llu MiB is too large; the tag sampo.bytes= of the volume says "
			 "how many bytes are the file",
			 name_of(stage->vm->config, i), (unsigned long long)(file->bytes >> 20));
		return text;
	}
	return NULL;
}

/* The volumes are looked for each time: between the guest's resets they may be deleted or grow. */
static const char *begin(struct stage *stage)
{
	const char *wrong;

	memset(stage->file, 0, sizeof(stage->file));
	if (find_all(stage->vm->config, stage->file) > stage->room) {
		memset(stage->file, 0, sizeof(stage->file));
		return "the volumes of kernel and initrds have grown: destroy the guest and start "
		       "it again";
	}
	wrong = check_sizes(stage);
	if (!wrong)
		wrong = make_room(stage);
	if (!wrong)
		wrong = claim_all(stage);
	if (wrong)
		return wrong;
	*stage->error = 0;
	stage->now = 0;
	stage->done = 0;
	stage->reading = true;
	read_next(stage);
	return NULL;
}

/* --- the part ----------------------------------------------------------------------------------
 */

/* Nothing is read for a guest that cannot start for the want of another file. */
static const char *check_others(const struct vm_config *config, const struct staged file[FILES])
{
	static char text[200];
	struct module module;

	for (unsigned i = 0; i <= config->initrds; i++) {
		const char *name = name_of(config, i);

		if (file[i].dev || module_find(name, &module))
			continue;
		snprintf(text, sizeof(text), LOAD_MISSING, load_what(config, i), name,
			 load_missing_volume(name));
		return text;
	}
	return NULL;
}

const char *stage_attach(struct vm *vm)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	const char *wrong;

	if (!stage)
		return "dom0 is out of memory";
	stage->vm = vm;
	stage->room = find_all(vm->config, stage->file);
	if (!stage->room) {
		free(stage);
		return NULL;
	}
	vm->load = stage;
	wrong = check_others(vm->config, stage->file);
	if (!wrong)
		wrong = begin(stage);
	if (wrong)
		stage_free(vm);
	return wrong;
}

bool stage_ready(const struct vm *vm)
{
	const struct stage *stage = vm->load;

	return !stage || !stage->reading;
}

bool stage_quiet(const struct vm *vm)
{
	return stage_ready(vm);
}

void stage_reset(struct vm *vm)
{
	struct stage *stage = vm->load;
	const char *wrong;

	if (!stage || stage->reading)
		return;
	wrong = begin(stage);
	if (wrong)
		snprintf(stage->error, sizeof(stage->error), "%s", wrong);
}

void stage_detach(struct vm *vm)
{
	struct stage *stage = vm->load;

	if (stage)
		stage->stopping = true;
}

void stage_release(struct vm *vm)
{
	struct stage *stage = vm->load;

	if (!stage)
		return;
	if (stage->memory)
		memory_unmap(stage->memory, stage->room);
	if (stage->region)
		sampo_handle_close(stage->region);
	stage->memory = NULL;
	stage->region = 0;
}

void stage_free(struct vm *vm)
{
	stage_release(vm);
	free(vm->load);
	vm->load = NULL;
}

bool stage_find(const struct vm *vm, unsigned number, struct load_file *file, const char **wrong)
{
	const struct stage *stage = vm->load;

	if (!stage || (!stage->file[number].dev && !*stage->error))
		return false;
	*wrong = *stage->error ? stage->error : NULL;
	*file = (struct load_file){stage->memory + stage->file[number].at,
				   stage->file[number].bytes};
	return true;
}
