/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that come to a guest, change and leave it: of the guest that runs, of its description, or
 * of both. */
#pragma once

#include "guests/dom0/manage/define.h"

#define ATTACH_XML 65536u /* bytes of a description of a device */

enum attach_action { ATTACH_DEVICE, ATTACH_UPDATE, ATTACH_DETACH };

/*
 * `xml` is the description of one device: <disk>, <interface> or <hostdev>. The last two actions
 * find the guest's device by the target of the disk, the MAC address of the interface (which may be
 * absent if the guest has one interface alone) or the address of the function. `affects` is of
 * TUNE_* (tune.h); TUNE_CURRENT is the guest if it runs, else its description.
 *
 * The guest itself comes first, and the description when that has succeeded. A guest is asked to
 * give a device up, and has 10 s.
 *
 * Returns NULL, and `done` is called then, at once or from the event loop; or returns the reason
 * against it, "" if the reasons are *error's refusals.
 */
const char *attach_change(struct vm *vm, enum attach_action action, const char *xml, size_t bytes,
			  unsigned affects, struct config_error *error, define_done *done,
			  void *context);

/* Plugs or pulls the cable of a running guest's interface, and its description of this run says
 * so. Returns the reason against it, or NULL. */
const char *attach_link(struct vm *vm, unsigned nic, bool up);
