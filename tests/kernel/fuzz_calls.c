/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzzer of calls asks the kernel for. */
#include "tests/kernel/fuzz.h"

#define ROOM    (1u << 18)
#define NOWHERE (1ull << 45)
#define MASKS   8u

static uint8_t scratch[2 * ROOM] __attribute__((aligned(4096)));
static uint64_t masks[MASKS][4]; /* of CPUs, for AFFINITY */

/* The operations of a call, and how many. */
static const struct {
	uint8_t call, number;
} operations[] = {
#define OPERATION(call, nr, name, text) {SAMPO_CALL_##call, nr},
	SAMPO_OPERATIONS(OPERATION)
#undef OPERATION
};

static const uint32_t wanted[] = {
#define ENTRY(nr, name, type, right, args) type,
	SAMPO_HYPERCALLS(ENTRY)
#undef ENTRY
};

/* Mostly one of those that the call has. */
static uint64_t operation_of(struct worker *w, uint64_t call)
{
	for (unsigned i = 0; i < 500 && !one_in(w, 100); i++) {
		unsigned n = (unsigned)below(w, sizeof(operations) / sizeof(operations[0]));

		if (operations[n].call == call)
			return operations[n].number;
	}
	return one_in(w, 2) ? below(w, 16) : any(w);
}

uint64_t any_number(struct worker *w)
{
	static const uint64_t odd[] = {
		0,   1,          2,          3,          4,          63,    64,
		127, 0xffff,     0x10000,    4031,       4032,       0xfff, 0x1000,
		~0u, 1ull << 32, 1ull << 47, 1ull << 48, 1ull << 63, ~0ull, ~0ull << 12};

	switch (below(w, 3)) {
	case 0:
		return odd[below(w, sizeof(odd) / sizeof(odd[0]))];
	case 1:
		return below(w, 16);
	default:
		return any(w) >> below(w, 64);
	}
}

static uint32_t type_of(uint64_t handle)
{
	return handle <= HANDLES ? __atomic_load_n(&handle_types[handle], __ATOMIC_RELAXED)
				 : SAMPO_T_NONE;
}

/* Mostly of the type that the call wants, or was of it lately. */
static uint64_t handle_of(struct worker *w, uint32_t type)
{
	if (w->for_pet)
		return one_in(w, 20) ? any(w) >> below(w, 64) : 1 + below(w, 16);
	if (type == SAMPO_T_MACHINE && !one_in(w, 10))
		return machine;
	for (unsigned i = 0; i < 200 && type != SAMPO_T_ANY && !one_in(w, 50); i++) {
		uint64_t handle = 1 + below(w, HANDLES);

		if (type_of(handle) == type)
			return handle;
	}
	return one_in(w, 20) ? any(w) >> below(w, 64) : 1 + below(w, HANDLES);
}

static bool is_kept(const struct worker *w, uint64_t handle)
{
	return !w->for_pet && handle && handle <= fuzz_kept;
}

/* Is it this domain's own, not a copy of it with fewer rights? */
static bool is_self(const struct worker *w, uint64_t handle)
{
	return !w->for_pet && handle == self;
}

static uint64_t any_buffer(struct worker *w)
{
	static const uint64_t odd[] = {NOWHERE, ~0ull, ~0ull - 4095, 0xfee00000, 1ull << 63};

	if (one_in(w, 4))
		return odd[below(w, 5)];
	return w->for_pet ? below(w, PET_RAM) : sampo_gpa(scratch) + below(w, ROOM);
}

static uint64_t any_size(struct worker *w)
{
	static const uint64_t odd[] = {0,           1,         0xfff,        0x1001,
				       BLOCK,       2 * BLOCK, 256ull << 30, ~0ull,
				       ~0ull << 12, 1ull << 63};

	return one_in(w, 3) ? odd[below(w, 10)] : PAGE << below(w, 4);
}

static uint64_t guest_place(struct worker *w)
{
	return one_in(w, 5)   ? any_number(w)
	       : one_in(w, 2) ? below(w, 32) * PAGE
			      : below(w, 8) * BLOCK;
}

static uint64_t own_place(struct worker *w)
{
	if (w->for_pet)
		return guest_place(w);
	return slot_address((unsigned)(SLOT_ANY + below(w, SLOTS - SLOT_ANY))) + below(w, 4) * PAGE;
}

static uint64_t soon(struct worker *w)
{
	if (w->for_pet && one_in(w, 4))
		return ~0ull;
	return one_in(w, 2) ? below(w, 3) : rdtsc() + below(w, tsc_per_ms / 200);
}

static uint64_t any_mask(struct worker *w)
{
	uint64_t *mask = masks[below(w, MASKS)];

	if (one_in(w, 8) || w->for_pet)
		return any_buffer(w);
	mask[0] = one_in(w, 3) ? ~0ull : 1ull << below(w, machine_cpus);
	mask[below(w, 4)] ^= one_in(w, 8) ? any(w) : 0;
	return sampo_gpa(mask);
}

/*
 * Ranges of the machine: some that do no harm, whatever is written there, and
 * some that are refused, being the kernel's or holding a part of that.
 */
static void of_machine(struct worker *w, uint64_t arg[5])
{
	static const struct {
		uint32_t base, count;
	} harmless[] = {{0x80, 4}, {0xed, 1}, {0xcf8, 4}, {0x2f8, 8}, {0xffff, 1}};
	static const uint32_t ports[] = {0x20, 0xa1, 0x43, 0x60,  0x61,
					 0x64, 0x92, 0xb2, 0x3f8, 0x3ff};
	static const uint64_t memory[] = {0x100000, 0xfee00000, 0xfec00000, 0x1000};
	uint64_t before = below(w, 16);
	unsigned i = (unsigned)below(w, 5);

	arg[2] = one_in(w, 10)  ? any_number(w) & ~6ull
		 : one_in(w, 2) ? SAMPO_REGION_PORTS
				: SAMPO_REGION_PHYSICAL;
	if (arg[2] == SAMPO_REGION_PORTS && one_in(w, 2)) {
		arg[3] = harmless[i].base;
		arg[1] = 1 + below(w, harmless[i].count);
	} else if (arg[2] == SAMPO_REGION_PORTS) {
		arg[3] = ports[below(w, sizeof(ports) / sizeof(ports[0]))] - before;
		arg[1] = before + 1 + (one_in(w, 8) ? any_number(w) >> 1 : below(w, 64));
	} else if (one_in(w, 3)) { /* the BIOS, which cannot be written */
		arg[3] = 0xf0000 + PAGE * below(w, 8);
		arg[1] = PAGE * below(w, 8);
	} else {
		arg[3] = (one_in(w, 4) ? sampo_boot_info->dma_offset : memory[below(w, 4)]) -
			 (one_in(w, 2) ? 0 : before * PAGE);
		arg[1] = (before + 1 + below(w, 64)) * PAGE;
		if (one_in(w, 8))
			arg[1] = ~0ull - below(w, PAGE);
	}
}

/*
 * A copy of this domain's handle, or of a worker's vCPU, must not give the power to end the caller,
 * nor to make vCPUs in it; a pet must not make regions of the machine from arguments that were
 * chosen for something else, nor domains that nobody would find again.
 */
static void arrange_copy(struct worker *w, uint64_t arg[5])
{
	bool inward = one_in(w, 2);

	arg[1] = inward ? 0 : handle_of(w, SAMPO_T_DOMAIN);
	arg[2] &= one_in(w, 3) ? ~0ull : SAMPO_R_ALL;
	if (is_kept(w, arg[0]))
		arg[2] &= arg[0] == machine && inward
				  ? (uint64_t)(SAMPO_R_ALL & ~SAMPO_R_POWER)
				  : SAMPO_R_READ | SAMPO_R_WRITE | SAMPO_R_RAISE | SAMPO_R_GRANT;
	else if (!inward)
		arg[2] &=
			~(uint64_t)SAMPO_R_CREATE | (type_of(arg[0]) == SAMPO_T_DOMAIN ? ~0ull : 0);
}

/* A worker is stopped now and then and sent about, no more. */
static bool arrange_vcpu(struct worker *w, uint64_t arg[5])
{
	arg[1] = operation_of(w, SAMPO_CALL_vcpu_ctl);
	if (arg[1] == SAMPO_VCPU_AFFINITY)
		arg[2] = any_mask(w);
	if (!is_kept(w, arg[0]))
		return true;
	return arg[1] == SAMPO_VCPU_AFFINITY || arg[1] == SAMPO_VCPU_FETCH ||
	       (arg[0] != sampo_boot_info->vcpu &&
		(arg[1] == SAMPO_VCPU_STOP || arg[1] == SAMPO_VCPU_RESUME));
}

/* Second thoughts about arguments, by call. False: not this one. */
static bool arrange(struct worker *w, uint64_t number, uint64_t arg[5])
{
	switch (number) {
	case SAMPO_CALL_wait:
		arg[0] = soon(w);
		arg[1] = one_in(w, 2) ? 0 : handle_of(w, SAMPO_T_VCPU);
		return true;
	case SAMPO_CALL_log:
		arg[1] = one_in(w, 500) ? any_number(w) : operation_of(w, number);
		arg[2] = any_buffer(w);
		arg[3] = one_in(w, 2) ? 0 : any_number(w) | 1ull << 40; /* nothing to be shown */
		return true;
	case SAMPO_CALL_machine: /* its operations end the machine */
		arg[1] |= 2;
		return true;
	case SAMPO_CALL_handle_close:
		return w->for_pet; /* see fuzz_close_one */
	case SAMPO_CALL_handle_copy:
		arrange_copy(w, arg);
		return true;
	case SAMPO_CALL_object_info:
		arg[1] = operation_of(w, number);
		arg[2] = any_buffer(w);
		arg[3] = one_in(w, 4) ? any_number(w) : below(w, 4096);
		return true;
	case SAMPO_CALL_domain_create:
		arg[1] = one_in(w, 4) ? any_number(w) : below(w, 4);
		arg[2] = below(w, 160);
		arg[3] = one_in(w, 4) ? any_number(w) : 1024;
		return true;
	case SAMPO_CALL_domain_ctl:
		arg[1] = operation_of(w, number);
		if (arg[1] == SAMPO_DOMAIN_CAP && one_in(w, 2))
			arg[2] = 1000 + below(w, 9000) + (10000ull << 32);
		return !is_self(w, arg[0]);
	case SAMPO_CALL_vcpu_create:
		arg[1] = below(w, 66);
		arg[2] = handle_of(w, SAMPO_T_EVENT);
		return !is_self(w, arg[0]);
	case SAMPO_CALL_vcpu_ctl:
		return arrange_vcpu(w, arg);
	case SAMPO_CALL_vcpu_lapic:
		arg[1] = one_in(w, 8) ? any_number(w) : below(w, 0x40) * 16;
		arg[2] = below(w, 2);
		arg[3] = one_in(w, 4) ? any_number(w) : (uint32_t)any(w);
		return !is_kept(w, arg[0]);
	case SAMPO_CALL_region_create:
		if (one_in(w, 3) && !w->for_pet)
			arg[0] = machine;
		if (type_of(arg[0]) == SAMPO_T_MACHINE && !w->for_pet) {
			of_machine(w, arg);
			return true;
		}
		arg[1] = one_in(w, 4) ? below(w, 8) : any_size(w);
		arg[2] = one_in(w, 20) ? any_number(w) & ~6ull : below(w, 2);
		return true;
	case SAMPO_CALL_region_map:
		arg[1] = one_in(w, 2) ? 0 : handle_of(w, SAMPO_T_DOMAIN);
		arg[2] = !arg[1] || is_self(w, arg[1]) ? own_place(w) : guest_place(w);
		arg[3] = (one_in(w, 2) ? 0 : any_size(w)) | below(w, 9);
		arg[4] = any_size(w);
		return true;
	case SAMPO_CALL_region_unmap:
		arg[1] = is_self(w, arg[0]) ? own_place(w) : guest_place(w);
		arg[2] = is_self(w, arg[0]) ? below(w, 8 * BLOCK) : any_number(w);
		return !is_self(w, arg[0]) || arg[1] + arg[2] < slot_address(SLOTS);
	case SAMPO_CALL_region_dirty:
		arg[1] = guest_place(w);
		arg[2] = one_in(w, 4) ? any_number(w) : below(w, 1024);
		arg[3] = arg[2] > ROOM ? NOWHERE : any_buffer(w);
		arg[4] = operation_of(w, number);
		return true;
	case SAMPO_CALL_event_create:
		arg[1] = operation_of(w, number);
		arg[2] = arg[1] == SAMPO_EVENT_MSI ? 0xfee00000 | any(w) % 0x100000 : any_number(w);
		return true;
	case SAMPO_CALL_doorbell:
		arg[1] = one_in(w, 10) ? 0 : handle_of(w, SAMPO_T_DOMAIN);
		arg[2] = one_in(w, 10) ? any_number(w) : below(w, 64);
		arg[3] = below(w, 6);
		return true;
	case SAMPO_CALL_msi:
		arg[1] = one_in(w, 4) ? any_number(w) : 0xfee00000 | any(w) % 0x100000;
		arg[2] = one_in(w, 4) ? any_number(w) : below(w, 0x10000);
		return true;
	case SAMPO_CALL_port:
		arg[1] = one_in(w, 4) ? any_number(w) : below(w, 8);
		arg[2] = one_in(w, 4) ? any_number(w)
				      : 1u << below(w, 3) | (one_in(w, 2) ? SAMPO_PORT_WRITE : 0);
		return true;
	case SAMPO_CALL_irq:
		arg[1] = operation_of(w, number);
		arg[2] = handle_of(w, one_in(w, 2) ? SAMPO_T_DEVICE : SAMPO_T_MACHINE);
		arg[3] = one_in(w, 4) ? any_number(w) : below(w, 24) | below(w, 4) << 16;
		return true;
	case SAMPO_CALL_device_create:
		arg[1] = one_in(w, 4) ? any_number(w) : below(w, 300);
		return true;
	default:
		return true;
	}
}

bool fuzz_choose(struct worker *w, struct fuzz_call *call)
{
	call->number = below(w, SAMPO_CALL_COUNT);
	call->arg[0] = handle_of(w, wanted[call->number]);
	for (unsigned i = 1; i < 5; i++)
		call->arg[i] = any_number(w);
	return arrange(w, call->number, call->arg);
}

/* What the value of a call that has succeeded is a handle of, in this domain's table. */
static uint32_t given_type(const struct fuzz_call *call, uint32_t copied)
{
	switch (call->number) {
	case SAMPO_CALL_handle_copy:
		return !call->arg[1] || call->arg[1] == self ? copied : SAMPO_T_NONE;
	case SAMPO_CALL_domain_create:
		return SAMPO_T_DOMAIN;
	case SAMPO_CALL_vcpu_create:
		return SAMPO_T_VCPU;
	case SAMPO_CALL_vcpu_ctl:
		return call->arg[1] == SAMPO_VCPU_PAGE ? SAMPO_T_REGION : SAMPO_T_NONE;
	case SAMPO_CALL_region_create:
		return SAMPO_T_REGION;
	case SAMPO_CALL_event_create:
		return SAMPO_T_EVENT;
	case SAMPO_CALL_device_create:
		return SAMPO_T_DEVICE;
	default:
		return SAMPO_T_NONE;
	}
}

void fuzz_keep(struct worker *w, uint64_t handle, uint32_t type)
{
	if (handle <= HANDLES)
		__atomic_store_n(&handle_types[handle], (uint8_t)type, __ATOMIC_RELAXED);
	while (w->mine_count >= MINE)
		fuzz_close_one(w);
	w->mine[w->mine_count++] = (uint32_t)handle;
}

void fuzz_one(struct worker *w)
{
	struct fuzz_call call;
	uint32_t type, copied;
	uint64_t value;

	if (!fuzz_choose(w, &call))
		return;
	copied = type_of(call.arg[0]);
	if (copied == SAMPO_T_NONE)
		copied = SAMPO_T_ANY;
	w->done++;
	if (sampo_call(call.number, call.arg[0], call.arg[1], call.arg[2], call.arg[3], call.arg[4],
		       &value))
		return;
	w->succeeded++;
	type = given_type(&call, copied);
	if (type)
		fuzz_keep(w, value, type);
}

/* A domain whose handle lies in its own table, or in that of another one whose handle lies in
 * its, would stay for ever: it is destroyed before. */
static void close_nth(struct worker *w, unsigned n)
{
	uint32_t handle = w->mine[n];

	w->mine[n] = w->mine[--w->mine_count];
	if (handle <= HANDLES)
		__atomic_store_n(&handle_types[handle], SAMPO_T_NONE, __ATOMIC_RELAXED);
	sampo_domain_ctl(handle, SAMPO_DOMAIN_DESTROY, 0);
	w->done++;
	w->succeeded += !sampo_handle_close(handle);
}

void fuzz_close_one(struct worker *w)
{
	if (w->mine_count)
		close_nth(w, (unsigned)below(w, w->mine_count));
	else
		sampo_handle_close(HANDLES + (uint32_t)below(w, 1000));
}

void fuzz_close_all(struct worker *w)
{
	while (w->mine_count)
		close_nth(w, 0);
}
