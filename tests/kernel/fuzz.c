/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls at random by a dom0 that means harm, except to itself: it does not end
 * its own domain, unmap its own memory or let the kernel write over it, for
 * then nobody could tell what the kernel does.
 */
#include <stdio.h>
#include <string.h>

#include "tests/kernel/abi.h"

#define HANDLES  400u     /* most calls name one of the first */
#define ROUND    4096u    /* calls between two clearances */
#define ROOM     (1u << 18)
#define NOWHERE  (1ull << 45)
#define SLOT_ANY 16u      /* slots from here on are for mappings at random */

static uint8_t scratch[2 * ROOM] __attribute__((aligned(4096)));
static uint64_t seed;
static uint32_t keep_below; /* handles up to here are the boot's */
static uint64_t done, succeeded;
static uint32_t types[HANDLES + 1];

static uint64_t any(void)
{
	return random_next(&seed);
}

static uint64_t below(uint64_t n)
{
	return any() % n;
}

static bool one_in(uint64_t n)
{
	return !below(n);
}

static uint32_t type_of(uint64_t handle)
{
	uint32_t type[2] = {0, 0};

	if (handle >> 32 || sampo_object_info((uint32_t)handle, SAMPO_INFO_TYPE, type, sizeof(type),
					      0, NULL))
		return SAMPO_T_NONE;
	return type[0];
}

static uint64_t any_handle(void)
{
	return one_in(20) ? any() >> below(64) : 1 + below(HANDLES);
}

/* Mostly of the type that the call wants, or was of it lately. */
static uint64_t handle_of(uint32_t type)
{
	if (type == SAMPO_T_MACHINE && !one_in(10))
		return machine;
	for (unsigned i = 0; i < 100 && type != SAMPO_T_ANY && !one_in(50); i++) {
		uint64_t handle = 1 + below(HANDLES);

		if (types[handle] == type)
			return handle;
	}
	return any_handle();
}

static void look_at_types(void)
{
	for (uint32_t handle = 1; handle <= HANDLES; handle++)
		types[handle] = type_of(handle);
}

static uint64_t any_number(void)
{
	static const uint64_t odd[] = {0, 1, 2, 3, 4, 63, 64, 127, 0xffff, 0x10000, 4031, 4032,
				       0xfff, 0x1000, ~0u, 1ull << 32, 1ull << 47, 1ull << 48,
				       1ull << 63, ~0ull, ~0ull << 12};

	switch (below(3)) {
	case 0:
		return odd[below(sizeof(odd) / sizeof(odd[0]))];
	case 1:
		return below(16);
	default:
		return any() >> below(64);
	}
}

static uint64_t any_buffer(void)
{
	static const uint64_t odd[] = {NOWHERE, ~0ull, ~0ull - 4095, 0xfee00000, 1ull << 63};

	return one_in(4) ? odd[below(5)] : sampo_gpa(scratch) + below(ROOM);
}

static uint64_t any_size(void)
{
	static const uint64_t odd[] = {0, 1, 0xfff, 0x1001, BLOCK, 2 * BLOCK, 256ull << 30, ~0ull,
				       ~0ull << 12, 1ull << 63};

	return one_in(3) ? odd[below(10)] : PAGE << below(4);
}

static uint64_t own_place(void)
{
	return slot_address((unsigned)(SLOT_ANY + below(SLOTS - SLOT_ANY))) + below(4) * PAGE;
}

static uint64_t guest_place(void)
{
	return one_in(5) ? any_number() : one_in(2) ? below(32) * PAGE : below(8) * BLOCK;
}

static uint64_t soon(void)
{
	return one_in(2) ? below(3) : rdtsc() + below(tsc_per_ms / 200);
}

/*
 * Ranges of the machine: some that do no harm, whatever is written there, and
 * some that are refused, being the kernel's or holding a part of that.
 */
static void of_machine(uint64_t arg[5])
{
	static const struct {
		uint32_t base, count;
	} harmless[] = {{0x80, 4}, {0xed, 1}, {0xcf8, 4}, {0x2f8, 8}, {0xffff, 1}};
	static const uint32_t ports[] = {0x20, 0xa1, 0x43, 0x60, 0x61, 0x64, 0x92, 0xb2, 0x3f8, 0x3ff};
	static const uint64_t memory[] = {0x100000, 0xfee00000, 0xfec00000, 0x1000};
	uint64_t before = below(16);
	unsigned i = (unsigned)below(5);

	arg[2] = one_in(10) ? any_number() & ~6ull : one_in(2) ? SAMPO_REGION_PORTS
							       : SAMPO_REGION_PHYSICAL;
	if (arg[2] == SAMPO_REGION_PORTS && one_in(2)) {
		arg[3] = harmless[i].base;
		arg[1] = 1 + below(harmless[i].count);
	} else if (arg[2] == SAMPO_REGION_PORTS) {
		arg[3] = ports[below(sizeof(ports) / sizeof(ports[0]))] - before;
		arg[1] = before + 1 + (one_in(8) ? any_number() >> 1 : below(64));
	} else if (one_in(3)) { /* the BIOS, which cannot be written */
		arg[3] = 0xf0000 + PAGE * below(8);
		arg[1] = PAGE * below(8);
	} else {
		arg[3] = (one_in(4) ? sampo_boot_info->dma_offset : memory[below(4)]) -
			 (one_in(2) ? 0 : before * PAGE);
		arg[1] = (before + 1 + below(64)) * PAGE;
		if (one_in(8))
			arg[1] = ~0ull - below(PAGE);
	}
}

/* Second thoughts about arguments, by call. False: not this one. */
static bool arrange(unsigned number, uint64_t arg[5])
{
	switch (number) {
	case SAMPO_CALL_wait:
		arg[0] = soon();
		arg[1] = one_in(2) ? 0 : handle_of(SAMPO_T_VCPU);
		return true;
	case SAMPO_CALL_log:
		arg[1] = one_in(500) ? any_number() : below(2);
		arg[2] = any_buffer();
		arg[3] = one_in(2) ? 0 : any_number() | 1ull << 40; /* nothing to be shown */
		return true;
	case SAMPO_CALL_machine:
		arg[1] |= 2;
		return true;
	case SAMPO_CALL_handle_close:
		if (arg[0] && arg[0] <= keep_below)
			return false;
		/* One that has a handle to itself would stay for ever. */
		if (type_of(arg[0]) == SAMPO_T_DOMAIN)
			sampo_domain_ctl((uint32_t)arg[0], SAMPO_DOMAIN_DESTROY, 0);
		return true;
	case SAMPO_CALL_handle_copy:
		arg[1] = one_in(2) ? 0 : handle_of(SAMPO_T_DOMAIN);
		arg[2] &= one_in(3) ? ~0ull : SAMPO_R_ALL;
		return arg[0] != self;
	case SAMPO_CALL_object_info:
		arg[1] = below(9);
		arg[2] = any_buffer();
		arg[3] = one_in(4) ? any_number() : below(4096);
		return true;
	case SAMPO_CALL_domain_create:
		arg[1] = one_in(4) ? any_number() : below(4);
		arg[2] = below(160);
		arg[3] = one_in(4) ? any_number() : 1024;
		return true;
	case SAMPO_CALL_domain_ctl:
		return arg[0] != self;
	case SAMPO_CALL_vcpu_create:
		arg[1] = below(66);
		arg[2] = handle_of(SAMPO_T_EVENT);
		return arg[0] != self;
	case SAMPO_CALL_vcpu_ctl:
		arg[1] = below(8);
		return true;
	case SAMPO_CALL_region_create:
		if (one_in(3))
			arg[0] = machine;
		if (type_of(arg[0]) == SAMPO_T_MACHINE) {
			of_machine(arg);
			return true;
		}
		arg[1] = one_in(4) ? below(8) : any_size();
		arg[2] = below(3);
		return true;
	case SAMPO_CALL_region_map:
		arg[1] = one_in(2) ? 0 : handle_of(SAMPO_T_DOMAIN);
		arg[2] = !arg[1] || arg[1] == self ? own_place() : guest_place();
		arg[3] = (one_in(2) ? 0 : any_size()) | below(9);
		arg[4] = any_size();
		return true;
	case SAMPO_CALL_region_unmap:
		arg[1] = arg[0] == self ? own_place() : guest_place();
		arg[2] = arg[0] == self ? below(8 * BLOCK) : any_number();
		return arg[0] != self || arg[1] + arg[2] < slot_address(SLOTS);
	case SAMPO_CALL_region_dirty:
		arg[1] = guest_place();
		arg[2] = one_in(4) ? any_number() : below(1024);
		arg[3] = arg[2] > ROOM ? NOWHERE : any_buffer();
		arg[4] = below(4);
		return true;
	case SAMPO_CALL_event_create:
		arg[1] = below(4);
		arg[2] = arg[1] == SAMPO_EVENT_MSI ? 0xfee00000 | any() % 0x100000 : any_number();
		return true;
	case SAMPO_CALL_doorbell:
		arg[1] = one_in(10) ? 0 : handle_of(SAMPO_T_DOMAIN);
		arg[2] = one_in(10) ? any_number() : below(300);
		arg[3] = below(6);
		return true;
	case SAMPO_CALL_msi:
		arg[1] = one_in(4) ? any_number() : 0xfee00000 | any() % 0x100000;
		arg[2] = one_in(4) ? any_number() : below(0x10000);
		return true;
	case SAMPO_CALL_port:
		arg[1] = one_in(4) ? any_number() : below(8);
		arg[2] = one_in(4) ? any_number() : 1u << below(3) | (one_in(2) ? 0x100 : 0);
		return true;
	case SAMPO_CALL_irq:
		arg[1] = below(4);
		arg[2] = handle_of(one_in(2) ? SAMPO_T_DEVICE : SAMPO_T_MACHINE);
		arg[3] = one_in(4) ? any_number() : below(24) | below(4) << 16;
		return true;
	case SAMPO_CALL_device_create:
		arg[1] = one_in(4) ? any_number() : below(300);
		return true;
	default:
		return true;
	}
}

static void one_call(void)
{
	static const uint32_t wanted[] = {
#define ENTRY(nr, name, type, right, args) type,
		SAMPO_HYPERCALLS(ENTRY)
#undef ENTRY
	};
	unsigned number = (unsigned)below(SAMPO_CALL_COUNT);
	uint64_t arg[5] = {handle_of(wanted[number]), any_number(), any_number(), any_number(),
			   any_number()};

	if (!arrange(number, arg))
		return;
	done++;
	succeeded += !sampo_call(number, arg[0], arg[1], arg[2], arg[3], arg[4], NULL);
}

/* A guest whose registers are whatever comes. */
static void disturb(struct guest *g)
{
	struct sampo_exit *e = g->exit;
	uint64_t *system = (uint64_t *)e->seg;
	unsigned words = (unsigned)((sizeof(*e) - offsetof(struct sampo_exit, seg)) / 8);

	sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_STOP, 0);
	if (one_in(2)) {
		sampo_vcpu_ctl(g->vcpu, SAMPO_VCPU_RESET, 0);
		guest_prepare(g);
	}
	for (unsigned i = 0; i < 2048; i++)
		g->ram[CODE + i] = (uint8_t)any();
	e->dirty = (uint32_t)below(16);
	if (one_in(20))
		system[below(words)] = any_number();
	if (one_in(10))
		e->rip = any_number();
	if (one_in(10))
		e->rflags = any();
	e->inject = one_in(2) ? SAMPO_INJECT_EXTINT | (uint32_t)below(256) : (uint32_t)any();
	sampo_domain_ctl(g->domain, SAMPO_DOMAIN_UNPAUSE, 0);
	sampo_wait(rdtsc() + tsc_per_ms / 200, g->vcpu);
	sampo_domain_ctl(g->domain, SAMPO_DOMAIN_PAUSE, 0); /* QEMU is slow with such code */
}

static uint32_t handles_used(void)
{
	struct sampo_domain_info info;

	must(sampo_object_info(self, SAMPO_INFO_DOMAIN, &info, sizeof(info), 0, NULL), "info");
	return info.handles;
}

static void clear_away(struct guest *g)
{
	struct event_bits bits;

	guest_remove(g);
	for (uint32_t handle = keep_below + 1; handle % 64 || handles_used() > keep_below;
	     handle++) {
		sampo_domain_ctl(handle, SAMPO_DOMAIN_DESTROY, 0);
		sampo_handle_close(handle);
	}
	sampo_region_unmap(self, slot_address(0), SLOTS * 2 * BLOCK);
	events_take(&bits);
}

static void still_well(void)
{
	uint64_t version = 0;
	struct guest g;

	sampo_version(&version);
	check(version == SAMPO_ABI_VERSION, "fuzz: the kernel answers", "%llx",
	      (unsigned long long)version);
	guest_make(&g, 0);
	guest_run(&g, ports);
	guest_wait(&g);
	check(guest_at_port(&g), "fuzz: a guest runs", "exit %u", g.exit->reason);
	guest_remove(&g);
}

void fuzz(uint64_t from, uint64_t calls)
{
	struct event_bits bits;
	struct guest g;

	seed = from;
	sampo_handle_close(sampo_boot_info->vcpu); /* it could end itself by that */
	keep_below = self > machine ? self : machine;
	memset(scratch, 0, sizeof(scratch));
	while (done < calls) {
		uint64_t end = done + ROUND;

		guest_make(&g, 0);
		while (done < end && done < calls) {
			one_call();
			if (done % 1024 == 0)
				look_at_types();
			if (one_in(16))
				events_take(&bits);
			if (one_in(128) && type_of(g.vcpu) == SAMPO_T_VCPU)
				disturb(&g);
		}
		clear_away(&g);
	}
	printf("fuzz: %llu calls, %llu succeeded\n", (unsigned long long)done,
	       (unsigned long long)succeeded);
	still_well();
}
