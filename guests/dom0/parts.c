/* SPDX-License-Identifier: BSD-2-Clause */
/* All parts of a guest's machine. */
#include "guests/dom0/parts.h"

#include "guests/dom0/assign/assign.h"
#include "guests/dom0/cpu/cpu.h"
#include "guests/dom0/display/display.h"
#include "guests/dom0/load/load.h"
#include "guests/dom0/machine/platform.h"
#include "guests/dom0/machine/vga.h"
#include "guests/dom0/virtio/pci.h"

/* The main board comes before the devices in its slots; the kernel is loaded last. */
const struct vm_part *const parts[] = {
	&cpu_part,     &platform_part, &virtio_part, &vga_part,
	&display_part, &assign_part,   &load_part,   NULL,
};
