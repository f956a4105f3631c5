/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a guest. It is made in one go (build.c) and taken apart in
 * two steps: first its vCPUs are paused and its devices detached, then, when
 * no disk writes into its memory any more, everything goes back to the kernel.
 * A reset stops in between: the same objects, power-on state, the kernel file
 * loaded again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/build.h"
#include "guests/dom0/vm/console.h"
#include "guests/dom0/vm/life.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/watch.h"
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

static bool has_mac(const struct vm_config *config, const uint8_t mac[6])
{
	for (uint32_t i = 0; i < config->nics; i++)
		if (!memcmp(config->nic[i].mac, mac, 6))
			return true;
	return false;
}

const struct vm *vm_find_mac(const uint8_t mac[6], const struct vm *except)
{
	for (const struct vm *vm = vms; vm; vm = vm->next)
		if (vm != except && (has_mac(vm->config, mac) || has_mac(vm_own_config(vm), mac) ||
				     has_mac(vm_next_config(vm), mac)))
			return vm;
	return NULL;
}

/* A name, UUID or MAC address that another guest than `except` (NULL: any) has already. */
static const char *find_conflict(const struct vm_config *config, const struct vm *except)
{
	static char text[160];

	for (const struct vm *vm = vms; vm; vm = vm->next) {
		const struct vm_config *other = vm->config;

		if (vm == except)
			continue;
		if (!strcmp(other->name, config->name))
			snprintf(text, sizeof(text), "the name '%s' is used already", config->name);
		else if (!memcmp(other->uuid, config->uuid, 16))
			snprintf(text, sizeof(text), "'%s' has the same UUID already", other->name);
		else
			continue;
		return text;
	}
	for (uint32_t i = 0; i < config->nics; i++) {
		const struct vm *vm = vm_find_mac(config->nic[i].mac, except);

		if (!vm)
			continue;
		snprintf(text, sizeof(text), "'%s' has the same MAC address already", vm->name);
		return text;
	}
	return NULL;
}

const char *vm_define(struct vm_config *config, struct vm **defined)
{
	const char *error = find_conflict(config, NULL);
	struct vm *vm = NULL;
	struct vm_life *life = NULL;

	if (!error) {
		vm = calloc(1, sizeof(*vm));
		life = calloc(1, sizeof(*life));
		if (!vm || !life)
			error = "dom0 is out of memory: dom0-memory= on the kernel's command line "
				"gives it more";
	}
	if (error) {
		free(vm);
		free(life);
		config_free(config);
		return error;
	}
	memcpy(vm->name, config->name, sizeof(vm->name));
	vm->config = config;
	vm->life = life;
	life->log_credit_ns = VM_LOG_BURST * VM_LOG_NS;
	life->work = (struct work){.run = act, .context = vm};
	timer_init(&life->again, again_fire, vm);
	*vms_end = vm;
	vms_end = &vm->next;
	if (defined)
		*defined = vm;
	return NULL;
}

const char *vm_may_define(const struct vm_config *config)
{
	static char text[160];
	const struct vm *same = vm_find_name(config->name);
	const uint8_t *u;

	if (!same || !memcmp(same->config->uuid, config->uuid, 16))
		return find_conflict(config, same);
	u = same->config->uuid;
	snprintf(text, sizeof(text),
		 "operation failed: domain '%s' already exists with uuid %02x%02x%02x%02x-%02x%02x-"
		 "%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 same->name, u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10],
		 u[11], u[12], u[13], u[14], u[15]);
	return text;
}

static void use_next_config(struct vm *vm)
{
	if (!vm->next_config)
		return;
	config_free((struct vm_config *)vm->config);
	vm->config = vm->next_config;
	vm->next_config = NULL;
}

void vm_redefine(struct vm *vm, struct vm_config *config)
{
	config_free((struct vm_config *)vm->next_config);
	vm->next_config = config;
	vm->transient = false;
	if (vm->phase == VM_PHASE_OFF)
		use_next_config(vm);
}

static void set_name(const struct vm_config *config, const char *name)
{
	if (config)
		snprintf(((struct vm_config *)config)->name, sizeof(config->name), "%s", name);
}

void vm_rename(struct vm *vm, const char *name)
{
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	set_name(vm->config, name);
	set_name(vm->next_config, name);
	set_name(vm->life->own, name);
}

const char *vm_undefine(struct vm *vm)
{
	struct vm **link = &vms;

	if (vm->phase != VM_PHASE_OFF || vm->life->work.queued)
		return "Requested operation is not valid: domain is running";
	timer_cancel(&vm->life->again);
	while (*link != vm)
		link = &(*link)->next;
	*link = vm->next;
	if (vms_end == &vm->next)
		vms_end = link;
	if (!vm->transient)
		vm_tell(vm, VM_EVENT_UNDEFINED);
	vm_console_forget(vm);
	config_free((struct vm_config *)vm->config);
	config_free((struct vm_config *)vm->next_config);
	free(vm->life);
	free(vm);
	return NULL;
}

/* --- Facts --- */

uint64_t vm_up_ns(const struct vm *vm)
{
	return clock_ns() - vm->life->started_ns;
}

bool vm_waits(const struct vm *vm)
{
	return vm->phase == VM_PHASE_QUIETING && (vm->life->again.deadline || vm->life->preparing);
}

const char *vm_state_name(const struct vm *vm)
{
	if (vm_waits(vm))
		return "paused";
	switch (vm->run) {
	case VM_RUNNING:
		return vm->phase == VM_PHASE_RUN ? "running" : "in shutdown";
	case VM_PAUSED:
		return "paused";
	case VM_CRASHED:
		return "crashed";
	case VM_OFF:
		break;
	}
	return vm->phase == VM_PHASE_OFF ? "shut off" : "in shutdown";
}

const char *vm_reason(const struct vm *vm)
{
	if (vm_waits(vm))
		return "starting up";
	return vm->life->why ? vm->life->why : "unknown";
}

const char *vm_last_reason(const struct vm *vm)
{
	return vm->life->reason;
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
	return vm->life->vcpu[vcpu].page;
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

	vm->life->start_paused = paused;
	error = vm_boot(vm);
	vm->life->start_paused = false;
	if (error)
		return error;
	vm->run = paused ? VM_PAUSED : VM_RUNNING;
	vm->life->why = paused ? "user" : "booted";
	return NULL;
}

/* Everything is there and ready. */
static const char *first_boot(struct vm *vm, bool paused)
{
	const char *error;

	vm->phase = VM_PHASE_RUN;
	vm->life->preparing = false;
	vm->life->started_ns = clock_ns();
	error = boot(vm, paused);
	if (error) {
		vm_destroy(vm);
		vm->life->why = "failed";
		return error;
	}
	printf("%s: started, domain %u\n", vm->name, vm->id);
	vm_tell(vm, VM_EVENT_STARTED);
	if (paused)
		vm_tell(vm, VM_EVENT_SUSPENDED);
	return NULL;
}

void vm_became_ready(struct vm *vm)
{
	const char *error;

	/* A destruction in the middle of this has changed the phase. */
	if (vm->phase != VM_PHASE_QUIETING || !vm->life->preparing || !parts_ready(vm))
		return;
	error = first_boot(vm, vm->life->start_paused);
	if (error)
		printf(LOG_ERR "%s: start: %s\n", vm->name, error);
}

static const char *start(struct vm *vm, bool paused)
{
	struct vm_life *life = vm->life;
	const char *error;

	if (vm->phase == VM_PHASE_ENDING) {
		life->start_again = true;
		return NULL;
	}
	if (vm->phase != VM_PHASE_OFF)
		return "Domain is already active";
	timer_cancel(&life->again);
	vm->request = 0;
	life->quick = 0;
	life->rebooting = life->start_again = life->for_good = false;
	life->reason[0] = 0;
	life->why = "failed";
	error = vm_build(vm);
	if (error)
		return error;
	vm->run = VM_RUNNING;
	if (parts_ready(vm))
		return first_boot(vm, paused);
	vm->phase = VM_PHASE_QUIETING;
	life->started_ns = clock_ns();
	life->preparing = true;
	life->start_paused = paused;
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

/* Calls the function once no part reads or writes the guest's memory by itself: at once, or from
 * the event loop. One that was to be called before is not. */
static void when_quiet(struct vm *vm, void (*function)(struct vm *vm))
{
	vm->life->quiet = NULL;
	if (vm_quiet(vm))
		function(vm);
	else
		vm->life->quiet = function;
}

void vm_became_quiet(struct vm *vm)
{
	void (*function)(struct vm * vm) = vm->life->quiet;

	if (!function || !vm_quiet(vm))
		return;
	vm->life->quiet = NULL;
	function(vm);
}

static void released(struct vm *vm)
{
	bool again = vm->life->start_again;

	vm_unbuild(vm);
	vm_live_end(vm);
	vm->phase = VM_PHASE_OFF;
	vm->run = VM_OFF;
	use_next_config(vm);
	vm_tell(vm, VM_EVENT_STOPPED);
	if (again || vm->transient)
		timer_set(&vm->life->again, clock_ns());
}

static void end(struct vm *vm)
{
	struct vm_life *life = vm->life;

	if (vm->phase == VM_PHASE_ENDING || vm->phase == VM_PHASE_OFF)
		return;
	vm->phase = VM_PHASE_ENDING;
	life->preparing = life->start_paused = false;
	vm->request = 0;
	timer_cancel(&life->again);
	for (unsigned i = 0; i < vm->config->vcpus; i++)
		loop_forget(vm->vcpu[i]);
	sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_PAUSE, 0);
	if (!life->devices) {
		released(vm);
		return;
	}
	parts_detach(vm);
	when_quiet(vm, released);
}

/* --- Reset: stop, quiet, begin --- */

static void begin_again(struct vm *vm)
{
	const char *error;

	/* A destruction in the middle of this has changed the phase. */
	if (vm->phase != VM_PHASE_QUIETING)
		return;
	vm->phase = VM_PHASE_RUN;
	vm->life->started_ns = clock_ns();
	error = boot(vm, false);
	if (!error) {
		vm_tell(vm, VM_EVENT_RESET);
		return;
	}
	vm->life->why = "failed";
	vm_log(vm, "reset: %s", error);
	snprintf(vm->life->reason, sizeof(vm->life->reason), "reset: %s", error);
	end(vm);
}

/* How long a guest that ends now has to wait for its next start. */
static uint64_t quick_wait(struct vm_life *life)
{
	unsigned over;

	if (clock_ns() - life->started_ns > QUICK_NS)
		life->quick = 0;
	if (++life->quick <= QUICK_FREE)
		return 0;
	over = life->quick - QUICK_FREE - 1;
	return QUICK_WAIT_NS << (over < QUICK_DOUBLINGS ? over : QUICK_DOUBLINGS);
}

static void quiet(struct vm *vm)
{
	uint64_t wait;

	if (vm->phase != VM_PHASE_QUIETING)
		return;
	wait = quick_wait(vm->life);
	if (wait)
		timer_set(&vm->life->again, clock_ns() + wait);
	else
		begin_again(vm);
}

void vm_stopped(struct vm *vm)
{
	for (unsigned i = 0; i < vm->config->vcpus; i++)
		if (!vm->life->vcpu[i].held)
			return;
	vm->phase = VM_PHASE_QUIETING;
	vm->request = 0;
	parts_reset(vm);
	when_quiet(vm, quiet);
}

static void reset(struct vm *vm)
{
	struct vm_life *life = vm->life;

	life->rebooting = false;
	vm->phase = VM_PHASE_STOPPING;
	for (unsigned i = 0; i < vm->config->vcpus; i++)
		if (!life->vcpu[i].held)
			vcpu_stop(&life->vcpu[i]);
	vm_stopped(vm);
}

static void again_fire(struct timer *timer)
{
	struct vm *vm = timer->context;
	const char *error;

	if (vm->phase == VM_PHASE_QUIETING) {
		begin_again(vm);
		return;
	}
	if (vm->phase != VM_PHASE_OFF)
		return;
	if (vm->transient && !vm->life->start_again) {
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
	struct vm_life *life = vm->life;

	if (vm->phase != VM_PHASE_RUN || vm->request)
		return;
	vm->request = what;
	snprintf(life->reason, sizeof(life->reason), "%s", why);
	work_queue(&life->work);
}

static void preserve(struct vm *vm, const char *why)
{
	sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_PAUSE, 0);
	vm->run = VM_CRASHED;
	vm->life->why = why;
	vm_log(vm, "kept as it is for inspection");
	vm_tell(vm, VM_EVENT_CRASHED);
}

static bool is_crash(enum vm_request what)
{
	return what == VM_REQ_CRASH || what == VM_REQ_PANIC;
}

static enum vm_action action_for(struct vm *vm, enum vm_request what)
{
	const struct vm_config *config = vm->config;

	if (vm->life->for_good)
		return VM_ACTION_DESTROY;
	if (is_crash(what))
		return config->on_crash;
	if (what == VM_REQ_RESET)
		return config->on_reboot;
	/* virsh reboot is the power button and the promise to start again. */
	return vm->life->rebooting ? VM_ACTION_RESTART : config->on_poweroff;
}

static void act(struct work *work)
{
	static const char *const names[] = {"", "powered off", "reset", "crashed", "panicked"};
	struct vm *vm = work->context;
	struct vm_life *life = vm->life;
	enum vm_request what = vm->request;

	if (!what || vm->phase != VM_PHASE_RUN)
		return;
	printf("%s%s: %s: %s\n", is_crash(what) ? LOG_ERR : "", vm->name, names[what],
	       life->reason);
	vm->request = 0;
	switch (action_for(vm, what)) {
	case VM_ACTION_DESTROY:
		life->why = is_crash(what) ? "crashed" : "shutdown";
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
	if (vm->phase == VM_PHASE_OFF)
		return not_active;
	if (vm->phase != VM_PHASE_RUN)
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
	bool waiting = vm->life->again.deadline != 0;

	timer_cancel(&vm->life->again);
	vm->life->start_again = false;
	if (vm->phase == VM_PHASE_OFF)
		return waiting ? NULL : not_active;
	if (vm->phase == VM_PHASE_ENDING)
		return NULL;
	snprintf(vm->life->reason, sizeof(vm->life->reason), "destroyed");
	vm->life->why = "destroyed";
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
	parts_button(vm);
	return NULL;
}

const char *vm_shutdown(struct vm *vm)
{
	const char *error = press_button(vm);

	if (!error)
		vm->life->rebooting = false;
	return error;
}

const char *vm_shutdown_for_good(struct vm *vm)
{
	vm->life->for_good = true;
	return vm_shutdown(vm);
}

const char *vm_reboot(struct vm *vm)
{
	const char *error = press_button(vm);

	if (!error)
		vm->life->rebooting = true;
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
	vm->life->quick = 0;
	reset(vm);
	return NULL;
}

static const char *suspend(struct vm *vm, const char *why)
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
	vm->life->why = why;
	vm_tell(vm, VM_EVENT_SUSPENDED);
	return NULL;
}

const char *vm_suspend(struct vm *vm)
{
	return suspend(vm, "user");
}

void vm_stop(struct vm *vm, const char *why)
{
	if (!suspend(vm, why))
		vm_log(vm, "stopped: %s; resume lets it try again", why);
}

const char *vm_resume(struct vm *vm)
{
	const char *error = not_running(vm);
	int64_t status;

	if (error)
		return error;
	if (vm->run != VM_PAUSED)
		return vm->run == VM_CRASHED ? not_running_now(vm) : already_running;
	parts_resume(vm);
	status = sampo_domain_ctl(vm->domain, SAMPO_DOMAIN_UNPAUSE, 0);
	if (status)
		return sampo_strerror(status);
	vm->run = VM_RUNNING;
	vm->life->why = "unpaused";
	vm_tell(vm, VM_EVENT_RESUMED);
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
