/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A leftist heap of nodes inside other structures: the lowest key is on top,
 * every operation is O(log n) in the worst case. Keys wrap and are compared by
 * their difference; of equal ones the lower `second` goes first.
 */
#pragma once

#include "kernel/base/types.h"

struct heap_node {
	struct heap_node *left, *right, *parent;
	uint64_t key, second;
	uint32_t rank;
};

void heap_push(struct heap_node **heap, struct heap_node *node);
void heap_remove(struct heap_node **heap, struct heap_node *node);
