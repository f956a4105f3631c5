/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A clean end of the machine. Guests that listen to their power button get
 * GUESTS_NS to shut down; the others, and what is left then, are destroyed.
 * Then all disks write out what they have in their caches.
 */
#include "guests/dom0/shell/power.h"

#include "drivers/block.h"
#include "guests/dom0/host/firmware.h"
#include "guests/dom0/loop.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"
#include "guests/dom0/state.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm.h"
#include "guests/lib/sampo.h"

#define GUESTS_NS     60000000000u
#define QUIET_NS      10000000000u
#define DISKS_NS      10000000000u
#define STEP_NS       50000000u
#define PM1_PWRBTN_EN 0x100u /* ACPI 6.4, 4.8.3.1.2 */
#define DISKS         64

enum stage { ASKED, DESTROYED, FLUSHING };

static enum stage stage;
static uint64_t deadline, operation;
static uint32_t asked_id[VM_MAX];
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
		term_printf("Domain '%s': %s\n", vm->name, failure);
	else
		term_printf("Domain '%s' destroyed: %s\n", vm->name, why);
}

static void ask(struct vm *vm, bool force)
{
	if (vm->run == VM_PAUSED && !force)
		vm_resume(vm);
	if (force) {
		destroy(vm, "by force");
	} else if (!listens(vm)) {
		destroy(vm, "does not listen to the power button");
	} else {
		asked_id[vm->index] = vm->id;
		vm_shutdown(vm);
		term_printf("Domain '%s' is being shutdown\n", vm->name);
	}
}

/* Guests that still run. What was started again by its description ends. */
static unsigned waiting_for(void)
{
	unsigned running = 0;

	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm)) {
		if (vm->run == VM_OFF)
			continue;
		if (vm->run == VM_CRASHED)
			destroy(vm, "crashed");
		else if (vm->id != asked_id[vm->index])
			destroy(vm, "was started again");
		else
			running++;
	}
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
		if (!virtio_quiesced(vm))
			return false;
	return true;
}

static void flushed(struct blk_request *request, enum blk_status status)
{
	const struct blkdev *dev = request->context;

	flushing--;
	if (status != BLK_OK)
		term_printf("%s: writing out the cache failed\n", dev->name);
}

static void flush_disks(void)
{
	unsigned n = 0;

	for (struct blkdev *dev = blk_first(); dev && n < DISKS; dev = dev->next) {
		if (dev->parent || !dev->can_flush || dev->read_only)
			continue;
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

static bool step(bool cancel)
{
	bool late = clock_ns() >= deadline;

	(void)cancel; /* there is no way back */
	switch (stage) {
	case ASKED:
		if (waiting_for() && !late)
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
			term_printf("%u disks do not answer\n", flushing);
		end_machine();
		return false;
	}
	return true;
}

void power_end(uint64_t how, bool force)
{
	operation = how;
	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm))
		if (vm->run != VM_OFF)
			ask(vm, force);
	next_stage(ASKED, GUESTS_NS);
	shell_job(step, STEP_NS);
}

void power_button(void)
{
	static bool pressed;

	if (pressed)
		return;
	pressed = true;
	shell_interrupt();
	term_printf("The power button was pressed.\n");
	power_end(SAMPO_MACHINE_POWEROFF, false);
}
