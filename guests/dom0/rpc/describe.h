/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptions of guests as arguments. One of 256 KiB takes up to 50 ms to parse, so that this is a
 * slow computation (base/slow.h); its client is not read meanwhile.
 */
#pragma once

#include "guests/dom0/rpc/call.h"

struct vm_config;

struct description {
	struct vm_config *config; /* the user's */
	const char *xml;
	size_t bytes;
	uint32_t flags; /* of the call */
};

/* Goes on with a call when its description has been parsed and is right: writes the result, or lets
 * the answer come later still. */
typedef void describe_use(struct call *call, const struct description *description);

/* Takes a copy of the XML; the handler returns then. */
void describe(struct call *call, const char *xml, size_t bytes, uint32_t flags, describe_use *use);
