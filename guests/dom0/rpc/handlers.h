/* SPDX-License-Identifier: BSD-2-Clause */
/* The handlers of the table's procedures, by its lines. */
#pragma once

#include "guests/dom0/rpc/call.h"
#include "guests/dom0/rpc/procedures.h"

typedef void handler(struct call *call);

#define DECLARE(number, name, access, function) handler function;
PROCEDURES(DECLARE)
#undef DECLARE
