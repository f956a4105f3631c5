/* SPDX-License-Identifier: BSD-2-Clause */
/* Debug keys on the serial console, by which the kernel shows its state, or resets the machine: see
 * console_above. */
#pragma once

const char *debug_word(char key);
void debug_key(char key, const char *typed);
