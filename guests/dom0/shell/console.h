/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's console on dom0's own: its output (manage/guest_console.h) is shown while the operator
 * is connected to it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guests/dom0/vm/console.h"

/* Show the guest's output from now on, beginning with the scrollback. */
void console_attach(struct vm *vm, enum console_device device);
void console_detach(void);
struct vm *console_attached(void); /* NULL: none */

/* Prints the guest's output in the ring, also of one that has ended. */
void console_log(struct vm *vm, enum console_device device);

/*
 * A key that was typed while connected. CONSOLE_FULL: the guest has not read enough yet, and the
 * key comes again. A guest that reads next to nothing does not keep the operator from the escape
 * character behind what was pasted: after a time keys are lost. console_lost returns how many
 * since it was last called.
 */
enum console_answer { CONSOLE_TAKEN, CONSOLE_FULL, CONSOLE_ESCAPE };
enum console_answer console_key(uint8_t byte);
uint64_t console_lost(void);
