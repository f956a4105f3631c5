/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checksums of the boot modules: a module named SHA256SUMS has them, as sha256sum writes them. A
 * bit that a disk, a cable or memory has lost between the build and the guest's start is found.
 */
#pragma once

struct module;

/* Returns NULL if the module is what SHA256SUMS says or is not named there, or else what is wrong.
 */
const char *sums_check(const struct module *module);

/*
 * Lets the loop read all modules that SHA256SUMS names, a step in each of its turns, so that a
 * guest's start finds its files checked and does not hold up the other guests. sums_check reads a
 * module that is not through yet at once.
 */
void sums_read_ahead(void);
