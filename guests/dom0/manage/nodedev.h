/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts about the machine's devices under libvirt's names: the computer and its PCI functions, each
 * below the bridge that leads to it. Printing is elsewhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NODEDEV_NAME 20 /* "pci_0000_00_1f_2" */

struct nodedev {
	char name[NODEDEV_NAME], parent[NODEDEV_NAME]; /* no parent: the computer itself */
	const char *driver; /* NULL: none; "sampo-guest": a guest has it */
	uint16_t bdf, vendor, product;
	uint32_t class_code;
	bool bridge;
	bool has_group; /* an IOMMU is in use; those of a group go to a guest together */
	unsigned group;
	uint16_t max_vfs, vfs; /* virtual functions that it can have (nodedev_find), and has */
	bool is_virtual;       /* it is one, of the function `physical` */
	uint16_t physical;     /* its bdf */
	/* PCIe links, as PCIe 5.0, 7.5.3.6 and 7.5.3.8 encode them: what it can do, what it does
	 * (nodedev_find); width 0: not an Express function. */
	struct nodedev_link {
		uint8_t speed, width;
	} can, does;
};

/* Describes them all, the computer first, without a look at their registers, which would take too
 * long. Returns an array that the caller frees; NULL if dom0's memory is exhausted. */
struct nodedev *nodedev_all(unsigned *count);
/* Returns false if no device has the name; else describes that one. */
bool nodedev_find(const char *name, struct nodedev *device);

/* Resets a function that nobody uses. NULL, or why not; `done` is called later, with what is wrong
 * with the function then, or NULL. */
const char *nodedev_reset(const struct nodedev *device, void (*done)(const char *failure));
/* Makes virtual functions of a function, or removes all of them (count 0). The same results. */
const char *nodedev_make_vfs(const struct nodedev *device, unsigned count,
			     void (*done)(const char *failure));
