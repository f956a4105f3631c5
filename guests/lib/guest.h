/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime under main(): what start.S and the C library's glue offer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The status with which a guest ends after an exception. */
#define EXIT_BY_EXCEPTION 70

/*
 * The guest's program: `int main(void)`. When it returns, or calls exit(), a
 * small guest halts for ever with interrupts off, and so does dom0, saying so.
 */

/* Memory for malloc: all of it lies between these, sbrk goes from the first
 * to the second. Set before main() from the memory map; dom0 chooses itself. */
void heap_set(uintptr_t start, uintptr_t end);
size_t heap_used(void);

/*
 * dom0: what it prints goes to the log by lines. A line may begin with its level, which the
 * consoles do not show. Until dom0 shows the log itself, when guest_log_told is called after each
 * line, the kernel writes the line to the consoles.
 */
#define LOG_ERR     "<3>"
#define LOG_WARNING "<4>"
#define LOG_ACTION  "<5>" /* what the operator does, and sees anyway */
#define LOG_DEBUG   "<7>" /* of the kernel's debug keys: the kernel has shown it */
#define LOG_LEVEL   3
extern void (*guest_log_told)(void);

static inline bool guest_log_level(const char *text)
{
	return text[0] == '<' && text[1] >= '0' && text[1] <= '7' && text[2] == '>';
}

/* The end of the image in memory. */
extern char guest_image[], guest_data[], guest_end[];
/* The page below the stack, and the page directory pointers of start.S, 8 pages of them: entry
 * n is for the addresses from n GiB on. */
#define GUEST_MAPPED_GIB 4096u
extern char guest_guard[];
extern uint64_t guest_pdpt[GUEST_MAPPED_GIB];

/* ACPI S5 as on Sampo's machine and on QEMU's q35: PM1a_CNT at port 0x604. */
void guest_poweroff(void) __attribute__((noreturn));

/* PVH start information: Xen's xen/include/public/arch-x86/hvm/start_info.h */
#define HVM_START_MAGIC 0x336ec578u
struct hvm_start_info {
	uint32_t magic, version, flags, modules;
	uint64_t module_list, cmdline, rsdp;
	uint64_t memmap; /* version 1 */
	uint32_t memmap_entries, reserved;
};
struct hvm_memmap_entry {
	uint64_t address, size;
	uint32_t type, reserved; /* type as in E820: 1 RAM */
};
struct hvm_module {
	uint64_t address, size, cmdline, reserved;
};
