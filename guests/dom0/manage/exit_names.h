/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the kernel's kinds of exits, which it counts and traces by number. */
#pragma once

/* "?" for a kind that this dom0 does not know. */
const char *exit_name(unsigned kind);
