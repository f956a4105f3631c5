/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPU that dom0 runs on, which is the one that the machine's devices interrupt (env.c). */
#ifndef DOM0_HOME_H
#define DOM0_HOME_H

#include <stdbool.h>

struct sampo_vcpu_info;
/* dom0's own vCPU: where it is and what it has used. */
bool home_info(struct sampo_vcpu_info *info);
/* Goes to that CPU and takes all interrupts along. NULL, or why dom0 is where it was. */
const char *home_move(unsigned cpu);

#endif
