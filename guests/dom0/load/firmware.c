/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Firmware instead of a kernel. It is the guest's ROM, which ends at 4 GiB; the boot CPU begins 16
 * bytes before, in real mode, as after power on. The end of the ROM is also in RAM below 1 MiB,
 * where real mode goes on.
 */
#include <string.h>

#include "guests/dom0/load/rom.h"
#include "guests/dom0/load/stage.h"
#include "guests/dom0/machine/fwcfg.h"
#include "guests/dom0/vm/state.h"

#define SMALLEST  65536u /* the segment in which the CPU begins */
#define VECTOR    16u
#define CMOS_LEFT 0x0fu /* why the CPU is reset: not 0, if software wants to go on behind it */

/* The CPU's first instruction is a jump, in 16 bits; some compilers put a cli or wbinvd before it.
 */
static bool has_vector(const struct load_file *file)
{
	const uint8_t *at = file->data + file->size - VECTOR;

	if (at[0] == 0x90 && at[1] == 0x90)
		at += 2; /* nop */
	else if (at[0] == 0x0f && at[1] == 0x09)
		at += 2; /* wbinvd */
	else if (at[0] == 0xfa)
		at++; /* cli */
	return at[0] == 0xea || at[0] == 0xe9 || at[0] == 0xeb;
}

bool is_firmware(const struct load_file *file)
{
	return file->size >= SMALLEST && file->size % ROM_GRANULE == 0 && has_vector(file);
}

static const char *check(struct load *load)
{
	const struct load_file *file = &load->kernel;
	const char *name = load->config->firmware;

	if (file->size > ROM_MOST)
		return load_fail(load, "the firmware '%s' has %llu MiB, more than 16", name,
				 (unsigned long long)(file->size >> 20));
	if (file->size < SMALLEST || file->size % ROM_GRANULE)
		return load_fail(load,
				 "the firmware '%s' is none: it has %llu bytes, and not a multiple "
				 "of 4096 from 65536 on",
				 name, (unsigned long long)file->size);
	if (!has_vector(file))
		return load_fail(
			load,
			"the firmware '%s' is none: 16 bytes before its end, where the CPU "
			"begins, is no jump",
			name);
	return NULL;
}

/* A program of real mode comes back from protected mode by a reset and a word in the clock's
 * memory; then firmware's copy in RAM, with all that it knows, stays. */
static void copy_low(struct load *load)
{
	const struct load_file *file = &load->kernel;
	uint64_t bytes = file->size < ROM_LOW ? file->size : ROM_LOW;
	void *to = vm_mem(load->vm, ROM_LOW_END - bytes, bytes);

	if (to && !load->vm->state->cmos.reg[CMOS_LEFT])
		memcpy(to, file->data + file->size - bytes, bytes);
}

const char *load_firmware(struct load *load)
{
	const struct load_file *file = &load->kernel;
	const char *wrong = check(load);

	if (wrong)
		return wrong;
	wrong = rom_load(load->vm, file->data, file->size);
	if (!wrong)
		wrong = fwcfg_build(load->vm);
	if (wrong)
		return load_fail(load, "the firmware '%s': %s", load->config->firmware, wrong);
	copy_low(load);
	return NULL;
}
