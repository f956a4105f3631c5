/* SPDX-License-Identifier: BSD-2-Clause */
/* The connection itself, and facts about the machine. */
#include <stddef.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/net/lwip.h"
#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/lib/guest.h"

#define AUTH_NONE 0u

#define OPEN_READ_ONLY 1u

/* virDrvFeature */
#define FEATURE_TYPED_TEXT 9  /* typed parameters may be texts */
#define FEATURE_KEEPALIVE  10 /* pings are answered */
#define FEATURE_MIGRATION  13 /* with named parameters: so a refusal has a text of Sampo's */
#define FEATURE_CALLBACKS  14 /* events carry the number of their callback */

void auth_list(struct call *call)
{
	xdr_put_u32(&call->out, 1);
	xdr_put_u32(&call->out, AUTH_NONE);
}

/* Clients send whatever stands before the host's name in their URI. */
void connect_open(struct call *call)
{
	char name[256];
	uint32_t flags;

	xdr_maybe_text(&call->in, name, sizeof(name));
	flags = xdr_u32(&call->in);
	if (call->client->open)
		call_fail(call, ERROR_INTERNAL, "internal error: connection already open");
	else if (call_read(call))
		client_opened(call->client, flags & OPEN_READ_ONLY);
}

void connect_close(struct call *call)
{
	client_closed(call->client);
}

/* With the answer "no" for the callback of a lost hypervisor clients spare two calls. */
void connect_feature(struct call *call)
{
	int32_t feature = xdr_i32(&call->in);

	switch (feature) {
	case FEATURE_TYPED_TEXT:
	case FEATURE_KEEPALIVE:
	case FEATURE_MIGRATION:
	case FEATURE_CALLBACKS:
		xdr_put_i32(&call->out, 1);
		break;
	default:
		xdr_put_i32(&call->out, 0);
	}
}

/* Encrypted and secure are one here. */
void connect_secure(struct call *call)
{
	xdr_put_i32(&call->out, call->client->wire->secure);
}

void connect_type(struct call *call)
{
	xdr_put_text(&call->out, "Sampo");
}

void connect_version(struct call *call)
{
	xdr_put_u64(&call->out, host_version());
}

void connect_hostname(struct call *call)
{
	xdr_put_text(&call->out, stack_name());
}

void connect_uri(struct call *call)
{
	xdr_put_text(&call->out, HOST_URI);
}

void connect_max_vcpus(struct call *call)
{
	xdr_put_i32(&call->out, CONFIG_VCPUS);
}

void answer_no(struct call *call)
{
	xdr_put_i32(&call->out, 0);
}

void answer_empty_list(struct call *call)
{
	xdr_put_u32(&call->out, 0);
	xdr_put_u32(&call->out, 0);
}

static bool facts_of(struct call *call, struct host_facts *facts)
{
	if (host_facts(facts))
		return true;
	call_fail(call, ERROR_INTERNAL, "internal error: the kernel does not tell of the machine");
	return false;
}

/* The model is an array of 32 characters, which take a word each. */
void node_info(struct call *call)
{
	static const char model[32] = "x86_64";
	struct host_facts facts;

	if (!facts_of(call, &facts))
		return;
	for (unsigned i = 0; i < sizeof(model); i++)
		xdr_put_u32(&call->out, (uint8_t)model[i]);
	xdr_put_u64(&call->out, facts.memory >> 10);
	xdr_put_u32(&call->out, facts.cpus);
	xdr_put_u32(&call->out, (uint32_t)facts.mhz);
	xdr_put_u32(&call->out, 1); /* cells, sockets, cores of one, threads of one */
	xdr_put_u32(&call->out, 1);
	xdr_put_u32(&call->out, facts.cpus);
	xdr_put_u32(&call->out, 1);
}

static void document(struct call *call, void (*make)(host_put *put, void *context))
{
	size_t begin = document_begin(&call->out);

	make(document_put, &call->out);
	document_end(&call->out, begin);
}

void node_capabilities(struct call *call)
{
	document(call, host_capabilities);
}

/* All types of domains are one kind of machine; clients look for the one that they have asked for.
 */
void node_domain_capabilities(struct call *call)
{
	const char *const *type = config_domain_types;
	char wanted[256];
	size_t begin;

	for (unsigned i = 0; i < 3; i++) /* emulator, architecture, machine */
		xdr_maybe_text(&call->in, wanted, sizeof(wanted));
	xdr_maybe_text(&call->in, wanted, sizeof(wanted));
	if (!call_read(call))
		return;
	while (*type && *wanted && strcmp(*type, wanted) != 0)
		type++;
	if (!*type) {
		call_fail(call, ERROR_INVALID_ARG, "invalid argument: unknown virttype: %s",
			  wanted);
		return;
	}
	begin = document_begin(&call->out);
	host_domain_capabilities(*type, document_put, &call->out);
	document_end(&call->out, begin);
}

void node_sysinfo(struct call *call)
{
	document(call, host_sysinfo);
}

void node_free_memory(struct call *call)
{
	struct host_facts facts;

	if (facts_of(call, &facts))
		xdr_put_u64(&call->out, facts.free);
}

void node_cells_free_memory(struct call *call)
{
	int32_t first = xdr_i32(&call->in), most = xdr_i32(&call->in);
	struct host_facts facts;
	bool any = first <= 0 && most > 0;

	if (!facts_of(call, &facts))
		return;
	xdr_put_u32(&call->out, any);
	if (any)
		xdr_put_u64(&call->out, facts.free);
}

static void put_figure(struct xdr_out *out, const char *field, uint64_t value)
{
	xdr_put_text(out, field);
	xdr_put_u64(out, value);
}

/* The machine's CPUs together, since its start; in two steps: first the number of figures. The
 * kernel does not count by CPU. */
void node_cpu_stats(struct call *call)
{
	int32_t cpu = xdr_i32(&call->in), room = xdr_i32(&call->in);
	struct host_facts facts;
	uint64_t all;

	if (!call_read(call) || !facts_of(call, &facts))
		return;
	if (cpu >= 0) {
		call_fail(call, ERROR_UNSUPPORTED,
			  "Operation not supported: times by physical CPU");
		return;
	}
	all = clock_ns() * facts.cpus;
	xdr_put_u32(&call->out, room ? 2 : 0);
	if (room) {
		put_figure(&call->out, "user", all > facts.idle_ns ? all - facts.idle_ns : 0);
		put_figure(&call->out, "idle", facts.idle_ns);
	}
	xdr_put_i32(&call->out, 2);
}

static void put_kib(struct xdr_out *out, const char *field, uint64_t bytes)
{
	put_figure(out, field, bytes >> 10);
}

/* In two steps: first the number of figures, then they themselves. */
void node_memory_stats(struct call *call)
{
	int32_t room = xdr_i32(&call->in);
	struct host_facts facts;

	if (!facts_of(call, &facts))
		return;
	xdr_put_u32(&call->out, room ? 2 : 0);
	if (room) {
		put_kib(&call->out, "total", facts.memory);
		put_kib(&call->out, "free", facts.free);
	}
	xdr_put_i32(&call->out, 2);
}

/* All CPUs run. */
void node_cpu_map(struct call *call)
{
	bool map = xdr_i32(&call->in), online = xdr_i32(&call->in);
	uint8_t bits[CPUSET_CPUS / 8] = {0};
	unsigned cpus = host_cpus();

	for (unsigned i = 0; i < cpus; i++)
		bits[i / 8] |= (uint8_t)(1u << i % 8);
	xdr_put_bytes(&call->out, bits, map ? (cpus + 7) / 8 : 0);
	xdr_put_u32(&call->out, online ? cpus : 0);
	xdr_put_i32(&call->out, (int32_t)cpus);
}
