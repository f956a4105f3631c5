/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of the machine's CPUs as libvirt writes them: "0-3,^2,8". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPUSET_CPUS 256u

struct cpuset {
	uint64_t word[CPUSET_CPUS / 64];
};

/* NULL, or the error in the text. */
const char *cpuset_parse(const char *text, struct cpuset *set);
/* The first `cpus` of them, as ranges. */
void cpuset_format(const struct cpuset *set, unsigned cpus, char *text, size_t room);
struct cpuset cpuset_all(void);
bool cpuset_equal(const struct cpuset *a, const struct cpuset *b);

static inline bool cpuset_has(const struct cpuset *set, unsigned cpu)
{
	return set->word[cpu / 64] >> cpu % 64 & 1;
}
