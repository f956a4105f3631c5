/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of guests/lib/sampo.h, for tests of devices that are given to guests: the calls of
 * sampo_machine.h, and one more. */
#pragma once

#include "tests/unit/sampo_machine.h"

int64_t sampo_region_unmap(uint32_t domain, uint64_t gpa, uint64_t bytes);
