/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests' virtual CPUs, memory and shares of the machine. */
#include "guests/dom0/manage/tune.h"

#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/manage/stats.h"
#include "guests/dom0/rpc/handlers.h"
#include "guests/dom0/rpc/late.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

#define FLAG_MAXIMUM 4u /* beside TUNE_LIVE and TUNE_CONFIG */
#define MAP_MOST     2048u

#define PARAMETERS_MOST 16u /* libvirt's bound */

/* A change of a guest's description that was refused for that reason, or is made (NULL). */
static void change(struct call *call, struct vm *vm, const char *why)
{
	if (!call_refused(call, why))
		call_keep(call, vm);
}

/* --- virtual CPUs --- */

/* A bit for each CPU, the first in the first byte, in so many bytes. */
static void put_map(struct xdr_out *out, const struct cpuset *set, uint32_t bytes)
{
	unsigned cpus = host_cpus();

	for (uint32_t at = 0; at < bytes; at++) {
		uint8_t bits = 0;

		for (unsigned bit = 0; bit < 8 && at * 8 + bit < cpus; bit++)
			if (cpuset_has(set, at * 8 + bit))
				bits |= (uint8_t)(1u << bit);
		xdr_put_fixed(out, &bits, 1);
	}
}

/* Puts the maps of the first virtual CPUs. */
static void put_maps(struct xdr_out *out, const struct vm *vm, uint32_t vcpus, uint32_t bytes)
{
	size_t begin = document_begin(out);

	for (uint32_t i = 0; i < vcpus; i++)
		put_map(out, &vm->config->affinity[i], bytes);
	document_end(out, begin);
}

static void put_vcpu(struct xdr_out *out, struct vm *vm, uint32_t number)
{
	struct sampo_vcpu_info info;

	vm_vcpu_info(vm, number, &info);
	xdr_put_u32(out, number);
	xdr_put_u32(out, stats_vcpu_state(&info));
	xdr_put_u64(out, info.cpu_ns);
	xdr_put_u32(out, info.cpu);
}

/* How many of a guest's virtual CPUs the client has room for; 0 after call_fail if its maps are too
 * long. */
static uint32_t room_for(struct call *call, const struct vm *vm, int32_t most, int32_t map)
{
	if (most < 0 || map < 0 || (uint32_t)map > MAP_MOST) {
		call_fail(call, ERROR_INVALID_ARG, "invalid argument: maps of %d bytes", map);
		return 0;
	}
	return (uint32_t)most < vm->config->vcpus ? (uint32_t)most : vm->config->vcpus;
}

void tune_vcpu_info(struct call *call)
{
	struct vm *vm = call_domain(call);
	int32_t most = xdr_i32(&call->in), map = xdr_i32(&call->in);
	uint32_t n;

	if (!vm || !call_read(call))
		return;
	if (!vm->id) {
		call_fail(call, ERROR_INVALID, "%s", tune_not_running);
		return;
	}
	n = room_for(call, vm, most, map);
	xdr_put_u32(&call->out, n);
	for (uint32_t i = 0; i < n; i++)
		put_vcpu(&call->out, vm, i);
	put_maps(&call->out, vm, n, (uint32_t)map);
}

void tune_pins(struct call *call)
{
	struct vm *vm = call_domain(call);
	int32_t most = xdr_i32(&call->in), map = xdr_i32(&call->in);
	uint32_t n;

	if (!vm || !call_read(call))
		return;
	n = room_for(call, vm, most, map);
	put_maps(&call->out, vm, n, (uint32_t)map);
	xdr_put_i32(&call->out, (int32_t)n);
}

void tune_pin(struct call *call)
{
	struct vm *vm = call_domain(call);
	uint32_t vcpu = xdr_u32(&call->in);
	struct cpuset set = {{0}}, none = {{0}};
	const uint8_t *map;
	const char *why;
	size_t bytes;

	map = xdr_bytes(&call->in, MAP_MOST, &bytes);
	if (!vm || !call_read(call))
		return;
	for (unsigned i = 0; i < bytes * 8 && i < host_cpus(); i++)
		if (map[i / 8] >> i % 8 & 1)
			set.word[i / 64] |= 1ull << i % 64;
	why = vcpu < vm->config->vcpus ? NULL : "requested vcpu is not present in the domain";
	if (!why && cpuset_equal(&set, &none))
		why = "the list has no CPU of the machine";
	if (!why)
		why = vm_pin(vm, vcpu, &set);
	if (why)
		call_fail(call, ERROR_INVALID_ARG, "invalid argument: %s", why);
	call_keep(call, vm);
}

void tune_max_vcpus(struct call *call)
{
	const struct vm *vm = call_domain(call);

	if (vm)
		xdr_put_u32(&call->out, vm->config->vcpus);
}

/* A guest has all of its virtual CPUs from its start, so all figures are equal. */
void tune_vcpus(struct call *call)
{
	const struct vm *vm = call_domain(call);
	uint32_t flags = xdr_u32(&call->in);

	if (vm && flags & TUNE_LIVE && !vm->id)
		call_fail(call, ERROR_INVALID, "%s", tune_not_running);
	else if (vm)
		xdr_put_u32(&call->out, vm->config->vcpus);
}

static void set_vcpus(struct call *call, bool has_flags)
{
	struct vm *vm = call_domain(call);
	uint32_t n = xdr_u32(&call->in), flags = has_flags ? xdr_u32(&call->in) : TUNE_LIVE;

	if (vm && call_read(call))
		change(call, vm, manage_vcpus(vm, n, flags & FLAG_MAXIMUM, flags));
}

void tune_set_vcpus(struct call *call)
{
	set_vcpus(call, false);
}

void tune_set_vcpus_flags(struct call *call)
{
	set_vcpus(call, true);
}

/* --- memory, in KiB --- */

void tune_max_memory(struct call *call)
{
	const struct vm *vm = call_domain(call);

	if (vm)
		xdr_put_u64(&call->out, vm->config->memory >> 10);
}

static void set_memory(struct call *call, struct vm *vm, uint64_t kib, bool maximum, uint32_t flags)
{
	if (!vm || !call_read(call))
		return;
	if (kib > CONFIG_MEMORY_MAX >> 10)
		kib = (CONFIG_MEMORY_MAX >> 10) + 1; /* the refusal is the same */
	change(call, vm, manage_memory(vm, kib << 10, maximum, flags));
}

void tune_set_max_memory(struct call *call)
{
	struct vm *vm = call_domain(call);

	set_memory(call, vm, xdr_u64(&call->in), true, TUNE_CURRENT);
}

void tune_set_memory(struct call *call)
{
	struct vm *vm = call_domain(call);

	set_memory(call, vm, xdr_u64(&call->in), false, TUNE_LIVE);
}

void tune_set_memory_flags(struct call *call)
{
	struct vm *vm = call_domain(call);
	uint64_t kib = xdr_u64(&call->in);
	uint32_t flags = xdr_u32(&call->in);

	set_memory(call, vm, kib, flags & FLAG_MAXIMUM, flags);
}

/* --- shares --- */

void tune_scheduler(struct call *call)
{
	if (!call_domain(call))
		return;
	xdr_put_text(&call->out, "posix");
	xdr_put_i32(&call->out, TUNE_PARAMETERS);
}

void tune_parameters(struct call *call)
{
	const struct vm *vm = call_domain(call);
	int32_t most = xdr_i32(&call->in);
	uint32_t n = most < 0 ? 0 : (uint32_t)most;

	if (!vm)
		return;
	n = n < TUNE_PARAMETERS ? n : TUNE_PARAMETERS;
	xdr_put_u32(&call->out, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct tune_parameter *p = &manage_parameters[i];

		xdr_put_number(&call->out, p->name, p->is_signed ? XDR_LLONG : XDR_ULLONG,
			       (uint64_t)p->get(vm));
	}
}

/* A parameter as argument, of which *value is in its bounds; NULL after call_fail. */
static const struct tune_parameter *read_parameter(struct call *call, int64_t *value)
{
	const struct tune_parameter *p;
	struct xdr_parameter given;

	xdr_parameter(&call->in, &given);
	if (!call_read(call))
		return NULL;
	p = tune_parameter(given.field, (unsigned)strlen(given.field));
	if (!p) {
		call_fail(call, ERROR_INVALID_ARG, "invalid argument: parameter '%s' not supported",
			  given.field);
		return NULL;
	}
	*value = given.number > INT64_MAX && !p->is_signed ? INT64_MAX : (int64_t)given.number;
	return call_refused(call, tune_parameter_wrong(p, *value)) ? NULL : p;
}

/* All are read before the first is set. */
void tune_set_parameters(struct call *call)
{
	const struct tune_parameter *given[PARAMETERS_MOST];
	int64_t value[PARAMETERS_MOST];
	struct vm *vm = call_domain(call);
	uint32_t n = xdr_u32(&call->in);

	call->in.bad |= n > PARAMETERS_MOST;
	if (!vm || !call_read(call))
		return;
	for (uint32_t i = 0; i < n; i++) {
		given[i] = read_parameter(call, &value[i]);
		if (!given[i])
			return;
	}
	for (uint32_t i = 0; i < n; i++)
		if (call_refused(call, tune_parameter_set(given[i], vm, value[i])))
			return;
	call_keep(call, vm);
}
