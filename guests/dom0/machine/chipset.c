/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intel 82441FX (290549-001, 3.2.15): PAM0 to PAM6 say of each piece of memory between 0xc0000 and
 * 0xfffff whether reads and writes go to RAM or to the ROM below 4 GiB. Here the RAM is always
 * there, with a copy of the ROM's end from the reset on, so firmware finds in it what it would
 * copy; the registers keep what is written.
 */
#include "guests/dom0/machine/chipset.h"

#include <stdbool.h>
#include <string.h>

#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/pci.h"
#include "guests/dom0/vm/vm.h"

#define PAM_FIRST 0x59u
#define PAM_LAST  0x5fu
#define PAM_BITS  0x33u /* of each half: reads, writes from and to RAM */

/* The generic host bridge of the Red Hat ids. */
static const struct pci_ids plain_ids = {
	.vendor = 0x1b36,
	.device = 0x0008,
	.subvendor = 0x1af4,
	.subdevice = 0x1100,
	.class_code = 0x060000,
};

/* By the subsystem's ids firmware knows that its machine is QEMU's. */
static const struct pci_ids i440fx_ids = {
	.vendor = 0x8086,
	.device = 0x1237,
	.subvendor = 0x1af4,
	.subdevice = 0x1100,
	.class_code = 0x060000,
	.revision = 2,
};

void chipset_reset(struct vm *vm)
{
	(void)vm; /* pci_reset has cleared what a guest may write */
}

int chipset_resume(struct vm *vm)
{
	(void)vm;
	return 0;
}

int chipset_init(struct vm *vm)
{
	bool firmware = config_has_firmware(vm->config);

	if (pci_add_function(vm, 0, firmware ? &i440fx_ids : &plain_ids, NULL, 0) != 0)
		return -1;
	if (firmware)
		memset(pci_writable(vm, 0) + PAM_FIRST, PAM_BITS, PAM_LAST - PAM_FIRST + 1);
	pci_enable_bars(vm, 0);
	return 0;
}
