/* SPDX-License-Identifier: BSD-2-Clause */
/* All virtio devices of a guest, on its PCI bus. */
#pragma once

#include "guests/dom0/vm/part.h"

/*
 * The devices as a part of the machine. attach makes those that the description asks for, in PCI
 * slots from 1 on. After reset and detach a disk may still write into the guest's memory until the
 * part is quiet.
 */
extern const struct vm_part virtio_part;

/*
 * attach for a guest whose state region outlived an earlier dom0: adopts the devices as they are,
 * starts requests that were in flight again. Returns NULL, or the error.
 */
const char *virtio_resume(struct vm *vm);
