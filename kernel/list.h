/* SPDX-License-Identifier: BSD-2-Clause */
/* A doubly linked list of nodes that are the first members of other structures. */
#pragma once

#include "kernel/types.h"

struct list {
	struct list *next, *prev;
};

static inline void list_add(struct list **head, struct list *node)
{
	*node = (struct list){*head, NULL};
	if (*head)
		(*head)->prev = node;
	*head = node;
}

static inline void list_remove(struct list **head, struct list *node)
{
	*(node->prev ? &node->prev->next : head) = node->next;
	if (node->next)
		node->next->prev = node->prev;
}
