/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest has no handles: whatever it calls and with whatever arguments, only
 * `version` succeeds, and nothing happens to anybody. */
#include <stdio.h>

#include "guests/lib/check.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

#define WILD 50000

static uint64_t argument(uint64_t *seed)
{
	static const uint64_t liked[] = {0,      1,        2,     3,       0xfff,
					 0x1000, 0x200000, ~0ull, 1 << 20, 0x100000000ull};
	uint64_t r = random_next(seed);

	switch (r & 3) {
	case 0:
		return r >> 2;
	case 1:
		return liked[(r >> 2) % (sizeof(liked) / sizeof(liked[0]))];
	default:
		return (r >> 2) % 64;
	}
}

static void check_version(void)
{
	uint64_t version = 0;
	int64_t status = sampo_version(&version);

	check(status == SAMPO_OK && version == SAMPO_ABI_VERSION, "version", "status %lld, %#llx",
	      (long long)status, (unsigned long long)version);
}

static void check_unknown(void)
{
	int64_t status = sampo_call(SAMPO_CALL_COUNT, 0, 0, 0, 0, 0, NULL);

	check(status == SAMPO_ENOSYS, "a call past the last", "status %lld", (long long)status);
	status = sampo_call(0xff, 1, 2, 3, 4, 5, NULL);
	check(status == SAMPO_ENOSYS, "a call far past the last", "status %lld", (long long)status);
}

/* Every call but `version`, with every small handle. `wait` is for domains
 * with an event page. */
static void check_no_handles(void)
{
	unsigned succeeded = 0;

	for (uint64_t call = SAMPO_CALL_wait; call < SAMPO_CALL_COUNT; call++)
		for (uint64_t handle = 0; handle < 256; handle++)
			succeeded += sampo_call(call, handle, 0, 0x1000, 8, 0, NULL) >= 0;
	check(!succeeded, "no handles", "%u calls succeeded", succeeded);
}

static void wild(uint64_t *seed)
{
	unsigned succeeded = 0;

	for (unsigned i = 0; i < WILD; i++) {
		uint64_t call = random_next(seed) % (SAMPO_CALL_COUNT + 4);
		int64_t status;

		if (call == SAMPO_CALL_version)
			continue;
		status = sampo_call(call, argument(seed), argument(seed), argument(seed),
				    argument(seed), argument(seed), NULL);
		succeeded += status >= 0;
	}
	check(!succeeded, "wild calls", "%u succeeded", succeeded);
}

/* KVM's calls are small numbers; -1000 is KVM_ENOSYS. */
static void check_kvm(void)
{
	int64_t status;

	__asm__ volatile(SAMPO_CALL_INSN
			 : "=a"(status)
			 : "0"(100), "b"(0), "c"(0), "d"(0), "S"(0)
			 : "memory", "cc");
	check(status < 0, "an unknown call of KVM's", "%lld", (long long)status);
}

/* Rings other than 0 have no calls: exit to ring 3 is more than this guest
 * wants, so only the registers are looked at: none but RAX and RDX change. */
static void check_registers(void)
{
	uint64_t bx = 0x1111, cx = 0x2222, bp = 0x3333, ok;

	__asm__ volatile("push %%rbp\n\t"
			 "mov %3, %%rbp\n\t"
			 "mov %1, %%rbx\n\t"
			 "mov %2, %%rcx\n\t" SAMPO_CALL_INSN "cmp %%rbp, %3\n\t"
			 "pop %%rbp\n\t"
			 "sete %%al\n\t"
			 "cmp %1, %%rbx\n\t"
			 "sete %%ah\n\t"
			 "and %%ah, %%al\n\t"
			 "cmp %2, %%rcx\n\t"
			 "sete %%ah\n\t"
			 "and %%ah, %%al\n\t"
			 "movzbl %%al, %%eax"
			 : "=a"(ok)
			 : "r"(bx), "r"(cx), "r"(bp), "0"(SAMPO_CALL_BASE)
			 : "rbx", "rcx", "rdx", "memory", "cc");
	check(ok == 1, "other registers are kept", "changed");
}

int main(void)
{
	uint64_t seed = option("seed", 1);

	faults_init();
	if (!sampo_present) {
		printf("not a guest of Sampo\n");
		guest_poweroff();
	}
	check_version();
	check_unknown();
	check_registers();
	check_no_handles();
	check_kvm();
	wild(&seed);
	check_version();
	check_end();
	guest_poweroff();
}
