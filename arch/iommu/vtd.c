/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intel VT-d: the tables of functions and of interrupts, which all units share. An entry of either
 * is two words. Hardware may read both at any time, so an entry in use changes in one store, or is
 * made absent and forgotten before.
 */
#include "arch/iommu/vtd.h"
#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/paging.h"
#include "kernel/abi.h"
#include "kernel/base/log.h"

/* Root and context entries: VT-d 9.1, 9.3. */
#define PRESENT      (1ull << 0)
#define FPD          (1ull << 1) /* faults are not recorded; of absent entries, too */
#define TABLE        (~0xfffull)
#define AW(levels)   ((uint64_t)(levels)-2)
#define ID_SHIFT     8
#define LEVELS_LEAST 3
#define LEVELS_MOST  5

/* Entries of the interrupt table: VT-d 9.10. Delivery mode and destination mode 0 are fixed and
 * physical. */
#define LEVEL            (1ull << 4)
#define VECTOR_SHIFT     16
#define DESTINATION_32   32 /* an APIC ID of 32 bits, or of 8 */
#define DESTINATION_8    40
#define VERIFY_REQUESTER (1ull << 18) /* all its 16 bits */

_Static_assert(IOMMU_INTERRUPTS == 2u << VTD_IRTA_SIZE, "the table's size as IRTA says it");

/* Messages of the remappable format, VT-d 5.1.2.2, and entries of I/O APICs, VT-d 5.1.5.1. Bit 15
 * of an index has a place apart in both, where a 0 stays: the table is not as long. */
#define MESSAGE_ADDRESS 0xfee00010u
#define MESSAGE_INDEX   5
#define PIN_REMAPPABLE  (1ull << 48)
#define PIN_INDEX       49

struct entry {
	volatile uint64_t low, high;
};

static struct entry *root, *interrupts;
static uint32_t ids; /* how many ids of I/O tables every unit tells apart */
static bool eim;     /* destinations have 32 bits */

/* Hardware reads a half as a whole. */
static void set(volatile uint64_t *half, uint64_t value)
{
	*half = value;
	iommu_written(half, sizeof(*half));
}

/* --- DMA --- */

/* Returns a function's context. The first call for a bus makes its page of contexts. Returns NULL
 * if there is no memory for the page; then all functions of the bus are blocked. */
static struct entry *context(uint16_t requester)
{
	struct entry *bus = &root[requester >> 8];

	if (!(bus->low & PRESENT)) {
		void *table = iommu_table(PTAB_PAGE);

		if (!table)
			return NULL;
		set(&bus->low, (uintptr_t)table | PRESENT);
	}
	return (struct entry *)(uintptr_t)(bus->low & TABLE) + (requester & 0xff);
}

/*
 * A unit finds translations by the context that it remembers, so the context is forgotten first
 * (VT-d 6.5.3). The id is left at 0: a unit remembers an absent context by that one (VT-d 6.1).
 */
static void make_absent(struct entry *entry, uint16_t requester)
{
	uint64_t id = entry->high >> ID_SHIFT;

	if (!entry->low)
		return;
	set(&entry->low, 0);
	vtd_order(VTD_CONTEXT(id, requester));
	vtd_order(VTD_IOTLB_ID(id));
	set(&entry->high, 0);
}

/* The half that makes the context present comes last. */
static int64_t vtd_attach(uint16_t requester, const struct ptab *table, uint16_t id)
{
	struct entry *entry = context(requester);

	if (!entry)
		return table ? SAMPO_ENOMEM : SAMPO_OK;
	make_absent(entry, requester);
	if (!table)
		return SAMPO_OK;
	if (id >= ids)
		return SAMPO_ENOMEM;
	set(&entry->high, AW(table->levels) | (uint64_t)id << ID_SHIFT);
	set(&entry->low, table->root | PRESENT);
	if (iommu.caches_absence) {
		vtd_order(VTD_CONTEXT(0, requester));
		vtd_order(VTD_IOTLB_ID(id));
	}
	return SAMPO_OK;
}

static void vtd_flush(uint16_t id)
{
	vtd_order(VTD_IOTLB_ID(id));
}

/* --- interrupts --- */

static void set_interrupt(uint32_t index, uint64_t low)
{
	set(&interrupts[index].low, low);
	vtd_order(VTD_INTERRUPT(index));
}

/*
 * The upper half of an entry has the requester, the lower half has the rest. A new vector or CPU is
 * one store. For a new requester the entry is absent while its upper half changes, and no unit
 * remembers it then.
 */
static int64_t vtd_route(uint16_t requester, uint32_t index, const struct iommu_interrupt *to)
{
	struct entry *entry = &interrupts[index];
	uint64_t low = PRESENT, high = requester | VERIFY_REQUESTER;

	if (!to) {
		set_interrupt(index, 0);
		return SAMPO_OK;
	}
	if (!eim && to->apic_id > UINT8_MAX)
		return SAMPO_ENODEV;
	low |= to->level ? LEVEL : 0;
	low |= (uint64_t)to->vector << VECTOR_SHIFT;
	low |= (uint64_t)to->apic_id << (eim ? DESTINATION_32 : DESTINATION_8);
	if (entry->high != high) {
		if (entry->low & PRESENT)
			set_interrupt(index, 0);
		set(&entry->high, high);
	}
	set_interrupt(index, low);
	return SAMPO_OK;
}

static uint64_t vtd_message(uint32_t index)
{
	return (uint64_t)(MESSAGE_ADDRESS | index << MESSAGE_INDEX) << 32;
}

/* The CPU's end of a level interrupt names its vector, and the I/O APIC looks for the vector in its
 * own entries (VT-d 5.1.5.1): so the entry has the vector, though the unit does not read it. */
static uint64_t vtd_pin(uint32_t index, const struct iommu_interrupt *to)
{
	return (uint64_t)index << PIN_INDEX | PIN_REMAPPABLE | to->vector;
}

/* --- faults --- */

/* The kernel handles errors of an order while it waits for the answer; other errors get here. */
static bool take_error(const struct vtd_unit *u, struct iommu_fault *fault)
{
	uint32_t errors = mmio_read32(u->registers + VTD_FSTS) & VTD_FSTS_ERRORS;

	if (!errors)
		return false;
	*fault = (struct iommu_fault){.code = errors, .text = "an order in its queue has failed"};
	mmio_write32(u->registers + VTD_FSTS, errors);
	return true;
}

/* The records are a ring, which the unit fills in order, so the oldest is the first one behind that
 * which was taken last. While an overflow is noted, no fault is recorded (VT-d 7.2.1). */
static bool take_record(struct vtd_unit *u, struct iommu_fault *fault)
{
	unsigned records = VTD_CAP_NFR(u->cap);

	if (!(mmio_read32(u->registers + VTD_FSTS) & VTD_FSTS_PPF))
		return false;
	for (unsigned i = 0; i < records; i++) {
		volatile uint8_t *record =
			u->registers + VTD_CAP_FRO(u->cap) + u->record * VTD_RECORD_BYTES;
		uint64_t low = mmio_read64(record), high = mmio_read64(record + 8);
		uint32_t code = VTD_RECORD_CODE(high);
		bool interrupt = code >= VTD_CODE_INTERRUPT && code < VTD_CODE_INTERRUPT_END;

		u->record = (u->record + 1) % records;
		if (!(high & VTD_RECORD_FAULT))
			continue;
		*fault = (struct iommu_fault){
			.requester = (uint16_t)high,
			.write = !(high & VTD_RECORD_READ),
			.interrupt = interrupt,
			.address = interrupt ? low >> VTD_RECORD_INDEX : low & TABLE,
			.code = code,
		};
		mmio_write32(record + 12, VTD_RECORD_FAULT >> 32);
		mmio_write32(u->registers + VTD_FSTS, VTD_FSTS_PFO);
		return true;
	}
	return false;
}

/* The units take turns, so that a unit with many faults does not hide the faults of others. */
static bool vtd_fault(struct iommu_fault *fault)
{
	static unsigned turn;

	for (unsigned i = 0; i < vtd_units; i++) {
		struct vtd_unit *u = &vtd_unit[turn++ % vtd_units];

		if (take_error(u, fault) || take_record(u, fault))
			return true;
	}
	return false;
}

/* One store adds the bit, so a context in use stays present. */
static void vtd_silence(uint16_t requester)
{
	struct entry *entry = context(requester);

	if (!entry)
		return;
	set(&entry->low, entry->low | FPD);
	vtd_order(VTD_CONTEXT(entry->high >> ID_SHIFT, requester));
}

/* --- at the start --- */

/* Maps the registers of a unit and reads its capabilities. Returns the reason if the unit will not
 * do, or NULL. */
static const char *open_unit(struct vtd_unit *u, uint64_t base)
{
	size_t end;

	u->registers = phys_map(base, PTAB_PAGE, MAP_DEVICE);
	if (!u->registers)
		return "the registers of a VT-d unit cannot be mapped";
	u->cap = mmio_read64(u->registers + VTD_CAP);
	u->ecap = mmio_read64(u->registers + VTD_ECAP);
	if (u->cap == UINT64_MAX && u->ecap == UINT64_MAX)
		return "there is no VT-d unit where the DMAR table has one";
	end = VTD_CAP_FRO(u->cap) + VTD_CAP_NFR(u->cap) * VTD_RECORD_BYTES;
	if (end > PTAB_PAGE && !phys_map(base, end, MAP_DEVICE))
		return "the registers of a VT-d unit cannot be mapped";
	if (!(u->ecap & VTD_ECAP_QI))
		return "a VT-d unit has no queued invalidation";
	u->queue = iommu_table(PTAB_PAGE);
	if (!u->queue)
		return "no memory for the queues of VT-d units";
	log_print("iommu: VT-d unit at %lx, CAP %lx, ECAP %lx\n", base, u->cap, u->ecap);
	return NULL;
}

/*
 * Units share tables, so all units have to agree. The kernel uses the fewest address bits and ids
 * of any unit, and the deepest tables and largest pages that all units can walk. Destinations of
 * interrupts are as wide as the CPUs' local APICs have them.
 *
 * A chipset that buffers writes to memory (RWBF) is treated like a unit that remembers absence: a
 * new mapping needs an order, and the order empties the buffer. Returns false if no depth is common
 * to all units.
 */
static bool agree(void)
{
	uint64_t all = UINT64_MAX, any = 0, ecaps = UINT64_MAX;
	unsigned depth_bits;

	ids = IOMMU_DOMAINS;
	iommu.address_bits = UINT32_MAX;
	for (const struct vtd_unit *u = vtd_unit; u < vtd_unit + vtd_units; u++) {
		all &= u->cap;
		any |= u->cap;
		ecaps &= u->ecap;
		if (VTD_CAP_MGAW(u->cap) < iommu.address_bits)
			iommu.address_bits = VTD_CAP_MGAW(u->cap);
		if (VTD_CAP_ND(u->cap) < ids)
			ids = VTD_CAP_ND(u->cap);
	}
	iommu.levels = LEVELS_MOST;
	while (iommu.levels >= LEVELS_LEAST && !(all & VTD_CAP_SAGAW(iommu.levels)))
		iommu.levels--;
	depth_bits = 12 + 9 * (unsigned)iommu.levels;
	if (depth_bits < iommu.address_bits)
		iommu.address_bits = depth_bits;
	iommu.max_page = PTAB_4K;
	if (all & VTD_CAP_2M)
		iommu.max_page = all & VTD_CAP_1G ? PTAB_1G : PTAB_2M;
	iommu.format = &ptab_vtd;
	iommu.coherent = ecaps & VTD_ECAP_C;
	iommu.remaps = iommu.remaps && ecaps & VTD_ECAP_IR;
	iommu.caches_absence = any & (VTD_CAP_CM | VTD_CAP_RWBF);
	eim = ecaps & VTD_ECAP_EIM && cpu_rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
	return iommu.levels >= LEVELS_LEAST;
}

/* A unit uses the new address of a table from the command on, not from the write of the address
 * (VT-d 11.4.4.1). */
static void name_tables(const struct vtd_unit *u)
{
	mmio_write64(u->registers + VTD_RTADDR, (uintptr_t)root);
	vtd_turn_on(u, VTD_GCMD_SRTP);
	if (!iommu.remaps)
		return;
	mmio_write64(u->registers + VTD_IRTA,
		     (uintptr_t)interrupts | (eim ? VTD_IRTA_EIME : 0) | VTD_IRTA_SIZE);
	vtd_turn_on(u, VTD_GCMD_SIRTP);
}

/*
 * The kernel changes no unit before it knows that all of them will do. Then each unit gets the
 * kernel's tables, in which everything is blocked, and forgets the entries of firmware's: contexts
 * first, since a unit finds translations by its contexts (VT-d 6.5.3). The kernel drops the faults
 * of firmware's time, turns translation on, and ends the regions that firmware has protected.
 */
static const char *vtd_start(const struct iommu_info *info)
{
	struct iommu_fault old;
	const char *missing;

	vtd_units = info->units;
	for (unsigned i = 0; i < vtd_units; i++) {
		missing = open_unit(&vtd_unit[i], info->unit[i]);
		if (missing)
			return missing;
	}
	if (!agree())
		return "the VT-d units have no depth of tables in common";
	root = iommu_table(PTAB_PAGE);
	interrupts = iommu_table(IOMMU_INTERRUPTS * sizeof(struct entry));
	if (!root || !interrupts)
		return "no memory for VT-d's tables";
	for (unsigned i = 0; i < vtd_units; i++) {
		vtd_take_over(&vtd_unit[i]);
		name_tables(&vtd_unit[i]);
	}
	vtd_order(VTD_CONTEXTS);
	vtd_order(VTD_IOTLB);
	if (iommu.remaps)
		vtd_order(VTD_INTERRUPTS);
	for (unsigned i = 0; i < VTD_RECORDS_MOST * vtd_units && vtd_fault(&old); i++)
		continue;
	for (unsigned i = 0; i < vtd_units; i++) {
		vtd_turn_on(&vtd_unit[i], VTD_GCMD_TE);
		if (iommu.remaps)
			vtd_turn_on(&vtd_unit[i], VTD_GCMD_IRE);
		vtd_unprotect(&vtd_unit[i]);
	}
	return NULL;
}

const struct iommu_ops vtd_ops = {
	.name = "VT-d",
	.start = vtd_start,
	.attach = vtd_attach,
	.flush = vtd_flush,
	.route = vtd_route,
	.message = vtd_message,
	.pin = vtd_pin,
	.fault = vtd_fault,
	.silence = vtd_silence,
};
