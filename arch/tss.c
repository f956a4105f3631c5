/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/tss.h"

#include "arch/hv.h"
#include "arch/paging.h"
#include "arch/trap.h"
#include "kernel/base/frame.h"
#include "kernel/cpu/percpu.h"

#define TSS_PRESENT 0x89ull /* an available 64-bit TSS: SDM 3A 8.2.3 */

extern const uint64_t boot_gdt[];

/* Each has the page of its number, counted from the tables. */
static const uint8_t vectors[] = {[1] = VECTOR_NMI, [2] = VECTOR_MC, [3] = VECTOR_DF};

bool tss_new(struct cpu *cpu, uint32_t slot)
{
	struct cpu_tables *t;
	uint64_t base;

	if (hv_bound != &vmx_ops)
		return true;
	t = tables_new(slot);
	if (!t)
		return false;
	base = (uint64_t)&t->tss;
	t->cpu = cpu;
	__builtin_memcpy(t->gdt, boot_gdt, 3 * sizeof(t->gdt[0]));
	t->gdt[3] = (sizeof(t->tss) - 1) | (base & 0xffffff) << 16 | TSS_PRESENT << 40 |
		    (base >> 24 & 0xff) << 56;
	t->gdt[4] = base >> 32;
	t->tss.io_map = sizeof(t->tss);
	for (unsigned i = 1; i < COUNT_OF(vectors); i++) /* each grows down from its page's end */
		t->tss.ist[i - 1] = (uint64_t)t + (i + 1) * FRAME_PAGE;
	cpu->tables = t;
	return true;
}

void tss_load(const struct cpu *cpu)
{
	struct {
		uint16_t limit;
		const uint64_t *base;
	} __attribute__((packed)) pointer;

	if (!cpu->tables)
		return;
	pointer.limit = sizeof(cpu->tables->gdt) - 1;
	pointer.base = cpu->tables->gdt;
	__asm__ volatile("lgdt %0; ltr %w1" : : "m"(pointer), "r"(TSS_SELECTOR) : "memory");
	for (unsigned i = 1; i < COUNT_OF(vectors); i++) /* the same on each CPU */
		idt[vectors[i]].ist = (uint8_t)i;
}
