/* SPDX-License-Identifier: BSD-2-Clause */
/* A list as result: its length, its elements, and for most lists the length once more. */
#pragma once

#include "guests/dom0/rpc/xdr.h"

struct list {
	struct xdr_out *out;
	size_t begin;
	uint32_t count;
	bool results; /* or the client wants the length alone */
};

static inline struct list list_begin(struct xdr_out *out, bool results)
{
	struct list list = {.out = out, .begin = out->used, .results = results};

	xdr_put_u32(out, 0);
	return list;
}

/* Counts one more. Returns true if the caller is to write the element. */
static inline bool list_one(struct list *list)
{
	list->count++;
	return list->results;
}

static inline void list_end_short(struct list *list)
{
	xdr_set_u32(list->out, list->begin, list->results ? list->count : 0);
}

static inline void list_end(struct list *list)
{
	list_end_short(list);
	xdr_put_u32(list->out, list->count);
}
