/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads an ELF64 executable for x86-64 from memory. */
#pragma once

#include "kernel/types.h"

/* Where the segments go: `size` bytes of memory that is zero, which the image
 * sees at physical address `base`. */
struct elf_target {
	void *memory;
	uint64_t base, size;
};

struct elf_loaded {
	uint64_t entry;     /* e_entry */
	uint64_t low, high; /* physical addresses that segments occupy */
};

/*
 * Copies the loadable segments to their physical addresses. The image may be
 * anything. NULL on success, else the reason, for the user's eyes; the target
 * may then have been written to.
 */
const char *elf_load(const void *image, size_t size, const struct elf_target *target,
		     struct elf_loaded *loaded);
