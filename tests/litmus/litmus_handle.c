/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: kernel/object/handle.c tests/host/cpu.c tests/unit/panic_stub.c */
/* flags: -fno-pie -no-pie -Wl,--unresolved-symbols=ignore-all */
/* handle_find without a lock: no object is seen with the rights of the one that had its place
 * before or will have it. */
#include "tests/litmus/litmus.h"

#include "kernel/abi.h"
#include "kernel/object/domain.h"

struct cpu *cpu_table[CPUS];
uint32_t cpu_count;

static struct domain domain;
static struct object weak = {.type = SAMPO_T_EVENT, .refs = 1},
		     strong = {.type = SAMPO_T_REGION, .refs = 1};
static uint64_t table_page[512] __attribute__((aligned(4096)));

void *domain_page_alloc(struct domain *owner)
{
	(void)owner;
	return table_page;
}

static void *find(void *arg)
{
	host_cpu = arg;
	while (litmus_goes_on()) {
		uint32_t rights = 0;
		int64_t status;
		struct object *found = handle_find(&domain, 1, SAMPO_T_ANY, &rights, &status);

		if (found)
			expect(rights == (found == &weak ? SAMPO_R_READ : SAMPO_R_ALL),
			       "an object with the rights of another one");
		else
			expect(status == SAMPO_EHANDLE, "no such handle");
	}
	return NULL;
}

static void *open_and_close(void *arg)
{
	host_cpu = arg;
	for (; litmus_goes_on(); rounds++) {
		expect(handle_add(&domain, &weak, SAMPO_R_READ) == 1, "the first");
		handle_remove(&domain, 1);
		expect(handle_add(&domain, &strong, SAMPO_R_ALL) == 1, "the first again");
		handle_remove(&domain, 1);
	}
	return NULL;
}

int main(void)
{
	litmus_run("litmus_handle", find, open_and_close);
	litmus_done();
	return 0;
}
