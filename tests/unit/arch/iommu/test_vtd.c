/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: arch/ptab.c tests/unit/panic_stub.c */
/*
 * VT-d's units are modelled here, as far as the kernel uses them: registers that are written do
 * something, commands and the queue are served when the kernel waits, and a unit that does not see
 * the CPU's caches sees tables as they were written back.
 */
#include "arch/cpu.h"
#include "arch/iommu/iommu.h"
#include "arch/msr.h"
#include "arch/paging.h"
#include "kernel/abi.h"
#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "tests/unit/unit.h"

static void model_write32(volatile void *address, uint32_t value);
static void model_write64(volatile void *address, uint64_t value);
static uint64_t model_rdmsr(uint32_t msr);

#define mmio_write32 model_write32
#define mmio_write64 model_write64
#define cpu_rdmsr    model_rdmsr
#include "arch/iommu/vtd.c"
#include "arch/iommu/vtd_queue.c"

extern jmp_buf *panic_expected;

struct iommu iommu;

#define BYTES     0x6000u
#define UNITS     2
#define BASE      0xfed90000u
#define CAP_QEMU  0xd2008c222f0606ull /* QEMU's with aw-bits=48, and with 39 */
#define CAP_39    0xd2008c22260206ull
#define ECAP_QEMU 0xf00f4aull
#define DRAIN     0xc0ull

/* What a unit has been told by its queue, and the entry that it is about as the unit saw it. */
struct event {
	unsigned unit;
	uint64_t low, entry_low, entry_high;
};

static struct model {
	uint8_t reg[BYTES] __attribute__((aligned(4096)));
	uint32_t command; /* not executed yet; 0: none */
	uint32_t turned_off;
	uint64_t root, irta;
	unsigned waits, writes, flushes;
	bool deaf;        /* does not serve the queue */
	uint32_t trouble; /* errors that it has once, instead of an answer */
	uint32_t mapped;  /* bytes of its registers */
	unsigned orders_at_te;
} model[UNITS];

static struct event event[4096];
static unsigned events;
static bool x2apic, poor; /* poor: there is no memory */
static unsigned tables_left;

/* Tables, and what units see of them. */
static struct {
	uint8_t *data, *seen;
	size_t bytes;
} memory[512];
static unsigned tables;

void log_print(const char *format, ...)
{
	(void)format;
}

static uint64_t model_rdmsr(uint32_t msr)
{
	assert_int_equal(msr, MSR_APIC_BASE);
	return APIC_BASE_ENABLE | (x2apic ? APIC_BASE_X2APIC : 0);
}

void *phys_map(uint64_t pa, size_t bytes, uint32_t flags)
{
	unsigned i = (unsigned)((pa - BASE) / 0x10000);

	assert_int_equal(flags, MAP_DEVICE);
	if (i >= UNITS || bytes > BYTES)
		return NULL;
	model[i].mapped = (uint32_t)bytes;
	return model[i].reg;
}

void *iommu_table(uint64_t bytes)
{
	if (poor && !tables_left--)
		return NULL;
	assert_true(tables < COUNT_OF(memory));
	memory[tables].bytes = bytes;
	memory[tables].data = aligned_alloc(4096, bytes);
	memory[tables].seen = calloc(1, bytes);
	memset(memory[tables].data, 0, bytes);
	return memory[tables++].data;
}

/* The table that has this address, and where in it. */
static unsigned table_at(const volatile void *address, size_t *offset)
{
	for (unsigned i = 0; i < tables; i++) {
		*offset = (size_t)((const uint8_t *)(uintptr_t)address - memory[i].data);
		if (*offset < memory[i].bytes)
			return i;
	}
	fail_msg("no table at %p", (const void *)(uintptr_t)address);
	return 0;
}

void iommu_written(const volatile void *entry, size_t bytes)
{
	size_t offset;
	unsigned i = table_at(entry, &offset);

	assert_true(offset + bytes <= memory[i].bytes);
	memcpy(memory[i].seen + offset, memory[i].data + offset, bytes);
}

/* A word of a table as units see it. */
static uint64_t seen(uint64_t address)
{
	uint64_t value;
	size_t offset;
	unsigned i = table_at((const void *)(uintptr_t)address, &offset);

	memcpy(&value, memory[i].seen + offset, sizeof(value));
	return value;
}

static uint32_t get32(const struct model *m, unsigned offset)
{
	return *(const uint32_t *)(m->reg + offset);
}

static uint64_t get64(const struct model *m, unsigned offset)
{
	return *(const uint64_t *)(m->reg + offset);
}

static void set32(struct model *m, unsigned offset, uint32_t value)
{
	*(uint32_t *)(m->reg + offset) = value;
}

static void set64(struct model *m, unsigned offset, uint64_t value)
{
	*(uint64_t *)(m->reg + offset) = value;
}

/* --- faults --- */

static unsigned records(const struct model *m)
{
	return (unsigned)(get64(m, VTD_CAP) >> 40 & 0xff) + 1;
}

static unsigned record_at(const struct model *m, unsigned i)
{
	return (unsigned)(get64(m, VTD_CAP) >> 24 & 0x3ff) * 16 + 16 * i;
}

/* PPF is 1 while there is a record; FRI is written when PPF becomes 1. */
static void update_pending(struct model *m, unsigned first)
{
	uint32_t status = get32(m, VTD_FSTS), pending = 0;

	for (unsigned i = 0; i < records(m); i++)
		if (get64(m, record_at(m, i) + 8) >> 63)
			pending = VTD_FSTS_PPF;
	if (pending && !(status & VTD_FSTS_PPF))
		status = (status & ~0xff00u) | first << 8;
	set32(m, VTD_FSTS, (status & ~VTD_FSTS_PPF) | pending);
}

static unsigned next_record[UNITS];

/* False: it was not recorded. */
static bool record(unsigned unit, uint16_t requester, bool write_access, uint32_t code,
		   uint64_t low)
{
	struct model *m = &model[unit];
	unsigned i = next_record[unit];

	if (get32(m, VTD_FSTS) & VTD_FSTS_PFO)
		return false;
	if (get64(m, record_at(m, i) + 8) >> 63) {
		set32(m, VTD_FSTS, get32(m, VTD_FSTS) | VTD_FSTS_PFO);
		return false;
	}
	set64(m, record_at(m, i), low);
	set64(m, record_at(m, i) + 8,
	      1ull << 63 | (uint64_t)!write_access << 62 | (uint64_t)code << 32 | requester);
	next_record[unit] = (i + 1) % records(m);
	update_pending(m, i);
	return true;
}

/* --- registers --- */

static struct model *model_of(volatile void *address, unsigned *offset)
{
	for (struct model *m = model; m < model + UNITS; m++) {
		uintptr_t at = (uintptr_t)address - (uintptr_t)m->reg;

		if (at >= BYTES)
			continue;
		assert_true(at < m->mapped);
		m->writes++;
		*offset = (unsigned)at;
		return m;
	}
	fail_msg("a write to no register");
	return NULL;
}

static void model_write32(volatile void *address, uint32_t value)
{
	unsigned offset;
	struct model *m = model_of(address, &offset);

	if (offset == VTD_GCMD) {
		assert_int_equal(m->command, 0); /* the one before has been waited for */
		m->command = value | 1;
	} else if (offset == VTD_FSTS) {
		set32(m, VTD_FSTS,
		      get32(m, VTD_FSTS) & ~(value & (VTD_FSTS_ERRORS | VTD_FSTS_PFO)));
	} else if (offset == VTD_PMEN) {
		set32(m, VTD_PMEN, value); /* PRS follows when it is waited for */
		assert_true(get32(m, VTD_GSTS) & VTD_GCMD_TE);
	} else if (offset == VTD_FECTL || offset == VTD_IECTL) {
		assert_int_equal(value, 1u << 31);
		set32(m, offset, value);
	} else {
		assert_true(offset >= record_at(m, 0) && offset % 16 == 12);
		if (value >> 31)
			set32(m, offset, get32(m, offset) & 0x7fffffff);
		update_pending(m, 0);
	}
}

static void model_write64(volatile void *address, uint64_t value)
{
	unsigned offset;
	struct model *m = model_of(address, &offset);

	if (offset == VTD_IQA)
		assert_false(get32(m, VTD_GSTS) & VTD_GCMD_QIE);
	else
		assert_true(offset == VTD_IQT || offset == VTD_RTADDR || offset == VTD_IRTA);
	if (offset == VTD_IQT)
		assert_true(value < 4096 && value % 16 == 0);
	set64(m, offset, value);
}

static void note(struct model *m, uint64_t low)
{
	struct event *e = &event[events++];
	uint64_t at = 0;

	assert_true(events < COUNT_OF(event));
	*e = (struct event){.unit = (unsigned)(m - model), .low = low};
	if ((low & 0x3f) == 0x31) {
		at = seen(m->root + 16 * (low >> 40 & 0xff));
		at = at & 1 ? (at & ~0xfffull) + 16 * (low >> 32 & 0xff) : 0;
	} else if ((low & 0x1f) == 0x14) {
		at = (m->irta & ~0xfffull) + 16 * (low >> 32 & 0xffff);
	}
	if (at) {
		e->entry_low = seen(at);
		e->entry_high = seen(at + 8);
	}
}

static void serve_queue(struct model *m)
{
	uint64_t head = get64(m, VTD_IQH);

	while (head != get64(m, VTD_IQT) && !m->deaf) {
		uint64_t *descriptor = (uint64_t *)(get64(m, VTD_IQA) + head);

		if ((m->trouble | get32(m, VTD_FSTS)) & VTD_FSTS_IQE)
			break;
		head = (head + 16) % 4096;
		if ((descriptor[0] & 0xf) != 5) {
			assert_int_equal(descriptor[1], 0);
			note(m, descriptor[0]);
			continue;
		}
		assert_int_equal(descriptor[0] & 0xffffffff, 0x25);
		if (m->trouble) /* waiting ones are dropped */
			continue;
		*(uint32_t *)descriptor[1] = (uint32_t)(descriptor[0] >> 32);
		m->waits++;
	}
	set64(m, VTD_IQH, head);
	set32(m, VTD_FSTS, get32(m, VTD_FSTS) | m->trouble);
	m->trouble = 0;
}

/* A command may change one bit; what it leaves out is turned off. */
static void execute(struct model *m)
{
	const uint32_t lasting = VTD_GCMD_TE | VTD_GCMD_EAFL | VTD_GCMD_QIE | VTD_GCMD_IRE;
	uint32_t old = get32(m, VTD_GSTS), new = m->command &(lasting | VTD_GCMD_CFI);
	uint32_t once = m->command & (VTD_GCMD_SRTP | VTD_GCMD_SIRTP | VTD_GCMD_WBF);
	uint32_t changed = ((old & (lasting | VTD_GCMD_CFI)) ^ new) | once;

	if (!m->command)
		return;
	assert_int_equal(changed & (changed - 1), 0);
	m->command = 0;
	m->turned_off |= old & ~new &(lasting | VTD_GCMD_CFI);
	if (once & VTD_GCMD_SRTP)
		m->root = get64(m, VTD_RTADDR);
	if (once & VTD_GCMD_SIRTP)
		m->irta = get64(m, VTD_IRTA);
	m->flushes += once == VTD_GCMD_WBF;
	if (changed & old & VTD_GCMD_QIE)
		set64(m, VTD_IQH, 0);
	if (changed & new &VTD_GCMD_TE)
		m->orders_at_te = events;
	set32(m, VTD_GSTS, new | (old & (VTD_GCMD_SRTP | VTD_GCMD_SIRTP)) | (once & ~VTD_GCMD_WBF));
}

bool iommu_wait(const volatile uint32_t *word, uint32_t mask, uint32_t value)
{
	for (struct model *m = model; m < model + UNITS; m++) {
		if (m->command)
			execute(m);
		if (get32(m, VTD_GSTS) & VTD_GCMD_QIE)
			serve_queue(m);
		if (!(get32(m, VTD_PMEN) >> 31))
			set32(m, VTD_PMEN, 0);
	}
	return (*word & mask) == value;
}

/* --- the tests --- */

static void power_on(unsigned i, uint64_t cap, uint64_t ecap)
{
	struct model *m = &model[i];

	memset(m, 0, sizeof(*m));
	set64(m, VTD_CAP, cap);
	set64(m, VTD_ECAP, ecap);
	next_record[i] = 0;
}

static void forget_all(void)
{
	while (tables) {
		free(memory[--tables].data);
		free(memory[tables].seen);
	}
	memset(model, 0, sizeof(model));
	memset(vtd_unit, 0, sizeof(vtd_unit));
	memset(&iommu, 0, sizeof(iommu));
	iommu.remaps = true;
	events = 0;
	poor = x2apic = false;
}

static const char *start(unsigned units)
{
	struct iommu_info info = {.units = units};

	for (unsigned i = 0; i < units; i++)
		info.unit[i] = BASE + 0x10000 * i;
	return vtd_ops.start(&info);
}

/* A machine like QEMU's with one unit, or with two. */
static void start_well(unsigned units, uint64_t cap_more, uint64_t ecap_more)
{
	forget_all();
	for (unsigned i = 0; i < units; i++)
		power_on(i, CAP_QEMU | cap_more, ECAP_QEMU | ecap_more);
	assert_null(start(units));
	events = 0;
}

static void check_event(unsigned i, uint64_t low)
{
	assert_true(i < events);
	assert_int_equal(event[i].low, low);
}

static void check_on(const struct model *m)
{
	assert_int_equal(get32(m, VTD_GSTS), VTD_GCMD_TE | VTD_GCMD_SRTP | VTD_GCMD_QIE |
						     VTD_GCMD_IRE | VTD_GCMD_SIRTP);
	assert_int_equal(get32(m, VTD_FECTL), 1u << 31);
}

static void test_start(void **state)
{
	(void)state;
	forget_all();
	power_on(0, CAP_QEMU, ECAP_QEMU);
	assert_null(start(1));
	check_on(&model[0]);
	assert_ptr_equal(iommu.format, &ptab_vtd);
	assert_int_equal(iommu.levels, 4);
	assert_int_equal(iommu.address_bits, 48);
	assert_int_equal(iommu.max_page, PTAB_1G);
	assert_false(iommu.coherent);
	assert_true(iommu.remaps);
	assert_false(iommu.caches_absence);
	assert_int_equal(events, 3);
	check_event(0, 0x11);
	check_event(1, 0x12 | DRAIN);
	check_event(2, 0x04);
	assert_int_equal(model[0].orders_at_te, 3);
	assert_int_equal(model[0].irta & 0xfff, 9); /* 1024 entries, 8 bits of APIC IDs */
	for (unsigned bus = 0; bus < 256; bus++)
		assert_int_equal(seen(model[0].root + 16 * bus), 0);
	assert_int_equal(model[0].mapped, 4096);
	forget_all();
	power_on(0, CAP_39, ECAP_QEMU | 1);
	assert_null(start(1));
	assert_int_equal(iommu.levels, 3);
	assert_int_equal(iommu.address_bits, 39);
	assert_true(iommu.coherent);
}

/* Of two units the lesser counts, for each thing. */
static void test_agree(void **state)
{
	(void)state;
	forget_all();
	power_on(0, CAP_QEMU | VTD_CAP_SAGAW(5) | 0x3full << 16, ECAP_QEMU | 0x11);
	power_on(1, (CAP_QEMU & ~VTD_CAP_1G & ~0x3f0000ull) | 37ull << 16 | VTD_CAP_CM,
		 ECAP_QEMU & ~8ull);
	assert_null(start(2));
	assert_int_equal(iommu.levels, 4);
	assert_int_equal(iommu.address_bits, 38);
	assert_int_equal(iommu.max_page, PTAB_2M);
	assert_false(iommu.coherent);
	assert_false(iommu.remaps);
	assert_true(iommu.caches_absence);
	assert_int_equal(get32(&model[0], VTD_GSTS), VTD_GCMD_TE | VTD_GCMD_SRTP | VTD_GCMD_QIE);
	assert_int_equal(events, 4);
	forget_all();
	power_on(0, (CAP_QEMU | VTD_CAP_SAGAW(5) | 0x3full << 16) & ~VTD_CAP_2M, ECAP_QEMU);
	assert_null(start(1));
	assert_int_equal(iommu.levels, 5);
	assert_int_equal(iommu.address_bits, 57);
	assert_int_equal(iommu.max_page, PTAB_4K);
}

static void test_left_on(void **state)
{
	struct iommu_fault fault;

	(void)state;
	forget_all();
	for (unsigned i = 0; i < 2; i++) {
		power_on(i, CAP_QEMU | 3ull << 5, ECAP_QEMU);
		set32(&model[i], VTD_GSTS,
		      VTD_GCMD_TE | VTD_GCMD_SRTP | VTD_GCMD_QIE | VTD_GCMD_IRE | VTD_GCMD_SIRTP |
			      VTD_GCMD_CFI | VTD_GCMD_EAFL);
		set64(&model[i], VTD_IQH, 0x40);
		set64(&model[i], VTD_IQT, 0x40);
		set32(&model[i], VTD_PMEN, 1u << 31 | 1);
		set32(&model[i], VTD_FSTS, VTD_FSTS_ITE);
		record(i, 0x10, true, 5, 0x1000);
	}
	assert_null(start(2));
	for (unsigned i = 0; i < 2; i++) {
		check_on(&model[i]);
		assert_int_equal(model[i].turned_off, VTD_GCMD_TE | VTD_GCMD_QIE | VTD_GCMD_IRE |
							      VTD_GCMD_CFI | VTD_GCMD_EAFL);
		assert_int_equal(get32(&model[i], VTD_PMEN), 0);
		assert_int_equal(model[i].waits, 3);
	}
	assert_false(vtd_ops.fault(&fault));
}

/* A machine that will not do is left as it is. */
static void refused(unsigned units)
{
	assert_non_null(start(units));
	for (unsigned i = 0; i < UNITS; i++)
		assert_int_equal(model[i].writes, 0);
}

static void test_refuse(void **state)
{
	(void)state;
	forget_all();
	power_on(0, CAP_QEMU, ECAP_QEMU);
	power_on(1, CAP_QEMU, ECAP_QEMU & ~2ull);
	refused(2);
	power_on(1, CAP_QEMU & ~0x1f00ull, ECAP_QEMU);
	refused(2);
	power_on(0, CAP_39, ECAP_QEMU);
	power_on(1, (CAP_QEMU & ~0x1f00ull) | VTD_CAP_SAGAW(4), ECAP_QEMU);
	refused(2);
	power_on(1, UINT64_MAX, UINT64_MAX);
	refused(2);
	power_on(1, CAP_QEMU, ECAP_QEMU);
	refused(3); /* the third one's registers cannot be mapped */
	poor = true;
	for (unsigned n = 0; n < 4; n++) {
		tables_left = n;
		refused(2);
	}
	tables_left = 4;
	assert_null(start(2));
}

static struct ptab table_of(uint64_t at, int levels)
{
	return (struct ptab){.root = at, .levels = levels};
}

static uint64_t context_word(uint16_t requester, unsigned word)
{
	uint64_t bus = seen(model[0].root + 16 * (requester >> 8));

	assert_int_equal(bus & 0xfff, 1);
	assert_int_equal(seen(model[0].root + 16 * (requester >> 8) + 8), 0);
	return seen((bus & ~0xfffull) + 16 * (requester & 0xff) + 8 * word);
}

static void check_context(uint16_t requester, uint64_t low, uint64_t high)
{
	assert_int_equal(context_word(requester, 0), low);
	assert_int_equal(context_word(requester, 1), high);
}

static void test_attach(void **state)
{
	struct ptab a = table_of(0x123456000, 4), b = table_of(0x777000, 3);
	unsigned before;

	(void)state;
	start_well(2, 0, 0);
	before = tables;
	assert_int_equal(vtd_ops.attach(0x03fa, &a, 0x155), SAMPO_OK);
	check_context(0x03fa, 0x123456001, 0x15502);
	assert_int_equal(events, 0); /* what is absent is not remembered */
	assert_int_equal(vtd_ops.attach(0x0300, &a, 0x155), SAMPO_OK);
	assert_int_equal(tables, before + 1);
	assert_int_equal(vtd_ops.attach(0x0000, &b, 1), SAMPO_OK);
	check_context(0x0000, 0x777001, 0x101);
	assert_int_equal(tables, before + 2);

	/* Another table: absent, forgotten by both units, and then the new one. */
	assert_int_equal(vtd_ops.attach(0x03fa, &b, 2), SAMPO_OK);
	check_context(0x03fa, 0x777001, 0x201);
	check_context(0x0300, 0x123456001, 0x15502);
	assert_int_equal(events, 4);
	for (unsigned i = 0; i < 2; i++) {
		check_event(i, 0x31 | 0x155ull << 16 | 0x3faull << 32);
		assert_int_equal(event[i].entry_low, 0);
		assert_int_equal(event[i].entry_high, 0x15502);
		check_event(2 + i, 0x22 | DRAIN | 0x155ull << 16);
	}
	assert_int_not_equal(event[0].unit, event[1].unit);
	assert_int_not_equal(event[2].unit, event[3].unit);

	events = 0;
	assert_int_equal(vtd_ops.attach(0x03fa, NULL, 0), SAMPO_OK);
	check_context(0x03fa, 0, 0);
	assert_int_equal(events, 4);
	check_event(0, 0x31 | 0x2ull << 16 | 0x3faull << 32);
	check_event(2, 0x22 | DRAIN | 0x2ull << 16);
	assert_int_equal(vtd_ops.attach(0x03fa, NULL, 0), SAMPO_OK);
	assert_int_equal(events, 4);
}

static void test_flush(void **state)
{
	(void)state;
	start_well(2, 0, 0);
	vtd_ops.flush(0x3ff);
	assert_int_equal(events, 2);
	check_event(0, 0x22 | DRAIN | 0x3ffull << 16);
	check_event(1, 0x22 | DRAIN | 0x3ffull << 16);
	forget_all();
	power_on(0, CAP_QEMU & ~VTD_CAP_DRD, ECAP_QEMU); /* it can drain one of them only */
	assert_null(start(1));
	events = 0;
	for (unsigned i = 0; i < 1000; i++) { /* the queue goes round */
		vtd_ops.flush(7);
		check_event(i, 0x22 | 0x40 | 7ull << 16);
	}
	assert_int_equal(model[0].waits, 1003);
}

/* Then what becomes present has been remembered as absent, with the id 0. */
static void test_caches_absence(void **state)
{
	struct ptab a = table_of(0x123456000, 4);

	(void)state;
	start_well(1, VTD_CAP_CM, 0);
	assert_int_equal(vtd_ops.attach(0x1008, &a, 9), SAMPO_OK);
	assert_int_equal(events, 2);
	check_event(0, 0x31 | 0x1008ull << 32);
	assert_int_equal(event[0].entry_low, 0x123456001);
	check_event(1, 0x22 | DRAIN | 9ull << 16);
}

/* The chipset's buffer is written before each order. */
static void test_write_buffer(void **state)
{
	struct ptab a = table_of(0x123456000, 4);

	(void)state;
	start_well(1, VTD_CAP_RWBF, 0);
	assert_true(iommu.caches_absence);
	assert_int_equal(model[0].flushes, 3);
	assert_int_equal(vtd_ops.attach(0x1008, &a, 9), SAMPO_OK);
	assert_int_equal(model[0].flushes, 5);
	check_on(&model[0]);
}

static void test_no_memory(void **state)
{
	struct ptab a = table_of(0x123456000, 4);

	(void)state;
	start_well(1, 0, 0);
	poor = true;
	tables_left = 0;
	assert_int_equal(vtd_ops.attach(0x0500, &a, 9), SAMPO_ENOMEM);
	assert_int_equal(seen(model[0].root + 16 * 5), 0);
	tables_left = 0;
	assert_int_equal(vtd_ops.attach(0x0500, NULL, 0), SAMPO_OK);
	tables_left = 0;
	vtd_ops.silence(0x0500);
	tables_left = 1;
	assert_int_equal(vtd_ops.attach(0x0500, &a, 9), SAMPO_OK);
	/* Some units know 256 ids; a function does not stay where it was. */
	start_well(1, 0, 0);
	forget_all();
	power_on(0, (CAP_QEMU & ~7ull) | 2, ECAP_QEMU);
	assert_null(start(1));
	assert_int_equal(vtd_ops.attach(0x0500, &a, 255), SAMPO_OK);
	assert_int_equal(vtd_ops.attach(0x0500, &a, 256), SAMPO_ENOMEM);
	check_context(0x0500, 0, 0);
}

static void test_silence(void **state)
{
	struct ptab a = table_of(0x123456000, 4);

	(void)state;
	start_well(1, 0, 0);
	vtd_ops.silence(0x0208);
	check_context(0x0208, 2, 0);
	assert_int_equal(events, 1);
	check_event(0, 0x31 | 0x208ull << 32);
	assert_int_equal(event[0].entry_low, 2);
	assert_int_equal(vtd_ops.attach(0x0208, NULL, 0), SAMPO_OK);
	check_context(0x0208, 0, 0);
	assert_int_equal(vtd_ops.attach(0x0208, &a, 3), SAMPO_OK);
	check_context(0x0208, 0x123456001, 0x302);
	events = 0;
	vtd_ops.silence(0x0208); /* it stays attached */
	check_context(0x0208, 0x123456003, 0x302);
	check_event(0, 0x31 | 3ull << 16 | 0x208ull << 32);
	assert_int_equal(events, 1);
	assert_int_equal(vtd_ops.attach(0x0208, &a, 3), SAMPO_OK);
	check_context(0x0208, 0x123456001, 0x302);
}

static void check_interrupt(uint32_t index, uint64_t low, uint64_t high)
{
	assert_int_equal(seen((model[0].irta & ~0xfffull) + 16 * index), low);
	assert_int_equal(seen((model[0].irta & ~0xfffull) + 16 * index + 8), high);
}

static void test_route(void **state)
{
	struct iommu_interrupt to = {.apic_id = 0x12, .vector = 0x31};

	(void)state;
	start_well(1, 0, 0x10); /* EIM, which an xAPIC has no use for */
	assert_int_equal(model[0].irta & 0xfff, 9);
	assert_int_equal(vtd_ops.route(0x00a8, 0x3ff, &to), SAMPO_OK);
	check_interrupt(0x3ff, 0x0000120000310001, 0x400a8);
	assert_int_equal(events, 1);
	check_event(0, 0x14 | 0x3ffull << 32);

	/* The same function's: present all the time. */
	to = (struct iommu_interrupt){.apic_id = 0xfe, .vector = 0xef, .level = true};
	assert_int_equal(vtd_ops.route(0x00a8, 0x3ff, &to), SAMPO_OK);
	check_interrupt(0x3ff, 0x0000fe0000ef0011, 0x400a8);
	assert_int_equal(events, 2);
	assert_int_equal(event[1].entry_low, 0x0000fe0000ef0011);

	/* Another one's: absent first. */
	assert_int_equal(vtd_ops.route(0xffff, 0x3ff, &to), SAMPO_OK);
	check_interrupt(0x3ff, 0x0000fe0000ef0011, 0x4ffff);
	assert_int_equal(events, 4);
	assert_int_equal(event[2].entry_low, 0);
	assert_int_equal(event[2].entry_high, 0x400a8);
	assert_int_equal(event[3].entry_low, 0x0000fe0000ef0011);

	assert_int_equal(vtd_ops.route(0xffff, 0x3ff, NULL), SAMPO_OK);
	assert_int_equal(events, 5);
	check_event(4, 0x14 | 0x3ffull << 32);
	assert_int_equal(event[4].entry_low, 0);
	check_interrupt(0x3fe, 0, 0);

	to.apic_id = 0x100; /* would reach another CPU */
	assert_int_equal(vtd_ops.route(0xffff, 0, &to), SAMPO_ENODEV);
	check_interrupt(0, 0, 0);
}

static void test_x2apic(void **state)
{
	struct iommu_interrupt to = {.apic_id = 0x12345678, .vector = 0x31};

	(void)state;
	forget_all();
	power_on(0, CAP_QEMU, ECAP_QEMU | 0x10);
	x2apic = true;
	assert_null(start(1));
	assert_int_equal(model[0].irta & 0xfff, 0x809);
	assert_int_equal(vtd_ops.route(0x0010, 5, &to), SAMPO_OK);
	check_interrupt(5, 0x1234567800310001, 0x40010);
	forget_all();
	power_on(0, CAP_QEMU, ECAP_QEMU); /* a unit without EIM */
	x2apic = true;
	assert_null(start(1));
	assert_int_equal(model[0].irta & 0xfff, 9);
	assert_int_equal(vtd_ops.route(0x0010, 5, &to), SAMPO_ENODEV);
}

static void test_formats(void **state)
{
	struct iommu_interrupt to = {.apic_id = 3, .vector = 0x42, .level = true};

	(void)state;
	assert_int_equal(vtd_ops.message(0), 0xfee0001000000000);
	assert_int_equal(vtd_ops.message(1), 0xfee0003000000000);
	assert_int_equal(vtd_ops.message(0x3ff), 0xfee07ff000000000);
	assert_int_equal(vtd_ops.pin(0, &to), 0x0001000000000042);
	assert_int_equal(vtd_ops.pin(0x3ff, &to), 0x07ff000000000042);
}

static void check_fault(uint16_t requester, bool write_access, uint32_t code, uint64_t address)
{
	struct iommu_fault fault;

	assert_true(vtd_ops.fault(&fault));
	assert_null(fault.text);
	assert_int_equal(fault.requester, requester);
	assert_int_equal(fault.code, code);
	assert_int_equal(fault.address, address);
	if (code >= 0x20 && code <= 0x26) {
		assert_true(fault.interrupt);
	} else {
		assert_false(fault.interrupt);
		assert_int_equal(fault.write, write_access);
	}
}

static void test_faults(void **state)
{
	struct iommu_fault fault;

	(void)state;
	start_well(1, 3ull << 40, 0); /* four records */
	assert_false(vtd_ops.fault(&fault));
	record(0, 0x00f8, true, 5, 0x123456789000);
	check_fault(0x00f8, true, 5, 0x123456789000);
	assert_false(vtd_ops.fault(&fault));
	/* In their order, round the ring, and one that is too many. */
	record(0, 0x0010, false, 6, 0x1000);
	record(0, 0x0011, true, 2, 0x2000);
	record(0, 0x0012, true, 0x26, 0x03ff000000000000);
	assert_true(record(0, 0x0013, false, 1, 0x4000));
	assert_false(record(0, 0x0014, false, 1, 0x5000));
	assert_true(get32(&model[0], VTD_FSTS) & VTD_FSTS_PFO);
	check_fault(0x0010, false, 6, 0x1000);
	assert_true(record(0, 0x0015, false, 1, 0x6000));
	check_fault(0x0011, true, 2, 0x2000);
	check_fault(0x0012, true, 0x26, 0x3ff);
	check_fault(0x0013, false, 1, 0x4000);
	check_fault(0x0015, false, 1, 0x6000);
	assert_false(vtd_ops.fault(&fault));
	assert_int_equal(get32(&model[0], VTD_FSTS) & 0xff, 0);
}

static void test_errors(void **state)
{
	struct iommu_fault fault;

	(void)state;
	start_well(2, 0, 0);
	set32(&model[1], VTD_FSTS, VTD_FSTS_ICE);
	record(0, 0x0010, false, 6, 0x1000);
	record(1, 0x0011, false, 6, 0x1000);
	for (unsigned i = 0, texts = 0; i < 3; i++) {
		assert_true(vtd_ops.fault(&fault));
		texts += fault.text != NULL;
		if (fault.text)
			assert_int_equal(fault.code, VTD_FSTS_ICE);
		assert_true(i < 2 || texts == 1);
	}
	assert_false(vtd_ops.fault(&fault));
}

/* Of any number of records, in the second page of registers as well, in any state. */
static void test_random_faults(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		uint64_t cap = CAP_QEMU & ~(0x3ffull << 24);
		unsigned faults = 0, there = 0;
		struct iommu_fault fault;

		forget_all();
		cap |= (0x20 + random_below(0x200)) << 24 | random_below(256) << 40;
		power_on(0, cap, ECAP_QEMU);
		assert_null(start(1));
		for (unsigned i = 0; i < records(&model[0]); i++) {
			uint64_t high = random64();

			there += high >> 63;
			set64(&model[0], record_at(&model[0], i), random64());
			set64(&model[0], record_at(&model[0], i) + 8, high);
		}
		update_pending(&model[0], (unsigned)random_below(256));
		set32(&model[0], VTD_FSTS, get32(&model[0], VTD_FSTS) | VTD_FSTS_PFO);
		while (vtd_ops.fault(&fault)) {
			faults++;
			assert_null(fault.text);
			assert_true(fault.code <= 0xff);
			assert_true(faults <= there);
		}
		assert_int_equal(faults, there);
	}
}

/* An error drops the order's answer, or stops the queue: the order is given again. */
static void test_trouble(void **state)
{
	static const uint32_t trouble[] = {VTD_FSTS_ITE, VTD_FSTS_ICE, VTD_FSTS_IQE};
	uint32_t ticket;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(trouble); i++) {
		start_well(2, 0, 0);
		model[1].trouble = trouble[i];
		ticket = vtd_unit[1].ticket;
		vtd_ops.flush(5);
		assert_int_equal(get32(&model[1], VTD_FSTS), 0);
		assert_int_equal(vtd_unit[1].status, ticket + 2);
		assert_true(events == 3);
	}
}

static void panics_at_flush(void)
{
	jmp_buf jump;

	panic_expected = &jump;
	if (setjmp(jump) == 0) {
		vtd_ops.flush(5);
		fail_msg("no panic");
	}
	panic_expected = NULL;
}

static void test_no_answer(void **state)
{
	(void)state;
	start_well(2, 0, 0);
	model[1].deaf = true;
	/* An answer of before is none now. */
	vtd_unit[1].status = vtd_unit[1].ticket;
	panics_at_flush();
	start_well(1, 0, 0);
	model[0].deaf = true;
	set32(&model[0], VTD_FSTS, VTD_FSTS_IQE);
	panics_at_flush();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),          cmocka_unit_test(test_agree),
		cmocka_unit_test(test_left_on),        cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_attach),         cmocka_unit_test(test_flush),
		cmocka_unit_test(test_caches_absence), cmocka_unit_test(test_write_buffer),
		cmocka_unit_test(test_no_memory),      cmocka_unit_test(test_silence),
		cmocka_unit_test(test_route),          cmocka_unit_test(test_x2apic),
		cmocka_unit_test(test_formats),        cmocka_unit_test(test_faults),
		cmocka_unit_test(test_errors),         cmocka_unit_test(test_random_faults),
		cmocka_unit_test(test_trouble),        cmocka_unit_test(test_no_answer),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	forget_all();
	return failed;
}
