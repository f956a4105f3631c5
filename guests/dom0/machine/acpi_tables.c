/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACPI tables of a guest (ACPI 5.1, section 5.2), laid out one after the other. A guest without
 * firmware finds them from ACPI_TABLES on. Firmware places them itself: it gets them as they would
 * be at address 0, with a list of the pointers to which it adds the address.
 */
#include <stddef.h>
#include <string.h>

#include "dsdt_aml.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/bios.h"
#include "guests/dom0/machine/checksum.h"
#include "guests/dom0/machine/ioapic.h"
#include "guests/dom0/machine/pci.h"
#include "guests/dom0/vm/state.h"
#include "guests/dom0/vm/vm.h"
#include "input_aml.h"

#define TABLES_MAX 7u /* named by RSDT and XSDT */

#define LAPIC_BASE 0xfee00000u

struct rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t checksum_all;
	uint8_t reserved[3];
} __attribute__((packed));

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[6];
	char oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct address {
	uint8_t space, bits, offset, access;
	uint64_t address;
} __attribute__((packed));

#define SPACE_IO     1u
#define ACCESS_BYTE  1u
#define ACCESS_WORD  2u
#define ACCESS_DWORD 3u

struct fadt {
	struct header header;
	uint32_t facs, dsdt;
	uint8_t reserved0, profile;
	uint16_t sci;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	uint32_t pm2_control, pm_timer, gpe0, gpe1;
	uint8_t pm1_event_length, pm1_control_length, pm2_control_length;
	uint8_t pm_timer_length, gpe0_length, gpe1_length, gpe1_base, cstate;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved1;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_flags;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
	struct address x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
	struct address sleep_control, sleep_status;
} __attribute__((packed));
_Static_assert(sizeof(struct fadt) == 268, "FADT of ACPI 5.1");

#define BOOT_LEGACY_DEVICES 0x01u
#define BOOT_8042           0x02u
#define BOOT_NO_VGA         0x04u

#define FADT_WBINVD          (1u << 0)
#define FADT_C1              (1u << 2)
#define FADT_NO_SLEEP_BUTTON (1u << 5)
#define FADT_NO_RTC_WAKE     (1u << 6)
#define FADT_TIMER_32        (1u << 8)
#define FADT_RESET           (1u << 10)

struct facs {
	char signature[4];
	uint32_t length, hardware_signature, waking_vector, lock, flags;
	uint64_t x_waking_vector;
	uint8_t version, reserved[31];
} __attribute__((packed));

/* With one range: segment 0, bus 0 to bus 0. */
struct mcfg {
	struct header header;
	uint8_t reserved0[8];
	uint64_t base;
	uint16_t segment;
	uint8_t first_bus, last_bus, reserved1[4];
} __attribute__((packed));

struct madt {
	struct header header;
	uint32_t lapic, flags;
} __attribute__((packed));

struct madt_lapic {
	uint8_t type, length, uid, apic;
	uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} __attribute__((packed));

struct madt_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;
} __attribute__((packed));

struct madt_nmi {
	uint8_t type, length, uid;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));

#define MADT_PCAT         1u
#define MADT_LAPIC        0u
#define MADT_IOAPIC       1u
#define MADT_OVERRIDE     2u
#define MADT_NMI          4u
#define ACTIVE_HIGH_LEVEL 0x0du

struct waet {
	struct header header;
	uint32_t flags;
} __attribute__((packed));

#define WAET_RTC_GOOD      1u
#define WAET_PM_TIMER_GOOD 2u

/* The area, where it is in the guest, and how much of it is used; what firmware has to know. */
struct builder {
	uint8_t *base;
	uint32_t used;
	uint32_t address;
	struct acpi_blob *blob; /* NULL: the guest has no firmware */
};

static void *take(struct builder *b, uint32_t bytes, uint32_t align)
{
	void *at;

	b->used = (b->used + align - 1) & ~(align - 1);
	at = b->base + b->used;
	b->used += bytes;
	return at;
}

static uint32_t address_of(const struct builder *b, const void *table)
{
	return b->address + (uint32_t)((const uint8_t *)table - b->base);
}

/* Notes a pointer to another table. */
static void points(struct builder *b, const void *pointer, uint8_t size)
{
	struct acpi_blob *blob = b->blob;

	if (blob)
		blob->pointer[blob->pointers++] =
			(struct acpi_pointer){(uint32_t)((const uint8_t *)pointer - b->base), size};
}

static struct header header(const char *signature, uint8_t revision)
{
	struct header h = {
		.revision = revision,
		.oem = {'S', 'A', 'M', 'P', 'O', ' '},
		.oem_table = {'S', 'A', 'M', 'P', 'O', ' ', ' ', ' '},
		.oem_revision = 1,
		.creator = {'S', 'M', 'P', 'O'},
		.creator_revision = 1,
	};

	memcpy(h.signature, signature, sizeof(h.signature));
	return h;
}

/* The table ends where the builder is. */
static void finish(struct builder *b, struct header *h)
{
	h->length = (uint32_t)(b->base + b->used - (uint8_t *)h);
	h->checksum = 0;
	h->checksum = checksum(h, h->length);
	if (b->blob)
		b->blob->table[b->blob->tables++] =
			(struct acpi_table){(uint32_t)((uint8_t *)h - b->base), h->length};
}

static struct address io(uint32_t port, uint8_t bits, uint8_t access)
{
	return (struct address){SPACE_IO, bits, 0, access, port};
}

/* A QWord address space descriptor (ACPI 6.4.3.5.1): its first bytes, and what it is about. */
#define QWORD_MINIMUM 14u
#define QWORD_MAXIMUM 22u
#define QWORD_LENGTH  38u
#define QWORD_END     46u

/* The window of PCI memory above 4 GiB, the only one of its kind, becomes empty. */
static void empty_high_window(uint8_t *dsdt)
{
	static const uint8_t head[] = {0x8a, 0x2b, 0x00, 0x00};

	for (size_t at = 0; at + QWORD_END <= sizeof(dsdt_aml); at++) {
		if (memcmp(dsdt + at, head, sizeof(head)) != 0)
			continue;
		memset(dsdt + at + QWORD_MINIMUM, 0, 8);
		memset(dsdt + at + QWORD_MAXIMUM, 0, 8);
		memset(dsdt + at + QWORD_LENGTH, 0, 8);
		return;
	}
}

static uint32_t build_dsdt(struct builder *b, const struct vm *vm)
{
	uint8_t *dsdt = take(b, sizeof(dsdt_aml), 16);

	memcpy(dsdt, dsdt_aml, sizeof(dsdt_aml));
	if (!pci_has_high_window(vm))
		empty_high_window(dsdt);
	finish(b, (struct header *)dsdt);
	return address_of(b, dsdt);
}

static uint32_t build_facs(struct builder *b)
{
	struct facs *facs = take(b, sizeof(*facs), 64);

	*facs = (struct facs){
		.signature = {'F', 'A', 'C', 'S'},
		.length = sizeof(*facs),
		.version = 2,
	};
	return address_of(b, facs);
}

static uint32_t build_fadt(struct builder *b, const struct vm *vm, uint32_t facs, uint32_t dsdt)
{
	struct fadt *fadt = take(b, sizeof(*fadt), 16);

	*fadt = (struct fadt){
		.header = header("FACP", 5),
		.minor = 1,
		.facs = facs,
		.dsdt = dsdt,
		.x_dsdt = dsdt,
		.sci = ACPI_SCI,
		.pm1a_event = ACPI_PM1_EVT,
		.pm1a_control = ACPI_PM1_CNT,
		.pm_timer = ACPI_PM_TMR,
		.gpe0 = ACPI_GPE0,
		.pm1_event_length = 4,
		.pm1_control_length = 2,
		.pm_timer_length = 4,
		.gpe0_length = ACPI_GPE0_LEN,
		.c2_latency = 0xffff, /* neither C2 nor C3 */
		.c3_latency = 0xffff,
		.century = 0x32,
		/* A keyboard controller goes with a screen. */
		.boot_flags = BOOT_LEGACY_DEVICES | (vm->config->video ? BOOT_8042 : BOOT_NO_VGA),
		.flags = FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_RTC_WAKE |
			 FADT_TIMER_32 | FADT_RESET,
		.reset = io(0xcf9, 8, ACCESS_BYTE),
		.reset_value = 0x06,
		.x_pm1a_event = io(ACPI_PM1_EVT, 32, ACCESS_WORD),
		.x_pm1a_control = io(ACPI_PM1_CNT, 16, ACCESS_WORD),
		.x_pm_timer = io(ACPI_PM_TMR, 32, ACCESS_DWORD),
		.x_gpe0 = io(ACPI_GPE0, 8 * ACPI_GPE0_LEN, ACCESS_BYTE),
	};
	points(b, &fadt->facs, sizeof(fadt->facs));
	points(b, &fadt->dsdt, sizeof(fadt->dsdt));
	points(b, &fadt->x_dsdt, sizeof(fadt->x_dsdt));
	finish(b, &fadt->header);
	return address_of(b, fadt);
}

static uint32_t build_madt(struct builder *b, const struct vm_config *config)
{
	struct madt *madt = take(b, sizeof(*madt), 16);

	*madt = (struct madt){
		.header = header("APIC", 3),
		.lapic = LAPIC_BASE,
		.flags = MADT_PCAT,
	};
	for (unsigned i = 0; i < config->vcpus; i++) {
		struct madt_lapic *lapic = take(b, sizeof(*lapic), 1);

		*lapic = (struct madt_lapic){
			MADT_LAPIC, sizeof(*lapic), (uint8_t)i, (uint8_t)config_apic_id(config, i),
			1,
		};
	}
	*(struct madt_ioapic *)take(b, sizeof(struct madt_ioapic), 1) = (struct madt_ioapic){
		MADT_IOAPIC, sizeof(struct madt_ioapic), 0, 0, IOAPIC_BASE, 0,
	};
	*(struct madt_override *)take(b, sizeof(struct madt_override), 1) = (struct madt_override){
		MADT_OVERRIDE, sizeof(struct madt_override), 0, 0, 2, 0,
	};
	*(struct madt_override *)take(b, sizeof(struct madt_override), 1) = (struct madt_override){
		MADT_OVERRIDE,     sizeof(struct madt_override), 0, ACPI_SCI, ACPI_SCI,
		ACTIVE_HIGH_LEVEL,
	};
	*(struct madt_nmi *)take(b, sizeof(struct madt_nmi), 1) = (struct madt_nmi){
		MADT_NMI, sizeof(struct madt_nmi), 0xff, 0, 1,
	};
	finish(b, &madt->header);
	return address_of(b, madt);
}

/* In AML: Device (CPxx) { Name (_HID, "ACPI0007") Name (_UID, n) } */
struct aml_processor {
	uint8_t device[2], length;
	char name[4];
	uint8_t name_hid;
	char hid[4];
	uint8_t string;
	char acpi0007[9];
	uint8_t name_uid;
	char uid[4];
	uint8_t byte, number;
} __attribute__((packed));

/* Scope (\_SB_) with a length of two bytes (ACPI 20.2.4) */
struct aml_scope {
	uint8_t scope, length[2];
	char name[5];
} __attribute__((packed));

/* The processors that the MADT lists, as devices. */
static uint32_t build_ssdt(struct builder *b, unsigned vcpus)
{
	static const char hex[] = "0123456789ABCDEF";
	struct header *h = take(b, sizeof(*h), 16);
	struct aml_scope *scope = take(b, sizeof(*scope), 1);
	uint32_t length = (uint32_t)(sizeof(*scope) - 1 + vcpus * sizeof(struct aml_processor));

	*h = header("SSDT", 2);
	*scope = (struct aml_scope){0x10, {0x40 | (length & 15), (uint8_t)(length >> 4)}, "\\_SB_"};
	for (unsigned i = 0; i < vcpus; i++)
		*(struct aml_processor *)take(b, sizeof(struct aml_processor), 1) =
			(struct aml_processor){
				.device = {0x5b, 0x82},
				.length = sizeof(struct aml_processor) - 2,
				.name = {'C', 'P', hex[i / 16], hex[i % 16]},
				.name_hid = 0x08,
				.hid = {'_', 'H', 'I', 'D'},
				.string = 0x0d,
				.acpi0007 = "ACPI0007",
				.name_uid = 0x08,
				.uid = {'_', 'U', 'I', 'D'},
				.byte = 0x0a,
				.number = (uint8_t)i,
			};
	finish(b, h);
	return address_of(b, h);
}

/* The keyboard and the mouse, of a guest with a screen. */
static uint32_t build_input(struct builder *b)
{
	void *table = take(b, sizeof(input_aml), 16);

	memcpy(table, input_aml, sizeof(input_aml));
	return address_of(b, table);
}

/* Where configuration space is in memory (PCI Firmware Specification 3.0, section 4.1.2). */
static uint32_t build_mcfg(struct builder *b)
{
	struct mcfg *mcfg = take(b, sizeof(*mcfg), 16);

	*mcfg = (struct mcfg){.header = header("MCFG", 1), .base = PCI_ECAM_BASE};
	finish(b, &mcfg->header);
	return address_of(b, mcfg);
}

/* Tells guests that neither clock needs the work-arounds of real hardware. */
static uint32_t build_waet(struct builder *b)
{
	struct waet *waet = take(b, sizeof(*waet), 16);

	waet->header = header("WAET", 1);
	waet->flags = WAET_RTC_GOOD | WAET_PM_TIMER_GOOD;
	finish(b, &waet->header);
	return address_of(b, waet);
}

/* RSDT (entries of 4 bytes) or XSDT (8). */
static uint32_t build_root(struct builder *b, const char *signature, const uint32_t *table,
			   unsigned count, uint32_t entry)
{
	struct header *h = take(b, sizeof(*h), 16);

	*h = header(signature, 1);
	for (unsigned i = 0; i < count; i++) {
		uint64_t address = table[i];
		void *at = take(b, entry, 1);

		memcpy(at, &address, entry);
		points(b, at, (uint8_t)entry);
	}
	finish(b, h);
	return address_of(b, h);
}

/* All tables but the RSDP, which is filled in. */
static void build_all(struct builder *b, const struct vm *vm, struct rsdp *rsdp)
{
	uint32_t table[TABLES_MAX], facs = build_facs(b), dsdt = build_dsdt(b, vm);
	unsigned count = 0;

	table[count++] = build_fadt(b, vm, facs, dsdt);
	table[count++] = build_madt(b, vm->config);
	table[count++] = build_ssdt(b, vm->config->vcpus);
	if (vm->config->video)
		table[count++] = build_input(b);
	table[count++] = build_mcfg(b);
	table[count++] = build_waet(b);
	*rsdp = (struct rsdp){
		.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
		.oem = {'S', 'A', 'M', 'P', 'O', ' '},
		.revision = 2,
		.length = sizeof(*rsdp),
		.rsdt = build_root(b, "RSDT", table, count, 4),
		.xsdt = build_root(b, "XSDT", table, count, 8),
	};
	rsdp->checksum = checksum(rsdp, ACPI_RSDP_OLD);
	rsdp->checksum_all = checksum(rsdp, sizeof(*rsdp));
}

uint64_t acpi_build(struct vm *vm)
{
	struct builder b = {.base = vm_mem(vm, ACPI_TABLES, ACPI_BYTES), .address = ACPI_TABLES};

	if (!b.base)
		return 0;
	memset(b.base, 0, ACPI_BYTES);
	build_all(&b, vm, take(&b, sizeof(struct rsdp), 16));
	return ACPI_TABLES;
}

_Static_assert(offsetof(struct rsdp, rsdt) == ACPI_RSDP_RSDT, "acpi.h");
_Static_assert(offsetof(struct rsdp, xsdt) == ACPI_RSDP_XSDT, "acpi.h");
_Static_assert(offsetof(struct rsdp, checksum) == ACPI_RSDP_SUM, "acpi.h");
_Static_assert(offsetof(struct rsdp, checksum_all) == ACPI_RSDP_SUM_ALL, "acpi.h");
_Static_assert(sizeof(struct rsdp) == ACPI_RSDP_BYTES, "acpi.h");

void acpi_build_blob(const struct vm *vm, uint8_t *room, struct acpi_blob *blob)
{
	struct builder b = {.base = room, .blob = blob};

	blob->pointers = blob->tables = 0;
	build_all(&b, vm, (struct rsdp *)blob->rsdp);
	blob->bytes = b.used;
}
