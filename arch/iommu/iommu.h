/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's IOMMUs (Intel VT-d, AMD-Vi): which memory a device reaches, and which interrupts it
 * sends. A PCI function is known by its requester ID, bus << 8 | device << 3 | function. At the
 * start no function reaches anything. A function that belongs to a domain reaches what that
 * domain's I/O table maps: the addresses of DMA are guest-physical addresses.
 *
 * All units of a machine share one set of tables, so a function's unit need not be known, and an
 * order to forget something goes to all of them. The vendors' code is behind one const table, and
 * does as it is told.
 */
#pragma once

#include "arch/ptab.h"

struct domain;
struct ioapic_line;

#define IOMMU_REQUESTERS 65536u
#define IOMMU_UNITS      32u
#define IOMMU_RANGES     64u
#define IOMMU_IOAPICS    64u
#define IOMMU_INTERRUPTS 1024u /* entries of interrupt tables, machine-wide */
#define IOMMU_DOMAINS    1024u /* ids of I/O tables; none is 0, which blocked functions have */

/* --- what firmware tells: dmar.c, ivrs.c --- */

/* Memory that firmware has a function use: DMAR's RMRR, IVRS's IVMD. */
struct iommu_range {
	uint64_t base, size; /* whole pages */
	uint16_t requester;
	uint32_t flags; /* PTAB_R, PTAB_W */
};

/* By which requester ID an I/O APIC sends its interrupts. */
struct iommu_ioapic {
	uint32_t id; /* as the MADT has it */
	uint16_t requester;
	uint8_t settings; /* of its entry in AMD-Vi's device table, as IVRS has them */
};

struct iommu_info {
	bool remaps;  /* the platform can remap interrupts */
	bool crowded; /* there are more units than this has room for */
	unsigned units, ranges, ioapics;
	uint64_t unit[IOMMU_UNITS]; /* physical addresses of their registers */
	struct iommu_range range[IOMMU_RANGES];
	struct iommu_ioapic ioapic[IOMMU_IOAPICS];
	uint64_t covered[IOMMU_REQUESTERS / 64]; /* a bit for each function that a unit has */
};

/* Notes that a unit has these functions. */
static inline void iommu_cover(struct iommu_info *info, uint32_t first, uint32_t last)
{
	for (uint32_t function = first; function <= last; function++)
		info->covered[function / 64] |= 1ull << function % 64;
}

/* Returns false if the unit is known already. */
static inline bool iommu_add_unit(struct iommu_info *info, uint64_t base)
{
	for (unsigned i = 0; i < info->units; i++)
		if (info->unit[i] == base)
			return false;
	info->crowded |= info->units == IOMMU_UNITS;
	if (!info->crowded)
		info->unit[info->units++] = base;
	return true;
}

/*
 * From a table that acpi.c has found, with header; every length is checked, and an entry that is
 * broken costs that entry alone. They add to *info. False: there is no unit, or there are more
 * units than the kernel has room for: the functions behind the others would reach all memory.
 */
bool dmar_parse(struct iommu_info *info, const uint8_t *table, uint32_t bytes);
bool ivrs_parse(struct iommu_info *info, const uint8_t *table, uint32_t bytes);

/* --- the vendors --- */

/* Where an interrupt goes. */
struct iommu_interrupt {
	uint32_t apic_id;
	uint8_t vector;
	bool level;
};

/* A request that a unit has blocked, or an error of the unit itself, which `text` names. */
struct iommu_fault {
	uint16_t requester;
	bool write, interrupt;
	uint64_t address;
	uint32_t code;    /* the vendor's */
	const char *text; /* NULL: a request has been blocked */
};

/*
 * The functions of each vendor; all but start() are called with iommu_lock.
 *
 * start     turns all units on, with tables in which all is blocked: NULL, or what is missing, a
 *           text. Fills in `iommu` but for `ops`. A unit that firmware has left on is turned off
 *           before. iommu.remaps says before whether interrupts may be remapped, afterwards whether
 *           they are
 * attach    the function's requests go through this I/O table, whose translations have this id;
 *           NULL: they are blocked. Whatever units have kept of before is forgotten when it
 *           returns. ENOMEM, when the function stays blocked
 * flush     every unit forgets all translations with this id, and has finished writes that used
 *           them, when it returns. Tables that were cut off may be freed then
 * route     entry `index` of the interrupt table is the function's and leads there; NULL: it
 *           leads nowhere. The change is seen whole. ENOMEM; ENODEV: an entry has no room for
 *           the APIC ID
 * message   address << 32 | data of the message by which a function uses entry `index`
 * pin       what an I/O APIC's entry says to use it: its 64 bits but mask, level and polarity
 * fault     takes the oldest record of a fault or error; false: there is none
 * silence   the function's faults are not recorded any more (attach ends that)
 */
struct iommu_ops {
	const char *name;
	const char *(*start)(const struct iommu_info *info);
	int64_t (*attach)(uint16_t requester, const struct ptab *table, uint16_t id);
	void (*flush)(uint16_t id);
	int64_t (*route)(uint16_t requester, uint32_t index, const struct iommu_interrupt *to);
	uint64_t (*message)(uint32_t index);
	uint64_t (*pin)(uint32_t index, const struct iommu_interrupt *to);
	bool (*fault)(struct iommu_fault *fault);
	void (*silence)(uint16_t requester);
};

extern const struct iommu_ops vtd_ops, amdvi_ops;

struct iommu {
	const struct iommu_ops *ops; /* NULL: there is none in use */
	const struct ptab_format *format;
	int levels, max_page;  /* of I/O tables: all units can do so much */
	unsigned address_bits; /* of DMA addresses, the fewest of any unit */
	bool coherent;         /* every unit sees the CPU's caches; else entries are written back */
	bool remaps;           /* interrupts are remapped */
	bool caches_absence; /* a unit may remember that nothing was mapped: flush after mapping */
};

extern struct iommu iommu;
extern struct lock iommu_lock;

/* For the vendors: memory for a table, zeroed, contiguous, for good. NULL: none. `bytes` is a page
 * or 2 MiB at most. */
void *iommu_table(uint64_t bytes);
/* Writes entries of tables back to memory, if a unit does not see the CPU's caches. */
void iommu_written(const volatile void *entry, size_t bytes);
/* A dword of a function's configuration space, by the ports; before dom0 has them. */
uint32_t iommu_pci_read(uint16_t requester, unsigned offset);
/* Waits for a bit of a unit's register or of memory to have that value; false: a second is over. */
bool iommu_wait(const volatile uint32_t *word, uint32_t mask, uint32_t value);

/* --- for the kernel above: iommu.c --- */

/* At boot, when ACPI's tables and the TSC's rate are known. Refuses to start if the command line
 * wants an IOMMU (iommu=required) and there is none; iommu=off does without. */
void iommu_setup(void);

/* The memory that devices reach: addresses of DMA, and the memory that each of them leads to. */
struct iommu_space {
	struct ptab table; /* root 0: it has not been opened */
	uint16_t id;
};

/*
 * With an IOMMU in use only. A space's table is changed with the lock of its owner. ENOMEM: no
 * memory, or no id left.
 */
int64_t iommu_open(struct iommu_space *space, struct domain *owner);
/* No function uses it any more. */
void iommu_close(struct iommu_space *space);
/* ptab_map, after which devices reach the range; what is mapped there already stays. */
int64_t iommu_map(struct iommu_space *space, uint64_t address, uint64_t physical, uint64_t size,
		  uint32_t flags);
/* After the table has lost entries: devices do not use them any more. */
void iommu_changed(struct iommu_space *space);
/* NULL: the function reaches nothing. */
int64_t iommu_attach(uint16_t requester, const struct iommu_space *space);

/* Is a unit between the function and memory? */
bool iommu_covers(uint16_t requester);

/* Does firmware have the function use memory (RMRR, IVMD)? It may go on to do so behind the back of
 * the function's driver. */
bool iommu_firmware_uses(uint16_t requester);

/* An entry of the interrupt table; index 0: none. */
struct iommu_entry {
	uint32_t index;
	uint16_t requester;
};

/*
 * An interrupt leads there: a message of a function, as *message says (address << 32 | data), or a
 * pin, which starts masked. Without remapping there is no entry. ENOMEM: no entry is left; ENODEV:
 * no I/O APIC has the pin, or a message has no room for this APIC ID.
 */
int64_t iommu_route_message(uint16_t requester, const struct iommu_interrupt *to,
			    struct iommu_entry *entry, uint64_t *message);
int64_t iommu_route_pin(const struct ioapic_line *line, const struct iommu_interrupt *to,
			struct iommu_entry *entry);
void iommu_unroute(struct iommu_entry *entry);
/* Does the kernel keep these bytes of memory for itself, as registers of a unit? */
bool iommu_has_registers(uint64_t base, uint64_t size);

/* The oldest fault or error of any unit. False: there is none. */
bool iommu_fault(struct iommu_fault *fault);
/* The function's faults are not told any more, and it is no longer a master of its bus, if its
 * configuration space is in memory. */
void iommu_cut_off(uint16_t requester);
