/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/cpu/mmio.c guests/dom0/cpu/operand.c guests/dom0/cpu/insn.c guests/dom0/cpu/flags.c */
/* sources: guests/dom0/cpu/walk.c guests/dom0/cpu/cr.c guests/dom0/vm/ram.c guests/dom0/vm/bus.c */
/* libs: zydis */
/* flags: -include tests/unit/sampo_none.h */
/*
 * Exits with any registers, any page tables and any bytes at RIP. Each ends,
 * in one of the ways that there are: executed, an exception, or given up.
 */
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/cpu/insn.h"

#define RAM (64u * 1024)

static struct vm vm;
static struct sampo_exit page;
static struct vcpu vcpu;
static unsigned accesses;

void ioapic_eoi(struct vm *v, uint8_t vector)
{
	(void)v;
	(void)vector;
}

void startup_sent(struct vcpu *v)
{
	(void)v;
}

void vcpu_exception(struct sampo_exit *exit, unsigned vector, int64_t code)
{
	if (vector > 31 || code > 0xffff)
		abort();
	exit->inject = vector;
	exit->dirty |= SAMPO_DIRTY_INJECT;
}

void vcpu_page_fault(struct sampo_exit *exit, uint64_t linear, uint32_t code)
{
	(void)linear;
	vcpu_exception(exit, EXCEPTION_PF, code);
}

static uint64_t on_read(struct vm *v, uint32_t instance, uint64_t offset, unsigned size)
{
	(void)v;
	(void)instance;
	if (size > 8 || offset + size > 0x10000)
		abort();
	accesses++;
	return offset * 0x0101010101010101ull;
}

static void on_write(struct vm *v, uint32_t instance, uint64_t offset, unsigned size,
		     uint64_t value)
{
	on_read(v, instance, offset, size);
	if (size < 8 && value >> size * 8)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct io_ops ops = {on_read, on_write};
	uint8_t how;
	bool done;

	if (size < 1 + sizeof(page))
		return 0;
	how = data[0];
	memcpy(&page, data + 1, sizeof(page));
	data += 1 + sizeof(page);
	size -= 1 + sizeof(page);
	memset(&vm, 0, sizeof(vm));
	vm.ram = calloc(1, RAM);
	vm.ram_bytes = RAM;
	memcpy(vm.ram, data, size < RAM ? size : RAM);
	bus_add(&vm, BUS_MMIO, 0xd0000000, 0x10000, &ops, 0);
	bus_add(&vm, BUS_PIO, 0, 0x10000, &ops, 0);
	vcpu.vm = &vm;
	vcpu.exit = &page;
	page.dirty = 0;
	page.access &= ~SAMPO_ACCESS_WALK;
	if (page.insn_len > 15)
		page.insn_len = 15;
	/* Sizes are the kernel's: 1, 2 or 4 bytes. */
	page.size = (uint8_t)(1u << (page.size % 3));
	done = how % 3 == 0   ? mmio_exit(&vcpu)
	       : how % 3 == 1 ? string_io_exit(&vcpu)
			      : control_exit(&vcpu);
	if (!done && page.dirty & SAMPO_DIRTY_INJECT)
		abort();
	free(vm.ram);
	return 0;
}
