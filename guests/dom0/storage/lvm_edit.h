/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of a group's metadata: each makes a new tree from a copy of the group's, with the next
 * number. No I/O. Each returns NULL, or the reason against the change; in both cases the caller
 * frees the tree.
 */
#pragma once

#include "guests/dom0/storage/lvm_group.h"

struct lvm_edit {
	struct lvm_tree tree;
	uint64_t time; /* Unix time */
	void (*random)(void *bytes, size_t n);
};

/* Makes an identity of random letters and digits. */
void lvm_make_id(const struct lvm_edit *edit, char id[LVM_ID + 1]);

/* `tags`: a list with NULL at its end, or NULL. */
const char *lvm_edit_create(struct lvm_edit *edit, const struct lvm_group *group, const char *name,
			    uint64_t bytes, const char *const *tags);
const char *lvm_edit_delete(struct lvm_edit *edit, const struct lvm_group *group, uint32_t lv);
const char *lvm_edit_rename(struct lvm_edit *edit, const struct lvm_group *group, uint32_t lv,
			    const char *name);
const char *lvm_edit_resize(struct lvm_edit *edit, const struct lvm_group *group, uint32_t lv,
			    uint64_t bytes, bool shrink);
const char *lvm_edit_tag(struct lvm_edit *edit, const struct lvm_group *group);
/* Gives a volume the tag "KEY=VALUE" in the place of others of that key; NULL: takes those away. */
const char *lvm_edit_tag_lv(struct lvm_edit *edit, const struct lvm_group *group, uint32_t lv,
			    const char *key, const char *value);

/* A new group over devices, with Sampo's tag. */
struct lvm_new_pv {
	const char *device; /* its path, a hint for people */
	char id[LVM_ID + 1];
	uint64_t sectors;
};
const char *lvm_edit_build(struct lvm_edit *edit, const char *name, const struct lvm_new_pv *pv,
			   unsigned pvs);
