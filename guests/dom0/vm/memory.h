/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a guest beside its RAM, for devices that have some: a screen's pixels. It is a region
 * of the guest's domain, mapped in dom0, and lies in the guest's addresses where the device shows
 * it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vm;

struct vm_memory {
	uint8_t *bytes; /* dom0's mapping; NULL: there is none */
	uint64_t size;
	uint32_t region; /* handle */
};

/* Makes memory of so many bytes, zeroed: blocks of 2 MiB if that is a multiple of them, else pages.
 * Returns false if there is none; vm_memory_free is to be called in either case. */
bool vm_memory_make(struct vm *vm, struct vm_memory *memory, uint64_t bytes);
void vm_memory_free(struct vm_memory *memory);

/* Lets the guest reach `bytes` from `offset` on at address `gpa`, all of them multiples of 4 KiB.
 * Returns false if the kernel has no room, or something is there: it may work later. */
bool vm_memory_show(struct vm *vm, const struct vm_memory *memory, uint64_t gpa, uint64_t offset,
		    uint64_t bytes);
/* What begins in the range is there no more. */
void vm_memory_hide(struct vm *vm, uint64_t gpa, uint64_t bytes);

/* The guest's writes to the range are tracked from now on, or no more. False: they cannot be. */
bool vm_memory_track(struct vm *vm, uint64_t gpa, uint64_t bytes);
void vm_memory_untrack(struct vm *vm, uint64_t gpa, uint64_t bytes);
/* Sets the bits of pages that the guest has written since the last call. Returns false if the
 * kernel does not tell. */
bool vm_memory_written(struct vm *vm, uint64_t gpa, uint64_t pages, uint64_t *bitmap);
