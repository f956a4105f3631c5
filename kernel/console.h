/* SPDX-License-Identifier: BSD-2-Clause */
/* Input from the serial console, for dom0, and the kernel's debug keys. */
#pragma once

#include "kernel/types.h"

struct domain;

#define VECTOR_CONSOLE 0xf2u
#define CONSOLE_IRQ    4 /* of COM1 on the ISA bus */
#define VECTOR_DEBUG   0xf3u /* by itself: a debug key waits */

/* The event page bit of `domain` that tells of input. */
void console_listen(struct domain *domain, unsigned bit);
void console_interrupt(void);

/* After Ctrl-^ on the serial console: what the kernel shows of itself. The
 * key that was read last; not with any lock held. */
void console_debug(void);
void debug_key(char key);
