/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything of a guest's machine that the guest would miss if it were lost:
 * registers, queue positions, requests in flight. One flat structure without
 * pointers, in a region of memory that belongs to the guest's domain, so that
 * saving, moving or taking over a guest is a copy of this region. dom0 alone
 * writes it; the guest cannot see it.
 */
#pragma once

#include "guests/dom0/assign/assign_state.h"
#include "guests/dom0/cpu/msr.h"
#include "guests/dom0/cpu/startup.h"
#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/cmos.h"
#include "guests/dom0/machine/fwcfg.h"
#include "guests/dom0/machine/hotplug.h"
#include "guests/dom0/machine/i8042_state.h"
#include "guests/dom0/machine/ioapic.h"
#include "guests/dom0/machine/pci.h"
#include "guests/dom0/machine/pic.h"
#include "guests/dom0/machine/pit.h"
#include "guests/dom0/machine/uart.h"
#include "guests/dom0/machine/vga_state.h"
#include "guests/dom0/virtio/virtio.h"
#include "guests/dom0/vm/vm.h"

#define MACHINE_STATE_MAGIC    0x41545353u
#define MACHINE_STATE_VERSION  5u
#define MACHINE_VIRTIO_DEVICES 24

struct machine_state {
	uint32_t magic, version, size;
	uint32_t reserved;
	struct pic_state pic;
	struct ioapic_state ioapic;
	struct pit_state pit;
	struct cmos_state cmos;
	struct uart_state uart[2];
	struct vga_state vga;
	struct acpi_state acpi;
	struct i8042_state i8042;
	struct pci_state pci;
	struct hotplug_state hotplug;
	struct fwcfg_state fwcfg;
	struct msr_state msr[VM_MAX_VCPUS];
	struct startup_state startup[VM_MAX_VCPUS];
	struct virtio_state virtio[MACHINE_VIRTIO_DEVICES];
	struct assign_state assign[ASSIGN_FUNCTIONS];
};
