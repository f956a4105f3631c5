/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loaders: they put a kernel and its modules into the guest's RAM and
 * set the registers with which it begins. Files are hostile input: each offset
 * and size is checked against the file and against the RAM.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/part.h"
#include "guests/dom0/vm/vm.h"

struct load_file {
	const uint8_t *data;
	uint64_t size;
};

/* The image to be loaded, and the ranges where it may not go. */
struct load {
	struct vm *vm;
	const struct vm_config *config;
	struct sampo_exit *regs; /* at reset state; the loader changes it */
	uint64_t rsdp;           /* guest address of the ACPI root, 0: none */
	struct load_file kernel;
	struct load_file initrd[CONFIG_INITRDS];
	char error[160];
};

/* The loader as a part of the machine: at boot it also makes the tables of the main board. */
extern const struct vm_part load_part;

/*
 * Finds the files by the modules' names, recognizes the kernel's format and
 * loads it: a Linux bzImage, an ELF file with a PVH entry, a multiboot 1 or 2
 * file, or an ELF file for real mode. NULL, or the error.
 */
const char *load_guest(struct load *load);

/* Each: NULL, or the error. */
const char *load_bzimage(struct load *load);
const char *load_pvh(struct load *load, uint32_t entry);
const char *load_multiboot1(struct load *load, uint64_t header);
const char *load_multiboot2(struct load *load, uint64_t header);
const char *load_real_mode(struct load *load);
const char *load_firmware(struct load *load);

/* Does the file have such a thing? */
bool is_firmware(const struct load_file *file);
bool is_bzimage(const struct load_file *file);
bool pvh_entry(const struct load_file *file, uint32_t *entry);
/* Multiboot headers; *at is where in the file. */
bool multiboot1_header(const struct load_file *file, uint64_t *at);
bool multiboot2_header(const struct load_file *file, uint64_t *at);

/* Sets load->error and returns it. */
const char *load_fail(struct load *load, const char *format, ...)
	__attribute__((format(printf, 2, 3), returns_nonnull));

/* --- ELF (elf.c) --- */

struct elf_image {
	uint64_t entry;     /* physical if a segment has it, else as in the file */
	uint64_t low, high; /* what the segments cover in guest memory */
	uint16_t machine;
	bool is_64;
	bool executable; /* linked for these addresses, unlike a library or a program of a system */
};
bool is_elf(const struct load_file *file);
/* Copies the PT_LOAD segments to their physical addresses and clears the rest
 * of them. NULL, or the error. */
const char *elf_load(struct load *load, struct elf_image *image);
/* Returns true if the physical address is in one of the segments. */
bool elf_entry_loaded(const struct load_file *file, uint64_t entry);
/* The sections for a debugger, as multiboot hands them over. */
struct elf_sections {
	uint64_t offset;
	uint32_t count, entry_size, names;
};
bool elf_sections(const struct load_file *file, struct elf_sections *sections);

/* --- What both versions of multiboot share (multiboot1.c) --- */

struct load_addresses {
	uint32_t header, load, load_end, bss_end, entry;
};
const char *load_by_addresses(struct load *load, uint64_t header_at, const struct load_addresses *a,
			      struct elf_image *image);
/* Loads an ELF file, whose entry is in what was loaded. */
const char *load_multiboot_elf(struct load *load, struct elf_image *image);
/* "FILE ARGUMENTS", as the <initrd> element says it. */
void load_module_string(const struct vm_config *config, uint32_t index,
			char string[2 * CONFIG_PATH]);

/* --- Guest memory for loaders (place.c) --- */

/* The memory map, as E820 says it. */
#define E820_RAM      1u
#define E820_RESERVED 2u
#define E820_ACPI     3u
#define E820_ENTRIES  8
struct e820 {
	uint64_t address, size;
	uint32_t type;
} __attribute__((packed));
unsigned load_memory_map(const struct vm *vm, struct e820 map[E820_ENTRIES]);

/* Bytes of RAM from HIGH_MEMORY on, without a hole. */
uint64_t load_memory_above(const struct vm *vm);

/* Everything below 1 MiB that the memory map gives as RAM ends here. */
#define LOW_MEMORY_END 0x9fc00u
#define HIGH_MEMORY    0x100000u

/* True if [address, address + size) is RAM where a kernel may lie: below
 * LOW_MEMORY_END or from HIGH_MEMORY on. */
bool load_room(const struct load *load, uint64_t address, uint64_t size);
/* Copy and clear, false if there is no room. */
bool load_copy(struct load *load, uint64_t address, const void *data, uint64_t size);
bool load_clear(struct load *load, uint64_t address, uint64_t size);

/*
 * The highest place below `limit` (and below the end of RAM under 3 GiB), on
 * a 4 KiB boundary, for `size` bytes that does not begin below `floor`. 0 if
 * there is none.
 */
uint64_t load_place_high(const struct load *load, uint64_t size, uint64_t floor, uint64_t limit);

/*
 * A place for `size` bytes of information in low memory, outside of the
 * kernel at [low, high); higher if there is no room. 0 if there is none.
 */
#define LOW_PLACE 0x10000u
uint64_t load_place_low(const struct load *load, uint64_t size, uint64_t low, uint64_t high);

/*
 * Copies the <initrd> files to the top of the RAM below 3 GiB, each on a page
 * of its own, not below `floor`; their addresses go to at[]. Returns where the
 * lowest begins (or the end of RAM if there are none), 0 if there is no room.
 */
uint64_t load_modules(struct load *load, uint64_t floor, uint64_t at[]);

/* --- Registers (registers.c) --- */

/* Power-on state (APM volume 2, table 14-1), at RIP 0xfff0. */
void regs_reset(struct sampo_exit *regs);
/* 32-bit protected mode, flat segments, paging off, interrupts off. */
void regs_protected(struct sampo_exit *regs, uint32_t entry);
/* Real mode at segment:offset. */
void regs_real(struct sampo_exit *regs, uint16_t segment, uint16_t offset);

/* Reads of little-endian numbers at any alignment; the caller has checked
 * that they are in the file. */
static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}
static inline uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static inline void put32(uint8_t *p, uint32_t value)
{
	__builtin_memcpy(p, &value, sizeof(value));
}
static inline void put64(uint8_t *p, uint64_t value)
{
	__builtin_memcpy(p, &value, sizeof(value));
}
