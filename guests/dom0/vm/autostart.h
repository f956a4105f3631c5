/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

/* Defines the guests whose descriptions are among the boot modules (names that
 * end in ".xml"), in the order of their names; and starts them. */
void autostart_define(void);
void autostart(void);
