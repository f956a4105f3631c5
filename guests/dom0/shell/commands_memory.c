/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs that change the memory of a guest that is off: there is no balloon. */
#include <errno.h>
#include <stdlib.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/manage/tune.h"
#include "guests/dom0/shell/shell.h"

/* Reads a size as virsh does: KiB unless a unit follows. Returns false after a message. */
static bool read_size(const struct args *args, uint64_t *bytes)
{
	const char *text = args_text(args, "size");
	uint64_t n, unit;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	unit = *end ? config_unit(end) : 1024;
	if (*text >= '0' && *text <= '9' && !errno && unit && n <= UINT64_MAX / unit) {
		*bytes = n * unit;
		return true;
	}
	shell_error("Scaled numeric value '%s' for <size> option is malformed or out of range",
		    text);
	if (*text < '0' || *text > '9' || errno)
		return false;
	if (!unit)
		shell_error("invalid argument: unknown suffix '%s'", end);
	else
		shell_error("numerical overflow: value too large: %s", text);
	return false;
}

/* setmem without an option is about a running guest, setmaxmem about the guest as it is. */
static unsigned affects(const struct args *args, bool maximum)
{
	unsigned set = 0;

	if (args_flag(args, "live"))
		set |= TUNE_LIVE;
	if (args_flag(args, "config"))
		set |= TUNE_CONFIG;
	return set || args_flag(args, "current") || maximum ? set : TUNE_LIVE;
}

static void set_memory(const struct args *args, bool maximum)
{
	const char *failure;
	struct vm *vm;
	uint64_t bytes;

	if (!shell_not_both(args, "current", "live") || !shell_not_both(args, "current", "config"))
		return;
	vm = shell_domain_of(args);
	if (!vm || !read_size(args, &bytes))
		return;
	failure = manage_memory(vm, bytes, maximum, affects(args, maximum));
	if (failure && maximum)
		shell_error("Unable to change MaxMemorySize");
	if (failure)
		shell_error("%s", failure);
	else
		shell_keep(vm);
}

static void run_setmem(const struct args *args)
{
	set_memory(args, false);
}

static void run_setmaxmem(const struct args *args)
{
	set_memory(args, true);
}

static const struct arg setmem_args[] = {
	ARG_ANY_DOMAIN,
	{"size", ARG_NUMBER, ARG_REQUIRED, "new memory size, as scaled integer (default KiB)"},
	ARG_AFFECTS,
	ARG_END,
};

static const struct arg setmaxmem_args[] = {
	ARG_ANY_DOMAIN,
	{"size", ARG_NUMBER, ARG_REQUIRED,
	 "new maximum memory size, as scaled integer (default KiB)"},
	ARG_AFFECTS,
	ARG_END,
};

const struct shell_command shell_memory_commands[] = {
	{"setmaxmem", SHELL_DOMAIN, COMPLETE_DOMAIN, "change maximum memory limit",
	 "Change the maximum memory allocation limit in the guest domain.", setmaxmem_args,
	 run_setmaxmem},
	{"setmem", SHELL_DOMAIN, COMPLETE_DOMAIN, "change memory allocation",
	 "Change the current memory allocation in the guest domain.", setmem_args, run_setmem},
	{NULL, SHELL_GROUPS, COMPLETE_NONE, NULL, NULL, NULL, NULL},
};
