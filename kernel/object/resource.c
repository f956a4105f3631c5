/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/object/resource.h"

#include "arch/acpi.h"
#include "arch/cpu.h"
#include "arch/iommu/iommu.h"
#include "boot/boot_info.h"
#include "kernel/abi.h"
#include "kernel/base/frame.h"
#include "kernel/console/console.h"

#define APIC_BASE 0xfee00000u /* local APICs and the addresses of messages */
#define APIC_SIZE 0x100000u
#define KEPT_MAX  (ACPI_IOAPICS + 32u)

/* A range that is not given away, or only to somebody with a right to the machine. */
struct kept {
	uint64_t base, size;
	uint32_t right; /* 0: to nobody */
	bool memory;    /* or ports */
};

static struct kept kept[KEPT_MAX];
static unsigned kept_count;
static const struct boot_info *told;

extern char image_start[], image_end[];

static void keep_memory(uint64_t base, uint64_t size)
{
	kept[kept_count++] = (struct kept){base, size, 0, true};
}

/* RAM is used by whole pages: the rests at its ends may belong to a table of the firmware. */
static bool has_ram(uint64_t base, uint64_t end)
{
	struct boot_range r;

	for (struct boot_place at = {0}; boot_next_range(told, &at, &r);) {
		uint64_t first = (r.base + FRAME_PAGE - 1) & ~(FRAME_PAGE - 1);
		uint64_t last = (r.base + r.size) & ~(FRAME_PAGE - 1);

		if (r.type == BOOT_RAM && first < last && base < last && first < end)
			return true;
	}
	return false;
}

void resource_setup(const struct boot_info *boot)
{
	const struct kept ports[] = {
		{0x20, 2},
		{0xa0, 2},
		{0x4d0, 2}, /* PICs */
		{0x40, 4},
		{0x61, 1}, /* PIT; its gate, and sources of NMIs */
		{0x60, 1},
		{0x64, 1},
		{0x92, 1}, /* A20 and reset */
		{0xb2, 2},
		{acpi.smi_command, 1}, /* system management mode */
		{console_uart.port, 8},
		{acpi.pm1a_control, 2, SAMPO_R_POWER},
		{acpi.pm1b_control, 2, SAMPO_R_POWER},
		{acpi.reset, 1, SAMPO_R_POWER},
	};

	for (unsigned i = 0; i < COUNT_OF(ports); i++)
		if (ports[i].base)
			kept[kept_count++] = ports[i];
	told = boot;
	for (unsigned i = 0; i < acpi.ioapics; i++)
		keep_memory(acpi.ioapic[i].address, FRAME_PAGE);
	keep_memory(APIC_BASE, APIC_SIZE);
	keep_memory((uint64_t)image_start, (uint64_t)(image_end - image_start));
}

int64_t resource_region(struct domain *owner, uint64_t flags, uint64_t base, uint64_t size,
			uint32_t rights, struct region **region)
{
	bool ports = flags == SAMPO_REGION_PORTS;
	uint64_t limit = ports ? 0x10000 : 1ull << (cpu_cpuid(0x80000008, 0).eax & 0xff);

	if ((!ports && flags != SAMPO_REGION_PHYSICAL) || base >= limit || size > limit - base)
		return SAMPO_EINVAL;
	for (const struct kept *k = kept; k < kept + kept_count; k++)
		if (k->memory != ports && base < k->base + k->size && k->base < base + size &&
		    !(k->right & rights))
			return SAMPO_ERIGHT;
	if (!ports && (has_ram(base, base + size) || iommu_has_registers(base, size)))
		return SAMPO_ERIGHT;
	return region_new_fixed(owner, ports ? REGION_PORTS : REGION_DEVICE, base, size, region);
}
