/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/pcidev.c kernel/device.c */
/*
 * A function with any configuration space, whose registers all can be
 * written: probing it ends and leaves it as it was, and a domain's writes
 * reach nothing but what is the domain's.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/paging.h"
#include "arch/pci.h"
#include "kernel/device.h"
#include "kernel/log.h"

#define BDF   0x0010
#define LIMIT 4096

static uint8_t config[256];
static uint8_t *table;
static unsigned accesses;

static void check(int condition)
{
	if (!condition)
		abort();
}

uint32_t pci_read(uint16_t bdf, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	check(offset % bytes == 0 && ++accesses < LIMIT);
	if (bdf != BDF || offset > 255)
		return UINT32_MAX;
	memcpy(&value, config + offset, bytes);
	return value;
}

void pci_write(uint16_t bdf, unsigned offset, unsigned bytes, uint32_t value)
{
	check(bdf == BDF && offset % bytes == 0);
	if (offset < 256) /* as the real one */
		memcpy(config + offset, &value, bytes);
}

volatile void *mmio_map(uint64_t pa, size_t bytes)
{
	(void)pa;
	free(table);
	return table = malloc(bytes);
}

void log_print(const char *format, ...)
{
	(void)format;
}

/* What a domain may change: see device_config_write. */
static int allowed(const struct device *device, unsigned offset)
{
	if (offset == 4 || offset == 5 || offset == 6 || offset == 7 || offset == 0x0c ||
	    offset == 0x0d || offset == 0x3c)
		return 1;
	return device->pm_cap && offset - device->pm_cap - 4u < 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct device device;
	uint8_t before[256];
	uint32_t value;

	if (bytes < 256)
		return 0;
	memcpy(config, data, 256);
	memcpy(before, config, 256);
	accesses = 0;
	memset(&device, 0, sizeof(device));
	if (!pci_probe(BDF, &device.pci) || !device.pci.endpoint)
		return 0;
	check(!memcmp(before, config, 256));
	device.pm_cap = (uint8_t)pci_find_capability(BDF, PCI_CAP_PM);
	for (size_t i = 256; i + 8 <= bytes && i < 512; i += 8) {
		uint64_t offset = data[i] | (data[i + 1] & 0x1f) << 8;

		accesses = 0;
		memcpy(&value, data + i + 4, 4);
		memcpy(before, config, 256);
		device_config_write(&device, offset, data[i + 2] & 7, value);
		for (unsigned at = 0; at < 256; at++)
			check(before[at] == config[at] || allowed(&device, at));
		check(!((before[4] ^ config[4]) & ~0x57) && !((before[5] ^ config[5]) & ~0x01));
		device_config_read(&device, offset, data[i + 2] & 7, &value);
	}
	if (device.pci.info.msix)
		pci_msix_set(&device.pci, data[0] % device.pci.info.msix, 0xfee00000, 0x40);
	if (device.pci.msi_cap)
		pci_msi_set(&device.pci, 0xfee00000, 0x40);
	return 0;
}
