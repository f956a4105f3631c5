/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels and initrds that are in volumes. They are read, in pieces, into a region of memory that
 * is charged to the guest's domain and goes as soon as the guest has been loaded; dom0's own memory
 * has one piece of a transfer. A reset of the guest reads them again.
 */
#pragma once

#include "guests/dom0/load/load.h"

#define STAGE_KERNEL_MOST (128ull << 20) /* without a length in its tag or its headers */
#define STAGE_INITRD_MOST (1ull << 30)

/* The text about a file that is nowhere: its kind, its name, and a remark about volumes. */
#define LOAD_MISSING "the %s '%s' was not loaded at boot: there is no such module%s"
static inline const char *load_missing_volume(const char *name)
{
	return *name == '/' ? ", and no volume of this path" : "";
}

static inline const char *load_what(const struct vm_config *config, unsigned number)
{
	return number ? "initrd" : config_has_firmware(config) ? "firmware" : "kernel";
}

/* For struct vm_part. */
const char *stage_attach(struct vm *vm);
uint64_t stage_memory(const struct vm_config *config);
bool stage_ready(const struct vm *vm);
void stage_reset(struct vm *vm);
void stage_detach(struct vm *vm);
bool stage_quiet(const struct vm *vm);
void stage_free(struct vm *vm);

/* Finds a file that has been read: the kernel is number 0, the initrds follow. false: it is in no
 * volume. In *wrong is the reason why it could not be read, or NULL. */
bool stage_find(const struct vm *vm, unsigned number, struct load_file *file, const char **wrong);
/* The files have been used: their memory goes. */
void stage_release(struct vm *vm);

/* How many bytes a kernel has by its own headers, of which `file` has the beginning; 0 if they do
 * not say so. length.c */
uint64_t load_length(const struct load_file *file);
#define LOAD_LENGTH_BYTES 65536u /* of a file's beginning */
