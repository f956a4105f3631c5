/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel objects of a guest and its devices, made and given back. */
#include "guests/dom0/vm/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/cpu/cpuid.h"
#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/bios.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/load/load.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/private.h"
#include "guests/lib/cpu.h"
#include "guests/lib/sampo.h"

#define EFER_AIBRSE 0x200000u /* AMD's automatic IBRS */
#define PAGE        4096ull
#define BLOCK       (1ull << VM_BLOCK_SHIFT)
#define FOUR_GIB    (4ull << 30)
#define STATE_BYTES ((sizeof(struct machine_state) + PAGE - 1) & ~(PAGE - 1))

/* What the kernel may spend on a guest beside its regions: control blocks,
 * and page tables that get a page for each block of RAM at most. */
#define POST_PORT    0x80u
#define KERNEL_PAGES 128
#define VCPU_PAGES   8

static char error_text[256];

static const char *fail(const char *what, int64_t status)
{
	snprintf(error_text, sizeof(error_text), "%s: %s", what, sampo_strerror(status));
	return error_text;
}

static const char *make_domain(struct vm *vm)
{
	struct sampo_domain_info info;
	const struct vm_config *config = vm->config;
	uint64_t pages = KERNEL_PAGES + config->vcpus * VCPU_PAGES + config->memory / BLOCK;
	uint64_t memory = config->memory + STATE_BYTES + config->vcpus * PAGE; /* exit pages */
	int64_t status = sampo_domain_create_within(boot->machine, 0, pages, config->weight, memory,
						    &vm->domain);

	if (status)
		return fail("creating the domain", status);
	vm->id = vm_domain_info(vm, &info) ? info.id : 0;
	if (config->tsc_hz)
		status = sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_TSC, config->tsc_hz / 1000);
	if (status == SAMPO_ENODEV)
		return "a TSC of another frequency: this CPU cannot scale it";
	if (status)
		return fail("the TSC's frequency", status);
	/* Writes to the POST port are how drivers wait a microsecond: the kernel
	 * drops them. */
	status = sampo_event_create(boot->domain, SAMPO_EVENT_NONE, 0, 0, &vm->own->post_event);
	if (!status)
		status = sampo_doorbell(vm->own->post_event, vm->domain, POST_PORT, 1);
	return status ? fail("the POST port", status) : NULL;
}

/* Before the kernel is asked, whose answer has no numbers. */
static const char *check_memory(const struct vm *vm)
{
	struct sampo_machine_info machine = {0};
	uint64_t asked = vm->config->memory, free;
	bool too_large;

	sampo_object_info(boot->machine, SAMPO_INFO_MACHINE, &machine, sizeof(machine), 0, NULL);
	too_large = asked > machine.ram_bytes;
	free = too_large ? machine.ram_bytes : machine.free_bytes;
	if (asked <= free)
		return NULL;
	snprintf(error_text, sizeof(error_text), "%llu MiB of memory: %s %llu MiB%s",
		 (unsigned long long)(asked >> 20), too_large ? "the machine has" : "there are",
		 (unsigned long long)(free >> 20), too_large ? "" : " left");
	return error_text;
}

static const char *make_ram(struct vm *vm)
{
	struct vm_private *own = vm->own;
	uint64_t below;
	int64_t status;

	vm->ram_bytes = vm->config->memory;
	below = vm->ram_bytes < VM_RAM_BELOW_4G ? vm->ram_bytes : VM_RAM_BELOW_4G;
	status = sampo_region_create(vm->domain, vm->ram_bytes, SAMPO_REGION_2M, &own->ram_region);
	if (status) {
		snprintf(error_text, sizeof(error_text), "%llu MiB of memory: %s",
			 (unsigned long long)(vm->ram_bytes >> 20), sampo_strerror(status));
		return error_text;
	}
	status = sampo_region_map(own->ram_region, vm->domain, 0, 0, SAMPO_MAP_RWX, below);
	if (!status && below < vm->ram_bytes)
		status = sampo_region_map(own->ram_region, vm->domain, FOUR_GIB, below,
					  SAMPO_MAP_RWX, vm->ram_bytes - below);
	if (status)
		return fail("mapping the memory", status);
	vm->ram = memory_map(own->ram_region, vm->ram_bytes, BLOCK, SAMPO_MAP_R | SAMPO_MAP_W);
	if (!vm->ram)
		return "dom0 cannot map the memory";
	return vm_bus_begin(vm) ? NULL : "dom0 is out of memory";
}

static const char *make_state(struct vm *vm)
{
	int64_t status = sampo_region_create(vm->domain, STATE_BYTES, SAMPO_REGION_4K,
					     &vm->own->state_region);

	if (status)
		return fail("memory for device state", status);
	vm->state = memory_map(vm->own->state_region, STATE_BYTES, PAGE, SAMPO_MAP_R | SAMPO_MAP_W);
	if (!vm->state)
		return "dom0 cannot map the device state";
	vm->state->magic = MACHINE_STATE_MAGIC;
	vm->state->version = MACHINE_STATE_VERSION;
	vm->state->size = sizeof(*vm->state);
	return NULL;
}

static void set_cpuid(const struct vm *vm, unsigned index, struct sampo_vcpu_page *page)
{
	const struct vm_config *config = vm->config;
	struct sampo_machine_info machine = {0};
	struct cpuid_shape shape = {
		.apic_id = config_apic_id(config, index),
		.core_threads = config->threads,
		.package_threads = config->threads * config->cores,
		.core_bits = config_bits(config->threads),
		.package_bits = config_bits(config->threads) + config_bits(config->cores),
	};

	sampo_object_info(boot->machine, SAMPO_INFO_MACHINE, &machine, sizeof(machine), 0, NULL);
	shape.xcr0 = machine.xcr0;
	shape.xsave = (uint32_t)machine.xsave;
	shape.tsc_khz = vm_tsc_khz(vm);
	shape.spec_ctrl = machine.spec_ctrl;
	shape.arch_caps = msr_arch_capabilities() != 0;
	shape.auto_ibrs = machine.efer & EFER_AIBRSE;
	shape.lfence = machine.lfence != 0;
	cpuid_fill(page, &shape, cpuid);
}

static const char *make_vcpu(struct vm *vm, unsigned index)
{
	struct vcpu *v = &vm->own->vcpu[index];
	int64_t status;

	v->vm = vm;
	v->index = index;
	v->held = true;
	v->bit = event_alloc(vcpu_raised, v);
	if (v->bit < 0)
		return "dom0 has no event left";
	status = sampo_event_create(boot->domain, SAMPO_EVENT_BIT, (uint64_t)v->bit, 0, &v->event);
	if (status)
		return fail("creating an event", status);
	status = sampo_vcpu_create(vm->domain, config_apic_id(vm->config, index), v->event,
				   &v->handle);
	if (status)
		return fail("creating a vCPU", status);
	vm->vcpu[index] = v->handle;
	status = sampo_vcpu_page(v->handle, &v->exit_region);
	if (status)
		return fail("the exit page", status);
	v->page = memory_map(v->exit_region, PAGE, PAGE, SAMPO_MAP_R | SAMPO_MAP_W);
	if (!v->page)
		return "dom0 cannot map the exit page";
	v->exit = &v->page->exit;
	vm->exit[index] = v->exit;
	set_cpuid(vm, index, v->page);
	return NULL;
}

static const char *make_devices(struct vm *vm)
{
	static char text[128];

	if (platform_init(vm)) {
		platform_free(vm);
		return "no memory for the devices";
	}
	if (virtio_attach_all(vm, vm->config, text, sizeof(text))) {
		platform_free(vm);
		return text;
	}
	vm->own->devices = true;
	return NULL;
}

const char *vm_build(struct vm *vm)
{
	const char *error = check_memory(vm);

	for (unsigned i = 0; i < VM_MAX_VCPUS; i++)
		vm->own->vcpu[i].bit = -1;
	memset(&vm->bus, 0, sizeof(vm->bus));
	vm->dom0_tsc = 0;
	if (!error)
		error = make_domain(vm);
	if (!error)
		error = make_ram(vm);
	if (!error)
		error = make_state(vm);
	for (unsigned i = 0; i < vm->config->vcpus && !error; i++)
		error = make_vcpu(vm, i);
	if (!error)
		error = vm_apply_sched(vm);
	if (!error)
		error = make_devices(vm);
	if (error)
		vm_unbuild(vm);
	return error;
}

const char *vm_boot(struct vm *vm)
{
	static struct load load;
	struct vcpu *v = &vm->own->vcpu[0];
	const char *error;
	int64_t status = SAMPO_OK;

	startup_reset(vm);
	for (unsigned i = 0; i < vm->config->vcpus && !status; i++) {
		msr_reset(&vm->state->msr[i]);
		status = sampo_vcpu_ctl(vm->vcpu[i], SAMPO_VCPU_RESET, SAMPO_RESET_POWER);
	}
	if (status)
		return fail("resetting a vCPU", status);
	memset(&load, 0, sizeof(load));
	load.vm = vm;
	load.config = vm->config;
	load.regs = v->exit;
	load.rsdp = acpi_build(vm);
	bios_build(vm);
	regs_reset(v->exit);
	error = load_guest(&load);
	if (error)
		return error;
	v->exit->dirty = SAMPO_DIRTY_RIP | SAMPO_DIRTY_SYSTEM;
	if (vm->own->start_paused)
		sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_PAUSE, 0);
	vcpu_release(v);
	return NULL;
}

static void close_handle(uint32_t *handle)
{
	if (*handle)
		sampo_handle_close(*handle);
	*handle = 0;
}

static void drop_vcpu(struct vcpu *v)
{
	loop_forget(v->handle);
	close_handle(&v->handle);
	if (v->page)
		memory_unmap(v->page, PAGE);
	close_handle(&v->exit_region);
	close_handle(&v->event);
	event_free(v->bit);
	memset(v, 0, sizeof(*v));
	v->bit = -1;
}

/* The domain dies first: whatever it still refers to goes with it, and the
 * handles that are closed after it are the last ones. */
void vm_unbuild(struct vm *vm)
{
	struct vm_private *own = vm->own;

	if (own->devices)
		platform_free(vm);
	own->devices = false;
	if (vm->domain)
		sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_DESTROY, 0);
	for (unsigned i = 0; i < VM_MAX_VCPUS; i++) {
		drop_vcpu(&own->vcpu[i]);
		vm->vcpu[i] = 0;
		vm->exit[i] = NULL;
	}
	if (vm->state)
		memory_unmap(vm->state, STATE_BYTES);
	vm->state = NULL;
	close_handle(&own->post_event);
	close_handle(&own->state_region);
	if (vm->ram)
		memory_unmap(vm->ram, vm->ram_bytes);
	vm->ram = NULL;
	vm->ram_bytes = 0;
	close_handle(&own->ram_region);
	vm_bus_end(vm);
	close_handle(&vm->domain);
	vm->id = 0;
}
