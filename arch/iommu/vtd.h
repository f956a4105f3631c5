/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two files of VT-d share units, their registers and their queues. The numbers of
 * sections are those of Intel's "Virtualization Technology for Directed I/O", revision 4.
 */
#pragma once

#include "arch/iommu/iommu.h"

/* Registers, VT-d 11.4: offsets. */
enum vtd_register {
	VTD_CAP = 0x08,
	VTD_ECAP = 0x10,
	VTD_GCMD = 0x18,
	VTD_GSTS = 0x1c,
	VTD_RTADDR = 0x20,
	VTD_FSTS = 0x34,
	VTD_FECTL = 0x38,
	VTD_PMEN = 0x64,
	VTD_IQH = 0x80,
	VTD_IQT = 0x88,
	VTD_IQA = 0x90,
	VTD_IECTL = 0xa0,
	VTD_IRTA = 0xb8
};

/* Commands, and the same bits of the status: VT-d 11.4.4. */
#define VTD_GCMD_TE    (1u << 31) /* DMA is translated */
#define VTD_GCMD_SRTP  (1u << 30) /* use the root table that RTADDR names */
#define VTD_GCMD_EAFL  (1u << 28) /* faults go to a log in memory */
#define VTD_GCMD_WBF   (1u << 27) /* write the chipset's buffers to memory */
#define VTD_GCMD_QIE   (1u << 26) /* the queue is on */
#define VTD_GCMD_IRE   (1u << 25) /* interrupts are remapped */
#define VTD_GCMD_SIRTP (1u << 24) /* use the interrupt table that IRTA names */
#define VTD_GCMD_CFI   (1u << 23) /* messages of the compatible format pass */

/* The commands that last, in the status. A unit executes the other commands once. */
#define VTD_GSTS_LASTING 0x96ffffffu

#define VTD_EVENT_MASKED (1u << 31) /* FECTL, IECTL: the unit sends no interrupt */
#define VTD_PMEN_PRS     (1u << 0)  /* regions are protected: VT-d 11.4.8.1 */
/* The interrupt table: VT-d 11.4.10. */
#define VTD_IRTA_EIME (1ull << 11) /* destinations have 32 bits */
#define VTD_IRTA_SIZE 9u           /* 2 << 9 entries */

/* Capabilities: VT-d 11.4.2 and 11.4.3. */
#define VTD_CAP_ND(cap)   (16u << 2 * ((cap)&7)) /* ids of I/O tables */
#define VTD_CAP_RWBF      (1ull << 4)
#define VTD_CAP_PMR       (3ull << 5) /* PLMR, PHMR */
#define VTD_CAP_CM        (1ull << 7)
#define VTD_CAP_SAGAW(n)  (1ull << (8 + (n)-2)) /* tables of n levels */
#define VTD_CAP_MGAW(cap) ((unsigned)((cap) >> 16 & 0x3f) + 1)
#define VTD_CAP_FRO(cap)  ((unsigned)((cap) >> 24 & 0x3ff) * 16)
#define VTD_CAP_2M        (1ull << 34)
#define VTD_CAP_1G        (1ull << 35)
#define VTD_CAP_NFR(cap)  ((unsigned)((cap) >> 40 & 0xff) + 1)
#define VTD_CAP_DWD       (1ull << 54)
#define VTD_CAP_DRD       (1ull << 55)
#define VTD_ECAP_C        (1ull << 0)
#define VTD_ECAP_QI       (1ull << 1)
#define VTD_ECAP_IR       (1ull << 3)
#define VTD_ECAP_EIM      (1ull << 4)

/* Fault status: VT-d 11.4.7.1. */
#define VTD_FSTS_PFO    (1u << 0)
#define VTD_FSTS_PPF    (1u << 1)
#define VTD_FSTS_IQE    (1u << 4)
#define VTD_FSTS_ICE    (1u << 5)
#define VTD_FSTS_ITE    (1u << 6)
#define VTD_FSTS_ERRORS (VTD_FSTS_IQE | VTD_FSTS_ICE | VTD_FSTS_ITE)

/* Fault records of 16 bytes, VT-d 11.4.7.6: their upper halves. */
#define VTD_RECORD_BYTES       16u
#define VTD_RECORD_FAULT       (1ull << 63)
#define VTD_RECORD_READ        (1ull << 62)
#define VTD_RECORD_CODE(high)  ((uint32_t)((high) >> 32 & 0xff))
#define VTD_RECORD_INDEX       48 /* of an interrupt, in the lower half */
#define VTD_CODE_INTERRUPT     0x20u
#define VTD_CODE_INTERRUPT_END 0x30u
#define VTD_RECORDS_MOST       256u

/* Descriptors of the queue, VT-d 6.5.2: their lower halves, the upper ones are 0. */
#define VTD_CONTEXTS              0x11ull /* forget all context entries */
#define VTD_CONTEXT(id, function) (0x31ull | (uint64_t)(id) << 16 | (uint64_t)(function) << 32)
#define VTD_IOTLB                 0x12ull /* forget all translations */
#define VTD_IOTLB_ID(id)          (0x22ull | (uint64_t)(id) << 16)
#define VTD_INTERRUPTS            0x04ull /* forget all entries of the interrupt table */
#define VTD_INTERRUPT(index)      (0x14ull | (uint64_t)(index) << 32)

struct vtd_unit {
	volatile uint8_t *registers; /* at their physical address */
	uint64_t cap, ecap;
	volatile uint64_t *queue; /* a page of descriptors */
	uint32_t record;          /* the number of the fault record to look at next */
	uint32_t tail;            /* the number of the next descriptor */
	uint32_t ticket;          /* of the last order */
	uint32_t status;          /* the unit writes the ticket of the order that it has done */
};

extern struct vtd_unit vtd_unit[IOMMU_UNITS];
extern unsigned vtd_units;

/* Gives the unit one of VTD_GCMD_*, and returns when its status shows the command. */
void vtd_turn_on(const struct vtd_unit *u, uint32_t bit);

/* Turns off all that firmware has left on, and turns the queue on. */
void vtd_take_over(struct vtd_unit *u);
/* Ends the protected regions that firmware has set up: the tables protect all memory then. */
void vtd_unprotect(const struct vtd_unit *u);

/* Returns when every unit has executed this descriptor. Stops the machine if one does not. */
void vtd_order(uint64_t descriptor);
