/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/base/cpuset.h"

#include <stdio.h>
#include <string.h>

static bool number(const char **text, unsigned *value)
{
	const char *at = *text;

	for (*value = 0; *at >= '0' && *at <= '9' && *value < CPUSET_CPUS; at++)
		*value = *value * 10 + (unsigned)(*at - '0');
	if (at == *text || *value >= CPUSET_CPUS)
		return false;
	*text = at;
	return true;
}

static void set_range(struct cpuset *set, unsigned first, unsigned last, bool in)
{
	for (unsigned cpu = first; cpu <= last; cpu++) {
		uint64_t bit = 1ull << cpu % 64, *word = &set->word[cpu / 64];

		*word = in ? *word | bit : *word & ~bit;
	}
}

const char *cpuset_parse(const char *text, struct cpuset *set)
{
	uint64_t any = 0;

	*set = (struct cpuset){{0}};
	for (;; text++) {
		unsigned first, last;
		bool in = *text != '^';

		if (!in)
			text++;
		if (!number(&text, &first))
			return "is not a list of CPUs below 256";
		last = first;
		if (in && *text == '-') {
			text++;
			if (!number(&text, &last) || last < first)
				return "is not a list of CPUs below 256";
		}
		set_range(set, first, last, in);
		if (*text != ',')
			break;
	}
	for (unsigned i = 0; i < CPUSET_CPUS / 64; i++)
		any |= set->word[i];
	if (*text)
		return "is not a list of CPUs below 256";
	return any ? NULL : "has no CPU";
}

void cpuset_format(const struct cpuset *set, unsigned cpus, char *text, size_t room)
{
	size_t used = 0;

	text[0] = 0;
	for (unsigned cpu = 0; cpu < cpus && used + 12 < room; cpu++) {
		unsigned first = cpu;
		const char *comma = used ? "," : "";

		if (!cpuset_has(set, cpu))
			continue;
		while (cpu + 1 < cpus && cpuset_has(set, cpu + 1))
			cpu++;
		if (cpu > first)
			used += (size_t)snprintf(text + used, room - used, "%s%u-%u", comma, first,
						 cpu);
		else
			used += (size_t)snprintf(text + used, room - used, "%s%u", comma, first);
	}
}

struct cpuset cpuset_all(void)
{
	return (struct cpuset){{~0ull, ~0ull, ~0ull, ~0ull}};
}

bool cpuset_equal(const struct cpuset *a, const struct cpuset *b)
{
	return !memcmp(a, b, sizeof(*a));
}
