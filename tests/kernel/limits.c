/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain with limits that makes domains and devices itself: all of it comes out of its own. Its
 * guest makes the calls whose arguments are put into its registers here.
 */
#include "tests/kernel/abi.h"

#define PAGES     128u /* for the kernel, of the creator */
#define MEMORY    (8ull << 20)
#define OWN       (16 * PAGE)
#define BYTES     32u /* the least that an object takes */
#define DEVICES   40u
#define REQUESTER 0x4200u

static struct guest creator;
static uint32_t its_machine; /* the creator's handle */

static int64_t call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	uint64_t *gpr = creator.exit->gpr;

	gpr[SAMPO_RAX] = SAMPO_CALL_BASE + number;
	gpr[SAMPO_RDI] = a;
	gpr[SAMPO_RSI] = b;
	gpr[SAMPO_RDX] = c;
	gpr[SAMPO_R10] = d;
	gpr[SAMPO_R8] = e;
	if (guest_answer(&creator, creator.exit->dirty) != SAMPO_EXIT_IO)
		must(SAMPO_EDEAD, "a call of the creator");
	creator.exit->dirty = SAMPO_DIRTY_ADVANCE;
	return (int64_t)gpr[SAMPO_RAX];
}

static uint32_t value(void)
{
	return (uint32_t)creator.exit->gpr[SAMPO_RDX];
}

static int64_t new_child(uint64_t pages, uint64_t memory)
{
	return call(SAMPO_CALL_domain_create, its_machine, 0, pages, 1024, memory);
}

static void close(uint32_t handle)
{
	must(call(SAMPO_CALL_handle_close, handle, 0, 0, 0, 0), "handle_close");
}

static struct sampo_domain_info info(void)
{
	static struct sampo_domain_info info;

	must(sampo_object_info(creator.domain, SAMPO_INFO_DOMAIN, &info, sizeof(info), 0, NULL),
	     "info");
	return info;
}

static void children(void)
{
	struct sampo_domain_info before = info(), now;
	uint32_t child, region;

	expect(new_child(PAGES, 0), SAMPO_ENOMEM, "limits: all kernel pages for a child");
	expect(new_child(32, MEMORY), SAMPO_ENOMEM, "limits: all memory for a child");
	expect(new_child(32, MEMORY / 2), SAMPO_OK, "limits: half of it");
	child = value();
	now = info();
	check(now.memory_bytes == before.memory_bytes + MEMORY / 2, "limits: the creator has less",
	      "%llu bytes are gone", (unsigned long long)(now.memory_bytes - before.memory_bytes));
	check(now.kernel_bytes >= before.kernel_bytes + 32 * PAGE, "limits: kernel memory, too",
	      "%llu bytes are gone", (unsigned long long)(now.kernel_bytes - before.kernel_bytes));
	expect(new_child(32, MEMORY / 2), SAMPO_ENOMEM, "limits: half of it for another child");
	expect(new_child(32, ~0ull), SAMPO_ENOMEM, "limits: a child without limits");
	expect(call(SAMPO_CALL_region_create, child, MEMORY / 2 + PAGE, 0, 0, 0), SAMPO_ENOMEM,
	       "limits: more than the child has");
	expect(call(SAMPO_CALL_region_create, child, 8 * PAGE, 0, 0, 0), SAMPO_OK,
	       "limits: memory of the child");
	region = value();
	check(info().memory_bytes == now.memory_bytes, "limits: which the child pays", "%llu bytes",
	      (unsigned long long)info().memory_bytes);
	expect(call(SAMPO_CALL_domain_ctl, child, SAMPO_DOMAIN_DESTROY, 0, 0, 0), SAMPO_OK,
	       "limits: the child's end");
	close(child);
	close(region);
	now = info();
	check(now.memory_bytes == before.memory_bytes && now.kernel_bytes == before.kernel_bytes,
	      "limits: the creator has all of it back", "%lld and %lld bytes are missing",
	      (long long)(now.memory_bytes - before.memory_bytes),
	      (long long)(now.kernel_bytes - before.kernel_bytes));
	expect(new_child(32, MEMORY - OWN - PAGE), SAMPO_OK, "limits: all that is left");
	close(value());
}

static void devices(void)
{
	static uint32_t device[PAGE / BYTES];
	uint64_t before, pages = PAGES;
	uint32_t child;
	unsigned n;

	/* With an IOMMU the domain has the I/O table from its first device on. */
	must(call(SAMPO_CALL_device_create, its_machine, REQUESTER, 0, 0, 0), "a device");
	close(value());
	before = info().kernel_bytes;
	for (n = 0; n < DEVICES; n++) {
		must(call(SAMPO_CALL_device_create, its_machine, REQUESTER + n, 0, 0, 0),
		     "a device");
		device[n] = value();
	}
	check(info().kernel_bytes >= before + DEVICES * BYTES, "limits: devices are charged",
	      "%llu bytes", (unsigned long long)(info().kernel_bytes - before));
	expect(call(SAMPO_CALL_device_create, its_machine, REQUESTER, 0, 0, 0), SAMPO_EEXIST,
	       "limits: a device twice");
	while (n-- > 0)
		close(device[n]);
	check(info().kernel_bytes == before, "limits: devices are given back", "%llu, were %llu",
	      (unsigned long long)info().kernel_bytes, (unsigned long long)before);
	while (new_child(pages, 0) == SAMPO_ENOMEM)
		pages--;
	child = value();
	for (n = 0; n < PAGE / BYTES; n++) {
		if (call(SAMPO_CALL_device_create, its_machine, REQUESTER + n, 0, 0, 0))
			break;
		device[n] = value();
	}
	check(n < PAGE / BYTES, "limits: devices have a quota", "%u of them", n);
	while (n-- > 0)
		close(device[n]);
	close(child);
}

void test_limits(void)
{
	struct machine_use before = machine_use(), after;

	must(guest_create_within(&creator, 0, PAGES, MEMORY, OWN), "making the creator");
	must(sampo_handle_copy(machine, creator.domain, SAMPO_R_CREATE, &its_machine),
	     "handle_copy");
	guest_load(&creator, call, CODE);
	guest_prepare(&creator);
	creator.ram[WORDS] = sampo_by_vmcall;
	/* Its page tables are there from now on. */
	must(call(SAMPO_CALL_version, 0, 0, 0, 0, 0), "version");
	children();
	devices();
	guest_remove(&creator);
	after = machine_use();
	check(after.domains == before.domains && after.handles == before.handles,
	      "limits: nothing is left", "%u domains, were %u; %u handles, were %u", after.domains,
	      before.domains, after.handles, before.handles);
}
