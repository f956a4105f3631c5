/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: tests/host/cpu.c */
/* The rings of log and console, whose reader asks nobody: it gets each byte as it was written, or
 * knows that it has missed some. */
#include "tests/litmus/litmus.h"

#include "guests/lib/ring.h"
#include "kernel/base/ring.h"

#define SIZE 48u /* so small that the writer often overtakes the reader */

struct cpu *cpu_table[CPUS];
uint32_t cpu_count;

static char ring[SIZE] __attribute__((aligned(64)));
static uint64_t end __attribute__((aligned(64)));

/* The n-th byte ever written; with any other period than the ring's. */
static char byte_of(uint64_t n)
{
	return (char)(n * 7 % 251);
}

static void *write_bytes(void *arg)
{
	uint64_t state = 1;

	(void)arg;
	for (; litmus_goes_on(); rounds++) {
		ring_put(ring, SIZE, &end, byte_of(rounds));
		if (rounds % 16 == 0)
			litmus_jitter(&state, 512);
	}
	return NULL;
}

static void *read_bytes(void *arg)
{
	uint64_t position = 0, n;
	char bytes[SIZE];

	(void)arg;
	while (litmus_goes_on()) {
		n = ring_read(ring, SIZE, &end, &position, bytes, SIZE);
		expect(n <= SIZE, "more than there is room for");
		for (uint64_t i = 0; i < n; i++)
			expect(bytes[i] == byte_of(position - n + i), "another byte than written");
	}
	return NULL;
}

int main(void)
{
	litmus_run("litmus_ring", write_bytes, read_bytes);
	litmus_done();
	return 0;
}
