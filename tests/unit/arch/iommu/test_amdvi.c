/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/iommu/amdvi.c arch/ptab.c tests/unit/panic_stub.c */
/*
 * AMD-Vi with a model of two units. A unit of the model keeps everything that it may keep: entries
 * of the device table, translations by domain id, entries of interrupt tables; and all functions
 * under test use their unit before and after each command, so that it keeps things early.
 */
#include "arch/iommu/iommu.h"
#include "arch/paging.h"
#include "kernel/abi.h"
#include "kernel/base/lock.h"
#include "unit.h"

#define UNITS     2u
#define FUNCTIONS 128u /* requester IDs that the model serves */
#define ENTRIES   512u
#define COMMANDS  4096u
#define BLOCKED   3ull
#define ADDRESS   0x000ffffffffff000ull
#define ROOT(id)  (0x12340000000ull + (uint64_t)(id)*4096)

struct dte {
	uint64_t dma, domain, interrupts, attributes;
};

struct command {
	unsigned type;
	uint32_t id;
	struct dte dte; /* that the command is about, as it was in memory then */
};

static struct model {
	uint64_t reg[0x4000 / 8];
	uint64_t status, shown; /* the register's bits; the bits that were last shown in memory */
	bool dead, never_stops, leaves_last; /* last: of the commands */
	bool kept[FUNCTIONS], entry_kept[FUNCTIONS][ENTRIES];
	struct dte dte[FUNCTIONS];
	uint32_t entry[FUNCTIONS][ENTRIES];
	uint64_t root[65536]; /* of the translations with a domain id; 0: none are kept */
	struct command done[COMMANDS];
	unsigned count, forgotten[16];
} model[UNITS];

static void *tables[4096];
static unsigned table_count, tables_left;
static struct dte *devices;
static const struct iommu_info info = {.units = UNITS, .unit = {0xfed80000, 0xfd000000}};

struct iommu iommu;
extern jmp_buf *panic_expected;

void *phys_map(uint64_t pa, size_t bytes, uint32_t flags)
{
	assert_int_equal(bytes, 0x4000);
	assert_int_equal(flags, MAP_DEVICE);
	return pa == info.unit[0] ? model[0].reg : pa == info.unit[1] ? model[1].reg : NULL;
}

void *iommu_table(uint64_t bytes)
{
	void *table;

	if (!tables_left)
		return NULL;
	tables_left--;
	assert_true(bytes == 4096 || bytes == 2u << 20);
	table = aligned_alloc(4096, bytes);
	memset(table, 0, bytes);
	assert_true(table_count < 4096);
	tables[table_count++] = table;
	return table;
}

static uint64_t *reg(struct model *m, unsigned offset)
{
	return &m->reg[offset / 8];
}

/* --- a unit --- */

static const struct dte *look(struct model *m, uint16_t function)
{
	const struct dte *table = (const void *)(uintptr_t)(*reg(m, 0) & ADDRESS);

	if (!m->kept[function])
		m->dte[function] = table[function];
	m->kept[function] = true;
	return &m->dte[function];
}

/* A function's DMA: returns the I/O table that it goes through, 0 if it is blocked. */
static uint64_t dma(struct model *m, uint16_t function)
{
	const struct dte *d = look(m, function);
	uint16_t id = (uint16_t)d->domain;

	assert_int_equal(d->dma & 3, 3);
	if (!(d->dma >> 61 & 3))
		return 0;
	assert_int_equal(d->dma & ADDRESS, ROOT(id)); /* of one piece */
	assert_int_equal(d->dma & ~ADDRESS, 3ull << 61 | 4 << 9 | 3);
	if (!m->root[id])
		m->root[id] = ROOT(id);
	return m->root[id];
}

/* A function's message: returns its entry, 0 if it is blocked. */
static uint32_t message(struct model *m, uint16_t function, uint64_t message)
{
	const struct dte *d = look(m, function);
	const uint32_t *table = (const void *)(uintptr_t)(d->interrupts & 0x000fffffffffffc0);
	uint32_t index = message & 0x7ff;

	assert_int_equal(message >> 52, 0xfee);
	assert_true(index < ENTRIES); /* delivery mode 0 or 1 */
	assert_int_equal(d->interrupts & 1, iommu.remaps);
	if (!(d->interrupts >> 60 & 3))
		return 0;
	assert_int_equal(d->interrupts >> 60 & 3, 2);
	assert_int_equal(1u << (d->interrupts >> 1 & 15), ENTRIES);
	if (!m->entry_kept[function][index])
		m->entry[function][index] = table[index];
	m->entry_kept[function][index] = true;
	return m->entry[function][index] & 1 ? m->entry[function][index] : 0;
}

static void use_all(struct model *m)
{
	for (uint16_t f = 0; f < FUNCTIONS; f++) {
		dma(m, f);
		message(m, f, 0xfee00000ull << 32 | f);
	}
}

static void forget(struct model *m, const uint64_t *c)
{
	uint16_t function = (uint16_t)c[0], id = (uint16_t)(c[0] >> 32);

	switch (c[0] >> 60) {
	case 2:
		assert_int_equal(c[0] & 0x0fffffffffff0000, 0);
		if (function < FUNCTIONS)
			m->kept[function] = false;
		break;
	case 3:
		assert_int_equal(c[0] & 0x0fff0000ffffffff, 0);
		assert_int_equal(c[1], 0x7ffffffffffff003);
		m->root[id] = 0;
		break;
	case 5:
		assert_int_equal(c[0] & 0x0fffffffffff0000, 0);
		if (function < FUNCTIONS)
			memset(m->entry_kept[function], 0, ENTRIES);
		break;
	default:
		assert_int_equal(c[0], 8ull << 60);
		memset(m->kept, 0, sizeof(m->kept));
		memset(m->entry_kept, 0, sizeof(m->entry_kept));
		memset(m->root, 0, sizeof(m->root));
	}
}

static void execute(struct model *m, const uint64_t *c)
{
	struct command *done = &m->done[m->count++ % COMMANDS];

	done->type = (unsigned)(c[0] >> 60);
	done->id = (uint32_t)(done->type == 3 ? c[0] >> 32 & 0xffff : c[0] & 0xffff);
	if (done->type == 2)
		done->dte = ((const struct dte *)(uintptr_t)(*reg(m, 0) & ADDRESS))[done->id];
	m->forgotten[done->type]++;
	if (done->type != 1) {
		forget(m, c);
		return;
	}
	assert_int_equal(c[0] & 0xfff0000000000007, 1ull << 60 | 1);
	*(uint64_t *)(uintptr_t)(c[0] & 0x000ffffffffffff8) = c[1];
}

static void step(struct model *m)
{
	uint64_t control = *reg(m, 0x18), base = *reg(m, 0x08), *head = reg(m, 0x2000);

	if (*reg(m, 0x2020) != m->shown)
		m->status &= ~(*reg(m, 0x2020) & 0x667);
	if (!m->never_stops)
		m->status &= ~0x18ull;
	if (control & 1 && control & 4 && !(m->status & 1))
		m->status |= 8;
	if (control & 1 && control & 1 << 12)
		m->status |= 16;
	*reg(m, 0x2020) = m->shown = m->status;
	if (!(m->status & 16) || m->dead)
		return;
	assert_int_equal(base >> 56, 8);
	assert_true(*reg(m, 0x2008) < 4096 && !(*reg(m, 0x2008) & 15));
	for (; *head != *reg(m, 0x2008); *head = (*head + 16) % 4096) {
		if (m->leaves_last && (*head + 16) % 4096 == *reg(m, 0x2008))
			return;
		use_all(m);
		execute(m, (const uint64_t *)(uintptr_t)((base & ADDRESS) + *head));
		use_all(m);
	}
}

bool iommu_wait(const volatile uint32_t *word, uint32_t mask, uint32_t value)
{
	for (unsigned i = 0; i < UNITS; i++)
		step(&model[i]);
	return (*word & mask) == value;
}

/* --- tests --- */

static void reset(uint64_t features)
{
	memset(model, 0, sizeof(model));
	while (table_count)
		free(tables[--table_count]);
	tables_left = 4096;
	for (unsigned i = 0; i < UNITS; i++)
		*reg(&model[i], 0x30) = features;
	iommu = (struct iommu){.remaps = true};
}

/* The device table is the first table that is wanted. */
static const char *start(void)
{
	const char *missing = amdvi_ops.start(&info);

	devices = table_count ? tables[0] : NULL;
	return missing;
}

#define QEMU_FEATURES 0x29d3ull

/* The commands that the unit has executed since, which are these. */
static void check_commands(struct model *m, unsigned since, const char *types)
{
	assert_int_equal(m->count - since, strlen(types));
	for (unsigned i = 0; types[i]; i++)
		assert_int_equal(m->done[(since + i) % COMMANDS].type, types[i] - '0');
}

static void test_start(void **state)
{
	(void)state;
	reset(QEMU_FEATURES);
	/* As firmware may leave it: everything on, with its tables and an exclusion range. */
	for (unsigned i = 0; i < UNITS; i++) {
		*reg(&model[i], 0x18) = 0x7ffull << 34 | 0x3fffff;
		*reg(&model[i], 0x18) &= ~(1ull << 12);
		*reg(&model[i], 0x20) = 0xfee00003;
		model[i].status = 0x65;
	}
	assert_null(start());
	for (unsigned i = 0; i < UNITS; i++) {
		struct model *m = &model[i];

		step(m);
		assert_int_equal(*reg(m, 0), (uintptr_t)devices | 511);
		assert_int_equal(*reg(m, 0x08), (uintptr_t)tables[1 + 2 * i] | 8ull << 56);
		assert_int_equal(*reg(m, 0x10), (uintptr_t)tables[2 + 2 * i] | 8ull << 56);
		assert_int_equal(*reg(m, 0x18), 1 | 1 << 1 | 1 << 2 | 3 << 8 | 7 << 10);
		assert_int_equal(*reg(m, 0x20), 0);
		assert_int_equal(m->status, 0x18);
		assert_int_equal(m->forgotten[8], 1);
	}
	for (unsigned i = 0; i < 65536; i++) {
		assert_int_equal(devices[i].dma, BLOCKED);
		assert_int_equal(devices[i].domain | devices[i].attributes, 0);
		assert_int_equal(devices[i].interrupts, 1);
	}
	assert_ptr_equal(iommu.format, &ptab_amdvi);
	assert_int_equal(iommu.levels, 4);
	assert_int_equal(iommu.max_page, PTAB_2M);
	assert_int_equal(iommu.address_bits, 48);
	assert_true(iommu.coherent && iommu.remaps && !iommu.caches_absence);
}

/* What an I/O APIC sends that is not remapped passes as firmware says (AMD IOMMU 5.2.2.2). */
static void test_settings(void **state)
{
	static const struct iommu_info told = {
		.units = UNITS,
		.unit = {0xfed80000, 0xfd000000},
		.ioapics = 2,
		.ioapic = {{.requester = 0x40, .settings = 0xff},
			   {.requester = 0x41, .settings = 4}},
	};
	const struct iommu_interrupt to = {.apic_id = 0x21, .vector = 0x45};

	(void)state;
	reset(QEMU_FEATURES);
	iommu.remaps = true;
	assert_null(amdvi_ops.start(&told));
	devices = tables[0];
	assert_int_equal(devices[0x40].interrupts, 1 | 7ull << 56 | 3ull << 62);
	assert_int_equal(devices[0x41].interrupts, 1 | 1ull << 58);
	assert_int_equal(devices[0x42].interrupts, 1);
	assert_int_equal(devices[0x41].dma, BLOCKED);
	assert_int_equal(amdvi_ops.route(0x41, 3, &to), SAMPO_OK);
	assert_int_equal(devices[0x41].interrupts >> 56, 1 << 2 | 2 << 4);
}

/* Firmware has not named each I/O APIC: interrupts pass as they are. */
static void test_unmapped(void **state)
{
	(void)state;
	reset(QEMU_FEATURES);
	iommu.remaps = false;
	assert_null(start());
	assert_false(iommu.remaps);
	for (unsigned i = 0; i < 65536; i++) {
		assert_int_equal(devices[i].dma, BLOCKED);
		assert_int_equal(devices[i].interrupts, 0);
	}
}

/* A unit that cannot forget all at once forgets each id. */
static void test_old_unit(void **state)
{
	(void)state;
	reset(0);
	assert_null(start());
	for (unsigned i = 0; i < UNITS; i++) {
		assert_int_equal(model[i].forgotten[2], 65536);
		assert_int_equal(model[i].forgotten[3], 65536);
		assert_int_equal(model[i].forgotten[5], 65536);
		assert_int_equal(model[i].forgotten[8], 0);
		assert_int_equal(model[i].done[(model[i].count - 1) % COMMANDS].type, 1);
	}
}

static void test_missing(void **state)
{
	static const struct iommu_info nowhere = {.units = 1, .unit = {0x4000}};

	(void)state;
	reset(QEMU_FEATURES);
	assert_string_equal(amdvi_ops.start(&nowhere), "AMD-Vi: the registers of a unit");
	reset(QEMU_FEATURES);
	memset(model[1].reg, 0xff, sizeof(model[1].reg));
	model[1].dead = true;
	assert_string_equal(start(), "AMD-Vi: the registers of a unit");
	assert_int_equal(*reg(&model[0], 0x18), 0); /* off */
	reset(QEMU_FEATURES | 3 << 10);
	assert_string_equal(start(), "AMD-Vi: a unit's I/O tables");
	reset(QEMU_FEATURES);
	model[1].never_stops = true;
	model[1].status = 8;
	assert_string_equal(start(), "AMD-Vi: a unit that can be turned off");
	for (unsigned left = 0; left < 1 + 2 * UNITS; left++) {
		reset(QEMU_FEATURES);
		tables_left = left;
		assert_string_equal(start(), left ? "AMD-Vi: memory for a unit's rings"
						  : "AMD-Vi: memory for the device table");
		assert_int_equal(*reg(&model[0], 0x18) | *reg(&model[1], 0x18), 0);
	}
}

static void attach(uint16_t function, uint16_t id)
{
	struct ptab table = {.root = ROOT(id), .levels = 4};

	assert_int_equal(amdvi_ops.attach(function, id ? &table : NULL, id ? id : 77), SAMPO_OK);
	for (unsigned i = 0; i < UNITS; i++)
		assert_int_equal(dma(&model[i], function), id ? ROOT(id) : 0);
}

/* The entry is blocked, and forgotten with the old translations, before it is another one. */
static void test_attach(void **state)
{
	static const uint16_t ids[] = {1, 2, 0, 0, 1023, 1023};
	uint16_t old = 0;

	(void)state;
	reset(QEMU_FEATURES);
	assert_null(start());
	for (unsigned i = 0; i < COUNT_OF(ids); i++) {
		unsigned since = model[1].count;
		struct command *c = &model[1].done[since];
		struct dte old_entry = devices[5];

		attach(5, ids[i]);
		check_commands(&model[1], since, "231231");
		assert_int_equal(c[0].id, 5);
		assert_int_equal(c[0].dte.dma, BLOCKED);
		assert_int_equal(c[0].dte.domain, old_entry.domain);
		assert_int_equal(c[1].id, old);
		assert_int_equal(c[3].id, 5);
		assert_int_equal(c[3].dte.dma & 3, 3);
		assert_int_equal(c[3].dte.domain, ids[i]);
		assert_int_equal(c[4].id, ids[i]);
		assert_memory_equal(&c[3].dte, &devices[5], sizeof(struct dte));
		old = ids[i];
	}
	assert_int_equal(devices[4].dma, BLOCKED);
	assert_int_equal(devices[6].dma, BLOCKED);
}

static void test_flush(void **state)
{
	unsigned since;

	(void)state;
	reset(QEMU_FEATURES);
	assert_null(start());
	attach(9, 300);
	since = model[0].count;
	assert_int_equal(model[0].root[300], ROOT(300));
	for (unsigned i = 0; i < UNITS; i++)
		model[i].root[300] = 0xbad000; /* a translation from before */
	amdvi_ops.flush(300);
	check_commands(&model[0], since, "31");
	for (unsigned i = 0; i < UNITS; i++)
		assert_int_equal(dma(&model[i], 9), ROOT(300));
}

static void test_route(void **state)
{
	struct iommu_interrupt to = {.apic_id = 0x21, .vector = 0x45};
	struct iommu_interrupt far = {.apic_id = 0xff, .vector = 0x45};
	unsigned made;

	(void)state;
	reset(QEMU_FEATURES);
	assert_null(start());
	made = table_count;
	assert_int_equal(amdvi_ops.route(7, 3, NULL), SAMPO_OK);
	assert_int_equal(amdvi_ops.route(7, 3, &far), SAMPO_ENODEV);
	assert_int_equal(amdvi_ops.route(7, 512, &to), SAMPO_ENOMEM);
	assert_int_equal(table_count, made);
	assert_int_equal(devices[7].interrupts, 1);
	tables_left = 0;
	assert_int_equal(amdvi_ops.route(7, 3, &to), SAMPO_ENOMEM);
	assert_int_equal(devices[7].interrupts, 1);
	tables_left = 1;
	assert_int_equal(amdvi_ops.route(7, 3, &to), SAMPO_OK);
	assert_int_equal(devices[7].interrupts, 2ull << 60 | 9 << 1 | 1 | (uintptr_t)tables[made]);
	assert_int_equal(devices[7].dma, BLOCKED);
	assert_int_equal(amdvi_ops.message(3), 0xfee0000000000003);
	assert_int_equal(amdvi_ops.pin(0x1a3, &to), 0x1a3);
	to.level = true; /* changes nothing */
	assert_int_equal(amdvi_ops.route(7, 511, &to), SAMPO_OK);
	assert_int_equal(table_count, made + 1);
	for (unsigned i = 0; i < UNITS; i++) {
		assert_int_equal(message(&model[i], 7, amdvi_ops.message(3)), 0x00452101);
		assert_int_equal(message(&model[i], 7, amdvi_ops.message(511)), 0x00452101);
		assert_int_equal(message(&model[i], 7, amdvi_ops.message(7)), 0);
		assert_int_equal(message(&model[i], 8, amdvi_ops.message(3)), 0);
	}
	assert_int_equal(amdvi_ops.route(7, 3, NULL), SAMPO_OK);
	attach(7, 12); /* keeps the interrupts */
	assert_int_equal(message(&model[1], 7, amdvi_ops.message(3)), 0);
	assert_int_equal(message(&model[1], 7, amdvi_ops.message(511)), 0x00452101);
}

/* Functions come and go at random, while each uses its unit all the time. */
static void test_random(void **state)
{
	uint16_t id[FUNCTIONS] = {0};
	uint32_t entry[FUNCTIONS] = {0};

	(void)state;
	reset(QEMU_FEATURES);
	assert_null(start());
	for (unsigned n = 0; n < 3000; n++) {
		uint16_t f = (uint16_t)random_below(FUNCTIONS), other;
		struct iommu_interrupt to = {(uint32_t)random_below(255), (uint8_t)random64(), 0};

		switch (random_below(4)) {
		case 0:
			id[f] = (uint16_t)random_below(8);
			attach(f, id[f]);
			break;
		case 1:
			assert_int_equal(amdvi_ops.route(f, f, &to), SAMPO_OK);
			entry[f] = 1 | to.apic_id << 8 | (uint32_t)to.vector << 16;
			break;
		case 2:
			assert_int_equal(amdvi_ops.route(f, f, NULL), SAMPO_OK);
			entry[f] = 0;
			break;
		default:
			amdvi_ops.silence(f);
			break;
		}
		other = (uint16_t)random_below(FUNCTIONS);
		assert_int_equal(dma(&model[n % 2], other), id[other] ? ROOT(id[other]) : 0);
		assert_int_equal(message(&model[n % 2], other, amdvi_ops.message(other)),
				 entry[other]);
	}
}

/* --- events --- */

static void put_event(struct model *m, uint64_t low, uint64_t high)
{
	uint64_t *log = (uint64_t *)(uintptr_t)(*reg(m, 0x10) & ADDRESS);
	uint64_t *tail = reg(m, 0x2018);

	log[*tail / 8] = low;
	log[*tail / 8 + 1] = high;
	*tail = (*tail + 16) % 4096;
}

static void test_events(void **state)
{
	/* As Linux shows them: device, flags and address. */
	static const struct {
		uint64_t low, high;
		struct iommu_fault fault;
	} cases[] = {
		{0x2070000e00000c00, 0x1a3d9000, {0x0c00, true, false, 0x1a3d9000, 0x2070, NULL}},
		{0x2050000100000300, 0xffff0000, {0x0300, false, false, 0xffff0000, 0x2050, NULL}},
		{0x2008000000000208, 0xfee00000, {0x0208, false, true, 0xfee00000, 0x2008, NULL}},
		{0x1010000000000009, 0x8000, {9, false, false, 0x8000, 0x1010, "illegal entry"}},
		{0x3010000000000009, 0x8000, {9, false, false, 0x8000, 0x3010, "the device"}},
		{0x4010000000000009, 0x8000, {9, false, false, 0x8000, 0x4010, "an I/O table"}},
		{0x5000000000001234, 0x8000, {0, false, false, 0x8000, 0x5000, "illegal command"}},
		{0x6000000000001234, 0x8000, {0, false, false, 0x8000, 0x6000, "a command"}},
		{0x7000000000000009, 0x8000, {9, false, false, 0x8000, 0x7000, "a device"}},
		{0x8a00000000000000, ~0ull, {0, false, false, ~0ull, 0x8a00, NULL}},
		{0xf000000000000009, 0x8000, {9, false, false, 0x8000, 0xf000, "an event of"}},
	};
	struct iommu_fault f;

	(void)state;
	reset(QEMU_FEATURES);
	assert_null(start());
	assert_false(amdvi_ops.fault(&f));
	for (unsigned n = 0; n < 500; n++) { /* around the ring */
		const struct iommu_fault *want = &cases[n % COUNT_OF(cases)].fault;

		put_event(&model[n % 2], cases[n % COUNT_OF(cases)].low,
			  cases[n % COUNT_OF(cases)].high);
		assert_true(amdvi_ops.fault(&f));
		assert_int_equal(f.requester, want->requester);
		assert_int_equal(f.write, want->write);
		assert_int_equal(f.interrupt, want->interrupt);
		assert_int_equal(f.address, want->address);
		assert_int_equal(f.code, want->code);
		assert_int_equal(!f.text, !want->text);
		if (f.text)
			assert_memory_equal(f.text, want->text, strlen(want->text));
		assert_false(amdvi_ops.fault(&f));
		assert_int_equal(*reg(&model[n % 2], 0x2010), *reg(&model[n % 2], 0x2018));
	}
}

static void test_random_events(void **state)
{
	struct iommu_fault f;

	(void)state;
	reset(QEMU_FEATURES);
	assert_null(start());
	for (unsigned n = 0; n < 10000; n++) {
		unsigned records = (unsigned)random_below(200), taken = 0;

		for (unsigned i = 0; i < records; i++)
			put_event(&model[0], random64() | 1ull << 60, random64());
		while (amdvi_ops.fault(&f))
			taken++;
		assert_int_equal(taken, records);
		*reg(&model[0], 0x2018) |= random64() << 32; /* reserved bits say nothing */
		assert_false(amdvi_ops.fault(&f));
		*reg(&model[0], 0x2018) &= 0xff0;
	}
}

/* The unit's record comes after its announcement, and is not taken for the one that was in its
 * place a lap before. */
static void test_late_event(void **state)
{
	struct iommu_fault f;
	uint64_t *log;

	(void)state;
	reset(QEMU_FEATURES);
	assert_null(start());
	log = (uint64_t *)(uintptr_t)(*reg(&model[0], 0x10) & ADDRESS);
	for (unsigned i = 0; i < 256; i++) {
		put_event(&model[0], 0x2000000000000001, 1);
		assert_true(amdvi_ops.fault(&f));
	}
	*reg(&model[0], 0x2018) = 16;
	put_event(&model[1], 0x2000000000000011, 1);
	assert_true(amdvi_ops.fault(&f)); /* of the other unit */
	assert_int_equal(f.requester, 0x11);
	assert_false(amdvi_ops.fault(&f));
	log[0] = 0x2000000000000022;
	assert_true(amdvi_ops.fault(&f));
	assert_int_equal(f.requester, 0x22);
	assert_false(amdvi_ops.fault(&f));
}

static void overflow(struct model *m)
{
	step(m);
	m->status |= 1;
	step(m);
	*reg(m, 0x2020) = m->shown = m->status &= ~8ull;
}

static void test_overflow(void **state)
{
	struct iommu_fault f;

	(void)state;
	for (unsigned stuck = 0; stuck < 2; stuck++) {
		unsigned taken = 0;

		reset(QEMU_FEATURES);
		assert_null(start());
		for (unsigned i = 0; i < 255; i++)
			put_event(&model[1], i == 200 && stuck ? 0 : 0x2000000000000000 | i, i);
		overflow(&model[1]);
		while (amdvi_ops.fault(&f))
			assert_int_equal(f.requester, taken++);
		assert_int_equal(taken, stuck ? 200 : 255);
		step(&model[1]);
		assert_int_equal(model[1].status, 0x18); /* it runs again */
		assert_int_equal(*reg(&model[1], 0x18) & 0x1005, 0x1005);
		assert_int_equal(*reg(&model[1], 0x2010), *reg(&model[1], 0x2018));
		put_event(&model[1], 0x2000000000000099, 0);
		assert_true(amdvi_ops.fault(&f));
		assert_int_equal(f.requester, 0x99);
	}
}

static void test_silence(void **state)
{
	struct iommu_interrupt to = {.apic_id = 1, .vector = 0x50};
	unsigned since;

	(void)state;
	reset(QEMU_FEATURES);
	assert_null(start());
	attach(3, 40);
	assert_int_equal(amdvi_ops.route(3, 1, &to), SAMPO_OK);
	since = model[0].count;
	amdvi_ops.silence(3);
	check_commands(&model[0], since, "21");
	assert_int_equal(look(&model[0], 3)->domain, 40 | 1ull << 34);
	assert_int_equal(look(&model[0], 3)->interrupts >> 5 & 1, 1);
	assert_int_equal(dma(&model[0], 3), ROOT(40)); /* nothing else changes */
	assert_int_equal(message(&model[0], 3, amdvi_ops.message(1)), 0x00500101);
	assert_int_equal(amdvi_ops.route(3, 1, &to), SAMPO_OK);
	assert_int_equal(look(&model[0], 3)->interrupts >> 5 & 1, 1);
	attach(3, 0);
	assert_int_equal(look(&model[0], 3)->domain, 0);
	assert_int_equal(look(&model[0], 3)->interrupts >> 5 & 1, 0);
}

static bool flush_panics(void)
{
	static jmp_buf back;

	panic_expected = &back;
	if (!setjmp(back)) {
		amdvi_ops.flush(1);
		panic_expected = NULL;
		return false;
	}
	panic_expected = NULL;
	return true;
}

static void test_unanswered(void **state)
{
	(void)state;
	for (unsigned i = 0; i < UNITS; i++) {
		reset(QEMU_FEATURES);
		assert_null(start());
		assert_false(flush_panics());
		model[i].dead = true;
		assert_true(flush_panics());
	}
}

/* The answer to an earlier question comes while the unit leaves the newer one. */
static void test_late_answer(void **state)
{
	(void)state;
	reset(QEMU_FEATURES);
	assert_null(start());
	model[0].dead = true;
	assert_true(flush_panics());
	model[0].dead = false;
	model[0].leaves_last = true;
	assert_true(flush_panics());
	model[0].leaves_last = false;
	assert_false(flush_panics());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),         cmocka_unit_test(test_settings),
		cmocka_unit_test(test_unmapped),      cmocka_unit_test(test_old_unit),
		cmocka_unit_test(test_missing),       cmocka_unit_test(test_attach),
		cmocka_unit_test(test_flush),         cmocka_unit_test(test_route),
		cmocka_unit_test(test_random),        cmocka_unit_test(test_events),
		cmocka_unit_test(test_random_events), cmocka_unit_test(test_late_event),
		cmocka_unit_test(test_overflow),      cmocka_unit_test(test_silence),
		cmocka_unit_test(test_unanswered),    cmocka_unit_test(test_late_answer),
	};
	int status = cmocka_run_group_tests(tests, NULL, NULL);

	while (table_count)
		free(tables[--table_count]);
	return status;
}
