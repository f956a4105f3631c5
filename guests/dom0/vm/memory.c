/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/vm/memory.h"

#include "guests/dom0/base/memory.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

#define PAGE  4096ull
#define BLOCK (1ull << VM_BLOCK_SHIFT)

bool vm_memory_make(struct vm *vm, struct vm_memory *m, uint64_t bytes)
{
	bool large = bytes % BLOCK == 0;

	*m = (struct vm_memory){.size = bytes};
	if (sampo_region_create(vm->domain, bytes, large ? SAMPO_REGION_2M : SAMPO_REGION_4K,
				&m->region))
		return false;
	m->bytes = memory_map(m->region, bytes, large ? BLOCK : PAGE, SAMPO_MAP_R | SAMPO_MAP_W);
	return m->bytes;
}

void vm_memory_free(struct vm_memory *m)
{
	if (m->bytes)
		memory_unmap(m->bytes, m->size);
	if (m->region)
		sampo_handle_close(m->region);
	*m = (struct vm_memory){0};
}

bool vm_memory_show(struct vm *vm, const struct vm_memory *m, uint64_t gpa, uint64_t offset,
		    uint64_t bytes)
{
	return !sampo_region_map(m->region, vm->domain, gpa, offset, SAMPO_MAP_RWX, bytes);
}

void vm_memory_hide(struct vm *vm, uint64_t gpa, uint64_t bytes)
{
	sampo_region_unmap(vm->domain, gpa, bytes);
}

bool vm_memory_track(struct vm *vm, uint64_t gpa, uint64_t bytes)
{
	return !sampo_region_dirty(vm->domain, gpa, bytes / PAGE, NULL, SAMPO_DIRTY_START);
}

void vm_memory_untrack(struct vm *vm, uint64_t gpa, uint64_t bytes)
{
	sampo_region_dirty(vm->domain, gpa, bytes / PAGE, NULL, SAMPO_DIRTY_STOP);
}

bool vm_memory_written(struct vm *vm, uint64_t gpa, uint64_t pages, uint64_t *bitmap)
{
	return !sampo_region_dirty(vm->domain, gpa, pages, bitmap, SAMPO_DIRTY_READ);
}
