/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds a guest's files and the loader for its kernel. */
#include "guests/dom0/load/stage.h"

#include <string.h>

#include "guests/dom0/base/memory.h"
#include "guests/dom0/base/sums.h"

#define TEXT_LOOK 512u

static const char *find_file(struct load *load, unsigned number, const char *name,
			     struct load_file *file)
{
	const char *what = load_what(load->config, number);
	struct module module;
	const char *wrong;

	if (stage_find(load->vm, number, file, &wrong))
		return wrong ? load_fail(load, "the %s %s", what, wrong) : NULL;
	if (!module_find(name, &module))
		return load_fail(load, LOAD_MISSING, what, name, load_missing_volume(name));
	wrong = sums_check(&module);
	if (wrong)
		return load_fail(load, "the %s '%s': %s", what, name, wrong);
	*file = (struct load_file){module.data, module.size};
	return NULL;
}

static bool begins(const struct load_file *file, const char *with, size_t bytes)
{
	return file->size >= bytes && !memcmp(file->data, with, bytes);
}

static bool is_text(const struct load_file *file)
{
	uint64_t n = file->size < TEXT_LOOK ? file->size : TEXT_LOOK;

	for (uint64_t i = 0; i < n; i++)
		if (file->data[i] < ' ' && !memchr("\t\n\r\f\b", file->data[i], 5))
			return false;
	return true;
}

/* Says the file's format, as far as that helps. */
static const char *unknown(struct load *load)
{
	const struct load_file *file = &load->kernel;
	const char *what = "it has none of their headers";

	if (!file->size)
		what = "it is empty";
	else if (begins(file, "\x1f\x8b", 2))
		what = "it is a gzip file, which has to be unpacked before";
	else if (begins(file, "MZ", 2))
		what = "it is an EFI program";
	else if (is_firmware(file))
		what = "it is a firmware image, which belongs in <loader>";
	else if (is_text(file))
		what = "it is a text";
	else if (file->size >= 512 && file->data[510] == 0x55 && file->data[511] == 0xaa)
		what = "it is a boot sector, or Linux older than 1.3.73";
	return load_fail(load, "the kernel is no bzImage, PVH, multiboot or real-mode ELF file: %s",
			 what);
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
	if (is_elf(file))
		return load_real_mode(load);
	return unknown(load);
}

const char *load_guest(struct load *load)
{
	const struct vm_config *config = load->config;
	bool firmware = config_has_firmware(config);
	const char *error =
		find_file(load, 0, firmware ? config->firmware : config->kernel, &load->kernel);

	for (uint32_t i = 0; i < config->initrds && !error; i++)
		error = find_file(load, i + 1, config->initrd[i], &load->initrd[i]);
	if (error)
		return error;
	return firmware ? load_firmware(load) : load_kernel(load);
}
