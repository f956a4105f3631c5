/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of IOMMUs share: the device edu belongs to one domain at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guests/lib/sampo.h"

#define DMA_WORDS 64u
#define DMA_BYTES (DMA_WORDS * 8ull)

#define READ_WRITE      (SAMPO_MAP_R | SAMPO_MAP_W)
#define KERNEL_PHYSICAL 0x100000ull
#define SHARED          0x40000ull /* a bus address that several domains use */

/* The device is the domain's, under this name in the log, and a master of its bus. */
void device_give(uint32_t domain, const char *name);
uint32_t device_handle(void);
/* It is nobody's, unless an event is bound to it. */
void device_take(void);

/* Two pages that the device may use: it loads from the first, and stores into the second. */
struct place {
	uint32_t domain, region;
	uint64_t bus;
	uint64_t *here;
};

extern struct place own; /* in this domain's RAM */

/* Memory of a new domain, which this one sees in a slot. Of its 8 pages the first two are asked
 * for. */
struct place place_new(unsigned slot, uint64_t gpa);
void place_end(const struct place *p, unsigned slot); /* with its domain */
uint64_t *place_page(const struct place *p, unsigned n);
uint64_t *slot_page(unsigned slot, unsigned n);
void slot_unmap(unsigned slot);
/* The domain's devices reach the byte's block of memory from now on. */
void bus_ask(uint32_t domain, uint64_t gpa);

void dma_fill(uint64_t *at);
bool dma_same(const uint64_t *a, const uint64_t *b);
/* Does the device reach the place, in both directions? */
bool dma_reaches(const struct place *p);
/* The device's buffer has the magic number, and no memory has. */
void dma_load_magic(const struct place *p);
/* Does the device's buffer have the magic number and zeros alone? A load that is blocked leaves
 * either. */
bool dma_has_nothing(const struct place *p);

void test_iommu_dma(void);
void test_iommu_interrupts(void);
