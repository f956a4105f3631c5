/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

struct vcpu;

/* The state of a vCPU that cannot go on, to the log. */
void vcpu_dump(struct vcpu *v, const char *why);
