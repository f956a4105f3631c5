/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/device.h"

#include "arch/cpu.h"
#include "kernel/log.h"

#define COMMAND_SAFE   0x0157u /* I/O, memory, master, MWI, parity and SERR enable */
#define COMMAND_DECODE (PCI_COMMAND_IO | PCI_COMMAND_MEMORY)
#define CACHE_LINE     0x0cu
#define LATENCY        0x0du
#define PM_CONTROL     4u /* in the power management capability, 2 bytes */
#define PAGE           4096u

struct device device_table[SAMPO_BOOT_DEVICES];
unsigned device_count;

static bool found(const struct pci_function *f)
{
	struct device *d = &device_table[device_count];
	const struct sampo_device_info *i = &f->info;

	if (device_count == SAMPO_BOOT_DEVICES) {
		log_print("pci: more than %u devices, the rest is ignored\n", SAMPO_BOOT_DEVICES);
		return false;
	}
	object_init(&d->object, SAMPO_T_DEVICE); /* the table's reference stays for ever */
	d->pci = *f;
	d->pm_cap = (uint8_t)pci_find_capability(i->bdf, PCI_CAP_PM);
	device_count++;
	/* A display may need to master the bus to go on showing our messages. */
	pci_command(f, i->class_code >> 16 == PCI_CLASS_DISPLAY ? 0 : PCI_COMMAND_MASTER,
		    PCI_COMMAND_INTX_OFF);
	pci_messages_off(f);
	log_print("pci: %02x:%02x.%x %04x:%04x class %06x irq %u, %u MSI, %u MSI-X\n", i->bdf >> 8,
		  i->bdf >> 3 & 31, i->bdf & 7, i->vendor, i->device, i->class_code, i->irq_line,
		  i->msi, i->msix);
	return true;
}

void device_setup(void)
{
	pci_scan(found);
}

/* The port of a register in a BAR, or -1. */
static int port_of(const struct device *device, uint64_t offset, uint64_t bytes)
{
	uint64_t n = (offset >> 16) - 1, at = offset & 0xffff;
	const struct sampo_bar *bar = device->pci.info.bar + (n < 6 ? n : 0);

	if (n >= 6 || !(bar->flags & 1) || at + bytes > bar->size ||
	    (bytes != 1 && bytes != 2 && bytes != 4))
		return -1;
	return (int)((bar->base + at) & 0xffff);
}

static bool valid_access(uint64_t offset, uint64_t bytes)
{
	return (bytes == 1 || bytes == 2 || bytes == 4) && offset < 0x1000 && !(offset % bytes);
}

int64_t device_config_read(struct device *device, uint64_t offset, uint64_t bytes, uint32_t *value)
{
	if (offset >> 16) {
		int port = port_of(device, offset, bytes);

		if (port >= 0)
			*value = bytes == 1   ? port_in8((uint16_t)port)
				 : bytes == 2 ? port_in16((uint16_t)port)
					      : port_in32((uint16_t)port);
		return port < 0 ? SAMPO_EINVAL : SAMPO_OK;
	}
	if (!valid_access(offset, bytes))
		return SAMPO_EINVAL;
	*value = UINT32_MAX >> (32 - 8 * bytes);
	if (offset < 0x100) /* nobody needs what is beyond: as on a machine without ECAM */
		*value = pci_read(device->pci.info.bdf, (unsigned)offset, (unsigned)bytes);
	return SAMPO_OK;
}

/*
 * A device that was reset or asleep may have lost its BARs: they are set anew
 * before it answers at addresses again, so it never does at wrong ones.
 */
static void write_command(struct device *device, uint32_t value, uint32_t mask)
{
	mask &= COMMAND_SAFE;
	value &= mask;
	if (value & COMMAND_DECODE) {
		pci_command(&device->pci, COMMAND_DECODE, 0);
		pci_restore_bars(&device->pci);
	}
	pci_command(&device->pci, mask, value);
}

/* The bytes that a domain may write, beside the command register. */
static bool writable(const struct device *device, unsigned offset)
{
	if (device->pm_cap && offset - device->pm_cap - PM_CONTROL < 2)
		return true;
	return offset == PCI_STATUS || offset == PCI_STATUS + 1 || offset == CACHE_LINE ||
	       offset == LATENCY || offset == PCI_INTERRUPT_LINE;
}

static int64_t write_port(int port, uint64_t bytes, uint32_t value)
{
	if (port < 0)
		return SAMPO_EINVAL;
	if (bytes == 1)
		port_out8((uint16_t)port, (uint8_t)value);
	else if (bytes == 2)
		port_out16((uint16_t)port, (uint16_t)value);
	else
		port_out32((uint16_t)port, value);
	return SAMPO_OK;
}

int64_t device_config_write(struct device *device, uint64_t offset, uint64_t bytes, uint32_t value)
{
	unsigned shift = 8 * (offset & 1);

	if (offset >> 16)
		return write_port(port_of(device, offset, bytes), bytes, value);
	if (!valid_access(offset, bytes))
		return SAMPO_EINVAL;
	if ((offset & ~1ull) == PCI_COMMAND)
		write_command(device, value << shift, (UINT32_MAX >> (32 - 8 * bytes)) << shift);
	for (unsigned i = 0; i < bytes; i++)
		if (writable(device, (unsigned)offset + i))
			pci_write(device->pci.info.bdf, (unsigned)offset + i, 1,
				  value >> 8 * i & 0xff);
	return SAMPO_OK;
}

bool device_bar_allowed(const struct device *device, uint64_t pa)
{
	const struct pci_function *f = &device->pci;

	pa &= ~(uint64_t)(PAGE - 1);
	return !f->info.msix || pa + PAGE <= f->msix_table ||
	       pa >= f->msix_table + f->info.msix * 16u;
}
