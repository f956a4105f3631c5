/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's RAM as dom0 reaches it. */
#include <string.h>

#include "guests/dom0/vm/vm.h"

#define FOUR_GIB (4ull << 30)

uint64_t vm_ram_offset(const struct vm *vm, uint64_t gpa, uint64_t *bytes)
{
	uint64_t below = vm->ram_bytes < VM_RAM_BELOW_4G ? vm->ram_bytes : VM_RAM_BELOW_4G;

	*bytes = 0;
	if (vm->has_window && gpa < VM_WINDOW_END) {
		if (gpa < VM_WINDOW)
			*bytes = VM_WINDOW - gpa;
		return gpa;
	}
	if (gpa < below) {
		*bytes = below - gpa;
		return gpa;
	}
	if (gpa >= FOUR_GIB && gpa - FOUR_GIB < vm->ram_bytes - below) {
		*bytes = vm->ram_bytes - below - (gpa - FOUR_GIB);
		return below + (gpa - FOUR_GIB);
	}
	return 0;
}

void *vm_mem(struct vm *vm, uint64_t gpa, uint64_t len)
{
	uint64_t bytes, offset = vm_ram_offset(vm, gpa, &bytes);

	return bytes && len <= bytes ? vm->ram + offset : NULL;
}

static const void *rom_at(const struct vm *vm, uint64_t gpa, uint64_t len)
{
	uint64_t base = FOUR_GIB - vm->rom_bytes;

	if (!vm->rom || gpa < base || gpa >= FOUR_GIB || len > FOUR_GIB - gpa)
		return NULL;
	return vm->rom + (gpa - base);
}

bool vm_read(struct vm *vm, uint64_t gpa, void *to, uint64_t len)
{
	const void *from = vm_mem(vm, gpa, len);

	if (!from)
		from = rom_at(vm, gpa, len);
	if (!from)
		return false;
	memcpy(to, from, len);
	return true;
}

bool vm_write(struct vm *vm, uint64_t gpa, const void *from, uint64_t len)
{
	void *to = vm_mem(vm, gpa, len);

	if (!to)
		return false;
	memcpy(to, from, len);
	return true;
}
