/* SPDX-License-Identifier: BSD-2-Clause */
/* The model of a guest's CPU, as a part of its machine. */
#ifndef DOM0_CPU_CPU_H
#define DOM0_CPU_CPU_H

#include "guests/dom0/vm/part.h"

extern const struct vm_part cpu_part;

#endif
