/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DOM0_CPU_DUMP_H
#define DOM0_CPU_DUMP_H

struct vcpu;

/* The state of a vCPU that cannot go on, to the log. */
void vcpu_dump(struct vcpu *v, const char *why);

#endif
