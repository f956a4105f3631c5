/* SPDX-License-Identifier: BSD-2-Clause */
/* The facts of a volume group, taken from its metadata's tree and checked. */
#pragma once

#include "guests/dom0/storage/lvm_disk.h"
#include "guests/dom0/storage/lvm_text.h"

#define LVM_NAME      128u
#define LVM_WHY       128u
#define LVM_PVS       128u
#define LVM_LVS       4096u
#define LVM_SEGMENTS  16384u
#define LVM_TAG       "sampo" /* the tag of groups that Sampo writes */
#define LVM_UUID_TEXT 39u     /* an identity with its hyphens */

struct lvm_pv {
	const char *name; /* in the metadata: "pv0" */
	struct lvm_node *node;
	char id[LVM_ID + 1];
	uint64_t first_sector; /* of extent 0 */
	uint32_t extents;
	bool allocatable, missing;
};

/* A run of extents on one device, of one volume. */
struct lvm_segment {
	uint32_t lv, start, extents; /* start: in the volume */
	uint32_t pv, pe;
};

struct lvm_lv {
	const char *name;
	struct lvm_node *node;
	char id[LVM_ID + 1];
	bool visible, writable;
	uint32_t extents;
	uint32_t first, segments; /* in the group's array */
	char why[LVM_WHY];        /* the reason why nobody can use it; "": a linear volume */
};

struct lvm_group {
	struct lvm_tree tree; /* names and nodes below are in it */
	struct lvm_node *node;
	const char *name;
	char id[LVM_ID + 1];
	uint64_t seqno, extent_sectors;
	bool writable, tagged;
	char why[LVM_WHY];   /* the reason why no volume of it can be used, or "" */
	char fixed[LVM_WHY]; /* the reason why its metadata cannot be changed, or "" */
	struct lvm_pv *pv;
	struct lvm_lv *lv;
	struct lvm_segment *segment;
	uint32_t pvs, lvs, segments;
};

/*
 * Takes the tree, which is empty then, and reads the group from it. Returns NULL, or the reason
 * why it is no group at all. The `why` of a group or a volume has its fault. In each case
 * the caller calls lvm_group_free.
 */
const char *lvm_group_read(struct lvm_group *group, struct lvm_tree *tree);
void lvm_group_free(struct lvm_group *group);

/* Reads no more than the group's name, identity and number. Returns the reason against it. */
const char *lvm_group_identify(const struct lvm_tree *tree, const char **name, char id[LVM_ID + 1],
			       uint64_t *seqno);

/* Returns the volume's index, -1 if there is none of that name. */
int lvm_group_find(const struct lvm_group *group, const char *name);
uint64_t lvm_group_free_extents(const struct lvm_group *group);
/* Does LVM2 accept the text as the name of a group or a volume? */
bool lvm_name_is_right(const char *name);
/* "AbCdEf-GhIj-..." */
void lvm_uuid_text(char text[LVM_UUID_TEXT], const char id[LVM_ID + 1]);
