/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VT-d: the commands of a unit, and its queue. Through the queue the kernel orders a unit to forget
 * entries of tables. Every order goes to every unit, and the kernel waits until all have executed
 * it, so a queue is empty between two orders.
 */
#include "arch/cpu.h"
#include "arch/iommu/vtd.h"
#include "kernel/base/log.h"
#include "kernel/base/panic.h"

/* The queue, VT-d 6.5.2: one page of descriptors of 16 bytes. */
#define DESCRIPTOR_BYTES 16u
#define QUEUE_LENGTH     (4096u / DESCRIPTOR_BYTES)
#define DESCRIPTOR_TYPE  0xfu
#define IOTLB_TYPE       0x2u
#define IOTLB_DW         (1u << 6) /* only when earlier writes have reached memory */
#define IOTLB_DR         (1u << 7)
#define WAIT             0x25u /* writes a status to memory */
#define ATTEMPTS         3u

struct vtd_unit vtd_unit[IOMMU_UNITS];
unsigned vtd_units;

static const volatile uint32_t *word(const struct vtd_unit *u, enum vtd_register offset)
{
	return (const volatile uint32_t *)(u->registers + offset);
}

static uint32_t read(const struct vtd_unit *u, enum vtd_register offset)
{
	return mmio_read32(u->registers + offset);
}

static void write(const struct vtd_unit *u, enum vtd_register offset, uint32_t value)
{
	mmio_write32(u->registers + offset, value);
}

/* A unit that does not execute an order may go on to let a function use memory that the kernel has
 * given to another domain. The kernel stops the machine. */
__attribute__((noreturn)) static void no_answer(const struct vtd_unit *u)
{
	panic("the VT-d unit at %lx does not answer: FSTS %x, IQH %x, IQT %x, GSTS %x",
	      (uintptr_t)u->registers, read(u, VTD_FSTS), read(u, VTD_IQH), read(u, VTD_IQT),
	      read(u, VTD_GSTS));
}

/*
 * Each write of GCMD sets every lasting command anew, and may change one of them. The kernel reads
 * the lasting ones from the status, changes one bit, and waits until the status shows the change
 * (VT-d 11.4.4.1).
 */
static void command(const struct vtd_unit *u, uint32_t clear, uint32_t set, uint32_t then)
{
	write(u, VTD_GCMD, (read(u, VTD_GSTS) & VTD_GSTS_LASTING & ~clear) | set);
	if (!iommu_wait(word(u, VTD_GSTS), clear | set, then))
		no_answer(u);
}

void vtd_turn_on(const struct vtd_unit *u, uint32_t bit)
{
	command(u, 0, bit, bit);
}

/*
 * Firmware may have left the unit on. The queue goes off last, when the unit has executed all of
 * firmware's orders; going off sets its head to 0. The unit sends no interrupts of its own, since
 * the kernel polls its faults.
 */
void vtd_take_over(struct vtd_unit *u)
{
	static const uint32_t left_on[] = {VTD_GCMD_TE, VTD_GCMD_IRE, VTD_GCMD_CFI, VTD_GCMD_EAFL,
					   VTD_GCMD_QIE};

	write(u, VTD_FECTL, VTD_EVENT_MASKED);
	write(u, VTD_IECTL, VTD_EVENT_MASKED);
	write(u, VTD_FSTS, VTD_FSTS_ERRORS);
	for (unsigned i = 0; i < COUNT_OF(left_on); i++) {
		if (!(read(u, VTD_GSTS) & left_on[i]))
			continue;
		if (left_on[i] == VTD_GCMD_QIE)
			iommu_wait(word(u, VTD_IQH), UINT32_MAX, read(u, VTD_IQT));
		command(u, left_on[i], 0, 0);
	}
	u->tail = 0;
	mmio_write64(u->registers + VTD_IQT, 0);
	mmio_write64(u->registers + VTD_IQA, (uintptr_t)u->queue);
	vtd_turn_on(u, VTD_GCMD_QIE);
}

void vtd_unprotect(const struct vtd_unit *u)
{
	if (!(u->cap & VTD_CAP_PMR) || !(read(u, VTD_PMEN) & VTD_PMEN_PRS))
		return;
	write(u, VTD_PMEN, 0);
	if (!iommu_wait(word(u, VTD_PMEN), VTD_PMEN_PRS, 0))
		no_answer(u);
}

static void put(struct vtd_unit *u, uint64_t low, uint64_t high)
{
	u->queue[2 * u->tail] = low;
	u->queue[2 * u->tail + 1] = high;
	u->tail = (u->tail + 1) % QUEUE_LENGTH;
}

/*
 * A wait descriptor follows the order: the unit writes the ticket to memory when it has executed
 * all descriptors before. Each order has a ticket of its own, so the kernel does not mistake a late
 * write of an old ticket for the answer (VT-d 6.5.2.8).
 *
 * DMA in flight may still use the translations that the unit forgets. The unit drains such DMA
 * before it answers, if it can. A chipset with a buffer of writes empties it before the order, so
 * that the unit reads the changed tables.
 */
static void ask(struct vtd_unit *u, uint64_t descriptor)
{
	if ((descriptor & DESCRIPTOR_TYPE) == IOTLB_TYPE) {
		descriptor |= u->cap & VTD_CAP_DWD ? IOTLB_DW : 0;
		descriptor |= u->cap & VTD_CAP_DRD ? IOTLB_DR : 0;
	}
	if (u->cap & VTD_CAP_RWBF)
		command(u, 0, VTD_GCMD_WBF, 0);
	u->ticket++;
	put(u, descriptor, 0);
	put(u, WAIT | (uint64_t)u->ticket << 32, (uintptr_t)&u->status);
	mmio_write64(u->registers + VTD_IQT, u->tail * DESCRIPTOR_BYTES);
}

/* An error makes the unit drop its wait descriptors (ICE, ITE) or stop its queue (IQE). The kernel
 * clears the error and repeats the order; a unit may execute an order twice without harm. */
static void await(struct vtd_unit *u, uint64_t descriptor)
{
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		uint32_t errors;

		if (iommu_wait(&u->status, UINT32_MAX, u->ticket))
			return;
		errors = read(u, VTD_FSTS) & VTD_FSTS_ERRORS;
		if (!errors)
			break;
		log_print(LOG_ERR "iommu: the VT-d unit at %lx has failed: FSTS %x\n",
			  (uintptr_t)u->registers, errors);
		write(u, VTD_FSTS, errors);
		ask(u, descriptor);
	}
	no_answer(u);
}

void vtd_order(uint64_t descriptor)
{
	for (unsigned i = 0; i < vtd_units; i++)
		ask(&vtd_unit[i], descriptor);
	for (unsigned i = 0; i < vtd_units; i++)
		await(&vtd_unit[i], descriptor);
}
