/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LVM2's metadata text as a tree: sections of named values, a value being a text, a number or an
 * array of both. Unknown values stay in the tree, so that a changed group is written with
 * all that another program has put into it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LVM_DEPTH      8u
#define LVM_TREE_BYTES (4u << 20) /* of one tree */

enum lvm_kind { LVM_SECTION, LVM_STRING, LVM_NUMBER, LVM_ARRAY };

struct lvm_node {
	const char *name;       /* NULL in an array */
	const char *text;       /* of a string; of a number as the text has it */
	struct lvm_node *child; /* the first in a section or an array */
	struct lvm_node *next;
	enum lvm_kind kind;
};

struct lvm_tree {
	struct lvm_node *root; /* a section without a name */
	struct lvm_chunk *chunks;
	size_t used, total; /* bytes of the first chunk, of all */
};

/* Parses a text of `bytes`, which ends with zeros or without. Returns the reason against it, or
 * NULL. In both cases the caller frees the tree. */
const char *lvm_text_parse(struct lvm_tree *tree, const char *text, size_t bytes);
void lvm_tree_free(struct lvm_tree *tree);

/* The child of that name; NULL: none, or `in` is NULL. */
struct lvm_node *lvm_find(const struct lvm_node *in, const char *name);
/* The same for one kind alone. */
struct lvm_node *lvm_section(const struct lvm_node *in, const char *name);
const char *lvm_string(const struct lvm_node *in, const char *name);
/* Reads a number from 0 to `most`. Returns false if it is none. */
bool lvm_number(const struct lvm_node *in, const char *name, uint64_t most, uint64_t *value);
bool lvm_value(const struct lvm_node *node, uint64_t most, uint64_t *value);

/*
 * Changes. A function that makes a node puts it behind the others of `in`, and returns NULL if
 * memory is exhausted or `in` is NULL, so that a series of calls needs one check at its end.
 */
struct lvm_node *lvm_add(struct lvm_tree *tree, struct lvm_node *in, enum lvm_kind kind,
			 const char *name, const char *text);
struct lvm_node *lvm_add_number(struct lvm_tree *tree, struct lvm_node *in, const char *name,
				uint64_t value);
/* Sets the text of a value that is there. */
bool lvm_set_number(struct lvm_tree *tree, struct lvm_node *node, uint64_t value);
/* Gives a named node another name. Returns false if memory is exhausted. */
bool lvm_set_name(struct lvm_tree *tree, struct lvm_node *node, const char *name);
void lvm_remove(struct lvm_node *in, const struct lvm_node *node);
/* A copy that shares nothing. */
bool lvm_tree_copy(struct lvm_tree *to, const struct lvm_tree *from);

/* Writes the tree as text, with a zero at its end. Returns how many bytes that takes, the zero
 * included; if these are more than `room`, the text is cut. */
size_t lvm_text_print(const struct lvm_tree *tree, char *text, size_t room);
