/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/iommu/iommu.h"

#include "arch/acpi.h"
#include "arch/cpu.h"
#include "arch/ioapic.h"
#include "arch/paging.h"
#include "arch/tsc.h"
#include "arch/up.h"
#include "kernel/abi.h"
#include "kernel/base/frame.h"
#include "kernel/base/lock.h"
#include "kernel/base/log.h"
#include "kernel/base/options.h"
#include "kernel/base/panic.h"

#define CACHE_LINE 64u
#define WAIT_NS    1000000000ull
#define WORD_BITS  64u
/* Of registers: AMD-Vi's end at 16 KiB, and a unit of VT-d can have its 256 records of faults from
 * there on (VT-d 11.4.2). */
#define UNIT_BYTES 0x5000u

#define MESSAGES     0xfee00000ull
#define APIC_ID_LAST 0xfeu /* 0xff is all of them */

/* PCI 3.0, 3.2.2.3.2 and 6.2.2; PCIe 5.0, 7.2.2 */
#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u
#define COMMAND        4u
#define COMMAND_MASTER 4u

struct iommu iommu;
struct lock iommu_lock = {.rank = LOCK_IOMMU};

static struct iommu_info info;
/* Bit n: id or index n is in use; no one has number 0. */
static uint64_t ids[IOMMU_DOMAINS / WORD_BITS] = {1};
static uint64_t indexes[IOMMU_INTERRUPTS / WORD_BITS] = {1};
/* Of each range that firmware has a function use, until a driver takes the function. */
static struct iommu_space firmware[IOMMU_RANGES];

/* --- for the vendors --- */

void iommu_written(const volatile void *entry, size_t bytes)
{
	uint64_t at = (uint64_t)(uintptr_t)entry & ~(uint64_t)(CACHE_LINE - 1);

	if (iommu.coherent)
		return;
	for (; at < (uint64_t)(uintptr_t)entry + bytes; at += CACHE_LINE)
		cpu_clflush((const volatile void *)at);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void *iommu_table(uint64_t bytes)
{
	void *table = bytes <= FRAME_PAGE ? page_alloc() : frame_kernel_block();

	if (table)
		iommu_written(table, bytes);
	return table;
}

uint32_t iommu_pci_read(uint16_t requester, unsigned offset)
{
	port_out32(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)requester << 8 | (offset & 0xfc));
	return port_in32(CONFIG_DATA);
}

bool iommu_wait(const volatile uint32_t *word, uint32_t mask, uint32_t value)
{
	uint64_t start = cpu_rdtsc();

	while ((*word & mask) != value) {
		if (cpu_rdtsc() - start > tsc_from_ns(WAIT_NS))
			return false;
		cpu_pause();
	}
	return true;
}

/* --- numbers --- */

static uint32_t take_number(uint64_t *words, uint32_t limit)
{
	for (uint32_t n = 1; n < limit; n++) {
		if (words[n / WORD_BITS] & 1ull << n % WORD_BITS)
			continue;
		words[n / WORD_BITS] |= 1ull << n % WORD_BITS;
		return n;
	}
	return 0;
}

static void free_number(uint64_t *words, uint32_t n)
{
	words[n / WORD_BITS] &= ~(1ull << n % WORD_BITS);
}

/* --- spaces --- */

static void *kernel_page(struct domain *)
{
	return page_alloc();
}

static void free_kernel_page(struct domain *, void *page)
{
	page_free(page);
}

int64_t iommu_open(struct iommu_space *space, struct domain *owner)
{
	int64_t status;

	lock(&iommu_lock);
	space->id = (uint16_t)take_number(ids, IOMMU_DOMAINS);
	unlock(&iommu_lock);
	if (!space->id)
		return SAMPO_ENOMEM;
	space->table = (struct ptab){
		.format = iommu.format,
		.levels = iommu.levels,
		.max_page = iommu.max_page,
		.written = iommu.coherent ? NULL : iommu_written,
		.alloc = owner ? domain_page_alloc : kernel_page,
		.free = owner ? domain_page_free : free_kernel_page,
		.owner = owner,
	};
	status = ptab_init(&space->table);
	if (status) {
		lock(&iommu_lock);
		free_number(ids, space->id);
		unlock(&iommu_lock);
	}
	return status;
}

void iommu_close(struct iommu_space *space)
{
	lock(&iommu_lock);
	iommu.ops->flush(space->id);
	unlock(&iommu_lock);
	ptab_destroy(&space->table);
	lock(&iommu_lock);
	free_number(ids, space->id);
	unlock(&iommu_lock);
}

int64_t iommu_map(struct iommu_space *space, uint64_t address, uint64_t physical, uint64_t size,
		  uint32_t flags)
{
	int64_t status;

	if (address >= 1ull << iommu.address_bits || size > (1ull << iommu.address_bits) - address)
		return SAMPO_EINVAL;
	status = ptab_map(&space->table, address, physical, size, flags);
	if (!status && iommu.caches_absence) {
		lock(&iommu_lock);
		iommu.ops->flush(space->id);
		unlock(&iommu_lock);
	}
	return status == SAMPO_EEXIST ? SAMPO_OK : status;
}

/* Tables that were cut off are freed when no unit can be walking them any more. */
void iommu_changed(struct iommu_space *space)
{
	if (!space->table.stale)
		return;
	lock(&iommu_lock);
	iommu.ops->flush(space->id);
	unlock(&iommu_lock);
	ptab_flushed(&space->table);
}

int64_t iommu_attach(uint16_t requester, const struct iommu_space *space)
{
	int64_t status;

	lock(&iommu_lock);
	status = iommu.ops->attach(requester, space ? &space->table : NULL, space ? space->id : 0);
	unlock(&iommu_lock);
	return status;
}

bool iommu_covers(uint16_t requester)
{
	return info.covered[requester / WORD_BITS] >> requester % WORD_BITS & 1;
}

bool iommu_firmware_uses(uint16_t requester)
{
	for (unsigned i = 0; i < info.ranges; i++)
		if (info.range[i].requester == requester)
			return true;
	return false;
}

/* --- interrupts --- */

static int64_t route(uint16_t requester, const struct iommu_interrupt *to,
		     struct iommu_entry *entry)
{
	uint32_t index;
	int64_t status = SAMPO_ENOMEM;

	lock(&iommu_lock);
	index = take_number(indexes, IOMMU_INTERRUPTS);
	if (index)
		status = iommu.ops->route(requester, index, to);
	if (!status)
		*entry = (struct iommu_entry){index, requester};
	else if (index)
		free_number(indexes, index);
	unlock(&iommu_lock);
	return status;
}

int64_t iommu_route_message(uint16_t requester, const struct iommu_interrupt *to,
			    struct iommu_entry *entry, uint64_t *message)
{
	int64_t status;

	if (!iommu.remaps) {
		*message = (MESSAGES | to->apic_id << 12) << 32 | to->vector;
		return to->apic_id > APIC_ID_LAST ? SAMPO_ENODEV : SAMPO_OK;
	}
	status = route(requester, to, entry);
	if (!status)
		*message = iommu.ops->message(entry->index);
	return status;
}

static bool find_ioapic(uint32_t id, uint16_t *requester)
{
	for (unsigned i = 0; i < info.ioapics; i++) {
		*requester = info.ioapic[i].requester;
		if (info.ioapic[i].id == id)
			return true;
	}
	return false;
}

int64_t iommu_route_pin(const struct ioapic_line *line, const struct iommu_interrupt *to,
			struct iommu_entry *entry)
{
	uint64_t bits = (uint64_t)to->apic_id << 56 | to->vector;
	uint16_t requester = 0;
	uint32_t id;
	int64_t status;

	if (!ioapic_id(line->gsi, &id))
		return SAMPO_ENODEV;
	if (iommu.remaps) {
		find_ioapic(id, &requester); /* all have been found at the start */
		status = route(requester, to, entry);
		if (status)
			return status;
		bits = iommu.ops->pin(entry->index, to);
	} else if (to->apic_id > APIC_ID_LAST) {
		return SAMPO_ENODEV;
	}
	ioapic_route(line, bits);
	return SAMPO_OK;
}

void iommu_unroute(struct iommu_entry *entry)
{
	if (!entry->index)
		return;
	lock(&iommu_lock);
	iommu.ops->route(entry->requester, entry->index, NULL);
	free_number(indexes, entry->index);
	unlock(&iommu_lock);
	entry->index = 0;
}

/* --- faults --- */

bool iommu_fault(struct iommu_fault *fault)
{
	bool found;

	if (!iommu.ops)
		return false;
	lock(&iommu_lock);
	found = iommu.ops->fault(fault);
	unlock(&iommu_lock);
	return found;
}

void iommu_cut_off(uint16_t requester)
{
	volatile uint8_t *config;

	lock(&iommu_lock);
	iommu.ops->silence(requester);
	unlock(&iommu_lock);
	if (!acpi.mcfg || requester >> 8 > acpi.mcfg_last)
		return;
	config = phys_map(acpi.mcfg + requester * FRAME_PAGE, FRAME_PAGE, MAP_DEVICE);
	if (config) /* the status above the command is of bits that only ones clear */
		mmio_write32(config + COMMAND,
			     mmio_read32(config + COMMAND) & UINT16_MAX & ~COMMAND_MASTER);
}

/* --- at the start --- */

/* Ranges of one function share a space: the first such range has it. */
static void allow_range(unsigned n)
{
	const struct iommu_range *range = &info.range[n];
	struct iommu_space *space = &firmware[n];
	int64_t status = SAMPO_OK;

	for (unsigned i = 0; i < n && space == &firmware[n]; i++)
		if (info.range[i].requester == range->requester && firmware[i].table.root)
			space = &firmware[i];
	if (!space->table.root)
		status = iommu_open(space, NULL);
	if (!status)
		status = iommu_map(space, range->base, range->base, range->size, range->flags);
	if (!status)
		status = iommu_attach(range->requester, space);
	log_print("iommu: %02x:%02x.%x has memory of the firmware at %lx, %lu KiB%s\n",
		  range->requester >> 8, range->requester >> 3 & 31, range->requester & 7,
		  range->base, range->size >> 10, status ? ", which it cannot reach" : "");
}

bool iommu_has_registers(uint64_t base, uint64_t size)
{
	for (unsigned i = 0; i < info.units; i++)
		if (base < info.unit[i] + UNIT_BYTES && info.unit[i] < base + size)
			return true;
	return false;
}

/* Some firmware forgets one; its interrupts would be blocked. */
static bool knows_ioapics(void)
{
	uint16_t requester;

	for (unsigned i = 0; i < acpi.ioapics; i++) {
		if (find_ioapic(acpi.ioapic[i].id, &requester))
			continue;
		log_print(LOG_WARNING "iommu: firmware does not tell by which requester ID I/O "
				      "APIC %u sends: interrupts are not remapped\n",
			  acpi.ioapic[i].id);
		return false;
	}
	return true;
}

/* Returns NULL if the machine's units are on, else why none is. */
static const char *turn_on(void)
{
	const struct iommu_ops *ops = &vtd_ops;
	const char *missing;

	if (!dmar_parse(&info, acpi.dmar.data, acpi.dmar.bytes)) {
		ops = &amdvi_ops;
		ivrs_parse(&info, acpi.ivrs.data, acpi.ivrs.bytes);
	}
	if (info.crowded)
		return "firmware tells of more units than the kernel has room for";
	if (!info.units)
		return "firmware tells of none, by a table DMAR or IVRS";
	iommu.remaps = info.remaps && knows_ioapics();
	lock(&iommu_lock);
	missing = ops->start(&info);
	unlock(&iommu_lock);
	if (missing) {
		iommu.remaps = false;
		return missing;
	}
	iommu.ops = ops;
	for (unsigned i = 0; i < info.ranges; i++)
		allow_range(i);
	return NULL;
}

void iommu_setup(void)
{
	const char *value = option_value(OPTION_IOMMU), *missing = "the command line has iommu=off";
	bool required = value && option_is(value, "required");

	if (value && !required && !option_is(value, "off"))
		log_print(LOG_WARNING "kernel: iommu= is \"off\" or \"required\"\n");
	if (!value || !option_is(value, "off"))
		missing = turn_on();
	if (missing && required)
		refuse("iommu=required, and no IOMMU can be used: %s", missing);
	if (missing)
		log_print(LOG_WARNING "kernel: no IOMMU in use (%s): DMA of devices is NOT "
				      "isolated; dom0 is trusted with it\n",
			  missing);
	else
		log_print("kernel: %s, %u unit%s, interrupts %s\n", iommu.ops->name, info.units,
			  info.units > 1 ? "s" : "",
			  iommu.remaps ? "remapped" : "NOT remapped: a device can send any");
}
