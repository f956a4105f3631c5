/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/vm/vm.c guests/dom0/vm/build.c guests/dom0/vm/console.c guests/dom0/vm/bus_address.c guests/dom0/vm/sched.c guests/dom0/vm/live.c guests/dom0/vm/watch.c guests/dom0/cpu/startup.c */
/* sources: guests/dom0/vm/ram.c guests/dom0/vm/part.c guests/dom0/vm/vcpu.c guests/dom0/base/cpuset.c */
/* flags: -include tests/unit/sampo_fake.h */
/*
 * The life of guests on a kernel that only counts: after every end nothing is
 * left, whichever step of a start fails; and what a guest asks for has the
 * effect that its description says.
 */
#include "tests/unit/unit.h"

#include "guests/dom0/base/memory.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/cpu/startup.h"
#include "guests/dom0/vm/life.h"
#include "guests/dom0/vm/part.h"
#include "guests/dom0/vm/state.h"

struct sampo_fake fake;
static struct sampo_boot boot_info;
const struct sampo_boot *boot = &boot_info;

static int mappings, bits, platforms, attached, boots;
static bool unready, quiet_now, device_fails, load_fails;
static uint64_t now = 1;
static struct work *queued;
static struct timer *timer;

/* --- What guests need of the rest of dom0 --- */

/* "u" and a digit, in this test. */
bool config_uuid(const char *text, uint8_t uuid[16])
{
	memset(uuid, 0, 16);
	uuid[0] = (uint8_t)(text[0] == 'u' ? text[1] - '0' : 0);
	return text[0] == 'u';
}

uint64_t clock_tsc_khz(void)
{
	return 1000000;
}

void *memory_map(uint32_t region, uint64_t bytes, uint64_t align, uint64_t perms)
{
	(void)region;
	(void)align;
	(void)perms;
	if (fake_fails())
		return NULL;
	mappings++;
	return calloc(1, bytes);
}

void memory_unmap(void *address, uint64_t bytes)
{
	(void)bytes;
	mappings--;
	free(address);
}

int event_alloc(void (*raised)(void *context), void *context)
{
	(void)raised;
	(void)context;
	return fake_fails() ? -1 : bits++;
}

void event_free(int bit)
{
	if (bit >= 0)
		bits--;
}

static uint32_t forgotten;

void loop_forget(uint32_t vcpu)
{
	forgotten = vcpu;
}

void loop_reply(uint32_t vcpu)
{
	(void)vcpu;
	boots++;
}

uint64_t clock_ns(void)
{
	return now;
}

void timer_init(struct timer *t, void (*fire)(struct timer *), void *context)
{
	*t = (struct timer){.fire = fire, .context = context};
}

void timer_set(struct timer *t, uint64_t deadline)
{
	t->deadline = deadline;
	timer = t;
}

void timer_cancel(struct timer *t)
{
	t->deadline = 0;
	if (timer == t)
		timer = NULL;
}

void work_queue(struct work *work)
{
	queued = work;
}

static const char *attach_board(struct vm *vm)
{
	(void)vm;
	if (fake_fails())
		return "no board";
	platforms++;
	return NULL;
}

static void free_board(struct vm *vm)
{
	(void)vm;
	platforms--;
}

static int buttons;

static void press_button(struct vm *vm)
{
	(void)vm;
	buttons++;
}

static const char *attach_disks(struct vm *vm)
{
	(void)vm;
	if (device_fails || fake_fails())
		return "no such disk";
	attached++;
	return NULL;
}

static void detach_disks(struct vm *vm)
{
	(void)vm;
	attached--;
}

static bool disks_are_quiet(const struct vm *vm)
{
	(void)vm;
	return quiet_now;
}

static bool disks_are_ready(const struct vm *vm)
{
	(void)vm;
	return !unready;
}

static const char *boot_kernel(struct vm *vm)
{
	startup_reset(vm);
	return load_fails ? "broken file" : NULL;
}

static const struct vm_part board = {
	.attach = attach_board, .free = free_board, .button = press_button};
static const struct vm_part disks = {.attach = attach_disks,
				     .detach = detach_disks,
				     .quiet = disks_are_quiet,
				     .ready = disks_are_ready};
static const struct vm_part kernel = {.boot = boot_kernel};
static const struct vm_part *const parts[] = {&board, &disks, &kernel, NULL};

/* What the disks do when the last of their commands has ended. */
static void when_quiet(struct vm *vm)
{
	quiet_now = true;
	vm_became_quiet(vm);
	quiet_now = false;
}

void config_free(struct vm_config *config)
{
	free(config);
}

void vm_log(struct vm *vm, const char *format, ...)
{
	(void)vm;
	(void)format;
}

/* --- Tests --- */

static struct vm *vm;

static struct vm_config *make_config(const char *name, uint8_t uuid)
{
	struct vm_config *config = calloc(1, sizeof(*config));

	strcpy(config->name, name);
	config->uuid[0] = uuid;
	config->memory = 4u << 20;
	config->vcpus = config->cores = config->threads = 1;
	for (unsigned i = 0; i < CONFIG_VCPUS; i++)
		config->affinity[i] = cpuset_all();
	config->on_reboot = VM_ACTION_RESTART;
	return config;
}

static struct vm_config *config_of(struct vm *v)
{
	return (struct vm_config *)v->config;
}

static void nothing_left(void)
{
	assert_int_equal(fake.handles, 0);
	assert_int_equal(fake.domains_alive, 0);
	assert_int_equal(mappings, 0);
	assert_int_equal(bits, 0);
	assert_int_equal(platforms, 0);
	assert_int_equal(attached, 0);
}

static int start(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	mappings = bits = platforms = attached = boots = buttons = 0;
	quiet_now = true;
	device_fails = load_fails = false;
	queued = NULL;
	timer = NULL;
	now += 100000000000ull;
	vm_set_parts(parts);
	assert_null(vm_define(make_config("guest", 1), &vm));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	assert_null(vm_undefine(vm));
	assert_null(vm_first());
	nothing_left();
	return 0;
}

static void ask(enum vm_request what)
{
	vm->life->vcpu[0].held = true;
	vm_request(vm, what, "test");
	assert_non_null(queued);
	queued->run(queued);
	queued = NULL;
}

static void fire(void)
{
	struct timer *t = timer;

	assert_non_null(t);
	now = t->deadline > now ? t->deadline : now;
	timer_cancel(t);
	t->fire(t);
}

static void test_cycles(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		assert_null(vm_start(vm));
		assert_string_equal(vm_state_name(vm), "running");
		assert_non_null(vm_start(vm));
		assert_null(vm_destroy(vm));
		assert_string_equal(vm_state_name(vm), "shut off");
		assert_int_equal(vm->id, 0);
		nothing_left();
	}
	assert_non_null(vm_destroy(vm));
	assert_non_null(vm_shutdown(vm));
	assert_non_null(vm_suspend(vm));
}

/* Whichever call fails: an error, and everything is given back. */
static void test_every_failure(void **state)
{
	int calls;

	(void)state;
	assert_null(vm_start(vm));
	calls = fake.calls;
	vm_destroy(vm);
	assert_true(calls > 8);
	for (int i = 1; i <= calls; i++) {
		fake.calls = 0;
		fake.fail_at = i;
		assert_non_null(vm_start(vm));
		assert_string_equal(vm_state_name(vm), "shut off");
		nothing_left();
	}
	fake.fail_at = 0;
	device_fails = true;
	assert_string_equal(vm_start(vm), "no such disk");
	nothing_left();
	device_fails = false;
	load_fails = true;
	assert_string_equal(vm_start(vm), "broken file");
	nothing_left();
}

/* A disk still writes: the memory stays until it is done. */
static void test_end_waits_for_disks(void **state)
{
	(void)state;
	quiet_now = false;
	assert_null(vm_start(vm));
	assert_null(vm_destroy(vm));
	assert_true(fake.paused);
	assert_string_equal(vm_state_name(vm), "in shutdown");
	assert_true(mappings > 0);
	assert_non_null(vm_undefine(vm));
	assert_null(vm_destroy(vm));
	/* started meanwhile: later */
	assert_null(vm_start(vm));
	when_quiet(vm);
	nothing_left();
	fire();
	assert_string_equal(vm_state_name(vm), "running");
	assert_int_equal(boots, 2);
	vm_destroy(vm);
	when_quiet(vm);
}

/* A device takes time before the first boot: the guest is there, and begins when it is ready. */
static void test_start_waits_for_devices(void **state)
{
	int before = boots;

	(void)state;
	quiet_now = unready = true;
	assert_null(vm_start_paused(vm));
	assert_string_equal(vm_state_name(vm), "paused");
	assert_string_equal(vm_reason(vm), "starting up");
	assert_true(vm_waits(vm));
	assert_non_null(vm_start(vm));
	assert_non_null(vm_resume(vm));
	vm_became_ready(vm);
	assert_int_equal(boots, before);
	unready = false;
	vm_became_ready(vm);
	assert_int_equal(boots, before + 1);
	assert_string_equal(vm_state_name(vm), "paused");
	assert_string_equal(vm_reason(vm), "user");
	vm_became_ready(vm);
	assert_int_equal(boots, before + 1);
	vm_destroy(vm);
	nothing_left();
	/* It ends before that. */
	unready = true;
	assert_null(vm_start(vm));
	assert_null(vm_destroy(vm));
	nothing_left();
	unready = false;
	vm_became_ready(vm);
	nothing_left();
	assert_int_equal(boots, before + 1);
	/* It cannot boot then. */
	unready = load_fails = true;
	assert_null(vm_start(vm));
	unready = false;
	vm_became_ready(vm);
	nothing_left();
	assert_string_equal(vm_reason(vm), "failed");
	load_fails = false;
}

static void test_power_off(void **state)
{
	(void)state;
	assert_null(vm_start(vm));
	ask(VM_REQ_POWEROFF);
	assert_string_equal(vm_state_name(vm), "shut off");
	assert_string_equal(vm_last_reason(vm), "test");
	config_of(vm)->on_poweroff = VM_ACTION_RESTART;
	assert_null(vm_start(vm));
	ask(VM_REQ_POWEROFF);
	assert_string_equal(vm_state_name(vm), "running");
	assert_int_equal(boots, 3);
	/* The machine ends: neither a power off nor a reset starts it again. */
	assert_null(vm_shutdown_for_good(vm));
	assert_int_equal(buttons, 1);
	ask(VM_REQ_POWEROFF);
	assert_string_equal(vm_state_name(vm), "shut off");
	assert_null(vm_start(vm));
	assert_null(vm_shutdown_for_good(vm));
	ask(VM_REQ_RESET);
	assert_string_equal(vm_state_name(vm), "shut off");
	assert_int_equal(boots, 4);
}

static void test_reboot_is_power_off_and_start(void **state)
{
	(void)state;
	assert_null(vm_start(vm));
	assert_null(vm_reboot(vm));
	assert_int_equal(buttons, 1);
	ask(VM_REQ_POWEROFF);
	assert_string_equal(vm_state_name(vm), "running");
	assert_null(vm_shutdown(vm));
	ask(VM_REQ_POWEROFF);
	assert_string_equal(vm_state_name(vm), "shut off");
}

static void test_crash(void **state)
{
	(void)state;
	assert_null(vm_start(vm));
	ask(VM_REQ_CRASH);
	assert_string_equal(vm_state_name(vm), "shut off");
	config_of(vm)->on_crash = VM_ACTION_PRESERVE;
	assert_null(vm_start(vm));
	ask(VM_REQ_CRASH);
	assert_string_equal(vm_state_name(vm), "crashed");
	assert_true(fake.paused);
	assert_non_null(vm_resume(vm));
	assert_non_null(vm_shutdown(vm));
	assert_null(vm_reset(vm));
	assert_string_equal(vm_state_name(vm), "running");
	assert_false(fake.paused);
	assert_null(vm_destroy(vm));
}

/* One that crashes at once and is to be restarted waits longer each time. */
static void test_crash_loop(void **state)
{
	uint64_t waits[6];

	(void)state;
	config_of(vm)->on_crash = VM_ACTION_RESTART;
	assert_null(vm_start(vm));
	ask(VM_REQ_CRASH);
	ask(VM_REQ_CRASH);
	assert_int_equal(boots, 3);
	for (unsigned i = 0; i < 6; i++) {
		uint64_t before = now;

		ask(VM_REQ_CRASH);
		assert_int_equal(boots, 3 + (int)i);
		fire();
		waits[i] = now - before;
	}
	assert_int_equal(waits[0], 1000000000);
	assert_int_equal(waits[1], 2000000000);
	assert_int_equal(waits[5], 32000000000);
	now += 20000000000ull; /* it ran for a while */
	ask(VM_REQ_CRASH);
	assert_int_equal(boots, 10);
	/* destroyed while it waits */
	ask(VM_REQ_CRASH);
	ask(VM_REQ_CRASH);
	assert_null(vm_destroy(vm));
	assert_null(timer);
}

/* The operator's reset: the vCPU has to be stopped first, perhaps by an exit that is
 * still to be looked at. */
static void test_reset_of_a_running_one(void **state)
{
	(void)state;
	assert_null(vm_start(vm));
	assert_null(vm_reset(vm));
	assert_int_equal(fake.stops, 1);
	assert_int_equal(boots, 2);
	fake.busy = true;
	vm->exit[0]->reason = SAMPO_EXIT_IO;
	assert_null(vm_reset(vm));
	assert_int_equal(fake.stops, 2);
	assert_int_equal(boots, 2);
	assert_non_null(vm_reset(vm));
	vm->life->vcpu[0].held = true;
	vm_stopped(vm);
	assert_int_equal(boots, 3);
	assert_int_equal(fake.resets, 3);
	assert_string_equal(vm_state_name(vm), "running");
	/* destroyed while it is stopping */
	assert_null(vm_reset(vm));
	assert_null(vm_destroy(vm));
	assert_string_equal(vm_state_name(vm), "shut off");
}

static void start_three(void)
{
	config_of(vm)->vcpus = config_of(vm)->cores = 3;
	assert_null(vm_start(vm));
}

static void end_three(void)
{
	assert_null(vm_destroy(vm));
	config_of(vm)->vcpus = config_of(vm)->cores = 1;
}

static bool offline(unsigned vcpu)
{
	struct sampo_vcpu_info info;

	assert_true(vm_vcpu_info(vm, vcpu, &info));
	assert_int_equal(info.state == VM_VCPU_OFFLINE,
			 vm->state->startup[vcpu].phase == STARTUP_WAITS);
	assert_true(info.state != VM_VCPU_OFFLINE || vm->life->vcpu[vcpu].held);
	return info.state == VM_VCPU_OFFLINE;
}

#define INIT 0x500u
#define SIPI 0x600u

static void send(unsigned from, uint32_t message, uint64_t set)
{
	vm->exit[from]->qualification = message;
	vm->exit[from]->gpa = set;
	startup_sent(&vm->life->vcpu[from]);
}

/* It begins anew when the last of its vCPUs has stopped, with the boot CPU alone. */
static void test_reset_of_several(void **state)
{
	(void)state;
	start_three();
	assert_int_equal(fake.resets, 3);
	send(0, SIPI, 6);
	assert_int_equal(boots, 3);
	fake.busy = true;
	vm->exit[0]->reason = vm->exit[2]->reason = SAMPO_EXIT_IO;
	vm->life->vcpu[1].held = true; /* its exit caused it */
	assert_null(vm_reset(vm));
	assert_int_equal(fake.stops, 2);
	vm->life->vcpu[2].held = true;
	vm_stopped(vm);
	assert_int_equal(boots, 3);
	vm->life->vcpu[0].held = true;
	vm_stopped(vm);
	assert_int_equal(boots, 4);
	assert_int_equal(fake.resets, 6);
	assert_false(offline(0) || vm->life->vcpu[0].held);
	assert_true(offline(1) && offline(2));
	end_three();
}

/* INIT and start-up IPIs to those who run, and to those who wait. */
static void test_startup(void **state)
{
	const struct sampo_segment *cs;

	(void)state;
	start_three();
	assert_true(!offline(0) && offline(1) && offline(2));
	send(0, INIT, ~1ull); /* as after power on, and there are but three */
	assert_true(offline(1) && offline(2) && !fake.stops);
	send(0, SIPI | 0x9a, 2);
	assert_true(!offline(1) && !vm->life->vcpu[1].held && offline(2));
	assert_int_equal(boots, 2);
	cs = &vm->exit[1]->seg[SAMPO_CS];
	assert_int_equal(cs->selector, 0x9a00);
	assert_int_equal(cs->base, 0x9a000);
	assert_int_equal(vm->exit[1]->rip, 0);
	assert_int_equal(vm->exit[1]->dirty, SAMPO_DIRTY_RIP | SAMPO_DIRTY_SYSTEM);

	vm->exit[1]->dirty = 0;
	send(0, SIPI | 0x42, 2); /* it runs */
	assert_int_equal(boots, 2);
	assert_int_equal(vm->exit[1]->dirty, 0);
	send(1, SIPI | 0x42, 4);
	assert_true(!offline(2));
	send(1, INIT, 4);
	assert_int_equal(fake.stops, 1);
	assert_true(offline(2));
	send(1, SIPI | 0x43, 4);
	assert_true(!offline(2));
	assert_int_equal(vm->exit[2]->seg[SAMPO_CS].base, 0x43000);

	assert_int_equal(fake.resets, 3);
	assert_null(queued);
	send(1, INIT, ~2ull);
	assert_non_null(queued);
	queued->run(queued);
	queued = NULL;
	assert_string_equal(vm_last_reason(vm), "INIT sent to the boot CPU");
	assert_int_equal(fake.resets, 6);
	assert_true(!offline(0) && offline(1) && offline(2));
	end_three();
}

/* INIT to one whose exit is still to be looked at, or has just been answered. */
static void test_init_of_one_with_us(void **state)
{
	struct vcpu *v;

	(void)state;
	start_three();
	v = &vm->life->vcpu[2];
	send(0, SIPI, 6);
	fake.busy = true;
	v->exit->reason = SAMPO_EXIT_IO;
	send(0, INIT, 4);
	assert_true(!offline(2) && !v->held);
	v->held = true;
	startup_held(v);
	assert_true(offline(2));

	send(0, SIPI, 4);
	v->exit->reason = SAMPO_EXIT_IO;
	send(2, INIT, 4); /* from itself */
	send(0, SIPI | 0x77, 4);
	assert_true(!offline(2) && !v->held);
	boots = 0;
	v->held = true;
	startup_held(v);
	assert_true(!offline(2) && !v->held);
	assert_int_equal(boots, 1);
	assert_int_equal(v->exit->seg[SAMPO_CS].base, 0x77000);

	v->exit->reason = SAMPO_EXIT_IO;
	send(0, INIT, 4);
	send(0, SIPI | 0x77, 4);
	send(0, INIT, 4); /* this is the last */
	v->held = true;
	startup_held(v);
	assert_true(offline(2));

	v = &vm->life->vcpu[1];
	v->exit->reason = SAMPO_EXIT_NONE;
	send(0, INIT, 2);
	assert_int_equal(forgotten, v->handle);
	assert_true(offline(1));
	end_three();
}

/* Its last exit was answered in this turn of the loop, and the answer waits. */
static void test_reset_of_an_answered_one(void **state)
{
	(void)state;
	assert_null(vm_start(vm));
	fake.busy = true;
	assert_null(vm_reset(vm));
	assert_int_equal(forgotten, vm->vcpu[0]);
	assert_int_equal(boots, 2);
	/* here an exit is still to be looked at: that will be the stop */
	vm->exit[0]->reason = SAMPO_EXIT_IO;
	assert_null(vm_reset(vm));
	assert_int_equal(boots, 2);
	assert_null(vm_destroy(vm));
}

/* Destroyed while a reset waits for the disks. */
static void test_destroy_in_reset(void **state)
{
	(void)state;
	assert_null(vm_start(vm));
	quiet_now = false;
	ask(VM_REQ_RESET);
	assert_null(vm_destroy(vm));
	assert_int_equal(boots, 1);
	assert_string_equal(vm_state_name(vm), "in shutdown");
	when_quiet(vm);
	assert_string_equal(vm_state_name(vm), "shut off");
}

/* The file is broken when the guest comes back from a reset. */
static void test_reset_fails(void **state)
{
	(void)state;
	assert_null(vm_start(vm));
	load_fails = true;
	ask(VM_REQ_RESET);
	assert_string_equal(vm_state_name(vm), "shut off");
	assert_non_null(strstr(vm_last_reason(vm), "broken file"));
}

static void test_suspend(void **state)
{
	(void)state;
	assert_null(vm_start(vm));
	assert_null(vm_suspend(vm));
	assert_string_equal(vm_state_name(vm), "paused");
	assert_true(fake.paused);
	assert_non_null(vm_suspend(vm));
	assert_non_null(vm_shutdown(vm));
	assert_null(vm_resume(vm));
	assert_string_equal(vm_state_name(vm), "running");
	assert_non_null(vm_resume(vm));
	assert_null(vm_suspend(vm));
	assert_null(vm_destroy(vm));
}

static void test_definitions(void **state)
{
	struct vm *other = NULL, *found;
	struct vm_config *config;
	char id[16];

	(void)state;
	assert_non_null(vm_define(make_config("guest", 2), NULL));
	assert_non_null(vm_define(make_config("other", 1), NULL));
	config_of(vm)->nics = 1;
	config_of(vm)->nic[0].mac[0] = 2;
	config = make_config("other", 2);
	config->nics = 1;
	config->nic[0].mac[0] = 2;
	assert_non_null(vm_define(config, NULL));
	assert_null(vm_define(make_config("other", 2), &other));
	assert_ptr_equal(vm_first(), vm);
	assert_ptr_equal(vm_next(vm), other);
	assert_null(vm_next(other));
	assert_ptr_equal(vm_find("other"), other);
	assert_null(vm_find("nobody"));
	assert_null(vm_find("0"));
	assert_null(vm_start(other));
	snprintf(id, sizeof(id), "%u", other->id);
	found = vm_find(id);
	assert_ptr_equal(found, other);
	/* As virsh: an id comes before a UUID, and a name last. */
	assert_null(vm_define(make_config(id, 9), &found));
	assert_ptr_equal(vm_find(id), other);
	assert_ptr_equal(vm_find_name(id), found);
	assert_ptr_equal(vm_find("u9"), found);
	assert_ptr_equal(vm_find("u2"), other);
	assert_null(vm_undefine(found));
	assert_non_null(vm_undefine(other));
	assert_null(vm_destroy(other));
	assert_null(vm_undefine(other));
	/* Memory alone bounds them. The last one goes, and another takes its place. */
	for (unsigned i = 0; i < 2000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "many%u", i);
		config = make_config(name, 0);
		memcpy(config->uuid + 4, &i, sizeof(i));
		config->uuid[8] = 1;
		assert_null(vm_define(config, &other));
	}
	assert_string_equal(vm_find_name("many1999")->name, "many1999");
	assert_null(vm_undefine(other));
	assert_null(vm_define(make_config("last", 77), &other));
	assert_ptr_equal(vm_next(vm_find_name("many1998")), other);
	while (vm_next(vm))
		assert_null(vm_undefine(vm_next(vm)));
	assert_null(vm_define(make_config("last", 77), &other));
	assert_ptr_equal(vm_next(vm), other);
	assert_null(vm_undefine(other));
}

static void test_reasons(void **state)
{
	(void)state;
	assert_string_equal(vm_reason(vm), "unknown"); /* it never ran */
	load_fails = true;
	assert_non_null(vm_start(vm));
	assert_string_equal(vm_reason(vm), "failed");
	load_fails = false;
	assert_null(vm_start_paused(vm));
	assert_string_equal(vm_state_name(vm), "paused");
	assert_string_equal(vm_reason(vm), "user");
	assert_null(vm_resume(vm));
	assert_string_equal(vm_state_name(vm), "running");
	assert_string_equal(vm_reason(vm), "unpaused");
	ask(VM_REQ_POWEROFF);
	assert_string_equal(vm_reason(vm), "shutdown");
	assert_null(vm_start(vm));
	assert_string_equal(vm_reason(vm), "booted");
	ask(VM_REQ_CRASH);
	assert_string_equal(vm_reason(vm), "crashed");
	config_of(vm)->on_crash = VM_ACTION_RESTART;
	assert_null(vm_start(vm));
	for (unsigned i = 0; i < 3; i++)
		ask(VM_REQ_CRASH);
	assert_string_equal(vm_state_name(vm), "paused"); /* for a second */
	assert_string_equal(vm_reason(vm), "starting up");
	fire();
	assert_null(vm_destroy(vm));
	assert_string_equal(vm_reason(vm), "destroyed");
}

/* What was created goes when it ends. */
static void test_transient(void **state)
{
	struct vm *other;

	(void)state;
	assert_null(vm_define(make_config("other", 2), &other));
	other->transient = true;
	assert_null(vm_start(other));
	assert_null(vm_destroy(other));
	fire();
	assert_null(vm_find_name("other"));
}

/* Another description of a guest: at once while it is off, else when it has ended; and it stays. */
static void test_redefinition(void **state)
{
	struct vm_config *next = make_config("other", 3), *last = make_config("other", 1);
	struct vm *other;

	(void)state;
	assert_null(vm_define(make_config("other", 2), &other));
	memcpy(next->uuid, other->config->uuid, sizeof(next->uuid));
	memcpy(last->uuid, other->config->uuid, sizeof(last->uuid));
	assert_null(vm_may_define(next));
	vm_redefine(other, next);
	assert_ptr_equal(other->config, next);
	assert_null(other->next_config);
	other->transient = true;
	assert_null(vm_start(other));
	vm_redefine(other, last);
	assert_ptr_equal(other->config, next);
	assert_ptr_equal(other->next_config, last);
	assert_null(vm_destroy(other));
	assert_ptr_equal(vm_find_name("other"), other);
	assert_ptr_equal(other->config, last);
	/* No other guest may have the address of an interface that comes with the next start. */
	assert_null(vm_start(other));
	next = make_config("other", 2);
	memcpy(next->uuid, other->config->uuid, sizeof(next->uuid));
	next->nics = 1;
	next->nic[0].mac[0] = 4;
	vm_redefine(other, next);
	assert_ptr_equal(vm_next_config(other), next);
	last = make_config("third", 4);
	last->nics = 1;
	last->nic[0].mac[0] = 4;
	assert_non_null(strstr(vm_may_define(last), "'other' has the same MAC address"));
	config_free(last);
	assert_ptr_equal(vm_find_mac(next->nic[0].mac, NULL), other);
	assert_null(vm_find_mac(next->nic[0].mac, other));
	assert_null(vm_destroy(other));
	next = make_config("other", 1);
	memset(next->uuid, 0x55, sizeof(next->uuid));
	assert_non_null(strstr(vm_may_define(next), "already exists with uuid"));
	config_free(next);
	assert_null(vm_undefine(other));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cycles),
		TEST(test_every_failure),
		TEST(test_end_waits_for_disks),
		TEST(test_start_waits_for_devices),
		TEST(test_power_off),
		TEST(test_reboot_is_power_off_and_start),
		TEST(test_crash),
		TEST(test_crash_loop),
		TEST(test_reset_of_a_running_one),
		TEST(test_reset_of_several),
		TEST(test_startup),
		TEST(test_init_of_one_with_us),
		TEST(test_reset_of_an_answered_one),
		TEST(test_destroy_in_reset),
		TEST(test_reset_fails),
		TEST(test_suspend),
		TEST(test_definitions),
		TEST(test_reasons),
		TEST(test_transient),
		TEST(test_redefinition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
