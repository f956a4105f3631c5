/* SPDX-License-Identifier: BSD-2-Clause */
/* The choice of guests for a list. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vm;

/* Do the flags of a list of domains (virConnectListAllDomainsFlags) choose the guest? */
bool domain_is_listed(const struct vm *vm, uint32_t flags);
