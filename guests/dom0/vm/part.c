/* SPDX-License-Identifier: BSD-2-Clause */
#include "guests/dom0/vm/part.h"

#include <stddef.h>

#include "guests/dom0/vm/life.h"

static const struct vm_part *const none[] = {NULL};
static const struct vm_part *const *parts = none;

void vm_set_parts(const struct vm_part *const *table)
{
	parts = table;
}

/* The parts before `end` were attached, and no driver has seen them. */
static void take_back(struct vm *vm, const struct vm_part *const *end)
{
	for (const struct vm_part *const *part = parts; part != end; part++) {
		if ((*part)->detach)
			(*part)->detach(vm);
		if ((*part)->free)
			(*part)->free(vm);
	}
}

const char *parts_attach(struct vm *vm)
{
	for (const struct vm_part *const *part = parts; *part; part++) {
		const char *error = (*part)->attach ? (*part)->attach(vm) : NULL;

		if (error) {
			take_back(vm, part);
			return error;
		}
	}
	return NULL;
}

uint64_t parts_kernel_pages(const struct vm_config *config)
{
	uint64_t pages = 0;

	for (const struct vm_part *const *part = parts; *part; part++)
		if ((*part)->kernel_pages)
			pages += (*part)->kernel_pages(config);
	return pages;
}

uint64_t parts_memory(const struct vm_config *config)
{
	uint64_t bytes = 0;

	for (const struct vm_part *const *part = parts; *part; part++)
		if ((*part)->memory)
			bytes += (*part)->memory(config);
	return bytes;
}

bool parts_ready(const struct vm *vm)
{
	for (const struct vm_part *const *part = parts; *part; part++)
		if ((*part)->ready && !(*part)->ready(vm))
			return false;
	return true;
}

const char *parts_boot(struct vm *vm)
{
	const char *error = NULL;

	for (const struct vm_part *const *part = parts; *part && !error; part++)
		if ((*part)->boot)
			error = (*part)->boot(vm);
	return error;
}

void parts_reset(struct vm *vm)
{
	for (const struct vm_part *const *part = parts; *part; part++)
		if ((*part)->reset)
			(*part)->reset(vm);
}

void parts_resume(struct vm *vm)
{
	for (const struct vm_part *const *part = parts; *part; part++)
		if ((*part)->resume)
			(*part)->resume(vm);
}

void parts_button(struct vm *vm)
{
	for (const struct vm_part *const *part = parts; *part; part++)
		if ((*part)->button)
			(*part)->button(vm);
}

void parts_detach(struct vm *vm)
{
	for (const struct vm_part *const *part = parts; *part; part++)
		if ((*part)->detach)
			(*part)->detach(vm);
}

bool vm_quiet(const struct vm *vm)
{
	for (const struct vm_part *const *part = parts; *part; part++)
		if ((*part)->quiet && !(*part)->quiet(vm))
			return false;
	return true;
}

void parts_free(struct vm *vm)
{
	for (const struct vm_part *const *part = parts; *part; part++)
		if ((*part)->free)
			(*part)->free(vm);
}

void (*parts_raised(void))(void *vcpu)
{
	for (const struct vm_part *const *part = parts; *part; part++)
		if ((*part)->raised)
			return (*part)->raised;
	return NULL;
}
