/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the fuzzer of calls share: workers, each a vCPU of this domain that makes calls
 * at random, and the pet that each of them keeps, a guest of several vCPUs that makes calls too.
 */
#pragma once

#include "tests/kernel/abi.h"

#define WORKERS   4u
#define PET_VCPUS 3u
#define HANDLES   600u /* most calls name one of the first */
#define MINE      130u /* handles that a worker holds at most */
#define SLOT_OWN  8u   /* the exit pages of the workers; slot n below: the pet of worker n */
#define SLOT_ANY  16u  /* slots from here on are for mappings at random */

struct pet {
	uint32_t domain, region, event;
	uint32_t vcpu[PET_VCPUS], page_region[PET_VCPUS];
	struct sampo_vcpu_page *page[PET_VCPUS]; /* NULL: there is none */
	uint8_t *ram;                            /* PET_RAM bytes, at address 0 of the guest */
};
#define PET_RAM (16 * PAGE)

struct worker {
	unsigned id;
	uint64_t seed;
	uint64_t done, succeeded; /* calls */
	bool for_pet;             /* what is being chosen is what the pet is to do */
	uint32_t mine[MINE];      /* handles that this worker has made and alone closes */
	unsigned mine_count;
	struct pet pet;
	/* Not of worker 0, which is the vCPU that the kernel made. */
	uint32_t vcpu;
	struct sampo_exit *exit;
};

/* Handles up to here are the boot's and the workers': they stay. */
extern uint32_t fuzz_kept;
extern struct worker workers[WORKERS];
/* Of what type each handle was lately; written by the worker that makes or closes it. */
extern uint8_t handle_types[HANDLES + 1];

static inline uint64_t any(struct worker *w)
{
	return random_next(&w->seed);
}

static inline uint64_t below(struct worker *w, uint64_t n)
{
	return any(w) % n;
}

static inline bool one_in(struct worker *w, uint64_t n)
{
	return !below(w, n);
}

uint64_t any_number(struct worker *w);

/* fuzz_calls.c: a call at random. False: not that one, which would harm this program. */
struct fuzz_call {
	uint64_t number, arg[5];
};
bool fuzz_choose(struct worker *w, struct fuzz_call *call);
/* Makes one, and keeps what it gives. */
void fuzz_one(struct worker *w);
/* A handle is this worker's from now on. */
void fuzz_keep(struct worker *w, uint64_t handle, uint32_t type);
/* Closes one of them, or all; a domain is destroyed before. */
void fuzz_close_one(struct worker *w);
void fuzz_close_all(struct worker *w);

/* fuzz_pet.c: a new pet, in place of the one before. What fails for want of memory is left out. */
void pet_make(struct worker *w);
void pet_remove(struct worker *w);
/* Another state for one of its vCPUs, which goes on. */
void pet_disturb(struct worker *w);
/* Those that have come to their monitor go on. */
void pet_answer(struct worker *w);

/* Of 64-bit code at `entry`, with this domain's own tables. */
void long_mode(struct sampo_exit *exit, uint64_t cr3, uint64_t entry, uint64_t stack);
