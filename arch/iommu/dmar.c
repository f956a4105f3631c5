/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The DMAR table: firmware names the units of VT-d, their I/O APICs, and memory that firmware has
 * functions use (VT-d, chapter 8). Firmware may be wrong, so the kernel checks every length and
 * range, and a broken entry costs that entry alone.
 */
#include "arch/acpi.h"
#include "arch/iommu/iommu.h"
#include "kernel/base/log.h"

#define HEADER      48u /* of the table: VT-d 8.1 */
#define FLAGS       37u
#define FLAG_REMAPS 1u
#define PART_HEADER 8u /* type, length, flags, segment */
#define TYPE_DRHD   0u
#define TYPE_RMRR   1u
#define DRHD_ALL    1u  /* of the flags: all functions that no other unit has */
#define DRHD_SCOPES 16u /* where the scopes begin: VT-d 8.3, 8.4 */
#define RMRR_SCOPES 24u

/* Device scopes: VT-d 8.3.1. */
#define SCOPE_ENDPOINT 1u
#define SCOPE_BRIDGE   2u /* and all functions behind it */
#define SCOPE_IOAPIC   3u
#define SCOPE_PATH     6u /* two bytes for each step */

#define RANGE_MAX   (1ull << 30)
#define ADDRESS_MAX (1ull << 52)

/* The header of a bridge, in a function's configuration space. */
#define PCI_HEADER_TYPE 0x0cu /* in bits 16 to 22: 1 for a bridge */
#define PCI_BUSES       0x18u /* the secondary one in bits 8 to 15, the last in bits 16 to 23 */

/*
 * A scope names a function by the bus where its path begins, and a device and function for each
 * step of the path: all but the last are bridges, and the next step is on a bridge's secondary bus.
 */
static bool find_requester(struct acpi_table scope, uint16_t *requester)
{
	uint8_t bus = scope.data[5];

	for (uint32_t at = SCOPE_PATH; at + 2 <= scope.bytes; at += 2) {
		*requester = (uint16_t)(bus << 8 | (scope.data[at] & 31) << 3 |
					(scope.data[at + 1] & 7));
		if (at + 4 > scope.bytes)
			return true;
		if ((iommu_pci_read(*requester, PCI_HEADER_TYPE) >> 16 & 0x7f) != 1)
			break;
		bus = (uint8_t)(iommu_pci_read(*requester, PCI_BUSES) >> 8);
	}
	return false;
}

/*
 * Functions behind a bridge share the bridge's unit: a bridge stands for all buses behind it, and a
 * function at the end of a path of bridges for its bus, on which its virtual functions are, since
 * firmware does not name them. On a root bus each function may have a unit of its own, or none.
 */
static void add_functions(struct iommu_info *info, struct acpi_table scope, uint16_t requester)
{
	uint32_t buses = scope.data[0] == SCOPE_BRIDGE ? iommu_pci_read(requester, PCI_BUSES) : 0;

	iommu_cover(info, requester, requester);
	if (scope.bytes >= SCOPE_PATH + 4)
		iommu_cover(info, requester & 0xff00, requester | 0xff);
	if (buses & 0xff00)
		iommu_cover(info, buses & 0xff00, (buses >> 8 & 0xff00) | 0xff);
}

/* The kernel ignores a range that is not plausible: the function gets faults there. */
static void add_range(struct iommu_info *info, struct acpi_table rmrr, uint16_t requester)
{
	uint64_t base = acpi_field(rmrr, 8, 8), size = acpi_field(rmrr, 16, 8) - base + 1;

	if (base % PTAB_PAGE || size % PTAB_PAGE || !size || size >= RANGE_MAX ||
	    base >= ADDRESS_MAX || info->ranges == IOMMU_RANGES) {
		log_print(LOG_WARNING "dmar: memory of %x at %lx, %lx bytes, ignored\n", requester,
			  base, size);
		return;
	}
	info->range[info->ranges++] = (struct iommu_range){base, size, requester, PTAB_R | PTAB_W};
}

/* A DRHD (VT-d 8.3) names its functions and I/O APICs. Which of the units has a function does not
 * matter, since all units share their tables. An RMRR (VT-d 8.4) names the functions that use its
 * memory. */
static void parse_scopes(struct iommu_info *info, struct acpi_table part, uint32_t type,
			 uint32_t at)
{
	struct acpi_table scope;
	uint16_t requester;
	uint8_t kind;

	for (; at + SCOPE_PATH <= part.bytes; at += scope.bytes) {
		scope = (struct acpi_table){part.data + at, part.data[at + 1]};
		if (scope.bytes < SCOPE_PATH || scope.bytes > part.bytes - at)
			return;
		kind = scope.data[0];
		if (!kind || kind > (type == TYPE_DRHD ? SCOPE_IOAPIC : SCOPE_ENDPOINT))
			continue;
		if (!find_requester(scope, &requester))
			log_print(LOG_WARNING "dmar: no function at the path from bus %x\n",
				  scope.data[5]);
		else if (type == TYPE_RMRR)
			add_range(info, part, requester);
		else if (kind != SCOPE_IOAPIC)
			add_functions(info, scope, requester);
		else if (info->ioapics < IOMMU_IOAPICS)
			info->ioapic[info->ioapics++] =
				(struct iommu_ioapic){scope.data[4], requester, 0};
	}
}

/* A wrong length ends the walk, because the place of the next structure depends on it. */
bool dmar_parse(struct iommu_info *info, const uint8_t *table, uint32_t bytes)
{
	struct acpi_table part;

	if (bytes < HEADER)
		return false;
	info->remaps = table[FLAGS] & FLAG_REMAPS;
	for (uint32_t at = HEADER; at < bytes && bytes - at >= PART_HEADER; at += part.bytes) {
		uint32_t type, scopes;

		part = (struct acpi_table){table + at, bytes - at};
		type = (uint32_t)acpi_field(part, 0, 2);
		scopes = type == TYPE_DRHD ? DRHD_SCOPES : RMRR_SCOPES;
		part.bytes = (uint32_t)acpi_field(part, 2, 2);
		if (part.bytes < PART_HEADER || part.bytes > bytes - at) {
			log_print(LOG_WARNING "dmar: broken at %x, the rest is ignored\n", at);
			break;
		}
		if (type > TYPE_RMRR)
			continue;
		if (part.bytes < scopes || acpi_field(part, 6, 2) ||
		    acpi_field(part, 8, 8) % PTAB_PAGE ||
		    (type == TYPE_DRHD && !acpi_field(part, 8, 8))) {
			log_print(LOG_WARNING "dmar: too short, of no page, or not PCI segment 0: "
					      "ignored\n");
			continue;
		}
		if (type == TYPE_DRHD)
			iommu_add_unit(info, acpi_field(part, 8, 8));
		if (type == TYPE_DRHD && acpi_field(part, 4, 1) & DRHD_ALL)
			iommu_cover(info, 0, IOMMU_REQUESTERS - 1);
		parse_scopes(info, part, type, scopes);
	}
	return info->units && !info->crowded;
}
