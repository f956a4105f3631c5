/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A clean end of the machine. Every guest has GUESTS_NS to shut down. Its power button is pressed
 * again and again: a guest whose ACPI driver or daemon is not up yet would miss the first press. A
 * guest that has run for LISTEN_NS and does not listen to the button will not; it is destroyed, as
 * is what is left at the end. Then all disks write out what they have in their caches.
 *
 * All of this goes on by a timer of its own, while the shell waits for it; every key gives the
 * shell back, and `poweroff --force` does not wait for guests any more.
 */
#include "guests/dom0/shell/power.h"

#include "drivers/block.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/host/firmware.h"
#include "guests/dom0/manage/host.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/sampo.h"

#define GUESTS_NS     60000000000u
#define LISTEN_NS     30000000000u
#define PRESS_NS      3000000000u
#define TELL_NS       5000000000u
#define QUIET_NS      10000000000u
#define DISKS_NS      10000000000u
#define STEP_NS       50000000u
#define PM1_PWRBTN_EN 0x100u /* ACPI 6.4, 4.8.3.1.2 */
#define DISKS         256u

enum stage { ASKED, DESTROYED, FLUSHING };

static enum stage stage;
static bool active;
static struct timer timer;
static uint64_t deadline, press_ns, tell_ns, operation;
static struct blk_request flush[DISKS];
static unsigned flushing;

/* The guest's driver has enabled the power button's event. */
static bool listens(const struct vm *vm)
{
	return vm->run == VM_RUNNING && vm->state && vm->state->acpi.pm1_enable & PM1_PWRBTN_EN;
}

static void destroy(struct vm *vm, const char *why)
{
	const char *failure = vm_destroy(vm);

	if (failure)
		shell_notice("Domain '%s': %s\n", vm->name, failure);
	else
		shell_notice("Domain '%s' destroyed: %s\n", vm->name, why);
}

static bool is_deaf(const struct vm *vm)
{
	return !listens(vm) && vm_up_ns(vm) > LISTEN_NS;
}

static void ask(struct vm *vm, bool press)
{
	if (vm->run == VM_PAUSED)
		vm_resume(vm);
	if (vm->run == VM_CRASHED)
		destroy(vm, "crashed");
	else if (vm_waits(vm))
		destroy(vm, "waited for its next start");
	else if (is_deaf(vm))
		destroy(vm, "does not listen to the power button");
	else if (press)
		vm_shutdown_for_good(vm);
}

/* Guests that still run; each is asked again. */
static unsigned waiting_for(bool press)
{
	unsigned running = 0;

	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm)) {
		if (vm->run != VM_OFF)
			ask(vm, press);
		running += vm->run != VM_OFF;
	}
	return running;
}

static void tell(unsigned running)
{
	uint64_t left = deadline - clock_ns();

	shell_notice(
		"Waiting for %u domain%s, %llu s at most (`poweroff --force` does not wait):\n",
		running, running == 1 ? "" : "s", (unsigned long long)(left / 1000000000u));
	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		if (vm->run != VM_OFF)
			shell_notice("  %s%s\n", vm->name,
				     listens(vm)
					     ? ""
					     : ", which does not listen to its power button yet");
}

/* True if the time has come, which then comes again after `every`. */
static bool due(uint64_t *next, uint64_t every)
{
	if (clock_ns() < *next)
		return false;
	*next = clock_ns() + every;
	return true;
}

/* True: guests are left. */
static bool guests_left(void)
{
	unsigned running = waiting_for(due(&press_ns, PRESS_NS));

	if (running && due(&tell_ns, TELL_NS))
		tell(running);
	return running;
}

static void destroy_rest(const char *why)
{
	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		if (vm->run != VM_OFF)
			destroy(vm, why);
}

static bool quiet(void)
{
	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		if (!vm_quiet(vm))
			return false;
	return true;
}

static void flushed(struct blk_request *request, enum blk_status status)
{
	const struct blkdev *dev = request->context;

	flushing--;
	if (status != BLK_OK)
		shell_notice("%s: writing out the cache failed\n", dev->name);
}

static void flush_disks(void)
{
	unsigned n = 0;

	for (struct blkdev *dev = blk_first(); dev; dev = dev->next) {
		if (dev->parent || dev->claim || !dev->can_flush || dev->read_only)
			continue;
		if (n == DISKS) {
			shell_notice(
				"%s: its cache is not written out: only those of %u disks are\n",
				dev->name, DISKS);
			continue;
		}
		flush[n] = (struct blk_request){.op = BLK_FLUSH, .done = flushed, .context = dev};
		flushing++;
		blk_submit(dev, &flush[n++]);
	}
}

static void next_stage(enum stage to, uint64_t wait_ns)
{
	stage = to;
	deadline = clock_ns() + wait_ns;
}

static void end_machine(void)
{
	const char *why;

	term_printf(operation == SAMPO_MACHINE_RESET ? "Reset.\n" : "Power down.\n");
	term_flush();
	why = operation == SAMPO_MACHINE_RESET ? host_reset() : host_poweroff();
	shell_error("the machine does not end: %s", why);
}

/* False: it has come to its end, or cannot. */
static bool step(void)
{
	bool late = clock_ns() >= deadline;

	switch (stage) {
	case ASKED:
		if (!late && guests_left())
			break;
		destroy_rest("did not shut down in time");
		next_stage(DESTROYED, QUIET_NS);
		break;
	case DESTROYED:
		if (!quiet() && !late)
			break;
		flush_disks();
		next_stage(FLUSHING, DISKS_NS);
		break;
	case FLUSHING:
		if (flushing && !late)
			break;
		if (flushing)
			shell_notice("%u disks do not answer\n", flushing);
		end_machine();
		return false;
	}
	return true;
}

static void fire(struct timer *t)
{
	active = step();
	host_set_ending(active);
	if (active)
		timer_set(t, clock_ns() + STEP_NS);
}

/* The shell waits for the end; every key goes back to it. */
static bool watch(bool cancel)
{
	if (cancel && active)
		term_printf("\nThe machine's end goes on. `poweroff --force` does not wait for "
			    "guests.\n\n");
	return active && !cancel;
}

void power_end(uint64_t how, bool force)
{
	if (!active) {
		timer_init(&timer, fire, NULL);
		operation = how;
		press_ns = 0;
		tell_ns = clock_ns() + TELL_NS;
		next_stage(ASKED, GUESTS_NS);
		timer_set(&timer, clock_ns());
	}
	active = true;
	host_set_ending(true);
	if (force && stage == ASKED) {
		destroy_rest("by force");
		deadline = clock_ns();
	}
	shell_watch(watch, STEP_NS);
}

bool power_ends(void)
{
	return active;
}

void power_button(void)
{
	if (active)
		return;
	shell_interrupt();
	term_printf("The power button was pressed.\n");
	power_end(SAMPO_MACHINE_POWEROFF, false);
}
