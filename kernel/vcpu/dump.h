/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

struct vcpu;

/* Registers and the vendor's control block, to the log. Also for request_call. */
void vcpu_dump(struct vcpu *vcpu, void *unused);
