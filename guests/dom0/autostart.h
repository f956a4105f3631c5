/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DOM0_AUTOSTART_H
#define DOM0_AUTOSTART_H

/* Defines and starts the guests whose descriptions are among the boot modules
 * (names that end in ".xml"), in the order of their names. */
void autostart(void);

#endif
