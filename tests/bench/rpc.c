/* SPDX-License-Identifier: BSD-2-Clause */
/* with: tests/fuzz/fuzz_rpc.c */
/*
 * What libvirt's server costs with 64 guests of two CPUs, a disk and an interface each: callgrind
 * counts the instructions of a call, from its bytes to those of its answer (tests/bench/calls.py).
 * dom0's other rooms are those of the fuzzer, whose facts cost no hypercalls.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/callgrind.h>

#include "guests/dom0/rpc/client.h"
#include "guests/dom0/storage/path.h"

/* The counters are the real ones (manage/stats.c), not the fuzzer's. */
#define stats_state      fuzz_stats_state
#define stats_reason     fuzz_stats_reason
#define stats_vcpu_state fuzz_stats_vcpu_state
#define stats_each       fuzz_stats_each
#define stats_disk_bytes fuzz_stats_disk_bytes
#define stats_nic_name   fuzz_stats_nic_name
#define stats_nic_find   fuzz_stats_nic_find
#define stats_dom0_ns    fuzz_stats_dom0_ns
#include "tests/fuzz/rpc.h"

#define GUESTS    64u
#define OPEN      1u
#define LIST_ALL  273u
#define ALL_STATS 344u

/* --- what manage/stats.c asks --- */

uint64_t clock_ticks_ns(uint64_t ticks)
{
	return ticks;
}

const char *path_source(const char *source, bool file, struct blkdev **dev)
{
	static struct blkdev disk = {.sectors = 1u << 21};

	(void)source;
	(void)file;
	*dev = &disk;
	return NULL;
}

const char *vm_state_name(const struct vm *vm)
{
	return vm->id ? "running" : "shut off";
}

const char *vm_reason(const struct vm *vm)
{
	return vm->id ? "booted" : "shutdown";
}

/* --- the client --- */

static size_t sent;

static size_t write_wire(struct wire *wire, const uint8_t *bytes, size_t n)
{
	(void)wire;
	(void)bytes;
	sent += n;
	return n;
}

static void consumed(struct wire *wire, size_t n)
{
	(void)wire;
	(void)n;
}

static void gone(struct wire *wire)
{
	(void)wire;
}

static void make_guests(void)
{
	guests_most = GUESTS;
	for (unsigned i = 0; i < GUESTS; i++) {
		struct vm_config *config = calloc(1, sizeof(*config));
		struct vm *vm;

		snprintf(config->name, sizeof(config->name), "guest%u", i);
		memcpy(config->uuid, &i, sizeof(i));
		config->vcpus = 2;
		config->memory = 1u << 30;
		config->disks = config->nics = 1;
		snprintf(config->disk[0].target, sizeof(config->disk[0].target), "vda");
		snprintf(config->disk[0].source, sizeof(config->disk[0].source), "/dev/data/%s",
			 config->name);
		if (vm_define(config, &vm) || vm_start(vm))
			exit(1);
	}
}

/* Three words are the arguments of each of these calls. */
static void call(struct wire *wire, uint32_t procedure, const uint32_t word[3], const char *name)
{
	struct packet packet = {PACKET_REMOTE, 1, procedure, PACKET_CALL, 7, PACKET_OK};
	uint8_t bytes[PACKET_HEADER + 12];

	for (unsigned i = 0; i < 12; i++)
		bytes[PACKET_HEADER + i] = (uint8_t)(word[i / 4] >> (24 - i % 4 * 8));
	packet_write(bytes, &packet, procedure == ALL_STATS ? 12 : 8);
	sent = 0;
	CALLGRIND_TOGGLE_COLLECT;
	wire->user->received(wire->context, bytes,
			     procedure == ALL_STATS ? sizeof(bytes) : sizeof(bytes) - 4);
	while (works_run())
		;
	CALLGRIND_TOGGLE_COLLECT;
	if (name)
		CALLGRIND_DUMP_STATS_AT(name);
	printf("%s: %zu bytes of answer\n", name ? name : "open", sent);
}

int main(void)
{
	static struct wire wire = {.peer = "bench",
				   .write = write_wire,
				   .consumed = consumed,
				   .close = gone,
				   .abort = gone};

	make_guests();
	if (!client_take(&wire))
		return 1;
	call(&wire, OPEN, (const uint32_t[]){0, 0, 0}, NULL);
	CALLGRIND_ZERO_STATS;
	call(&wire, LIST_ALL, (const uint32_t[]){1, 0, 0}, "list of 64 guests");
	call(&wire, ALL_STATS, (const uint32_t[]){0, 0, 0}, "domstats of 64 guests");
	return 0;
}
