/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: guests/dom0/assign/virtual.c */
/* Who may have virtual functions made and removed, and the words of the command line. */
#include "tests/unit/unit.h"

#include <string.h>

#include "guests/dom0/assign/assign.h"
#include "guests/dom0/assign/function.h"
#include "guests/dom0/assign/group.h"

static struct pci_device card, one, two;
static const char *owner_of_card, *owner_of_two, *refusal, *failure;
static const struct pci_device *resetting;
static unsigned asked, count, held, dones, added, removed, forgotten;
static void (*finish)(struct pci_device *dev, const char *failure);

struct pci_device *pci_first(void)
{
	return &card;
}

struct pci_device *pci_at(uint16_t bdf)
{
	return bdf == card.bdf ? &card : NULL;
}

bool pci_virtual_busy(const struct pci_device *dev)
{
	assert_ptr_equal(dev, &card);
	return finish != NULL;
}

const char *pci_virtual_make(struct pci_device *dev, unsigned wanted,
			     void (*done)(struct pci_device *dev, const char *failure))
{
	assert_ptr_equal(dev, &card);
	asked++;
	count = wanted;
	if (!refusal)
		finish = done;
	return refusal;
}

const char *assign_owner(const struct pci_device *dev)
{
	return dev == &card ? owner_of_card : dev == &two ? owner_of_two : NULL;
}

bool assign_is_resetting(const struct pci_device *dev)
{
	return dev == resetting;
}

void assign_forget(const struct pci_device *dev)
{
	assert_ptr_equal(dev->physical, &card);
	forgotten++;
}

void group_add(struct pci_device *dev)
{
	assert_ptr_equal(dev->physical, &card);
	added++;
}

void group_remove(const struct pci_device *dev)
{
	assert_ptr_equal(dev->physical, &card);
	removed++;
}

void blk_hold(void)
{
	held++;
}

void blk_release(void)
{
	held--;
}

static void done(struct pci_device *dev, const char *why)
{
	assert_ptr_equal(dev, &card);
	failure = why;
	dones++;
}

static void end_with(const char *why)
{
	void (*call)(struct pci_device * dev, const char *failure) = finish;

	finish = NULL;
	call(&card, why);
}

static int start(void **state)
{
	(void)state;
	card = (struct pci_device){.bdf = 0x100, .name = "01:00.0"};
	one = (struct pci_device){.bdf = 0x101, .name = "01:00.1", .physical = &card};
	two = (struct pci_device){.bdf = 0x102, .name = "01:00.2", .physical = &card};
	owner_of_card = owner_of_two = refusal = failure = NULL;
	resetting = NULL;
	finish = NULL;
	asked = count = held = dones = added = removed = forgotten = 0;
	return 0;
}

static void list(void)
{
	card.next = &one;
	one.next = &two;
}

static void test_groups(void **state)
{
	(void)state;
	assert_null(assign_virtual_make(&card, 2, done));
	assert_non_null(assign_virtual_make(&card, 0, done)); /* not at once */
	assert_int_equal(asked, 1);
	list();
	end_with(NULL);
	assert_int_equal(dones, 1);
	assert_int_equal(added, 2);
	assert_null(assign_virtual_make(&card, 0, done));
	assert_int_equal(removed, 2);
	assert_int_equal(forgotten, 2);
	card.next = NULL;
	end_with("what happened");
	assert_string_equal(failure, "what happened");
	assert_int_equal(added, 2);
}

static void test_refused(void **state)
{
	(void)state;
	list();
	owner_of_card = "guest";
	assert_non_null(assign_virtual_make(&card, 2, done));
	owner_of_card = NULL;
	owner_of_two = "guest";
	assert_string_equal(assign_virtual_make(&card, 0, done), "guest 'guest' has 01:00.2");
	owner_of_two = NULL;
	resetting = &one;
	assert_string_equal(assign_virtual_make(&card, 0, done), "01:00.1 is being reset");
	resetting = &card;
	assert_non_null(assign_virtual_make(&card, 0, done));
	resetting = NULL;
	assert_int_equal(asked, 0);
	assert_int_equal(removed, 0);
	refusal = "no";
	assert_string_equal(assign_virtual_make(&card, 5, done), "no");
	refusal = NULL;
	assert_null(assign_virtual_make(&card, 0, done)); /* nothing of the refused one is left */
	end_with(NULL);
	assert_int_equal(dones, 1);
}

static void test_words(void **state)
{
	(void)state;
	assign_virtual_start("ip=off vfs=01:00.0/2 uplink=eth0");
	assert_int_equal(asked, 1);
	assert_int_equal(count, 2);
	assert_int_equal(held, 1); /* guests wait */
	end_with("too late");
	assert_int_equal(held, 0);
	refusal = "no";
	assign_virtual_start("vfs=01:00.0/64");
	assert_int_equal(count, 64);
	assert_int_equal(held, 0);
	asked = 0;
	assign_virtual_start("vfs= vfs=x vfs=01:00.0 vfs=01:00.0/ vfs=01:00.0/2x vfs=01:00.8/1 "
			     "vfs=01:20.0/1 vfs=02:00.0/1 notvfs=01:00.0/2 vfs=01:00.0/-1");
	assert_int_equal(asked, 0);
	assert_int_equal(held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_groups, start),
		cmocka_unit_test_setup(test_refused, start),
		cmocka_unit_test_setup(test_words, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
