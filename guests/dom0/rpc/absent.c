/* SPDX-License-Identifier: BSD-2-Clause */
/* What guests and the machine never have here, with libvirt's answers for that: snapshots, jobs,
 * leases, models of CPUs. */
#include <string.h>

#include "guests/dom0/manage/host.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/snippet.h"

#define XML_MOST  (64u << 10)
#define CPUS_MOST 64u

#define CPU_INCOMPATIBLE 0 /* virCPUCompareResult */
#define CPU_IDENTICAL    1

/* A guest and a snapshot's name, in either order of the two forms that calls have. */
static void no_snapshot(struct call *call, const char *name)
{
	if (call_read(call))
		call_fail(call, ERROR_NO_SNAPSHOT,
			  "Domain snapshot not found: no domain snapshot with matching name '%s'",
			  name);
}

void snapshots_by_name(struct call *call)
{
	char name[256];

	if (!call_domain(call))
		return;
	xdr_text(&call->in, name, sizeof(name));
	no_snapshot(call, name);
}

void snapshots_of(struct call *call)
{
	char name[256];

	xdr_text(&call->in, name, sizeof(name));
	if (call_read(call) && call_domain(call))
		no_snapshot(call, name);
}

void snapshots_current(struct call *call)
{
	if (call_domain(call))
		call_fail(call, ERROR_NO_SNAPSHOT,
			  "Domain snapshot not found: the domain does not have a current snapshot");
}

void jobs_abort(struct call *call)
{
	if (call_domain(call))
		call_fail(call, ERROR_INVALID,
			  "Requested operation is not valid: no job is active on the domain");
}

void connect_callback(struct call *call)
{
	(void)call; /* the hypervisor is never lost while the connection is there */
}

/* Is the description one of a CPU of this kind, without a model or features? Returns false after
 * call_fail. */
static bool read_cpu(struct call *call, const void *xml, size_t bytes, bool *same)
{
	enum { ARCH, MODEL, FEATURE, HOST_ARCH, HOST_MODEL, HOST_FEATURE, ELEMENTS };
	struct snippet element[ELEMENTS] = {
		[ARCH] = {.path = "cpu/arch"},
		[MODEL] = {.path = "cpu/model"},
		[FEATURE] = {.path = "cpu/feature"},
		[HOST_ARCH] = {.path = "capabilities/host/cpu/arch"},
		[HOST_MODEL] = {.path = "capabilities/host/cpu/model"},
		[HOST_FEATURE] = {.path = "capabilities/host/cpu/feature"},
	};
	const char *arch;

	if (call_refused(call, snippet_read(xml, bytes, element, ELEMENTS)))
		return false;
	if (element[MODEL].found || element[FEATURE].found || element[HOST_MODEL].found ||
	    element[HOST_FEATURE].found) {
		call_fail(call, ERROR_UNSUPPORTED,
			  "Operation not supported: models and features of CPUs: a domain's CPU is "
			  "the machine's (host-passthrough)");
		return false;
	}
	arch = element[ARCH].found ? element[ARCH].text : element[HOST_ARCH].text;
	*same = !*arch || !strcmp(arch, "x86_64");
	return true;
}

void cpus_compare(struct call *call)
{
	size_t bytes;
	const uint8_t *xml = xdr_bytes(&call->in, XML_MOST, &bytes);
	bool same;

	if (call_read(call) && read_cpu(call, xml, bytes, &same))
		xdr_put_i32(&call->out, same ? CPU_IDENTICAL : CPU_INCOMPATIBLE);
}

void cpus_baseline(struct call *call)
{
	uint32_t count = xdr_u32(&call->in);
	bool same = count && count <= CPUS_MOST;

	for (uint32_t i = 0; i < count && same; i++) {
		size_t bytes;
		const uint8_t *xml = xdr_bytes(&call->in, XML_MOST, &bytes);

		if (!call_read(call) || !read_cpu(call, xml, bytes, &same))
			return;
	}
	if (same)
		xdr_put_text(&call->out, "<cpu>\n  <arch>x86_64</arch>\n</cpu>\n");
	else
		call_fail(call, ERROR_INVALID_ARG,
			  "invalid argument: from 1 to %u CPUs of the architecture x86_64",
			  CPUS_MOST);
}
