/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that objects ask of the vCPUs above them. `make rooms` compares this list with the symbols of
 * the objects.
 */
#pragma once

#include "kernel/base/types.h"

struct domain;
struct object;
struct vcpu;

/* vcpu.c: a bit of its domain's event page has been set, which ends its wait(). */
void vcpu_notify(struct vcpu *vcpu);
/* As the other ways to take an object apart, see object.c. */
bool vcpu_take_apart(struct object *object);
/* Stops one vCPU of a dead domain. Returns true if there may be more. */
bool vcpu_stop_some(struct domain *domain);

/* turn.c: the interrupt that is being handled is for this vCPU, which pays for it if it is here. */
void vcpu_charge(struct vcpu *vcpu);

/* message.c: an MSI (SDM 3A 10.11) to the domain's local APICs. */
void domain_msi(struct domain *domain, uint64_t address, uint32_t data);
