/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mark by which GRUB learns that a new version of Sampo has come up. The mark is an environment
 * block of GRUB (GRUB 2.06, "The GRUB environment block"): GRUB writes "sampo_state=try" before it
 * starts a version for the first time, dom0 makes that "sampo_state=ran", and where GRUB finds
 * "try" again, it starts the version before.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BOOT_MARK_WORD  "boot-mark="
#define BOOT_MARK_BYTES 1024u

/*
 * Obeys the word boot-mark=DEVICE,SECTOR of dom0's command line: the block that begins at the
 * device's sector gets its new state, if it is such a block in the state "try"; nothing else is
 * written. `done` is called when this is over, from the event loop or at once.
 */
void boot_mark(const char *cmdline, void (*done)(void));

/* Changes the block. Returns NULL, or the reason why it does not. */
const char *boot_mark_change(uint8_t block[BOOT_MARK_BYTES]);
/* Reads the word's text of n characters. Returns false if that is not a device and a sector. */
bool boot_mark_parse(const char *text, unsigned n, char device[64], uint64_t *sector);
