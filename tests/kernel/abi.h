/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program in dom0's place that tests the kernel by its calls. What its parts
 * share: the place for mappings, guests made by hand, and the tests.
 */
#pragma once

#include "guests/lib/check.h"
#include "guests/lib/cpu.h"
#include "guests/lib/sampo.h"

#define PAGE    4096ull
#define BLOCK   (2ull << 20)
#define CODE    0x1000u
#define HANDLER 0x2000u
#define COUNT   0x800u
#define WORDS   0x810u

extern uint64_t tsc_per_ms;
extern uint32_t machine, self, machine_cpus;

/* A status that was expected, as a check with a name of its own. */
void expect(int64_t status, int64_t wanted, const char *name);
/* Without a check: for what other checks stand on. Ends the machine. */
void must(int64_t status, const char *what);

/* Guest-physical addresses of this domain for mappings: slots of 4 MiB. */
#define SLOTS 64u
uint64_t slot_address(unsigned slot);

struct event_bits {
	uint64_t word[SAMPO_EVENTS / 64];
};
/* What is pending; it is no longer then. */
void events_take(struct event_bits *bits);
bool event_taken(const struct event_bits *bits, unsigned bit);
#define EVENT_OF_GUEST 64u /* bit of the guest in slot 0 */
#define EVENT_FREE     200u

struct machine_use {
	uint64_t bytes; /* free, or held by the kernel for later */
	uint32_t domains, handles;
};
struct machine_use machine_use(void);

/* A guest with one vCPU, its memory at 0 and here, its exit page here. */
struct guest {
	uint32_t domain, region, vcpu, exit_region, event;
	unsigned slot;
	uint64_t bytes;
	uint8_t *ram;
	struct sampo_exit *exit;
};

#define KERNEL_PAGES 64u
int64_t guest_create(struct guest *g, unsigned slot, uint64_t pages, uint64_t bytes);
/* In a domain that may have so many bytes of memory. */
int64_t guest_create_within(struct guest *g, unsigned slot, uint64_t pages, uint64_t memory,
			    uint64_t bytes);
void guest_make(struct guest *g, unsigned slot);
/* Destroys the domain and gives back all that guest_create() made. */
void guest_remove(struct guest *g);

#define guest_load(g, name, at) guest_load_code(g, code_##name, code_##name##_end, at)
void guest_load_code(struct guest *g, const uint8_t *code, const uint8_t *end, uint32_t at);
/* Registers for the code at CODE; RESUME is the caller's. */
void guest_prepare(struct guest *g);
/* Loads, prepares and resumes. */
#define guest_run(g, name)                                                       \
	do {                                                                     \
		guest_load(g, name, CODE);                                       \
		guest_prepare(g);                                                \
		must(sampo_vcpu_ctl((g)->vcpu, SAMPO_VCPU_RESUME, 0), "RESUME"); \
	} while (0)
void guest_vector(struct guest *g, unsigned vector);
/* The reason of the exit that came within ten seconds, or NONE. */
uint32_t guest_wait(struct guest *g);
/* The same after the answer to the one before. */
uint32_t guest_answer(struct guest *g, uint32_t dirty);
/* Is it at port 0x99? */
bool guest_at_port(const struct guest *g);
uint32_t guest_word(const struct guest *g, uint32_t at);
/* Waits until the guest's counter is not `count`; false: it still is after some seconds. */
bool guest_counts_on(const struct guest *g, uint32_t count);
uint64_t guest_cpu_ns(const struct guest *g);
void pass_ms(uint64_t ms);
/* Until its vCPU sleeps in HLT, or a second has passed. */
void guest_until_asleep(const struct guest *g);

#define CODES(X)          \
	X(ports)          \
	X(memory)         \
	X(msr)            \
	X(ask)            \
	X(pi)             \
	X(breakpoint)     \
	X(keys)           \
	X(undefined)      \
	X(spin)           \
	X(stolen)         \
	X(sleep)          \
	X(x2apic)         \
	X(bell)           \
	X(call)           \
	X(rings)          \
	X(window)         \
	X(startup)        \
	X(pages)          \
	X(stamp)          \
	X(ring_stamp)     \
	X(send_stamp)     \
	X(answer_asleep)  \
	X(answer_awake)   \
	X(lock_spin)      \
	X(lock_kick)      \
	X(lock_away)      \
	X(late)           \
	X(late_handler)   \
	X(cpuid)          \
	X(flood_deadline) \
	X(flood_timer)    \
	X(flood_icr)      \
	X(flood_call)     \
	X(flood_port)     \
	X(flood_touch)    \
	X(flood_nap)      \
	X(flood_bell)     \
	X(handler_again)  \
	X(handler)        \
	X(handler_debug)  \
	X(handler_quiet)  \
	X(handler_counts) \
	X(handler_notes)  \
	X(handler_sleeps) \
	X(handler_eoi)    \
	X(handler_stamp)  \
	X(caller)         \
	X(caller_handler)
#define CODE_SYMBOLS(name) extern const uint8_t code_##name[], code_##name##_end[];
CODES(CODE_SYMBOLS)

/* Ports of PM1 control (ACPI 6.5, 4.8.3.2), as the firmware of the machines of the tests has them.
 */
#define POWER_QEMU  0x604u
#define POWER_BOCHS 0xb004u

void test_handles(void);
void test_machine(void);
void test_statuses(void);
void test_regions(void);
void test_exits(void);
void test_runs(void);
void test_interrupts(void);
void test_dirty(void);
void test_time(void);
void test_hogs(void);
void test_use(void);
void test_floods(void);
void test_objects(void);
void test_limits(void);
void test_long(void);
void test_late(void);
void test_iommu(void);
void bench(void);
/* Ends after so many calls, or seconds if there are no calls to count. */
void fuzz(uint64_t seed, uint64_t calls, uint64_t seconds);
