/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AMD-Vi. All units share one device table, which has an entry for each requester ID: the I/O table
 * and the interrupt table of that function. Every function that sends interrupts has an interrupt
 * table of its own, so it can use no other function's entries. A unit takes commands from a ring in
 * memory, and puts records of faults and errors into another ring.
 */
#include "arch/iommu/iommu.h"

#include "arch/cpu.h"
#include "arch/paging.h"
#include "kernel/abi.h"
#include "kernel/base/panic.h"

/* Registers: AMD IOMMU 3.4. */
#define REGISTERS       0x4000u
#define REG_DEVICES     0x0000u
#define REG_COMMANDS    0x0008u
#define REG_EVENTS      0x0010u
#define REG_CONTROL     0x0018u
#define REG_EXCLUSION   0x0020u
#define REG_FEATURES    0x0030u
#define REG_COMMAND_GET 0x2000u /* "head": where the unit takes the next command */
#define REG_COMMAND_PUT 0x2008u /* "tail": behind the last command */
#define REG_EVENT_GET   0x2010u
#define REG_EVENT_PUT   0x2018u
#define REG_STATUS      0x2020u

#define CONTROL_ON       (1ull << 0)
#define CONTROL_EVENTS   (1ull << 2)
#define CONTROL_COHERENT (1ull << 10) /* the unit's reads of the device table see the caches */
#define CONTROL_COMMANDS (1ull << 12)
/* Of firmware's settings these stay: how the unit behaves on its link (HtTunEn, PassPW, ResPassPW,
 * Isoc). Each other one is off, the wider format of interrupt tables among them. */
#define CONTROL_LINK (1ull << 1 | 1ull << 8 | 1ull << 9 | 1ull << 11)

#define STATUS_OVERFLOW 0x001u
#define STATUS_EVENTS   0x008u /* the unit writes records; the rings below likewise */
#define STATUS_COMMANDS 0x010u
#define STATUS_OTHERS   0x180u
#define STATUS_CLEAR    0x067u /* bits that a write of 1 clears */

#define FEATURE_FORGET_ALL (1ull << 6)  /* IASup */
#define FEATURE_LEVELS     (3ull << 10) /* HATS: 4 to 6 levels, or none at all: */
#define LEVELS_NONE        (3ull << 10)

/* A ring is a page, whose records have 16 bytes. */
#define RING_BYTES   4096u
#define RING_LENGTH  (8ull << 56) /* 1 << 8 records */
#define RECORD_BYTES 16u
#define RING_PLACES  (RING_BYTES - RECORD_BYTES)

/* Commands: AMD IOMMU 2.4. The upper four bits of the first half say which. */
#define COMMAND(n)        ((uint64_t)(n) << 60)
#define COMPLETION_WAIT   COMMAND(1)
#define FORGET_DEVICE     COMMAND(2)
#define FORGET_PAGES      COMMAND(3)
#define FORGET_INTERRUPTS COMMAND(5)
#define FORGET_ALL        COMMAND(8)
#define WAIT_STORE        1ull
#define PAGES_DOMAIN(id)  ((uint64_t)(id) << 32)
#define PAGES_ALL         0x7ffffffffffff003ull /* of every size, with the tables' entries */
#define AT_ONCE           64u /* in a ring there is room for three times as many */

/* Device table: AMD IOMMU 2.2.2.1. */
#define REQUESTERS 65536u

struct device {
	uint64_t dma, domain, interrupts, attributes;
};

#define DMA_VALID         3ull /* V, TV */
#define DMA_LEVELS(n)     ((uint64_t)(n) << 9)
#define DMA_ALLOWED       (3ull << 61) /* IR, IW; the I/O table says the rest */
#define DMA_BLOCKED       DMA_VALID    /* neither a table nor a right */
#define DOMAIN_SILENT     (1ull << 34) /* SA */
#define INTERRUPTS_VALID  1ull
#define INTERRUPTS_LENGTH (9ull << 1) /* 1 << 9 entries */
#define INTERRUPTS_SILENT (1ull << 5) /* IG */
#define INTERRUPTS_TABLE  0x000fffffffffffc0ull
#define INTERRUPTS_REMAP  (2ull << 60) /* IntCtl; 0: they are blocked */
/* Interrupts that are not remapped: INIT, ExtInt, NMI, LINT0 and LINT1, in the order of IVRS. */
#define INTERRUPTS_PASS(settings) ((uint64_t)((settings)&0xc7) << 56)

/*
 * Interrupt tables: AMD IOMMU 2.2.5.2. The index is the low bits of the message's data, among them
 * the three bits of the delivery mode, of which units remap the modes 0 and 1 alone: a function has
 * 512 entries.
 */
#define INTERRUPTS       512u
#define INTERRUPT_VALID  1u
#define INTERRUPT_APIC   8
#define INTERRUPT_VECTOR 16
#define APIC_ID_LAST     0xfeu /* 0xff is all of them */
#define MSI_ADDRESS      0xfee00000ull

/* Events: AMD IOMMU 2.5. */
#define EVENT_TYPE      60
#define EVENT_CODE      48 /* type and flags */
#define EVENT_INTERRUPT (1ull << 51)
#define EVENT_WRITE     (1ull << 53)

static const char *const errors[16] = {
	[1] = "illegal entry of the device table", [3] = "the device table cannot be read",
	[4] = "an I/O table cannot be read",       [5] = "illegal command",
	[6] = "a command cannot be read",          [7] = "a device does not forget translations",
};

#define EVENT_FAULT       2u
#define EVENT_COMMAND     5u
#define EVENT_COMMAND_BUS 6u
#define EVENT_REQUEST     8u /* of a kind that no device may make */

static struct unit {
	volatile uint8_t *registers;
	uint64_t *commands, *events;
	uint32_t put, get;      /* in bytes: the CPU's end of each ring */
	uint32_t wanted;        /* the number of the last COMPLETION_WAIT */
	volatile uint64_t done; /* the unit writes that number here */
	bool forgets_all;
} units[IOMMU_UNITS];

static unsigned unit_count;
static struct device *devices;

static uint64_t read(const struct unit *u, uint32_t reg)
{
	return mmio_read64(u->registers + reg);
}

/* The unit sees each earlier store to memory when it sees the value. */
static void write(const struct unit *u, uint32_t reg, uint64_t value)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
	mmio_write64(u->registers + reg, value);
}

static bool wait_status(const struct unit *u, uint32_t bits)
{
	return iommu_wait((const volatile uint32_t *)(u->registers + REG_STATUS), bits, 0);
}

static void __attribute__((noreturn, cold)) unanswered(const struct unit *u)
{
	panic("AMD-Vi: a unit does not answer (iommu=off does without): status %lx control %lx "
	      "commands from %lx to %lx",
	      read(u, REG_STATUS), read(u, REG_CONTROL), read(u, REG_COMMAND_GET),
	      read(u, REG_COMMAND_PUT));
}

/*
 * Commands. Every function below that gives commands to units calls finish() at its end. So the
 * rings are empty when the next function begins, and no function need look for room.
 */
static void command(struct unit *u, uint64_t low, uint64_t high)
{
	uint64_t *record = u->commands + u->put / sizeof(*record);

	record[0] = low;
	record[1] = high;
	u->put = (u->put + RECORD_BYTES) % RING_BYTES;
}

static void command_all(uint64_t low, uint64_t high)
{
	for (struct unit *u = units; u < units + unit_count; u++)
		command(u, low, high);
}

/* Returns when all units have executed their commands. Each wait has a number of its own, so a late
 * answer to an earlier wait is not taken for the answer to this one. */
static void finish(void)
{
	for (struct unit *u = units; u < units + unit_count; u++) {
		u->wanted++;
		command(u, COMPLETION_WAIT | WAIT_STORE | (uintptr_t)&u->done, u->wanted);
		write(u, REG_COMMAND_PUT, u->put);
	}
	for (struct unit *u = units; u < units + unit_count; u++)
		if (!iommu_wait((const volatile uint32_t *)&u->done, UINT32_MAX, u->wanted))
			unanswered(u);
}

/* Firmware may have used any id, and older units have no command for all ids at once. */
static void forget_all(struct unit *u)
{
	if (u->forgets_all) {
		command(u, FORGET_ALL, 0);
		finish();
		return;
	}
	for (uint32_t id = 0; id < REQUESTERS; id++) {
		command(u, FORGET_DEVICE | id, 0);
		command(u, FORGET_INTERRUPTS | id, 0);
		command(u, FORGET_PAGES | PAGES_DOMAIN(id), PAGES_ALL);
		if (id % AT_ONCE == AT_ONCE - 1)
			finish();
	}
}

/*
 * Set-up. Firmware may have left the unit on, with its own tables and with an exclusion range, in
 * which all requests pass: prepare() and turn_on() replace the tables and remove the range.
 */
static const char *prepare(struct unit *u, uint64_t base)
{
	uint64_t features;

	*u = (struct unit){.registers = phys_map(base, REGISTERS, MAP_DEVICE)};
	if (!u->registers || read(u, REG_CONTROL) == UINT64_MAX)
		return "AMD-Vi: the registers of a unit";
	features = read(u, REG_FEATURES);
	if ((features & FEATURE_LEVELS) == LEVELS_NONE)
		return "AMD-Vi: a unit's I/O tables";
	u->forgets_all = features & FEATURE_FORGET_ALL;
	write(u, REG_CONTROL, read(u, REG_CONTROL) & CONTROL_LINK);
	if (!wait_status(u, STATUS_EVENTS | STATUS_COMMANDS | STATUS_OTHERS))
		return "AMD-Vi: a unit that can be turned off";
	u->commands = iommu_table(RING_BYTES);
	u->events = iommu_table(RING_BYTES);
	if (!u->commands || !u->events)
		return "AMD-Vi: memory for a unit's rings";
	return NULL;
}

static void turn_on(struct unit *u)
{
	write(u, REG_STATUS, STATUS_CLEAR);
	write(u, REG_EXCLUSION, 0);
	/* The size is the number of pages, less 1. */
	write(u, REG_DEVICES, (uintptr_t)devices | (REQUESTERS * sizeof(*devices) / PTAB_PAGE - 1));
	write(u, REG_COMMANDS, (uintptr_t)u->commands | RING_LENGTH);
	write(u, REG_EVENTS, (uintptr_t)u->events | RING_LENGTH);
	write(u, REG_COMMAND_GET, 0);
	write(u, REG_COMMAND_PUT, 0);
	write(u, REG_EVENT_GET, 0);
	write(u, REG_EVENT_PUT, 0);
	write(u, REG_CONTROL,
	      read(u, REG_CONTROL) | CONTROL_COHERENT | CONTROL_EVENTS | CONTROL_COMMANDS |
		      CONTROL_ON);
}

static const char *amdvi_start(const struct iommu_info *info)
{
	uint64_t interrupts = iommu.remaps ? INTERRUPTS_VALID : 0; /* 0: they pass */

	devices = iommu_table(REQUESTERS * sizeof(*devices));
	if (!devices)
		return "AMD-Vi: memory for the device table";
	for (uint32_t i = 0; i < REQUESTERS; i++)
		devices[i] = (struct device){.dma = DMA_BLOCKED, .interrupts = interrupts};
	for (unsigned i = 0; i < info->ioapics; i++)
		devices[info->ioapic[i].requester].interrupts |=
			INTERRUPTS_PASS(info->ioapic[i].settings);
	for (unit_count = 0; unit_count < info->units; unit_count++) {
		const char *missing = prepare(&units[unit_count], info->unit[unit_count]);

		if (missing)
			return missing;
	}
	for (struct unit *u = units; u < units + unit_count; u++)
		turn_on(u);
	for (struct unit *u = units; u < units + unit_count; u++)
		forget_all(u);
	iommu.format = &ptab_amdvi;
	iommu.levels = 4;
	iommu.max_page = PTAB_2M;
	iommu.address_bits = 48;
	iommu.coherent = true;
	iommu.caches_absence = false;
	return NULL;
}

/* Units may read an entry at any time: they see a word change as a whole, and after the words that
 * were set before. */
static void set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Translations with the entry's domain id are forgotten too (XSA-442). */
static void forget_device(uint16_t requester)
{
	command_all(FORGET_DEVICE | requester, 0);
	command_all(FORGET_PAGES | PAGES_DOMAIN((uint16_t)devices[requester].domain), PAGES_ALL);
	finish();
}

/*
 * The entry has four words, and a unit may read some of them before a change and some after it. So
 * the function is blocked first, by one store, until no unit knows anything of the old entry; then
 * the other words change, and the store that allows is the last (XSA-347).
 */
static int64_t amdvi_attach(uint16_t requester, const struct ptab *table, uint16_t id)
{
	struct device *d = &devices[requester];

	set(&d->dma, DMA_BLOCKED);
	forget_device(requester);
	set(&d->domain, table ? id : 0);
	set(&d->interrupts, d->interrupts & ~INTERRUPTS_SILENT);
	if (table)
		set(&d->dma, DMA_VALID | DMA_LEVELS(table->levels) | table->root | DMA_ALLOWED);
	forget_device(requester);
	return SAMPO_OK;
}

static void amdvi_flush(uint16_t id)
{
	command_all(FORGET_PAGES | PAGES_DOMAIN(id), PAGES_ALL);
	finish();
}

/* A function's interrupt table is made when it is first needed, and stays for good. */
static int64_t amdvi_route(uint16_t requester, uint32_t index, const struct iommu_interrupt *to)
{
	struct device *d = &devices[requester];
	uint32_t *table = (uint32_t *)(uintptr_t)(d->interrupts & INTERRUPTS_TABLE), entry = 0;

	if (to && to->apic_id > APIC_ID_LAST)
		return SAMPO_ENODEV;
	if (!table && !to)
		return SAMPO_OK;
	if (!table && index < INTERRUPTS)
		table = iommu_table(PTAB_PAGE);
	if (!table || index >= INTERRUPTS)
		return SAMPO_ENOMEM;
	if (to)
		entry = INTERRUPT_VALID | to->apic_id << INTERRUPT_APIC |
			(uint32_t)to->vector << INTERRUPT_VECTOR;
	__atomic_store_n(&table[index], entry, __ATOMIC_RELEASE);
	set(&d->interrupts,
	    d->interrupts | (uintptr_t)table | INTERRUPTS_LENGTH | INTERRUPTS_REMAP);
	command_all(FORGET_DEVICE | requester, 0);
	command_all(FORGET_INTERRUPTS | requester, 0);
	finish();
	return SAMPO_OK;
}

static uint64_t amdvi_message(uint32_t index)
{
	return MSI_ADDRESS << 32 | index;
}

/* An I/O APIC sends a message whose data begins with its entry's vector and delivery mode: here
 * they hold the index. */
static uint64_t amdvi_pin(uint32_t index, const struct iommu_interrupt *)
{
	return index;
}

/* The log is full: the unit has stopped it, and begins anew behind the records that are there. */
static void restart_log(struct unit *u)
{
	uint64_t control = read(u, REG_CONTROL);

	write(u, REG_CONTROL, control & ~CONTROL_EVENTS);
	if (!wait_status(u, STATUS_EVENTS))
		unanswered(u);
	u->get = read(u, REG_EVENT_PUT) & RING_PLACES;
	write(u, REG_EVENT_GET, u->get);
	write(u, REG_STATUS, STATUS_OVERFLOW);
	write(u, REG_CONTROL, control);
}

static void decode(struct iommu_fault *fault, uint64_t what, uint64_t address)
{
	uint32_t type = (uint32_t)(what >> EVENT_TYPE);

	*fault = (struct iommu_fault){.address = address, .code = (uint32_t)(what >> EVENT_CODE)};
	if (type != EVENT_COMMAND && type != EVENT_COMMAND_BUS)
		fault->requester = (uint16_t)what;
	if (type == EVENT_FAULT || type == EVENT_REQUEST) {
		fault->write = what & EVENT_WRITE;
		fault->interrupt = what & EVENT_INTERRUPT;
	} else {
		fault->text = errors[type] ? errors[type] : "an event of unknown type";
	}
}

/* The unit may announce a record before the record is in memory: a place without a type waits for
 * the next call. */
static bool take(struct unit *u, struct iommu_fault *fault)
{
	uint64_t *record = u->events + u->get / sizeof(*record), what;

	if (u->get == (read(u, REG_EVENT_PUT) & RING_PLACES))
		return false;
	what = READ_ONCE(record[0]);
	if (!(what >> EVENT_TYPE))
		return false;
	decode(fault, what, READ_ONCE(record[1]));
	WRITE_ONCE(record[0], 0);
	u->get = (u->get + RECORD_BYTES) % RING_BYTES;
	write(u, REG_EVENT_GET, u->get);
	return true;
}

static bool amdvi_fault(struct iommu_fault *fault)
{
	for (struct unit *u = units; u < units + unit_count; u++) {
		if (take(u, fault))
			return true;
		if (read(u, REG_STATUS) & STATUS_OVERFLOW)
			restart_log(u);
	}
	return false;
}

static void amdvi_silence(uint16_t requester)
{
	struct device *d = &devices[requester];

	set(&d->domain, d->domain | DOMAIN_SILENT);
	set(&d->interrupts, d->interrupts | INTERRUPTS_SILENT);
	command_all(FORGET_DEVICE | requester, 0);
	finish();
}

const struct iommu_ops amdvi_ops = {
	.name = "AMD-Vi",
	.start = amdvi_start,
	.attach = amdvi_attach,
	.flush = amdvi_flush,
	.route = amdvi_route,
	.message = amdvi_message,
	.pin = amdvi_pin,
	.fault = amdvi_fault,
	.silence = amdvi_silence,
};
