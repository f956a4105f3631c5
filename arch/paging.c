/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/paging.h"

#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/ptab.h"
#include "kernel/abi.h"
#include "kernel/base/frame.h"
#include "kernel/base/panic.h"
#include "kernel/cpu/percpu.h"

#define PAGE_MASK     (FRAME_PAGE - 1)
#define CR4_SMEP      0x100000ull
#define CR4_SMAP      0x200000ull
#define CPUID_SMEP    (1u << 7) /* leaf 7, EBX */
#define CPUID_SMAP    (1u << 20)
#define MSR_PAT_VALUE 0x0007010600070106ull /* entry 1: write combining */

/* The windows: sign-extended, in a top-level slot of their own. */
#define WINDOW_TOP   256u
#define WINDOW_BASE  0xffff800000000000ull
#define WINDOW_BLOCK (WINDOW_BASE + FRAME_BLOCK) /* behind the block of page windows */
/* Stacks, and tables with theirs, each above an unmapped gap of its size. */
#define STACKS     0x0000808000000000ull /* before sign extension */
#define STACKS_END (STACKS + 4ull * STACK_SIZE * (2 * CPUS))
#define SIGN       0xffff000000000000ull
#define PTE_TABLE  0x3ull
#define PTE_WINDOW (0x8000000000000003ull)
#define PTE_LARGE  0x80ull

extern char image_start[], text_end[], rodata_end[], image_end[], boot_stack_gap[], boot_stack[];
extern uint64_t start_cr3;

static struct ptab host;
static volatile uint64_t *window_pte, *window_pde;

static void *table_alloc(struct domain *)
{
	return page_alloc_reserved();
}

static void table_free(struct domain *, void *page)
{
	page_free(page);
}

bool kernel_map_block(uint64_t base)
{
	return !ptab_map(&host, base, base, FRAME_BLOCK, PTAB_R | PTAB_W);
}

static void need(bool done)
{
	if (!done)
		refuse("no memory for the kernel's page tables");
}

static void map(const char *from, const char *to, uint32_t flags)
{
	need(!ptab_map(&host, (uint64_t)from, (uint64_t)from, (uint64_t)(to - from), flags));
}

static void make_windows(void)
{
	uint64_t *top = (uint64_t *)host.root;
	uint64_t *pdpt = page_alloc(), *pd = page_alloc(), *pt = page_alloc();

	need(pdpt && pd && pt);
	top[WINDOW_TOP] = (uint64_t)pdpt | PTE_TABLE;
	pdpt[0] = (uint64_t)pd | PTE_TABLE;
	pd[0] = (uint64_t)pt | PTE_TABLE;
	window_pte = pt;
	window_pde = pd + 1;
}

/*
 * Code can be executed and not written, constants neither, data not executed (W^X). The gap below
 * the boot CPU's stack is left out, so an overflow faults. Guests' memory is not mapped: a page or
 * block of it at a time is in a CPU's window.
 */
void paging_init(void)
{
	const char *first = (const char *)frame_first;

	host = (struct ptab){.format = &ptab_host,
			     .levels = 4,
			     .max_page = PTAB_2M,
			     .alloc = table_alloc,
			     .free = table_free};
	need(!ptab_init(&host));
	map(image_start, text_end, PTAB_R | PTAB_X);
	map(text_end, rodata_end, PTAB_R);
	map(rodata_end, boot_stack_gap, PTAB_R | PTAB_W);
	map(boot_stack, image_end, PTAB_R | PTAB_W);
	map(first, first + frame_stats.kernel_bytes, PTAB_R | PTAB_W);
	make_windows();
	start_cr3 = host.root;
	paging_enable();
}

void paging_enable(void)
{
	uint32_t ebx = 0;

	cpu_wrmsr(MSR_PAT, MSR_PAT_VALUE);
	cpu_write_cr3(host.root);
	if (cpu_cpuid(0, 0).eax >= 7)
		ebx = cpu_cpuid(7, 0).ebx;
	cpu_write_cr4(cpu_read_cr4() | (ebx & CPUID_SMEP ? CR4_SMEP : 0) |
		      (ebx & CPUID_SMAP ? CR4_SMAP : 0));
}

/* Pages that are mapped already stay as they are. */
void *phys_map(uint64_t pa, size_t bytes, uint32_t flags)
{
	uint64_t at = pa & ~PAGE_MASK, end = pa + bytes;
	int status;

	if (!bytes || end < pa || !at || end > ptab_limit(&host) / 2)
		return NULL;
	for (; at < end; at += FRAME_PAGE) {
		lock(&frame_lock);
		status = ptab_map(&host, at, at, FRAME_PAGE, flags);
		unlock(&frame_lock);
		if (status && status != SAMPO_EEXIST)
			return NULL;
	}
	return (void *)pa;
}

/* Each CPU has a window of its own: no other need flush it. */
void *window_page(uint64_t pa)
{
	uint32_t id = this_cpu()->id;
	uint64_t at = WINDOW_BASE + id * FRAME_PAGE;

	window_pte[id] = (pa & ~PAGE_MASK) | PTE_WINDOW;
	cpu_invlpg(at);
	return (void *)(at + (pa & PAGE_MASK));
}

void window_zero(uint64_t pa, uint64_t bytes)
{
	uint32_t id = this_cpu()->id;
	uint64_t base = WINDOW_BLOCK + id * FRAME_BLOCK, count = bytes / 8;
	void *at = (void *)(base + pa % FRAME_BLOCK);

	window_pde[id] = (pa & ~(FRAME_BLOCK - 1)) | PTE_WINDOW | PTE_LARGE;
	cpu_invlpg(base);
	__asm__ volatile("rep stosq" : "+D"(at), "+c"(count) : "a"(0ull) : "memory");
	window_pde[id] = 0;
	cpu_invlpg(base);
}

/* Slots have four pieces: a gap, a stack, a gap, tables. CPUs that have started may change the
 * tables, too. */
static void *map_piece(uint32_t slot, unsigned piece)
{
	uint64_t base = STACKS + (4ull * slot + piece) * STACK_SIZE;
	bool good = true;

	lock(&frame_lock);
	for (uint64_t at = base; at < base + STACK_SIZE && good; at += FRAME_PAGE) {
		void *page = page_alloc();

		good = page && !ptab_map(&host, at, (uint64_t)page, FRAME_PAGE, PTAB_R | PTAB_W);
	}
	unlock(&frame_lock);
	return good ? (void *)(base | SIGN) : NULL;
}

void *stack_new(uint32_t slot)
{
	return map_piece(slot, 1);
}

void *tables_new(uint32_t slot)
{
	return map_piece(slot, 3);
}

bool stack_below(uint64_t address)
{
	if (address >= (uint64_t)boot_stack_gap && address < (uint64_t)boot_stack)
		return true;
	address &= ~SIGN;
	return address >= STACKS && address < STACKS_END && (address / STACK_SIZE) % 2 == 0;
}

uint64_t kernel_bytes_used(void)
{
	return frame_stats.kernel_bytes - frame_stats.kernel_free_bytes +
	       (uint64_t)(image_end - image_start);
}
