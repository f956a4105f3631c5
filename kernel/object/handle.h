/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain's handle table: the only way in which it can name an object. */
#pragma once

#include "kernel/object/object.h"

struct domain;

/*
 * The object's address below bit 48, the rights (SAMPO_R_*) from there on; or, with HANDLE_FREE,
 * the next free entry from bit 1 on, as handle_table.free has it; 0: never used. It is one word
 * because handle_find reads it without a lock: of two words one could be an object's that had this
 * place before, and the rights would go to another object.
 */
struct handle {
	uint64_t word;
};

#define HANDLE_FREE      1ull
#define HANDLE_RIGHTS    48
#define HANDLES_PER_PAGE (4096 / sizeof(struct handle))
#define HANDLE_PAGES     64

struct handle_table {
	struct handle *page[HANDLE_PAGES]; /* allocated as needed, charged */
	uint32_t used;
	uint32_t made; /* entries that are, or have been, used: the first ones */
	uint32_t free; /* 1 + index of the first of those that are free again; 0: none */
};

/*
 * Enters an object with rights; the table takes a reference of its own.
 * Returns the handle (> 0), or SAMPO_ENOMEM.
 */
int64_t handle_add(struct domain *domain, struct object *object, uint32_t rights);

/*
 * The object that a handle names if it is of `type` (or SAMPO_T_ANY) and the
 * handle has all of *rights, which becomes all that it has; else NULL and the
 * reason in *status. Needs no lock: the object stays while this CPU is in the kernel. No reference
 * is taken.
 */
struct object *handle_find(struct domain *domain, uint64_t handle, uint32_t type, uint32_t *rights,
			   int64_t *status);

/* Of a handle that has been found. */
void handle_remove(struct domain *domain, uint64_t handle);
/* Removes some of all handles of a domain; returns false if there were none. */
bool handle_remove_some(struct domain *domain);

/* Of all domains. */
extern uint32_t handle_count;
