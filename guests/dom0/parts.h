/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "guests/dom0/vm/part.h"

extern const struct vm_part *const parts[];
