/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests: the lists, looking one up, and facts about one. */
#include <stdio.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/describe.h"
#include "guests/dom0/manage/documents.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/manage/tune.h"
#include "guests/dom0/rpc/client.h"
#include "guests/dom0/rpc/domains.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/late.h"
#include "guests/dom0/rpc/lists.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

#define XML_SECURE   1u /* virDomainXMLFlags */
#define XML_INACTIVE 2u

/* virDomainMetadataType; the third is an element of another program's. */
#define METADATA_DESCRIPTION 0
#define METADATA_TITLE       1

void put_domain(struct xdr_out *out, const struct vm *vm)
{
	xdr_put_text(out, vm->name);
	xdr_put_fixed(out, vm->config->uuid, sizeof(vm->config->uuid));
	xdr_put_i32(out, vm->id ? (int32_t)vm->id : -1);
}

static struct vm *find_uuid(const uint8_t uuid[16])
{
	struct vm *vm = vm_first();

	while (vm && memcmp(vm->config->uuid, uuid, 16) != 0)
		vm = vm_next(vm);
	return vm;
}

void call_no_domain(struct call *call, const uint8_t u[16], const char *name)
{
	call_fail(call, ERROR_NO_DOMAIN,
		  "Domain not found: no domain with matching uuid '%02x%02x%02x%02x-%02x%02x-"
		  "%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x'%s%s%s",
		  u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		  u[13], u[14], u[15], *name ? " (" : "", name, *name ? ")" : "");
}

/* The name and the number are the client's copies, which may be old. */
struct vm *call_domain(struct call *call)
{
	char name[256];
	uint8_t uuid[16];
	struct vm *vm;

	xdr_text(&call->in, name, sizeof(name));
	xdr_fixed(&call->in, uuid, sizeof(uuid));
	xdr_i32(&call->in);
	if (!call_read(call))
		return NULL;
	vm = find_uuid(uuid);
	if (!vm)
		call_no_domain(call, uuid, name);
	return vm;
}

/* --- lists --- */

/* virConnectListAllDomainsFlags: rows of options; a guest is in the list if each row that has an
 * option set has one set that is true of the guest. */
bool domain_is_listed(const struct vm *vm, uint32_t flags)
{
	bool active = vm->id, other = vm->run != VM_RUNNING && vm->run != VM_PAUSED;
	const struct {
		uint32_t flag;
		bool is;
	} of[][4] = {
		{{1, active}, {2, !active}},
		{{4, !vm->transient}, {8, vm->transient}},
		{{16, vm->run == VM_RUNNING},
		 {32, vm->run == VM_PAUSED},
		 {64, vm->run == VM_OFF},
		 {128, other && vm->run != VM_OFF}},
		{{256, false}, {512, true}},
		{{1024, vm->autostart}, {2048, !vm->autostart}},
		{{4096, false}, {8192, true}},
		{{16384, false}, {32768, true}},
	};

	for (size_t row = 0; row < sizeof(of) / sizeof(of[0]); row++) {
		bool any = false, is = false;

		for (unsigned i = 0; i < 4; i++) {
			any = any || flags & of[row][i].flag;
			is = is || (flags & of[row][i].flag && of[row][i].is);
		}
		if (any && !is)
			return false;
	}
	return true;
}

void list_domains(struct call *call)
{
	bool results = xdr_i32(&call->in);
	uint32_t flags = xdr_u32(&call->in);
	struct list list = list_begin(&call->out, results);

	for (const struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		if (domain_is_listed(vm, flags) && list_one(&list))
			put_domain(&call->out, vm);
	list_end(&list);
}

static uint32_t count(bool active)
{
	uint32_t n = 0;

	for (const struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		n += !vm->id != active;
	return n;
}

void list_active_count(struct call *call)
{
	xdr_put_u32(&call->out, count(true));
}

void list_inactive_count(struct call *call)
{
	xdr_put_u32(&call->out, count(false));
}

void list_active(struct call *call)
{
	int32_t most = xdr_i32(&call->in);
	struct list list = list_begin(&call->out, true);

	for (const struct vm *vm = vm_first(); vm && (int32_t)list.count < most; vm = vm_next(vm))
		if (vm->id && list_one(&list))
			xdr_put_u32(&call->out, vm->id);
	list_end_short(&list);
}

void list_inactive(struct call *call)
{
	int32_t most = xdr_i32(&call->in);
	struct list list = list_begin(&call->out, true);

	for (const struct vm *vm = vm_first(); vm && (int32_t)list.count < most; vm = vm_next(vm))
		if (!vm->id && list_one(&list))
			xdr_put_text(&call->out, vm->name);
	list_end_short(&list);
}

/* --- looking one up --- */

void lookup_name(struct call *call)
{
	char name[256];
	const struct vm *vm;

	xdr_text(&call->in, name, sizeof(name));
	if (!call_read(call))
		return;
	vm = vm_find_name(name);
	if (vm)
		put_domain(&call->out, vm);
	else
		call_fail(call, ERROR_NO_DOMAIN,
			  "Domain not found: no domain with matching name '%s'", name);
}

void lookup_uuid(struct call *call)
{
	uint8_t uuid[16];
	const struct vm *vm;

	xdr_fixed(&call->in, uuid, sizeof(uuid));
	vm = find_uuid(uuid);
	if (vm)
		put_domain(&call->out, vm);
	else
		call_no_domain(call, uuid, "");
}

void lookup_id(struct call *call)
{
	int32_t id = xdr_i32(&call->in);
	const struct vm *vm = vm_first();

	while (vm && (id <= 0 || vm->id != (uint32_t)id))
		vm = vm_next(vm);
	if (vm)
		put_domain(&call->out, vm);
	else
		call_fail(call, ERROR_NO_DOMAIN, "Domain not found: no domain with matching id %d",
			  id);
}

/* --- facts --- */

void domain_state(struct call *call)
{
	const struct vm *vm = call_domain(call);

	if (!vm)
		return;
	xdr_put_u32(&call->out, stats_state(vm));
	xdr_put_u32(&call->out, stats_reason(vm));
}

void domain_info(struct call *call)
{
	struct vm *vm = call_domain(call);
	struct sampo_domain_info info;

	if (!vm)
		return;
	vm_domain_info(vm, &info);
	xdr_put_u32(&call->out, stats_state(vm));
	xdr_put_u64(&call->out, vm->config->memory >> 10);
	xdr_put_u64(&call->out, vm->config->memory >> 10);
	xdr_put_u32(&call->out, vm->config->vcpus);
	xdr_put_u64(&call->out, info.cpu_ns);
}

void domain_xml(struct call *call)
{
	const struct vm *vm = call_domain(call);
	uint32_t flags = xdr_u32(&call->in);
	size_t begin;

	if (!vm)
		return;
	if (flags & XML_SECURE && call->client->read_only) {
		call_fail(call, ERROR_DENIED,
			  "operation virDomainGetXMLDesc with secure flag forbidden for read only "
			  "access");
		return;
	}
	begin = document_begin(&call->out);
	domain_document(vm, flags & XML_INACTIVE, flags & XML_SECURE, document_put, &call->out);
	document_end(&call->out, begin);
}

static void answer_number(struct call *call, const struct vm *vm, int32_t number)
{
	if (vm)
		xdr_put_i32(&call->out, number);
}

void domain_is_active(struct call *call)
{
	const struct vm *vm = call_domain(call);

	answer_number(call, vm, vm && vm->id);
}

void domain_is_persistent(struct call *call)
{
	const struct vm *vm = call_domain(call);

	answer_number(call, vm, vm && !vm->transient);
}

void domain_autostart(struct call *call)
{
	const struct vm *vm = call_domain(call);

	answer_number(call, vm, vm && vm->autostart);
}

/* No saved memory, no snapshot. */
void domain_no(struct call *call)
{
	answer_number(call, call_domain(call), 0);
}

void domain_empty_list(struct call *call)
{
	if (call_domain(call))
		answer_empty_list(call);
}

void domain_os_type(struct call *call)
{
	if (call_domain(call))
		xdr_put_text(&call->out, "hvm");
}

void domain_metadata(struct call *call)
{
	const struct vm *vm = call_domain(call);
	int32_t type = xdr_i32(&call->in);
	const char *text = "";
	char uri[256];
	uint32_t flags;

	xdr_maybe_text(&call->in, uri, sizeof(uri));
	flags = xdr_u32(&call->in);
	if (!vm || !call_read(call))
		return;
	if (type == METADATA_DESCRIPTION || type == METADATA_TITLE)
		text = describe_get(vm, type == METADATA_TITLE, flags & TUNE_CONFIG);
	if (*text)
		xdr_put_text(&call->out, text);
	else
		call_fail(call, ERROR_NO_METADATA,
			  "metadata not found: Requested metadata element is not present");
}

void domain_set_metadata(struct call *call)
{
	static char text[CONFIG_DESCRIPTION + 1];
	struct vm *vm = call_domain(call);
	int32_t type = xdr_i32(&call->in);
	char key[256], uri[256];
	uint32_t flags;

	xdr_maybe_text(&call->in, text, sizeof(text));
	xdr_maybe_text(&call->in, key, sizeof(key));
	xdr_maybe_text(&call->in, uri, sizeof(uri));
	flags = xdr_u32(&call->in);
	if (!vm || !call_read(call))
		return;
	if (type != METADATA_DESCRIPTION && type != METADATA_TITLE)
		call_fail(call, ERROR_UNSUPPORTED,
			  "Operation not supported: a change of one element of a domain's metadata "
			  "(define it with another <metadata>)");
	else if (!call_refused(call, describe_set(vm, type == METADATA_TITLE, text, flags)))
		call_keep(call, vm);
}

/* dom0 answers at once or not at all. */
void domain_control(struct call *call)
{
	const struct vm *vm = call_domain(call);

	if (vm && !vm->id)
		call_fail(call, ERROR_INVALID,
			  "Requested operation is not valid: domain is not running");
	if (!vm)
		return;
	xdr_put_u32(&call->out, 0);
	xdr_put_u32(&call->out, 0);
	xdr_put_u64(&call->out, 0);
}

/* No job takes long enough to be looked at: its type is 0, none. */
void domain_job(struct call *call)
{
	if (!call_domain(call))
		return;
	xdr_put_i32(&call->out, 0);
	for (unsigned i = 0; i < 11; i++)
		xdr_put_u64(&call->out, 0);
}

void domain_job_stats(struct call *call)
{
	if (call_domain(call))
		answer_empty_list(call);
}
