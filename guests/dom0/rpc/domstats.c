/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All counters of many guests. A thousand guests take milliseconds, so that the answer is collected
 * in pieces: a job has the UUIDs of its guests, and each piece goes on with the next ones. Jobs are
 * worked on one after the other, because each has an answer of up to some MiB in memory; a client
 * that waits for one is not read meanwhile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/domains.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/lists.h"
#include "guests/dom0/vm/vm.h"

#define STATS_ENFORCE  (1u << 31) /* unknown groups are an error */
#define STATS_BY_STATE 0xffu      /* the flags that choose guests, as in the list of domains */
#define UUID_BYTES     16u
#define PIECE_NS       300000u

struct job {
	struct job *next;
	struct late_call late;
	bool named; /* the client has named the guests: each must be there */
	uint32_t groups, count, at;
	uint8_t uuid[][UUID_BYTES];
};

static struct job *first, **last = &first;
static bool begun;         /* the first job has */
static struct xdr_out out; /* its answer */
static struct list list;
static void go_on(struct work *work);
static struct work pieces = {.run = go_on};

/* --- one guest --- */

static struct list facts; /* stats_each has no context */

/* libvirt's types of the numbers, by their names' ends. */
static enum xdr_type type_of(const char *name)
{
#define END(text, type)                      \
	{                                    \
		text, sizeof(text) - 1, type \
	}
	static const struct {
		const char *end;
		size_t n;
		enum xdr_type type;
	} known[] = {
		END(".state", XDR_INT),        END(".reason", XDR_INT),
		END("vcpu.current", XDR_UINT), END(".count", XDR_UINT),
		END("vcpu.maximum", XDR_UINT),
	};
#undef END
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (n >= known[i].n && !memcmp(name + n - known[i].n, known[i].end, known[i].n))
			return known[i].type;
	return XDR_ULLONG;
}

static void put_fact(const struct stats_fact *fact)
{
	list_one(&facts);
	if (fact->text)
		xdr_put_field_text(facts.out, fact->name, fact->text);
	else
		xdr_put_number(facts.out, fact->name, type_of(fact->name), fact->number);
}

static void put_counters(struct vm *vm, uint32_t groups)
{
	list_one(&list);
	put_domain(&out, vm);
	facts = list_begin(&out, true);
	stats_each(vm, groups ? groups : STATS_SUPPORTED, put_fact);
	list_end_short(&facts);
}

/* --- jobs --- */

static bool is_guest(const struct vm *vm, const uint8_t uuid[UUID_BYTES])
{
	return vm && !memcmp(vm->config->uuid, uuid, UUID_BYTES);
}

static struct vm *find_guest(const uint8_t uuid[UUID_BYTES])
{
	struct vm *vm = vm_first();

	while (vm && !is_guest(vm, uuid))
		vm = vm_next(vm);
	return vm;
}

/* The first job has been collected, or a guest that it needs is gone. */
static void end_first(const uint8_t *missing)
{
	struct job *job = first;
	struct call *call = late_resume(&job->late);

	first = job->next;
	if (!first)
		last = &first;
	list_end_short(&list);
	if (call) {
		free(call->out.bytes);
		call->out = out;
		if (missing)
			call_no_domain(call, missing, "");
		call->client->collects = false;
		client_wake(call->client);
		late_answer(call);
	} else {
		free(out.bytes);
	}
	begun = false;
	free(job);
}

/* Mostly the next guest is the one behind the last: only the first of a piece is looked for among
 * all. */
static void go_on(struct work *work)
{
	uint64_t start = clock_ns();
	const uint8_t *missing = NULL;
	struct vm *vm = NULL;
	struct job *job = first;

	if (!begun) {
		begun = true;
		out = answer_begin();
		list = list_begin(&out, true);
	}
	while (job->at < job->count && !missing && !out.failed && clock_ns() - start < PIECE_NS) {
		const uint8_t *uuid = job->uuid[job->at++];

		vm = vm ? vm_next(vm) : NULL;
		if (!is_guest(vm, uuid))
			vm = find_guest(uuid);
		if (vm)
			put_counters(vm, job->groups);
		else if (job->named)
			missing = uuid;
	}
	if (missing || out.failed || job->at == job->count)
		end_first(missing);
	if (first)
		work_queue(work);
}

/* --- the call --- */

static uint32_t guests(void)
{
	uint32_t n = 0;

	for (const struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		n++;
	return n;
}

/* The guests that the client names, no more than there are. */
static void read_names(struct call *call, struct job *job, uint32_t count)
{
	char name[256];

	job->named = count;
	for (uint32_t i = 0; i < count && call_read(call); i++) {
		xdr_text(&call->in, name, sizeof(name));
		xdr_fixed(&call->in, job->uuid[job->count++], UUID_BYTES);
		xdr_i32(&call->in);
	}
}

/* Those that the flags choose. */
static void choose(struct job *job, uint32_t flags)
{
	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		if (domain_is_listed(vm, flags & STATS_BY_STATE))
			memcpy(job->uuid[job->count++], vm->config->uuid, UUID_BYTES);
}

static void read_job(struct call *call, struct job *job, uint32_t count)
{
	uint32_t flags;

	read_names(call, job, count);
	job->groups = xdr_u32(&call->in);
	flags = xdr_u32(&call->in);
	if (flags & STATS_ENFORCE && job->groups & ~STATS_SUPPORTED)
		call_fail(call, ERROR_INVALID_ARG,
			  "argument unsupported: Stats types bits 0x%x are not supported by this "
			  "daemon",
			  job->groups & ~STATS_SUPPORTED);
	if (call_read(call) && !job->named)
		choose(job, flags);
}

void domstats(struct call *call)
{
	uint32_t count = xdr_u32(&call->in), most = guests();
	struct job *job;

	if (count > most)
		call->in.bad = true;
	if (!call_read(call))
		return;
	job = calloc(1, sizeof(*job) + (size_t)most * UUID_BYTES);
	if (!job) {
		call_fail(call, ERROR_NO_MEMORY, "dom0 is out of memory");
		return;
	}
	read_job(call, job, count);
	if (!call_read(call)) {
		free(job);
		return;
	}
	job->late = call_later(call);
	call->client->collects = true;
	*last = job;
	last = &job->next;
	work_queue(&pieces);
}
