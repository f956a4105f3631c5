/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel objects of a guest and its devices, made and given back. */
#include "guests/dom0/vm/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/memory.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/life.h"
#include "guests/dom0/vm/state.h"
#include "guests/lib/sampo.h"

#define PAGE        4096ull
#define BLOCK       (1ull << VM_BLOCK_SHIFT)
#define FOUR_GIB    (4ull << 30)
#define STATE_BYTES ((sizeof(struct machine_state) + PAGE - 1) & ~(PAGE - 1))

/* The memory that the kernel may spend on a guest beside its regions: control blocks,
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
	uint64_t pages = KERNEL_PAGES + config->vcpus * VCPU_PAGES + config->memory / BLOCK +
			 parts_kernel_pages(config);
	uint64_t memory = config->memory + STATE_BYTES + config->vcpus * PAGE /* exit pages */ +
			  parts_memory(config);
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
	status = sampo_event_create(boot->domain, SAMPO_EVENT_NONE, 0, 0, &vm->life->post_event);
	if (!status)
		status = sampo_doorbell(vm->life->post_event, vm->domain, POST_PORT, 1);
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

/* RAM up to 3 GiB, but for the window of a screen: the screen is a part of its own. */
static int64_t map_low(struct vm *vm, uint64_t below)
{
	uint32_t region = vm->life->ram_region;
	int64_t status;

	vm->has_window = vm->config->video;
	if (!vm->has_window)
		return sampo_region_map(region, vm->domain, 0, 0, SAMPO_MAP_RWX, below);
	status = sampo_region_map(region, vm->domain, 0, 0, SAMPO_MAP_RWX, VM_WINDOW);
	if (!status)
		status = sampo_region_map(region, vm->domain, VM_WINDOW_END, VM_WINDOW_END,
					  SAMPO_MAP_RWX, below - VM_WINDOW_END);
	return status;
}

static const char *make_ram(struct vm *vm)
{
	struct vm_life *life = vm->life;
	uint64_t below;
	int64_t status;

	vm->ram_bytes = vm->config->memory;
	below = vm->ram_bytes < VM_RAM_BELOW_4G ? vm->ram_bytes : VM_RAM_BELOW_4G;
	status = sampo_region_create(vm->domain, vm->ram_bytes, SAMPO_REGION_2M, &life->ram_region);
	if (status) {
		snprintf(error_text, sizeof(error_text), "%llu MiB of memory: %s",
			 (unsigned long long)(vm->ram_bytes >> 20), sampo_strerror(status));
		return error_text;
	}
	status = map_low(vm, below);
	if (!status && below < vm->ram_bytes)
		status = sampo_region_map(life->ram_region, vm->domain, FOUR_GIB, below,
					  SAMPO_MAP_RWX, vm->ram_bytes - below);
	if (status)
		return fail("mapping the memory", status);
	vm->ram = memory_map(life->ram_region, vm->ram_bytes, BLOCK, SAMPO_MAP_R | SAMPO_MAP_W);
	if (!vm->ram)
		return "dom0 cannot map the memory";
	return vm_bus_begin(vm) ? NULL : "dom0 is out of memory";
}

static const char *make_state(struct vm *vm)
{
	int64_t status = sampo_region_create(vm->domain, STATE_BYTES, SAMPO_REGION_4K,
					     &vm->life->state_region);

	if (status)
		return fail("memory for device state", status);
	vm->state =
		memory_map(vm->life->state_region, STATE_BYTES, PAGE, SAMPO_MAP_R | SAMPO_MAP_W);
	if (!vm->state)
		return "dom0 cannot map the device state";
	vm->state->magic = MACHINE_STATE_MAGIC;
	vm->state->version = MACHINE_STATE_VERSION;
	vm->state->size = sizeof(*vm->state);
	return NULL;
}

static const char *make_vcpu(struct vm *vm, unsigned index)
{
	struct vcpu *v = &vm->life->vcpu[index];
	int64_t status;

	v->vm = vm;
	v->index = index;
	v->held = true;
	v->bit = event_alloc(parts_raised(), v);
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
	return NULL;
}

static const char *make_parts(struct vm *vm)
{
	const char *error = parts_attach(vm);

	vm->life->devices = !error;
	return error;
}

const char *vm_build(struct vm *vm)
{
	const char *error = check_memory(vm);

	for (unsigned i = 0; i < VM_MAX_VCPUS; i++)
		vm->life->vcpu[i].bit = -1;
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
		error = make_parts(vm);
	if (error)
		vm_unbuild(vm);
	return error;
}

const char *vm_boot(struct vm *vm)
{
	struct vcpu *v = &vm->life->vcpu[0];
	const char *error;
	int64_t status = SAMPO_OK;

	for (unsigned i = 0; i < vm->config->vcpus && !status; i++)
		status = sampo_vcpu_ctl(vm->vcpu[i], SAMPO_VCPU_RESET, SAMPO_RESET_POWER);
	if (status)
		return fail("resetting a vCPU", status);
	error = parts_boot(vm);
	if (error)
		return error;
	v->exit->dirty = SAMPO_DIRTY_RIP | SAMPO_DIRTY_SYSTEM;
	if (vm->life->start_paused)
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
	struct vm_life *life = vm->life;

	if (life->devices)
		parts_free(vm);
	life->devices = false;
	if (vm->domain)
		sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_DESTROY, 0);
	for (unsigned i = 0; i < VM_MAX_VCPUS; i++) {
		drop_vcpu(&life->vcpu[i]);
		vm->vcpu[i] = 0;
		vm->exit[i] = NULL;
	}
	if (vm->state)
		memory_unmap(vm->state, STATE_BYTES);
	vm->state = NULL;
	close_handle(&life->post_event);
	close_handle(&life->state_region);
	if (vm->ram)
		memory_unmap(vm->ram, vm->ram_bytes);
	vm->ram = NULL;
	vm->ram_bytes = 0;
	close_handle(&life->ram_region);
	vm_bus_end(vm);
	close_handle(&vm->domain);
	vm->id = 0;
}
