/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the kernel's kinds of exits, which it counts and traces by number. */
#ifndef DOM0_MANAGE_EXIT_NAMES_H
#define DOM0_MANAGE_EXIT_NAMES_H

/* "?" for a kind that this dom0 does not know. */
const char *exit_name(unsigned kind);

#endif
