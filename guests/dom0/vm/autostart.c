/* SPDX-License-Identifier: BSD-2-Clause */
/* The guests that come with the boot medium. */
#include "guests/dom0/vm/autostart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/dom0/base/memory.h"
#include "guests/dom0/base/sums.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/vm/vm.h"
#include "guests/lib/guest.h"

static bool is_description(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && !strcmp(name + n - 4, ".xml");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct module *)a)->name, ((const struct module *)b)->name);
}

static void print_error(const char *text)
{
	printf(LOG_ERR "error: %s\n", text);
}

static void print_note(const char *text)
{
	printf(LOG_WARNING "%s\n", text);
}

static void define(const struct module *module)
{
	static struct config_error error;
	struct vm_config *config;
	struct vm *vm = NULL;
	const char *wrong = sums_check(module);

	if (wrong) {
		printf(LOG_ERR "error: %s: %s\n", module->name, wrong);
		return;
	}
	config = config_parse(module->name, (const char *)module->data, module->size, &error);
	config_each_line(&error.notes, print_note);
	config_each_line(&error.refusals, print_error);
	if (!config)
		return;
	wrong = vm_define(config, &vm);
	if (wrong)
		printf(LOG_ERR "error: %s: %s\n", module->name, wrong);
	else
		vm->autostart = vm->from_medium = true;
}

void autostart_define(void)
{
	struct module module, *found = calloc(boot->modules, sizeof(*found));
	unsigned count = 0;

	if (!found && boot->modules)
		printf(LOG_ERR "error: no memory for %u boot modules\n", boot->modules);
	for (unsigned i = 0; found && module_get(i, &module); i++)
		if (is_description(module.name))
			found[count++] = module;
	qsort(found, count, sizeof(found[0]), by_name);
	for (unsigned i = 0; i < count; i++)
		define(&found[i]);
	free(found);
}

/* The operator may have undefined or unmarked some while the disks were read. */
void autostart(void)
{
	unsigned started = 0, marked = 0;

	for (struct vm *vm = vm_first(); vm; vm = vm_next(vm)) {
		const char *wrong;

		if (!vm->autostart)
			continue;
		marked++;
		wrong = vm->run == VM_OFF ? vm_start(vm) : NULL;
		if (wrong)
			printf(LOG_ERR "error: guest '%s': %s\n", vm->name, wrong);
		else
			started++;
	}
	printf("dom0: ready, %u of %u guests started\n", started, marked);
}
