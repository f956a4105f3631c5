/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a guest. It is made in one go (vm_build.c) and taken apart in
 * two steps: first its vCPUs are paused and its devices detached, then, when
 * no disk writes into its memory any more, everything goes back to the kernel.
 * A reset stops in between: the same objects, power-on state, the kernel file
 * loaded again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/cpu/msr.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/build.h"
#include "guests/dom0/vm/console.h"
#include "guests/dom0/vm/private.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

/* A guest that ends again and again sooner than that after its start has to
 * wait for its next one, longer each time, so that it does not keep machine
 * and log busy. */
#define QUICK_NS        10000000000ull
#define QUICK_FREE      2
#define QUICK_WAIT_NS   1000000000ull
#define QUICK_DOUBLINGS 5

#define AT_MONITOR 3u /* state in struct sampo_vcpu_info */

static struct vm *vms, **vms_end = &vms; /* in the order of definition */

static void act(struct work *work);
static void again_fire(struct timer *timer);

/* --- Definitions --- */

struct vm *vm_first(void)
{
	return vms;
}

struct vm *vm_next(const struct vm *vm)
{
	return vm->next;
}

struct vm *vm_find_name(const char *name)
{
	for (struct vm *vm = vms; vm; vm = vm->next)
		if (!strcmp(vm->name, name))
			return vm;
	return NULL;
}

static struct vm *find_id(const char *text)
{
	char *end;
	unsigned long id = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !id)
		return NULL;
	for (struct vm *vm = vms; vm; vm = vm->next)
		if (vm->id == id)
			return vm;
	return NULL;
}

static struct vm *find_uuid(const char *text)
{
	uint8_t uuid[16];

	if (!config_uuid(text, uuid))
		return NULL;
	for (struct vm *vm = vms; vm; vm = vm->next)
		if (!memcmp(vm->config->uuid, uuid, sizeof(uuid)))
			return vm;
	return NULL;
}

struct vm *vm_find(const char *text)
{
	struct vm *vm = find_id(text);

	if (!vm)
		vm = find_uuid(text);
	return vm ? vm : vm_find_name(text);
}

/* A name, UUID or MAC address that another guest has already. */
static const char *find_conflict(const struct vm_config *config)
{
	static char text[160];

	for (const struct vm *vm = vms; vm; vm = vm->next) {
		const struct vm_config *other = vm->config;

		if (!strcmp(other->name, config->name))
			snprintf(text, sizeof(text), "the name '%s' is used already", config->name);
		else if (!memcmp(other->uuid, config->uuid, 16))
			snprintf(text, sizeof(text), "'%s' has the same UUID already", other->name);
		else
			continue;
		return text;
	}
	for (const struct vm *vm = vms; vm; vm = vm->next)
		for (uint32_t a = 0; a < vm->config->nics; a++)
			for (uint32_t b = 0; b < config->nics; b++)
				if (!memcmp(vm->config->nic[a].mac, config->nic[b].mac, 6)) {
					snprintf(text, sizeof(text),
						 "'%s' has the same MAC address already", vm->name);
					return text;
				}
	return NULL;
}

const char *vm_define(struct vm_config *config, struct vm **defined)
{
	const char *error = find_conflict(config);
	struct vm *vm = NULL;
	struct vm_private *own = NULL;

	if (!error) {
		vm = calloc(1, sizeof(*vm));
		own = calloc(1, sizeof(*own));
		if (!vm || !own)
			error = "dom0 is out of memory: dom0-memory= on the kernel's command line "
				"gives it more";
	}
	if (error) {
		free(vm);
		free(own);
		config_free(config);
		return error;
	}
	memcpy(vm->name, config->name, sizeof(vm->name));
	vm->config = config;
	vm->own = own;
	own->log_credit_ns = VM_LOG_BURST * VM_LOG_NS;
	own->work = (struct work){.run = act, .context = vm};
	timer_init(&own->again, again_fire, vm);
	*vms_end = vm;
	vms_end = &vm->next;
	if (defined)
		*defined = vm;
	return NULL;
}

const char *vm_undefine(struct vm *vm)
{
	struct vm **link = &vms;

	if (vm->own->phase != VM_PHASE_OFF || vm->own->work.queued)
		return "Requested operation is not valid: domain is running";
	timer_cancel(&vm->own->again);
	while (*link != vm)
		link = &(*link)->next;
	*link = vm->next;
	if (vms_end == &vm->next)
		vms_end = link;
	vm_console_forget(vm);
	config_free((struct vm_config *)vm->config);
	free(vm->own);
	free(vm);
	return NULL;
}

/* --- Facts --- */

uint64_t vm_up_ns(const struct vm *vm)
{
	return clock_ns() - vm->own->started_ns;
}

bool vm_waits(const struct vm *vm)
{
	return vm->own->phase == VM_PHASE_QUIETING && vm->own->again.deadline;
}

const char *vm_state_name(const struct vm *vm)
{
	if (vm_waits(vm))
		return "paused";
	switch (vm->run) {
	case VM_RUNNING:
		return vm->own->phase == VM_PHASE_RUN ? "running" : "in shutdown";
	case VM_PAUSED:
		return "paused";
	case VM_CRASHED:
		return "crashed";
	case VM_OFF:
		break;
	}
	return vm->own->phase == VM_PHASE_OFF ? "shut off" : "in shutdown";
}

const char *vm_reason(const struct vm *vm)
{
	if (vm_waits(vm))
		return "starting up";
	return vm->own->why ? vm->own->why : "unknown";
}

const char *vm_last_reason(const struct vm *vm)
{
	return vm->own->reason;
}

bool vm_domain_info(struct vm *vm, struct sampo_domain_info *info)
{
	memset(info, 0, sizeof(*info));
	return vm->domain &&
	       !sampo_object_info(vm->domain, SAMPO_INFO_DOMAIN, info, sizeof(*info), 0, NULL);
}

uint64_t vm_tsc_khz(const struct vm *vm)
{
	return vm->config->tsc_hz ? vm->config->tsc_hz / 1000 : clock_tsc_khz();
}

const struct sampo_vcpu_page *vm_vcpu_page(const struct vm *vm, unsigned vcpu)
{
	return vm->own->vcpu[vcpu].page;
}

bool vm_vcpu_info(struct vm *vm, unsigned vcpu, struct sampo_vcpu_info *info)
{
	memset(info, 0, sizeof(*info));
	if (vcpu >= VM_MAX_VCPUS || !vm->vcpu[vcpu] ||
	    sampo_object_info(vm->vcpu[vcpu], SAMPO_INFO_VCPU, info, sizeof(*info), 0, NULL))
		return false;
	if (info->state == AT_MONITOR && vm->state->startup[vcpu].phase == STARTUP_WAITS)
		info->state = VM_VCPU_OFFLINE;
	return true;
}

/* --- Start and end --- */

static const char *boot(struct vm *vm, bool paused)
{
	const char *error;

	vm->own->start_paused = paused;
	error = vm_boot(vm);
	vm->own->start_paused = false;
	if (error)
		return error;
	vm->run = paused ? VM_PAUSED : VM_RUNNING;
	vm->own->why = paused ? "user" : "booted";
	return NULL;
}

static const char *start(struct vm *vm, bool paused)
{
	struct vm_private *own = vm->own;
	const char *error;

	if (own->phase == VM_PHASE_ENDING) {
		own->start_again = true;
		return NULL;
	}
	if (own->phase != VM_PHASE_OFF)
		return "Domain is already active";
	timer_cancel(&own->again);
	own->request = 0;
	own->quick = 0;
	own->refused_msrs = 0;
	own->rebooting = own->start_again = own->for_good = false;
	own->reason[0] = 0;
	own->why = "failed";
	error = vm_build(vm);
	if (error)
		return error;
	own->phase = VM_PHASE_RUN;
	own->started_ns = clock_ns();
	vm->run = VM_RUNNING;
	error = boot(vm, paused);
	if (error) {
		vm_destroy(vm);
		own->why = "failed";
		return error;
	}
	printf("%s: started, domain %u\n", vm->name, vm->id);
	return NULL;
}

const char *vm_start(struct vm *vm)
{
	return start(vm, false);
}

const char *vm_start_paused(struct vm *vm)
{
	return start(vm, true);
}

static void released(struct vm *vm)
{
	bool again = vm->own->start_again;

	vm_unbuild(vm);
	vm->own->phase = VM_PHASE_OFF;
	vm->run = VM_OFF;
	if (again || vm->transient)
		timer_set(&vm->own->again, clock_ns());
}

static void end(struct vm *vm)
{
	struct vm_private *own = vm->own;

	if (own->phase == VM_PHASE_ENDING || own->phase == VM_PHASE_OFF)
		return;
	own->phase = VM_PHASE_ENDING;
	own->request = 0;
	timer_cancel(&own->again);
	for (unsigned i = 0; i < vm->config->vcpus; i++)
		loop_forget(vm->vcpu[i]);
	sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_PAUSE, 0);
	if (!own->devices) {
		released(vm);
		return;
	}
	virtio_detach_all(vm);
	virtio_when_quiet(vm, released);
}

/* --- Reset: stop, quiet, begin --- */

static void begin_again(struct vm *vm)
{
	const char *error;

	/* Whoever destroys a guest in the middle of this has changed phase. */
	if (vm->own->phase != VM_PHASE_QUIETING)
		return;
	vm->own->phase = VM_PHASE_RUN;
	vm->own->started_ns = clock_ns();
	error = boot(vm, false);
	if (!error)
		return;
	vm->own->why = "failed";
	vm_log(vm, "reset: %s", error);
	snprintf(vm->own->reason, sizeof(vm->own->reason), "reset: %s", error);
	end(vm);
}

/* How long a guest that ends now has to wait for its next start. */
static uint64_t quick_wait(struct vm_private *own)
{
	unsigned over;

	if (clock_ns() - own->started_ns > QUICK_NS)
		own->quick = 0;
	if (++own->quick <= QUICK_FREE)
		return 0;
	over = own->quick - QUICK_FREE - 1;
	return QUICK_WAIT_NS << (over < QUICK_DOUBLINGS ? over : QUICK_DOUBLINGS);
}

static void quiet(struct vm *vm)
{
	uint64_t wait;

	if (vm->own->phase != VM_PHASE_QUIETING)
		return;
	wait = quick_wait(vm->own);
	if (wait)
		timer_set(&vm->own->again, clock_ns() + wait);
	else
		begin_again(vm);
}

void vm_stopped(struct vm *vm)
{
	for (unsigned i = 0; i < vm->config->vcpus; i++)
		if (!vm->own->vcpu[i].held)
			return;
	vm->own->phase = VM_PHASE_QUIETING;
	vm->own->request = 0;
	platform_reset(vm);
	virtio_reset(vm);
	virtio_when_quiet(vm, quiet);
}

static void reset(struct vm *vm)
{
	struct vm_private *own = vm->own;

	own->rebooting = false;
	own->phase = VM_PHASE_STOPPING;
	for (unsigned i = 0; i < vm->config->vcpus; i++)
		if (!own->vcpu[i].held)
			vcpu_stop(&own->vcpu[i]);
	vm_stopped(vm);
}

static void again_fire(struct timer *timer)
{
	struct vm *vm = timer->context;
	const char *error;

	if (vm->own->phase == VM_PHASE_QUIETING) {
		begin_again(vm);
		return;
	}
	if (vm->own->phase != VM_PHASE_OFF)
		return;
	if (vm->transient && !vm->own->start_again) {
		vm_undefine(vm);
		return;
	}
	error = vm_start(vm);
	if (error)
		printf(LOG_ERR "%s: start: %s\n", vm->name, error);
}

/* --- What guests ask for --- */

void vm_request(struct vm *vm, enum vm_request what, const char *why)
{
	struct vm_private *own = vm->own;

	if (own->phase != VM_PHASE_RUN || own->request)
		return;
	own->request = what;
	snprintf(own->reason, sizeof(own->reason), "%s", why);
	work_queue(&own->work);
}

static void preserve(struct vm *vm, const char *why)
{
	sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_PAUSE, 0);
	vm->run = VM_CRASHED;
	vm->own->why = why;
	vm_log(vm, "kept as it is for inspection");
}

static bool is_crash(enum vm_request what)
{
	return what == VM_REQ_CRASH || what == VM_REQ_PANIC;
}

static enum vm_action action_for(struct vm *vm, enum vm_request what)
{
	const struct vm_config *config = vm->config;

	if (vm->own->for_good)
		return VM_ACTION_DESTROY;
	if (is_crash(what))
		return config->on_crash;
	if (what == VM_REQ_RESET)
		return config->on_reboot;
	/* virsh reboot is the power button and the promise to start again. */
	return vm->own->rebooting ? VM_ACTION_RESTART : config->on_poweroff;
}

static void act(struct work *work)
{
	static const char *const names[] = {"", "powered off", "reset", "crashed", "panicked"};
	struct vm *vm = work->context;
	struct vm_private *own = vm->own;
	enum vm_request what = own->request;

	if (!what || own->phase != VM_PHASE_RUN)
		return;
	printf("%s%s: %s: %s\n", is_crash(what) ? LOG_ERR : "", vm->name, names[what],
	       own->reason);
	own->request = 0;
	switch (action_for(vm, what)) {
	case VM_ACTION_DESTROY:
		own->why = is_crash(what) ? "crashed" : "shutdown";
		end(vm);
		break;
	case VM_ACTION_RESTART:
		reset(vm);
		break;
	case VM_ACTION_PRESERVE:
		preserve(vm, what == VM_REQ_PANIC ? "panicked" : "unknown");
		break;
	}
}

/* --- What the operator asks for --- */

static const char not_active[] = "Requested operation is not valid: domain is not running";
static const char already_running[] = "Requested operation is not valid: domain is already running";

static const char *not_running(const struct vm *vm)
{
	if (vm->own->phase == VM_PHASE_OFF)
		return not_active;
	if (vm->own->phase != VM_PHASE_RUN)
		return "Requested operation is not valid: domain is just ending or starting again";
	return NULL;
}

/* For a guest that is active and not running. */
static const char *not_running_now(const struct vm *vm)
{
	return vm->run == VM_CRASHED ? "Requested operation is not valid: domain has crashed"
				     : "Requested operation is not valid: domain is paused";
}

const char *vm_destroy(struct vm *vm)
{
	bool waiting = vm->own->again.deadline != 0;

	timer_cancel(&vm->own->again);
	vm->own->start_again = false;
	if (vm->own->phase == VM_PHASE_OFF)
		return waiting ? NULL : not_active;
	if (vm->own->phase == VM_PHASE_ENDING)
		return NULL;
	snprintf(vm->own->reason, sizeof(vm->own->reason), "destroyed");
	vm->own->why = "destroyed";
	end(vm);
	return NULL;
}

static const char *press_button(struct vm *vm)
{
	const char *error = not_running(vm);

	if (error)
		return error;
	if (vm->run != VM_RUNNING)
		return not_running_now(vm);
	acpi_power_button(vm);
	return NULL;
}

const char *vm_shutdown(struct vm *vm)
{
	const char *error = press_button(vm);

	if (!error)
		vm->own->rebooting = false;
	return error;
}

const char *vm_shutdown_for_good(struct vm *vm)
{
	vm->own->for_good = true;
	return vm_shutdown(vm);
}

const char *vm_reboot(struct vm *vm)
{
	const char *error = press_button(vm);

	if (!error)
		vm->own->rebooting = true;
	return error;
}

const char *vm_reset(struct vm *vm)
{
	const char *error = not_running(vm);

	if (error)
		return error;
	if (vm->run != VM_RUNNING)
		sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_UNPAUSE, 0);
	vm->run = VM_RUNNING;
	vm->own->quick = 0;
	reset(vm);
	return NULL;
}

const char *vm_suspend(struct vm *vm)
{
	const char *error = not_running(vm);
	int64_t status;

	if (error)
		return error;
	if (vm->run != VM_RUNNING)
		return not_running_now(vm);
	status = sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_PAUSE, 0);
	if (status)
		return sampo_strerror(status);
	vm->run = VM_PAUSED;
	vm->own->why = "user";
	return NULL;
}

const char *vm_resume(struct vm *vm)
{
	const char *error = not_running(vm);
	int64_t status;

	if (error)
		return error;
	if (vm->run != VM_PAUSED)
		return vm->run == VM_CRASHED ? not_running_now(vm) : already_running;
	msr_stopped(vm);
	status = sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_UNPAUSE, 0);
	if (status)
		return sampo_strerror(status);
	vm->run = VM_RUNNING;
	vm->own->why = "unpaused";
	return NULL;
}

const char *vm_nmi(struct vm *vm)
{
	const char *error = not_running(vm);
	int64_t status = SAMPO_OK;

	for (unsigned i = 0; !error && !status && i < vm->config->vcpus; i++)
		status = sampo_vcpu_ctl(vm->vcpu[i], SAMPO_VCPU_NMI, 0);
	if (status)
		error = sampo_strerror(status);
	return error;
}
