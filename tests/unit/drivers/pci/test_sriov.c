/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: drivers/pci/sriov.c */
/*
 * Virtual functions of model functions: a port, behind it a physical function and another one, with
 * all of their configuration space. Registers have bits that can be written; the virtual functions
 * answer while the capability has them enabled.
 */
#include "tests/unit/log_mock.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "drivers/pci.h"
#include "drivers/timer.h"

#define MS 1000000ull

enum { PORT, CARD, OTHER, FUNCTIONS };

#define SRIOV    0x180u
#define EXPRESS  0x40u
#define ARI      0x140u
#define MEMORY   0xe0000000u /* the port's window, 2 MiB */
#define WIDE     0x2000000000ull
#define TOTAL    4u
#define VF_BYTES 0x4000u

static struct {
	uint8_t config[4096], writable[4096];
	struct pci_device dev;
} model[FUNCTIONS];

static struct pci_device *first, *virtual[16];
static unsigned virtuals, dones, mades, removeds;
static const char *failure;
static struct timer *set;
static uint64_t now;
static bool dead, has_ops, answers_later, no_memory;

/* --- the machine --- */

static uint32_t hw(unsigned n, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	memcpy(&value, model[n].config + offset, bytes);
	return value;
}

static void put(unsigned n, unsigned offset, unsigned bytes, uint32_t value, uint32_t writable)
{
	memcpy(model[n].config + offset, &value, bytes);
	memcpy(model[n].writable + offset, &writable, bytes);
}

static bool is_enabled(void)
{
	return (hw(CARD, SRIOV + 8, 2) & 9) == 9 && !dead;
}

static int number_of(const struct pci_device *dev)
{
	for (int n = 0; n < FUNCTIONS; n++)
		if (&model[n].dev == dev)
			return n;
	return -1;
}

uint32_t pci_read(struct pci_device *dev, unsigned offset, unsigned bytes)
{
	int n = number_of(dev);

	assert_true(offset % bytes == 0 && offset + bytes <= 4096);
	if (n >= 0)
		return hw((unsigned)n, offset, bytes);
	fail();
	return UINT32_MAX;
}

void pci_write(struct pci_device *dev, unsigned offset, unsigned bytes, uint32_t value)
{
	int n = number_of(dev);

	assert_true(n >= 0 && offset % bytes == 0 && offset + bytes <= 4096);
	/* Neither sizes nor numbers change under functions that are there. */
	if (n == CARD && offset >= SRIOV + 0x10 && offset < SRIOV + 0x40)
		assert_false(hw(CARD, SRIOV + 8, 2) & 9);
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t mask = model[n].writable[offset + i];
		uint8_t *to = &model[n].config[offset + i];

		*to = (uint8_t)((*to & ~mask) | (value >> 8 * i & mask));
	}
	/* With ARI the functions have numbers close to each other. */
	if (n == CARD && offset == SRIOV + 8 && hw(CARD, SRIOV + 8, 2) & 0x10 &&
	    hw(CARD, SRIOV + 0x16, 2) == 8)
		put(CARD, SRIOV + 0x14, 4, 0x00020009, 0);
}

void pci_change(struct pci_device *dev, unsigned offset, uint32_t clear, uint32_t bits)
{
	pci_write(dev, offset, 2, (pci_read(dev, offset, 2) & ~clear) | bits);
}

bool pci_answers(struct pci_device *dev)
{
	assert_ptr_equal(dev->physical, &model[CARD].dev);
	return is_enabled();
}

unsigned pci_find_capability(struct pci_device *dev, uint8_t id)
{
	assert_int_equal(id, PCI_CAP_EXPRESS);
	return hw((unsigned)number_of(dev), EXPRESS, 1) == id ? EXPRESS : 0;
}

unsigned pci_find_extended(struct pci_device *dev, uint16_t id)
{
	unsigned at = id == PCI_EXT_ARI ? ARI : SRIOV;

	return hw((unsigned)number_of(dev), at, 2) == id ? at : 0;
}

struct pci_device *pci_first(void)
{
	return first;
}

struct pci_device *pci_at(uint16_t bdf)
{
	struct pci_device *dev = first;

	while (dev && dev->bdf != bdf)
		dev = dev->next;
	for (unsigned i = 0; i < virtuals && !dev; i++)
		if (virtual[i] && virtual[i] -> bdf == bdf)
			dev = virtual[i];
	return dev;
}

struct pci_device *pci_parent(const struct pci_device *dev)
{
	return dev->bdf >> 8 && model[PORT].dev.secondary ? &model[PORT].dev : NULL;
}

struct pci_device *pci_virtual_add(struct pci_device *physical, uint16_t bdf, uint16_t device,
				   const struct pci_bar bar[6], const uint32_t bar_value[6])
{
	struct pci_device *dev = no_memory && virtuals ? NULL : calloc(1, sizeof(*dev));

	assert_true(is_enabled());
	assert_int_equal(device, 0x7777);
	if (!dev)
		return NULL;
	dev->physical = physical;
	dev->bdf = bdf;
	memcpy(dev->bar, bar, sizeof(dev->bar));
	memcpy(dev->bar_value, bar_value, sizeof(dev->bar_value));
	virtual[virtuals++] = dev;
	return dev;
}

void pci_virtual_remove(struct pci_device *dev)
{
	for (unsigned i = 0; i < virtuals; i++)
		if (virtual[i] == dev) {
			virtual[i] = NULL;
			free(dev);
			return;
		}
	fail();
}

uint64_t clock_ns(void)
{
	return now;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *), void *context)
{
	*timer = (struct timer){.fire = fire, .context = context};
}

void timer_set(struct timer *timer, uint64_t deadline_ns)
{
	timer->deadline = deadline_ns;
	set = timer;
}

static void run(void)
{
	for (struct timer *timer = set; timer; timer = set) {
		set = NULL;
		if (now < timer->deadline)
			now = timer->deadline;
		timer->fire(timer);
	}
}

static void done(struct pci_device *dev, const char *why)
{
	assert_ptr_equal(dev, &model[CARD].dev);
	assert_false(pci_virtual_busy(dev));
	failure = why;
	dones++;
}

static void made(struct pci_device *dev, unsigned count)
{
	assert_true(is_enabled() && count);
	assert_int_equal(virtuals, 0); /* nobody can use them yet */
	mades++;
	if (!answers_later)
		pci_virtual_prepared(dev, NULL);
}

static void removed(struct pci_device *dev)
{
	(void)dev;
	removeds++;
}

static const struct pci_virtual_ops ops = {made, removed};

/* --- the model --- */

static void make_port(void)
{
	struct pci_device *dev = &model[PORT].dev;

	*dev = (struct pci_device){
		.next = &model[CARD].dev, .bdf = 0x08, .header = PCI_HEADER_BRIDGE, .secondary = 1};
	put(PORT, 0x18, 4, 0x00010100, 0);
	put(PORT, 0x20, 4, MEMORY >> 16 | (MEMORY + 0x100000), 0);
	put(PORT, 0x24, 4, 0x00110001, 0);
	put(PORT, 0x28, 4, WIDE >> 32, 0);
	put(PORT, 0x2c, 4, WIDE >> 32, 0);
	put(PORT, EXPRESS, 1, PCI_CAP_EXPRESS, 0);
	put(PORT, EXPRESS + 0x24, 4, 0x20, 0);
	put(PORT, EXPRESS + 0x28, 2, 0, 0xffff);
}

static void make_card(void)
{
	struct pci_device *dev = &model[CARD].dev;

	*dev = (struct pci_device){.next = &model[OTHER].dev, .bdf = 0x100, .endpoint = true};
	dev->bar[0] = (struct pci_bar){.base = MEMORY, .size = 0x8000};
	put(CARD, EXPRESS, 1, PCI_CAP_EXPRESS, 0);
	put(CARD, ARI, 2, PCI_EXT_ARI, 0);
	put(CARD, SRIOV, 2, PCI_EXT_SRIOV, 0);
	put(CARD, SRIOV + 0x08, 2, 0, 0x0019);
	put(CARD, SRIOV + 0x0c, 4, TOTAL << 16 | TOTAL, 0);
	put(CARD, SRIOV + 0x10, 2, 0, 0xffff);
	put(CARD, SRIOV + 0x14, 4, 0x00010001, 0);
	put(CARD, SRIOV + 0x18, 4, 0x77770000, 0);
	put(CARD, SRIOV + 0x1c, 4, 0x553, 0);
	put(CARD, SRIOV + 0x20, 4, 1, 0x553);
	/* A wide BAR, and a prefetchable one that is not wide. */
	put(CARD, SRIOV + 0x24, 4, 0x4, ~(VF_BYTES - 1));
	put(CARD, SRIOV + 0x28, 4, 0, UINT32_MAX);
	put(CARD, SRIOV + 0x2c, 4, 0x8, 0xfffff000);
	if (has_ops)
		dev->virtual_ops = &ops;
}

static int start(void **state)
{
	(void)state;
	memset(model, 0, sizeof(model));
	memset(virtual, 0, sizeof(virtual));
	virtuals = dones = mades = removeds = 0;
	failure = NULL;
	set = NULL;
	dead = answers_later = no_memory = false;
	has_ops = true;
	make_port();
	make_card();
	model[OTHER].dev = (struct pci_device){.bdf = 0x101, .endpoint = true};
	model[OTHER].dev.bar[0] = (struct pci_bar){.base = MEMORY + 0xc000, .size = 0x1000};
	put(CARD, SRIOV + 0x14, 4, 0x00010002, 0); /* 01:00.1 is the other one */
	first = &model[PORT].dev;
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < virtuals; i++)
		free(virtual[i]);
	for (unsigned n = 0; n < FUNCTIONS; n++)
		free(model[n].dev.sriov);
	return 0;
}

static struct pci_device *card(void)
{
	return &model[CARD].dev;
}

static void make(unsigned count)
{
	assert_null(pci_virtual_make(card(), count, done));
	assert_true(pci_virtual_busy(card()));
	assert_int_equal(dones, 0);
	run();
	assert_int_equal(dones, 1);
	dones = 0;
}

/* --- tests --- */

static void test_make(void **state)
{
	uint64_t began = now;

	(void)state;
	assert_int_equal(pci_virtual_most(card()), TOTAL);
	assert_int_equal(pci_virtual_count(card()), 0);
	assert_int_equal(pci_virtual_most(&model[OTHER].dev), 0);
	make(2);
	assert_null(failure);
	assert_true(now >= began + 100 * MS);
	assert_int_equal(mades, 1);
	assert_int_equal(pci_virtual_count(card()), 2);
	assert_int_equal(hw(CARD, SRIOV + 0x10, 2), 2);
	assert_int_equal(hw(CARD, SRIOV + 0x20, 4), 1);
	/* Behind the card's own BAR and around the other function's, for all four. */
	assert_int_equal(hw(CARD, SRIOV + 0x24, 4), (MEMORY + 0x10000) | 4);
	assert_int_equal(hw(CARD, SRIOV + 0x28, 4), 0);
	assert_int_equal(virtual[0] -> bdf, 0x102);
	assert_int_equal(virtual[1] -> bdf, 0x103);
	assert_int_equal(virtual[1] -> bar[0].base, MEMORY + 0x10000 + VF_BYTES);
	assert_int_equal(virtual[1] -> bar[0].size, VF_BYTES);
	assert_int_equal(virtual[1] -> bar_value[0], (MEMORY + 0x10000 + VF_BYTES) | 4);
	/* The narrow one does not fit in a window above 4 GiB. */
	assert_int_equal(virtual[1] -> bar[2].base, MEMORY + 0x8000 + 0x1000);
	assert_int_equal(virtual[0] -> bar_value[2], (MEMORY + 0x8000) | 8);
	assert_int_equal(virtual[0] -> bar[1].size, 0);
}

static void test_remove(void **state)
{
	uint64_t began;

	(void)state;
	make(4);
	assert_non_null(pci_virtual_make(card(), 3, done)); /* not from one number to another */
	virtual[2] -> driver = "used";
	assert_non_null(pci_virtual_make(card(), 0, done));
	virtual[2] -> driver = NULL;
	assert_true(is_enabled());
	began = now;
	make(0);
	assert_null(failure);
	assert_true(now >= began + 1000 * MS); /* until they may be enabled again */
	assert_int_equal(removeds, 1);
	assert_int_equal(hw(CARD, SRIOV + 8, 2), 0);
	assert_int_equal(hw(CARD, SRIOV + 0x10, 2), 0);
	assert_int_equal(hw(CARD, SRIOV + 0x24, 4), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_null(virtual[i]);
	virtuals = 0;
	make(1);
	assert_null(failure);
	assert_int_equal(pci_virtual_count(card()), 1);
}

static void test_refused(void **state)
{
	(void)state;
	assert_non_null(pci_virtual_make(card(), 5, done));
	assert_non_null(pci_virtual_make(&model[OTHER].dev, 1, done));
	put(CARD, SRIOV + 0x20, 4, 2, 0x552); /* pages of 8 KiB */
	assert_string_equal(pci_virtual_make(card(), 1, done),
			    "they do not work with pages of 4 KiB");
	put(CARD, SRIOV + 0x20, 4, 1, 0x553);
	put(CARD, SRIOV + 0x14, 4, 0x00010001, 0);
	assert_string_equal(pci_virtual_make(card(), 1, done),
			    "another function has one of their numbers");
	put(CARD, SRIOV + 0x14, 4, 0, 0);
	assert_string_equal(pci_virtual_make(card(), 2, done),
			    "the function gives them no numbers of their own");
	put(CARD, SRIOV + 0x14, 4, 0x00100100, 0);
	put(PORT, EXPRESS + 0x24, 4, 0, 0);
	assert_string_equal(pci_virtual_make(card(), 1, done), "their numbers lead to another bus");
	assert_int_equal(hw(CARD, SRIOV + 0x10, 2), 0);
	put(CARD, SRIOV + 0x14, 4, 0x00010002, 0);
	make(1);
	assert_null(failure);
}

static void test_busy(void **state)
{
	(void)state;
	answers_later = true;
	assert_null(pci_virtual_make(card(), 1, done));
	assert_non_null(pci_virtual_make(card(), 1, done));
	assert_non_null(pci_virtual_make(card(), 0, done));
	run();
	assert_int_equal(dones, 0); /* the driver prepares them */
	assert_non_null(pci_virtual_make(card(), 0, done));
	pci_virtual_prepared(card(), NULL);
	run();
	assert_int_equal(dones, 1);
	pci_virtual_prepared(card(), "late"); /* nobody asked */
	assert_int_equal(pci_virtual_count(card()), 1);
	assert_null(set);
}

/* What fails later leaves nothing behind. */
static void test_failures(void **state)
{
	(void)state;
	answers_later = true;
	assert_null(pci_virtual_make(card(), 2, done));
	run();
	pci_virtual_prepared(card(), "no queues");
	run();
	assert_string_equal(failure, "no queues");
	assert_int_equal(removeds, 1);
	assert_int_equal(hw(CARD, SRIOV + 8, 2), 0);
	assert_int_equal(virtuals, 0);
	dones = 0;
	answers_later = false;
	dead = true;
	make(2);
	assert_string_equal(failure, "they do not answer");
	assert_int_equal(hw(CARD, SRIOV + 8, 2), 0);
	dead = false;
	no_memory = true;
	make(2);
	assert_string_equal(failure, "dom0 is out of memory");
	assert_int_equal(pci_virtual_count(card()), 0);
	assert_null(virtual[0]);
}

static void test_ari(void **state)
{
	(void)state;
	put(CARD, SRIOV + 0x14, 4, 0x00080008, 0); /* a device each */
	put(PORT, EXPRESS + 0x24, 4, 0, 0);
	assert_string_equal(pci_virtual_make(card(), 2, done),
			    "their numbers need ARI, which the port above does not have");
	assert_int_equal(hw(PORT, EXPRESS + 0x28, 2), 0);
	put(PORT, EXPRESS + 0x24, 4, 0x20, 0);
	put(CARD, ARI, 2, 0, 0);
	assert_non_null(pci_virtual_make(card(), 2, done));
	put(CARD, ARI, 2, PCI_EXT_ARI, 0);
	make(2);
	assert_null(failure);
	assert_int_equal(hw(PORT, EXPRESS + 0x28, 2), 0x20);
	assert_int_equal(hw(CARD, SRIOV + 8, 2), 0x19);
	assert_int_equal(virtual[0] -> bdf, 0x109); /* the numbers that they have with ARI */
	assert_int_equal(virtual[1] -> bdf, 0x10b);
}

/* The window is full but for a place in the other one. */
static void test_room(void **state)
{
	struct pci_device *other = &model[OTHER].dev;

	(void)state;
	put(CARD, SRIOV + 0x2c, 4, 0, 0);
	other->bar[0] = (struct pci_bar){.base = MEMORY + 0x8000, .size = 0x1f8000};
	other->bar[2] = (struct pci_bar){.base = WIDE, .size = 0x1000};
	make(1);
	assert_int_equal(hw(CARD, SRIOV + 0x28, 4), WIDE >> 32);
	assert_int_equal(virtual[0] -> bar[0].base, WIDE + VF_BYTES);
	assert_int_equal(virtual[0] -> bar_value[1], WIDE >> 32);
	make(0);
	virtuals = 0;
	other->bar[2].size = 0x1f2000;
	assert_string_equal(pci_virtual_make(card(), 1, done),
			    "the window of the bridge above has no room for their BARs");
	model[PORT].dev.secondary = 0; /* no bridge */
	assert_non_null(pci_virtual_make(card(), 1, done));
}

/* Where firmware has placed them they stay. */
static void test_firmware(void **state)
{
	(void)state;
	put(CARD, SRIOV + 0x24, 4, 0x4 | 0x30000000, ~(VF_BYTES - 1));
	put(CARD, SRIOV + 0x28, 4, 0x55, UINT32_MAX);
	put(CARD, SRIOV + 0x08, 2, 0x0009, 0x0019); /* and left enabled */
	assert_int_equal(pci_virtual_most(card()), TOTAL);
	assert_int_equal(hw(CARD, SRIOV + 8, 2), 0);
	has_ops = false;
	model[CARD].dev.virtual_ops = NULL;               /* no driver */
	put(CARD, SRIOV + 0x24, 4, 0x4, ~(VF_BYTES - 1)); /* a reset has taken it */
	make(2);
	assert_null(failure);
	assert_int_equal(virtual[1] -> bar[0].base, 0x5530000000 + VF_BYTES);
	assert_int_equal(hw(CARD, SRIOV + 0x24, 4), 0x30000004);
	assert_int_equal(mades, 0);
	virtuals = 2;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_make, start, end),
		cmocka_unit_test_setup_teardown(test_remove, start, end),
		cmocka_unit_test_setup_teardown(test_refused, start, end),
		cmocka_unit_test_setup_teardown(test_busy, start, end),
		cmocka_unit_test_setup_teardown(test_failures, start, end),
		cmocka_unit_test_setup_teardown(test_ari, start, end),
		cmocka_unit_test_setup_teardown(test_room, start, end),
		cmocka_unit_test_setup_teardown(test_firmware, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
