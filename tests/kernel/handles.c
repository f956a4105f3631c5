/* SPDX-License-Identifier: BSD-2-Clause */
/* Handles: every call with none, with another type's, with too few rights. */
#include <stdio.h>

#include "tests/kernel/abi.h"

static const struct {
	const char *name;
	uint32_t type, right;
} calls[] = {
#define ENTRY(nr, name, type, right, args) {#name, type, right},
	SAMPO_HYPERCALLS(ENTRY)
#undef ENTRY
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static uint32_t handle_of[8]; /* by type */
static char name[96];

static int64_t call(unsigned number, uint32_t handle)
{
	return sampo_call(number, handle, ~0ull, ~0ull, ~0ull, ~0ull, NULL);
}

static const char *title(unsigned number, const char *what)
{
	snprintf(name, sizeof(name), "handles: %s: %s", calls[number].name, what);
	return name;
}

static void no_handle(unsigned number, uint32_t closed)
{
	const uint32_t none[] = {0, closed, 100000, ~0u};

	for (unsigned i = 0; i < 4; i++)
		if (call(number, none[i]) != SAMPO_EHANDLE)
			check(false, title(number, "none"), "handle %u is taken for one", none[i]);
	check(sampo_call(number, 1ull << 32 | machine, 0, 0, 0, 0, NULL) == SAMPO_EHANDLE,
	      title(number, "none"), "the high half does not count");
}

static void wrong_type(unsigned number)
{
	if (calls[number].type == SAMPO_T_ANY)
		return;
	for (uint32_t type = SAMPO_T_MACHINE; type <= SAMPO_T_DEVICE; type++)
		if (type != calls[number].type && handle_of[type] &&
		    call(number, handle_of[type]) != SAMPO_EHANDLE)
			check(false, title(number, "type"), "an object of type %u will do", type);
	check(true, title(number, "type"), "-");
}

static void too_few_rights(unsigned number)
{
	uint32_t type = calls[number].type == SAMPO_T_ANY ? SAMPO_T_DOMAIN : calls[number].type;
	uint32_t copy;

	if (!calls[number].right || !handle_of[type])
		return;
	must(sampo_handle_copy(handle_of[type], 0, SAMPO_R_ALL & ~calls[number].right, &copy),
	     "handle_copy");
	expect(call(number, copy), SAMPO_ERIGHT, title(number, "right"));
	must(sampo_handle_close(copy), "handle_close");
}

static void reduced(void)
{
	uint32_t type[2], copy, again, event = handle_of[SAMPO_T_EVENT];

	must(sampo_handle_copy(event, 0, SAMPO_R_READ | SAMPO_R_GRANT, &copy), "handle_copy");
	must(sampo_object_info(copy, SAMPO_INFO_TYPE, type, sizeof(type), 0, NULL), "info");
	check(type[0] == SAMPO_T_EVENT && type[1] == (SAMPO_R_READ | SAMPO_R_GRANT),
	      "handles: a copy's rights", "type %u, rights %x", type[0], type[1]);
	expect(sampo_event_raise(copy), SAMPO_ERIGHT, "handles: a copy without RAISE");
	expect(sampo_handle_copy(copy, 0, SAMPO_R_RAISE, &again), SAMPO_ERIGHT,
	       "handles: rights do not grow");
	expect(sampo_handle_copy(copy, 0, SAMPO_R_READ, &again), SAMPO_OK,
	       "handles: a second copy");
	expect(sampo_handle_close(copy), SAMPO_OK, "handles: close");
	expect(sampo_handle_close(copy), SAMPO_EHANDLE, "handles: close twice");
	expect(sampo_object_info(again, SAMPO_INFO_TYPE, type, sizeof(type), 0, NULL), SAMPO_OK,
	       "handles: the copy of a closed one");
	expect(sampo_handle_copy(again, 0, 0, &copy), SAMPO_ERIGHT, "handles: without GRANT");
	must(sampo_handle_close(again), "handle_close");
	expect(sampo_handle_copy(event, event, 0, &copy), SAMPO_EHANDLE,
	       "handles: into what is no domain");
}

/* As many as a monitor of 1,000 guests has; they go with the domain. */
static void many(void)
{
	int64_t status = SAMPO_OK;
	uint32_t copy = 0;
	unsigned n = 0;

	while (n < 12000 && !status) {
		status = sampo_handle_copy(handle_of[SAMPO_T_EVENT], handle_of[SAMPO_T_DOMAIN],
					   SAMPO_R_READ, &copy);
		n += !status;
	}
	check(n == 12000, "handles: 12,000 of one domain", "%u, then status %lld", n,
	      (long long)status);
}

void test_handles(void)
{
	uint32_t closed;

	handle_of[SAMPO_T_MACHINE] = machine;
	must(sampo_device_create(machine, 0, 0, 0, &handle_of[SAMPO_T_DEVICE]), "device");
	must(sampo_domain_create(machine, 0, 64, 1024, &handle_of[SAMPO_T_DOMAIN]), "domain");
	must(sampo_region_create(handle_of[SAMPO_T_DOMAIN], PAGE, 0, &handle_of[SAMPO_T_REGION]),
	     "region");
	must(sampo_event_create(self, SAMPO_EVENT_BIT, EVENT_FREE, 0, &handle_of[SAMPO_T_EVENT]),
	     "event");
	must(sampo_vcpu_create(handle_of[SAMPO_T_DOMAIN], 0, handle_of[SAMPO_T_EVENT],
			       &handle_of[SAMPO_T_VCPU]),
	     "vcpu");
	must(sampo_handle_copy(self, 0, 0, &closed), "copy");
	must(sampo_handle_close(closed), "close");
	for (unsigned i = 0; i < CALLS; i++) {
		if (calls[i].type == SAMPO_T_NONE)
			continue;
		no_handle(i, closed);
		wrong_type(i);
		too_few_rights(i);
	}
	reduced();
	many();
	sampo_domain_ctl(handle_of[SAMPO_T_DOMAIN], SAMPO_DOMAIN_DESTROY, 0);
	for (uint32_t type = SAMPO_T_DOMAIN; type <= SAMPO_T_DEVICE; type++)
		must(sampo_handle_close(handle_of[type]), "close");
}
