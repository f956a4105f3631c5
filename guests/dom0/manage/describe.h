/* SPDX-License-Identifier: BSD-2-Clause */
/* What people write about a guest, which changes nothing for it: its title and its description. */
#pragma once

#include <stdbool.h>

struct vm;

/* The text, or "". `config`: of the next start's description, not of the run's. */
const char *describe_get(const struct vm *vm, bool title, bool config);

/*
 * Gives the guest another title or description; "" or NULL takes it away. `affects` is of TUNE_*
 * (tune.h); TUNE_CURRENT is the guest if it runs, else its description. The caller keeps the change
 * (rewrite_guest). Returns the reason against it, or NULL.
 */
const char *describe_set(struct vm *vm, bool title, const char *text, unsigned affects);
