/* SPDX-License-Identifier: BSD-2-Clause */
/* From start.S to main(): the place, the hypervisor below, the memory. */
#include <stdlib.h>
#include <string.h>

#include "guests/lib/cpu.h"
#include "guests/lib/exceptions.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

bool sampo_present;
bool sampo_by_vmcall;
const void *guest_boot_info;
const struct sampo_boot *sampo_boot_info;

int main(void);
void guest_start(const void *info) __attribute__((noreturn));

#define MAPPED_BYTES (4ull << 30) /* start.S maps that much on every CPU */

/* A domain that the kernel itself has started sees the CPU's own CPUID leaves. */
static void find_hypervisor(const struct sampo_boot *own)
{
	uint32_t leaf[4];
	char signature[13] = {0};

	if (own && own->magic == SAMPO_BOOT_MAGIC) {
		sampo_boot_info = own;
		sampo_by_vmcall = own->vmcall;
		sampo_present = true;
		return;
	}
	cpuid(1, 0, leaf);
	if (!(leaf[2] & 1u << 31))
		return;
	cpuid(SAMPO_CPUID_SIGNATURE, 0, leaf);
	memcpy(signature, &leaf[1], 12);
	if (memcmp(signature, "SampoSampo\0\0", 12) != 0)
		return;
	cpuid(SAMPO_CPUID_ABI, 0, leaf);
	sampo_by_vmcall = leaf[1] == 1;
	sampo_present = true;
}

/* Lowers *end to what begins at `start` if that lies in [from, *end). */
static void end_before(uint64_t from, uint64_t *end, uint64_t start)
{
	if (start >= from && start < *end)
		*end = start;
}

/* The heap of a small guest: from the image up to the end of its piece of RAM
 * or to the first thing that the loader has put there. */
static void heap_from_memmap(const struct hvm_start_info *info)
{
	const struct hvm_memmap_entry *map = (const void *)(uintptr_t)info->memmap;
	const struct hvm_module *module = (const void *)(uintptr_t)info->module_list;
	uint64_t from = (uint64_t)(uintptr_t)guest_end, end = 0;

	if (info->magic != HVM_START_MAGIC || info->version < 1)
		return;
	for (uint32_t i = 0; i < info->memmap_entries; i++)
		if (map[i].type == 1 && map[i].address <= from &&
		    map[i].address + map[i].size > from)
			end = map[i].address + map[i].size;
	if (end > MAPPED_BYTES)
		end = MAPPED_BYTES;

	end_before(from, &end, (uint64_t)(uintptr_t)info);
	end_before(from, &end, info->memmap);
	end_before(from, &end, info->module_list);
	end_before(from, &end, info->cmdline);
	for (uint32_t i = 0; i < info->modules; i++)
		end_before(from, &end, module[i].address);
	if (end > from)
		heap_set(from, end);
}

void guest_start(const void *info)
{
	guest_boot_info = info;
	exceptions_init();
	find_hypervisor(info);
	if (!sampo_boot_info && info)
		heap_from_memmap(info);
	exit(main());
}
