/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs about the machine's devices. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/manage/documents.h"
#include "guests/dom0/manage/nodedev.h"
#include "guests/dom0/shell/shell.h"
#include "guests/dom0/shell/term.h"

#define DEPTH_MAX    16u          /* bridges below bridges */
#define WORK_LOOK_NS 100000000ull /* between two looks whether work is over */

/* All devices, as nodedev_all describes them. */
struct forest {
	struct nodedev *device;
	unsigned count;
};

/* The number of the first device below `parent`, from `n` on; 0: none. */
static unsigned next_child(const struct forest *forest, const char *parent, unsigned n)
{
	for (; n < forest->count; n++)
		if (!strcmp(forest->device[n].parent, parent))
			return n;
	return 0;
}

/*
 * As virsh draws trees: a device, then its children, each behind a line that comes down from it. A
 * line goes on beside what is below a device if that has a later sibling.
 */
static void draw(const struct forest *forest, unsigned n, bool last, const char *before,
		 unsigned depth)
{
	const char *name = forest->device[n].name;
	char indent[4 * DEPTH_MAX];
	unsigned child, next;

	term_printf("%s%s%s\n", before, depth ? "+- " : "", name);
	snprintf(indent, sizeof(indent), "%s%s", before, !depth ? "" : last ? "  " : "| ");
	child = depth < DEPTH_MAX - 1 ? next_child(forest, name, 1) : 0;
	if (child)
		term_printf("%s  |\n", indent);
	else if (last)
		term_printf("%s\n", indent);
	snprintf(indent + strlen(indent), sizeof(indent) - strlen(indent), "  ");
	for (; child; child = next) {
		next = next_child(forest, name, child + 1);
		draw(forest, child, !next, indent, depth + 1);
	}
}

/* Is `name` a word of the list, with commas between? */
static bool is_listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (!strncmp(at, name, n) && (!at[n] || at[n] == ','))
			return true;
	return false;
}

static void list(const struct forest *forest, const char *caps)
{
	for (unsigned n = 0; n < forest->count; n++) {
		const struct nodedev *device = &forest->device[n];

		if (!caps || is_listed(caps, *device->parent ? "pci" : "system"))
			shell_line(device->name);
	}
	term_printf("\n");
}

static void run_nodedev_list(const struct args *args)
{
	const char *caps = args_text(args, "cap");
	bool tree = args_flag(args, "tree");
	struct forest forest;

	if (tree && caps) {
		shell_error("Options --tree and --cap are incompatible");
		return;
	}
	forest.device = nodedev_all(&forest.count);
	if (!forest.device) {
		shell_error("dom0 is out of memory");
		return;
	}
	if (tree)
		draw(&forest, 0, true, "", 0);
	else
		list(&forest, caps);
	free(forest.device);
}

/* False after virsh's message if there is no device of that name. */
static bool find_device(const char *name, struct nodedev *device)
{
	char why[80];

	if (nodedev_find(name, device))
		return true;
	snprintf(why, sizeof(why),
		 "Node device not found: no node device with matching name '%.20s'", name);
	shell_failure(why, "Could not find matching device '%s'", name);
	return false;
}

static void run_nodedev_dumpxml(const struct args *args)
{
	const char *name = args_text(args, "device");
	struct nodedev device;

	if (!find_device(name, &device))
		return;
	nodedev_document(&device, shell_put, NULL);
	term_printf("\n");
}

/* --- nodedev-reset and nodedev-vfs --- */

/* The change for which the job waits, and the job's last words. One at a time: ^C ends the job, not
 * the work. */
static struct {
	bool goes_on;
	const char *failure;
	char failed[64], good[80];
} work;

static void work_done(const char *failure)
{
	work.failure = failure;
	work.goes_on = false;
}

/* Returns false after a message if the work of a verb before still goes on. */
static bool may_work(void)
{
	if (work.goes_on)
		shell_error("The last nodedev-reset or nodedev-vfs still goes on");
	return !work.goes_on;
}

static bool work_step(bool cancel)
{
	if (cancel)
		return false;
	if (work.goes_on)
		return true;
	if (work.failure)
		shell_failure(work.failure, "%s", work.failed);
	else
		term_printf("%s\n\n", work.good);
	return false;
}

/* wrong: why it was not begun. */
static void wait_for_work(const char *wrong)
{
	work.goes_on = !wrong;
	if (wrong)
		shell_failure(wrong, "%s", work.failed);
	else
		shell_job(work_step, WORK_LOOK_NS);
}

static void run_nodedev_reset(const struct args *args)
{
	struct nodedev device;

	if (!find_device(args_text(args, "device"), &device) || !may_work())
		return;
	snprintf(work.failed, sizeof(work.failed), "Failed to reset device %s", device.name);
	snprintf(work.good, sizeof(work.good), "Device %s reset", device.name);
	wait_for_work(nodedev_reset(&device, work_done));
}

static void describe_vfs(const struct nodedev *device, unsigned count)
{
	snprintf(work.good, sizeof(work.good), "Device %s has %u of %u virtual functions",
		 device->name, count, device->max_vfs);
}

static void run_nodedev_vfs(const struct args *args)
{
	struct nodedev device;
	uint64_t count;

	if (!find_device(args_text(args, "device"), &device))
		return;
	if (!args_text(args, "count")) {
		describe_vfs(&device, device.vfs);
		term_printf("%s\n\n", work.good);
		return;
	}
	if (!shell_number(args, "count", UINT16_MAX, &count) || !may_work())
		return;
	describe_vfs(&device, (unsigned)count);
	snprintf(work.failed, sizeof(work.failed), "Failed to %s virtual functions of %s",
		 count ? "make" : "remove", device.name);
	wait_for_work(nodedev_make_vfs(&device, (unsigned)count, work_done));
}

static const struct arg list_args[] = {
	{"tree", ARG_FLAG, ARG_OPTIONAL, "list devices in a tree"},
	{"cap", ARG_TEXT, ARG_OPTIONAL, "capability names, separated by comma"},
	ARG_END,
};

static const struct arg dumpxml_args[] = {
	{"device", ARG_TEXT, ARG_REQUIRED, "device name or wwn pair in 'wwnn,wwpn' format"},
	ARG_END,
};

static const struct arg reset_args[] = {
	{"device", ARG_TEXT, ARG_REQUIRED, "device name"},
	ARG_END,
};

static const struct arg vfs_args[] = {
	{"device", ARG_TEXT, ARG_REQUIRED, "device name"},
	{"count", ARG_NUMBER, ARG_OPTIONAL, "how many it shall have, 0: none"},
	ARG_END,
};

const struct shell_command shell_nodedev_commands[] = {
	{"nodedev-dumpxml", SHELL_NODEDEV, COMPLETE_NONE, "node device details in XML",
	 "Output the node device details as an XML dump to stdout.", dumpxml_args,
	 run_nodedev_dumpxml},
	{"nodedev-list", SHELL_NODEDEV, COMPLETE_NONE, "enumerate devices on this host", NULL,
	 list_args, run_nodedev_list},
	{"nodedev-reset", SHELL_NODEDEV, COMPLETE_NONE, "reset node device",
	 "Resets node device before or after assigning to a domain.", reset_args,
	 run_nodedev_reset},
	{"nodedev-vfs", SHELL_SAMPO, COMPLETE_NONE, "virtual functions of a node device",
	 "Makes or removes virtual functions (SR-IOV) of a node device, or prints how many it has.",
	 vfs_args, run_nodedev_vfs},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
