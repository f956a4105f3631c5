/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels that no firmware has started look for a PC's data nevertheless: multiboot systems place
 * their trampolines below the address in the word at 0x40e, old kernels find their CPUs in the MP
 * table, inventories read SMBIOS, and a jump to ffff:0 is a way to reset a PC.
 */
#include "guests/dom0/machine/bios.h"

#include <string.h>

#include "guests/dom0/base/loop.h"
#include "guests/dom0/config/config.h"
#include "guests/dom0/machine/acpi.h"
#include "guests/dom0/machine/checksum.h"
#include "guests/dom0/machine/ioapic.h"
#include "guests/dom0/machine/pci.h"
#include "guests/dom0/machine/smbios.h"
#include "guests/dom0/vm/vm.h"

/* --- The BIOS data area (at 40:0) and its extension --- */

#define BDA           0x400u
#define BDA_BYTES     0x100u
#define BDA_COM1      0x00u
#define BDA_EBDA      0x0eu
#define BDA_EQUIPMENT 0x10u
#define BDA_KIB       0x13u
#define BDA_TICKS     0x6cu

#define EBDA_KIB        1u
#define EQUIPMENT_FPU   0x0002u
#define EQUIPMENT_COM_2 0x0400u /* two serial ports */
#define DAY_SECONDS     86400u
#define DAY_TICKS       1573040ull /* of the PIT's channel 0 at 18.2 Hz */

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

static void build_data(struct vm *vm)
{
	uint8_t *bda = vm_mem(vm, BDA, BDA_BYTES), *ebda = vm_mem(vm, BIOS_EBDA, EBDA_KIB << 10);
	uint32_t ticks =
		(uint32_t)(clock_wall_ns() / 1000000000 % DAY_SECONDS * DAY_TICKS / DAY_SECONDS);

	if (!bda || !ebda)
		return;
	memset(bda, 0, BDA_BYTES);
	memset(ebda, 0, EBDA_KIB << 10);
	put16(bda + BDA_COM1, 0x3f8);
	put16(bda + BDA_COM1 + 2, 0x2f8);
	put16(bda + BDA_EBDA, BIOS_EBDA >> 4);
	put16(bda + BDA_EQUIPMENT, EQUIPMENT_FPU | EQUIPMENT_COM_2);
	put16(bda + BDA_KIB, BIOS_EBDA >> 10);
	memcpy(bda + BDA_TICKS, &ticks, sizeof(ticks));
	ebda[0] = EBDA_KIB;
}

/* --- Code for real mode --- */

/* Resets by the reset control register, then by the keyboard controller. */
static const uint8_t reset_code[] = {
	0xfa,                   /* cli */
	0xba, 0xf9, 0x0c,       /* mov $0xcf9, %dx */
	0xb0, 0x02, 0xee,       /* mov $2, %al; out %al, %dx */
	0xb0, 0x06, 0xee,       /* mov $6, %al; out %al, %dx */
	0xb0, 0xfe, 0xe6, 0x64, /* mov $0xfe, %al; out %al, $0x64 */
	0xf4, 0xeb, 0xfd,       /* hlt; jmp to the hlt */
};

/* Each BIOS call fails: the carry flag of the caller is set. */
static const uint8_t iret_code[] = {
	0x55, 0x89, 0xe5,       /* push %bp; mov %sp, %bp */
	0x80, 0x4e, 0x06, 0x01, /* orb $1, 6(%bp) */
	0x5d, 0xcf,             /* pop %bp; iret */
};

/* A far jump to the code, the date, and the model byte of an AT. */
static const uint8_t vector_code[16] = {
	0xea,
	BIOS_CODE & 0xff,
	BIOS_CODE >> 8 & 0xff,
	BIOS_SEGMENT >> 4 & 0xff,
	BIOS_SEGMENT >> 12,
	'0',
	'1',
	'/',
	'0',
	'1',
	'/',
	'2',
	'6',
	0,
	0xfc,
	0,
};

#define VECTORS 256u

static void put_code(struct vm *vm, uint64_t address, const uint8_t *code, size_t bytes)
{
	void *to = vm_mem(vm, address, bytes);

	if (to)
		memcpy(to, code, bytes);
}

static void build_code(struct vm *vm)
{
	uint8_t *vectors = vm_mem(vm, 0, VECTORS * 4);

	put_code(vm, BIOS_CODE, reset_code, sizeof(reset_code));
	put_code(vm, BIOS_IRET, iret_code, sizeof(iret_code));
	put_code(vm, BIOS_VECTOR, vector_code, sizeof(vector_code));
	for (unsigned i = 0; vectors && i < VECTORS; i++) {
		put16(vectors + 4 * i, BIOS_IRET & 0xffff);
		put16(vectors + 4 * i + 2, BIOS_SEGMENT >> 4);
	}
}

/* --- The MP table (MultiProcessor Specification 1.4, chapter 4) --- */

struct mp_pointer {
	char signature[4];
	uint32_t table;
	uint8_t length, revision, checksum, features[5];
} __attribute__((packed));

struct mp_table {
	char signature[4];
	uint16_t length;
	uint8_t revision, checksum;
	char oem[8], product[12];
	uint32_t oem_table;
	uint16_t oem_size, entries;
	uint32_t lapic;
	uint16_t extended_length;
	uint8_t extended_checksum, reserved;
} __attribute__((packed));

struct mp_processor {
	uint8_t type, apic_id, version, flags;
	uint32_t signature, features, reserved[2];
} __attribute__((packed));

struct mp_bus {
	uint8_t type, id;
	char name[6];
} __attribute__((packed));

struct mp_ioapic {
	uint8_t type, id, version, flags;
	uint32_t address;
} __attribute__((packed));

struct mp_interrupt {
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, source, apic, pin;
} __attribute__((packed));

enum mp_type { MP_PROCESSOR, MP_BUS, MP_IOAPIC, MP_INTERRUPT, MP_LOCAL };
enum mp_kind { MP_INT, MP_NMI, MP_SMI, MP_EXTINT };

#define MP_REVISION    4u
#define MP_ENABLED     1u
#define MP_BOOT        2u
#define MP_LAPIC       0xfee00000u
#define MP_BUS_PCI     0u
#define MP_BUS_ISA     1u
#define MP_LEVEL_HIGH  0x0du
#define MP_ALL_LAPICS  0xffu
#define MP_APIC_IDS    0xffu /* those that xAPIC has */
#define LAPIC_VERSION  0x14u
#define IOAPIC_VERSION 0x11u
#define ISA_IRQS       16u
#define PIN_TIMER      2u

struct mp {
	struct mp_table *table;
	uint8_t *at;
};

static void *mp_add(struct mp *mp, size_t bytes)
{
	void *entry = mp->at;

	mp->at += bytes;
	mp->table->entries++;
	return entry;
}

static void mp_interrupt(struct mp *mp, struct mp_interrupt interrupt)
{
	*(struct mp_interrupt *)mp_add(mp, sizeof(interrupt)) = interrupt;
}

static void mp_processors(struct mp *mp, struct vm *vm)
{
	const struct sampo_vcpu_page *page = vm_vcpu_page(vm, 0);
	uint32_t signature = 0, features = 0;

	for (uint64_t i = 0; page && i < page->cpuids; i++) {
		if (page->cpuid[i].key != 1ull << 32)
			continue;
		signature = page->cpuid[i].eax;
		features = page->cpuid[i].edx;
	}
	for (unsigned i = 0; i < vm->config->vcpus; i++) {
		uint32_t id = config_apic_id(vm->config, i);

		if (id >= MP_APIC_IDS)
			continue;
		*(struct mp_processor *)mp_add(mp, sizeof(struct mp_processor)) =
			(struct mp_processor){
				.type = MP_PROCESSOR,
				.apic_id = (uint8_t)id,
				.version = LAPIC_VERSION,
				.flags = MP_ENABLED | (i == 0 ? MP_BOOT : 0),
				.signature = signature,
				.features = features,
			};
	}
}

/* ISA's interrupt 0 is at pin 2, ACPI's is level-triggered, a slot's INTA# is at 16 + slot % 4. */
static void mp_interrupts(struct mp *mp)
{
	for (uint8_t irq = 0; irq < ISA_IRQS; irq++) {
		uint8_t pin = irq == 0 ? PIN_TIMER : irq;

		if (irq == 2)
			continue; /* the cascade */
		mp_interrupt(mp, (struct mp_interrupt){MP_INTERRUPT, MP_INT,
						       irq == ACPI_SCI ? MP_LEVEL_HIGH : 0,
						       MP_BUS_ISA, irq, 0, pin});
	}
	for (uint8_t slot = 1; slot < PCI_SLOTS; slot++)
		mp_interrupt(mp, (struct mp_interrupt){MP_INTERRUPT, MP_INT, 0, MP_BUS_PCI,
						       (uint8_t)(slot << 2), 0,
						       (uint8_t)(16 + slot % 4)});
	mp_interrupt(mp, (struct mp_interrupt){MP_LOCAL, MP_EXTINT, 0, MP_BUS_ISA, 0, 0, 0});
	mp_interrupt(mp,
		     (struct mp_interrupt){MP_LOCAL, MP_NMI, 0, MP_BUS_ISA, 0, MP_ALL_LAPICS, 1});
}

static void build_mp(struct vm *vm)
{
	struct mp_pointer *pointer = vm_mem(vm, BIOS_MP, BIOS_SMBIOS - BIOS_MP);
	struct mp mp;

	if (!pointer)
		return;
	memset(pointer, 0, BIOS_SMBIOS - BIOS_MP);
	mp.table = (struct mp_table *)(pointer + 1);
	mp.at = (uint8_t *)(mp.table + 1);
	*mp.table = (struct mp_table){
		.signature = {'P', 'C', 'M', 'P'},
		.revision = MP_REVISION,
		.oem = {'S', 'A', 'M', 'P', 'O', ' ', ' ', ' '},
		.product = {'G', 'U', 'E', 'S', 'T', ' ', ' ', ' ', ' ', ' ', ' ', ' '},
		.lapic = MP_LAPIC,
	};
	mp_processors(&mp, vm);
	*(struct mp_bus *)mp_add(&mp, sizeof(struct mp_bus)) =
		(struct mp_bus){MP_BUS, MP_BUS_PCI, {'P', 'C', 'I', ' ', ' ', ' '}};
	*(struct mp_bus *)mp_add(&mp, sizeof(struct mp_bus)) =
		(struct mp_bus){MP_BUS, MP_BUS_ISA, {'I', 'S', 'A', ' ', ' ', ' '}};
	*(struct mp_ioapic *)mp_add(&mp, sizeof(struct mp_ioapic)) =
		(struct mp_ioapic){MP_IOAPIC, 0, IOAPIC_VERSION, MP_ENABLED, IOAPIC_BASE};
	mp_interrupts(&mp);
	mp.table->length = (uint16_t)(mp.at - (uint8_t *)mp.table);
	mp.table->checksum = checksum(mp.table, mp.table->length);
	*pointer = (struct mp_pointer){
		.signature = {'_', 'M', 'P', '_'},
		.table = BIOS_MP + sizeof(*pointer),
		.length = 1,
		.revision = MP_REVISION,
	};
	pointer->checksum = checksum(pointer, sizeof(*pointer));
}

#define SMBIOS_PLACE (BIOS_SMBIOS + 0x20u) /* of the structures, behind the entry point */

static void build_smbios(struct vm *vm)
{
	uint8_t *entry = vm_mem(vm, BIOS_SMBIOS, SMBIOS_PLACE - BIOS_SMBIOS + SMBIOS_TABLE);

	if (entry)
		smbios_build(vm->config, entry, entry + (SMBIOS_PLACE - BIOS_SMBIOS), SMBIOS_PLACE);
}

void bios_build(struct vm *vm)
{
	build_data(vm);
	build_code(vm);
	build_mp(vm);
	build_smbios(vm);
}
