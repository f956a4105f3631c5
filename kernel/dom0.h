/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

struct boot_info;

/* dom0 hears of input; debug keys are the kernel's own. */
extern const struct console_above dom0_console;

/* Make dom0 from the module of that name and give it the first handles.
 * Refuses to start the machine when that can't be done. */
void dom0_start(const struct boot_info *boot);
