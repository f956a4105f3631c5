/* SPDX-License-Identifier: BSD-2-Clause */
/* The model of a guest's CPU, as a part of its machine. */
#pragma once

#include "guests/dom0/vm/part.h"

extern const struct vm_part cpu_part;
