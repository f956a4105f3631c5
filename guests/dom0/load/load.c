/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds a guest's files and the loader for its kernel. */
#include "guests/dom0/load/load.h"

#include "guests/dom0/memory.h"

static const char *find_file(struct load *load, const char *what, const char *name,
			     struct load_file *file)
{
	struct module module;

	if (!module_find(name, &module))
		return load_fail(load,
				 "the %s '%s' was not loaded at boot: there is no such module",
				 what, name);
	if (!module.size)
		return load_fail(load, "the %s '%s' is empty", what, name);
	*file = (struct load_file){module.data, module.size};
	return NULL;
}

static const char *load_kernel(struct load *load)
{
	const struct load_file *file = &load->kernel;
	uint32_t entry;
	uint64_t at;

	if (is_bzimage(file))
		return load_bzimage(load);
	if (pvh_entry(file, &entry))
		return load_pvh(load, entry);
	if (multiboot2_header(file, &at))
		return load_multiboot2(load, at);
	if (multiboot1_header(file, &at))
		return load_multiboot1(load, at);
	if (file->size > 2 && file->data[0] == 0x1f && file->data[1] == 0x8b)
		return load_fail(load, "a gzip file: it has to be unpacked before");
	return load_real_mode(load);
}

const char *load_guest(struct load *load)
{
	const struct vm_config *config = load->config;
	const char *error = find_file(load, "kernel", config->kernel, &load->kernel);

	for (uint32_t i = 0; i < config->initrds && !error; i++)
		error = find_file(load, "initrd", config->initrd[i], &load->initrd[i]);
	return error ? error : load_kernel(load);
}
