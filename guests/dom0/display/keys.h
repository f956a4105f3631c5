/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys by the names that people and viewers have for them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct vm;

/* The key of a US keyboard that makes an X keysym, as i8042_key takes it; 0: there is none. */
unsigned key_of_keysym(unsigned keysym);

/* libvirt's sets of codes (virKeycodeSet) that are known. */
enum key_set { KEY_SET_LINUX = 0, KEY_SET_XT = 1, KEY_SET_XT_KBD = 6 };

/* Presses keys, all together, and lets them go. Returns the reason why not, or NULL; then the guest
 * has them all. */
const char *keys_send(struct vm *vm, uint32_t set, const uint32_t *code, size_t count);

/* The code of Linux's for a name of its input-event-codes.h, such as KEY_LEFTCTRL; 0: there is no
 * such key. */
unsigned key_of_name(const char *name);
