/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of functions that guests have. At the guest's start each is reset, all of the guest's
 * memory is entered in its domain's I/O table, which takes time since the kernel zeroes it, and
 * then the kernel's device objects are made: from then on the functions reach the guest's memory.
 * At the guest's end each is no master of its bus any more, is reset, and then belongs to nobody;
 * only after that the guest's memory goes.
 */
#include "guests/dom0/assign/assign.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/assign/function.h"
#include "guests/dom0/assign/group.h"
#include "guests/dom0/base/loop.h"
#include "guests/dom0/base/memory.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/guest.h"
#include "guests/lib/sampo.h"

#define BLOCK          (1ull << VM_BLOCK_SHIFT)
#define PAGE           4096ull
#define FOUR_GIB       (4ull << 30)
#define PIECE_NS       2000000ull    /* of work, between which dom0 does other things */
#define PROGRESS_NS    5000000000ull /* between two lines about it */
#define FUNCTION_PAGES 48u           /* of the kernel's memory: events, mappings, I/O tables */

/* vm->assign. */
struct assign_machine {
	struct vm *vm;
	struct assign_function function[ASSIGN_FUNCTIONS];
	unsigned functions;
	bool ready;  /* the functions reach the guest's memory, or failed */
	bool ending; /* they go back */
	struct work work;
	uint64_t entered; /* bytes of RAM in the I/O table */
	uint64_t told_ns;
};

static struct assign_function *given; /* all functions of all guests */
static uint64_t broken[0x10000 / 64]; /* a bit for each function that did not survive a reset */

static char text[320];

static const char *refuse(const struct config_hostdev *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static const char *refuse(const struct config_hostdev *h, const char *format, ...)
{
	int used = snprintf(text, sizeof(text), "hostdev %02x:%02x.%x: ", h->requester >> 8,
			    h->requester >> 3 & 31, h->requester & 7);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - (unsigned)used, format, args);
	va_end(args);
	return text;
}

static bool is_broken(const struct pci_device *dev)
{
	return broken[dev->bdf / 64] >> dev->bdf % 64 & 1;
}

void assign_forget(const struct pci_device *dev)
{
	broken[dev->bdf / 64] &= ~(1ull << dev->bdf % 64);
}

static void set_broken(const struct pci_device *dev)
{
	broken[dev->bdf / 64] |= 1ull << dev->bdf % 64;
}

/* --- for others --- */

static bool can_give(void)
{
	return boot->flags & SAMPO_BOOT_IOMMU && boot->flags & SAMPO_BOOT_REMAPS;
}

static bool names(const struct vm_config *config, uint16_t requester)
{
	for (uint32_t i = 0; i < config->hostdevs; i++)
		if (config->hostdev[i].requester == requester)
			return true;
	return false;
}

bool assign_reserves(const struct pci_device *dev)
{
	for (const struct vm *vm = vm_first(); vm && can_give(); vm = vm_next(vm))
		if (names(vm->config, dev->bdf))
			return true;
	return false;
}

void assign_start(void)
{
	group_start();
}

bool assign_group(const struct pci_device *dev, unsigned *group)
{
	*group = group_of(dev);
	return boot->flags & SAMPO_BOOT_IOMMU;
}

static const struct assign_function *function_of(const struct pci_device *dev)
{
	const struct assign_function *f = given;

	while (f && f->dev != dev)
		f = f->next;
	return f;
}

const char *assign_owner(const struct pci_device *dev)
{
	const struct assign_function *f = function_of(dev);

	return f ? f->vm->name : NULL;
}

struct assign_function *assign_by_instance(struct vm *vm, uint32_t instance)
{
	struct assign_machine *machine = vm->assign;

	return machine && instance < machine->functions ? &machine->function[instance] : NULL;
}

/* --- what can be given --- */

/* Functions that others could reach past the IOMMU go together. */
static const char *check_group(const struct vm_config *config, const struct config_hostdev *h,
			       const struct pci_device *dev)
{
	char missing[128] = "";
	size_t used = 0;

	for (const struct pci_device *d = pci_first(); d; d = d->next) {
		if (d->header == PCI_HEADER_BRIDGE || names(config, d->bdf) ||
		    group_of(d) != group_of(dev))
			continue;
		if (used + sizeof(d->name) < sizeof(missing))
			used += (size_t)snprintf(missing + used, sizeof(missing) - used, "%s%s",
						 used ? ", " : "", d->name);
	}
	return used ? refuse(h,
			     "it goes together with %s, which could reach each other past the "
			     "IOMMU: the guest must have all of them",
			     missing)
		    : NULL;
}

static const char *check(const struct vm_config *config, const struct config_hostdev *h,
			 struct pci_device *dev)
{
	const char *owner = dev ? assign_owner(dev) : NULL, *why;

	if (!dev)
		return refuse(h, "there is no such device");
	if (!dev->endpoint)
		return refuse(h, "it is a bridge or a part of the machine itself");
	if (dev->driver)
		return refuse(h,
			      "dom0 uses it (%s): a guest whose description is there at the "
			      "machine's start has it for itself",
			      dev->driver);
	if (owner)
		return refuse(h, "guest '%s' has it", owner);
	if (pci_virtual_count(dev) || pci_virtual_busy(dev))
		return refuse(h, "it has virtual functions, which its reset would take along");
	if (assign_is_resetting(dev))
		return refuse(h, "it is being reset: start the guest when that has ended");
	if (is_broken(dev))
		return refuse(h, "it did not come back from a reset, until the machine restarts");
	if (pci_legacy_ide(dev, 0) || pci_legacy_ide(dev, 1))
		return refuse(h, "it is at an IDE controller's old ports");
	if (!group_has_own_requests(dev))
		return refuse(h, "it is behind a bridge to conventional PCI, which hides whose DMA "
				 "it is");
	if (assign_reset_way(dev, &why) == RESET_NONE)
		return refuse(h, "%s", why);
	return check_group(config, h, dev);
}

/* --- the guest's side of it --- */

static bool touches(unsigned offset, unsigned size, unsigned first, unsigned bytes)
{
	return offset < first + bytes && first < offset + size;
}

/* Memory and ports are decoded by the function all the time; where the guest sees them is dom0's.
 */
static void master_written(struct assign_function *f)
{
	const uint8_t *config = pci_config(f->vm, f->state->slot);
	bool on = config[PCI_COMMAND] & PCI_COMMAND_MASTER && f->device;

	pci_change(f->dev, PCI_COMMAND, PCI_COMMAND_MASTER, on ? PCI_COMMAND_MASTER : 0);
	assign_pin_update(f);
}

/* A function that is being reset, or that did not come back, is not there for the guest. */
static bool answers(const struct assign_function *f)
{
	return f && !f->resetting && !f->failure;
}

static bool config_read(struct vm *vm, uint32_t instance, unsigned offset, unsigned size)
{
	struct assign_function *f = assign_by_instance(vm, instance);

	if (!answers(f))
		return false;
	assign_space_refresh(&f->space, f->dev, pci_config(vm, f->state->slot), offset, size);
	return true;
}

static void reset_by_guest(struct assign_function *f);

static void config_written(struct vm *vm, uint32_t instance, unsigned offset, unsigned size,
			   uint32_t value)
{
	struct assign_function *f = assign_by_instance(vm, instance);
	const struct assign_space *space;

	if (!answers(f))
		return;
	space = &f->space;
	if (assign_space_resets(space, offset, size, value)) {
		reset_by_guest(f);
		return;
	}
	assign_space_forward(space, f->dev, offset, size, value);
	if (touches(offset, size, PCI_COMMAND, 2))
		master_written(f);
	if (space->msi && touches(offset, size, space->msi, assign_space_msi_data(space) + 2))
		assign_msi_written(f);
	if (space->msix && touches(offset, size, space->msix, 4))
		assign_msix_written(f);
	if ((space->msi && touches(offset, size, space->msi, 4)) ||
	    (space->msix && touches(offset, size, space->msix, 4)))
		assign_pin_update(f);
}

static uint32_t extended_read(struct vm *vm, uint32_t instance, unsigned offset, unsigned size)
{
	struct assign_function *f = assign_by_instance(vm, instance);

	return answers(f) ? assign_space_extended(&f->space, f->dev, offset, size) : UINT32_MAX;
}

static void bar_moved(struct vm *vm, uint32_t instance, unsigned bar, uint64_t from, uint64_t to)
{
	struct assign_function *f = assign_by_instance(vm, instance);

	if (f)
		assign_bar_moved(f, bar, from, to);
}

static void intx_ended(struct vm *vm, uint32_t instance)
{
	struct assign_function *f = assign_by_instance(vm, instance);

	if (f)
		assign_pin_ended(f);
}

static const struct pci_ops function_ops = {
	.bar = {&assign_bar_ops[0], &assign_bar_ops[1], &assign_bar_ops[2], &assign_bar_ops[3],
		&assign_bar_ops[4], &assign_bar_ops[5]},
	.bar_moved = bar_moved,
	.config_read = config_read,
	.config_written = config_written,
	.extended_read = extended_read,
	.intx_ended = intx_ended,
};

static const char *add_function(struct assign_function *f)
{
	struct pci_device *dev = f->dev;
	unsigned slot = pci_free_slot(f->vm);
	const struct pci_ids ids = {
		.vendor = dev->vendor,
		.device = dev->device,
		.subvendor = dev->subvendor,
		.subdevice = dev->subdevice,
		.class_code = dev->class_code,
		.revision = (uint8_t)pci_read(dev, 8, 1),
		.intx = f->has_pin,
	};
	const char *wrong;

	f->state->slot = (uint8_t)slot;
	if (pci_add_function(f->vm, slot, &ids, &function_ops, f->instance))
		return "there is no room on the guest's bus";
	wrong = assign_bars_add(f);
	if (wrong)
		return wrong;
	assign_space_make(&f->space, dev, pci_config(f->vm, slot), pci_writable(f->vm, slot));
	pci_enable_bars(f->vm, slot);
	return NULL;
}

static void clear_table(struct assign_function *f)
{
	memset(f->state->entry, 0, sizeof(f->state->entry));
	for (unsigned i = 0; i < ASSIGN_VECTORS; i++)
		f->state->entry[i].control = 1; /* masked */
}

/* --- resets --- */

static struct assign_machine *machine_of(struct assign_function *f)
{
	return f->vm->assign;
}

static bool is_resetting(const struct assign_machine *machine)
{
	for (unsigned i = 0; i < machine->functions; i++)
		if (machine->function[i].resetting)
			return true;
	return false;
}

/* The guest ends: the function belongs to nobody. */
static void give_back(struct assign_function *f)
{
	if (f->device)
		sampo_handle_close(f->device);
	f->device = 0;
}

static void reset_done(struct assign_reset *reset, const char *failure)
{
	struct assign_function *f = reset->context;
	struct assign_machine *machine = machine_of(f);

	f->resetting = false;
	if (f->by_guest)
		pci_reset_function(f->vm, f->state->slot);
	f->by_guest = false;
	if (failure) {
		printf(LOG_ERR "%s: PCI %s: %s\n", f->vm->name, f->dev->name, failure);
		f->failure = failure;
		set_broken(f->dev);
	}
	if (machine->ending)
		give_back(f);
	if (is_resetting(machine))
		return;
	if (machine->ending || machine->ready)
		vm_became_quiet(f->vm);
	else
		work_queue(&machine->work);
}

/* Nothing of it reaches the guest or its memory any more, but for DMA in flight. */
static void begin_reset(struct assign_function *f)
{
	f->resetting = true;
	f->failure = NULL;
	assign_vectors_off(f);
	assign_pin_update(f);
	assign_reset_begin(&f->reset, reset_done, f);
}

/* As a function-level reset (PCI Express 5.0, 6.6.2), by whichever way the function has. The guest
 * waits until the function answers again. */
static void reset_by_guest(struct assign_function *f)
{
	clear_table(f);
	f->by_guest = true;
	begin_reset(f);
}

/* --- the guest's memory --- */

/* The guest-physical address of a byte of RAM. */
static uint64_t gpa_of(uint64_t offset)
{
	return offset < VM_RAM_BELOW_4G ? offset : FOUR_GIB + (offset - VM_RAM_BELOW_4G);
}

static void fail_all(struct assign_machine *machine, const char *what, int64_t status)
{
	static char failure[128];

	snprintf(failure, sizeof(failure), "%s: %s", what, sampo_strerror(status));
	for (unsigned i = 0; i < machine->functions; i++)
		if (!machine->function[i].failure)
			machine->function[i].failure = failure;
}

static void make_devices(struct assign_machine *machine)
{
	uint64_t name = 0;

	for (unsigned i = 0; i < sizeof(name) && machine->vm->name[i]; i++)
		name |= (uint64_t)(uint8_t)machine->vm->name[i] << 8 * i;
	for (unsigned i = 0; i < machine->functions; i++) {
		struct assign_function *f = &machine->function[i];
		int64_t status = sampo_device_create(boot->machine, f->dev->bdf,
						     machine->vm->domain, name, &f->device);

		if (status == SAMPO_EBUSY)
			f->failure = "the machine's firmware uses it, too";
		else if (status == SAMPO_ENODEV)
			f->failure = "no unit of the IOMMU is between it and memory";
		else if (status)
			fail_all(machine, "the IOMMU", status);
		if (status)
			return;
	}
	vm_log(machine->vm, "%u device%s of the machine given", machine->functions,
	       machine->functions == 1 ? "" : "s");
}

static bool has_failed(const struct assign_machine *machine)
{
	for (unsigned i = 0; i < machine->functions; i++)
		if (machine->function[i].failure)
			return true;
	return false;
}

static void tell_progress(struct assign_machine *machine, uint64_t now)
{
	if (now < machine->told_ns + PROGRESS_NS)
		return;
	machine->told_ns = now;
	vm_log(machine->vm, "memory for its devices: %llu of %llu MiB",
	       (unsigned long long)(machine->entered >> 20),
	       (unsigned long long)(machine->vm->ram_bytes >> 20));
}

/* Enters a piece of the RAM in the I/O table. Returns true if there is more. */
static bool enter_memory(struct assign_machine *machine)
{
	uint64_t start = clock_ns(), now = start;

	while (machine->entered < machine->vm->ram_bytes && now - start < PIECE_NS) {
		uint64_t address;
		int64_t status = sampo_object_info(machine->vm->domain, SAMPO_INFO_BUS, &address,
						   sizeof(address), gpa_of(machine->entered), NULL);

		if (status) {
			fail_all(machine, "the guest's memory for its devices", status);
			return false;
		}
		/* A screen's window is a hole in the first block, whose pages go one by one. */
		if (machine->vm->has_window && machine->entered < BLOCK)
			machine->entered += PAGE;
		else
			machine->entered += BLOCK;
		if (machine->vm->has_window && machine->entered == VM_WINDOW)
			machine->entered = VM_WINDOW_END;
		now = clock_ns();
	}
	tell_progress(machine, now);
	return machine->entered < machine->vm->ram_bytes;
}

/* The functions have been reset for the first time. */
static void prepare(struct work *work)
{
	struct assign_machine *machine = work->context;

	if (machine->ending) {
		vm_became_quiet(machine->vm);
		return;
	}
	if (!has_failed(machine) && enter_memory(machine)) {
		work_queue(work);
		return;
	}
	if (!has_failed(machine))
		make_devices(machine);
	machine->ready = true;
	vm_became_ready(machine->vm);
}

/* --- the part --- */

static uint64_t kernel_pages(const struct vm_config *config)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < config->hostdevs; i++) {
		const struct pci_device *dev = pci_at(config->hostdev[i].requester);

		pages += FUNCTION_PAGES;
		for (unsigned bar = 0; dev && bar < PCI_BARS; bar++)
			pages += dev->bar[bar].io ? 0 : dev->bar[bar].size / BLOCK;
	}
	return pages ? pages + config->memory / BLOCK : 0;
}

static const char *take(struct assign_machine *machine, const struct config_hostdev *h)
{
	struct vm *vm = machine->vm;
	struct pci_device *dev = pci_at(h->requester);
	const char *wrong = check(vm->config, h, dev), *why;
	struct assign_function *f;

	if (wrong)
		return wrong;
	f = &machine->function[machine->functions];
	f->vm = vm;
	f->dev = dev;
	f->instance = machine->functions;
	f->state = &vm->state->assign[f->instance];
	f->state->requester = dev->bdf;
	f->state->present = 1;
	f->reset.dev = dev;
	f->reset.way = assign_reset_way(dev, &why);
	f->next = given;
	given = f;
	machine->functions++;
	clear_table(f);
	if (!assign_find_table(f))
		dev->msix = 0; /* no driver can use it */
	f->has_pin = assign_pin_usable(dev) && assign_pin_bind(f);
	if (!f->has_pin && !dev->msi && !dev->msix)
		return refuse(h, "it has no interrupt by message, and %s",
			      dev->irq_pin ? "its pin cannot be shared (PCI 2.3)" : "no pin");
	wrong = add_function(f);
	return wrong ? refuse(h, "%s", wrong) : NULL;
}

static void free_machine(struct vm *vm)
{
	struct assign_machine *machine = vm->assign;

	if (!machine)
		return;
	for (unsigned i = 0; i < machine->functions; i++) {
		struct assign_function *f = &machine->function[i], **link = &given;

		assign_pin_unbind(f);
		assign_bars_remove(f);
		while (*link != f)
			link = &(*link)->next;
		*link = f->next;
	}
	free(machine);
	vm->assign = NULL;
}

static const char *attach(struct vm *vm)
{
	const struct vm_config *config = vm->config;
	struct assign_machine *machine;
	const char *wrong = NULL;

	if (!config->hostdevs)
		return NULL;
	if (!(boot->flags & SAMPO_BOOT_IOMMU))
		return "hostdev: this machine has no IOMMU in use, so a device cannot be given to "
		       "a guest";
	if (!can_give())
		return "hostdev: this machine's IOMMU does not remap interrupts, so a device could "
		       "raise any interrupt";
	machine = calloc(1, sizeof(*machine));
	if (!machine)
		return "no memory for the devices of the machine";
	machine->vm = vm;
	machine->work = (struct work){.run = prepare, .context = machine};
	machine->told_ns = clock_ns();
	vm->assign = machine;
	for (uint32_t i = 0; i < config->hostdevs && !wrong; i++)
		wrong = take(machine, &config->hostdev[i]);
	if (wrong) {
		free_machine(vm);
		return wrong;
	}
	for (unsigned i = 0; i < machine->functions; i++)
		begin_reset(&machine->function[i]);
	return NULL;
}

static bool ready(const struct vm *vm)
{
	const struct assign_machine *machine = vm->assign;

	return !machine || machine->ready;
}

static const char *begin(struct vm *vm)
{
	struct assign_machine *machine = vm->assign;

	for (unsigned i = 0; machine && i < machine->functions; i++) {
		struct assign_function *f = &machine->function[i];

		if (f->failure) {
			snprintf(text, sizeof(text), "hostdev %s: %s", f->dev->name, f->failure);
			return text;
		}
		assign_pin_update(f);
	}
	return NULL;
}

static void reset(struct vm *vm)
{
	struct assign_machine *machine = vm->assign;

	for (unsigned i = 0; machine && i < machine->functions; i++) {
		struct assign_function *f = &machine->function[i];

		clear_table(f);
		f->by_guest = false;
		if (!f->resetting)
			begin_reset(f);
	}
}

/* A reset that is under way at the guest's end is its last one. */
static void detach(struct vm *vm)
{
	struct assign_machine *machine = vm->assign;

	if (!machine)
		return;
	machine->ending = true;
	for (unsigned i = 0; i < machine->functions; i++)
		if (machine->function[i].device && !machine->function[i].resetting)
			begin_reset(&machine->function[i]);
}

static bool quiet(const struct vm *vm)
{
	const struct assign_machine *machine = vm->assign;

	return !machine || (!is_resetting(machine) && !machine->work.queued);
}

const struct vm_part assign_part = {
	.attach = attach,
	.kernel_pages = kernel_pages,
	.ready = ready,
	.boot = begin,
	.reset = reset,
	.detach = detach,
	.quiet = quiet,
	.free = free_machine,
};

/* --- a reset that the operator wants --- */

static struct assign_reset alone;
static void (*alone_done)(const char *failure);

static void alone_is_done(struct assign_reset *r, const char *failure)
{
	if (failure)
		set_broken(r->dev);
	r->dev = NULL;
	alone_done(failure);
}

bool assign_is_resetting(const struct pci_device *dev)
{
	return alone.dev == dev;
}

const char *assign_reset_function(struct pci_device *dev, void (*done)(const char *failure))
{
	const char *why = NULL;

	if (!dev->endpoint)
		return "it is a bridge or a part of the machine itself";
	if (dev->driver || assign_owner(dev))
		return "it is in use";
	if (pci_virtual_count(dev) || pci_virtual_busy(dev))
		return "it has virtual functions, which its reset would take along";
	if (alone.dev)
		return "another device is being reset";
	alone.way = assign_reset_way(dev, &why);
	if (alone.way == RESET_NONE)
		return why;
	alone.dev = dev;
	alone_done = done;
	assign_reset_begin(&alone, alone_is_done, NULL);
	return NULL;
}
