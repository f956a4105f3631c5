/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/base/lock.c tests/host/cpu.c tests/unit/panic_stub.c */
/* One CPU takes runs of blocks and gives them back while another one zeroes free blocks, which
 * takes them off a list and puts them on another. */
#include "tests/litmus/litmus.h"

#include "kernel/base/frame.c"

#define BLOCKS 256u
#define RUN    8u

struct cpu *cpu_table[CPUS];
uint32_t cpu_count;

static uint32_t kinds[BLOCKS];

bool boot_next_range(const struct boot_info *info, struct boot_place *at, struct boot_range *range)
{
	(void)info;
	(void)at;
	(void)range;
	return false;
}

bool kernel_map_block(uint64_t base)
{
	(void)base;
	return false;
}

void window_zero(uint64_t pa, uint64_t bytes)
{
	(void)bytes;
	expect(pa && pa / FRAME_BLOCK < BLOCKS, "a block that there is");
}

static void *take_runs(void *arg)
{
	uint64_t seed = 1;

	host_cpu = arg;
	while (litmus_goes_on()) {
		uint64_t base = frame_alloc_run(RUN, FRAME_ANY);

		litmus_jitter(&seed, 50);
		for (unsigned i = 0; base && i < RUN; i++)
			frame_free_block(base + i * FRAME_BLOCK);
		__atomic_store_n(&rounds, rounds + 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *zero(void *arg)
{
	host_cpu = arg;
	while (litmus_goes_on()) {
		uint64_t base;
		bool zeroed;

		for (unsigned i = 0; i < FRAME_BLOCK / ZERO_PIECE; i++)
			frame_zero_some();
		base = frame_alloc_block(&zeroed);
		if (base)
			frame_free_block(base);
	}
	return NULL;
}

int main(void)
{
	uint64_t free_bytes = 0;

	block = kinds;
	blocks = BLOCKS;
	kinds[0] = ABSENT;
	for (uint64_t b = 1; b < BLOCKS; b++) {
		kinds[b] = GIVEN;
		frame_free_block(b * FRAME_BLOCK);
	}
	litmus_run("litmus_frame", take_runs, zero);
	for (uint32_t b = dirty_block; b; b = kinds[b])
		free_bytes += FRAME_BLOCK;
	for (uint32_t b = zero_block; b; b = kinds[b])
		free_bytes += FRAME_BLOCK;
	free_bytes += zeroing.block ? FRAME_BLOCK : 0;
	expect(free_bytes == (BLOCKS - 1) * FRAME_BLOCK, "no block is lost");
	litmus_done();
	return 0;
}
