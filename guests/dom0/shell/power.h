/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's end: guests first, then disks, then the power. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* operation: SAMPO_MACHINE_POWEROFF or _RESET; force: guests are not asked, or not waited for any
 * longer if the end has begun. */
void power_end(uint64_t operation, bool force);

/* Has it begun? No guest starts any more. */
bool power_ends(void);

/* The machine's power button was pressed: as `poweroff`, whatever the shell was doing. */
void power_button(void);
