/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dom0's own page tables after its start: code can't be written, nothing else
 * can be executed, and there is nothing at address 0 or below the stack. A
 * mistake in dom0 then ends in a dump and not in somebody's disk.
 */
#include "guests/dom0/base/memory.h"
#include "guests/lib/cpu.h"
#include "guests/lib/guest.h"

#define PAGE        4096ull
#define LARGE       (2ull << 20)
#define PTE_P       0x1ull
#define PTE_RW      0x2ull
#define PTE_LARGE   0x80ull
#define PTE_NX      (1ull << 63)
#define FINE_TABLES 3 /* 6 MiB in pages of 4 KiB: the image is in them */

static uint64_t directory[512] __attribute__((aligned(4096)));
static uint64_t fine[FINE_TABLES][512] __attribute__((aligned(4096)));

static uint64_t page_entry(uint64_t address)
{
	if (address == 0 || address == (uint64_t)(uintptr_t)guest_guard)
		return 0;
	if (address >= (uint64_t)(uintptr_t)guest_image &&
	    address < (uint64_t)(uintptr_t)guest_data)
		return address | PTE_P;
	return address | PTE_P | PTE_RW | PTE_NX;
}

void memory_protect(void)
{
	if ((uint64_t)(uintptr_t)guest_end > FINE_TABLES * LARGE)
		return;
	for (uint64_t i = 0; i < FINE_TABLES * 512; i++)
		fine[i / 512][i % 512] = page_entry(i * PAGE);
	for (uint64_t i = 0; i < 512; i++)
		directory[i] = i < FINE_TABLES ? (uint64_t)(uintptr_t)fine[i] | PTE_P | PTE_RW
					       : i * LARGE | PTE_P | PTE_RW | PTE_LARGE | PTE_NX;
	guest_pdpt[0] = (uint64_t)(uintptr_t)directory | PTE_P | PTE_RW;
	for (unsigned i = 1; i < GUEST_MAPPED_GIB; i++)
		if (guest_pdpt[i])
			guest_pdpt[i] |= PTE_NX;
	write_cr3(read_cr3());
}
