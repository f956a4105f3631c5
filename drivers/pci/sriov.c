/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual functions (PCI Express 5.0, chapter 9). A physical function's capability says how many it
 * can have, and has their BARs: the n-th virtual function's BAR lies n times the size behind the
 * address in the register. The sequence of making them:
 *
 *     number, page size and BARs are written, the functions are enabled
 *     100 ms
 *     the driver prepares the virtual functions
 *     they join the list of functions
 *
 * The list has no gap: all are made at once, and all are removed at once.
 */
#include <stdlib.h>
#include <string.h>

#include "drivers/pci.h"
#include "drivers/timer.h"

#define MS 1000000ull

#define CONTROL      0x08u
#define CONTROL_VFE  0x0001u
#define CONTROL_MSE  0x0008u
#define CONTROL_ARI  0x0010u
#define TOTAL        0x0eu
#define NUMBER       0x10u
#define FIRST        0x14u
#define STRIDE       0x16u
#define DEVICE       0x1au
#define PAGES        0x20u
#define PAGES_4K     1u
#define BAR          0x24u
#define BARS         6u
#define BAR_IO       0x1u
#define BAR_TYPE     0x7u
#define BAR_64       0x4u
#define BAR_PREFETCH 0x8u
#define BAR_FIXED    0xfu

/* Of bridges: PCI-to-PCI Bridge Architecture 1.2, 3.2.5. */
#define SUBORDINATE    0x1au
#define WINDOW         0x20u
#define PREFETCH       0x24u
#define PREFETCH_HIGH  0x28u
#define PREFETCH_LIMIT 0x2cu
#define PREFETCH_64    1u
#define MIB            0x100000ull
#define FOUR_GIB       0x100000000ull

#define EXPRESS_CAN2     0x24u
#define EXPRESS_CONTROL2 0x28u
#define EXPRESS_ARI      0x0020u

#define SETTLE_NS (100 * MS)
#define LOOKS     10u         /* at functions that do not answer at once */
#define REMOVE_NS (1000 * MS) /* until they may be enabled again */

enum step { STEP_NONE, STEP_SETTLE, STEP_PREPARE, STEP_DONE };

struct pci_sriov {
	struct pci_device *dev;
	unsigned at, total, made, wanted;
	uint32_t bar[BARS];        /* the registers as firmware left them */
	struct pci_bar room[BARS]; /* of one virtual function; base 0: it has no place */
	enum step step;
	unsigned looks;
	uint16_t first, stride;
	struct timer timer;
	const char *failure;
	void (*done)(struct pci_device *dev, const char *failure);
};

static uint32_t get(const struct pci_sriov *s, unsigned offset, unsigned bytes)
{
	return pci_read(s->dev, s->at + offset, bytes);
}

static void put(const struct pci_sriov *s, unsigned offset, unsigned bytes, uint32_t value)
{
	pci_write(s->dev, s->at + offset, bytes, value);
}

/* --- what a function can have --- */

static bool is_wide(uint32_t bar)
{
	return (bar & BAR_TYPE) == BAR_64;
}

static uint32_t size_bits(const struct pci_sriov *s, unsigned i)
{
	uint32_t bits;

	put(s, BAR + 4 * i, 4, UINT32_MAX);
	bits = get(s, BAR + 4 * i, 4);
	put(s, BAR + 4 * i, 4, s->bar[i]);
	return bits;
}

/* Virtual functions have no BARs of ports. */
static void read_bars(struct pci_sriov *s)
{
	for (unsigned i = 0; i < BARS; i++)
		s->bar[i] = get(s, BAR + 4 * i, 4);
	for (unsigned i = 0; i < BARS; i++) {
		bool wide = is_wide(s->bar[i]) && i + 1 < BARS;
		uint64_t bits = size_bits(s, i) & ~BAR_FIXED, base = s->bar[i] & ~BAR_FIXED;

		if (wide) {
			bits |= (uint64_t)size_bits(s, i + 1) << 32;
			base |= (uint64_t)s->bar[i + 1] << 32;
		}
		if (!(s->bar[i] & BAR_IO))
			s->room[i] = (struct pci_bar){.base = base, .size = bits & -bits};
		i += wide;
	}
}

/* Decoding is off while the BARs hold sizes; what an operating system before has made is gone. */
static void learn(struct pci_device *dev)
{
	struct pci_sriov *s;
	unsigned at;

	if (dev->sriov || !dev->endpoint || dev->physical)
		return;
	at = pci_find_capability(dev, PCI_CAP_EXPRESS) ? pci_find_extended(dev, PCI_EXT_SRIOV) : 0;
	s = at ? calloc(1, sizeof(*s)) : NULL;
	if (!s)
		return;
	*s = (struct pci_sriov){.dev = dev, .at = at};
	s->total = get(s, TOTAL, 2);
	pci_change(dev, at + CONTROL, CONTROL_VFE | CONTROL_MSE, 0);
	put(s, PAGES, 4, PAGES_4K);
	read_bars(s);
	dev->sriov = s;
}

unsigned pci_virtual_most(struct pci_device *dev)
{
	learn(dev);
	return dev->sriov ? dev->sriov->total : 0;
}

unsigned pci_virtual_count(const struct pci_device *dev)
{
	return dev->sriov ? dev->sriov->made : 0;
}

bool pci_virtual_busy(const struct pci_device *dev)
{
	return dev->sriov && dev->sriov->step != STEP_NONE;
}

uint16_t pci_virtual_at(const struct pci_device *dev, unsigned n)
{
	return (uint16_t)(dev->bdf + dev->sriov->first + n * dev->sriov->stride);
}

/* --- room for BARs --- */

/* Without its end. */
struct range {
	uint64_t base, end;
};

static struct range window_of(struct pci_device *bridge, bool prefetch)
{
	uint32_t value = pci_read(bridge, prefetch ? PREFETCH : WINDOW, 4);
	struct range r = {(uint64_t)(value & 0xfff0) << 16, value & 0xfff00000};

	if (prefetch && (value & 15) == PREFETCH_64) {
		r.base |= (uint64_t)pci_read(bridge, PREFETCH_HIGH, 4) << 32;
		r.end |= (uint64_t)pci_read(bridge, PREFETCH_LIMIT, 4) << 32;
	}
	if (!r.base || r.end < r.base)
		return (struct range){0, 0};
	r.end += MIB;
	return r;
}

/* The end of the range if the two have bytes in common, else 0. */
static uint64_t meets(struct range a, struct range b)
{
	return a.base < b.end && b.base < a.end ? a.end : 0;
}

/* BARs of functions that stay as they are have no known size: a mebibyte, as bridges count memory.
 */
static uint64_t meets_unsized(struct pci_device *dev, struct range wanted)
{
	unsigned bars = dev->header == PCI_HEADER_BRIDGE ? 2 : BARS;
	uint64_t end = 0;

	for (unsigned i = 0; i < bars && !end; i++) {
		uint32_t value = pci_read(dev, PCI_BAR0 + 4 * i, 4);
		uint64_t base = value & ~BAR_FIXED;
		bool wide = is_wide(value) && i + 1 < bars;

		if (wide)
			base |= (uint64_t)pci_read(dev, PCI_BAR0 + 4 * i + 4, 4) << 32;
		if (base && !(value & BAR_IO))
			end = meets((struct range){base, base + MIB}, wanted);
		i += wide;
	}
	return end;
}

/* Returns the end of the function's part that is in the way, or 0. */
static uint64_t obstacle(struct pci_device *dev, struct range wanted)
{
	const struct pci_sriov *s = dev->sriov;
	uint64_t end = dev->endpoint ? 0 : meets_unsized(dev, wanted);

	if (!end && dev->header == PCI_HEADER_BRIDGE)
		end = meets(window_of(dev, false), wanted);
	if (!end && dev->header == PCI_HEADER_BRIDGE)
		end = meets(window_of(dev, true), wanted);
	for (unsigned i = 0; i < BARS && !end; i++) {
		const struct pci_bar *bar = &dev->bar[i];

		if (bar->size && !bar->io)
			end = meets((struct range){bar->base, bar->base + bar->size}, wanted);
		if (!end && s && s->room[i].base)
			end = meets((struct range){s->room[i].base,
						   s->room[i].base + s->room[i].size * s->total},
				    wanted);
	}
	return end;
}

static uint64_t first_obstacle(struct pci_device *bridge, struct range wanted)
{
	unsigned last = pci_read(bridge, SUBORDINATE, 1);
	uint64_t end = 0;

	for (struct pci_device *dev = pci_first(); dev && !end; dev = dev->next)
		if (dev->bdf >> 8 >= bridge->secondary && (unsigned)dev->bdf >> 8 <= last)
			end = obstacle(dev, wanted);
	return end;
}

/* The first free place in a window, 0: none. Each turn begins behind what was in the way. */
static uint64_t find_place(struct pci_device *bridge, bool prefetch, uint64_t size, uint64_t align,
			   bool wide)
{
	struct range window = window_of(bridge, prefetch);
	uint64_t at = window.base, end;

	if (!wide && window.end > FOUR_GIB)
		window.end = FOUR_GIB;
	for (;; at = end) {
		at = (at + align - 1) & ~(align - 1);
		if (!at || at >= window.end || size > window.end - at)
			return 0;
		end = first_obstacle(bridge, (struct range){at, at + size});
		if (!end)
			return at;
	}
}

/* A window for prefetchable memory has no side effects of reads to fear for wide BARs on PCI
 * Express; it is where a prefetchable BAR belongs, and where another one goes when the other window
 * is full. */
static bool place(struct pci_sriov *s, unsigned i)
{
	struct pci_device *bridge = pci_parent(s->dev);
	struct pci_bar *room = &s->room[i];
	bool wide = is_wide(s->bar[i]), prefetch = s->bar[i] & BAR_PREFETCH;
	uint64_t size = room->size * s->total;

	if (!bridge)
		return false;
	room->base = find_place(bridge, prefetch, size, room->size, wide);
	if (!room->base && (prefetch || wide))
		room->base = find_place(bridge, !prefetch, size, room->size, wide);
	return room->base != 0;
}

static const char *place_bars(struct pci_sriov *s)
{
	for (struct pci_device *dev = pci_first(); dev; dev = dev->next)
		learn(dev);
	for (unsigned i = 0; i < BARS; i++) {
		const struct pci_bar *room = &s->room[i];

		if (!room->size)
			continue;
		if (!room->base && !place(s, i))
			return pci_parent(s->dev)
				       ? "the window of the bridge above has no room for their BARs"
				       : "firmware has given their BARs no place, and no bridge is "
					 "above "
					 "to tell where there is room";
		put(s, BAR + 4 * i, 4, (uint32_t)room->base);
		if (is_wide(s->bar[i]))
			put(s, BAR + 4 * i + 4, 4, (uint32_t)(room->base >> 32));
	}
	return NULL;
}

/* A BAR that firmware has not placed has no place again. */
static void unplace_bars(struct pci_sriov *s)
{
	for (unsigned i = 0; i < BARS; i++) {
		put(s, BAR + 4 * i, 4, s->bar[i]);
		if (!(s->bar[i] & ~BAR_FIXED) &&
		    !(is_wide(s->bar[i]) && i + 1 < BARS && s->bar[i + 1]))
			s->room[i].base = 0;
	}
}

/* --- numbers --- */

/* A port leads to device 0 alone, unless it forwards by ARI, where the number has 8 bits (6.13). */
static bool needs_ari(const struct pci_sriov *s)
{
	uint16_t last = pci_virtual_at(s->dev, s->wanted - 1);

	return pci_parent(s->dev) && (last ^ s->dev->bdf) & 0xf8;
}

static bool turn_ari_on(struct pci_sriov *s)
{
	struct pci_device *port = pci_parent(s->dev);
	unsigned at = pci_find_capability(port, PCI_CAP_EXPRESS);

	if (!at || !(pci_read(port, at + EXPRESS_CAN2, 4) & EXPRESS_ARI) ||
	    !pci_find_extended(s->dev, PCI_EXT_ARI))
		return false;
	pci_change(port, at + EXPRESS_CONTROL2, 0, EXPRESS_ARI);
	pci_change(s->dev, s->at + CONTROL, 0, CONTROL_ARI);
	return true;
}

/* Offset and stride may depend on the number and on ARI. */
static void read_numbers(struct pci_sriov *s)
{
	s->first = (uint16_t)get(s, FIRST, 2);
	s->stride = (uint16_t)get(s, STRIDE, 2);
}

static const char *choose_numbers(struct pci_sriov *s)
{
	uint32_t last;

	put(s, NUMBER, 2, s->wanted);
	read_numbers(s);
	if (needs_ari(s) && turn_ari_on(s))
		read_numbers(s);
	else if (needs_ari(s))
		return "their numbers need ARI, which the port above does not have";
	last = s->dev->bdf + s->first + (s->wanted - 1) * s->stride;
	if (!s->first || (s->wanted > 1 && !s->stride))
		return "the function gives them no numbers of their own";
	if (last >> 8 != s->dev->bdf >> 8)
		return "their numbers lead to another bus";
	for (unsigned i = 0; i < s->wanted; i++)
		if (pci_at(pci_virtual_at(s->dev, i)))
			return "another function has one of their numbers";
	return NULL;
}

/* --- the sequence --- */

static void wait(struct pci_sriov *s, enum step step, uint64_t ns)
{
	s->step = step;
	timer_set(&s->timer, clock_ns() + ns);
}

static void switch_off(struct pci_sriov *s)
{
	pci_change(s->dev, s->at + CONTROL, CONTROL_VFE | CONTROL_MSE, 0);
	put(s, NUMBER, 2, 0);
	unplace_bars(s);
}

/* They have been enabled. */
static void undo(struct pci_sriov *s, const char *failure)
{
	switch_off(s);
	if (s->dev->virtual_ops)
		s->dev->virtual_ops->removed(s->dev);
	s->failure = failure;
	wait(s, STEP_DONE, REMOVE_NS);
}

/* Returns NULL, or why they cannot be made. */
static const char *enable(struct pci_sriov *s)
{
	const char *wrong = NULL;

	/* A reset of the function may have come between. */
	put(s, PAGES, 4, PAGES_4K);
	if (get(s, PAGES, 4) != PAGES_4K)
		wrong = "they do not work with pages of 4 KiB";
	if (!wrong)
		wrong = choose_numbers(s);
	if (!wrong)
		wrong = place_bars(s);
	if (wrong) {
		switch_off(s);
		return wrong;
	}
	pci_change(s->dev, s->at + CONTROL, 0, CONTROL_VFE | CONTROL_MSE);
	s->looks = 0;
	wait(s, STEP_SETTLE, SETTLE_NS);
	return NULL;
}

static void remove_all(struct pci_sriov *s)
{
	for (unsigned i = 0; i < s->made; i++) {
		struct pci_device *dev = pci_at(pci_virtual_at(s->dev, i));

		if (dev)
			pci_virtual_remove(dev);
	}
	s->made = 0;
}

static bool add(struct pci_sriov *s, unsigned n)
{
	struct pci_bar bar[BARS];
	uint32_t value[BARS];

	memcpy(bar, s->room, sizeof(bar));
	memcpy(value, s->bar, sizeof(value));
	for (unsigned i = 0; i < BARS; i++) {
		if (!bar[i].size)
			continue;
		bar[i].base += n * bar[i].size;
		value[i] = (uint32_t)bar[i].base | (s->bar[i] & BAR_FIXED);
		if (is_wide(s->bar[i]))
			value[i + 1] = (uint32_t)(bar[i].base >> 32);
	}
	return pci_virtual_add(s->dev, pci_virtual_at(s->dev, n), (uint16_t)get(s, DEVICE, 2), bar,
			       value);
}

static void publish(struct pci_sriov *s)
{
	while (s->made < s->wanted && add(s, s->made))
		s->made++;
	if (s->made < s->wanted) {
		remove_all(s);
		undo(s, "dom0 is out of memory");
		return;
	}
	driver_log("pci: %s has %u virtual functions\n", s->dev->name, s->made);
	wait(s, STEP_DONE, 0);
}

static bool all_answer(struct pci_sriov *s)
{
	for (unsigned i = 0; i < s->wanted; i++) {
		struct pci_device one = {.bdf = pci_virtual_at(s->dev, i), .physical = s->dev};

		if (!pci_answers(&one))
			return false;
	}
	return true;
}

static void settled(struct pci_sriov *s)
{
	if (!all_answer(s)) {
		if (++s->looks < LOOKS)
			wait(s, STEP_SETTLE, SETTLE_NS);
		else
			undo(s, "they do not answer");
		return;
	}
	s->step = STEP_PREPARE;
	if (s->dev->virtual_ops)
		s->dev->virtual_ops->made(s->dev, s->wanted);
	else
		publish(s);
}

static void fire(struct timer *timer)
{
	struct pci_sriov *s = timer->context;
	const char *failure = s->failure;

	if (s->step == STEP_SETTLE) {
		settled(s);
	} else if (s->step == STEP_DONE) {
		s->step = STEP_NONE;
		s->failure = NULL;
		s->done(s->dev, failure);
	}
}

void pci_virtual_prepared(struct pci_device *dev, const char *failure)
{
	struct pci_sriov *s = dev->sriov;

	if (s->step != STEP_PREPARE)
		return;
	if (failure)
		undo(s, failure);
	else
		publish(s);
}

static const char *check(struct pci_device *dev, unsigned count)
{
	unsigned most = pci_virtual_most(dev);

	if (!most)
		return "it cannot have virtual functions";
	if (dev->sriov->step != STEP_NONE)
		return "its virtual functions are being made or removed";
	if (count > most)
		return "it cannot have so many virtual functions";
	if (count && dev->sriov->made)
		return "it has virtual functions: they must be removed first (0)";
	for (unsigned i = 0; i < dev->sriov->made; i++) {
		const struct pci_device *one = pci_at(pci_virtual_at(dev, i));

		if (one && one->driver)
			return "one of its virtual functions is in use";
	}
	return NULL;
}

const char *pci_virtual_make(struct pci_device *dev, unsigned count,
			     void (*done)(struct pci_device *dev, const char *failure))
{
	const char *wrong = check(dev, count);
	struct pci_sriov *s = dev->sriov;

	if (wrong)
		return wrong;
	timer_init(&s->timer, fire, s);
	s->done = done;
	s->wanted = count;
	if (!count) {
		remove_all(s);
		undo(s, NULL);
		return NULL;
	}
	return enable(s);
}
