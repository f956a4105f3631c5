/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's firmware as ROM that ends at 4 GiB, where a CPU begins after a reset. The guest reads
 * and executes it without an exit; a write has no effect.
 */
#pragma once

#include <stdint.h>

struct vm;

/* What is read of a ROM at its reset vector is below 1 MiB as well, up to so many bytes of it. */
#define ROM_MOST         (16ull << 20)
#define ROM_LOW          0x20000u
#define ROM_LOW_END      0x100000u
#define ROM_GRANULE      4096u
#define ROM_KERNEL_PAGES 40u /* the kernel's: page tables and the list of the memory's pages */

/* Makes the ROM from a firmware file of a multiple of ROM_GRANULE bytes, up to ROM_MOST; one that
 * is there goes. Returns NULL, or what went wrong. */
const char *rom_load(struct vm *vm, const uint8_t *data, uint64_t bytes);
void rom_free(struct vm *vm);
