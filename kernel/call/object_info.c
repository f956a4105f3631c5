/* SPDX-License-Identifier: BSD-2-Clause */
/* object_info: the facts about an object. */

#include "arch/barrier.h"
#include "arch/fpu.h"
#include "arch/paging.h"
#include "arch/tsc.h"
#include "kernel/base/frame.h"
#include "kernel/call/hypercall.h"
#include "kernel/cpu/mce.h"
#include "kernel/object/domain.h"
#include "kernel/object/region.h"
#include "kernel/vcpu/vcpu.h"

/* Copy out as much of a fact as there is room for. */
static int64_t answer(struct call *call, const void *fact, size_t size)
{
	size_t n = call->arg[3] < size ? call->arg[3] : size;
	int64_t status = domain_write(call->domain, call->arg[2], fact, n);

	if (!status)
		call->value = n;
	return status;
}

static int64_t machine_info(struct call *call)
{
	struct sampo_machine_info info = {
		.tsc_khz = tsc_khz,
		.ram_bytes = frame_stats.total_bytes,
		.free_bytes = frame_stats.free_bytes,
		.kernel_bytes = kernel_bytes_used(),
		.cpus = cpu_count,
		.idle_tsc = this_cpu()->rq.idle,
		.xcr0 = (uint32_t)fpu_xcr0,
		.machine_checks = __atomic_load_n(&mce_corrected, __ATOMIC_RELAXED),
		.arch_caps = guest_arch_caps,
		.efer = guest_efer,
		.spec_ctrl = guest_spec_ctrl,
		.lfence = !!(mitigations.on & DO_LFENCE),
		.domains = domain_count,
		.handles = handle_count,
		.xsave = cpu_cpuid(0xd, 1).eax & (hv_uses(HV_XSAVES) ? 0xf : 7),
	};

	return answer(call, &info, sizeof(info));
}

static int64_t domain_info(struct call *call)
{
	struct domain *d = CALL_OBJECT(call, domain);
	struct sampo_domain_info info = {
		.id = d->id,
		.state = d->state,
		.vcpus = d->vcpus,
		.weight = d->weight,
		.memory_bytes = d->memory,
		.kernel_bytes = d->kernel_bytes,
		.kernel_limit = d->kernel_limit,
		.handles = d->handles.used,
		.regions = d->regions,
		.events = d->events,
	};
	uint64_t ticks = d->cpu_tsc;

	vcpu_each(d, vcpu_review);
	for (unsigned i = 0; i < DOMAIN_VCPUS; i++)
		if (d->vcpu[i])
			ticks += d->vcpu[i]->entity.ran;
	info.cpu_ns = tsc_to_ns(ticks);
	return answer(call, &info, sizeof(info));
}

static int64_t vcpu_info(struct call *call)
{
	struct vcpu *v = CALL_OBJECT(call, vcpu);
	struct sampo_vcpu_info info;

	request_call(v, vcpu_review, NULL);
	info = (struct sampo_vcpu_info){
		.state = v->state >= VCPU_RETURNED                        ? v->state
			 : v->state == VCPU_READY && v->cpu->current == v ? 0
									  : v->state + 1u,
		.cpu = v->cpu->id,
		.cpu_ns = tsc_to_ns(v->entity.ran),
		.wait_ns = tsc_to_ns(v->entity.waited),
	};
	return answer(call, &info, sizeof(info));
}

static int64_t domain_bus(struct call *call)
{
	uint64_t bus;
	int64_t status = SAMPO_ERIGHT;

	if (call->rights & SAMPO_R_CONTROL)
		status = region_bus(call->domain, CALL_OBJECT(call, domain), call->arg[4], &bus);
	return status ? status : answer(call, &bus, sizeof(bus));
}

static int64_t type_info(struct call *call)
{
	uint32_t type[2] = {call->object->type, call->rights};

	return answer(call, type, sizeof(type));
}

static const struct {
	uint32_t type;
	int64_t (*function)(struct call *call);
} facts[] = {
	[SAMPO_INFO_TYPE] = {SAMPO_T_ANY, type_info},
	[SAMPO_INFO_MACHINE] = {SAMPO_T_MACHINE, machine_info},
	[SAMPO_INFO_DOMAIN] = {SAMPO_T_DOMAIN, domain_info},
	[SAMPO_INFO_VCPU] = {SAMPO_T_VCPU, vcpu_info},
	[SAMPO_INFO_BUS] = {SAMPO_T_DOMAIN, domain_bus},
};

int64_t call_object_info(struct call *call)
{
	uint64_t what = call->arg[1];

	if (what >= COUNT_OF(facts))
		return SAMPO_ENOSYS;
	if (facts[what].type != SAMPO_T_ANY && facts[what].type != call->object->type)
		return SAMPO_EHANDLE;
	return facts[what].function(call);
}
