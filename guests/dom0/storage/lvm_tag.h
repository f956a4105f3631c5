/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tags of volumes that have a value, "KEY=VALUE". A tag of LVM2 has letters, digits and a few signs
 * only; another byte of a value, and the sign & itself, is & and two hexadecimal digits.
 */
#pragma once

#include "guests/dom0/storage/lvm_group.h"

#define LVM_TAG_ROOM   1025u /* the longest tag, and the zero at its end */
#define LVM_KEY_PATH   "sampo.path"
#define LVM_KEY_FORMAT "sampo.format"
#define LVM_KEY_BYTES  "sampo.bytes"
/* A volume that is being filled, or whose filling has failed, is for nobody. */
#define LVM_KEY_PARTIAL "sampo.partial"
/* GUEST/DISK: the volume has what the guest writes to a transient disk, and goes at its end. */
#define LVM_KEY_TRANSIENT "sampo.transient"
/* POOL/VOLUME: the volume that has the backing file. */
#define LVM_KEY_BACKING "sampo.backing"

/* Writes the tag. Returns false if it would be longer than a tag can be. */
bool lvm_tag_make(char tag[LVM_TAG_ROOM], const char *key, const char *value);

/* Is the text "KEY=" and a value? */
bool lvm_tag_has_key(const char *tag, const char *key);

/* Has the volume a tag of that key, with any value? */
bool lvm_tag_is_there(const struct lvm_lv *lv, const char *key);

/* Copies the value of the volume's tag of that key, as it was before lvm_tag_make. Returns false if
 * there is no such tag, or if its value is malformed. */
bool lvm_tag_value(const struct lvm_lv *lv, const char *key, char value[LVM_TAG_ROOM]);
