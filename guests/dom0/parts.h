/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DOM0_PARTS_H
#define DOM0_PARTS_H

#include "guests/dom0/vm/part.h"

extern const struct vm_part *const parts[];

#endif
