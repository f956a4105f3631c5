/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/base/heap.h"

static uint32_t rank(const struct heap_node *node)
{
	return node ? node->rank : 0;
}

/*
 * A node's rank is the length of its right spine, the way along right children. The heap is
 * leftist: no right spine is longer than the left one beside it, so a heap of n nodes has one of at
 * most log2(n + 1) nodes, and merging walks along right spines only. True: the rank has changed.
 */
static bool fix_rank(struct heap_node *node)
{
	struct heap_node *left = node->left;
	uint32_t old = node->rank;

	if (rank(left) < rank(node->right)) {
		node->left = node->right;
		node->right = left;
	}
	node->rank = rank(node->right) + 1;
	return node->rank != old;
}

static bool precedes(const struct heap_node *a, const struct heap_node *b)
{
	int64_t difference = (int64_t)(a->key - b->key);

	return difference < 0 || (!difference && (int64_t)(a->second - b->second) < 0);
}

/* The right spines of both become one, from its top to its end, and then the ranks are put right
 * from there back. The stack does not grow with the heap. */
static struct heap_node *merge(struct heap_node *a, struct heap_node *b)
{
	struct heap_node *top = NULL, *last = NULL, **link = &top;

	while (a && b) {
		struct heap_node *first = precedes(b, a) ? b : a, *other = first == a ? b : a;

		*link = first;
		first->parent = last;
		last = first;
		link = &first->right;
		a = first->right;
		b = other;
	}
	*link = a ? a : b;
	if (*link)
		(*link)->parent = last;
	for (; last; last = last->parent)
		fix_rank(last);
	return top;
}

void heap_push(struct heap_node **heap, struct heap_node *node)
{
	node->left = NULL;
	node->right = NULL;
	node->rank = 1;
	node->parent = NULL;
	*heap = *heap ? merge(*heap, node) : node;
}

/* The pointer that has `node` in it. */
static struct heap_node **link_to(struct heap_node **heap, const struct heap_node *node)
{
	struct heap_node *up = node->parent;

	if (!up)
		return heap;
	return up->left == node ? &up->left : &up->right;
}

/* Both subtrees become one in the node's place. Ranks above change as far as they depend on it. */
void heap_remove(struct heap_node **heap, struct heap_node *node)
{
	struct heap_node *rest = node->right ? merge(node->left, node->right) : node->left;
	struct heap_node *up = node->parent;

	if (rest)
		rest->parent = up;
	*link_to(heap, node) = rest;
	for (; up; up = up->parent)
		if (!fix_rank(up))
			break;
}
